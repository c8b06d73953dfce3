import ArgumentParser
import Compiler

extension RoundingChoice: ExpressibleByArgument {}

/// The flags of quantization by measurement.
struct QuantizationArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Quantizes to so many bits a weight, the whole file counted, each matrix as its measured effect deserves.",
            valueName: "bits"))
    var targetBpw: Double?

    @Option(help: ArgumentHelp("The same to a size of the file: bytes, or with kB, MB, GB, KiB, MiB, GiB."))
    var targetSize: ByteCount?

    @Option(help: "measured (the default), or nearest for comparison.")
    var rounding: RoundingChoice?

    /// Nil where no target is given. Throws `ValidationError`.
    func options() throws -> QuantizationOptions? {
        let target: QuantizationOptions.Target
        switch (targetBpw, targetSize) {
        case (.some, .some): throw ValidationError("--target-bpw and --target-size exclude each other.")
        case (.some(let bits), nil):
            guard bits > 0, bits <= 64 else { throw ValidationError("--target-bpw takes a number up to 64.") }
            target = .bitsPerWeight(bits)
        case (nil, .some(let size)): target = .bytes(size.bytes)
        case (nil, nil):
            guard rounding == nil else {
                throw ValidationError("--rounding goes with --target-bpw or --target-size.")
            }
            return nil
        }
        return QuantizationOptions(target: target, rounding: rounding ?? .measured)
    }
}

/// A number of bytes, as people write it.
struct ByteCount: ExpressibleByArgument {
    let bytes: Int

    private static let units: [(name: String, factor: Double)] = [
        ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("B", 1), ("", 1),
    ]

    init?(argument: String) {
        for (name, factor) in ByteCount.units where argument.hasSuffix(name) {
            guard let number = Double(argument.dropLast(name.count)), number > 0 else { return nil }
            let bytes = number * factor
            guard bytes.isFinite, bytes >= 1, bytes < 0x1p62 else { return nil }
            self.bytes = Int(bytes)
            return
        }
        return nil
    }
}
