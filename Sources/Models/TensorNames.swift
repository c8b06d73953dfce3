/// What the two checkpoint formats call the tensors of the common decoder shape.
struct TensorNames {
    /// A part of one layer.
    enum Part {
        case mixerNorm, query, key, value, attentionOutput, queryNorm, keyNorm
        case feedForwardNorm, gate, up, down
    }

    let isGGUF: Bool

    var embedding: String { isGGUF ? "token_embd.weight" : "model.embed_tokens.weight" }
    var head: String { isGGUF ? "output.weight" : "lm_head.weight" }
    var finalNorm: String { isGGUF ? "output_norm.weight" : "model.norm.weight" }
    /// Divisors of the rotary frequencies; only GGUF stores them.
    var rotaryFactors: String { "rope_freqs.weight" }

    func weight(_ part: Part, _ layer: Int) -> String { "\(prefix(part, layer)).weight" }
    func bias(_ part: Part, _ layer: Int) -> String { "\(prefix(part, layer)).bias" }

    private func prefix(_ part: Part, _ layer: Int) -> String {
        if isGGUF {
            let name =
                switch part {
                case .mixerNorm: "attn_norm"
                case .query: "attn_q"
                case .key: "attn_k"
                case .value: "attn_v"
                case .attentionOutput: "attn_output"
                case .queryNorm: "attn_q_norm"
                case .keyNorm: "attn_k_norm"
                case .feedForwardNorm: "ffn_norm"
                case .gate: "ffn_gate"
                case .up: "ffn_up"
                case .down: "ffn_down"
                }
            return "blk.\(layer).\(name)"
        }
        let name =
            switch part {
            case .mixerNorm: "input_layernorm"
            case .query: "self_attn.q_proj"
            case .key: "self_attn.k_proj"
            case .value: "self_attn.v_proj"
            case .attentionOutput: "self_attn.o_proj"
            case .queryNorm: "self_attn.q_norm"
            case .keyNorm: "self_attn.k_norm"
            case .feedForwardNorm: "post_attention_layernorm"
            case .gate: "mlp.gate_proj"
            case .up: "mlp.up_proj"
            case .down: "mlp.down_proj"
            }
        return "model.layers.\(layer).\(name)"
    }
}
