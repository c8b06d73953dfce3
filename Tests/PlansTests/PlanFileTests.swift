import Foundation
import Testing

@testable import Plans

@Suite struct PlanFileTests {
    let image: PlanImage

    init() throws { image = PlanImage(bytes: try SmallPlan.bytes()) }

    @Test func aPlanReadsAsItWasWritten() throws {
        let plan = try Plan(bytes: image.bytes)
        #expect(plan.program == SmallPlan.program())
        #expect([UInt8](plan.weights) == LogicalWeights.pack(plan.program.tensors))
        #expect([UInt8](plan.tokenizer) == SmallPlan.tokenizer)
        #expect(try plan.facts() == SmallPlan.facts)
        #expect(try plan.chatTemplate() == SmallPlan.chatTemplate)
        #expect(plan.fileSize == image.bytes.count)
        #expect(plan.sections.map(\.kind) == [1, 2, 3, 4, 5, 6])
        try plan.verifyWeights()
    }

    @Test func mappedAndCopiedPlansAreTheSame() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            try SmallPlan.write(path)
            let mapped = try Plan.open(path: path)
            let copied = try Plan.open(path: path, mapped: false)
            #expect(mapped.program == copied.program)
            #expect([UInt8](mapped.weights) == [UInt8](copied.weights))
            #expect(mapped.digest == copied.digest)
            #expect(UInt(bitPattern: mapped.weights.baseAddress) % 4096 == 0)
            #expect(UInt(bitPattern: copied.weights.baseAddress) % 4096 == 0)
            #expect(truncate(path, 4096) == 0)
            #expect(throws: PlanError.self) { try mapped.checkSize() }
            try copied.verifyWeights()
        }
    }

    @Test func theSameProgramGivesTheSameBytes() throws {
        #expect(try SmallPlan.bytes() == image.bytes)
    }

    @Test func sectionsWithoutContentAreLeftOut() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            let program = SmallPlan.program()
            let weights = LogicalWeights.pack(program.tensors)
            var writer = try PlanWriter(path: path, weightsBytes: weights.count)
            try writer.append(weights)
            _ = try writer.finish(program: program)
            let plan = try Plan.open(path: path)
            #expect(plan.sections.map(\.kind) == [1, 2, 3])
            #expect(plan.tokenizer.isEmpty)
            #expect(try plan.facts() == nil)
        }
    }

    @Test func everyTruncationIsRefused() throws {
        var lengths = Set(0..<(64 + 6 * 40 + 1))
        for entry in image.entries {
            for edge in [entry.range.lowerBound, entry.range.upperBound] {
                lengths.formUnion((edge - 2)...(edge + 2))
            }
        }
        for length in lengths where length < image.bytes.count {
            #expect(throws: PlanError.self) { try Plan(bytes: [UInt8](image.bytes[..<length])) }
        }
        #expect(throws: PlanError.self) { try Plan(bytes: image.bytes + [0]) }
    }

    @Test func everyFlippedByteIsRefused() throws {
        let small = image.entries.filter { $0.kind != SectionKind.weights.rawValue }.map(\.range)
        let gaps = 64 + 6 * 40..<4096
        for range in [0..<(64 + 6 * 40), gaps] + small {
            for offset in range {
                var damaged = image
                damaged.bytes[offset] ^= 0xFF
                let error = try damaged.refusal()
                // The minor version may differ, yet not without the header's checksum.
                #expect(error != nil, "byte \(offset)")
            }
        }
    }

    @Test func flippedWeightsAreFoundByTheDeepCheckAlone() throws {
        let weights = try image.entry(.weights).range
        for offset in [weights.lowerBound, weights.lowerBound + weights.count / 2, weights.upperBound - 1] {
            var damaged = image
            damaged.bytes[offset] ^= 1
            let plan = try Plan(bytes: damaged.bytes)
            #expect(throws: PlanError.self) { try plan.verifyWeights() }
        }
    }

    @Test func headerFlipsWithAFittingChecksumNeverCrash() throws {
        for offset in 8..<(64 + 6 * 40) where !(60..<64).contains(offset) {
            for mask: UInt8 in [0x01, 0x80, 0xFF] {
                var damaged = image
                damaged.bytes[offset] ^= mask
                damaged.resealHeader()
                let error = try damaged.refusal()
                // A later minor version, optional features and checksums of sections read only on demand may pass.
                let isOptional = (10..<12).contains(offset) || (24..<32).contains(offset)
                let isChecksumOfWeights = (64 + 32..<64 + 36).contains(offset)
                if !isRawSizeOfColdSection(offset) {
                    #expect((error == nil) == (isOptional || isChecksumOfWeights), "byte \(offset)")
                }
            }
        }
    }

    /// Raw sizes of the two cold sections are checked when they are read.
    private func isRawSizeOfColdSection(_ offset: Int) -> Bool {
        [4, 5].contains { entry in (64 + entry * 40 + 24..<64 + entry * 40 + 32).contains(offset) }
    }

    @Test(arguments: [SectionKind.program, .tensors])
    func sectionFlipsWithFittingChecksumsAreVerifiedOrRefused(kind: SectionKind) throws {
        let entry = try image.entry(kind)
        let refused = try image.flippedBytesRefused(in: entry)
        // Names, factors and sizes with room may change; most other bytes may not.
        #expect(refused > entry.range.count)
    }

    @Test(arguments: [SectionKind.program, .tensors])
    func extremeFieldsAreVerifiedOrRefused(kind: SectionKind) throws {
        let entry = try image.entry(kind)
        for offset in stride(from: entry.range.lowerBound, to: entry.range.upperBound - 8, by: 4) {
            for value: UInt64 in [0, 0x7FFF_FFFF, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, .max, 1 << 63, 1 << 62] {
                for size in [4, 8] where size == 8 || value <= 0xFFFF_FFFF {
                    var damaged = image
                    damaged.set(value, at: offset, size: size)
                    damaged.reseal(entry)
                    _ = try damaged.refusal()
                }
            }
        }
    }

    @Test func extremeSectionSizesAreRefused() throws {
        for field in [8, 16, 24] {
            for value: UInt64 in [0, 1, 63, 1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, .max, .max - 63] {
                var damaged = image
                damaged.set(value, at: 64 + 40 + field, size: 8)
                damaged.resealHeader()
                #expect(try damaged.refusal() != nil, "field \(field), value \(value)")
            }
        }
        for value: UInt64 in [0, 65, 0x7FFF_FFFF, 0xFFFF_FFFF] {
            var damaged = image
            damaged.set(value, at: 12, size: 4)
            #expect(try damaged.refusal() != nil)
        }
    }

    @Test func aColdSectionMustInflateToItsSize() throws {
        let entry = try image.entry(.facts)
        for size in [0, 1, SmallPlan.facts.count - 1, SmallPlan.facts.count + 1, 1 << 14] {
            var damaged = image
            damaged.set(UInt64(size), at: entry.tableOffset + 24, size: 8)
            damaged.resealHeader()
            let plan = try Plan(bytes: damaged.bytes)
            #expect(throws: PlanError.self) { try plan.facts() }
        }
    }

    @Test func unknownThingsAreRefusedByNumber() throws {
        let program = try image.entry(.program)
        let tensors = try image.entry(.tensors)
        let buffers = SmallPlan.program().buffers.count
        let states = SmallPlan.program().states.count
        let firstBuffer = program.range.lowerBound + 64
        let firstState = firstBuffer + buffers * 32
        let cases: [(offset: Int, size: Int, value: UInt64, rule: String, number: PlanError.Value)] = [
            (8, 2, 7, "the major version of the format is known", .number(7)),
            // Embeddings had one table.
            (8, 2, 1, "the major version of the format is known", .number(1)),
            (16, 8, 1 << 37, "every required feature bit is known", .number(37)),
            (64 + 5 * 40, 4, 99, "the kind of a section is known", .number(99)),
            (64 + 5 * 40 + 4, 4, 8, "every section flag is known", .bits(8)),
            (firstBuffer, 4, 9, "the element kind is known", .number(9)),
            (firstBuffer + 4, 4, 5, "the kind of rows is known", .number(5)),
            (firstState, 4, 3, "the kind of state is known", .number(3)),
            (firstState + 12, 4, 4, "the element type of the cache is known", .number(4)),
            (firstState + states * 32, 4, 77, "the opcode is known", .number(77)),
            (tensors.range.lowerBound + 16, 4, 6, "the layout of a tensor is known", .number(6)),
            (tensors.range.lowerBound + 20, 4, 42, "the packing is known", .number(42)),
        ]
        for (offset, size, value, rule, number) in cases {
            var damaged = image
            damaged.set(value, at: offset, size: size)
            for entry in [program, tensors] { damaged.reseal(entry) }
            let error = try #require(try damaged.refusal())
            #expect("\(error.rule)" == rule)
            #expect(error.found == number)
            #expect(error.exitCode == 69)
        }
    }

    @Test func aGroupIsOneOfThreeSizesAndFloatsHaveNone() throws {
        let section = try image.entry(.tensors)
        for (index, tensor) in SmallPlan.program().tensors.enumerated() {
            let rule: String
            let groups: [Int]
            if case .matrix(.integer, _, _) = tensor.layout {
                rule = "a group of an integer packing has 32, 64 or 128 columns"
                groups = [0, 1, 16, 31, 96, 256, Int(UInt32.max)]
            } else {
                rule = "floats have no groups"
                groups = [1, 32, 64, 128, Int(UInt32.max)]
            }
            for group in groups {
                var damaged = image
                damaged.set(UInt64(group), at: section.range.lowerBound + 16 + index * 40 + 36, size: 4)
                damaged.reseal(section)
                let error = try #require(try damaged.refusal())
                #expect("\(error.rule)" == rule)
                #expect(error.place == .tensor(index) && error.found == .number(group) && error.exitCode == 65)
            }
        }
    }

    @Test func aLaterKindThatMayBeIgnoredIsPassedOver() throws {
        var extended = image
        let start = (image.bytes.count + 63) / 64 * 64
        extended.bytes += [UInt8](repeating: 0, count: start - image.bytes.count) + [1, 2, 3]
        let entry = 64 + 6 * 40
        extended.set(7, at: 12, size: 4)
        extended.set(1000, at: entry, size: 4)
        extended.set(2, at: entry + 4, size: 4)
        extended.set(UInt64(start), at: entry + 8, size: 8)
        extended.set(3, at: entry + 16, size: 8)
        extended.set(3, at: entry + 24, size: 8)
        extended.set(UInt64(extended.bytes.count), at: 32, size: 8)
        extended.reseal(try #require(extended.entries.last))
        #expect(try extended.refusal() == nil)
        extended.set(0, at: entry + 4, size: 4)
        extended.resealHeader()
        #expect(try extended.refusal()?.exitCode == 69)
    }

    @Test func whatIsNoRegularFileIsRefusedWithoutWaiting() throws {
        try withTemporaryDirectory { directory in
            #expect(mkfifo(directory + "/fifo", 0o600) == 0)
            try Data().write(to: URL(fileURLWithPath: directory + "/empty"))
            let cases = [("/fifo", 65), ("", 65), ("/empty", 65), ("/absent", 66), ("/empty/below", 66)]
            for (name, exitCode) in cases {
                for mapped in [true, false] {
                    let error = #expect(throws: PlanError.self) {
                        try Plan.open(path: directory + name, mapped: mapped)
                    }
                    #expect(Int(error?.exitCode ?? 0) == exitCode)
                    let cause = error?.cause ?? []
                    #expect(cause.starts(with: [UInt8]((directory + name + ": ").utf8)))
                }
            }
            #expect(throws: PlanError.self) { try Plan.open(path: "/dev/zero") }
        }
    }
}
