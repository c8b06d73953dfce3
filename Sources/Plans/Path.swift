import CSystem

/// The bytes of a C string, without its end.
func pathBytes(_ path: UnsafePointer<CChar>) -> [UInt8] {
    [UInt8](UnsafeRawBufferPointer(start: path, count: strlen(path)))
}

/// A path with its end, as the system wants it.
struct Path {
    /// Ends with a zero byte.
    private let terminated: [CChar]

    init(_ bytes: some Sequence<UInt8>) {
        terminated = bytes.map { CChar(bitPattern: $0) } + [0]
    }

    init(_ path: UnsafePointer<CChar>) { self.init(pathBytes(path)) }

    var bytes: [UInt8] { terminated.dropLast().map { UInt8(bitPattern: $0) } }

    /// The folder that the path lies in.
    var directory: Path {
        let bytes = bytes
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return Path([UInt8(ascii: ".")]) }
        return Path(slash == 0 ? bytes[...0] : bytes[..<slash])
    }

    /// The last component, empty where the path ends with a slash.
    var name: [UInt8] {
        let bytes = bytes
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return bytes }
        return [UInt8](bytes[(slash + 1)...])
    }

    func appending(_ name: [UInt8]) -> Path { Path(bytes + [UInt8(ascii: "/")] + name) }

    func withPointer<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        body(terminated)
    }
}
