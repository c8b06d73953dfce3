import Checkpoints
import Foundation
import Testing

@Suite struct CrasherTests {
    /// Inputs that once crashed a reader, and the fuzzers' seeds: whatever they hold, the reader returns.
    @Test(arguments: ["gguf", "safetensors"]) func storedInputsAreRefusedOrRead(_ target: String) throws {
        let fuzz = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../Fuzz").standardized.path
        var count = 0
        for folder in ["Seeds", "Crashers"] {
            let directory = "\(fuzz)/\(folder)/\(target)"
            for name in try FileManager.default.contentsOfDirectory(atPath: directory) where !name.hasPrefix(".") {
                let bytes = try contents(directory + "/" + name)
                let checkpoint = target == "gguf" ? try? openGGUF(bytes) : try? openSafetensors(bytes)
                checkpoint?.readEverything()
                // Seeds are sound files: the fuzzer starts from what opens.
                #expect(folder == "Crashers" || checkpoint != nil, "\(name)")
                count += 1
            }
        }
        #expect(count >= 2)
    }
}
