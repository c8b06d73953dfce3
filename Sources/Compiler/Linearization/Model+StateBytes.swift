import Models

extension Model {
    /// Bytes of keys and values in float16 and of sums in float32, of layers that see everything and of the others.
    var stateBytes: (perPosition: Int, constant: Int) {
        var (growing, constant) = (0, 0)
        var window: AttentionWindow?
        for block in blocks {
            let bytes: Int
            switch block.mixer {
            case .attention(let attention):
                bytes = 2 * 2 * attention.keyHeads * attention.dimensions
                if let distant = attention.window?.distant {
                    constant += 4 * 2 * distant.keyMap.count / attention.dimensions * (attention.dimensions + 1)
                }
                if case .grouped(let grouped) = attention.form {
                    constant += 4 * attention.keyHeads * attention.dimensions * attention.dimensions
                    constant += bytes * max(grouped.group, grouped.taps.first?.count ?? 0)
                    continue
                }
                window = attention.window
            // Seen through the window of the last layer that computes weights.
            case .sharedAttention(let attention): bytes = 2 * attention.keyHeads * attention.dimensions
            }
            if let window {
                constant += bytes * min(window.length + window.sinks, contextLength)
            } else {
                growing += bytes
            }
        }
        return (growing, constant)
    }

    /// Bytes of the state of a sequence that is as long as the model allows.
    var largestStateBytes: Int { stateBytes.perPosition * contextLength + stateBytes.constant }
}
