import Kernels

/// The `count` most likely tokens of logits that come piece by piece, in any order: a heap of that size, so that a
/// large vocabulary is neither sorted nor read twice for a few tokens.
public struct MostLikely {
    public let count: Int
    /// The root is the least likely one kept.
    private var heap: [Candidate] = []
    private let kernels: lathe_kernels

    /// Keeps `count` tokens, at least one.
    public init(_ count: Int) {
        // The scalar kernels are always there.
        self.init(count, kernels: InstructionSet.best.kernels ?? lathe_kernels_for(LATHE_ISA_SCALAR))
    }

    init(_ count: Int, kernels: UnsafePointer<lathe_kernels>) {
        self.count = max(1, count)
        self.kernels = kernels.pointee
    }

    /// Takes the logits of the tokens from `first` on.
    public mutating func offer(_ logits: UnsafeBufferPointer<Float>, from first: UInt32) {
        guard let base = logits.baseAddress else { return }
        var index = 0
        while index < logits.count {
            if heap.count < count {
                append(Candidate(token: first + UInt32(index), logit: logits[index]))
            } else {
                index += kernels.find_at_least(base + index, logits.count - index, heap[0].logit)
                guard index < logits.count else { return }
                let candidate = Candidate(token: first + UInt32(index), logit: logits[index])
                if Candidate.precedes(candidate, heap[0]) { replaceRoot(with: candidate) }
            }
            index += 1
        }
    }

    /// Takes what another one has kept.
    public mutating func merge(_ other: MostLikely) {
        for candidate in other.heap {
            if heap.count < count {
                append(candidate)
            } else if Candidate.precedes(candidate, heap[0]) {
                replaceRoot(with: candidate)
            }
        }
    }

    /// What is kept, the most likely first.
    public var sorted: [Candidate] {
        var rest = self
        var found: [Candidate] = []
        while let least = rest.heap.first, let last = rest.heap.popLast() {
            found.append(least)
            if !rest.heap.isEmpty { rest.replaceRoot(with: last) }
        }
        return found.reversed()
    }

    private mutating func append(_ candidate: Candidate) {
        heap.append(candidate)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Candidate.precedes(heap[parent], heap[child]) else { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private mutating func replaceRoot(with candidate: Candidate) {
        heap[0] = candidate
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && Candidate.precedes(heap[least], heap[child]) {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
