import Decoding
import Foundation
import Testing

@testable import Plans
@testable import Runtime

/// A plan file to be damaged in ways that its checksums do not show.
struct HostilePlan {
    private(set) var bytes: [UInt8]
    private let sections: [Section]
    private let original: Program

    init(_ model: TestModel) throws {
        bytes = try model.bytes()
        sections = model.plan.sections
        original = model.plan.program
    }

    /// Bytes of one section, from the start of the file.
    func range(_ kind: SectionKind) -> Range<Int> {
        for section in sections where section.kind == kind.rawValue {
            return section.offset..<section.offset + section.storedSize
        }
        return 0..<0
    }

    /// Header and section table.
    var table: Range<Int> { 0..<64 + sections.count * 40 }

    /// Puts `new` in place of the bytes from `offset` on, makes all checksums fit, and runs the plan if it verifies;
    /// then undoes the damage. Returns whether it verified and ran.
    mutating func run(with new: [UInt8], at offset: Int) -> Bool {
        let old = [UInt8](bytes[offset..<offset + new.count])
        let seals = sections.indices.map { [UInt8](bytes[64 + $0 * 40 + 32..<64 + $0 * 40 + 36]) }
        bytes.replaceSubrange(offset..<offset + new.count, with: new)
        for (index, section) in sections.enumerated()
        where offset < section.offset + section.storedSize && section.offset < offset + new.count {
            let stored = [UInt8](bytes[section.offset..<section.offset + section.storedSize])
            write(Checksum.of(stored), at: 64 + index * 40 + 32)
        }
        seal()
        let ran = execute()
        bytes.replaceSubrange(offset..<offset + new.count, with: old)
        for (index, seal) in seals.enumerated() {
            bytes.replaceSubrange(64 + index * 40 + 32..<64 + index * 40 + 36, with: seal)
        }
        seal()
        return ran
    }

    /// The header's own checksum, last of all.
    private mutating func seal() {
        var checksum = Checksum()
        checksum.append([UInt8](bytes[..<60]))
        checksum.append([UInt8](bytes[64..<table.upperBound]))
        write(checksum.value, at: 60)
    }

    private mutating func write(_ value: UInt32, at offset: Int) {
        for index in 0..<4 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
    }

    private func execute() -> Bool {
        // Twice what the whole model needs, so that no damage makes a test take much.
        var limits = Limits.standard
        limits.arenaBytes = 1 << 23
        guard let plan = try? Plan(bytes: bytes, limits: limits) else { return false }
        // Names change nothing that runs.
        guard plan.program.withoutNames != original.withoutNames || plan.program == original else { return true }
        HostilePlan.exercise(plan)
        return true
    }

    /// Chains, a tree, logits, commits and an embedding row; what the session refuses with an error is fine.
    static func exercise(_ plan: Plan, instructionSet: InstructionSet? = nil) {
        guard let engine = try? Engine(plan: plan, threads: 1, instructionSet: instructionSet),
            let session = try? engine.makeSession(contextLength: 24)
        else { return }
        let last = UInt32(plan.program.vocabularySize - 1)
        step(session, Row.chain([last, 1, 0].map { min($0, last) }, after: 0), commits: [0, 1, 2])
        let position = UInt32(session.committed)
        let tree = [nil, nil, 0].map { (parent: Int?) in
            Row(input: .token(last), position: position + (parent == nil ? 0 : 1), parent: parent)
        }
        step(session, tree, commits: [0, 2])
        step(session, Row.chain(repeatElement(last, count: 18), after: session.committed), commits: [0])
        if let width = engine.embeddingWidth,
            (try? session.setEmbedding(0, to: [Float](repeating: 1, count: width))) != nil
        {
            step(session, [Row(input: .embedding(0), position: .max, parent: nil)], commits: [0])
        }
    }

    /// Runs every instruction of the step under way once more, by itself: each changes its output and nothing else of
    /// the arena, so that another arrangement of the buffers would not let it out of the arena either.
    private static func expectWritesInside(_ session: Session) {
        let program = session.engine.plan.program
        let count = program.arenaBytes
        var before = [UInt8](repeating: 0, count: count)
        before.withUnsafeMutableBytes { before in
            guard let start = before.baseAddress else { return }
            for instruction in program.body + program.head {
                guard let output = instruction.bufferUses.writes ?? instruction.bufferUses.updates else { continue }
                let buffer = program.buffers[output.value]
                let end = buffer.offset + (buffer.rowStride ?? 0) * program.rowCount(buffer.rows)
                memcpy(start, session.arena.base, count)
                session.engine.pool.run { Execution(session: session, thread: $0).run([instruction]) }
                let isInside =
                    memcmp(start, session.arena.base, buffer.offset) == 0
                    && memcmp(start + end, session.arena.base + end, count - end) == 0
                #expect(isInside, "\(instruction)")
            }
        }
    }

    private static func step(_ session: Session, _ rows: [Row], commits path: [Int]) {
        // A plan may allow fewer rows than the test would like.
        let rows = Array(rows.prefix(session.engine.plan.program.maximumRows))
        guard (try? session.evaluate(rows)) != nil else { return }
        let selected = Array(rows.indices.reversed().prefix(session.engine.plan.program.maximumOutputs))
        if let logits = try? session.logits(of: selected) {
            for row in selected.indices { if let row = logits.row(row) { _ = Sampler.greedy(row) } }
        }
        if rows.count == session.engine.plan.program.maximumRows { expectWritesInside(session) }
        try? session.commit(path.filter { $0 < rows.count })
    }
}

extension Program {
    fileprivate var withoutNames: Program {
        var program = self
        for index in tensors.indices { program.tensors[index].name = [] }
        for index in buffers.indices { program.buffers[index].name = [] }
        return program
    }
}
