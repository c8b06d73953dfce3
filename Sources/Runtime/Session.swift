import Kernels
import Plans

/// One sequence: what it has committed, and the step under way.
///
/// `evaluate` runs rows without changing what is committed; `commit` appends a path of them; whatever is not committed
/// is dropped by the next `evaluate`. A row's result does not depend on the rows evaluated beside it, on how a prompt
/// is cut into steps, or on the number of threads.
public final class Session {
    public let engine: Engine
    /// Positions that fit.
    public let capacity: Int
    /// Positions committed so far.
    public private(set) var committed = 0
    /// Entries that were ever written since the sequence was empty.
    private var written = 0

    var step: Step
    let arena: PageStorage
    let scratch: ThreadScratch
    let partials: SegmentPartials
    let kept: KeptWeights
    let groupSums: GroupSums
    /// Every thread's copies of what a few rows hold, `Engine.replicaBytes` each.
    let replicas: PageStorage
    /// Looks at logits as the head computes them, where only the most likely tokens are asked for.
    private(set) var search: CandidateSearch?
    private(set) var embeddings: [[Float]] = []

    /// Shown every buffer of floats as soon as an instruction has written or added to it, on one of the pool's threads: how
    /// calibration taps a model. What it is shown is valid during the call.
    public var observer: ((ObservedBuffer) -> Void)?
    /// Where set, instructions behind the first one that writes this buffer do not run: what they would write means nothing.
    public var lastBuffer: BufferIndex?

    private var caches: CacheList

    init(engine: Engine, capacity: Int, cache: CacheElement? = nil) throws(RuntimeError) {
        let program = engine.program
        self.engine = engine
        self.capacity = capacity
        step = Step(committed: 0, rows: [])
        arena = try PageStorage(byteCount: program.arenaBytes)
        replicas = try PageStorage(byteCount: engine.replicaBytes * engine.threadCount)
        caches = try CacheList(program: program, element: cache, capacity: capacity)
        scratch = try ThreadScratch(engine: engine)
        partials = try SegmentPartials(program: program, capacity: capacity)
        kept = try KeptWeights(program: program, capacity: capacity)
        groupSums = try GroupSums(program: program)
    }

    /// Runs the body of the program over `rows`; their logits can be asked for until the next call.
    ///
    /// Throws `stepSize`, `unknownInput`, `badParent`, `masksNotLast` or `contextFull`, and then nothing has run.
    ///
    /// With `skipping` it runs what drafts need alone, where the plan says what that is (`Engine.canSkip`): the logits are a
    /// guess then, and nothing can be committed.
    public func evaluate(_ rows: [Row], skipping: Bool = false) throws(RuntimeError) {
        let program = engine.program
        guard !rows.isEmpty, rows.count <= program.maximumRows else {
            throw .stepSize(rows: rows.count, maximum: program.maximumRows)
        }
        guard committed + rows.count <= capacity else { throw .contextFull(capacity: capacity) }
        for (index, row) in rows.enumerated() {
            switch row.input {
            case .token(let token):
                guard Int(token) < program.vocabularySize else { throw .unknownInput(row: index) }
            case .mask(let place):
                guard (0..<engine.maskCount).contains(place) else { throw .unknownInput(row: index) }
            case .embedding(let embedding):
                guard embeddings.indices.contains(embedding) else { throw .unknownInput(row: index) }
            }
            if row.isMask, index + 1 < rows.count, !rows[index + 1].isMask { throw .masksNotLast(row: index) }
            if let parent = row.parent, !(0..<index).contains(parent) { throw .badParent(row: index) }
        }
        step = Step(committed: committed, rows: rows, groups: engine.groups)
        written = max(written, committed + rows.count)
        step.isWhole = !skipping || !engine.canSkip
        run(program.body, isSkipped: step.isWhole ? [] : engine.isSkipped)
    }

    /// Logits of rows of the last step, in the order asked for: `rows.count` times the vocabulary, valid until the next
    /// call of `evaluate` or `logits`. At most `Program.maximumOutputs` rows, masks behind all others. Throws `stepSize`,
    /// `unknownRow` or `masksNotLast`.
    public func logits(of rows: [Int]) throws(RuntimeError) -> Logits {
        let program = engine.program
        guard !rows.isEmpty, rows.count <= program.maximumOutputs else {
            throw .stepSize(rows: rows.count, maximum: program.maximumOutputs)
        }
        for (index, row) in rows.enumerated() {
            guard step.rows.indices.contains(row) else { throw .unknownRow(row) }
            if row >= step.firstMask, index + 1 < rows.count, rows[index + 1] < step.firstMask {
                throw .masksNotLast(row: row)
            }
        }
        step.select(rows)
        run(program.head)
        return logits(rowCount: rows.count)
    }

    /// The `count` most likely next tokens of rows of the last step, in order, for each row: found while the head
    /// runs, without a second pass over the logits. At most `Program.maximumOutputs` rows, masks behind all others. Throws
    /// `stepSize`, `unknownRow` or `masksNotLast`.
    public func mostLikely(_ count: Int, of rows: [Int]) throws(RuntimeError) -> [[Candidate]] {
        guard engine.headWritesLogitsOnce else {
            let logits = try logits(of: rows)
            return rows.indices.map { index in
                var found = MostLikely(count, kernels: engine.kernels)
                if let row = logits.row(index) { found.offer(row, from: 0) }
                return found.sorted
            }
        }
        let search = CandidateSearch(count: count, rows: rows.count, engine: engine)
        self.search = search
        defer { self.search = nil }
        _ = try logits(of: rows)
        return rows.indices.map { search.result(row: $0) }
    }

    private func logits(rowCount: Int) -> Logits {
        let place = engine.buffers[engine.program.logits.value]
        return Logits(
            base: (arena.base + place.offset).assumingMemoryBound(to: Float.self), stride: place.stride / 4,
            rowCount: rowCount, vocabularySize: place.width)
    }

    /// Appends a path of the last step's rows to the sequence: each must follow the one before it, the first the
    /// committed prefix. Throws `unknownRow` or `skippedStep`, and then nothing has changed.
    public func commit(_ path: [Int]) throws(RuntimeError) {
        guard step.isWhole || path.isEmpty else { throw .skippedStep }
        var parent: Int?
        for row in path {
            guard step.rows.indices.contains(row), step.rows[row].parent == parent else { throw .unknownRow(row) }
            parent = row
        }
        caches.commit(path, after: committed)
        committed += path.count
        step = Step(committed: committed, rows: [])
    }

    /// Forgets every position from `length` on. Throws `forgotten`, and then nothing has changed, where a state with a window
    /// no longer holds what a sequence of that length goes on from: it does for as many positions behind `length` as a step
    /// has rows, at least.
    public func truncate(to length: Int) throws(RuntimeError) {
        let length = max(0, min(committed, length))
        guard caches.canTruncate(to: length, of: written) else { throw .forgotten(length: length) }
        guard length > 0 else { return reset() }
        committed = length
        step = Step(committed: committed, rows: [])
    }

    /// Forgets the sequence.
    public func reset() {
        (committed, written) = (0, 0)
        caches.reset()
        step = Step(committed: 0, rows: [])
    }

    /// Sets the vector that `Row.Input.embedding(index)` stands for; `index` may be one past the last one.
    /// Throws `embeddingWidth` or `unknownInput`.
    public func setEmbedding(_ index: Int, to values: [Float]) throws(RuntimeError) {
        guard let width = engine.embeddingWidth else { throw .unknownInput(row: index) }
        guard values.count == width else { throw .embeddingWidth(found: values.count, expected: width) }
        guard index >= 0, index <= embeddings.count else { throw .unknownInput(row: index) }
        if index == embeddings.count { embeddings.append(values) } else { embeddings[index] = values }
    }

    /// Bytes of state that each committed position takes, over all layers whose state grows with the sequence.
    public var stateBytesPerPosition: Int { caches.bytesPerPosition }

    /// Bytes of the states that do not grow, with room for the rows of a step.
    public var constantStateBytes: Int { caches.constantBytes }

    /// Bytes of memory for attention weights that other layers use. Pages of it are taken from the system when a step first
    /// needs them: rows times query heads times positions, rounded up to segments of 256.
    public var keptWeightBytes: Int { kept.byteCount }

    private func run(_ instructions: [Instruction], isSkipped: [Bool] = []) {
        engine.pool.run { [self] thread in
            Execution(session: self, thread: thread).run(instructions, isSkipped: isSkipped)
        }
    }

    /// Gives `body` the cache of one state.
    func withCache(_ state: StateIndex, _ body: (borrowing KeyValueCache) -> Void) {
        caches.with(state.value, body)
    }
}

/// The caches of all layers.
private struct CacheList: ~Copyable {
    private let caches: UnsafeMutablePointer<KeyValueCache>
    private var count = 0

    /// Caches of `element`, or of what each state says where it is nil.
    init(program: Program, element: CacheElement?, capacity: Int) throws(RuntimeError) {
        caches = .allocate(capacity: max(1, program.states.count))
        let rows = program.maximumRows
        let (windows, groups) = (program.windows, program.groups)
        for (index, state) in program.states.enumerated() {
            let window = windows[index]
            let slots = CacheSlots(window: window, entries: capacity + rows, maximumRows: rows)
            let cache = try KeyValueCache(
                state.with(element: element ?? state.element), slots: slots, groups: groups[index])
            (caches + count).initialize(to: cache)
            count += 1
        }
    }

    deinit {
        caches.deinitialize(count: count)
        caches.deallocate()
    }

    var bytesPerPosition: Int {
        var bytes = 0
        for index in 0..<count where !caches[index].isBounded { bytes += caches[index].bytesPerPosition }
        return bytes
    }

    var constantBytes: Int {
        var bytes = 0
        for index in 0..<count where caches[index].isBounded { bytes += caches[index].byteCount }
        return bytes
    }

    func with(_ index: Int, _ body: (borrowing KeyValueCache) -> Void) {
        body(caches[index])
    }

    func commit(_ path: [Int], after committed: Int) {
        for index in 0..<count { caches[index].commit(path, after: committed) }
    }

    func canTruncate(to length: Int, of entries: Int) -> Bool {
        (0..<count).allSatisfy { caches[$0].canTruncate(to: length, of: entries) }
    }

    func reset() {
        for index in 0..<count { caches[index].foldedGroups = 0 }
    }
}
