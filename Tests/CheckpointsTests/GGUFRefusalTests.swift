import Checkpoints
import Testing

@Suite struct GGUFRefusalTests {
    /// A file with one tensor of 4 x 32 F32 and a few keys; it opens.
    private func sound() -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.add("general.architecture", type: 8, GGUFBuilder.text("llama"))
        builder.add("general.alignment", type: 4, little(UInt32(32)))
        builder.add(
            "tokens", type: 9, little(UInt32(8)) + little(UInt64(2)) + GGUFBuilder.text("a") + GGUFBuilder.text("bc"))
        builder.add("flags", type: 9, little(UInt32(7)) + little(UInt64(2)) + [0, 1])
        builder.addTensor("weight", dimensions: [32, 4])
        builder.data = [UInt8](repeating: 1, count: 512)
        return builder
    }

    @Test func theSoundFileOpens() throws {
        let checkpoint = try openGGUF(sound().bytes)
        #expect(checkpoint.tensorNames == ["weight"])
        #expect(try checkpoint.tensor("weight")?.shape == [4, 32])
    }

    @Test func everyTruncationIsRefused() {
        let bytes = sound().bytes
        for count in 0..<bytes.count {
            #expect(throws: CheckpointError.self, "\(count) bytes") { try openGGUF(Array(bytes[..<count])) }
        }
    }

    @Test func everyBrokenByteIsRefusedOrRead() throws {
        let bytes = sound().bytes
        let headBytes = bytes.count - 512
        for offset in 0..<headBytes {
            for change: UInt8 in [0x01, 0x80, 0xff, bytes[offset]] {
                var broken = bytes
                broken[offset] ^= change
                if let checkpoint = try? openGGUF(broken) { checkpoint.readEverything() }
            }
        }
        var golden = try contents(resource("golden-v2.gguf"))
        let whole = golden
        for offset in 0..<1500 {
            golden[offset] ^= 0xff
            if let checkpoint = try? openGGUF(golden) { checkpoint.readEverything() }
            golden[offset] = whole[offset]
        }
    }

    @Test(arguments: extremes) func extremeCountsAreRefused(_ value: UInt64) {
        var tensors = sound()
        tensors.tensorCount = value
        var keys = sound()
        keys.keyCount = value
        if value > 1 {
            #expect(refusal(try openGGUF(tensors.bytes))?.exitCode == 65)
            #expect(refusal(try openGGUF(keys.bytes))?.exitCode == 65)
        }
    }

    @Test(arguments: extremes) func extremeLengthsAreRefused(_ value: UInt64) {
        for type: UInt32 in 0...9 {
            var builder = GGUFBuilder()
            let name = [UInt8](repeating: 97, count: 3)
            if type == 8 {
                builder.add("key", type: 8, little(value))
            } else {
                builder.add("key", type: 9, little(type) + little(value))
            }
            if value > 1 {
                #expect(refusal(try openGGUF(builder.bytes))?.exitCode == 65)
            }
            builder.pairs = [little(value) + name + little(UInt32(0)) + [0]]
            if value != 3 {
                #expect(refusal(try openGGUF(builder.bytes))?.exitCode == 65)
            }
        }
    }

    @Test(arguments: extremes) func extremeDimensionsAndOffsetsAreRefused(_ value: UInt64) {
        for dimensions in [[value], [value, 4], [32, value], [value, value, value, value]] where value != 1 {
            var builder = sound()
            builder.tensors = []
            builder.addTensor("weight", dimensions: dimensions)
            let error = refusal(try openGGUF(builder.bytes))
            #expect(error?.exitCode == 65 && error?.place == .tensor("weight"))
        }
        var builder = sound()
        builder.tensors = []
        builder.addTensor("weight", dimensions: [32, 4], offset: value)
        if value != 0 {
            #expect(refusal(try openGGUF(builder.bytes))?.place == .tensor("weight"))
        }
    }

    @Test(arguments: [0, 5, 1000, UInt32.max]) func otherRanksAreRefused(_ rank: UInt32) {
        var builder = sound()
        builder.tensors = []
        builder.addTensor("weight", rank: rank, dimensions: [1, 1, 1, 1, 1])
        let error = refusal(try openGGUF(builder.bytes))
        #expect(error?.expected == "1 to 4 dimensions" && error?.found == "\(rank)")
    }

    @Test func rowsThatAreNoWholeBlocksAreRefused() {
        var builder = sound()
        builder.tensors = []
        builder.addTensor("weight", dimensions: [33, 2], type: 2)
        let error = refusal(try openGGUF(builder.bytes))
        #expect(error?.expected == "rows of a multiple of 32 elements for Q4_0" && error?.found == "33")
    }

    @Test func tensorsThatShareBytesAreRefused() {
        var builder = sound()
        builder.addTensor("other", dimensions: [8], offset: 480)
        let error = refusal(try openGGUF(builder.bytes))
        #expect(error?.place == .tensor("other") && error?.found == "offset 480, inside 'weight'")
    }

    @Test func keysAndTensorsThatComeTwiceAreRefused() {
        var keys = sound()
        keys.add("tokens", type: 0, [1])
        #expect(refusal(try openGGUF(keys.bytes))?.found == "'tokens' again")
        var tensors = sound()
        tensors.addTensor("weight", dimensions: [8], offset: 512)
        tensors.data += [UInt8](repeating: 0, count: 32)
        let error = refusal(try openGGUF(tensors.bytes))
        #expect(error?.place == .tensor("weight") && error?.expected == "each tensor once")
    }

    @Test func arraysNestedTooDeepAreRefused() {
        for depth in [9, 100_000] {
            var builder = GGUFBuilder()
            let shell = little(UInt32(9)) + little(UInt64(1))
            builder.add("key", type: 9, (0..<depth).flatMap { _ in shell } + little(UInt32(0)) + little(UInt64(0)))
            let error = refusal(try openGGUF(builder.bytes))
            #expect(error?.expected == "arrays at most 8 deep")
        }
    }

    @Test(arguments: [0, 3, 33, UInt32.max]) func alignmentsThatAreNoPowerOfTwoAreRefused(_ alignment: UInt32) {
        var builder = sound()
        builder.pairs = []
        builder.add("general.alignment", type: 4, little(alignment))
        #expect(
            refusal(try openGGUF(builder.bytes))?.place == .key("general.alignment"))
    }

    @Test func otherVersionsAreRefusedByName() {
        for (version, found): (UInt32, String) in [
            (1, "version 1"), (4, "version 4"), (0, "version 0"), (UInt32(3).byteSwapped, "big-endian version 3"),
        ] {
            var builder = sound()
            builder.version = version
            let error = refusal(try openGGUF(builder.bytes))
            #expect(error?.found == found && error?.exitCode == 69)
        }
        var old = sound()
        old.magic = Array("tjgg".utf8)
        #expect(refusal(try openGGUF(old.bytes))?.found == "a ggjt file")
        old.magic = Array("RIFF".utf8)
        #expect(refusal(try openGGUF(old.bytes))?.exitCode == 65)
    }

    @Test func unknownTypesAreRefusedByNumber() {
        for number: UInt32 in [4, 5, 31, 38, 1000, .max] {
            var builder = sound()
            builder.tensors = []
            builder.addTensor("weight", dimensions: [32], type: number)
            let error = refusal(try openGGUF(builder.bytes))
            #expect(error?.exitCode == 69 && error?.found == "type number \(number)")
        }
        var builder = sound()
        builder.add("key", type: 13, [0])
        #expect(refusal(try openGGUF(builder.bytes))?.found == "13")
    }

    @Test func oneOfSeveralFilesIsRefused() {
        var builder = sound()
        builder.add("split.count", type: 2, little(UInt16(3)))
        let error = refusal(try openGGUF(builder.bytes))
        #expect(error?.found == "one of 3 files" && error?.exitCode == 69)
    }

    @Test func booleansAndNamesAreChecked() {
        var builder = sound()
        builder.add("key", type: 7, [2])
        #expect(refusal(try openGGUF(builder.bytes))?.expected == "a boolean, 0 or 1")
        builder = sound()
        builder.add("key", type: 9, little(UInt32(7)) + little(UInt64(3)) + [0, 1, 255])
        #expect(refusal(try openGGUF(builder.bytes))?.found == "255")
        builder = sound()
        builder.add("", type: 0, [0])
        #expect(refusal(try openGGUF(builder.bytes))?.found == "an empty one")
        builder.pairs = [little(UInt64(2)) + [0xc3, 0x28] + little(UInt32(0)) + [0]]
        #expect(
            refusal(try openGGUF(builder.bytes))?.expected == "a metadata key in UTF-8"
        )
    }

    @Test func manyKeysAndTensorsTakeLinearTime() throws {
        var builder = GGUFBuilder()
        for number in 0..<20_000 {
            builder.add("key.\(number)", type: 0, [1])
            builder.addTensor("tensor.\(number)", dimensions: [8], offset: UInt64(number * 32))
        }
        builder.data = [UInt8](repeating: 0, count: 20_000 * 32)
        let bytes = builder.bytes
        var count = 0
        let time = try ContinuousClock().measure { count = try openGGUF(bytes).tensorNames.count }
        #expect(count == 20_000)
        // Pairwise comparison would take minutes in a debug build.
        #expect(time < .seconds(20))
    }
}
