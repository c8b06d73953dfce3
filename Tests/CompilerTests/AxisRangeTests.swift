import Foundation
import Testing

@testable import Compiler

@Suite("Ranges and ticks of axes")
struct AxisRangeTests {
    @Test(
        "linear ticks are round and surround the values",
        arguments: [
            ([0, 10], ["0", "2", "4", "6", "8", "10"]), ([0, 1], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            ([-3, 7], ["-4", "-2", "0", "2", "4", "6", "8"]),
            ([20.1, 25.4], ["20", "21", "22", "23", "24", "25", "26"]),
            ([0.0012, 0.0067], ["0.001", "0.002", "0.003", "0.004", "0.005", "0.006", "0.007"]),
            ([0, 123_456], ["0", "20,000", "40,000", "60,000", "80,000", "100,000", "120,000", "140,000"]),
            ([0, 3e9], ["0", "5e8", "1e9", "1.5e9", "2e9", "2.5e9", "3e9"]),
            ([-2e-9, 1.2e-9], ["-2e-9", "-1.5e-9", "-1e-9", "-5e-10", "0", "5e-10", "1e-9", "1.5e-9"]),
            ([0, 1.2e8], ["0", "2e7", "4e7", "6e7", "8e7", "1e8", "1.2e8"]),
            ([5], ["4.4", "4.6", "4.8", "5.0", "5.2", "5.4", "5.6"]),
            ([0, 0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]), ([], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ] as [([Double], [String])])
    func linear(values: [Double], labels: [String]) {
        #expect(AxisRange(values, scale: .linear).ticks.map(\.label) == labels)
    }

    @Test(
        "logarithmic ticks are 1, 2 and 5 times powers of ten, or powers alone",
        arguments: [
            ([2, 8], ["2", "5", "10"]), ([0.03, 0.9], ["0.02", "0.05", "0.1", "0.2", "0.5", "1"]),
            ([1, 1000], ["1", "2", "5", "10", "20", "50", "100", "200", "500", "1,000"]),
            ([1e-6, 3], ["1e-6", "1e-5", "0.0001", "0.001", "0.01", "0.1", "1", "10"]),
            ([1, 1e12], ["1", "100", "10,000", "1e6", "1e8", "1e10", "1e12"]), ([5], ["2", "5", "10"]),
            ([-1, 0, 100], ["50", "100", "200"]), ([], ["1", "2", "5", "10"]),
        ] as [([Double], [String])])
    func logarithmic(values: [Double], labels: [String]) {
        #expect(AxisRange(values, scale: .logarithmic).ticks.map(\.label) == labels)
    }

    @Test("any values have 2 to 14 rising ticks around them, and labels that stay apart")
    func anyValues() {
        for scale in [AxisScale.linear, .logarithmic] {
            for values in ReportFigureTests.degenerate {
                let range = AxisRange(values, scale: scale)
                #expect((2...14).contains(range.ticks.count), "\(values) \(range.ticks)")
                for (first, second) in zip(range.ticks, range.ticks.dropFirst()) {
                    #expect(first.value < second.value && first.label != second.label, "\(values)")
                }
                #expect(range.ticks.allSatisfy { $0.value.isFinite && $0.label.count <= 12 }, "\(range.ticks)")
                for value in values {
                    let share = range.share(of: value)
                    #expect((share != nil) == AxisRange.shows(value, on: scale))
                    if let share { #expect((0...1).contains(share), "\(value) of \(values)") }
                }
            }
        }
    }

    @Test("a tick says its value")
    func labels() throws {
        for exponent in stride(from: -30.0, through: 30, by: 0.37) {
            for scale in [AxisScale.linear, .logarithmic] {
                for tick in AxisRange([pow(10, exponent), 3 * pow(10, exponent + 1)], scale: scale).ticks {
                    #expect(Double(tick.label.replacing(",", with: "")) == tick.value)
                }
            }
        }
    }

    @Test("a bar's axis begins at zero")
    func zero() {
        #expect(AxisRange([80, 90], scale: .linear, includesZero: true).lower == 0)
        #expect(AxisRange([-80, -90], scale: .linear, includesZero: true).upper == 0)
    }

    @Test("numbers for reading have a fixed number of digits")
    func significant() {
        let numbers: [(Double, String)] = [
            (0, "0.000"), (1, "1.000"), (-12.3456, "-12.35"), (123_456, "123456"), (1_234_567, "1234567"),
            (12_345_678, "1.235e7"), (0.00012346, "0.0001235"), (0.000012346, "1.235e-5"), (9.9999, "10.00"),
            (.infinity, "inf"), (-.infinity, "-inf"), (.nan, "nan"), (1e300, "1.000e300"),
        ]
        for (number, text) in numbers { #expect(number.significant() == text) }
        #expect(3.14159.significant(3) == "3.14")
        #expect((-0.001).rounded(toDecimals: 2) == "0.00" && (-0.006).rounded(toDecimals: 2) == "-0.01")
    }
}
