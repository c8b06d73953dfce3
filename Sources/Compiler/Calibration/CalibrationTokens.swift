import Plans
import Tokenization

/// Calibration text as chunks of tokens, each a sequence of its own.
struct CalibrationTokens: Sendable {
    /// Tokens of a chunk: positions that a model is calibrated over.
    static let chunkLength = 512
    /// Chunks that calibration uses at the most, where it is not asked for more.
    static let mostChunks = 32
    /// Chunks that are kept for measuring the result at the most: a fifth of what there is.
    static let mostHeldOut = 8

    /// All tokens, chunk after chunk; a whole number of chunks.
    let tokens: [UInt32]
    let chunkLength: Int

    /// Whole chunks, at least one.
    init(tokens: ArraySlice<UInt32>, chunkLength: Int) {
        self.tokens = Array(tokens)
        self.chunkLength = chunkLength
    }

    /// The chunks to calibrate with, and the last ones, which calibration does not see; there may be none of these.
    func split(most: Int = mostChunks) -> (calibration: CalibrationTokens, heldOut: CalibrationTokens) {
        let heldOut = min(chunkCount / 5, CalibrationTokens.mostHeldOut)
        let calibration = min(chunkCount - heldOut, most)
        return (
            CalibrationTokens(tokens: tokens[..<(calibration * chunkLength)], chunkLength: chunkLength),
            CalibrationTokens(tokens: tokens[((chunkCount - heldOut) * chunkLength)...], chunkLength: chunkLength)
        )
    }

    /// As `split`, where the result has to be measured. Throws `tooShort` where no chunk would be left for that; `path` is the
    /// text's, nil for the built-in one.
    func splitToMeasure(
        most: Int = mostChunks, path: String?
    ) throws(CalibrationError) -> (calibration: CalibrationTokens, heldOut: CalibrationTokens) {
        let parts = split(most: most)
        guard parts.heldOut.chunkCount > 0 else {
            throw .tooShort(path: path ?? "built-in text", tokens: tokens.count, needed: 5 * chunkLength)
        }
        return parts
    }

    /// The first chunks, `count` at the most.
    func prefix(_ count: Int) -> CalibrationTokens {
        CalibrationTokens(tokens: tokens[..<min(tokens.count, count * chunkLength)], chunkLength: chunkLength)
    }

    var chunkCount: Int { tokens.count / chunkLength }

    /// The rows of one chunk.
    func rows(of chunk: Int) -> Range<Int> { chunk * chunkLength..<(chunk + 1) * chunkLength }

    /// Cuts `text` (of `path`, for messages) into chunks of so many tokens, of the model's context at the most. Throws
    /// `empty`, `notUTF8` or `tooShort`.
    init(
        _ text: [UInt8], path: String, tokenizer: Tokenizer, contextLength: Int, chunkLength: Int = chunkLength
    ) throws(CalibrationError) {
        guard !text.isEmpty else { throw .empty(path: path) }
        if let offset = text.firstInvalidUTF8 { throw .notUTF8(path: path, offset: offset) }
        let chunkLength = min(chunkLength, contextLength)
        self.chunkLength = chunkLength
        let all = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
        let count = all.count / chunkLength
        guard count > 0 else { throw .tooShort(path: path, tokens: all.count, needed: chunkLength) }
        var tokens = Array(all.prefix(count * chunkLength))
        // A model that wants a beginning-of-sequence token gets it in every chunk.
        if tokenizer.addsBeginningOfSequence, let beginning = tokenizer.beginningOfSequence {
            for chunk in 0..<count { tokens[chunk * chunkLength] = beginning }
        }
        self.tokens = tokens
    }
}

extension [UInt8] {
    /// The offset of the first byte that is not part of valid UTF-8; nil where all are.
    var firstInvalidUTF8: Int? {
        var decoder = Unicode.UTF8.ForwardParser()
        var iterator = makeIterator()
        var offset = 0
        while true {
            switch decoder.parseScalar(from: &iterator) {
            case .valid(let scalar): offset += scalar.count
            case .emptyInput: return nil
            case .error: return offset
            }
        }
    }
}
