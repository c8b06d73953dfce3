import Foundation

/// stdout carries the product alone; everything else goes to stderr.
enum Terminal {
    /// Writes product bytes.
    static func product(_ bytes: [UInt8]) {
        FileHandle.standardOutput.write(Data(bytes))
    }

    static func product(_ text: String) {
        product(Array(text.utf8))
    }

    /// Writes a line on stderr.
    static func error(_ line: String) {
        FileHandle.standardError.write(Data("\(line)\n".utf8))
    }

    static var errorIsTerminal: Bool { isatty(2) == 1 }

    /// A JSON document on stdout, keys sorted.
    static func json(_ object: Any) throws {
        let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        product(Array(data) + [UInt8(ascii: "\n")])
    }
}

/// A progress bar on stderr, drawn where that is a terminal.
struct ProgressBar {
    private let isShown: Bool
    private var lastShare = -1

    init(quiet: Bool) {
        isShown = !quiet && Terminal.errorIsTerminal
    }

    mutating func show(_ phase: String, _ share: Double) {
        let percent = Int(share * 100)
        guard isShown, percent != lastShare else { return }
        lastShare = percent
        let filled = percent * 30 / 100
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        FileHandle.standardError.write(Data("\r\(phase) [\(bar)] \(percent) %".utf8))
    }

    /// Removes the bar.
    func finish() {
        if isShown { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
    }
}
