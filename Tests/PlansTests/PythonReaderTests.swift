import Foundation
import Plans
import Testing

/// The independent reader in formats/ agrees with what was written: the format page is enough to read a plan.
@Suite struct PythonReaderTests {
    private struct Summary: Decodable {
        struct Section: Decodable {
            var kind: String
            var offset: Int
            var crc32: UInt32
        }
        struct Tensor: Decodable {
            var name: String
            var packing: String?
            var group: Int?
            var rows: Int
            var columns: Int
            var offset: Int
            var bytes: Int
        }
        struct Buffer: Decodable {
            var name: String
            var width: Int
            var offset: Int
        }
        struct Instruction: Decodable {
            var name: String
            var first: Int?
            var column: Int?
        }
        struct Program: Decodable {
            var buffers: [Buffer]
            var states: [State]
            var body: [Instruction]
            var head: [Instruction]
            var maximumRows: Int
            var vocabularySize: Int
            var arenaBytes: Int
        }
        struct State: Decodable {
            var heads: Int
            var dimensions: Int
            var element: String
        }
        var version: String
        var digest: String
        var fileSize: Int
        var sections: [Section]
        var tensors: [Tensor]
        var program: Program
        var chatTemplate: String
        var facts: [String: String]
    }

    private static let script = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("formats/plan_reader.py").path

    static func run(_ arguments: [String]) throws -> (output: Data, status: Int32) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", PythonReaderTests.script] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (output, process.terminationStatus)
    }

    @Test func bothReadersSeeTheSamePlan() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            try SmallPlan.write(path)
            let plan = try Plan.open(path: path)
            let (output, status) = try PythonReaderTests.run([path, "--deep"])
            #expect(status == 0)
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let summary = try decoder.decode(Summary.self, from: output)
            #expect(summary.version == "4.1")
            #expect(Array(summary.digest.utf8) == plan.digestText)
            #expect(summary.fileSize == plan.fileSize)
            #expect(summary.sections.map(\.crc32) == plan.sections.map(\.checksum))
            #expect(summary.sections.map(\.offset) == plan.sections.map(\.offset))
            #expect(summary.tensors.map(\.offset) == plan.program.tensors.map(\.offset))
            #expect(
                summary.tensors.map(\.group)
                    == plan.program.tensors.map { tensor -> Int? in
                        guard case .matrix(.integer(_, let group), _, _) = tensor.layout else { return nil }
                        return group.rawValue
                    })
            #expect(summary.tensors.map(\.bytes) == plan.program.tensors.map(\.byteCount))
            #expect(summary.tensors.map { [UInt8]($0.name.utf8) } == plan.program.tensors.map(\.name))
            #expect(summary.program.buffers.map(\.width) == plan.program.buffers.map(\.width))
            #expect(summary.program.buffers.map(\.offset) == plan.program.buffers.map(\.offset))
            #expect(summary.program.states.map(\.element) == ["float16", "float32"])
            #expect(summary.program.states.map(\.dimensions) == [SmallPlan.dimensions, SmallPlan.dimensions])
            #expect(summary.program.body.count == plan.program.body.count)
            #expect(
                Set((summary.program.body + summary.program.head).map(\.name)) == [
                    "embed", "rotary_table", "normalize", "quantize", "multiply", "attend", "gate",
                    "select_rows",
                ])
            #expect(summary.program.body.compactMap(\.first) == [0, SmallPlan.frequent])
            #expect(summary.program.head.compactMap(\.column) == [0, SmallPlan.frequent])
            #expect(summary.program.maximumRows == plan.program.maximumRows)
            #expect(summary.program.vocabularySize == SmallPlan.vocabulary)
            #expect(summary.program.arenaBytes == plan.program.arenaBytes)
            #expect([UInt8](summary.chatTemplate.utf8) == SmallPlan.chatTemplate)
            #expect(summary.facts == ["source": "by hand"])
        }
    }

    @Test func logicalWeightsComeBackFromEveryPacking() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            try SmallPlan.write(path)
            var seen: Set<UInt32> = []
            for (index, tensor) in SmallPlan.program().tensors.enumerated() {
                guard case .matrix(let packing, let rows, let columns) = tensor.layout else { continue }
                seen.insert(packing.number)
                let row = rows - 3
                let name = String(decoding: tensor.name, as: UTF8.self)
                let (output, status) = try PythonReaderTests.run([path, "--tensor", name, "--row", "\(row)"])
                #expect(status == 0)
                let values = try JSONDecoder().decode([Double].self, from: output)
                #expect(values == (0..<columns).map { LogicalWeights.value(packing, index, row, $0) }, "\(name)")
            }
            #expect(seen == Set(Packing.allCases.map(\.number)))
        }
    }

    @Test func bothReadersRefuseTheSameDamage() throws {
        let image = PlanImage(bytes: try SmallPlan.bytes())
        var damages: [PlanImage] = []
        for offset in [0, 8, 12, 16, 33, 45, 61, 64, 70, 104, 112, 4000]
            + image.entries.dropFirst().map(\.range.lowerBound)
        {
            var damaged = image
            damaged.bytes[offset] ^= 0x21
            damages.append(damaged)
            if offset < 304, !(60..<64).contains(offset) {
                damaged.resealHeader()
                damages.append(damaged)
            }
        }
        // Groups that are none: of the table, which is float16, and of the first integer matrix.
        let tensors = try image.entry(.tensors)
        for (tensor, group) in [(0, 32), (1, 64), (3, 0), (3, 48), (3, 256)] {
            var damaged = image
            damaged.set(UInt64(group), at: tensors.range.lowerBound + 16 + tensor * 40 + 36, size: 4)
            damaged.reseal(tensors)
            damages.append(damaged)
        }
        // Embeddings with tokens left out, twice, in another order, or of another buffer: words of the first two records.
        let program = try image.entry(.program)
        let parts = SmallPlan.program()
        let records = program.range.lowerBound + 64 + 32 * parts.buffers.count + 32 * parts.states.count
        for (record, word, value) in [(0, 2, 1), (1, 2, 0), (1, 2, 31), (1, 2, 33), (1, 3, 2), (1, 1, 0), (0, 1, 16)] {
            var damaged = image
            damaged.set(UInt64(value), at: records + 64 * record + 4 * word, size: 4)
            damaged.reseal(program)
            damages.append(damaged)
        }
        for length in [0, 63, 300, image.bytes.count - 1] {
            damages.append(PlanImage(bytes: [UInt8](image.bytes[..<length])))
        }
        try withTemporaryDirectory { directory in
            for (index, damaged) in damages.enumerated() {
                let path = directory + "/a.plan"
                try Data(damaged.bytes).write(to: URL(fileURLWithPath: path))
                let error = try #require(try damaged.refusal(), "damage \(index)")
                #expect(try PythonReaderTests.run([path]).status == error.exitCode, "damage \(index)")
            }
        }
    }
}
