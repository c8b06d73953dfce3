// swift-tools-version: 6.2
import PackageDescription

// Built by scripts/fuzz.sh with the fuzzer's flags. A package of its own, so that the main one builds without them.
let package = Package(
    name: "Fuzz",
    dependencies: [.package(name: "lathe", path: "..")],
    targets: [
        .target(name: "CFuzzer"),
        .executableTarget(
            name: "fuzz", dependencies: ["CFuzzer", .product(name: "LatheReaders", package: "lathe")],
            swiftSettings: [.swiftLanguageMode(.v6)]),
    ]
)
