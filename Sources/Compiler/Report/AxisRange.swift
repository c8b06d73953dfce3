import Foundation

/// How values lie along an axis or a scale of colours.
enum AxisScale {
    /// Equal differences take equal room.
    case linear
    /// Equal ratios take equal room; only positive values have a place.
    case logarithmic

    /// Why a value has no place.
    var reasonForNoPlace: String {
        switch self {
        case .linear: "not finite"
        case .logarithmic: "not positive and finite, as a logarithmic scale needs"
        }
    }
}

/// What an axis shows: a range with round ends and the ticks between them.
struct AxisRange {
    struct Tick: Equatable {
        let value: Double
        let label: String
    }

    let scale: AxisScale
    /// From the lower end to the upper one, at least two.
    let ticks: [Tick]
    var lower: Double { ticks.first?.value ?? 0 }
    var upper: Double { ticks.last?.value ?? 1 }

    /// Values past this magnitude stand at the end, and so do smaller ones than its inverse: what is computed from the
    /// others neither overflows nor underflows.
    private static let largest = 1e250

    /// A range around those of `values` that have a place on the scale; around nothing at all 0...1, or 1...10.
    init(_ values: some Sequence<Double>, scale: AxisScale, includesZero: Bool = false) {
        self.scale = scale
        let shown = values.filter { AxisRange.shows($0, on: scale) }.map { AxisRange.bounded($0, on: scale) }
        switch scale {
        case .linear:
            let range = ((includesZero ? shown + [0] : shown).min(), (includesZero ? shown + [0] : shown).max())
            ticks = AxisRange.linearTicks(from: range.0 ?? 0, to: range.1 ?? 1)
        case .logarithmic:
            ticks = AxisRange.logarithmicTicks(from: shown.min() ?? 1, to: shown.max() ?? 10)
        }
    }

    /// Whether a value has a place: it is a number, and a positive one on a logarithmic scale.
    static func shows(_ value: Double, on scale: AxisScale) -> Bool {
        value.isFinite && (scale == .linear || value > 0)
    }

    /// How far along the axis a value lies, 0...1; nil where it has no place.
    func share(of value: Double) -> Double? {
        guard AxisRange.shows(value, on: scale) else { return nil }
        let value = AxisRange.bounded(value, on: scale)
        let share: Double
        switch scale {
        case .linear: share = (value - lower) / (upper - lower)
        case .logarithmic: share = (log10(value) - log10(lower)) / (log10(upper) - log10(lower))
        }
        return min(1, max(0, share))
    }

    private static func bounded(_ value: Double, on scale: AxisScale) -> Double {
        switch scale {
        case .linear: value.magnitude < 1 / largest ? 0 : min(largest, max(-largest, value))
        case .logarithmic: min(largest, max(1 / largest, value))
        }
    }

    /// Multiples of 1, 2 or 5 times a power of ten: four to nine, the outer ones around the values.
    private static func linearTicks(from lower: Double, to upper: Double) -> [Tick] {
        var (lower, upper) = (lower, upper)
        let magnitude = max(lower.magnitude, upper.magnitude)
        // Values that are equal, or nearly so, get room around them.
        if upper - lower <= 1e-6 * magnitude {
            (lower, upper) = magnitude == 0 ? (0, 1) : (lower - 0.1 * magnitude, upper + 0.1 * magnitude)
        }
        let rough = (upper - lower) / 7
        var exponent = Int(log10(rough).rounded(.down))
        // Rounding must not make a step of 2 one of 5.
        var digit = [1, 2, 5].first { decimal($0, exponent) >= rough * (1 - 1e-9) }
        if digit == nil { (digit, exponent) = (1, exponent + 1) }
        let step = digit ?? 1
        let width = decimal(step, exponent)
        let first = Int((lower / width + 1e-9).rounded(.down))
        let last = max(first + 1, Int((upper / width - 1e-9).rounded(.up)))
        let isPlain = exponent >= -6 && decimal(max(abs(first), abs(last)) * step, exponent) < 1e7
        return (first...last).map { index in
            let value = decimal(index * step, exponent)
            let label = isPlain ? plain(value, exponent) : AxisRange.power(index * step, exponent)
            return Tick(value: value, label: label)
        }
    }

    /// 1, 2 and 5 times powers of ten over few decades, powers of ten over many, and of those at most about ten.
    private static func logarithmicTicks(from lower: Double, to upper: Double) -> [Tick] {
        let decades = log10(upper) - log10(lower)
        let digits = decades <= 3 ? [1, 2, 5] : [1]
        let stride = max(1, Int((decades / 10).rounded(.up)))
        func parts(_ index: Int) -> (digit: Int, exponent: Int) {
            let decade = Int((Double(index) / Double(digits.count)).rounded(.down))
            return (digits[index - decade * digits.count], decade * stride)
        }
        func value(_ index: Int) -> Double { decimal(parts(index).digit, parts(index).exponent) }
        var first = digits.count * (Int((log10(lower) / Double(stride)).rounded(.down)) - 1)
        while value(first + 1) <= lower { first += 1 }
        var last = first
        while value(last) < upper { last += 1 }
        if last == first { (first, last) = (first - 1, last + 1) }
        return (first...last).map { index in
            let (digit, exponent) = parts(index)
            let isPlain = (-4..<6).contains(exponent)
            return Tick(
                value: value(index),
                label: isPlain ? plain(value(index), exponent) : AxisRange.power(digit, exponent))
        }
    }

    /// number * 10^exponent, rounded once.
    private static func decimal(_ number: Int, _ exponent: Int) -> Double {
        Double("\(number)e\(exponent)") ?? 0
    }

    /// A multiple of 10^exponent with as many decimals as it needs.
    private static func plain(_ value: Double, _ exponent: Int) -> String {
        exponent >= 0 ? Int(value).grouped : value.rounded(toDecimals: -exponent)
    }

    /// number * 10^exponent as a decimal with one digit before the point and a power of ten.
    private static func power(_ number: Int, _ exponent: Int) -> String {
        guard number != 0 else { return "0" }
        var digits = String(abs(number))
        let place = exponent + digits.count - 1
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        let fraction = digits.dropFirst()
        return "\(number < 0 ? "-" : "")\(digits.prefix(1))\(fraction.isEmpty ? "" : ".\(fraction)")e\(place)"
    }
}
