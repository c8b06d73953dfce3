import Checkpoints
import Testing

@Suite struct JSONTests {
    private func parse(_ text: String) throws(CheckpointError) -> JSON { try JSON(parsing: text.utf8, file: "text") }

    @Test func valuesAreRead() throws {
        let value = try parse(" {\"a\": [1, -2.5, 1e3, true, false, null, \"x\\n\\u00e9\\ud83d\\ude00\"], \"b\": {}}\n")
        #expect(
            value["a"]?.array == [
                .integer(1), .number(-2.5), .number(1000), .boolean(true), .boolean(false), .null,
                .string("x\né😀"),
            ])
        #expect(value["b"]?.object?.isEmpty == true)
        #expect(value["c"] == nil && value["a"]?[7] == nil && value[0] == nil)
    }

    @Test func integersAreExactAndWideOnesAreNumbers() throws {
        let text =
            "[9007199254740993, 9223372036854775807, -9223372036854775808, 9223372036854775808, -9223372036854775809,"
            + "1000000000000000019884624838656, 0, -0]"
        let values = try #require(try parse(text).array)
        #expect(values.prefix(3) == [.integer(9_007_199_254_740_993), .integer(.max), .integer(.min)])
        #expect(values[3...5] == [.number(0x1p63), .number(-0x1p63), .number(1e30)])
        #expect(values[6].integer == 0 && values[7].number == 0)
    }

    @Test func valuesThatPythonWritesAreRead() throws {
        let values = try #require(try parse("[Infinity, -Infinity, NaN]").array)
        #expect(values[0].number == .infinity && values[1].number == -.infinity)
        #expect(values[2].number?.isNaN == true)
    }

    @Test(arguments: [
        "", " ", "{", "[1,]", "[1 2]", "{\"a\":1,}", "{a:1}", "{'a':1}", "['a']", "[1] x", "[1][2]", "[01]", "[1.]",
        "[1.e2]", "[1e+]", "['a':1]",
        "[.5]",
        "[+1]", "[0x10]", "[tru]", "[True]", "[-]", "[1e]", "[\"a]", "[\"\\x\"]", "[\"\\ud800\"]",
        "[\"\\udc00\\ud800\"]", "[\"\\u12\"]",
        "[\"a\nb\"]", "// comment\n[1]", "[1]/* comment */", "\u{feff}[1]", "{\"a\" 1}", "{\"a\":}", "{1:2}", "[}",
        "{]", "]",
        "[1]\0", "\0[1]", "[\0]", "é", "12", "\"text\"", "null", "[1}", "{\"a\":1]",
    ])
    func otherTextIsRefused(_ text: String) {
        #expect(throws: CheckpointError.self) { try parse(text) }
    }

    @Test(
        arguments: [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82], [0xff]]
            as [[UInt8]])
    func bytesThatAreNotUTF8AreRefused(_ bytes: [UInt8]) {
        let text = Array("[\"".utf8) + bytes + Array("\"]".utf8)
        #expect(throws: CheckpointError.self) { try JSON(parsing: text, file: "text") }
    }

    @Test func truncationsAreRefused() {
        let text = Array("{\"a\": [1, -2.5, \"é\\u00e9\", null], \"b\": {\"c\": true}}".utf8)
        for count in 0..<text.count {
            #expect(throws: CheckpointError.self) { try JSON(parsing: text[..<count], file: "text") }
        }
    }

    @Test func nestingIsLimited() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parse(nested(64))
        #expect(throws: CheckpointError.self) { try parse(nested(65)) }
        #expect(throws: CheckpointError.self) { try parse(nested(1_000_000)) }
    }

    @Test func textsThatWouldTakeTheMemoryAreRefused() throws {
        let arrays = "[" + String(repeating: "[],", count: 1 << 21) + "0]"
        let values = "[" + String(repeating: "0,", count: 1 << 23) + "0]"
        for (text, limit) in [(arrays, "2097152 arrays and objects"), (values, "8388608 values")] {
            let error = #expect(throws: CheckpointError.self) { try parse(text) }
            #expect(error?.expected == "at most \(limit)")
        }
    }

    @Test func keysCompareByBytesAndKeepTheirOrder() throws {
        let object = try #require(try parse("{\"e\\u0301\": 1, \"\\u00e9\": 2, \"z\": 3, \"a\": 4}").object)
        #expect(object.count == 4)
        #expect(object["e\u{301}"]?.integer == 1 && object["\u{e9}"]?.integer == 2)
        #expect(object.map(\.value.integer) == [1, 2, 3, 4])
        let many = "{" + (0..<100).map { "\"k\($0)\": \($0)" }.joined(separator: ",") + "}"
        let large = try #require(try parse(many).object)
        for number in 0..<100 { #expect(large["k\(number)"]?.integer == number) }
        #expect(large["k100"] == nil)
    }

    @Test func keysWithNULAreRefusedAndTextWithNULIsRead() throws {
        #expect(throws: CheckpointError.self) { try parse("{\"a\\u0000b\": 1}") }
        #expect(try parse("[\"a\\u0000b\"]")[0]?.string == "a\0b")
    }

    @Test func ofTwoMembersTheLastIsTaken() throws {
        #expect(try parse("{\"a\": 1, \"a\": 2}")["a"]?.integer == 2)
    }
}
