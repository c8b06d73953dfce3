import CZlib
import Plans

/// Opens the input as a plan: it is verified or refused, and what is verified can be used in full.
///
/// Every other input first gets fitting checksums, else none would come past them to the verifier.
@Sendable
func fuzzPlan(_ input: UnsafeRawBufferPointer) {
    var bytes = [UInt8](input)
    if bytes.last.map({ $0 & 1 == 0 }) ?? false { seal(&bytes) }
    var limits = Limits.standard
    // Keeps one input from taking all memory; the rules are the same.
    limits.coldBytes = 1 << 20
    guard let plan = try? Plan(bytes: bytes, limits: limits) else { return }
    use(plan)
}

/// Touches every byte that the verified program may make a runtime touch.
private func use(_ plan: Plan) {
    var sum = 0
    for tensor in plan.program.tensors {
        guard let size = tensor.byteCount else { fatalError("a verified tensor has no size") }
        for byte in plan.weights[tensor.offset..<tensor.offset + size] { sum &+= Int(byte) }
    }
    for byte in plan.tokenizer { sum &+= Int(byte) }
    for buffer in plan.program.buffers {
        guard let stride = buffer.rowStride,
            buffer.offset + stride * plan.program.rowCount(buffer.rows) <= plan.program.arenaBytes
        else { fatalError("a verified buffer lies outside the arena") }
    }
    _ = try? plan.facts()
    _ = try? plan.chatTemplate()
    _ = try? plan.verifyWeights()
    withExtendedLifetime(sum) {}
}

/// Writes the checksums of all sections that lie inside the input, and the header's (formats/plan.md, "Header").
private func seal(_ bytes: inout [UInt8]) {
    guard bytes.count >= 64 else { return }
    let tableEnd = 64 + Int(bytes[12]) * 40
    guard tableEnd <= bytes.count else { return }
    for entry in stride(from: 64, to: tableEnd, by: 40) {
        let offset = number(bytes, at: entry + 8)
        let size = number(bytes, at: entry + 16)
        guard size <= UInt64(bytes.count), offset <= UInt64(bytes.count) - size else { continue }
        store(checksum(bytes[Int(offset)..<Int(offset + size)]), in: &bytes, at: entry + 32)
    }
    store(checksum(bytes[..<60] + bytes[64..<tableEnd]), in: &bytes, at: 60)
}

private func number(_ bytes: [UInt8], at offset: Int) -> UInt64 {
    (0..<8).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
}

private func store(_ value: UInt32, in bytes: inout [UInt8], at offset: Int) {
    for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
}

private func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32(0, $0.baseAddress, UInt32($0.count))) }
}
