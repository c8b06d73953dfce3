import Plans

/// Where a cache keeps the entries of a sequence, which count from 0: committed positions, then the rows of the step.
///
/// With a window the entries take turns in a ring of slots, and the sinks, once they are committed, have copies of their own
/// behind it.
struct CacheSlots {
    private let window: AttentionWindow?
    /// Slots of the ring, whole segments; nil where each entry has a slot of its own.
    private let ring: Int?
    /// All slots.
    let count: Int

    /// Room for `entries` entries, of which a step adds at most `maximumRows`.
    init(window: AttentionWindow?, entries: Int, maximumRows: Int) {
        self.window = window
        let segment = AttentionTiling.segment
        // The first row of a step sees the whole window behind it while the last one is there already; and sinks that are
        // not committed yet are read from the ring.
        let needed = window.map { min(max($0.length, $0.sinks), entries) + maximumRows }
        if let window, let needed, case let ring = (needed + segment - 1) / segment * segment,
            case let count = ring + (window.sinks + Packing.tileRows - 1) / Packing.tileRows * Packing.tileRows,
            count < entries
        {
            (self.ring, self.count) = (ring, count)
        } else {
            (ring, count) = (nil, entries)
        }
    }

    /// Whether there is room for less than every entry.
    var isBounded: Bool { ring != nil }

    /// The slot of an entry. Those of a segment follow each other.
    func slot(of entry: Int) -> Int { ring.map { entry % $0 } ?? entry }

    /// The slot that holds an entry of a segment while so many are committed.
    func slot(of entry: Int, in segment: AttentionSegment, committed: Int) -> Int {
        guard segment == .sinks, let ring, let window, committed >= window.sinks else { return slot(of: entry) }
        return ring + entry
    }

    /// Calls `body` with every run of slots that follow each other, for entries that do, and the run's first entry.
    func forEachRun(of entries: Range<Int>, _ body: (_ slots: Range<Int>, _ entry: Int) -> Void) {
        var entry = entries.lowerBound
        while entry < entries.upperBound {
            let first = slot(of: entry)
            let end = min(first + (entries.upperBound - entry), ring ?? Int.max)
            body(first..<end, entry)
            entry += end - first
        }
    }

    /// Calls `body` with the slot of each sink among entries that have been committed and with that of its copy.
    func forEachSink(of entries: Range<Int>, _ body: (_ slot: Int, _ copy: Int) -> Void) {
        guard let ring, let window else { return }
        for entry in entries where entry < window.sinks { body(slot(of: entry), ring + entry) }
    }

    /// Whether a sequence of which `entries` entries were ever written can go on behind `length` of them.
    func canTruncate(to length: Int, of entries: Int) -> Bool {
        guard let ring, let window, length > 0 else { return true }
        let first = length < window.sinks ? 0 : max(0, length + 1 - window.length)
        return entries - first <= ring
    }
}
