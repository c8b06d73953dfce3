import Plans
import Runtime

/// How fast a program could run if only the machine's limits counted: memory for decoding, multiply-adds for prefill.
struct Roofline {
    let probe: MachineProbe
    /// Bytes of weights that one token reads.
    private let weightBytes: Double
    private let int8MultiplyAdds: Double
    private let float32MultiplyAdds: Double

    init(program: Program, probe: MachineProbe) {
        self.probe = probe
        var bytes = 0.0
        var (int8, float32) = (0.0, 0.0)
        for (isBody, instruction) in program.body.map({ (true, $0) }) + program.head.map({ (false, $0) }) {
            guard case .multiply(_, let weight, _, _, _, _) = instruction,
                case .matrix(let packing, let rows, let columns) = program.tensors[weight.value].layout
            else { continue }
            bytes += Double(program.tensors[weight.value].byteCount ?? 0)
            // A prompt needs the head for its last token only.
            guard isBody else { continue }
            if packing.isFloat {
                float32 += Double(rows) * Double(columns)
            } else {
                int8 += Double(rows) * Double(columns)
            }
        }
        weightBytes = bytes
        int8MultiplyAdds = int8
        float32MultiplyAdds = float32
    }

    /// The share of the limit that `rate` tokens a second are.
    func fraction(of rate: Double, kind: BenchTest.Kind, depth: Int, session: Session) -> Double {
        switch kind {
        case .prefill:
            return rate * (int8MultiplyAdds / probe.int8Rate + float32MultiplyAdds / probe.float32Rate)
        case .decode(let count):
            let positions = Double(depth) + Double(count) / 2
            let bytes = weightBytes + positions * Double(session.stateBytesPerPosition)
            return rate * bytes / probe.readBandwidth
        }
    }
}
