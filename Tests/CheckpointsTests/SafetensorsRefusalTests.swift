import Checkpoints
import Testing

@Suite struct SafetensorsRefusalTests {
    private func file(_ header: String, data: Int, length: UInt64? = nil) -> [UInt8] {
        little(length ?? UInt64(header.utf8.count)) + Array(header.utf8) + [UInt8](repeating: 1, count: data)
    }

    private func tensor(_ name: String, _ shape: String, _ offsets: String, dtype: String = "F32") -> String {
        "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
    }

    private var sound: String {
        "{\"__metadata__\":{\"format\":\"pt\"}," + tensor("a", "[2,3]", "[0,24]") + ","
            + tensor("b", "[4]", "[24,32]", dtype: "BF16") + "}  "
    }

    @Test func theSoundFileOpens() throws {
        let checkpoint = try openSafetensors(file(sound, data: 32))
        #expect(checkpoint.tensorNames == ["a", "b"])
        #expect(try checkpoint.tensor("b")?.type == .bfloat16)
    }

    @Test func everyTruncationIsRefused() {
        let bytes = file(sound, data: 32)
        for count in 0..<bytes.count {
            #expect(throws: CheckpointError.self, "\(count) bytes") { try openSafetensors(Array(bytes[..<count])) }
        }
    }

    @Test func everyBrokenByteIsRefusedOrRead() throws {
        let bytes = file(sound, data: 32)
        for offset in 0..<bytes.count - 32 {
            for change: UInt8 in [0x01, 0x04, 0x20, 0x80, 0xff, bytes[offset]] {
                var broken = bytes
                broken[offset] ^= change
                if let checkpoint = try? openSafetensors(broken) { checkpoint.readEverything() }
            }
        }
    }

    @Test(arguments: extremes) func extremeHeaderLengthsAreRefused(_ value: UInt64) {
        let error = refusal(try openSafetensors(file(sound, data: 32, length: value)))
        #expect(error?.exitCode == 65)
    }

    @Test(arguments: extremes) func extremeNumbersAreRefused(_ value: UInt64) {
        let shapes = ["[\(value)]", "[\(value),\(value)]", "[3,\(value)]"]
        for shape in shapes where value != 0 {
            let header = "{" + tensor("a", shape, "[0,24]") + "}"
            #expect(
                refusal(try openSafetensors(file(header, data: 24)))?.exitCode == 65)
        }
        for offsets in ["[\(value),24]", "[0,\(value)]", "[\(value),\(value)]"]
        where value != 0 || !offsets.contains("24") {
            let header = "{" + tensor("a", "[2,3]", offsets) + "}"
            #expect(
                refusal(try openSafetensors(file(header, data: 24)))?.exitCode == 65)
        }
    }

    @Test(arguments: [
        // A hole, an overlap, data past the end, data that nothing names, a hole at the start.
        ("[0,8]", "[12,20]", 20), ("[0,8]", "[4,12]", 12), ("[0,8]", "[8,16]", 12), ("[0,8]", "[8,16]", 17),
        ("[4,12]", "[12,20]", 20), ("[8,0]", "[8,16]", 16), ("[0,8]", "[0,8]", 8),
    ])
    func dataWithHolesOrOverlapsIsRefused(_ first: String, _ second: String, _ data: Int) {
        let header = "{" + tensor("a", "[2]", first) + "," + tensor("b", "[2]", second) + "}"
        #expect(refusal(try openSafetensors(file(header, data: data)))?.exitCode == 65)
    }

    @Test(arguments: [
        " {}", "[]", "{\"a\":1}", "{\"a\":{}}", "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":[]}", "{} x", "{}\0",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}",
        "{\"a\":{\"dtype\":\"F4\",\"shape\":[7],\"data_offsets\":[0,4]}}",
    ])
    func headersOfAnotherShapeAreRefused(_ header: String) {
        #expect(refusal(try openSafetensors(file(header, data: 4)))?.exitCode == 65)
    }

    @Test func emptyTensorsWithExtremeShapesAreRefusedOrRead() throws {
        let large = "4611686018427387904"
        for shape in ["[0,\(large),\(large)]", "[\(large),\(large),0]", "[0,\(large)]"] {
            let header = "{" + tensor("a", shape, "[0,0]") + "}"
            #expect(refusal(try openSafetensors(file(header, data: 0)))?.expected == "fewer than 2^63 bits")
        }
        let checkpoint = try openSafetensors(file("{" + tensor("a", "[0,1000]", "[0,0]") + "}", data: 0))
        let entry = try #require(try checkpoint.tensor("a"))
        #expect(checkpoint.values(entry).isEmpty && checkpoint.bytes(of: entry).isEmpty)
    }

    @Test func keysThatComeTwiceAreRefused() {
        let twice = "{" + tensor("a", "[1]", "[0,4]") + "," + tensor("\\u0061", "[1]", "[4,8]") + "}"
        let error = refusal(try openSafetensors(file(twice, data: 8)))
        #expect(error?.found == "a key that comes twice")
        let inner = "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}"
        #expect(
            refusal(try openSafetensors(file(inner, data: 4)))?.found == "a key that comes twice"
        )
    }

    @Test func unknownTypesAreRefusedByName() {
        let header = "{" + tensor("a", "[1]", "[0,16]", dtype: "F128") + "}"
        let error = refusal(try openSafetensors(file(header, data: 16)))
        #expect(error?.exitCode == 69 && error?.found == "F128" && error?.place == .tensor("a"))
    }

    @Test func typesThatAreNotReadAreListed() throws {
        let header =
            "{" + tensor("a", "[4]", "[0,4]", dtype: "F8_E4M3") + "," + tensor("b", "[8]", "[4,8]", dtype: "F4") + "}"
        let checkpoint = try openSafetensors(file(header, data: 8))
        #expect(checkpoint.listing.map(\.typeName) == ["F8_E4M3", "F4"])
        let error = try #require(throws: CheckpointError.self) { try checkpoint.tensor("a") }
        #expect(error.exitCode == 69)
    }

    @Test func nestingBombsAreRefused() {
        for depth in [65, 1_000_000] {
            let header = "{\"a\":" + String(repeating: "[", count: depth)
            #expect(
                refusal(try openSafetensors(file(header, data: 0)))?.exitCode == 65)
        }
    }
}
