import Kernels
import Plans

/// Working memory of each thread: attention scores of one head group, the slots of one path, one row of floats
/// and one quantized.
struct ThreadScratch: ~Copyable {
    /// Scores of one head; the next head's follow.
    let scoreStride: Int
    private let scoreBytes: Int
    private let slotBytes: Int
    private let rowBytes: Int
    private let threadBytes: Int
    private let storage: PageStorage

    init(engine: borrowing Engine, slots: Int) throws(RuntimeError) {
        var heads = 1
        for case .attend(let attention) in engine.program.body {
            if case .keysAndValues(let keyHeads, _, _) = engine.program.states[attention.state.value] {
                heads = max(heads, attention.queryHeads / max(1, keyHeads))
            }
        }
        var width = 1
        for buffer in engine.buffers { width = max(width, buffer.width) }
        // One block of slack on either side: scores come in blocks of 16 and begin at a block.
        scoreStride = (slots + 15) / 16 * 16 + 32
        scoreBytes = heads * scoreStride * 4
        slotBytes = scoreStride * 4
        rowBytes = (width * 4 + 63) / 64 * 64
        threadBytes = (scoreBytes + slotBytes + rowBytes + lathe_quantized_row_bytes(width) + 4095) / 4096 * 4096
        storage = try PageStorage(byteCount: threadBytes * engine.threadCount)
    }

    func scores(thread: Int) -> UnsafeMutablePointer<Float> {
        (storage.base + thread * threadBytes).assumingMemoryBound(to: Float.self)
    }

    func slots(thread: Int) -> UnsafeMutablePointer<UInt32> {
        (storage.base + thread * threadBytes + scoreBytes).assumingMemoryBound(to: UInt32.self)
    }

    /// A quantized row of any buffer's width.
    func quantizedRow(thread: Int) -> UnsafeMutablePointer<UInt8> {
        (storage.base + thread * threadBytes + scoreBytes + slotBytes + rowBytes).assumingMemoryBound(to: UInt8.self)
    }

    func row(thread: Int) -> UnsafeMutablePointer<Float> {
        (storage.base + thread * threadBytes + scoreBytes + slotBytes).assumingMemoryBound(to: Float.self)
    }
}
