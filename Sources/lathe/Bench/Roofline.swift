import Plans
import Runtime

/// How fast a program could run if only the machine's limits counted: memory for small steps, multiply-adds for prefill.
struct Roofline {
    let probe: MachineProbe
    /// Bytes of weights that one step reads.
    private let weightBytes: Double
    /// Seconds of multiply-adds that one row takes in the body, and in the head.
    private let bodySeconds: Double
    private let headSeconds: Double
    private let attentions: [Attention]

    /// One attention, for one row and one position that it sees.
    private struct Attention {
        /// Positions that it sees at the most.
        let reach: Double
        /// Bytes of state that it reads.
        let bytes: Double
        /// Seconds of multiply-adds.
        let seconds: Double
    }

    /// `cache` is the element of the session's keys and values where it is not the program's own.
    init(session: Session, cache: CacheElement?, probe: MachineProbe) {
        let program = session.engine.plan.program
        func bytes(_ instructions: [Instruction]) -> Double {
            Self.weights(of: instructions, in: program).reduce(0) { $0 + Double($1.byteCount ?? 0) }
        }
        func seconds(_ instructions: [Instruction]) -> Double {
            Self.weights(of: instructions, in: program).reduce(0) {
                guard case .matrix(let packing, let rows, let columns) = $1.layout else { return $0 }
                return $0 + Double(rows) * Double(columns) / (packing.isFloat ? probe.float32Rate : probe.int8Rate)
            }
        }
        self.probe = probe
        weightBytes = bytes(program.body) + bytes(program.head)
        bodySeconds = seconds(program.body)
        headSeconds = seconds(program.head)
        let windows = program.windows
        func attention(_ index: StateIndex, queryHeads: Int) -> Attention {
            let state = program.states[index.value].with(element: cache ?? program.states[index.value].element)
            let keyRate = state.element == .int8 ? probe.int8Rate : probe.float32Rate
            let seconds = (state.holdsKeys ? 1 / keyRate : 0) + 1 / probe.float32Rate
            return Attention(
                reach: windows[index.value].map { Double($0.length + $0.sinks) } ?? .infinity,
                bytes: Double(state.bytesPerPosition), seconds: Double(queryHeads * state.dimensions) * seconds)
        }
        attentions = program.body.compactMap { instruction in
            switch instruction {
            case .attend(let operands): attention(operands.state, queryHeads: operands.queryHeads)
            case .attendShared(let operands): attention(operands.state, queryHeads: operands.headMap.count)
            case .attendGrouped(let operands): attention(operands.state, queryHeads: operands.queryHeads)
            case .embed, .rotaryTable, .normalize, .quantize, .multiply, .multiplyMasks, .gate, .selectRows: nil
            }
        }
    }

    private func attentionSeconds(positions: Double) -> Double {
        attentions.reduce(0) { $0 + min(positions, $1.reach) * $1.seconds }
    }

    /// The tensors that products read.
    private static func weights(of instructions: [Instruction], in program: Program) -> [Tensor] {
        instructions.compactMap {
            guard case .multiply(_, let weight, _, _, _, _) = $0 else { return nil }
            return program.tensors[weight.value]
        }
    }

    /// The share of the limit that `rate` tokens a second of a prompt are, whose rows see `positions` positions on
    /// average: a prompt needs the head for its last token only.
    func promptFraction(of rate: Double, positions: Double) -> Double {
        rate * (bodySeconds + attentionSeconds(positions: positions))
    }

    /// The share of the limit that `rate` tokens a second are in steps of `rows` rows behind `position` positions: of
    /// the memory's or of the multiply-adds', whichever binds.
    func stepFraction(of rate: Double, rows: Int, position: Double) -> Double {
        let state = attentions.reduce(0) { $0 + min(position, $1.reach) * $1.bytes }
        let memory = (weightBytes + state) / probe.readBandwidth
        let seconds = bodySeconds + headSeconds + attentionSeconds(positions: position)
        return rate * max(memory / Double(rows), seconds)
    }
}
