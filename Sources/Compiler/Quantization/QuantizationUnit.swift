import Lowering
import Models
import Plans

/// A matrix of the program whose packing is chosen by measurement.
struct QuantizationUnit {
    enum Place: Equatable {
        /// A piece of the embedding, which may be the head's too.
        case embedding(piece: Int, isHead: Bool)
        case layer(LayerTensor)
        /// A piece of a head of its own.
        case head(piece: Int)
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
        var units = pieces(of: model.embedding, in: model) { .embedding(piece: $0, isHead: isTied) }
        for (layer, block) in model.blocks.enumerated() {
            for matrix in LayerMatrix.allCases {
                units.append(
                    QuantizationUnit(
                        place: .layer(LayerTensor(layer: layer, matrix: matrix)), name: matrix.tensorName(layer: layer),
                        stack: matrix.stack(of: block)))
            }
        }
        if !isTied { units += pieces(of: model.head, in: model) { .head(piece: $0) } }
        return units.filter { $0.columns % Packing.blockColumns == 0 }
    }

    private static func pieces(of table: Weight, in model: Model, _ place: (Int) -> Place) -> [QuantizationUnit] {
        let pieces = model.vocabularyPieces
        return pieces.ranges.enumerated().map { piece, tokens in
            QuantizationUnit(
                place: place(piece), name: pieces.name(of: table.name, piece: piece),
                stack: [table.slice(rows: tokens)])
        }
    }
}

extension Model {
    /// How embedding and head are cut so that frequent tokens and rare ones may be packed differently. Vocabularies that
    /// are made by merging have their tokens in the order of their frequency, roughly: the first twelfth of them makes up
    /// three quarters of most texts, the last two thirds a tenth.
    var vocabularyPieces: VocabularyPieces {
        let tile = Packing.tileRows
        guard vocabularySize >= 12 * tile else { return VocabularyPieces(vocabularySize: vocabularySize, cuts: []) }
        return VocabularyPieces(
            vocabularySize: vocabularySize, cuts: [12, 3].map { vocabularySize / $0 / tile * tile })
    }
}
