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

    init(session: Session, probe: MachineProbe) {
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
    }

    /// The tensors that products read.
    private static func weights(of instructions: [Instruction], in program: Program) -> [Tensor] {
        instructions.compactMap {
            guard case .multiply(_, let weight, _, _, _, _) = $0 else { return nil }
            return program.tensors[weight.value]
        }
    }

    /// The share of the limit that `rate` tokens a second of a prompt are: a prompt needs the head for its last token
    /// only.
    func promptFraction(of rate: Double) -> Double { rate * bodySeconds }

    /// The share of the limit that `rate` tokens a second are in steps of `rows` rows behind `position` positions: of
    /// the memory's or of the multiply-adds', whichever binds.
    func stepFraction(of rate: Double, rows: Int, position: Double) -> Double {
        let memory = (weightBytes + position * stateBytes) / probe.readBandwidth
        return rate * max(memory / Double(rows), bodySeconds + headSeconds)
    }
}
