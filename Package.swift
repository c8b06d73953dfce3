// swift-tools-version: 6.2
import PackageDescription

/// The runtime half builds twice: as ordinary modules, and as Embedded Swift (`LATHE_EMBEDDED=1`) for `lathe-run`.
let isEmbedded = Context.environment["LATHE_EMBEDDED"] == "1"

var runtimeSettings: [SwiftSetting] = [.swiftLanguageMode(.v6)]
if isEmbedded {
    runtimeSettings += [
        .enableExperimentalFeature("Embedded"),
        // Small rather than fast: the hot loops are in the kernels. Sections let the linker leave unused functions out.
        .unsafeFlags(["-wmo", "-Osize", "-Xfrontend", "-function-sections"]),
    ]
}
let compilerSettings: [SwiftSetting] = [.swiftLanguageMode(.v6)]

// The runner trades a tenth of the kernels' speed for their unrolled copies.
var kernelSettings: [CSetting] = [.unsafeFlags([isEmbedded ? "-Os" : "-O3", "-Wall", "-Wextra", "-Werror"])]
if isEmbedded { kernelSettings.append(.define("LATHE_COMPACT")) }

// zlib is linked from its archive into the runner, which must need nothing but the C library.
let zlib: Target = .target(
    name: "CZlib",
    linkerSettings: [isEmbedded ? .unsafeFlags(["-Xlinker", "-l:libz.a"]) : .linkedLibrary("z")]
)

let runtimeTargets: [Target] = [
    zlib,
    .target(name: "CSystem"),
    .target(name: "Kernels", cSettings: kernelSettings, linkerSettings: [.linkedLibrary("m")]),
    .target(name: "Plans", dependencies: ["CSystem", "CZlib", "Kernels"], swiftSettings: runtimeSettings),
    .target(name: "Tokenization", dependencies: ["Plans"], swiftSettings: runtimeSettings),
    .target(name: "Runtime", dependencies: ["Plans", "Kernels", "CSystem"], swiftSettings: runtimeSettings),
    .target(
        name: "Decoding", dependencies: ["Plans", "Runtime", "Tokenization", "CSystem"], swiftSettings: runtimeSettings),
]

let runner: Target = .executableTarget(
    name: "lathe-run", dependencies: ["Decoding", "Plans", "Runtime", "Tokenization", "CSystem"],
    swiftSettings: runtimeSettings)

// Every module that a target imports is named here: one that is not would not be recompiled with it.
let compilerTargets: [Target] = [
    .target(name: "CJSON", linkerSettings: [.linkedLibrary("json-c")]),
    .target(name: "CCalibration", exclude: ["default.txt"]),
    .target(name: "Checkpoints", dependencies: ["CJSON"], swiftSettings: compilerSettings),
    .target(name: "Models", dependencies: ["Checkpoints"], swiftSettings: compilerSettings),
    .target(name: "Quantization", dependencies: ["Kernels", "Plans"], swiftSettings: compilerSettings),
    .target(name: "Passes", dependencies: ["Models"], swiftSettings: compilerSettings),
    .target(
        name: "Lowering", dependencies: ["Checkpoints", "Models", "Plans", "Kernels", "Tokenization"],
        swiftSettings: compilerSettings),
    .target(
        name: "Compiler",
        dependencies: [
            "CCalibration", "Checkpoints", "Kernels", "Models", "Passes", "Lowering", "Plans", "Quantization",
            "Runtime", "Tokenization",
        ],
        swiftSettings: compilerSettings),
    .executableTarget(
        name: "lathe",
        dependencies: [
            "Checkpoints", "Compiler", "Decoding", "Lowering", "Passes", "Plans", "Runtime", "Tokenization",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ],
        swiftSettings: compilerSettings),
]

let testTargets: [Target] = [
    .testTarget(name: "KernelsTests", dependencies: ["Kernels"], swiftSettings: compilerSettings),
    .testTarget(name: "PlansTests", dependencies: ["Plans"], swiftSettings: compilerSettings),
    .testTarget(
        name: "CheckpointsTests", dependencies: ["Checkpoints"], resources: [.copy("Resources")],
        swiftSettings: compilerSettings),
    .testTarget(
        name: "QuantizationTests", dependencies: ["Plans", "Quantization"], resources: [.copy("Resources")],
        swiftSettings: compilerSettings),
    .testTarget(
        name: "TokenizationTests", dependencies: ["Tokenization", "Lowering", "Checkpoints"],
        resources: [.copy("Resources")], swiftSettings: compilerSettings),
    .testTarget(
        name: "RuntimeTests", dependencies: ["Runtime", "Plans", "CSystem"], swiftSettings: compilerSettings),
    .testTarget(name: "DecodingTests", dependencies: ["Decoding"], swiftSettings: compilerSettings),
    .testTarget(
        name: "CompilerTests",
        dependencies: [
            "Checkpoints", "Compiler", "Decoding", "Kernels", "Lowering", "Models", "Passes", "Plans", "Quantization",
            "Runtime",
            "Tokenization",
        ], resources: [.copy("Resources")],
        swiftSettings: compilerSettings),
    .testTarget(
        name: "CommandLineTests", dependencies: ["Checkpoints", "Compiler", "Plans"], swiftSettings: compilerSettings),
]

let package = Package(
    name: "lathe",
    products: isEmbedded
        ? [.executable(name: "lathe-run", targets: ["lathe-run"])]
        : [
            .executable(name: "lathe", targets: ["lathe"]), .executable(name: "lathe-run", targets: ["lathe-run"]),
            // Everything that reads files or text from elsewhere: what Fuzz/ runs.
            .library(name: "LatheReaders", targets: ["Checkpoints", "Models", "Plans", "Tokenization", "Lowering"]),
        ],
    dependencies: isEmbedded
        ? [] : [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
    targets: isEmbedded ? runtimeTargets + [runner] : runtimeTargets + [runner] + compilerTargets + testTargets
)
