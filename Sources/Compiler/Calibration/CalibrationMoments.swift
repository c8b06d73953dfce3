import Models
import Quantization
import Runtime

/// Second moments of what all matrices of one layer read, gathered while the layer runs.
final class CalibrationMoments {
    private var moments: [LayerMatrix: InputMoments] = [:]
    private var failure: QuantizationError?

    init(of block: Block) throws(CompileError) {
        for matrix in LayerMatrix.allCases {
            moments[matrix] = try attempt(CompileError.quantization) { () throws(QuantizationError) in
                try InputMoments(width: matrix.stack(of: block)[0].columns)
            }
        }
    }

    subscript(matrix: LayerMatrix) -> InputMoments? { moments[matrix] }

    /// Adds what a matrix reads.
    func add(_ matrix: LayerMatrix, _ buffer: ObservedBuffer) {
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
