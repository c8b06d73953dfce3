import ArgumentParser
import Compiler
import Models
import Passes

/// The flags of layers whose state does not grow with the sequence.
struct LinearizationArguments: ParsableArguments {
    /// What a window is where it is not said: sinks as published (Xiao et al. 2023), and the length that their state and
    /// quality are usually compared at.
    private static let (window, sinks) = (128, 4)

    @Option(
        help: ArgumentHelp(
            "Layers whose attention is bounded to a window and the first positions: A-B,C, counted from 0; auto, chosen "
                + "by what they cost; or off.", valueName: "layers"))
    var linearize: LayerChoice = .off

    @Option(help: ArgumentHelp("With auto: so many layers.", valueName: "count"))
    var linearizeLayers: Int?

    @Option(help: ArgumentHelp("Last positions that such a layer sees (default: \(window)).", valueName: "count"))
    var window: Int?

    @Option(help: ArgumentHelp("First positions that it sees besides (default: \(sinks)).", valueName: "count"))
    var sinks: Int?

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
            guard window == nil, sinks == nil else {
                throw ValidationError("--window and --sinks go with --linearize.")
            }
            return nil
        }
        return LinearizationOptions(
            choice: choice,
            form: .window(
                AttentionWindow(
                    length: window ?? LinearizationArguments.window, sinks: sinks ?? LinearizationArguments.sinks)))
    }
}
