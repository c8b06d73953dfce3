import CSystem
import Foundation
import Testing

/// Processors that the cgroup files of a made-up system allow; 0 is no limit.
@Suite struct ProcessorQuotaTests {
    private func quota(membership: String, files: [String: String]) throws -> Int32 {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("lathe-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for (path, text) in files {
            let file = root.appendingPathComponent(path)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        let list = root.appendingPathComponent("membership")
        try Data(membership.utf8).write(to: list)
        return lathe_quota_processors(list.path, root.path)
    }

    @Test func versionTwoTakesTheTightestGroup() throws {
        let files = [
            "a/cpu.max": "350000 100000\n", "a/b/cpu.max": "max 100000\n", "a/b/c/cpu.max": "500000 100000\n",
        ]
        #expect(try quota(membership: "0::/a/b/c\n", files: files) == 4)
        #expect(try quota(membership: "0::/a/b\n", files: files) == 4)
        #expect(try quota(membership: "0::/\n", files: files) == 0)
    }

    @Test func aContainerSeesItsOwnGroupAtTheRoot() throws {
        #expect(try quota(membership: "0::/../../outside\n", files: ["cpu.max": "50000 100000\n"]) == 1)
        #expect(try quota(membership: "0::/unknown\n", files: ["cpu.max": "200000 100000\n"]) == 2)
    }

    @Test func versionOne() throws {
        let files = [
            "cpu,cpuacct/job/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "cpuset/job/cpu.cfs_quota_us": "100000\n", "cpuset/job/cpu.cfs_period_us": "100000\n",
        ]
        #expect(try quota(membership: "5:cpuset:/job\n3:cpu,cpuacct:/job\n", files: files) == 2)
        #expect(try quota(membership: "3:cpu,cpuacct:/\n", files: files) == 0)
    }

    @Test func nonsenseIsNoLimit() throws {
        let files = ["cpu.max": "-5 0\n", "a/cpu.max": "99999999999999999999 1\n"]
        #expect(try quota(membership: "", files: files) == 0)
        #expect(try quota(membership: "::\n:\nxx\n0::", files: files) == 0)
        #expect(lathe_quota_processors("/nonexistent", "/nonexistent") == 0)
        #expect(lathe_available_processors() >= 1)
    }
}
