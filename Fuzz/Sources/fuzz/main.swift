import CFuzzer
import Glibc

/// What is fuzzed, by name: a file of this folder each, with seeds and crashers in the folders of the same name.
/// Whatever the bytes are, a target must return.
private let targets: [(name: String, run: @Sendable (UnsafeRawBufferPointer) -> Void)] = [
    ("gguf", fuzzGGUF),
    ("safetensors", fuzzSafetensors),
    ("adapter", fuzzAdapter),
    ("plan", fuzzPlan),
    ("tokenizer", fuzzTokenizer),
    ("tokenizer-definition", fuzzTokenizerDefinition),
]

/// The target that LATHE_FUZZ_TARGET names.
private let target: @Sendable (UnsafeRawBufferPointer) -> Void = {
    let name = getenv("LATHE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = targets.first(where: { $0.name == name }) else {
        print("LATHE_FUZZ_TARGET must be one of \(targets.map(\.name)), not '\(name)'")
        exit(64)
    }
    return target.run
}()

var count = CommandLine.argc
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(
    LLVMFuzzerRunDriver(&count, &arguments) { start, count in
        target(UnsafeRawBufferPointer(start: start, count: count))
        return 0
    })
