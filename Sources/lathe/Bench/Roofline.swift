import Plans
import Runtime

/// How fast a program could run if only the machine's limits counted: memory for small steps, multiply-adds for prefill.
struct Roofline {
    let probe: MachineProbe
    /// Bytes of weights that one step reads.
    private let weightBytes: Double
    /// Bytes of state that one position takes.
    private let stateBytes: Double
    /// Seconds of multiply-adds that one row takes in the body, and in the head.
    private let bodySeconds: Double
    private let headSeconds: Double
    /// Seconds of multiply-adds that attention takes for one row and one position that it sees.
    private let attentionSeconds: Double

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
        stateBytes = Double(session.stateBytesPerPosition)
        bodySeconds = seconds(program.body)
        headSeconds = seconds(program.head)
        attentionSeconds = program.body.reduce(0) { sum, instruction in
            switch instruction {
            case .attend(let attention):
                let state = program.states[attention.state.value]
                let keyRate = (cache ?? state.element) == .int8 ? probe.int8Rate : probe.float32Rate
                return sum + Double(attention.queryHeads * state.dimensions) * (1 / keyRate + 1 / probe.float32Rate)
            case .attendShared(let attention):
                let dimensions = program.states[attention.state.value].dimensions
                return sum + Double(attention.headMap.count * dimensions) / probe.float32Rate
            case .embed, .rotaryTable, .normalize, .quantize, .multiply, .gate, .selectRows: return sum
            }
        }
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
        rate * (bodySeconds + positions * attentionSeconds)
    }

    /// The share of the limit that `rate` tokens a second are in steps of `rows` rows behind `position` positions: of
    /// the memory's or of the multiply-adds', whichever binds.
    func stepFraction(of rate: Double, rows: Int, position: Double) -> Double {
        let memory = (weightBytes + position * stateBytes) / probe.readBandwidth
        return rate * max(memory / Double(rows), bodySeconds + headSeconds + position * attentionSeconds)
    }
}
