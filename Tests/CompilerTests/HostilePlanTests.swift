import Decoding
import Foundation
import Passes
import Testing

@testable import Compiler
@testable import Plans
@testable import Runtime

/// A plan that verifies cannot make the runtime touch memory that it does not own (formats/plan.md, "Verification").
///
/// What these tests look for ends the process: the arena, the caches and the scratch memory end at inaccessible pages,
/// and scripts/test.sh runs them under AddressSanitizer too.
@Suite("A plan that verifies runs within its memory, whatever it says")
struct HostilePlanTests {
    static let models = ["llama/model.gguf", "quantized/model.gguf", sharing, summing]

    /// With windows and with norms of heads besides.
    static let moreModels = models + ["mistral", "qwen3/model.gguf"]

    /// The first one with a layer that uses the attention weights of another.
    private static let sharing = "llama/model.gguf sharing attention"

    /// The first one with features behind a window in a layer, and groups in another.
    private static let summing = "llama/model.gguf with sums"

    /// With an embedding and a head of two pieces.
    private static func model(_ name: String) throws -> TestModel {
        let file = name == sharing || name == summing ? models[0] : name
        return try TestModel(
            TestModel.resource(file), precision: .keep, vocabularyCuts: [160], maximumRows: 18
        ) { model in
            switch name {
            case sharing:
                model = try ShareAttention([ShareAttention.Span(1...1, headMaps: [1: [1, 0]])]).apply(to: model).model
            case summing:
                model = try model.linearized([
                    0: .hybrid(DistantShape(length: 4, sinks: 1, block: 2, rows: 16)), 1: .grouped(group: 3, taps: 2),
                ])
            default: break
            }
        }
    }

    private static func plan(_ name: String) throws -> HostilePlan { try HostilePlan(model(name)) }

    @Test("every bit of the program", arguments: models)
    func programBits(name: String) throws {
        var plan = try HostilePlanTests.plan(name)
        #expect(HostilePlanTests.flipBits(of: &plan, in: plan.range(.program)) > 1000)
    }

    @Test("every bit of the tensors", arguments: models)
    func tensorBits(name: String) throws {
        var plan = try HostilePlanTests.plan(name)
        #expect(HostilePlanTests.flipBits(of: &plan, in: plan.range(.tensors)) > 1000)
    }

    @Test("every bit of header and section table", arguments: models)
    func headerBits(name: String) throws {
        var plan = try HostilePlanTests.plan(name)
        // Optional features are free to be anything; the checksums are made to fit again.
        #expect(HostilePlanTests.flipBits(of: &plan, in: plan.table) > 64)
    }

    /// How many of the damaged plans verified.
    private static func flipBits(of plan: inout HostilePlan, in range: Range<Int>) -> Int {
        var verified = 0
        for offset in range {
            for bit in 0..<8 where plan.run(with: [plan.bytes[offset] ^ 1 << UInt8(bit)], at: offset) { verified += 1 }
        }
        return verified
    }

    @Test("every word of the program and the tensors as another of the same section", arguments: models)
    func words(name: String) throws {
        var plan = try HostilePlanTests.plan(name)
        var verified = 0
        for range in [plan.range(.program), plan.range(.tensors)] {
            // The records, without the names behind them.
            let words = stride(from: range.lowerBound, to: range.upperBound - 3, by: 4)
            let values = Set(words.map { [UInt8](plan.bytes[$0..<$0 + 4]) }.filter { $0[3] == 0 })
            for offset in words where plan.bytes[offset + 3] == 0 || plan.bytes[offset + 3] == 255 {
                for value in values where plan.run(with: value, at: offset) { verified += 1 }
            }
        }
        #expect(verified > 100)
    }

    @Test("every instruction in place of every other", arguments: moreModels)
    func instructions(name: String) throws {
        var plan = try HostilePlanTests.plan(name)
        let model = try HostilePlanTests.model(name).plan.program
        let first =
            plan.range(.program).lowerBound + ProgramDecoder.programHeaderBytes
            + model.buffers.count * ProgramDecoder.bufferBytes + model.states.count * ProgramDecoder.stateBytes
        let offsets = (0..<model.body.count + model.head.count).map { first + $0 * Instruction.recordBytes }
        var verified = 0
        for target in offsets {
            for source in offsets where source != target {
                let instruction = [UInt8](plan.bytes[source..<source + Instruction.recordBytes])
                if plan.run(with: instruction, at: target) { verified += 1 }
            }
        }
        #expect(verified > 10)
    }

    @Test("weights of any bits", arguments: models)
    func weights(name: String) throws {
        let model = try HostilePlanTests.model(name)
        var bytes = try model.bytes()
        let section = try #require(model.plan.sections.first)
        var random = RandomSource(seed: 1)
        for fill in 0..<4 {
            for offset in section.offset..<section.offset + section.storedSize {
                // Random, then all ones: not numbers; then the largest exponents, whose products are infinite.
                bytes[offset] = [UInt8(truncatingIfNeeded: random.next()), 0xFF, 0x7E, 0x7F][fill]
            }
            // Weights are not read when a plan is opened.
            let plan = try Plan(bytes: bytes)
            for instructionSet in InstructionSet.allCases {
                HostilePlan.exercise(plan, instructionSet: instructionSet)
            }
        }
    }

    @Test("an embedding row is no wider than the vector that each embedding writes")
    func embeddingsOfTwoWidths() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        // Two tables of 16 tokens; the narrow one's rows end the arena.
        let (wide, narrow) = (4096, 16)
        var writer = try PlanWriter(path: file, weightsBytes: (wide + narrow) * 64)
        try writer.append([UInt8](repeating: 0, count: (wide + narrow) * 64))
        let buffers = [
            Buffer(name: [97], element: .float32, rows: .step, width: wide, offset: 0),
            Buffer(name: [98], element: .float32, rows: .step, width: narrow, offset: wide * 4 + 64),
            Buffer(name: [99], element: .float32, rows: .outputs, width: narrow, offset: wide * 4),
        ]
        let program = Program(
            tensors: [
                Tensor(name: [97], layout: .matrix(.float32, rows: 16, columns: wide), offset: 0),
                Tensor(name: [98], layout: .matrix(.float32, rows: 16, columns: narrow), offset: wide * 64),
            ],
            buffers: buffers, states: [],
            body: [
                .embed(table: TensorIndex(0), first: 0, output: BufferIndex(0)),
                .embed(table: TensorIndex(1), first: 0, output: BufferIndex(1)),
            ],
            head: [.selectRows(input: BufferIndex(1), output: BufferIndex(2))], logits: BufferIndex(2),
            maximumRows: 1, maximumOutputs: 1, contextLength: 8, vocabularySize: 16,
            arenaBytes: wide * 4 + 128)
        _ = try writer.finish(program: program)
        let session = try Engine(plan: try Plan.open(path: file), threads: 1).makeSession()
        for width in [wide, narrow] {
            #expect(throws: RuntimeError.unknownInput(row: 0)) {
                try session.setEmbedding(0, to: [Float](repeating: 1, count: width))
            }
        }
        #expect(throws: RuntimeError.unknownInput(row: 0)) {
            try session.evaluate([Row(input: .embedding(0), position: 0, parent: nil)])
        }
        try session.evaluate([Row(input: .token(3), position: 0, parent: nil)])
        #expect(try session.logits(of: [0]).row(0).map(Array.init) == [Float](repeating: 0, count: 16))
    }

    @Test("a session that the system refuses gives back all that it took")
    func refusedMemory() throws {
        let model = try TestModel(TestModel.resource("llama/model.gguf"), precision: .keep)
        let engine = try Engine(plan: model.plan, threads: 1)
        /// Which of ever longer contexts have room: somewhere between, the first cache has and the second has not.
        func fits() -> [Bool] { (36...48).map { (try? Session(engine: engine, capacity: 1 << $0)) != nil } }
        let first = fits()
        #expect(first.last == false)
        let mappings = HostilePlanTests.mappings()
        #expect(mappings > 0)
        for _ in 0..<200 { #expect(fits() == first) }
        // Each refusal took an arena first, whose two guards are mappings of their own. Other tests' sessions come and
        // go meanwhile.
        #expect(HostilePlanTests.mappings() < mappings + 400)
    }

    /// Mappings of this process.
    private static func mappings() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        return text.utf8.count { $0 == 10 }
    }

    @Test("memory ends at an inaccessible page, and begins at one where it is a whole number of pages")
    func storageEnds() throws {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        for bytes in [1, 63, 64, 65, page - 64, page, page + 1, 5 * page] {
            let storage = try PageStorage(byteCount: bytes)
            #expect(Int(bitPattern: storage.base) % 64 == 0)
            let end = Int(bitPattern: storage.base) + (bytes + 63) / 64 * 64
            #expect(end % page == 0)
            storage.base.storeBytes(of: 1, toByteOffset: bytes - 1, as: UInt8.self)
            #expect(HostilePlanTests.isAccessible(end - 1))
            #expect(!HostilePlanTests.isAccessible(end))
            #expect(!HostilePlanTests.isAccessible(Int(bitPattern: storage.base) / page * page - 1))
        }
        #expect(throws: RuntimeError.self) { _ = try PageStorage(byteCount: .max).byteCount }
    }

    /// Whether the kernel can read a byte of this process.
    private static func isAccessible(_ address: Int) -> Bool {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return false }
        defer { for end in ends { close(end) } }
        return write(ends[1], UnsafeRawPointer(bitPattern: address), 1) == 1
    }

    @Test("logits that are not numbers leave a token to choose, whatever their bits")
    func samplingNotNumbers() {
        for low in UInt32(1)..<200 {
            let logits = [Float](repeating: Float(bitPattern: 0x7FC0_0000 | low), count: 50)
            var sampler = Sampler(SamplingOptions(seed: UInt64(low)))
            #expect(logits.withUnsafeBufferPointer { sampler.sample($0) } < 50)
        }
    }

    @Test("perplexity refuses a token that the model does not have before it is scored")
    func perplexityOfUnknownToken() throws {
        let model = try TestModel(TestModel.resource("llama/model.gguf"), precision: .keep, maximumRows: 4)
        let session = try Engine(plan: model.plan, threads: 1).makeSession()
        var perplexity = Perplexity()
        #expect(throws: RuntimeError.unknownInput(row: 4)) {
            try perplexity.score([1, 2, 3, 4, .max, 6], session: session)
        }
    }
}
