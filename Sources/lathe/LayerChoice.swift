import ArgumentParser

/// Layers of a model: ranges with commas between, A-B, or A for one layer; `auto`; or `off` for none.
enum LayerChoice: ExpressibleByArgument {
    case off
    case auto
    case ranges([ClosedRange<Int>])

    init?(argument: String) {
        switch argument {
        case "off": self = .off
        case "auto": self = .auto
        default:
            var ranges: [ClosedRange<Int>] = []
            for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
                let ends = part.split(separator: "-", omittingEmptySubsequences: false).map(LayerChoice.layer)
                guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last
                else { return nil }
                ranges.append(first...last)
            }
            self = .ranges(ranges)
        }
    }

    /// A number of digits alone.
    private static func layer(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
        return Int(text)
    }

    var defaultValueDescription: String { "off" }
}

/// How far a choice of layers by measurement goes: to a count of layers, or as far as a budget allows.
struct LayerBudget: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "With auto: as many layers as keep the mean divergence of the predictions within so many nats.",
            valueName: "nats"))
    var budgetKl: Double?

    /// What an `auto` is limited by.
    enum Limit {
        case count(Int)
        case divergence(Double)
    }

    /// The limit of `option`, which has a count flag of its own; nil where the option is not `auto`. Throws
    /// `ValidationError` where there is no limit, or two, or one without an `auto`.
    func limit(
        _ choice: LayerChoice, option: String, count: Int?, countOption: String
    ) throws -> Limit? {
        guard case .auto = choice else {
            guard count == nil else { throw ValidationError("\(countOption) goes with \(option) auto.") }
            return nil
        }
        switch (count, budgetKl) {
        case (.some(let count), nil):
            guard count > 0 else { throw ValidationError("\(countOption) takes 1 or more.") }
            return .count(count)
        case (nil, .some(let limit)):
            guard limit > 0, limit.isFinite else { throw ValidationError("--budget-kl takes a number above 0.") }
            return .divergence(limit)
        case (nil, nil), (.some, .some):
            throw ValidationError("\(option) auto takes either \(countOption) or --budget-kl.")
        }
    }
}
