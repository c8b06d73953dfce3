import Testing

@testable import Runtime

@Suite struct ThreadGovernorTests {
    /// Runs `seconds` of jobs of two milliseconds that lose a share of their time, and returns the threads at the end.
    private func run(_ governor: inout ThreadGovernor, losing share: Double, seconds: Double) -> Int {
        for _ in 0..<Int(seconds / 0.002) { governor.record(lost: share * 0.002, of: 0.002) }
        return governor.threads
    }

    @Test func aQuietMachineKeepsAllThreads() {
        var governor = ThreadGovernor(mostThreads: 4)
        #expect(run(&governor, losing: 0.05, seconds: 10) == 4)
    }

    @Test func aBusyNeighbourCostsOneThreadAtATime() {
        var governor = ThreadGovernor(mostThreads: 4)
        #expect(run(&governor, losing: 0.5, seconds: 0.022) == 3)
        #expect(run(&governor, losing: 0.5, seconds: 0.022) == 2)
        #expect(run(&governor, losing: 0.5, seconds: 0.2) == 1)
    }

    /// The more threads, the smaller the share of one of them.
    @Test func manyThreadsBearLess() {
        var two = ThreadGovernor(mostThreads: 2)
        #expect(run(&two, losing: 0.2, seconds: 0.1) == 2)
        var eight = ThreadGovernor(mostThreads: 8)
        #expect(run(&eight, losing: 0.2, seconds: 0.1) < 8)
    }

    @Test func allThreadsAreTriedAgain() {
        var governor = ThreadGovernor(mostThreads: 2)
        #expect(run(&governor, losing: 0.5, seconds: 0.03) == 1)
        #expect(run(&governor, losing: 0, seconds: 0.2) == 1)
        #expect(run(&governor, losing: 0, seconds: 0.1) == 2)
    }

    /// Against a neighbour that stays, trials become rare.
    @Test func failedTrialsGetRarer() {
        var governor = ThreadGovernor(mostThreads: 2)
        var full = 0
        for step in 0..<10_000 {
            // Only a full set of threads is disturbed.
            governor.record(lost: governor.threads == 2 ? 0.001 : 0, of: 0.002)
            if step >= 5_000, governor.threads == 2 { full += 1 }
        }
        #expect(full > 0)
        #expect(full < 100)
    }

    @Test func oneThreadIsTheLeast() {
        var governor = ThreadGovernor(mostThreads: 1)
        #expect(run(&governor, losing: 0.9, seconds: 1) == 1)
    }
}
