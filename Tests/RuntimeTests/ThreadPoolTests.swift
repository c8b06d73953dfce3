import Foundation
import Synchronization
import Testing

@testable import Runtime

@Suite struct ThreadPoolTests {
    /// Far more threads than processors, and units that take the thread off its processor: every unit of every phase
    /// still runs once, and no phase begins before the one before it has ended.
    @Test(arguments: [1, 2, 3, 16]) func everyUnitRunsOnceInItsPhase(threads: Int) throws {
        let pool = try ThreadPool(threadCount: threads)
        defer { pool.stop() }
        let phases = 200
        let record = Record(phases: phases, units: 37)
        for job in 0..<3 {
            pool.runOnAll { thread in
                for phase in 0..<phases {
                    let units = (phase * 7 + job) % 38
                    pool.forEachUnit(of: units, thread: thread) { unit in
                        if phase % 50 == 3, unit == 5 { usleep(2000) }
                        record.run(unit: unit, phase: phase)
                    }
                    pool.barrier(thread: thread)
                    record.end(phase: phase, job: job, units: units)
                }
            }
        }
        #expect(record.faults.load(ordering: .relaxed) == 0)
        for phase in 0..<phases {
            let expected = (0..<3).reduce(0) { $0 + (phase * 7 + $1) % 38 }
            #expect(record.total(phase: phase) == expected)
        }
    }

    /// A thread that does not come back for a while loses its share to the others, but for the unit it is in.
    @Test func othersTakeWhatASlowThreadLeaves() throws {
        let pool = try ThreadPool(threadCount: 2)
        defer { pool.stop() }
        let taken = [Tally(), Tally()]
        pool.runOnAll { thread in
            pool.forEachUnit(of: 100, thread: thread) { _ in
                taken[thread].add()
                if thread == 1 { usleep(50_000) }
            }
        }
        #expect(taken[0].value + taken[1].value == 100)
        #expect(taken[1].value < 50)
    }

    /// Threads that sat a job out take their share of the next one, wherever they left off.
    @Test func everyUnitRunsOnceHoweverManyThreadsAJobHas() throws {
        let pool = try ThreadPool(threadCount: 4)
        defer { pool.stop() }
        let taken = (0..<64).map { _ in Tally() }
        var runs = 0
        for job in 0..<2_000 {
            let phases = 1 + job % 3
            pool.run(
                { thread in
                    for phase in 0..<phases {
                        pool.forEachUnit(of: 64, thread: thread) { taken[$0].add() }
                        if phase + 1 < phases { pool.barrier(thread: thread) }
                    }
                }, threads: 1 + job * 7 / 3 % 4)
            runs += phases
            guard taken.allSatisfy({ $0.value == runs }) else {
                Issue.record("job \(job): \(taken.map { $0.value - runs })")
                return
            }
        }
    }

    @Test func aJobMayUseFewerThreadsThanThePool() throws {
        let pool = try ThreadPool(threadCount: 3)
        defer { pool.stop() }
        let seen = [Tally(), Tally(), Tally()]
        for _ in 0..<50 { pool.run { seen[$0].add() } }
        #expect(seen[0].value == 50)
        #expect(seen[1].value <= 50 && seen[2].value <= 50)
    }
}

private final class Tally: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}

/// How often each unit of each phase has run.
private final class Record: Sendable {
    private let counts: [[Tally]]
    let faults = Atomic<Int>(0)

    init(phases: Int, units: Int) {
        counts = (0..<phases).map { _ in (0..<units).map { _ in Tally() } }
    }

    func run(unit: Int, phase: Int) { counts[phase][unit].add() }

    /// Behind a phase's barrier all its units have run in this job.
    func end(phase: Int, job: Int, units: Int) {
        for unit in 0..<units where counts[phase][unit].value < 1 { faults.add(1, ordering: .relaxed) }
        for unit in 0..<counts[phase].count where counts[phase][unit].value > job + 1 {
            faults.add(1, ordering: .relaxed)
        }
    }

    func total(phase: Int) -> Int { counts[phase].reduce(0) { $0 + $1.value } }
}
