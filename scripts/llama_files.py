"""Checkpoints of the Llama family, from GGUF's names and order to those of transformers.

Everything here takes a `gguf.GGUFReader`. Needs: numpy; for what it says in its place, gguf and tokenizers.
"""

import json
import struct
from collections.abc import Mapping, Sequence

import numpy

# Names within a layer: GGUF's behind `blk.N.`, those of transformers behind `model.layers.N.`.
LAYER_NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def paired(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """The rows of queries or keys as GGUF orders them: the two halves of a rotated pair side by side."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def unpaired(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """The same rows as transformers orders them: the halves apart."""
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def transformers_name(name: str) -> str:
    """What transformers calls a tensor of GGUF's."""
    if not name.startswith("blk."):
        stem, kind = name.split(".")
        return f"{NAMES[stem]}.{kind}"
    _, layer, stem, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER_NAMES[stem]}.{kind}"


def fields(reader) -> dict:
    """The metadata of the file."""
    return {name: entry.contents() for name, entry in reader.fields.items()}


def rotated_heads(name: str, field: Mapping) -> int | None:
    """The heads of a matrix, by GGUF's name, whose rows the two orders have in different places."""
    keys = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
    stem = name.split(".")[-2]
    return field[keys[stem]] if stem in keys else None


def configuration(reader) -> dict:
    """What config.json says of the model."""
    field = fields(reader)
    if field["general.architecture"] != "llama" or "llama.rope.scaling.type" in field:
        raise ValueError(f"{field['general.architecture']}, or a scaled rotary embedding: not read here")
    ids = {name: field[f"tokenizer.ggml.{name}_token_id"] for name in ("bos", "eos", "padding")}
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False,
        "hidden_act": "silu", "vocab_size": len(field["tokenizer.ggml.tokens"]),
        "hidden_size": field["llama.embedding_length"], "intermediate_size": field["llama.feed_forward_length"],
        "num_hidden_layers": field["llama.block_count"],
        "num_attention_heads": field["llama.attention.head_count"],
        "num_key_value_heads": field["llama.attention.head_count_kv"],
        "max_position_embeddings": field["llama.context_length"],
        # The file has the float32 nearest to 1e-5; the digits that were meant name the same number there.
        "rms_norm_eps": float(f"{field['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_parameters": {"rope_type": "default", "rope_theta": field["llama.rope.freq_base"]},
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        "bos_token_id": ids["bos"], "eos_token_id": ids["eos"], "pad_token_id": ids["padding"],
    }


def weights(reader) -> dict[str, numpy.ndarray]:
    """Every tensor in float32, dequantized by the `gguf` package, named and ordered as transformers has them."""
    import gguf

    field, result = fields(reader), {}
    for tensor in reader.tensors:
        value = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        value = value.reshape([int(size) for size in reversed(tensor.shape)])
        heads = rotated_heads(tensor.name, field)
        result[transformers_name(tensor.name)] = value if heads is None else unpaired(value, heads)
    return result


def tokenizer(reader):
    """The file's vocabulary as a `tokenizers.Tokenizer`, with the pre-tokenizer that its name `smollm` stands for."""
    import gguf
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    field = fields(reader)
    if (field["tokenizer.ggml.model"], field["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        raise ValueError(f"the tokenizer {field['tokenizer.ggml.pre']} is not rebuilt here")
    tokens = field["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in field["tokenizer.ggml.merges"]]
    result = Tokenizer(models.BPE(vocab={token: index for index, token in enumerate(tokens)}, merges=merges))
    result.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
    ])
    result.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    kinds = field["tokenizer.ggml.token_type"]
    for wanted, special in ((gguf.TokenType.CONTROL, True), (gguf.TokenType.USER_DEFINED, False)):
        result.add_tokens([AddedToken(token, special=special, normalized=False)
                           for token, kind in zip(tokens, kinds) if kind == wanted])
    return result


def tokenizer_settings(reader) -> dict:
    """What tokenizer_config.json says beside tokenizer.json."""
    field = fields(reader)
    tokens = field["tokenizer.ggml.tokens"]
    names = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
    return {
        **{f"{name}_token": tokens[field[f"tokenizer.ggml.{key}_token_id"]] for name, key in names.items()},
        "add_bos_token": field["tokenizer.ggml.add_bos_token"],
        "chat_template": field["tokenizer.chat_template"], "clean_up_tokenization_spaces": False,
        "model_max_length": field["llama.context_length"],
    }


def safetensors_header(shapes: Mapping[str, Sequence[int]]) -> bytes:
    """What stands before the values in a safetensors file of bfloat16 tensors that lie in the given order."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        end = offset + 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text
