import Foundation
import Testing

@Suite("Bench")
struct BenchTests {
    private static let small = ["-p", "16", "-n", "4", "-r", "2", "-t", "1", "--quiet"]

    /// Runs `lathe bench` on a tiny plan.
    private func bench(_ arguments: [String]) throws -> Outcome {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            return try LatheProcess.run(LatheProcess.binary, ["bench", plan] + BenchTests.small + arguments)
        }
    }

    private func rows(_ outcome: Outcome) throws -> [[String: Any]] {
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [[String: Any]])
    }

    @Test("tests have llama-bench's names, and the keys that stay")
    func keys() throws {
        for (arguments, suffix) in [(["--json"], ""), (["--json", "-d", "9"], " @ d9")] {
            let results = try rows(try bench(arguments))
            #expect(results.map { $0["test"] as? String } == ["pp16\(suffix)", "tg4\(suffix)"])
            for result in results {
                #expect(Set(result.keys) == ["test", "tokens_per_second", "stddev", "roofline_fraction"])
                #expect(try #require(result["tokens_per_second"] as? Double) > 0)
                #expect(try #require(result["roofline_fraction"] as? Double) > 0)
            }
        }
    }

    @Test("steps of several rows are told beside a step of one row")
    func severalRows() throws {
        let results = try rows(try bench(["--json", "--rows", "4,1", "-d", "5", "-r", "1"]))
        #expect(results.map { $0["test"] as? String } == ["pp16 @ d5", "tg4 @ d5", "vt4 @ d5", "vt1 @ d5"])
        let times = try results.suffix(2).map { try #require($0["times_one_row"] as? Double) }
        #expect(times.allSatisfy { $0 > 0 })
        // Every row of a step counts as a token; of one repetition, both figures come from the same two times.
        let rates = try results.suffix(2).map { try #require($0["tokens_per_second"] as? Double) }
        #expect(abs(rates[0] / rates[1] * times[0] / times[1] / 4 - 1) < 1e-6)
        #expect(results.prefix(2).allSatisfy { $0["times_one_row"] == nil })
    }

    @Test("steps may have more rows than logits are computed of at once")
    func manyRows() throws {
        let results = try rows(try bench(["--json", "-p", "0", "-n", "0", "--rows", "36", "-r", "1"]))
        #expect(results.compactMap { $0["test"] as? String } == ["vt36"])
        #expect(try #require(results.first?["times_one_row"] as? Double) > 0)
    }

    @Test("without other tests the rows are enough")
    func rowsAlone() throws {
        let text = try bench(["-p", "0", "-n", "0", "--rows", "2"]).text
        #expect(text.contains("| vt2 |") && text.contains(" x |") && !text.contains("| pp"))
    }

    @Test("rows may be a tree; without rows there is none")
    func tree() throws {
        let results = try rows(
            try bench(["--json", "-p", "0", "-n", "0", "-d", "7", "--rows", "6,3", "--tree", "-r", "2"]))
        #expect(results.compactMap { $0["test"] as? String } == ["vt6 tree @ d7", "vt3 tree @ d7"])
        #expect(results.allSatisfy { ($0["tokens_per_second"] as? Double ?? 0) > 0 })
        expectFailure(try bench(["--tree"]), 64, naming: "--rows")
    }

    @Test("more rows than a step has are refused")
    func tooManyRows() throws {
        expectFailure(try bench(["--rows", "4,257", "--past-context"]), 64, naming: "at most 256 rows")
        expectFailure(try bench(["--rows", "4", "-d", "125"]), 64, naming: "positions")
    }

    @Test("a depth past the model's context is refused, unless it is asked for")
    func pastContext() throws {
        expectFailure(try bench(["-d", "300"]), 64, naming: "positions")
        let results = try rows(try bench(["-d", "300", "--past-context", "--json"]))
        #expect(results.map { $0["test"] as? String } == ["pp16 @ d300", "tg4 @ d300"])
        expectFailure(try bench(["-d", "16777217", "--past-context"]), 64, naming: "positions")
    }
}
