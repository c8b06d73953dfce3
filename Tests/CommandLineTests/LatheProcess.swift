import Foundation
import Testing

/// How a run of `lathe` ended and what it wrote.
struct Outcome {
    /// The exit code, or nil where a signal ended the process.
    let exitCode: Int32?
    let output: [UInt8]
    let errors: String

    var text: String { String(decoding: output, as: UTF8.self) }

    /// The lines on stderr.
    var errorLines: [Substring] { errors.split(separator: "\n", omittingEmptySubsequences: false).dropLast() }
}

/// Runs programs as a shell would, their output in files.
enum LatheProcess {
    /// The binary that the build put beside the tests.
    static let binary: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(filePath: tests).deletingLastPathComponent().appending(path: "lathe").path
    }()

    /// Runs `lathe` to its end.
    static func run(_ arguments: String...) throws -> Outcome { try run(binary, arguments) }

    /// Runs a shell command in which "$LATHE" is the binary.
    static func shell(_ command: String, _ arguments: String...) throws -> Outcome {
        try run("/bin/sh", ["-c", "LATHE='\(binary)'; \(command)", "sh"] + arguments)
    }

    /// Runs a program; one that has not ended after `limit` seconds, or is to be killed then, gets SIGKILL.
    static func run(_ program: String, _ arguments: [String], limit: Double = 120) throws -> Outcome {
        try withFolder { folder in
            let (outputPath, errorPath) = (folder + "/stdout", folder + "/stderr")
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT, 0o600)
            posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT, 0o600)
            var process = pid_t()
            var words = ([program] + arguments).map { strdup($0) } + [nil]
            defer { for word in words { free(word) } }
            try #require(posix_spawn(&process, program, &actions, nil, &words, environ) == 0, "\(program) starts")
            var status: Int32 = 0
            let start = ContinuousClock.now
            while waitpid(process, &status, WNOHANG) == 0 {
                if ContinuousClock.now - start > .seconds(limit) { kill(process, SIGKILL) }
                usleep(2000)
            }
            return Outcome(
                exitCode: status & 0x7F == 0 ? (status >> 8) & 0xFF : nil,
                output: Array(FileManager.default.contents(atPath: outputPath) ?? Data()),
                errors: String(decoding: FileManager.default.contents(atPath: errorPath) ?? Data(), as: UTF8.self))
        }
    }
}

/// Runs a body with a new folder that is removed afterwards.
func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appending(path: "lathe-cli-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
}

/// Expects a failure as users see every one: this exit code, a line of cause that names `fragments`, a line of remedy,
/// and no product.
func expectFailure(
    _ outcome: Outcome, _ exitCode: Int32, naming fragments: String...,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(outcome.exitCode == exitCode, "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    let lines = outcome.errorLines
    #expect(lines.count == 2, "\(outcome.errors)", sourceLocation: sourceLocation)
    for line in lines { #expect(line.hasPrefix("lathe: ") && line.count > 12, sourceLocation: sourceLocation) }
    for fragment in fragments {
        #expect(lines.first?.contains(fragment) == true, "\(outcome.errors)", sourceLocation: sourceLocation)
    }
}
