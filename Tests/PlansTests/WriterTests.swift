import Foundation
import Testing

@testable import Plans

@Suite struct WriterTests {
    private func names(in directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    @Test func nothingHasANameBeforeFinish() throws {
        try withTemporaryDirectory { directory in
            var writer = try PlanWriter(path: directory + "/a.plan", weightsBytes: 100)
            try writer.append([UInt8](repeating: 1, count: 100))
            // A process killed here leaves an unnamed file, which the system removes.
            #expect(try names(in: directory) == [])
        }
    }

    @Test func anAbandonedWriterLeavesNothing() throws {
        try withTemporaryDirectory { directory in
            do {
                var writer = try PlanWriter(path: directory + "/a.plan", weightsBytes: 100)
                try writer.append([UInt8](repeating: 1, count: 100))
            }
            #expect(try names(in: directory) == [])
        }
    }

    @Test func aProgramThatDoesNotVerifyIsNotWritten() throws {
        try withTemporaryDirectory { directory in
            var program = SmallPlan.program()
            program.arenaBytes = 0
            _ = try #require(throws: PlanError.self) { try SmallPlan.write(directory + "/a.plan", program: program) }
            #expect(try names(in: directory) == [])
        }
    }

    @Test func aFileWithANameIsRemovedUnlessItIsCommitted() throws {
        try withTemporaryDirectory { directory in
            let path = Path([UInt8]((directory + "/a.plan").utf8))
            do {
                let file = try TemporaryFile.create(path: path, named: true)
                try file.write([1, 2, 3])
                #expect(try names(in: directory) == [".a.plan.tmp-\(getpid())"])
            }
            #expect(try names(in: directory) == [])
            let file = try TemporaryFile.create(path: path, named: true)
            try file.write([1, 2, 3])
            try file.commit(size: 3)
            #expect(try names(in: directory) == ["a.plan"])
        }
    }

    @Test func aMappedPlanMayBeReplaced() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            try SmallPlan.write(path)
            let old = try Plan.open(path: path)
            var program = SmallPlan.program()
            program.contextLength = 128
            try SmallPlan.write(path, program: program)
            #expect(try names(in: directory) == ["a.plan"])
            try old.checkSize()
            try old.verifyWeights()
            #expect(try Plan.open(path: path).program.contextLength == 128)
            #expect(old.program.contextLength == 256)
        }
    }

    @Test func aRelativePathIsWrittenInTheCurrentFolder() throws {
        #expect(Path([UInt8]("a.plan".utf8)).directory.bytes == [UInt8](".".utf8))
        #expect(Path([UInt8]("/a.plan".utf8)).directory.bytes == [UInt8]("/".utf8))
        #expect(Path([UInt8]("b/a.plan".utf8)).directory.bytes == [UInt8]("b".utf8))
        #expect(Path([UInt8]("b/a.plan".utf8)).name == [UInt8]("a.plan".utf8))
    }

    @Test func whereNoFileCanBeMadeTheErrorSaysSo() throws {
        try withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(
                atPath: directory + "/folder.plan", withIntermediateDirectories: false)
            #expect(mkfifo(directory + "/fifo.plan", 0o600) == 0)
            try FileManager.default.createDirectory(
                atPath: directory + "/closed", withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o555])
            var paths = ["/folder.plan", "/fifo.plan", "/absent/a.plan", "/"].map { directory + $0 }
            paths += ["/proc/a.plan", "/dev/null", ""]
            // Permissions do not bind the superuser.
            if geteuid() != 0 { paths.append(directory + "/closed/a.plan") }
            for path in paths {
                let error = try #require(throws: PlanError.self) {
                    _ = try PlanWriter(path: path, weightsBytes: 1)
                }
                #expect(error.exitCode == 73)
                #expect(error.path == [UInt8](path.utf8))
                #expect(!error.cause.isEmpty && !error.remedy.isEmpty)
            }
            #expect(try names(in: directory) == ["closed", "fifo.plan", "folder.plan"])
        }
    }

    @Test func aDiskTooSmallIsNoticedBeforeTheFirstByte() throws {
        try withTemporaryDirectory { directory in
            let error = try #require(throws: PlanError.self) {
                _ = try PlanWriter(path: directory + "/a.plan", weightsBytes: 1 << 60)
            }
            #expect(error.exitCode == 73)
            #expect(error.found == .system(ENOSPC))
            #expect(try names(in: directory) == [])
        }
    }

    /// A limit on the file's size stands for the end of the disk; it lies far past what other tests write.
    @Test func aFileThatCannotGrowIsAnError() throws {
        try withTemporaryDirectory { directory in
            let former = signal(SIGXFSZ, SIG_IGN)
            defer { signal(SIGXFSZ, former) }
            var limit = rlimit()
            #expect(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            let unlimited = limit
            limit.rlim_cur = 1 << 30
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            defer {
                var unlimited = unlimited
                setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &unlimited)
            }
            let error = try #require(throws: PlanError.self) {
                let file = try TemporaryFile.create(path: Path([UInt8]((directory + "/a.plan").utf8)))
                #expect(lseek(file.descriptor, (1 << 30) - 2, SEEK_SET) == (1 << 30) - 2)
                try file.write([1, 2, 3, 4])
            }
            #expect(error.exitCode == 73)
            #expect(error.found == .system(EFBIG))
            #expect(try names(in: directory) == [])
        }
    }

    /// Needs a mount, hence the superuser.
    @Test(.enabled(if: geteuid() == 0 && TinyDisk.isPossible))
    func aFullDiskLeavesNothing() throws {
        try withTemporaryDirectory { directory in
            try #require(TinyDisk.mount(directory, kibibytes: 64))
            defer { TinyDisk.unmount(directory) }
            let error = try #require(throws: PlanError.self) {
                var writer = try PlanWriter(path: directory + "/a.plan", weightsBytes: 1)
                try writer.append([UInt8](repeating: 1, count: 1 << 20))
            }
            #expect(error.exitCode == 73)
            #expect(error.found == .system(ENOSPC))
            #expect(try names(in: directory) == [])
        }
    }
}

/// A file system of a few kilobytes in memory.
private enum TinyDisk {
    static let isPossible: Bool = {
        (try? withTemporaryDirectory { directory in
            guard mount(directory, kibibytes: 64) else { return false }
            unmount(directory)
            return true
        }) ?? false
    }()

    static func mount(_ path: String, kibibytes: Int) -> Bool {
        run("mount", ["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs", path])
    }

    static func unmount(_ path: String) { _ = run("umount", [path]) }

    private static func run(_ command: String, _ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [command] + arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
