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
            let isFinite = pack(packer, 0..<packer.tileCount, into: SharedMemory(bytes: memory))
            packer.release(before: packer.tileCount)
            return isFinite
        case .packed(let matrix):
            memory.copyBytes(from: matrix.bytes)
            return true
        }
    }

    private static func write(_ packer: TilePacker, to writer: inout PlanWriter) throws(PlanError) -> Bool {
        let pieces = 2 * ProcessInfo.processInfo.activeProcessorCount
        let tilesInWindow = pieces * max(1, pieceBytes / packer.tileBytes)
        let window = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(tilesInWindow, packer.tileCount) * packer.tileBytes, alignment: 64)
        defer { window.deallocate() }
        var tile = 0
        while tile < packer.tileCount {
            let end = min(tile + tilesInWindow, packer.tileCount)
            window.initializeMemory(as: UInt8.self, repeating: 0)
            guard pack(packer, tile..<end, into: SharedMemory(bytes: window)) else { return false }
            try writer.append(UnsafeRawBufferPointer(rebasing: window[..<((end - tile) * packer.tileBytes)]))
            packer.release(before: end)
            tile = end
        }
        return true
    }

    /// Packs tiles on all processors, one behind the other; returns whether all values are finite.
    private static func pack(_ packer: TilePacker, _ tiles: Range<Int>, into memory: SharedMemory) -> Bool {
        let tilesInPiece = max(1, pieceBytes / packer.tileBytes)
        let isFinite = Atomic<Bool>(true)
        DispatchQueue.concurrentPerform(iterations: (tiles.count + tilesInPiece - 1) / tilesInPiece) { piece in
            let start = tiles.lowerBound + piece * tilesInPiece
            let range = start..<min(start + tilesInPiece, tiles.upperBound)
            let bytes = memory.slice(
                (start - tiles.lowerBound) * packer.tileBytes, count: range.count * packer.tileBytes)
            if !packer.pack(range, into: bytes) { isFinite.store(false, ordering: .relaxed) }
        }
        return isFinite.load(ordering: .relaxed)
    }
}

/// Memory that several threads fill, each its own slice.
private struct SharedMemory: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    func slice(_ offset: Int, count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }
}
