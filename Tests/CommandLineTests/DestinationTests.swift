import Foundation
import Testing

@Suite("Destinations")
struct DestinationTests {
    private func names(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    @Test("a destination that cannot be written ends with 73 and leaves nothing")
    func unwritable() throws {
        try withFolder { folder in
            try write([1], to: folder + "/file")
            try FileManager.default.createDirectory(atPath: folder + "/folder", withIntermediateDirectories: true)
            let before = try names(in: folder)
            for path in [
                folder + "/file/below.plan", folder + "/folder", folder + "/none/x.plan", "/proc/x.plan", "/dev/null",
                folder + "/folder/", "",
            ] {
                expectFailure(try LatheProcess.run("compile", Fixtures.gguf("llama"), "-o", path), 73)
            }
            #expect(try names(in: folder) == before)
        }
    }

    @Test("a graph that cannot be written ends with 73")
    func unwritableGraph() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            expectFailure(try LatheProcess.run("inspect", plan, "--graph", plan + "/below.svg"), 73)
            expectFailure(try LatheProcess.run("inspect", plan, "--graph", "/proc/x.svg"), 73)
            expectFailure(try LatheProcess.run("inspect", Fixtures.gguf("llama"), "--graph", folder + "/x.svg"), 64)
            #expect(try names(in: folder) == ["tiny.plan"])
        }
    }

    @Test("a disk that fills up ends with 73, keeps the old plan and leaves nothing else", arguments: [1, 50, 100])
    func fullDisk(_ blocks: Int) throws {
        try withFolder { folder in
            try write(Array("old".utf8), to: folder + "/out.plan")
            // Blocks of 512 bytes or of 1024, by the shell; the plan has more than 100 kB.
            let outcome = try LatheProcess.shell(
                "ulimit -f \(blocks); exec \"$LATHE\" compile \"$1\" -o \"$2\" --quiet", Fixtures.gguf("llama"),
                folder + "/out.plan")
            expectFailure(outcome, 73)
            #expect(try names(in: folder) == ["out.plan"])
            #expect(FileManager.default.contents(atPath: folder + "/out.plan") == Data("old".utf8))
        }
    }

    @Test("output that cannot be written ends with 73")
    func fullOutput() throws {
        let outcome = try LatheProcess.shell("exec \"$LATHE\" inspect \"$1\" > /dev/full", Fixtures.gguf("llama"))
        expectFailure(outcome, 73)
    }

    @Test("a compile that is killed leaves no plan and no temporary file", .enabled(if: DestinationTests.hasRealModel))
    func killed() throws {
        try withFolder { folder in
            var ends: [Int32?] = []
            for milliseconds in [10, 60, 150, 300, 500, 800, 1200, 2000] {
                let path = folder + "/out.plan"
                let outcome = try LatheProcess.run(
                    LatheProcess.binary, ["compile", Fixtures.realModel, "-o", path, "--quiet"],
                    limit: Double(milliseconds) / 1000)
                ends.append(outcome.exitCode)
                // A compile that was faster than the signal has its plan, whole.
                if outcome.exitCode == 0 { try FileManager.default.removeItem(atPath: path) }
                #expect(try names(in: folder).isEmpty, "killed after \(milliseconds) ms")
            }
            #expect(ends.contains(nil), "some were killed")
        }
    }

    static let hasRealModel = FileManager.default.fileExists(atPath: Fixtures.realModel)
}
