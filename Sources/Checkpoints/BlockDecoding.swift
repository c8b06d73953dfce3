extension ElementType {
    /// Decodes a range of elements to f32, with the products and sums that define the type, each rounded once
    /// (formats/gguf.md, "Tensor types").
    ///
    /// `bytes` must hold the whole tensor, `output` at least `elements.count` values.
    func decode(
        _ bytes: UnsafeRawBufferPointer, elements: Range<Int>, into output: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(elements.lowerBound >= 0 && elements.count <= output.count)
        let size = blockElements
        let first = elements.lowerBound / size
        let last = (elements.upperBound + size - 1) / size
        precondition(last * blockBytes <= bytes.count)
        guard !elements.isEmpty, let source = bytes.baseAddress, let target = output.baseAddress else { return }
        if elements.lowerBound % size == 0, elements.upperBound % size == 0 {
            decode(source + first * blockBytes, blocks: last - first, into: target)
            return
        }
        withUnsafeTemporaryAllocation(of: Float.self, capacity: size) { scratch in
            guard let values = scratch.baseAddress else { return }
            for block in first..<last {
                decode(source + block * blockBytes, blocks: 1, into: values)
                let wanted = elements.clamped(to: block * size..<(block + 1) * size)
                (target + wanted.lowerBound - elements.lowerBound)
                    .update(from: values + wanted.lowerBound - block * size, count: wanted.count)
            }
        }
    }

    private func decode(_ source: UnsafeRawPointer, blocks: Int, into target: UnsafeMutablePointer<Float>) {
        switch self {
        case .float32:
            UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: blocks * 4)
        case .float16:
            for index in 0..<blocks { target[index] = float(half: source.half(index * 2)) }
        case .bfloat16:
            for index in 0..<blocks { target[index] = float(bfloat16: source.half(index * 2)) }
        case .q4_0:
            for block in 0..<blocks { decodeQ4Symmetric(source + block * 18, target + block * 32) }
        case .q4_1:
            for block in 0..<blocks { decodeQ4Affine(source + block * 20, target + block * 32) }
        case .q5_0:
            for block in 0..<blocks { decodeQ5Symmetric(source + block * 22, target + block * 32) }
        case .q5_1:
            for block in 0..<blocks { decodeQ5Affine(source + block * 24, target + block * 32) }
        case .q8_0:
            for block in 0..<blocks { decodeQ8Symmetric(source + block * 34, target + block * 32) }
        }
    }
}

extension UnsafeRawPointer {
    @inline(__always)
    fileprivate func half(_ offset: Int) -> UInt16 {
        UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    @inline(__always)
    fileprivate func byte(_ offset: Int) -> UInt8 { load(fromByteOffset: offset, as: UInt8.self) }
}

@inline(__always)
private func decodeQ4Symmetric(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = float(half: block.half(0))
    for index in 0..<16 {
        let pair = block.byte(2 + index)
        target[index] = scale * Float(Int32(pair & 15) - 8)
        target[index + 16] = scale * Float(Int32(pair >> 4) - 8)
    }
}

@inline(__always)
private func decodeQ4Affine(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = float(half: block.half(0))
    let minimum = float(half: block.half(2))
    for index in 0..<16 {
        let pair = block.byte(4 + index)
        target[index] = scale * Float(Int32(pair & 15)) + minimum
        target[index + 16] = scale * Float(Int32(pair >> 4)) + minimum
    }
}

@inline(__always)
private func decodeQ5Symmetric(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = float(half: block.half(0))
    let high = UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
    for index in 0..<16 {
        let pair = block.byte(6 + index)
        let low = UInt32(pair & 15) | (high >> UInt32(index) & 1) << 4
        let upper = UInt32(pair >> 4) | (high >> UInt32(index + 16) & 1) << 4
        target[index] = scale * Float(Int32(low) - 16)
        target[index + 16] = scale * Float(Int32(upper) - 16)
    }
}

@inline(__always)
private func decodeQ5Affine(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = float(half: block.half(0))
    let minimum = float(half: block.half(2))
    let high = UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    for index in 0..<16 {
        let pair = block.byte(8 + index)
        let low = UInt32(pair & 15) | (high >> UInt32(index) & 1) << 4
        let upper = UInt32(pair >> 4) | (high >> UInt32(index + 16) & 1) << 4
        target[index] = scale * Float(Int32(low)) + minimum
        target[index + 16] = scale * Float(Int32(upper)) + minimum
    }
}

@inline(__always)
private func decodeQ8Symmetric(_ block: UnsafeRawPointer, _ target: UnsafeMutablePointer<Float>) {
    let scale = float(half: block.half(0))
    for index in 0..<32 {
        target[index] = scale * Float(Int32(block.load(fromByteOffset: 2 + index, as: Int8.self)))
    }
}
