import Kernels
import Plans

/// Working memory of each thread: what attention needs for one tile, one row of floats and one quantized.
struct ThreadScratch: ~Copyable {
    private let layout: AttentionScratchLayout
    private let rowBytes: Int
    private let threadBytes: Int
    private let storage: PageStorage

    init(engine: borrowing Engine) throws(RuntimeError) {
        layout = AttentionScratchLayout(engine.program)
        var width = 1
        for buffer in engine.buffers { width = max(width, buffer.width) }
        rowBytes = (width * 4 + 63) / 64 * 64
        threadBytes = (layout.byteCount + rowBytes + lathe_quantized_row_bytes(width) + 4095) / 4096 * 4096
        storage = try PageStorage(byteCount: threadBytes * engine.threadCount)
    }

    func attention(thread: Int) -> AttentionScratch {
        AttentionScratch(base: storage.base + thread * threadBytes, layout: layout)
    }

    func row(thread: Int) -> UnsafeMutablePointer<Float> {
        (storage.base + thread * threadBytes + layout.byteCount).assumingMemoryBound(to: Float.self)
    }

    /// A quantized row of any buffer's width.
    func quantizedRow(thread: Int) -> UnsafeMutablePointer<UInt8> {
        (storage.base + thread * threadBytes + layout.byteCount + rowBytes).assumingMemoryBound(to: UInt8.self)
    }
}
