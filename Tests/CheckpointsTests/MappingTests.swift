import Checkpoints
import Foundation
import Testing

@Suite struct MappingTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ path: String) -> CheckpointError? {
        refusal(try Checkpoint.open(path))
    }

    @Test func aPathThatIsNotThereIsMissing() {
        let error = open(directory.path + "/absent.gguf")
        #expect(error?.exitCode == 66)
        #expect(error?.cause.hasSuffix("absent.gguf: expected a checkpoint, found No such file or directory") == true)
    }

    @Test(.timeLimit(.minutes(1))) func aPipeIsRefusedWithoutWaiting() {
        let path = directory.path + "/pipe.gguf"
        #expect(mkfifo(path, 0o600) == 0)
        #expect(open(path)?.found == "a pipe")
        #expect(open("/dev/null")?.found == "a device")
    }

    @Test func aDirectoryIsNoFile() {
        let error = #expect(throws: CheckpointError.self) { try Mapping(path: directory.path) }
        #expect(error?.found == "a directory")
    }

    @Test func emptyFilesAreRefused() throws {
        _ = try directory.write("config.json", "{}")
        for name in ["empty.gguf", "empty.safetensors", "empty"] {
            #expect(open(try directory.write(name, ""))?.exitCode == 65)
        }
    }

    @Test func filesOfOtherFormatsAreRefusedByName() throws {
        #expect(open(try directory.write("model.bin", "PK\u{3}\u{4}..."))?.found == "a zip file (PyTorch?)")
        #expect(open(try directory.write("model.txt", "hello"))?.exitCode == 65)
    }

    @Test func aFileThatChangesIsNoticed() throws {
        let path = try directory.write("model.gguf", try contents(resource("golden-v2.gguf")))
        let checkpoint = try Checkpoint.open(path)
        try checkpoint.checkUnchanged()
        #expect(truncate(path, 100) == 0)
        let error = #expect(throws: CheckpointError.self) { try checkpoint.checkUnchanged() }
        #expect(error?.kind == .changed && error?.exitCode == 1)
    }

    @Test func namesFromFilesCannotForgeLines() {
        let error = CheckpointError(
            .damaged, file: "x", at: .tensor("a\nremedy: run\u{1b}[2J\u{202e}"), expected: "b", found: "c")
        #expect(error.cause == "x, tensor 'a\\u{a}remedy: run\\u{1b}[2J\\u{202e}': expected b, found c")
    }
}
