import Foundation
import Models
import Tokenization

extension CalibrationTokens {
    /// The text of a file, or the built-in text where `path` is nil, in tokens of a plan's tokenizer section. Throws where
    /// it cannot be read or is no good.
    init(
        path: String?, tokenizer section: [UInt8], model: Model, chunkLength: Int = chunkLength
    ) throws(CompileError) {
        var text = CalibrationText.standard
        if let path {
            guard let data = try? Data(contentsOf: URL(filePath: path)) else {
                throw .calibration(.unreadable(path: path))
            }
            text = Array(data)
        }
        let result = try attempt(CompileError.unusableTokenizer) {
            () throws(TokenizerError) -> Result<CalibrationTokens, CalibrationError> in
            // The tables are used where they lie.
            try section.withUnsafeBufferPointer { section throws(TokenizerError) in
                let tokenizer = try Tokenizer(section: UnsafeRawBufferPointer(section))
                return Result { () throws(CalibrationError) in
                    try CalibrationTokens(
                        text, path: path ?? "built-in text", tokenizer: tokenizer, contextLength: model.contextLength,
                        chunkLength: chunkLength)
                }
            }
        }
        self = try attempt(CompileError.calibration) { () throws(CalibrationError) in try result.get() }
    }
}
