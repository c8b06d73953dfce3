import Dispatch
import Kernels
import Lowering
import Plans
import Quantization

extension PackedMatrix {
    /// Codes and scales in the kernels' layout; nil where the packing is not for them.
    convenience init?(_ matrix: QuantizedMatrix, packing: Packing) {
        let (columns, groups) = (matrix.columns, matrix.groups)
        self.init(packing: packing, rows: matrix.rows, columns: columns) { tile, row, inside in
            matrix.codes.withUnsafeBufferPointer { codes in
                matrix.scales.withUnsafeBufferPointer { scales in
                    // The kernel reads through these pointers alone.
                    var source = lathe_weight_row(
                        values: nil,
                        codes: UnsafeMutablePointer(mutating: codes.baseAddress.map { $0 + row * columns }),
                        scales: UnsafeMutablePointer(mutating: scales.baseAddress.map { $0 + row * groups }),
                        minimums: nil)
                    lathe_pack_row(
                        packing.kernelPacking, packing.groupColumns, tile, columns, inside, &source)
                }
            }
        }
    }

    /// The values of codes and scales in float32, column k divided by the k-th of `factors`.
    convenience init?(valuesOf matrix: QuantizedMatrix, dividedBy factors: [Float]? = nil) {
        self.init(packing: .float32, rows: matrix.rows, columns: matrix.columns) { tile, row, inside in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: matrix.columns) { values in
                matrix.values(row: row, into: values)
                if let factors { for column in values.indices { values[column] /= factors[column] } }
                var source = lathe_weight_row(
                    values: UnsafeMutableRawPointer(values.baseAddress), codes: nil, scales: nil, minimums: nil)
                lathe_pack_row(LATHE_F32, 0, tile, matrix.columns, inside, &source)
            }
        }
    }

    /// Has `pack` write every row: it is given the row's tile, the row, and its place in the tile.
    private convenience init?(
        packing: Packing, rows: Int, columns: Int, pack: (UnsafeMutablePointer<UInt8>, Int, Int) -> Void
    ) {
        guard let count = packing.matrixBytes(rows: rows, columns: columns),
            let tileBytes = packing.tileBytes(columns: columns)
        else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
            memory.initialize(repeating: 0)
            initialized = count
            nonisolated(unsafe) let (base, pack) = (memory.baseAddress, pack)
            DispatchQueue.concurrentPerform(iterations: count / tileBytes) { tile in
                guard let base else { return }
                for row in tile * Packing.tileRows..<min((tile + 1) * Packing.tileRows, rows) {
                    pack(base + tile * tileBytes, row, row % Packing.tileRows)
                }
            }
        }
        self.init(packing: packing, rows: rows, columns: columns, bytes: bytes)
    }
}
