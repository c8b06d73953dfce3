#!/usr/bin/env python3
"""Makes the tiny random checkpoints and their golden logits for Tests/CompilerTests.

Every checkpoint is a directory as transformers writes it (safetensors, config.json, tokenizer files) with, where the
family has one, the same weights as `model.gguf`. Beside the weights lie

  golden.bin   little-endian f32 logits of every position of every prompt, one prompt after the other
  golden.json  {versions, prompts: [[ids]], shape: [positions, vocabulary], dtype}

computed by transformers with eager attention in float32. `quantized` holds a GGUF file alone, whose tensors mix every
block type that is read; its logits are those of the weights that the `gguf` package dequantizes.

Needs: torch, transformers, tokenizers, gguf, numpy. The same versions write the same bytes.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import gguf
import numpy
import tokenizers
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

RESOURCES = Path(__file__).resolve().parent.parent / "Tests" / "CompilerTests" / "Resources"

VERSIONS = {
    "python": ".".join(map(str, sys.version_info[:3])),
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "tokenizers": tokenizers.__version__,
    "gguf": __import__("importlib.metadata").metadata.version("gguf"),
    "numpy": numpy.__version__,
}

# 256 bytes, the merges, the special tokens: 275, which is no multiple of any vector width.
MERGES = [
    ("Ġ", "t"), ("h", "e"), ("i", "n"), ("e", "r"), ("Ġ", "a"), ("o", "n"), ("r", "e"), ("Ġt", "he"),
    ("in", "g"), ("Ġ", "Ġ"), ("a", "t"), ("Ã", "©"), ("ĠĠ", "ĠĠ"), ("1", "2"), ("Ċ", "Ċ"), ("s", "t"),
]
SPECIAL = ["<|begin|>", "<|end|>", "<|turn|>"]
VOCABULARY = 256 + len(MERGES) + len(SPECIAL)
BEGIN, END, TURN = range(VOCABULARY - 3, VOCABULARY)

SHORT = (1, 1, 2, 3, 4, 5, 6, 8, 11, 19)
LONG = (1, 2, 3, 4, 5, 7, 9, 13, 17, 40)

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|turn|>' + message['role'] + '\n' + message['content'] + '<|end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|turn|>assistant\n' }}{% endif %}"
)


def byte_alphabet():
    """The 256 printable stand-ins of byte-level BPE, in the order of the bytes that they stand for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(0x100, 0x200))
    return [chr(byte) if byte in plain else chr(next(shifted)) for byte in range(256)]


def make_tokenizer(style):
    """A byte-level BPE tokenizer with the pre-tokenizer and normalizer of a family."""
    tokens = byte_alphabet() + [left + right for left, right in MERGES]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=MERGES, ignore_merges=style == "llama-bpe"))
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=False)
    if style == "smollm":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
        ])
    elif style == "llama-bpe":
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(LLAMA3_SPLIT), "isolated"), bytes_only])
    elif style == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"), bytes_only])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=True, trim_offsets=True, use_regex=True)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    assert tokenizer.get_vocab_size() == VOCABULARY and tokenizer.token_to_id("<|turn|>") == TURN
    return tokenizer, tokens + SPECIAL


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(folder, style):
    tokenizer, tokens = make_tokenizer(style)
    (folder / "tokenizer.json").write_text(
        json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    begin = style != "qwen2"
    write_json(folder / "tokenizer_config.json", {
        "added_tokens_decoder": {
            str(BEGIN + index): {
                "content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                "special": True,
            } for index, text in enumerate(SPECIAL)
        },
        "add_bos_token": style == "llama-bpe",
        "bos_token": SPECIAL[0] if begin else None,
        "eos_token": SPECIAL[1],
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 128,
        "tokenizer_class": "PreTrainedTokenizerFast",
    })
    # A list, as instruction-tuned models have it: either id ends generation.
    write_json(folder / "generation_config.json", {
        "bos_token_id": BEGIN, "eos_token_id": [END, TURN], "transformers_version": transformers.__version__,
    })
    return tokens


def prompts(seed, lengths):
    generator = numpy.random.default_rng(seed)
    return [generator.integers(0, VOCABULARY, length).tolist() for length in lengths]


def randomize(model, seed, dtype):
    """Norm weights around 1 and biases away from 0, so that a forgotten one changes the logits; `dtype` holds all."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if name.endswith("bias"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
            elif "norm" in name:
                parameter.copy_(1 + torch.randn(parameter.shape, generator=generator) * 0.2)
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
            parameter.copy_(parameter.to(dtype))


def logits(model, ids):
    with torch.no_grad():
        rows = model(torch.tensor([ids]), use_cache=False).logits[0]
    return rows.to(torch.float32).numpy()


def load_float32(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def write_golden(folder, model, ids):
    rows = numpy.concatenate([logits(model, prompt) for prompt in ids]).astype("<f4")
    assert numpy.isfinite(rows).all() and rows.std() > 0.3, "the logits say nothing"
    (folder / "golden.bin").write_bytes(rows.tobytes())
    lines = ",\n  ".join(json.dumps(prompt) for prompt in ids)
    (folder / "golden.json").write_text(
        "{\n"
        f' "versions": {json.dumps(VERSIONS)},\n'
        f' "shape": {json.dumps(list(rows.shape))},\n'
        ' "dtype": "f32",\n'
        f' "prompts": [\n  {lines}\n ]\n'
        "}\n", encoding="utf-8")
    return rows


def use_older_rope_keys(folder, legacy_type_key=False):
    """Rewrites `rope_parameters` as `rope_theta` and `rope_scaling`, as files before transformers 5 have them."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    kind = parameters.pop("rope_type")
    config["rope_scaling"] = None
    if kind != "default":
        config["rope_scaling"] = {**parameters, "type" if legacy_type_key else "rope_type": kind}
    config["torch_dtype"] = config.pop("dtype")
    write_json(path, config)


# MARK: GGUF


def permute(weight, heads):
    """Rows of Q and K in the order that GGUF's llama family has: rotary pairs side by side, not half a head apart."""
    rows = weight.shape[0]
    return (weight.reshape(heads, 2, rows // heads // 2, *weight.shape[1:])
            .swapaxes(1, 2).reshape(weight.shape))


def unpermute(weight, heads):
    rows = weight.shape[0]
    return (weight.reshape(heads, rows // heads // 2, 2, *weight.shape[1:])
            .swapaxes(1, 2).reshape(weight.shape))


NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    if name in NAMES:
        return NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    stem, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER_NAMES[stem]}.{kind}"


def llama3_factors(config, head):
    """What the converter stores as rope_freqs.weight: the divisor of each rotary frequency."""
    rope = config.rope_parameters
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    context = rope["original_max_position_embeddings"]
    divisors = []
    for index in range(0, head, 2):
        wavelength = 2 * numpy.pi * rope["rope_theta"] ** (index / head)
        if wavelength < context / high:
            divisors.append(1)
        elif wavelength > context / low:
            divisors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    assert len({1, factor} & set(divisors)) == 2 and len(set(divisors)) > 2, "every branch of the scaling"
    return numpy.array(divisors, dtype=numpy.float32)


def write_gguf(path, model, tokens, pre, choose):
    """Writes the model as llama.cpp's converter does; `choose(name, shape)` says the type of a matrix."""
    config = model.config
    family = "llama" if config.model_type == "llama" else config.model_type
    head = config.head_dim if getattr(config, "head_dim", None) else config.hidden_size // config.num_attention_heads
    writer = gguf.GGUFWriter(path, family)
    writer.add_name(path.parent.name)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if family == "llama":
        writer.add_rope_dimension_count(head)
    if head * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(head)
        writer.add_value_length(head)
    if config.rope_parameters["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL)) + [gguf.TokenType.CONTROL] * len(SPECIAL)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in MERGES])
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_eot_token_id(TURN)
    writer.add_add_bos_token(pre == "llama-bpe")
    writer.add_chat_template(CHAT_TEMPLATE)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    # The converter's place for it: before the layers.
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config, head))
    stored = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        value = tensor.to(torch.float32).numpy()
        if family == "llama" and ".q_proj." in name:
            value = permute(value, config.num_attention_heads)
        elif family == "llama" and ".k_proj." in name:
            value = permute(value, config.num_key_value_heads)
        kind = Type.F32 if value.ndim == 1 else choose(gguf_name(name), value.shape)
        data = gguf.quants.quantize(value, kind)
        back = gguf.quants.dequantize(data, kind).reshape(value.shape).astype(numpy.float32)
        if family == "llama" and ".q_proj." in name:
            back = unpermute(back, config.num_attention_heads)
        elif family == "llama" and ".k_proj." in name:
            back = unpermute(back, config.num_key_value_heads)
        stored[name] = torch.from_numpy(back.copy())
        writer.add_tensor(gguf_name(name), data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return stored


# MARK: Checkpoints

COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=BEGIN, eos_token_id=END,
    attn_implementation="eager",
)

# name: (class, config, stored type, shards of, pre-tokenizer, older RoPE keys, GGUF type or None, prompt lengths)
CHECKPOINTS = {
    # Newer keys, default RoPE, tied head, head_dim = hidden / heads.
    "llama": (LlamaForCausalLM, LlamaConfig(**COMMON | dict(
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0})),
        torch.float32, None, "smollm", None, Type.F32, SHORT),
    # Older keys (the newer ones beside them in config.newer.json), three shards, Llama 3's scaling with all of its three branches inside one head.
    "llama3": (LlamaForCausalLM, LlamaConfig(**COMMON | dict(
        head_dim=16, tie_word_embeddings=False,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 64})),
        torch.bfloat16, "40KB", "llama-bpe", "rope_type", Type.BF16, LONG),
    # Older keys with the oldest name of the scaling's type.
    "llama_linear": (LlamaForCausalLM, LlamaConfig(**COMMON | dict(
        num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
        rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0})),
        torch.float16, None, "smollm", "type", Type.F16, SHORT),
    # No GGUF: llama.cpp's converter drops the window. 40 positions are past it.
    "mistral": (MistralForCausalLM, MistralConfig(**COMMON | dict(
        head_dim=16, tie_word_embeddings=False, sliding_window=16,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0})),
        torch.bfloat16, None, "llama-bpe", None, None, LONG),
    # Biases; an intermediate size that fills no whole group of 32; a window that is written but not in use.
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**COMMON | dict(
        num_attention_heads=2, num_key_value_heads=1, intermediate_size=80, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})),
        torch.bfloat16, None, "qwen2", "rope_type", Type.BF16, SHORT),
    # QK-norm; heads wider than hidden / heads.
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**COMMON | dict(
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0})),
        torch.bfloat16, None, "qwen2", None, Type.BF16, SHORT),
}

MIXED = [Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0, Type.F16, Type.BF16, Type.F32]


def mixed_types():
    """Deals the types out over the matrices in turn, so that streams of one input mix them too."""
    dealt = iter(MIXED * 8)
    return lambda name, shape: Type.Q8_0 if name == "token_embd.weight" else next(dealt)


def make(name, number):
    kind, config, dtype, shards, pre, older, gguf_type, lengths = CHECKPOINTS[name]
    folder = RESOURCES / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.manual_seed(number)
    model = kind(config).eval()
    randomize(model, 1000 + number, dtype)
    ids = prompts(2000 + number, lengths)
    # Before the cast, which would round the rotary frequencies too.
    direct = numpy.concatenate([logits(model, prompt) for prompt in ids])
    model = model.to(dtype)
    model.save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    if older:
        if shards:
            shutil.copyfile(folder / "config.json", folder / "config.newer.json")
        use_older_rope_keys(folder, legacy_type_key=older == "type")
    if name == "qwen2":
        # As published Qwen2 checkpoints have it; transformers itself would write null.
        path = folder / "config.json"
        write_json(path, json.loads(path.read_text()) | {"sliding_window": 8, "use_sliding_window": False})
    tokens = write_tokenizer(folder, pre)

    reloaded = load_float32(folder)
    rows = write_golden(folder, reloaded, ids)
    assert numpy.abs(direct - rows).max() < 1e-4, "the files do not say what the model is"

    if gguf_type is not None:
        state = write_gguf(folder / "model.gguf", reloaded, tokens, pre, lambda _name, _shape: gguf_type)
        for key, value in reloaded.state_dict().items():
            if key in state:
                assert torch.equal(state[key], value), f"{key} is not exact in {gguf_type.name}"


def make_quantized(number):
    folder = RESOURCES / "quantized"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Wider than one group of 32, so that a row holds several blocks.
    model = LlamaForCausalLM(LlamaConfig(**COMMON | dict(
        hidden_size=64, intermediate_size=96, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}))).eval()
    randomize(model, 1000 + number, torch.float32)
    _, tokens = make_tokenizer("smollm")
    ids = prompts(2000 + number, SHORT)
    state = write_gguf(folder / "model.gguf", model, tokens, "smollm", mixed_types())
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    before = numpy.concatenate([logits(model, prompt) for prompt in ids])
    model.load_state_dict(state)
    after = write_golden(folder, model, ids)
    assert numpy.abs(after - before).max() > 0.01, "nothing was quantized"


def main():
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    for number, name in enumerate(CHECKPOINTS):
        make(name, number)
    make_quantized(len(CHECKPOINTS))
    total = 0
    for folder in sorted(path for path in RESOURCES.iterdir() if path.is_dir()):
        size = sum(path.stat().st_size for path in folder.iterdir())
        total += size
        print(f"{folder.name:14}{size:9}")
    print(f"{'total':14}{total:9}")


if __name__ == "__main__":
    main()
