import CSystem

/// A file that takes its name only when it is whole.
///
/// Where the system has unnamed files (`O_TMPFILE`) a killed process leaves nothing behind; elsewhere the file is
/// called `.NAME.tmp-PID` until then.
struct TemporaryFile: ~Copyable {
    let path: Path
    let descriptor: Int32
    /// The file's name while it has one that is not its own.
    var temporaryPath: Path?
    let temporaryName: Path

    /// A new empty file in the folder of `path`; `named` asks for the way of systems without unnamed files.
    static func create(path: Path, named isNamed: Bool = false) throws(PlanError) -> TemporaryFile {
        guard !path.name.isEmpty else {
            throw TemporaryFile.failure("the path names a file", EISDIR, path)
        }
        var status = stat()
        if path.withPointer({ stat($0, &status) }) == 0, !lathe_is_regular_file(status.st_mode) {
            throw TemporaryFile.failure(
                "the path is free or a regular file", lathe_is_directory(status.st_mode) ? EISDIR : EEXIST, path)
        }
        var name: [UInt8] = [UInt8(ascii: ".")] + path.name
        name.append(".tmp-", Int(getpid()))
        let temporaryName = path.directory.appending(name)
        let unnamed = isNamed ? -1 : path.directory.withPointer { lathe_open_unnamed($0, 0o666) }
        if unnamed >= 0, TemporaryFile.descriptorPath(unnamed).withPointer({ access($0, F_OK) }) == 0 {
            return TemporaryFile(
                path: path, descriptor: unnamed, temporaryPath: nil, temporaryName: temporaryName)
        }
        if unnamed >= 0 { close(unnamed) }
        temporaryName.withPointer { _ = unlink($0) }
        let named = temporaryName.withPointer { lathe_open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
        guard named >= 0 else { throw TemporaryFile.failure("a file can be made in the folder", lathe_errno(), path) }
        return TemporaryFile(
            path: path, descriptor: named, temporaryPath: temporaryName, temporaryName: temporaryName)
    }

    deinit {
        if let temporaryPath { temporaryPath.withPointer { _ = unlink($0) } }
        close(descriptor)
    }

    /// Fails early where the disk is too small; a file system that cannot tell is left to fail when it is full.
    func reserve(_ count: Int) throws(PlanError) {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0, status.f_frsize > 0, status.f_blocks > 0 else { return }
        guard UInt64(max(count, 0)) / UInt64(status.f_frsize) < UInt64(status.f_bavail) else {
            throw TemporaryFile.failure("there is room for the plan", ENOSPC, path)
        }
    }

    func write(_ bytes: [UInt8]) throws(PlanError) {
        try bytes.withUnsafeBufferPointer { bytes throws(PlanError) in try write(UnsafeRawBufferPointer(bytes)) }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(PlanError) {
        var rest = bytes
        while !rest.isEmpty {
            let count = CSystem.write(descriptor, rest.baseAddress, rest.count)
            if count < 0, lathe_errno() == EINTR { continue }
            guard count > 0 else { throw TemporaryFile.failure("the plan can be written", lathe_errno(), path) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }

    /// Replaces the first bytes of what was written.
    func overwriteStart(with bytes: [UInt8]) throws(PlanError) {
        guard lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw TemporaryFile.failure("the plan can be written", lathe_errno(), path)
        }
        try write(bytes)
    }

    /// Makes the file durable and gives it its path, in place of what was there.
    consuming func commit(size: Int) throws(PlanError) {
        guard ftruncate(descriptor, size) == 0, fsync(descriptor) == 0 else {
            throw TemporaryFile.failure("the plan can be written", lathe_errno(), path)
        }
        if temporaryPath == nil {
            if link(to: path) { return try syncDirectory() }
            guard lathe_errno() == EEXIST else {
                throw TemporaryFile.failure("the plan can take its name", lathe_errno(), path)
            }
            temporaryName.withPointer { _ = unlink($0) }
            guard link(to: temporaryName) else {
                throw TemporaryFile.failure("the plan can take its name", lathe_errno(), path)
            }
            temporaryPath = temporaryName
        }
        guard temporaryName.withPointer({ old in path.withPointer { rename(old, $0) } }) == 0 else {
            throw TemporaryFile.failure("the plan can take its name", lathe_errno(), path)
        }
        temporaryPath = nil
        try syncDirectory()
    }

    private func link(to name: Path) -> Bool {
        TemporaryFile.descriptorPath(descriptor).withPointer { old in
            name.withPointer { linkat(AT_FDCWD, old, AT_FDCWD, $0, AT_SYMLINK_FOLLOW) }
        } == 0
    }

    private func syncDirectory() throws(PlanError) {
        let directory = path.directory.withPointer { lathe_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        guard directory >= 0 else { throw TemporaryFile.failure("the folder can be synced", lathe_errno(), path) }
        defer { close(directory) }
        // Some file systems cannot sync a folder and need not.
        guard fsync(directory) == 0 || lathe_errno() == EINVAL else {
            throw TemporaryFile.failure("the folder can be synced", lathe_errno(), path)
        }
    }

    private static func descriptorPath(_ descriptor: Int32) -> Path {
        var bytes: [UInt8] = []
        bytes.append("/proc/self/fd/", Int(descriptor))
        return Path(bytes)
    }

    private static func failure(_ rule: StaticString, _ code: Int32, _ path: Path) -> PlanError {
        PlanError(.cannotWrite, rule, at: .file, found: .system(code), path: path.bytes)
    }
}
