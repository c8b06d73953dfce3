import Checkpoints
import Compiler
import Foundation
import FoundationXML
import Plans
import Testing

@Suite("Inspection")
struct InspectionTests {
    /// A plan without layers of two matrices, whose names are as given; the first is packed as `packing`.
    private func description(
        tensor: String, buffer: String, path: String, packing: Packing = .float32
    ) throws -> PlanDescription {
        let columns = 64
        var head = Tensor(name: Array("head".utf8), layout: .matrix(.float32, rows: 16, columns: columns), offset: 0)
        let table = Tensor(
            name: Array(tensor.utf8), layout: .matrix(packing, rows: 16, columns: columns), offset: 0)
        head.offset = (try #require(table.byteCount) + 63) / 64 * 64
        let weightsBytes = head.offset + (try #require(head.byteCount))
        let program = Program(
            tensors: [table, head],
            buffers: [
                Buffer(name: Array(buffer.utf8), element: .float32, rows: .step, width: columns, offset: 0),
                Buffer(name: Array("picked".utf8), element: .float32, rows: .outputs, width: columns, offset: 1024),
                Buffer(name: Array("logits".utf8), element: .float32, rows: .outputs, width: 16, offset: 1280),
            ],
            states: [], body: [.embed(table: TensorIndex(0), first: 0, output: BufferIndex(0))],
            head: [
                .selectRows(input: BufferIndex(0), output: BufferIndex(1)),
                .multiply(
                    input: BufferIndex(1), weight: TensorIndex(1), bias: nil, output: BufferIndex(2), column: 0,
                    accumulate: false),
            ],
            logits: BufferIndex(2), maximumRows: 4, maximumOutputs: 1, contextLength: 8, vocabularySize: 16,
            arenaBytes: 1344)
        return try withFolder { folder in
            var writer = try PlanWriter(path: folder + "/x.plan", weightsBytes: weightsBytes)
            try writer.append([UInt8](repeating: 0, count: weightsBytes))
            _ = try writer.finish(program: program, facts: Array("no JSON \u{1B}[31m".utf8))
            return try PlanDescription(try Plan.open(path: folder + "/x.plan"), tokenizer: nil, path: path)
        }
    }

    @Test("text and JSON say how many columns share a scale")
    func groups() throws {
        let packing = Packing.integer(.int3Centered, group: .columns128)
        let description = try description(tensor: "table", buffer: "rows", path: "x", packing: packing)
        #expect(description.text(listsTensors: true).contains { $0.contains("int3 centered, groups of 128") })
        let tensors = try #require(description.json["tensors"]?.array)
        #expect(tensors.map { $0["packing"] } == [.string("int3 centered"), .string("float32")])
        #expect(tensors.map { $0["group"] } == [.integer(128), .null])
    }

    @Test("text, JSON and graph show each piece of embedding and head")
    func pieces() throws {
        let names = ["table.0", "table.1"]
        let tensors = names.enumerated().map { index, name in
            Tensor(name: Array(name.utf8), layout: .matrix(.float32, rows: 16, columns: 16), offset: 1024 * index)
        }
        let buffers: [(String, Buffer.Rows, Int)] = [
            ("rows", .step, 16), ("picked", .outputs, 16), ("logits", .outputs, 32),
        ]
        let program = Program(
            tensors: tensors,
            buffers: buffers.enumerated().map { index, buffer in
                Buffer(
                    name: Array(buffer.0.utf8), element: .float32, rows: buffer.1, width: buffer.2, offset: 64 * index)
            },
            states: [],
            body: (0...1).map { .embed(table: TensorIndex($0), first: 16 * $0, output: BufferIndex(0)) },
            head: [.selectRows(input: BufferIndex(0), output: BufferIndex(1))]
                + (0...1).map {
                    .multiply(
                        input: BufferIndex(1), weight: TensorIndex($0), bias: nil, output: BufferIndex(2),
                        column: 16 * $0, accumulate: false)
                },
            logits: BufferIndex(2), maximumRows: 1, maximumOutputs: 1, contextLength: 8, vocabularySize: 32,
            arenaBytes: 256)
        let description = try PlanDescription(
            try Plan(program: program, weightsBytes: 2048) { _ in }, tokenizer: nil, path: "x")
        let lines = description.text()
        for (index, name) in names.enumerated() {
            let last = index == 0 ? "" : "; first 16"
            #expect(
                lines.contains("    embed                 -> rows [16]; table \(name) float32 16 x 16, 1.0 kB\(last)"))
            let column = index == 0 ? "" : "; column 16"
            #expect(
                lines.contains(
                    "    multiply              picked [16] -> logits [32]; weight \(name) float32 16 x 16, 1.0 kB\(column)"
                ))
        }
        #expect(description.json["body"]?.array?.map { $0["first"] } == [.integer(0), .integer(16)])
        #expect(description.json["head"]?.array?.map { $0["column"] } == [nil, .integer(0), .integer(16)])
        let svg = PlanGraph(description).svg()
        for text in ["table.0", "table.1", "first 16", "column 16"] { #expect(svg.contains(text)) }
    }

    private static let hostileNames = [
        "<script>alert(1)</script>", "a & b", "\"quoted\" 'twice'", "]]>", "<!--", "&amp;", "\u{202E}turned",
        "\u{FFFF}\u{FFFE}", "\u{200B}", "🧵 naïve", "layers.99999999999999999999.x", "layers.1.", "....", "-1.x",
        String(repeating: "w", count: 1024),
    ]

    @Test("a graph is well-formed XML whatever the names are", arguments: hostileNames)
    func wellFormed(_ name: String) throws {
        let svg = PlanGraph(try description(tensor: name, buffer: name, path: "/tmp/\(name)\n")).svg()
        let parser = XMLParser(data: Data(svg.utf8))
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(!svg.contains("<script"))
    }

    @Test("no name makes a line or an escape sequence of its own", arguments: hostileNames)
    func oneLineEach(_ name: String) throws {
        let plain = try description(tensor: "plain", buffer: "plain", path: "x").text(listsTensors: true)
        let hostile = try description(tensor: name, buffer: name, path: "x\n\u{1B}").text(listsTensors: true)
        #expect(hostile.count == plain.count)
        for line in hostile { #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E }) }
    }

    @Test("JSON that is written reads back as the same value")
    func roundTrip() throws {
        let value = JSON.object(
            JSONObject([
                ("text", .string("\u{0}\u{1F}\"\\/\u{7F}é🧵\n")), ("", .null), ("flags", .array([.boolean(true)])),
                ("numbers", .array([.integer(.min), .integer(.max), .number(1e-45), .number(-0.1), .number(1e300)])),
                ("empty", .object(JSONObject([]))), ("none", .array([])),
            ]))
        #expect(try JSON(parsing: value.encoded(), file: "memory") == value)
        let odd = JSON.array([.number(.infinity), .number(.nan)])
        #expect(String(decoding: odd.encoded(), as: UTF8.self) == "[\"inf\",\"nan\"]")
    }

    @Test("layers that do the same are one group, the JSON has every instruction")
    func folding() throws {
        // The first two layers normalize alike, the third one with another epsilon.
        let names = ["hidden", "layers.0.normalized", "layers.1.normalized", "layers.2.normalized", "picked"]
        var buffers: [Buffer] = []
        for (index, name) in names.enumerated() {
            buffers.append(
                Buffer(
                    name: Array(name.utf8), element: .float32, rows: name == "picked" ? .outputs : .step, width: 16,
                    offset: 64 * index))
        }
        var body: [Instruction] = [.embed(table: TensorIndex(0), first: 0, output: BufferIndex(0))]
        for layer in 1...3 {
            body.append(
                .normalize(
                    input: BufferIndex(0), weight: nil, epsilon: layer < 3 ? 1 : 2, output: BufferIndex(layer)))
        }
        let program = Program(
            tensors: [Tensor(name: Array("table".utf8), layout: .matrix(.float32, rows: 16, columns: 16), offset: 0)],
            buffers: buffers, states: [], body: body,
            head: [.selectRows(input: BufferIndex(0), output: BufferIndex(4))], logits: BufferIndex(4), maximumRows: 1,
            maximumOutputs: 1, contextLength: 8, vocabularySize: 16, arenaBytes: 320)
        let plan = try Plan(program: program, weightsBytes: 1024) { _ in }
        let description = try PlanDescription(plan, tokenizer: nil, path: "x")
        #expect(description.groups.map(\.layers) == [nil, 0...1, 2...2, nil])
        #expect(description.groups.map(\.repetitions) == [1, 2, 1, 1])
        let counts = description.groups.map { $0.instructions.count * $0.repetitions }
        #expect(counts.reduce(0, +) == program.body.count + program.head.count)
        #expect(description.json["body"]?.array?.count == program.body.count)
        #expect(description.json["tensors"]?.array?.count == program.tensors.count)
    }
}
