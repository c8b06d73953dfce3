import CSystem
import Runtime

/// stdout carries the text alone, stderr everything else.
enum Output {
    static func product(_ bytes: [UInt8]) { write(bytes, to: 1) }

    static func error(_ text: some Sequence<UInt8>) { write(Array(text), to: 2) }

    static func bytes(_ text: StaticString) -> [UInt8] {
        Array(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Prints a line of cause and one of remedy; returns the exit code.
    static func failure(cause: [UInt8], remedy: [UInt8], exitCode: Int32) -> Int32 {
        error(bytes("lathe-run: ") + cause + bytes("\nlathe-run: ") + remedy + bytes("\n"))
        return exitCode
    }

    static func statistics(
        loadSeconds: Double, promptCount: Int, prefillSeconds: Double, produced: Int, decodeSeconds: Double
    ) {
        // The first token comes with the prompt, so it is not part of the decoding time.
        let steps = max(0, produced - 1)
        error(
            bytes("load ") + decimal(loadSeconds * 1000) + bytes(" ms | prefill ") + decimal(promptCount)
                + bytes(" tokens, ") + decimal(Double(promptCount) / max(prefillSeconds, 1e-9))
                + bytes(" tokens/s | decode ") + decimal(produced) + bytes(" tokens, ")
                + decimal(Double(steps) / max(decodeSeconds, 1e-9)) + bytes(" tokens/s | peak memory ")
                + decimal(ProcessMemory.peakBytes / 1_000_000) + bytes(" MB\n"))
    }

    private static func decimal(_ value: Int) -> [UInt8] {
        var digits: [UInt8] = []
        var rest = max(0, value)
        repeat {
            digits.insert(UInt8(48 + rest % 10), at: 0)
            rest /= 10
        } while rest > 0
        return digits
    }

    /// With one decimal.
    private static func decimal(_ value: Double) -> [UInt8] {
        let tenths = Int(min(max(value, 0), 1e15) * 10 + 0.5)
        return decimal(tenths / 10) + [UInt8(ascii: "."), UInt8(48 + tenths % 10)]
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var start = 0
        while start < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                CSystem.write(descriptor, buffer.baseAddress.map { $0 + start }, bytes.count - start)
            }
            guard written > 0 else { return }
            start += written
        }
    }
}
