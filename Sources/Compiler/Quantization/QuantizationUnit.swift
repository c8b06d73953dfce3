import Lowering
import Models
import Plans

/// A matrix of the program whose packing is chosen by measurement.
struct QuantizationUnit {
    enum Place: Equatable {
        /// The embedding, which may be the head too.
        case embedding(isHead: Bool)
        case layer(Int, LayerMatrix)
        case head
    }

    let place: Place
    /// The name of the program's tensor.
    let name: String
    let stack: [Weight]

    var rows: Int { stack.reduce(0) { $0 + $1.rows } }
    var columns: Int { stack.first?.columns ?? 0 }
    var weights: Int { rows * columns }

    /// The units of a model in the order of its program; matrices whose columns do not fill groups are none.
    static func all(of model: Model) -> [QuantizationUnit] {
        let isTied = model.head.name == model.embedding.name
        var units = [
            QuantizationUnit(place: .embedding(isHead: isTied), name: model.embedding.name, stack: [model.embedding])
        ]
        for (layer, block) in model.blocks.enumerated() {
            for matrix in LayerMatrix.allCases {
                units.append(
                    QuantizationUnit(
                        place: .layer(layer, matrix), name: matrix.tensorName(layer: layer),
                        stack: matrix.stack(of: block)))
            }
        }
        if !isTied { units.append(QuantizationUnit(place: .head, name: model.head.name, stack: [model.head])) }
        return units.filter { $0.columns % Packing.blockColumns == 0 }
    }
}
