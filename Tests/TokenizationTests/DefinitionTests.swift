import Testing

@testable import Checkpoints

/// Facts beside the vocabulary: beginning, ends, template.
@Suite struct DefinitionTests {
    private func definition(
        config: String = "{}", generation: String = "{}", tokenizer: String = "{}", template: String? = nil
    ) throws -> TokenizerDefinition {
        try TokenizerDefinition(
            tokenizer: try json("qwen.json"), tokenizerConfig: try JSON.parse(tokenizer),
            generationConfig: try JSON.parse(generation), config: try JSON.parse(config), chatTemplate: template)
    }

    @Test func endsOfGenerationComeFromAllFiles() throws {
        #expect(try definition().endOfGeneration.isEmpty)
        #expect(try definition(config: #"{"eos_token_id": 2500}"#).endOfGeneration == [2500])
        #expect(
            try definition(
                config: #"{"eos_token_id": [2500]}"#, generation: #"{"eos_token_id": [2502, 2500]}"#,
                tokenizer: #"{"eos_token": {"content": "<|im_start|>"}}"#
            ).endOfGeneration == [2500, 2501, 2502])
    }

    @Test func idsOfPaddedRowsAreNoEnds() throws {
        #expect(try definition(config: #"{"eos_token_id": [2500, 99999]}"#).endOfGeneration == [2500])
        #expect(throws: CheckpointError.self) { try definition(config: #"{"eos_token_id": -1}"#) }
        #expect(throws: CheckpointError.self) { try definition(config: #"{"eos_token_id": "x"}"#) }
    }

    @Test func beginningComesFromTheTokenizerFirst() throws {
        #expect(try definition().beginningOfSequence == nil)
        #expect(try definition(config: #"{"bos_token_id": 2500}"#).beginningOfSequence == 2500)
        let both = try definition(config: #"{"bos_token_id": 2500}"#, tokenizer: #"{"bos_token": "<|im_start|>"}"#)
        #expect(both.beginningOfSequence == 2501)
        #expect(!both.addsBeginningOfSequence)
    }

    @Test func templateIsTheFilesOrTheDefaultOne() throws {
        #expect(try definition(tokenizer: #"{"chat_template": "a"}"#).chatTemplate == "a")
        #expect(try definition(tokenizer: #"{"chat_template": "a"}"#, template: "b").chatTemplate == "b")
        let list = #"{"chat_template": [{"name": "x", "template": "1"}, {"name": "default", "template": "2"}]}"#
        #expect(try definition(tokenizer: list).chatTemplate == "2")
    }

    @Test func llamaStyleBeginsEverySequence() throws {
        let definition = try TokenizerDefinition(
            tokenizer: try json("llama.json"), tokenizerConfig: try JSON.parse(#"{"bos_token": "<|begin_of_text|>"}"#))
        #expect(definition.ignoresMerges)
        #expect(definition.prefix == [3000])
        #expect(definition.addsBeginningOfSequence)
        #expect(definition.suffix.isEmpty)
    }
}
