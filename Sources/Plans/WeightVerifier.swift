extension Program {
    /// Reads the elements of every tensor: gaps between tensors are zero, floats, scales and minimums finite.
    ///
    /// `weights` is the section that the program was verified for.
    func verifyWeights(_ weights: UnsafeRawBufferPointer) throws(PlanError) {
        var end = 0
        for (index, tensor) in tensors.enumerated() {
            try Program.checkZero(weights, from: end, to: tensor.offset)
            end = tensor.offset + (tensor.byteCount ?? 0)
            let bytes = UnsafeRawBufferPointer(rebasing: weights[tensor.offset..<end])
            guard tensor.layout.hasFiniteNumbers(bytes) else {
                throw PlanError(
                    .invalid, "every float, scale and minimum is finite", at: .tensor(index), found: .text(tensor.name))
            }
        }
        try Program.checkZero(weights, from: end, to: weights.count)
    }

    private static func checkZero(_ weights: UnsafeRawBufferPointer, from: Int, to: Int) throws(PlanError) {
        for offset in from..<to where weights[offset] != 0 {
            throw PlanError(
                .invalid, "bytes between tensors are zero",
                at: .sectionOffset(SectionKind.weights.rawValue, offset), found: .number(Int(weights[offset])))
        }
    }
}

extension Tensor.Layout {
    fileprivate func hasFiniteNumbers(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .matrix(let packing, _, let columns) = self else { return areFinite32(bytes) }
        switch packing {
        case .float32: return areFinite32(bytes)
        case .float16: return areFinite16(bytes, exponent: 0x7C00)
        case .bfloat16: return areFinite16(bytes, exponent: 0x7F80)
        case .integer(let codes, let group):
            // Scales and minimums end every group; a tile's last group may be shorter.
            var end = 0
            while end < bytes.count {
                for first in stride(from: 0, to: columns, by: group.rawValue) {
                    let blocks = min(group.rawValue, columns - first) / Packing.blockColumns
                    let numbers = end + blocks * codes.blockBytes
                    end = numbers + codes.numberBytes
                    let found = UnsafeRawBufferPointer(rebasing: bytes[numbers..<end])
                    guard areFinite16(found, exponent: 0x7C00) else { return false }
                }
            }
            return true
        }
    }
}

private func areFinite32(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var areFinite = true
    for word in bytes.bindMemory(to: UInt32.self) {
        areFinite = areFinite && UInt32(littleEndian: word) & 0x7F80_0000 != 0x7F80_0000
    }
    return areFinite
}

/// 16-bit floats whose exponent bits are not all ones.
private func areFinite16(_ bytes: UnsafeRawBufferPointer, exponent: UInt16) -> Bool {
    var areFinite = true
    for word in bytes.bindMemory(to: UInt16.self) {
        areFinite = areFinite && UInt16(littleEndian: word) & exponent != exponent
    }
    return areFinite
}
