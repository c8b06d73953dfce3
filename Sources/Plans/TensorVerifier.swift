extension Verifier {
    /// Bytes between tensors: room to align, not to hide anything.
    static let maximumGap = 4096

    /// Shapes within limits, elements inside the weights section, in order and apart; names printable and each its own.
    func checkTensors() throws(PlanError) {
        var end = 0
        for (index, tensor) in program.tensors.enumerated() {
            let place = PlanError.Place.tensor(index)
            try checkName(tensor.name, at: place)
            switch tensor.layout {
            case .vector(let count):
                try check(count, from: 1, to: limits.width, "the length of a vector is within its limit", at: place)
            case .matrix(let packing, let rows, let columns):
                try check(rows, from: 1, to: limits.width, "the rows of a matrix are within their limit", at: place)
                try check(
                    columns, from: 1, to: limits.width, "the columns of a matrix are within their limit", at: place)
                guard packing.isFloat || columns % Packing.blockColumns == 0 else {
                    throw PlanError(
                        .invalid, "the columns of an integer packing are a multiple of 32", at: place,
                        found: .number(columns))
                }
            }
            guard let bytes = tensor.byteCount else {
                throw PlanError(.invalid, "the size of a tensor can be computed", at: place)
            }
            guard tensor.offset >= 0, tensor.offset % 64 == 0 else {
                throw PlanError(
                    .invalid, "a tensor's offset is a multiple of 64", at: place, found: .number(tensor.offset))
            }
            guard tensor.offset >= end else {
                throw PlanError(
                    .invalid, "tensors are sorted by offset and apart", at: place, expected: .number(end),
                    found: .number(tensor.offset))
            }
            guard tensor.offset - end < Verifier.maximumGap else {
                throw PlanError(
                    .invalid, "fewer than 4096 bytes lie between tensors", at: place, expected: .number(end),
                    found: .number(tensor.offset))
            }
            guard bytes <= weightsBytes, tensor.offset <= weightsBytes - bytes else {
                throw PlanError(
                    .invalid, "a tensor lies inside the weights", at: place, expected: .number(weightsBytes),
                    found: .number(tensor.offset))
            }
            end = tensor.offset + bytes
        }
        guard weightsBytes - end < Verifier.maximumGap else {
            throw PlanError(
                .invalid, "the weights end with their last tensor", at: .program, expected: .number(end),
                found: .number(weightsBytes))
        }
        try checkTensorNames()
    }

    private func checkTensorNames() throws(PlanError) {
        let names = program.tensors.map { $0.name }
        let order = sortedIndices(names.count) { names[$0].lexicographicallyPrecedes(names[$1]) }
        for (former, latter) in zip(order, order.dropFirst()) where names[former] == names[latter] {
            throw PlanError(
                .invalid, "every tensor has its own name", at: .tensor(max(former, latter)), found: .text(names[former])
            )
        }
    }
}
