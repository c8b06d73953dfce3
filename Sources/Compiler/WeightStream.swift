import Dispatch
import Foundation
import Lowering
import Plans
import Synchronization

/// Packs tensors on all processors, a few megabytes at a time, and hands them to the writer in order: memory does not
/// grow with the tensor.
enum WeightStream {
    private static let pieceBytes = 1 << 20

    /// Appends one tensor. Throws `PlanError` or `CompileError.notFinite`.
    static func write(_ source: LoweredTensor, name: String, to writer: inout PlanWriter) throws {
        switch source {
        case .vector(let values):
            guard values.allSatisfy(\.isFinite) else { throw CompileError.notFinite(tensor: name) }
            try writer.append(values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) } })
        case .matrix(let packing, let stack):
            guard let packer = TilePacker(packing: packing, stack: stack) else { return }
            try write(packer, to: &writer)
        }
    }

    private static func write(_ packer: TilePacker, to writer: inout PlanWriter) throws {
        let tilesInPiece = max(1, pieceBytes / packer.tileBytes)
        let pieces = 2 * ProcessInfo.processInfo.activeProcessorCount
        let window = PieceWindow(byteCount: pieces * tilesInPiece * packer.tileBytes)
        var tile = 0
        while tile < packer.tileCount {
            let end = min(tile + pieces * tilesInPiece, packer.tileCount)
            let first = tile
            window.clear()
            let damaged = Mutex<String?>(nil)
            DispatchQueue.concurrentPerform(iterations: (end - tile + tilesInPiece - 1) / tilesInPiece) { piece in
                let start = first + piece * tilesInPiece
                let range = start..<min(start + tilesInPiece, end)
                let bytes = window.slice((start - first) * packer.tileBytes, count: range.count * packer.tileBytes)
                if let name = packer.pack(range, into: bytes) { damaged.withLock { $0 = name } }
            }
            if let name = damaged.withLock({ $0 }) { throw CompileError.notFinite(tensor: name) }
            try writer.append(UnsafeRawBufferPointer(window.slice(0, count: (end - first) * packer.tileBytes)))
            tile = end
        }
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
