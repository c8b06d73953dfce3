import Checkpoints
import Plans

/// Draws a plan: its instructions from top to bottom with equal layers folded, the arena over time, the weights.
public struct PlanGraph {
    private let plan: PlanDescription

    public init(_ plan: PlanDescription) {
        self.plan = plan
    }

    /// The picture as an SVG file; the same plan and path give the same text.
    public func svg() -> String {
        let margin = 32
        var canvas = SVGCanvas()
        let title = shortened(oneLine(plan.path.split(separator: "/").last.map(String.init) ?? plan.path), to: 80)
        canvas.text(title, x: margin, y: 44, size: 20, bold: true)
        let matrices = plan.matrixTotal
        canvas.text(
            "\(plan.fileSize.asBytes), \(matrices.bitsPerWeight.rounded(toDecimals: 2)) bits a weight, "
                + "context \(plan.program.contextLength.grouped), digest \(plan.digest)",
            x: margin, y: 66, fill: "#52606d")
        let flow = ProgramFlow(plan.program, groups: plan.groups)
        let flowSize = flow.draw(on: &canvas, x: margin, y: 92)
        let right = margin + flowSize.width + 48
        let timeline = ArenaTimeline(plan)
        let timelineBottom = timeline.draw(on: &canvas, x: right, y: 92)
        let barsBottom = WeightBars(plan.weightsByPart).draw(
            on: &canvas, x: right, y: timelineBottom + 40, width: ArenaTimeline.width)
        return canvas.document(
            width: right + ArenaTimeline.width + margin + 40, height: max(92 + flowSize.height, barsBottom) + margin,
            title: title)
    }
}

/// Colours of the picture.
enum GraphPalette {
    static let faint = "#7b8794"
    static let line = "#52606d"
    static let frame = "#cbd2d9"

    /// Colours that stay apart, given out in turn.
    static let series = [
        "#8dc1e8", "#f7c77e", "#a3d9a5", "#e8a5b5", "#c3b1e1", "#f0e08a", "#9adbd5", "#d9b99b", "#b8c4d0", "#f3b48b",
        "#b5d36b", "#7f95d1",
    ]

    /// Fill of an instruction's box.
    static func fill(of instruction: Instruction) -> String {
        switch instruction {
        case .embed, .rotaryTable: "#efe9fb"
        case .normalize, .quantize: "#fdf6e0"
        case .multiply, .multiplyMasks: "#e3f1fc"
        case .attend, .attendShared, .attendGrouped: "#e4f5e6"
        case .gate: "#fdeadd"
        case .selectRows: "#eef1f4"
        }
    }
}

/// Bytes of every part of the model as bars.
struct WeightBars {
    private let totals: [WeightTotal]
    private static let shown = 16

    init(_ totals: [WeightTotal]) {
        self.totals = totals.sorted { $0.bytes > $1.bytes }
    }

    /// Draws the bars and returns where they end.
    func draw(on canvas: inout SVGCanvas, x: Int, y: Int, width: Int) -> Int {
        canvas.text("Weights by part, all layers together", x: x, y: y, size: 14, bold: true)
        let (labelWidth, valueWidth) = (220, 200)
        let room = width - labelWidth - valueWidth
        let largest = max(1, totals.first?.bytes ?? 1)
        var line = y + 14
        for total in totals.prefix(WeightBars.shown) {
            let length = max(1, Int(Double(total.bytes) / Double(largest) * Double(room)))
            canvas.text(shortened(total.name, to: 34), x: x, y: line + 12, size: 11)
            canvas.rectangle(
                x: x + labelWidth, y: line + 2, width: length, height: 13, fill: GraphPalette.series[0], radius: 2,
                title: "\(total.name): \(total.layouts.joined(separator: "; "))")
            canvas.text(
                "\(total.bytes.asBytes), \(total.bitsPerWeight.rounded(toDecimals: 2)) bits a weight",
                x: x + labelWidth + length + 8, y: line + 12, size: 11, fill: GraphPalette.line)
            line += 20
        }
        if totals.count > WeightBars.shown {
            canvas.text(
                "and \(totals.count - WeightBars.shown) smaller ones", x: x, y: line + 12, size: 11,
                fill: GraphPalette.faint)
            line += 20
        }
        return line
    }
}
