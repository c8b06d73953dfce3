import Checkpoints
import Foundation

/// stdout carries the product alone; everything else goes to stderr.
enum Terminal {
    /// Writes product bytes; ends the process where they cannot be written, since what follows would be of no use.
    static func product(_ bytes: [UInt8]) {
        guard write(bytes, to: STDOUT_FILENO) else {
            let reason = String(cString: strerror(errno))
            error("lathe: stdout: cannot be written: \(reason)")
            error("lathe: make room there, or send the output elsewhere")
            exit(73)
        }
    }

    static func product(_ text: String) {
        product(Array(text.utf8))
    }

    /// Writes a line on stderr.
    static func error(_ line: String) {
        progress("\(line)\n")
    }

    /// Writes text on stderr; where that is not possible, nothing is lost that the product needs.
    static func progress(_ text: String) {
        _ = write(Array(text.utf8), to: STDERR_FILENO)
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
    }

    static var errorIsTerminal: Bool { isatty(2) == 1 }

    /// A JSON document on stdout, on one line.
    static func json(_ document: JSON) {
        product(document.encoded() + [UInt8(ascii: "\n")])
    }
}

/// A progress bar on stderr, drawn where that is a terminal.
struct ProgressBar {
    private let isShown: Bool
    private let start = ContinuousClock.now
    private var shown = ""

    init(quiet: Bool) {
        isShown = !quiet && Terminal.errorIsTerminal
    }

    mutating func show(_ phase: String, _ share: Double) {
        guard isShown else { return }
        let percent = Int(share * 100)
        let filled = percent * 30 / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        let text = "\(phase) [\(bar)] \(percent) %\(timeLeft(share))"
        guard text != shown else { return }
        shown = text
        Terminal.progress("\r\u{1B}[K\(text)")
    }

    /// How long it goes on if it goes on as it did; nothing in the first seconds.
    private func timeLeft(_ share: Double) -> String {
        let seconds = (ContinuousClock.now - start).inSeconds
        guard seconds > 2, share > 0.01 else { return "" }
        let left = Int((seconds / share - seconds).rounded(.up))
        return left >= 60 ? ", \(left / 60) min \(left % 60) s left" : ", \(left) s left"
    }

    /// Removes the bar.
    func finish() {
        if isShown { Terminal.progress("\r\u{1B}[K") }
    }
}
