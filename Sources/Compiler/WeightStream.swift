import Dispatch
import Foundation
import Lowering
import Plans
import Synchronization

/// Packs tensors on all processors, a few megabytes at a time, and hands them to the writer in order: memory does not
/// grow with the tensor.
enum WeightStream {
    private static let pieceBytes = 1 << 20

    /// Appends one tensor; returns false where a value of it is infinity or NaN. Throws where it cannot be written.
    static func write(_ source: LoweredTensor, to writer: inout PlanWriter) throws(PlanError) -> Bool {
        switch source {
        case .vector(let values):
            guard values.allSatisfy(\.isFinite) else { return false }
            var bytes: [UInt8] = []
            for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
            try writer.append(bytes)
            return true
        case .matrix(let packing, let stack):
            guard let packer = TilePacker(packing: packing, stack: stack) else { return true }
            return try write(packer, to: &writer)
        case .packed(let matrix):
            try writer.append(matrix.bytes)
            return true
        }
    }

    /// Writes one tensor to memory that is zeroed and as large as the tensor; returns false where a value of it is infinity
    /// or NaN.
    static func write(_ source: LoweredTensor, to memory: UnsafeMutableRawBufferPointer) -> Bool {
        switch source {
        case .vector(let values):
            for (index, value) in values.enumerated() {
                memory.storeBytes(of: value.bitPattern.littleEndian, toByteOffset: 4 * index, as: UInt32.self)
            }
            return values.allSatisfy(\.isFinite)
        case .matrix(let packing, let stack):
            guard let packer = TilePacker(packing: packing, stack: stack) else { return true }
            let tilesInPiece = max(1, pieceBytes / packer.tileBytes)
            let destination = SharedMemory(bytes: memory)
            let isFinite = Atomic<Bool>(true)
            DispatchQueue.concurrentPerform(iterations: (packer.tileCount + tilesInPiece - 1) / tilesInPiece) { piece in
                let range = piece * tilesInPiece..<min((piece + 1) * tilesInPiece, packer.tileCount)
                let bytes = destination.slice(piece * tilesInPiece * packer.tileBytes, range.count * packer.tileBytes)
                if !packer.pack(range, into: bytes) { isFinite.store(false, ordering: .relaxed) }
            }
            packer.release(before: packer.tileCount)
            return isFinite.load(ordering: .relaxed)
        case .packed(let matrix):
            memory.copyBytes(from: matrix.bytes)
            return true
        }
    }

    /// Memory that several threads fill, each its own slice.
    private struct SharedMemory: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer

        func slice(_ offset: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + count])
        }
    }

    private static func write(_ packer: TilePacker, to writer: inout PlanWriter) throws(PlanError) -> Bool {
        let tilesInPiece = max(1, pieceBytes / packer.tileBytes)
        let pieces = 2 * ProcessInfo.processInfo.activeProcessorCount
        let window = PieceWindow(byteCount: pieces * tilesInPiece * packer.tileBytes)
        var tile = 0
        while tile < packer.tileCount {
            let end = min(tile + pieces * tilesInPiece, packer.tileCount)
            let first = tile
            window.clear()
            let isFinite = Atomic<Bool>(true)
            DispatchQueue.concurrentPerform(iterations: (end - tile + tilesInPiece - 1) / tilesInPiece) { piece in
                let start = first + piece * tilesInPiece
                let range = start..<min(start + tilesInPiece, end)
                let bytes = window.slice((start - first) * packer.tileBytes, count: range.count * packer.tileBytes)
                if !packer.pack(range, into: bytes) { isFinite.store(false, ordering: .relaxed) }
            }
            guard isFinite.load(ordering: .relaxed) else { return false }
            try writer.append(UnsafeRawBufferPointer(window.slice(0, count: (end - first) * packer.tileBytes)))
            packer.release(before: end)
            tile = end
        }
        return true
    }
}

/// Memory that several threads fill, each its own slice.
private final class PieceWindow: @unchecked Sendable {
    private let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        bytes = .allocate(byteCount: byteCount, alignment: 64)
    }

    deinit {
        bytes.deallocate()
    }

    func clear() {
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    func slice(_ offset: Int, count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }
}
