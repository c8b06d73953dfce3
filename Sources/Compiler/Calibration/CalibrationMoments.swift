import Models
import Quantization
import Runtime

/// Second moments of what matrices read, gathered while a model runs.
final class CalibrationMoments {
    private var moments: [LayerMatrix: InputMoments] = [:]
    private var failure: QuantizationError?
    /// The moments of a matrix that is no layer's.
    let only: InputMoments?

    /// Moments of the inputs of some of a layer's matrices.
    init(matrices: [LayerMatrix], of block: Block) throws(CompileError) {
        only = nil
        for matrix in matrices {
            moments[matrix] = try CalibrationMoments.make(width: matrix.stack(of: block)[0].columns)
        }
    }

    /// Moments of the inputs of one matrix.
    init(width: Int) throws(CompileError) {
        only = try CalibrationMoments.make(width: width)
    }

    subscript(matrix: LayerMatrix) -> InputMoments? { moments[matrix] }

    /// Adds what a matrix reads, if its moments are gathered.
    func add(_ matrix: LayerMatrix, _ buffer: ObservedBuffer) {
        if let moments = moments[matrix] { add(buffer, to: moments) }
    }

    func add(_ buffer: ObservedBuffer) {
        if let only { add(buffer, to: only) }
    }

    private func add(_ buffer: ObservedBuffer, to moments: InputMoments) {
        do throws(QuantizationError) {
            try moments.add(buffer.values, count: buffer.rowCount, stride: buffer.stride)
        } catch {
            failure = failure ?? error
        }
    }

    /// Throws where something could not be added: activations that are infinity or NaN.
    func check() throws(CompileError) {
        if let failure { throw .quantization(failure) }
    }

    private static func make(width: Int) throws(CompileError) -> InputMoments {
        try attempt(CompileError.quantization) { () throws(QuantizationError) in try InputMoments(width: width) }
    }
}
