import Models
import Quantization
import Runtime

/// Second moments of what all matrices of some layers read, gathered while the layers run.
final class CalibrationMoments {
    private var moments: [LayerTensor: InputMoments] = [:]
    private var failure: QuantizationError?

    init(of layers: Range<Int>, in model: Model) throws(CompileError) {
        for layer in layers {
            for matrix in LayerMatrix.allCases {
                let width = matrix.stack(of: model.blocks[layer])[0].columns
                moments[LayerTensor(layer: layer, matrix: matrix)] = try attempt(CompileError.quantization) {
                    () throws(QuantizationError) in try InputMoments(width: width)
                }
            }
        }
    }

    subscript(matrix: LayerTensor) -> InputMoments? { moments[matrix] }

    /// Adds what a matrix reads.
    func add(_ matrix: LayerTensor, _ buffer: ObservedBuffer) {
        guard let moments = moments[matrix] else { return }
        do throws(QuantizationError) {
            try moments.add(buffer)
        } catch {
            failure = failure ?? error
        }
    }

    /// Throws where something could not be added: activations that are infinity or NaN.
    func check() throws(CompileError) {
        if let failure { throw .quantization(failure) }
    }
}

extension InputMoments {
    /// Adds all rows of a buffer.
    func add(_ buffer: ObservedBuffer) throws(QuantizationError) {
        try add(buffer.values, count: buffer.rowCount, stride: buffer.stride)
    }
}
