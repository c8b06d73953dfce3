import Testing

@Suite("Usage")
struct UsageTests {
    static let verbs = ["compile", "run", "eval", "bench", "tokenize", "inspect", "verify"]

    @Test("help goes to stdout and names every verb")
    func help() throws {
        let outcome = try LatheProcess.run("--help")
        #expect(outcome.exitCode == 0)
        #expect(outcome.errors.isEmpty)
        for verb in UsageTests.verbs { #expect(outcome.text.contains("\n  \(verb) "), "\(verb)") }
    }

    @Test("every verb explains itself on stdout", arguments: verbs)
    func verbHelp(_ verb: String) throws {
        let outcome = try LatheProcess.run(verb, "--help")
        #expect(outcome.exitCode == 0)
        #expect(outcome.errors.isEmpty)
        #expect(outcome.text.contains("USAGE: lathe \(verb)"))
    }

    @Test("every verb that the design lists takes --json and --quiet", arguments: verbs)
    func commonFlags(_ verb: String) throws {
        let text = try LatheProcess.run(verb, "--help").text
        #expect(text.contains("--json") && text.contains("--quiet"))
    }

    @Test("flag names are those of llama.cpp")
    func flagNames() throws {
        let text = try LatheProcess.run("run", "--help").text
        for flag in [
            "-p", "-n", "-t", "-c", "-f", "--temp", "--top-k", "--top-p", "--min-p", "--seed", "--ignore-eos",
            "--kv-cache",
        ] {
            #expect(text.contains(flag), "\(flag)")
        }
    }

    @Test(
        "wrong arguments end with 64 before any file is opened",
        arguments: [
            ["frobnicate"], ["compile"], ["compile", "model.gguf"], ["compile", "a", "-o", "b", "--weights", "w7"],
            ["compile", "a", "-o", "b", "--no-such-flag"], ["run", "a.plan"],
            ["run", "a.plan", "-p", "x", "-f", "y"], ["run", "a.plan", "-p", "x", "-n", "-1"],
            ["run", "a.plan", "-p", "x", "--temp", "hot"], ["run", "a.plan", "-p", "x", "--temp", "nan"],
            ["run", "a.plan", "-p", "x", "--top-p", "2"], ["run", "a.plan", "-p", "x", "-t", "0"],
            ["run", "a.plan", "-p", "x", "-c", "0"], ["run", "a.plan", "-p", "x", "--isa", "sse"],
            ["run", "a.plan", "-p", "x", "--kv-cache", "q4"], ["bench", "a.plan", "--kv-cache", "int4"],
            ["eval", "a.plan"], ["eval", "a.plan", "--text", "b", "-c", "1"],
            ["eval", "a.plan", "--text", "b", "-c", "3.5"], ["eval", "a.plan", "--text", "b", "--chunks", "0"],
            ["eval", "a.plan", "--text", "b", "--divergence-prompts", "-1"],
            ["eval", "a.plan", "--text", "b", "--divergence-prompts", "many"],
            ["eval", "a.plan", "--text", "b", "-c", "99999999999999999999"], ["tokenize", "a.plan"], ["inspect"],
            ["verify"], ["verify", "a", "b"], ["bench", "a.plan", "-r", "0"], ["bench", "a.plan", "--rows", "0"],
            ["bench", "a.plan", "--rows", "4,x"], ["bench", "a.plan", "--rows", "4,4"],
            ["bench", "a.plan", "--rows", ""],
        ])
    func wrongArguments(_ arguments: [String]) throws {
        expectFailure(try LatheProcess.run(LatheProcess.binary, arguments), 64)
    }

    @Test("an argument with control characters makes no line of its own")
    func hostileArgument() throws {
        expectFailure(try LatheProcess.run("fr\nob\u{1B}[31m"), 64, naming: "\\u{a}")
        expectFailure(try LatheProcess.run("verify", "no\nsuch\u{1B}[2Jplan"), 66)
        expectFailure(try LatheProcess.run("inspect", "no\nsuch\u{1B}[2Jfile"), 66)
    }
}
