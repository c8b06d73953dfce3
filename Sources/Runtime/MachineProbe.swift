import CSystem
import Kernels
import Synchronization

/// What the machine reaches at most with an engine's threads and instruction set: the best of several short runs.
public struct MachineProbe: Sendable {
    /// Bytes a second that all threads together read from memory.
    public let readBandwidth: Double
    /// int8 multiply-adds a second.
    public let int8Rate: Double
    /// float32 multiply-adds a second.
    public let float32Rate: Double

    /// Measures for about a third of a second. Throws `outOfMemory`.
    public init(_ engine: Engine) throws(RuntimeError) {
        // Far past any last-level cache's share, so that memory is what is measured.
        let bytes = 256 << 20
        let storage = try PageStorage(byteCount: bytes)
        let base = storage.base
        memset(base, 1, bytes)
        let isa = lathe_isa(rawValue: engine.instructionSet.rawValue)
        let threads = engine.threadCount
        readBandwidth = MachineProbe.best(engine) { thread in
            let share = bytes / threads / 64 * 64
            _ = lathe_probe_read(base + thread * share, share)
            return UInt64(share)
        }
        int8Rate = MachineProbe.best(engine) { _ in lathe_probe_int8(isa, 400_000) }
        float32Rate = MachineProbe.best(engine) { _ in lathe_probe_float32(isa, 400_000) }
    }

    /// Work a second in the fastest of five runs.
    private static func best(_ engine: Engine, _ work: @escaping (_ thread: Int) -> UInt64) -> Double {
        var best = 0.0
        for _ in 0..<5 {
            let total = ProbeTotal()
            let start = lathe_seconds()
            engine.pool.runOnAll { thread in total.work.add(work(thread), ordering: .relaxed) }
            best = max(best, Double(total.work.load(ordering: .relaxed)) / max(lathe_seconds() - start, 1e-9))
        }
        return best
    }
}

private final class ProbeTotal {
    let work = Atomic<UInt64>(0)
}
