import ArgumentParser
import Compiler
import Models
import Passes

extension LinearizationMethod: ExpressibleByArgument {}

/// What attention of bounded state is like.
enum LinearFormName: String, ExpressibleByArgument, CaseIterable {
    case window, windows, hybrid, grouped, auto
}

/// The flags of layers whose state does not grow with the sequence.
struct LinearizationArguments: ParsableArguments {
    /// What a form is where it is not said: sinks as published (Xiao et al. 2023), the length that a window's state and quality
    /// are usually compared at, features that take as much state as they take from the window, and groups as published (You et
    /// al. 2024).
    private static let (window, hybridWindow, sinks, block, features, group, taps) = (128, 96, 4, 16, 32, 64, 32)

    @Option(
        help: ArgumentHelp(
            "Layers whose attention is bounded in state: A-B,C, counted from 0; auto, chosen by what they cost; or off.",
            valueName: "layers"))
    var linearize: LayerChoice = .off

    @Option(help: ArgumentHelp("With auto: so many layers.", valueName: "count"))
    var linearizeLayers: Int?

    @Option(
        help: ArgumentHelp(
            "window (and the first positions; the default), windows (of a quarter to four times the length, as each layer needs, for "
                + "the same state together), hybrid (window with features of what is behind it), grouped (linear attention with a "
                + "convolution), or auto (whichever costs least, layer by layer, for the state of windows).",
            valueName: "form"))
    var linearizeForm: LinearFormName?

    @Option(help: "fitted (to what the layers did before; the default), or plain, for windows.")
    var linearizeMethod: LinearizationMethod?

    @Option(
        help: ArgumentHelp(
            "Last positions that such a layer sees (default: \(window), \(hybridWindow) with features).",
            valueName: "count"))
    var window: Int?

    @Option(help: ArgumentHelp("First positions that it sees besides (default: \(sinks)).", valueName: "count"))
    var sinks: Int?

    @Option(
        help: ArgumentHelp(
            "Of the hybrid form: features of each key behind the window, a multiple of 32 (default: \(features)).",
            valueName: "count"))
    var features: Int?

    /// Nil where no layer is linearized. Throws `ValidationError`.
    func options(_ budget: LayerBudget) throws -> LinearizationOptions? {
        let limit = try budget.limit(
            linearize, option: "--linearize", count: linearizeLayers, countOption: "--linearize-layers")
        let choice: LinearizationOptions.Choice
        switch (linearize, limit) {
        case (.ranges(let ranges), _):
            guard ranges.allSatisfy({ $0.upperBound - $0.lowerBound < 1 << 20 }) else {
                throw ValidationError("--linearize names more layers than any model has.")
            }
            choice = .layers(ranges.flatMap { Array($0) })
        case (.auto, .count(let count)): choice = .count(count)
        case (.auto, .divergence(let limit)): choice = .divergence(atMost: limit)
        case (.auto, nil), (.off, _):
            guard window == nil, sinks == nil, features == nil, linearizeForm == nil, linearizeMethod == nil else {
                throw ValidationError(
                    "--linearize-form, --linearize-method, --window, --sinks and --features go with --linearize.")
            }
            return nil
        }
        let forms = try forms()
        return LinearizationOptions(choice: choice, form: forms.usual, others: forms.others, method: try method())
    }

    private func method() throws -> LinearizationMethod {
        guard let linearizeMethod else { return .fitted }
        guard linearizeMethod == .fitted || [nil, .window, .windows].contains(linearizeForm) else {
            throw ValidationError("--linearize-method plain goes with windows: the other forms mean nothing unfitted.")
        }
        return linearizeMethod
    }

    private func forms() throws -> (usual: LinearForm, others: [LinearForm]) {
        typealias Own = LinearizationArguments
        let sinks = sinks ?? Own.sinks
        func windowed(_ length: Int) -> LinearForm { .window(AttentionWindow(length: length, sinks: sinks)) }
        let usual = window ?? Own.window
        let shorter = [usual / 4, usual / 2].filter { $0 > 0 }
        let longer = usual < 1 << 20 ? [2 * usual, 4 * usual] : []
        let windows = (shorter + longer).map(windowed)
        let length = window ?? Own.hybridWindow
        // A window that has no such divisor slides by less.
        let block = (1...Own.block).last { length % $0 == 0 } ?? 1
        let hybrid = LinearForm.hybrid(
            DistantShape(length: length, sinks: sinks, block: block, rows: (features ?? Own.features) / 2))
        let grouped = LinearForm.grouped(group: Own.group, taps: Own.taps)
        let name = linearizeForm ?? .window
        guard features == nil || name == .hybrid || name == .auto else {
            throw ValidationError("--features goes with --linearize-form hybrid.")
        }
        if let features, features <= 0 || features % 32 != 0 || features > 2 * LinearizedForm.mostMapRows {
            throw ValidationError("--features takes a multiple of 32, at most \(2 * LinearizedForm.mostMapRows).")
        }
        guard name != .grouped || (window == nil && self.sinks == nil) else {
            throw ValidationError("--window and --sinks do not go with --linearize-form grouped.")
        }
        return switch name {
        case .window: (windowed(usual), [])
        case .windows: (windowed(usual), windows)
        case .hybrid: (hybrid, [])
        case .grouped: (grouped, [])
        case .auto: (windowed(usual), windows + [hybrid, grouped])
        }
    }
}
