import Checkpoints
import Tokenization

/// Compiles the steps of a pre-tokenizer into stages, one automaton each.
enum PreTokenizerCompiler {
    /// GPT-2's pattern, which the byte-level step brings along.
    static let byteLevelPattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    private struct Stage {
        var automaton: PatternAutomaton
        var behavior: TokenizerLayout.Behavior
        var isInverted: Bool
    }

    /// Sets the section's stage tables.
    static func add(
        _ steps: [TokenizerDefinition.PreTokenizer], to section: inout TokenizerSection
    ) throws(TokenizerLoweringError) {
        var stages: [Stage] = []
        for step in steps { if let stage = try stage(for: step) { stages.append(stage) } }
        guard stages.count <= TokenizerLayout.maximumStages else {
            throw .unsupported(feature: "a pre-tokenizer of \(stages.count) steps")
        }
        var records: [UInt32] = []
        var index: [UInt16] = []
        var pages: [UInt8] = []
        var transitions: [UInt16] = []
        for stage in stages {
            let automaton = stage.automaton
            let table = ScalarPages(automaton.classes)
            records += [
                stage.behavior.rawValue, stage.isInverted ? 1 : 0, UInt32(automaton.classCount),
                UInt32(automaton.stateCount), UInt32(pages.count / 256), UInt32(table.values.count / 256),
                UInt32(transitions.count), 0,
            ]
            index += table.index
            pages += table.values
            transitions += automaton.transitions.map { UInt16($0.next) | ($0.isMatch ? TokenizerLayout.matched : 0) }
        }
        section.set(.stages, records)
        section.set(.classIndex, index)
        section.set(.classPages, pages)
        section.set(.transitions, transitions)
    }

    private static func stage(
        for step: TokenizerDefinition.PreTokenizer
    ) throws(TokenizerLoweringError) -> Stage? {
        switch step {
        case .split(let pattern, let behavior, let isInverted):
            let automaton: PatternAutomaton
            switch pattern {
            case .regularExpression(let text):
                automaton = try PatternAutomaton(try PatternParser.parse(text), pattern: text)
            case .literal(let text):
                automaton = try PatternAutomaton(PatternNode(literal: text), pattern: text)
            }
            return Stage(automaton: automaton, behavior: compiled(behavior), isInverted: isInverted)
        case .digits(let individual):
            return Stage(
                automaton: try PatternAutomaton(.set(UnicodeProperties.numeric), pattern: "digits"),
                behavior: individual ? .isolated : .contiguous, isInverted: false)
        case .byteLevel(let addsPrefixSpace, let usesPattern):
            guard !addsPrefixSpace else {
                throw .unsupported(feature: "a space put before the text (add_prefix_space)")
            }
            guard usesPattern else { return nil }
            let pattern = byteLevelPattern
            return Stage(
                automaton: try PatternAutomaton(try PatternParser.parse(pattern), pattern: pattern),
                behavior: .isolated, isInverted: false)
        }
    }

    private static func compiled(_ behavior: TokenizerDefinition.SplitBehavior) -> TokenizerLayout.Behavior {
        switch behavior {
        case .isolated: .isolated
        case .removed: .removed
        case .mergedWithPrevious: .mergedWithPrevious
        case .mergedWithNext: .mergedWithNext
        case .contiguous: .contiguous
        }
    }
}
