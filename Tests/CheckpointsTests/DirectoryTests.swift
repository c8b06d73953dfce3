import Checkpoints
import Foundation
import Testing

@Suite struct DirectoryTests {
    private let directory: TemporaryDirectory

    /// A copy of the golden shards, to be broken.
    init() throws {
        directory = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: resource("shards")) {
            _ = try directory.write(name, try contents(resource("shards/" + name)))
        }
    }

    private func open() -> CheckpointError? {
        refusal(try Checkpoint.open(directory.path))
    }

    private func remove(_ name: String) throws {
        try FileManager.default.removeItem(atPath: directory.path + "/" + name)
    }

    private func replaceInIndex(_ text: String, by other: String) throws {
        let name = "model.safetensors.index.json"
        let index = String(decoding: try contents(directory.path + "/" + name), as: UTF8.self)
        #expect(index.contains(text))
        _ = try directory.write(name, index.replacingOccurrences(of: text, with: other))
    }

    @Test func theCopyOpens() throws {
        #expect(try Checkpoint.open(directory.path).tensorNames.count == 6)
    }

    @Test func aMissingShardIsMissing() throws {
        try remove("model-00002-of-00002.safetensors")
        let error = open()
        #expect(error?.exitCode == 66 && error?.file.hasSuffix("model-00002-of-00002.safetensors") == true)
    }

    @Test func aMissingConfigurationIsMissing() throws {
        try remove("config.json")
        #expect(open()?.exitCode == 66)
    }

    @Test func missingWeightsAreMissing() throws {
        try remove("model.safetensors.index.json")
        #expect(open()?.exitCode == 66)
        _ = try directory.write("pytorch_model.bin", "PK")
        let error = open()
        #expect(error?.exitCode == 69 && error?.found == "pytorch_model.bin")
    }

    @Test func aTensorThatItsShardLacksIsRefused() throws {
        try replaceInIndex("\"a.weight\"", by: "\"z.weight\": \"model-00001-of-00002.safetensors\", \"a.weight\"")
        let error = open()
        #expect(error?.exitCode == 65 && error?.place == .tensor("z.weight"))
    }

    @Test func aTensorThatTheIndexLacksIsRefused() throws {
        try replaceInIndex("\"a.weight\": \"model-00001-of-00002.safetensors\",", by: "")
        let error = open()
        #expect(error?.exitCode == 65 && error?.place == .tensor("a.weight"))
    }

    @Test func aTensorInAnotherShardIsRefused() throws {
        try replaceInIndex(
            "\"a.weight\": \"model-00001-of-00002.safetensors\"",
            by: "\"a.weight\": \"model-00002-of-00002.safetensors\"")
        #expect(open()?.place == .tensor("a.weight"))
    }

    @Test func aTensorInTwoShardsIsRefused() throws {
        _ = try directory.write(
            "model-00003-of-00002.safetensors", try contents(directory.path + "/model-00001-of-00002.safetensors"))
        try replaceInIndex("\"a.weight\"", by: "\"y\": \"model-00003-of-00002.safetensors\", \"a.weight\"")
        #expect(open()?.exitCode == 65)
    }

    @Test func aKeyTwiceInTheIndexIsRefused() throws {
        try replaceInIndex("\"a.weight\"", by: "\"a.weight\": \"model-00002-of-00002.safetensors\", \"a.weight\"")
        #expect(open()?.found == "a key that comes twice")
    }

    @Test(arguments: [
        "../model-00001-of-00002.safetensors", "/etc/passwd", "sub/model.safetensors", "..", "", ".safetensors",
        "config.json",
    ])
    func namesThatLeadElsewhereAreRefused(_ name: String) throws {
        try replaceInIndex("\"a.weight\": \"model-00001-of-00002.safetensors\"", by: "\"a.weight\": \"\(name)\"")
        let error = open()
        #expect(error?.exitCode == 65 && error?.found == "'\(name)'")
    }

    @Test func oneShardAloneIsRefused() {
        let path = directory.path + "/model-00001-of-00002.safetensors"
        let error = refusal(try Checkpoint.open(path))
        #expect(error?.exitCode == 69 && error?.found == "one of its 2 files")
    }

    @Test func aSingleFileOpensBesideItsConfiguration() throws {
        try remove("model.safetensors.index.json")
        let path = directory.path + "/model-00001-of-00002.safetensors"
        #expect(try Checkpoint.open(path).tensorNames.count == 3)
        try FileManager.default.moveItem(atPath: path, toPath: directory.path + "/model.safetensors")
        #expect(try Checkpoint.open(directory.path).tensorNames.count == 3)
    }

    @Test func aMissingTokenizerIsMissing() throws {
        try remove("tokenizer.json")
        guard case .huggingFace(let files) = try Checkpoint.open(directory.path).metadata else { return }
        let error = try #require(throws: CheckpointError.self) { try files.tokenizerJSON() }
        #expect(error.exitCode == 66)
    }
}
