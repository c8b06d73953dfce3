import Plans
import Testing

/// A plan whose softmax attentions have become grouped linear ones, with taps made up here.
enum GroupedPlan {
    static func make(
        _ plan: Plan, group: Int, taps: Int, alpha: Float, element: CacheElement = .float32
    ) throws -> (plan: Plan, taps: [[Float]]) {
        var program = plan.program
        var source = RandomFloats(UInt64(group * 100 + taps))
        var convolutions: [[Float]] = []
        var end = plan.weights.count
        for index in program.body.indices {
            guard case .attend(let softmax) = program.body[index] else { continue }
            var attention = GroupedAttention(
                projected: softmax.projected, rotary: softmax.rotary, state: softmax.state,
                queryHeads: softmax.queryHeads, queryNorm: softmax.queryNorm, keyNorm: softmax.keyNorm,
                epsilon: softmax.epsilon, alpha: alpha, group: group, convolution: nil, output: softmax.output)
            if taps > 0 {
                let last = try #require(program.tensors.last)
                end = (last.offset + (last.byteCount ?? 0) + 63) / 64 * 64
                attention.convolution = TensorIndex(program.tensors.count)
                convolutions.append(source.floats(softmax.queryHeads * taps))
                program.tensors.append(
                    Tensor(
                        name: Array("taps.\(index)".utf8), layout: .vector(count: softmax.queryHeads * taps),
                        offset: end))
                end += softmax.queryHeads * taps * 4
            }
            let state = program.states[softmax.state.value]
            program.states[softmax.state.value] = .sums(
                heads: state.heads, dimensions: state.dimensions, element: element)
            program.body[index] = .attendGrouped(attention)
        }
        let places = program.tensors.suffix(convolutions.count).map(\.offset)
        let result = try Plan(program: program, weightsBytes: end) { bytes in
            bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: plan.weights.prefix(end)))
            for (offset, values) in zip(places, convolutions) {
                values.withUnsafeBytes { source in
                    UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + source.count])
                        .copyMemory(from: source)
                }
            }
        }
        return (result, convolutions)
    }
}
