import Testing

@testable import Runtime

@Suite struct ThreadGovernorTests {
    /// Runs `seconds` of jobs of two milliseconds with so many switches a second, and returns the threads at the end.
    private func run(_ governor: inout ThreadGovernor, switchesPerSecond rate: Double, seconds: Double) -> Int {
        var owed = 0.0
        for _ in 0..<Int(seconds / 0.002) {
            owed += rate * 0.002
            governor.record(switches: Int(owed), seconds: 0.002)
            owed -= owed.rounded(.towardZero)
        }
        return governor.threads
    }

    @Test func aQuietMachineKeepsAllThreads() {
        var governor = ThreadGovernor(mostThreads: 4)
        #expect(run(&governor, switchesPerSecond: 10, seconds: 10) == 4)
    }

    @Test func aBusyNeighbourCostsOneThreadAtATime() {
        var governor = ThreadGovernor(mostThreads: 4)
        #expect(run(&governor, switchesPerSecond: 150, seconds: 0.022) == 3)
        #expect(run(&governor, switchesPerSecond: 150, seconds: 0.022) == 2)
        #expect(run(&governor, switchesPerSecond: 150, seconds: 0.2) == 1)
    }

    @Test func allThreadsAreTriedAgain() {
        var governor = ThreadGovernor(mostThreads: 2)
        #expect(run(&governor, switchesPerSecond: 200, seconds: 0.03) == 1)
        #expect(run(&governor, switchesPerSecond: 0, seconds: 0.2) == 1)
        #expect(run(&governor, switchesPerSecond: 0, seconds: 0.1) == 2)
    }

    /// Against a neighbour that stays, trials become rare; when it goes, they become frequent again.
    @Test func failedTrialsGetRarer() {
        var governor = ThreadGovernor(mostThreads: 2)
        var full = 0
        for step in 0..<10_000 {
            // Only a full set of threads is disturbed.
            governor.record(switches: governor.threads == 2 && step % 2 == 0 ? 1 : 0, seconds: 0.002)
            if step >= 5_000, governor.threads == 2 { full += 1 }
        }
        #expect(full > 0)
        #expect(full < 100)
    }

    @Test func oneThreadIsTheLeast() {
        var governor = ThreadGovernor(mostThreads: 1)
        #expect(run(&governor, switchesPerSecond: 1000, seconds: 1) == 1)
    }
}
