import ArgumentParser
import Plans

/// An element type of the key-value cache by its name.
enum CacheElementArgument: String, ExpressibleByArgument, CaseIterable {
    case f16, int8, f32

    var element: CacheElement {
        switch self {
        case .f16: .float16
        case .int8: .int8
        case .f32: .float32
        }
    }
}

/// The flag of every verb that makes a session.
struct CacheOptions: ParsableArguments {
    @Option(help: "Element type of the key-value cache: f16, int8 or f32; the plan's own when left out.")
    var kvCache: CacheElementArgument?
}
