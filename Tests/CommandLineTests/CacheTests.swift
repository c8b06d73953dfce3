import Foundation
import Testing

@Suite("Key-value caches by --kv-cache")
struct CacheTests {
    @Test("each element runs; the plan's own one is what is used without the flag")
    func elements() throws {
        try withFolder { folder in
            let plan = folder + "/qwen3.plan"
            let compiled = try LatheProcess.run("compile", Fixtures.gguf("qwen3"), "-o", plan, "--quiet")
            try #require(compiled.exitCode == 0, "\(compiled.errors)")
            func digest(_ cache: String...) throws -> String {
                let outcome = try LatheProcess.run(
                    LatheProcess.binary, ["run", plan, "-p", "hi there", "-n", "4", "--digest", "--json"] + cache)
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                let object = try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any]
                return try #require(object?["logits_digest"] as? String)
            }
            let own = try digest()
            #expect(try digest("--kv-cache", "f16") == own)
            #expect(try Set([own, digest("--kv-cache", "f32"), digest("--kv-cache", "int8")]).count == 3)
        }
    }

    @Test("int8 is refused by name where a head is not whole groups of 32")
    func refusal() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try Data(Fixtures.planBytes()).write(to: URL(filePath: plan))
            expectFailure(
                try LatheProcess.run("bench", plan, "-p", "4", "-n", "0", "--kv-cache", "int8"), 69,
                naming: "int8", "multiple of 32")
        }
    }
}
