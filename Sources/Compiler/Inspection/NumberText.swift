import Foundation

extension Int {
    /// The number with commas between thousands.
    var grouped: String {
        var text = ""
        for (index, digit) in String(magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + String(text.reversed())
    }

    /// A size for people, in decimal units.
    var asBytes: String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(self), 0)
        while value >= 999.95, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
        return unit == 0 ? "\(self) B" : "\(value.rounded(toDecimals: 1)) \(units[unit])"
    }
}

extension Double {
    /// The number with exactly `decimals` digits behind the point.
    func rounded(toDecimals decimals: Int) -> String {
        var scale = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (magnitude * Double(scale)).rounded()
        guard scaled < 1e18 else { return "\(self)" }
        let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: scale)
        let digits = String(part)
        let fraction = decimals == 0 ? "" : "." + String(repeating: "0", count: decimals - digits.count) + digits
        return (self < 0 && scaled > 0 ? "-" : "") + String(whole) + fraction
    }

    /// The number with `digits` significant digits, or all of those before the point; very large and very small ones with
    /// a power of ten; "inf", "-inf" and "nan" for what is no number.
    func significant(_ digits: Int = 4) -> String {
        guard isFinite else { return "\(self)" }
        let parts = String(format: "%.\(max(0, digits - 1))e", self).split(separator: "e")
        guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(self)" }
        guard (-4..<digits + 3).contains(exponent) else { return "\(parts[0])e\(exponent)" }
        return rounded(toDecimals: max(0, digits - 1 - exponent))
    }
}
