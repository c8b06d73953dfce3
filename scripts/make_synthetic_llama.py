#!/usr/bin/env python3
"""Writes a large Llama-shaped checkpoint of random weights, for measuring what size costs: FOLDER as transformers
writes it (sharded bfloat16 safetensors, config.json, tokenizer.json) and, with --gguf, the same weights as GGUF in F16.

The shape is TinyLlama-1.1B's; --layers makes a smaller one. Weights are normal with the deviation of a trained model's
layers (1 / sqrt(columns)), norm weights lie around 1, and a seed of its own for each tensor gives the same bytes every
time. Both files are written as they come: memory holds a block of rows, or one tensor of the GGUF file. The tokenizer
is byte-level BPE whose merges join pairs of bytes, so that every text has ids below the vocabulary's size.

Needs: numpy; for --gguf the package gguf.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy

from llama_files import paired, safetensors_header

SPECIAL = ["<|begin|>", "<|end|>"]
# Rows that are made at a time: whole heads.
BLOCK = 512


@dataclass(frozen=True)
class Shape:
    """The numbers of a Llama model; TinyLlama-1.1B's where nothing else is said."""

    hidden: int = 2048
    layers: int = 22
    heads: int = 32
    key_heads: int = 4
    feed_forward: int = 5632
    vocabulary: int = 32000
    context: int = 8192
    epsilon: float = 1e-5
    theta: float = 10000.0

    @property
    def key_width(self) -> int:
        return self.hidden // self.heads * self.key_heads


@dataclass(frozen=True)
class Tensor:
    """A tensor by both of its names; one dimension is a norm's."""

    name: str
    gguf_name: str
    dimensions: tuple[int, ...]
    # GGUF orders the rows of its heads otherwise, for the rotary embedding.
    rotated: bool = False

    @property
    def count(self) -> int:
        return math.prod(self.dimensions)


def tensors(shape: Shape) -> list[Tensor]:
    hidden, wide = shape.hidden, shape.feed_forward
    result = [Tensor("model.embed_tokens.weight", "token_embd.weight", (shape.vocabulary, hidden))]
    for layer in range(shape.layers):
        here, there = f"model.layers.{layer}.", f"blk.{layer}."
        result += [
            Tensor(f"{here}input_layernorm.weight", f"{there}attn_norm.weight", (hidden,)),
            Tensor(f"{here}self_attn.q_proj.weight", f"{there}attn_q.weight", (hidden, hidden), rotated=True),
            Tensor(f"{here}self_attn.k_proj.weight", f"{there}attn_k.weight", (shape.key_width, hidden),
                   rotated=True),
            Tensor(f"{here}self_attn.v_proj.weight", f"{there}attn_v.weight", (shape.key_width, hidden)),
            Tensor(f"{here}self_attn.o_proj.weight", f"{there}attn_output.weight", (hidden, hidden)),
            Tensor(f"{here}post_attention_layernorm.weight", f"{there}ffn_norm.weight", (hidden,)),
            Tensor(f"{here}mlp.gate_proj.weight", f"{there}ffn_gate.weight", (wide, hidden)),
            Tensor(f"{here}mlp.up_proj.weight", f"{there}ffn_up.weight", (wide, hidden)),
            Tensor(f"{here}mlp.down_proj.weight", f"{there}ffn_down.weight", (hidden, wide)),
        ]
    result.append(Tensor("model.norm.weight", "output_norm.weight", (hidden,)))
    result.append(Tensor("lm_head.weight", "output.weight", (shape.vocabulary, hidden)))
    return result


def blocks(tensor: Tensor, seed: int) -> Iterator[numpy.ndarray]:
    """The tensor's bfloat16 values as uint16, some rows at a time: `BLOCK` of them but for the last."""
    # The name, not the place, picks the numbers: shards and files agree, whatever their order.
    random = numpy.random.default_rng([seed, *tensor.name.encode()])
    *rows, columns = tensor.dimensions
    left = rows[0] if rows else 1
    while left > 0:
        count = min(BLOCK, left)
        left -= count
        values = random.standard_normal((count, columns), dtype=numpy.float32)
        if rows:
            values *= numpy.float32(1 / math.sqrt(columns))
        else:
            values *= numpy.float32(0.1)
            values += 1
        wide = values.view(numpy.uint32)
        # Rounds to the nearest; the values are far from infinity.
        wide += 0x7FFF + ((wide >> 16) & 1)
        yield (wide >> 16).astype(numpy.uint16)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_shards(folder: Path, every: list[Tensor], limit: int, seed: int) -> None:
    shards: list[list[Tensor]] = [[]]
    for tensor in every:
        if shards[-1] and 2 * (sum(each.count for each in shards[-1]) + tensor.count) > limit:
            shards.append([])
        shards[-1].append(tensor)
    names = [f"model-{index + 1:05}-of-{len(shards):05}.safetensors" for index in range(len(shards))]
    for name, shard in zip(names, shards):
        with open(folder / name, "wb") as file:
            file.write(safetensors_header({tensor.name: tensor.dimensions for tensor in shard}))
            for tensor in shard:
                for block in blocks(tensor, seed):
                    block.tofile(file)
    write_json(folder / "model.safetensors.index.json", {
        "metadata": {"total_size": sum(2 * tensor.count for tensor in every)},
        "weight_map": {tensor.name: name for name, shard in zip(names, shards) for tensor in shard},
    })


def byte_alphabet() -> list[str]:
    """The 256 printable stand-ins of byte-level BPE, in the order of the bytes that they stand for."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(0x100, 0x200))
    return [chr(byte) if byte in plain else chr(next(shifted)) for byte in range(256)]


def vocabulary(count: int) -> tuple[list[str], list[tuple[str, str]]]:
    """`count` tokens, the special ones last, and the merges."""
    letters = byte_alphabet()
    needed = count - len(letters) - len(SPECIAL)
    if not 0 <= needed <= len(letters) ** 2:
        raise SystemExit(f"make_synthetic_llama: a vocabulary of {count} is none that pairs of bytes make")
    merges = [(letters[index // 256], letters[index % 256]) for index in range(needed)]
    return letters + [left + right for left, right in merges] + SPECIAL, merges


def write_tokenizer(folder: Path, shape: Shape) -> None:
    tokens, merges = vocabulary(shape.vocabulary)
    added = [
        {"id": len(tokens) - len(SPECIAL) + index, "content": text, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False, "special": True}
        for index, text in enumerate(SPECIAL)
    ]
    write_json(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens[: -len(SPECIAL)])}, "merges": merges,
        },
    })
    write_json(folder / "tokenizer_config.json", {
        "add_bos_token": False, "bos_token": SPECIAL[0], "eos_token": SPECIAL[1],
        "model_max_length": shape.context, "tokenizer_class": "PreTrainedTokenizerFast",
    })


def write_folder(folder: Path, shape: Shape, limit: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_shards(folder, tensors(shape), limit, seed)
    write_json(folder / "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False,
        "bos_token_id": shape.vocabulary - 2, "eos_token_id": shape.vocabulary - 1,
        "hidden_act": "silu", "hidden_size": shape.hidden, "intermediate_size": shape.feed_forward,
        "max_position_embeddings": shape.context, "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers, "num_key_value_heads": shape.key_heads, "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "vocab_size": shape.vocabulary,
    })
    write_tokenizer(folder, shape)


def write_gguf(path: Path, shape: Shape, seed: int) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("synthetic")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    tokens, merges = vocabulary(shape.vocabulary)
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL)) + [gguf.TokenType.CONTROL] * len(SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_bos_token_id(shape.vocabulary - 2)
    writer.add_eos_token_id(shape.vocabulary - 1)
    writer.add_add_bos_token(False)
    every = tensors(shape)
    for tensor in every:
        kind = numpy.float32 if len(tensor.dimensions) == 1 else numpy.float16
        writer.add_tensor_info(
            tensor.gguf_name, tensor.dimensions, numpy.dtype(kind), tensor.count * numpy.dtype(kind).itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in every:
        norm = len(tensor.dimensions) == 1
        data = numpy.empty(tensor.dimensions, numpy.float32 if norm else numpy.float16)
        place = data.reshape(-1, tensor.dimensions[-1])
        for index, block in enumerate(blocks(tensor, seed)):
            values = (block.astype(numpy.uint32) << 16).view(numpy.float32)
            if tensor.rotated:
                values = paired(values, len(values) * shape.heads // shape.hidden)
            place[index * BLOCK : index * BLOCK + len(values)] = values
        writer.write_tensor_data(data)
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gguf", type=Path, help="also write this file")
    parser.add_argument("--layers", type=int, default=Shape.layers)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard-bytes", type=int, default=1 << 29, help="weights of a shard at most")
    options = parser.parse_args()
    shape = Shape(layers=options.layers)
    write_folder(options.folder, shape, options.shard_bytes, options.seed)
    if options.gguf:
        write_gguf(options.gguf, shape, options.seed)


if __name__ == "__main__":
    main()
