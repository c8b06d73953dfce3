import Runtime

/// All tokens of a row of logits in order, the most likely first and the lowest id among equals (`Candidate.precedes`); what is
/// no number comes last. A radix sort over the logits' bits, four passes: sampling without top-k sorts a whole vocabulary for
/// every token.
func sortedCandidates(_ logits: UnsafeBufferPointer<Float>) -> [Candidate] {
    var tokens = [UInt32](0..<UInt32(logits.count))
    var others = tokens
    for shift: UInt32 in [0, 8, 16, 24] {
        func digit(_ token: UInt32) -> Int { Int(rank(of: logits[Int(token)]) >> shift & 255) }
        var starts = [Int](repeating: 0, count: 257)
        for token in tokens { starts[digit(token) + 1] += 1 }
        for digit in 1...256 { starts[digit] += starts[digit - 1] }
        for token in tokens {
            let digit = digit(token)
            others[starts[digit]] = token
            starts[digit] += 1
        }
        swap(&tokens, &others)
    }
    return tokens.map { Candidate(token: $0, logit: logits[Int($0)]) }
}

/// A number that is the smaller, the larger a logit is; the same for both zeros.
private func rank(of logit: Float) -> UInt32 {
    guard !logit.isNaN else { return .max }
    let bits = logit == 0 ? 0 : logit.bitPattern
    return bits >> 31 == 1 ? bits : ~(bits | 1 << 31)
}
