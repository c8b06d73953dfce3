import Checkpoints
import Testing

@Suite struct GoldenTests {
    @Test(arguments: ["golden-v2.gguf", "golden-v3.gguf"])
    func everyTypeDecodesToTheBitsOfTheReference(_ file: String) throws {
        let checkpoint = try Checkpoint.open(resource(file))
        let golden = try GoldenTensor.all("gguf")
        #expect(golden.count == ElementType.allCases.count)
        for tensor in golden {
            let entry = try #require(try checkpoint.tensor(tensor.name))
            #expect(entry.shape == tensor.shape)
            #expect("tensor." + entry.type.name == tensor.name)
            #expect(bits(checkpoint.values(entry)) == bits(tensor.values), "\(tensor.name)")
            #expect(bits(checkpoint.values(entry, rows: 1..<2)) == bits(tensor.values[128..<256]))
            #expect(checkpoint.bytes(of: entry).count == entry.byteCount)
        }
    }

    @Test(arguments: ["golden-v2.gguf", "golden-v3.gguf"])
    func everyMetadataTypeIsRead(_ file: String) throws {
        let checkpoint = try Checkpoint.open(resource(file))
        guard case .gguf(let metadata) = checkpoint.metadata else { throw Unexpected() }
        #expect(metadata.version == (file == "golden-v2.gguf" ? 2 : 3))
        #expect(metadata.integer("value.uint8") == 200)
        #expect(metadata.integer("value.int8") == -100)
        #expect(metadata.integer("value.uint16") == 60000)
        #expect(metadata.integer("value.int16") == -30000)
        #expect(metadata.integer("value.uint32") == 4_000_000_000)
        #expect(metadata.integer("value.int32") == -2_000_000_000)
        #expect(metadata.float("value.float32") == Double(Float(0.1)))
        #expect(metadata.boolean("value.bool") == true)
        #expect(metadata.string("value.string") == "häuser\n")
        #expect(metadata.integer("value.uint64") == nil)
        guard case .unsigned(.max) = metadata["value.uint64"] else { throw Unexpected() }
        #expect(metadata.integer("value.int64") == Int.min)
        #expect(metadata.float("value.float64") == 0.1)
        let strings = try #require(metadata.strings("array.string"))
        #expect(strings.map(Array.init) == [[], [97], [0xc3, 0xa9], [101, 0xcc, 0x81]])
        #expect(metadata.integers("array.int32") == [1, -2, 3])
        #expect(metadata.floats("array.float32") == [0.5, -1.5])
        #expect(metadata.booleans("array.bool") == [true, false, true])
        #expect(metadata.integers("array.string") == nil)
        #expect(metadata["absent"] == nil)
    }

    @Test func nestedAndEmptyArraysAreRead() throws {
        let checkpoint = try Checkpoint.open(resource("golden-v2.gguf"))
        guard case .gguf(let metadata) = checkpoint.metadata else { throw Unexpected() }
        #expect(metadata.strings("array.empty")?.isEmpty == true)
        let nested = try #require(metadata.array("array.nested")?.arrays)
        #expect(nested.count == 2)
        #expect(nested[0].integers == [1, 2])
        #expect(nested[1].strings?.map(Array.init) == [[98]])
        #expect(Array(metadata.keys.prefix(2)) == ["general.alignment", "value.uint8"])
    }

    @Test(arguments: [("other.Q4_K", "Q4_K"), ("other.I64", "I64")])
    func tensorsOfOtherTypesAreListedAndRefusedWhenUsed(_ name: String, _ type: String) throws {
        let checkpoint = try Checkpoint.open(resource("golden-v3.gguf"))
        #expect(checkpoint.tensorNames.contains(name))
        #expect(checkpoint.listing.first { $0.name == name }?.typeName == type)
        let error = try #require(throws: CheckpointError.self) { try checkpoint.tensor(name) }
        #expect(error.kind == .unsupported && error.exitCode == 69)
        #expect(error.found == type && error.place == .tensor(name))
    }

    @Test func shardsReadAsOneCheckpoint() throws {
        let checkpoint = try Checkpoint.open(resource("shards/"))
        #expect(checkpoint.format == .huggingFace)
        for tensor in try GoldenTensor.all("shards") {
            let entry = try #require(try checkpoint.tensor(tensor.name))
            #expect(entry.shape == tensor.shape)
            #expect(bits(checkpoint.values(entry)) == bits(tensor.values), "\(tensor.name)")
        }
        let error = try #require(throws: CheckpointError.self) { try checkpoint.tensor("position_ids") }
        #expect(error.found == "I64" && error.exitCode == 69)
        #expect(checkpoint.tensorNames.count == 6)
        #expect(try checkpoint.tensor("absent") == nil)
    }

    @Test func configurationFilesAreRead() throws {
        let checkpoint = try Checkpoint.open(resource("shards"))
        guard case .huggingFace(let files) = checkpoint.metadata else { throw Unexpected() }
        #expect(files.config["model_type"]?.string == "golden")
        #expect(files.config["rope_theta"] == .number(1e4))
        #expect(files.config["hidden_size"]?.integer == 64)
        #expect(files.generationConfig?["eos_token_id"]?[1]?.integer == 2)
        #expect(files.tokenizerConfig?["model_max_length"]?.number == 1e30)
        #expect(files.chatTemplate == "{{ messages }}\n")
        let vocabulary = try files.tokenizerJSON()["model"]?["vocab"]
        #expect(vocabulary?.object?.count == 2)
        #expect(vocabulary?["\u{e9}"]?.integer == 0)
        #expect(vocabulary?["e\u{301}"]?.integer == 1)
    }

    /// Something that is not what the golden file was made with.
    struct Unexpected: Error {}
}
