import CSystem
import Synchronization

/// A counter that threads can wait on; alone on its cache lines, so that spinning disturbs nobody.
final class FutexWord: @unchecked Sendable {
    /// About 50 microseconds: longer than a phase of a small model, shorter than a scheduler's slice.
    private static let spins = 2_000

    private let storage: UnsafeMutableRawPointer
    private let word: UnsafeMutablePointer<Atomic<UInt32>>
    /// Threads asleep: waking is a system call, made only where somebody sleeps.
    private let sleepers: UnsafeMutablePointer<Atomic<UInt32>>

    init() {
        storage = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 128)
        word = storage.bindMemory(to: Atomic<UInt32>.self, capacity: 1)
        word.initialize(to: Atomic(0))
        sleepers = (storage + 128).bindMemory(to: Atomic<UInt32>.self, capacity: 1)
        sleepers.initialize(to: Atomic(0))
    }

    deinit {
        storage.deallocate()
    }

    func load() -> UInt32 { word.pointee.load(ordering: .acquiring) }

    /// Adds one and wakes all that wait.
    func advance() {
        word.pointee.add(1, ordering: .sequentiallyConsistent)
        if sleepers.pointee.load(ordering: .sequentiallyConsistent) > 0 {
            lathe_futex_wake(storage.assumingMemoryBound(to: UInt32.self))
        }
    }

    /// Returns once the word differs from `value`, with the seconds slept.
    @discardableResult
    func wait(whileEqual value: UInt32) -> Double {
        for _ in 0..<FutexWord.spins {
            if load() != value { return 0 }
            lathe_spin_pause()
        }
        let before = lathe_seconds()
        sleepers.pointee.add(1, ordering: .sequentiallyConsistent)
        while word.pointee.load(ordering: .sequentiallyConsistent) == value {
            lathe_futex_wait(storage.assumingMemoryBound(to: UInt32.self), value)
        }
        sleepers.pointee.subtract(1, ordering: .sequentiallyConsistent)
        return lathe_seconds() - before
    }
}
