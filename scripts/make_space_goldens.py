#!/usr/bin/env python3
"""Makes Tests/CompilerTests/Resources/space: masks for the tiny Llama of make_shared_attention_goldens.py, and what it names there.

  masks.safetensors  three masks with changes of every matrix (formats/space.md)
  golden.bin         little-endian f64 logits of the masks of every group, group after group
  golden.json        {versions, tokens: [ids], anchors: [positions that a group stands behind]}

computed here in float64 as the method is defined, group by group: what stands before it is the model's own, its rows have the
changed matrices. Tokens before a group are asserted to give what they give without it.

Needs: numpy. The same version writes the same bytes.
"""

import json
import pathlib
import platform

import numpy as np

import make_shared_attention_goldens as tiny

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests/CompilerTests/Resources/space"
PLACES, RANK, ANCHORS = 3, 4, [0, 6, 29, 46]
MATRICES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
            "mlp.down_proj")


def half(values):
    """Values that float16 holds, which is what plans keep of masks."""
    return values.astype(np.float16).astype(np.float64)


def make_masks(random, weights):
    tensors = {"masks.weight": half(tiny.matrix(random, PLACES, tiny.HIDDEN) * 6.0)}
    for layer in range(tiny.LAYERS):
        for part in MATRICES:
            name = f"model.layers.{layer}.{part}"
            rows, columns = weights[f"{name}.weight"].shape
            tensors[f"{name}.lora_A.weight"] = half(tiny.matrix(random, RANK, columns))
            tensors[f"{name}.lora_B.weight"] = half(tiny.matrix(random, rows, RANK))
    return tensors


def logits(weights, masks, tokens):
    """Of tokens and a group of masks behind them."""
    x = np.concatenate([weights["model.embed_tokens.weight"][tokens], masks["masks.weight"]])
    count, first = len(x), len(tokens)
    seen = np.tril(np.ones((count, count), bool))
    for layer in range(tiny.LAYERS):
        def product(x, part):
            name = f"model.layers.{layer}.{part}"
            y = x @ weights[f"{name}.weight"].T
            y[first:] += x[first:] @ masks[f"{name}.lora_A.weight"].T @ masks[f"{name}.lora_B.weight"].T
            return y
        normed = tiny.normalize(x)
        repeats = tiny.HEADS // tiny.KEY_HEADS
        queries = tiny.rotate(product(normed, "self_attn.q_proj").reshape(count, tiny.HEADS, -1))
        keys = np.repeat(tiny.rotate(product(normed, "self_attn.k_proj").reshape(count, tiny.KEY_HEADS, -1)), repeats, 1)
        values = np.repeat(product(normed, "self_attn.v_proj").reshape(count, tiny.KEY_HEADS, -1), repeats, 1)
        scores = np.einsum("nhd,mhd->hnm", queries, keys) / np.sqrt(tiny.DIMENSIONS)
        shares = tiny.softmax(np.where(seen, scores, -np.inf))
        x = x + product(np.einsum("hnm,mhd->nhd", shares, values).reshape(count, -1), "self_attn.o_proj")
        normed = tiny.normalize(x)
        gate = product(normed, "mlp.gate_proj")
        x = x + product(gate / (1 + np.exp(-gate)) * product(normed, "mlp.up_proj"), "mlp.down_proj")
    return tiny.normalize(x) @ weights["lm_head.weight"].T


def main():
    random = np.random.default_rng(2024)
    weights = tiny.make_weights(random)
    tokens = random.integers(0, tiny.VOCABULARY, tiny.TOKENS)
    masks = make_masks(np.random.default_rng(2026), weights)
    plain = tiny.logits(weights, tokens, [])
    results = []
    for anchor in ANCHORS:
        result = logits(weights, masks, tokens[:anchor + 1])
        assert np.allclose(result[:anchor + 1], plain[:anchor + 1])
        results.append(result[anchor + 1:])
    FOLDER.mkdir(parents=True, exist_ok=True)
    tiny.write_safetensors(FOLDER / "masks.safetensors", masks)
    (FOLDER / "golden.bin").write_bytes(np.concatenate(results).astype("<f8").tobytes())
    (FOLDER / "golden.json").write_text(json.dumps({
        "versions": {"python": platform.python_version(), "numpy": np.__version__}, "tokens": tokens.tolist(),
        "anchors": ANCHORS,
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
