import Foundation

/// Canonical decompositions, combining classes and compositions of the Unicode version that `tokenizers` composes by.
struct CompositionData: Sendable {
    struct Record: Hashable, Sendable {
        var combiningClass: UInt8
        /// Full canonical decomposition; empty where the scalar is its own.
        var decomposition: [UInt32]
        /// Whether the scalar can change under composition, or be part of a change.
        var isActive: Bool
    }

    struct Composition: Sendable {
        var first: UInt32
        var second: UInt32
        var composite: UInt32
    }

    /// Records of the scalars that have one; Hangul syllables are left to arithmetic.
    private(set) var records: [UInt32: Record] = [:]
    private(set) var compositions: [Composition] = []

    static let shared = CompositionData()

    /// Where scalars with decompositions or classes are; ideographs, syllables and private use lie outside.
    private static let blocks: [Range<UInt32>] = [0xC0..<0x3400, 0xA000..<0xAC00, 0xF900..<0x20000, 0x2F800..<0x2FA20]

    private init() {
        for block in CompositionData.blocks {
            for value in block {
                guard let scalar = Unicode.Scalar(value),
                    UnicodeProperties.isAssigned(scalar.properties, in: UnicodeProperties.compositionVersion)
                else { continue }
                add(scalar)
            }
        }
        for composition in compositions {
            records[composition.second, default: .init(combiningClass: 0, decomposition: [], isActive: true)]
                .isActive = true
        }
        // Vowels and trailing consonants join the syllable before them.
        for jamo in [UInt32(0x1161)...0x1175, 0x11A8...0x11C2].joined() {
            records[jamo] = .init(combiningClass: 0, decomposition: [], isActive: true)
        }
    }

    private mutating func add(_ scalar: Unicode.Scalar) {
        let text = String(scalar)
        let decomposed = text.decomposedStringWithCanonicalMapping.unicodeScalars.map(\.value)
        let composed = text.precomposedStringWithCanonicalMapping.unicodeScalars.map(\.value)
        let combiningClass = scalar.properties.canonicalCombiningClass.rawValue
        let isItself = decomposed == [scalar.value]
        let isStable = composed == [scalar.value]
        guard !isItself || combiningClass != 0 else { return }
        records[scalar.value] = .init(
            combiningClass: combiningClass, decomposition: isItself ? [] : decomposed,
            isActive: combiningClass != 0 || !isStable)
        guard !isItself, isStable, let second = decomposed.last else { return }
        var prefix = String.UnicodeScalarView()
        for value in decomposed.dropLast() { if let part = Unicode.Scalar(value) { prefix.append(part) } }
        let first = String(prefix).precomposedStringWithCanonicalMapping.unicodeScalars
        if first.count == 1, let first = first.first {
            compositions.append(.init(first: first.value, second: second, composite: scalar.value))
        }
    }
}
