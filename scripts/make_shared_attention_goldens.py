#!/usr/bin/env python3
"""Makes Tests/CompilerTests/Resources/shared_attention: a tiny random Llama, and its logits with shared attention.

Beside config.json and model.safetensors lie

  golden.bin   little-endian f64 logits of every position, one case after the other
  golden.json  {versions, tokens: [ids], cases: [{name, spans: [{first, last, head_maps: {layer: [heads]}}]}], shape}

computed here in float64 as the method is defined: a receiver weighs its own values with the softmax of the layer before
its span, query head for query head as its head map says. The identities of the method are asserted on the way.

  adapter.safetensors  an adapter (formats/adapter.md) with receivers, replaced matrices and added ones of low rank
  adapter.bin          the logits of the model that it makes, as in golden.bin

Needs: numpy. The same version writes the same bytes.
"""

import json
import pathlib
import platform
import struct

import numpy as np

VOCABULARY, HIDDEN, HEADS, KEY_HEADS, LAYERS, FEED_FORWARD, EPSILON, BASE = 61, 32, 4, 2, 6, 48, 1e-6, 10000.0
DIMENSIONS = HIDDEN // HEADS
TOKENS = 47
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "Tests/CompilerTests/Resources/shared_attention"

CASES = [
    {"name": "dense", "spans": []},
    {"name": "two receivers", "spans": [{"first": 3, "last": 4, "head_maps": {}}]},
    {"name": "two donors, the last layer a receiver", "spans": [
        {"first": 1, "last": 2, "head_maps": {}}, {"first": 5, "last": 5, "head_maps": {}}]},
    {"name": "head maps, many to one", "spans": [
        {"first": 2, "last": 3, "head_maps": {"2": [2, 3, 0, 1], "3": [1, 1, 3, 1]}}]},
]


def matrix(random, rows, columns):
    """A matrix of float32 values, outputs by inputs."""
    return (random.normal(size=(rows, columns)) / np.sqrt(columns)).astype(np.float32).astype(np.float64)


def make_weights(random):
    weights = {"model.embed_tokens.weight": matrix(random, VOCABULARY, HIDDEN) * 6.0,
               "model.norm.weight": np.ones(HIDDEN), "lm_head.weight": matrix(random, VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name, rows, columns in (
                ("self_attn.q_proj", HEADS * DIMENSIONS, HIDDEN), ("self_attn.k_proj", KEY_HEADS * DIMENSIONS, HIDDEN),
                ("self_attn.v_proj", KEY_HEADS * DIMENSIONS, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * DIMENSIONS),
                ("mlp.gate_proj", FEED_FORWARD, HIDDEN), ("mlp.up_proj", FEED_FORWARD, HIDDEN),
                ("mlp.down_proj", HIDDEN, FEED_FORWARD)):
            scale = 2.0 if name.endswith(("q_proj", "k_proj")) else 1.0
            weights[f"{prefix}{name}.weight"] = matrix(random, rows, columns) * scale
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{name}.weight"] = np.ones(HIDDEN)
    return weights


def normalize(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)


def rotate(x):
    half = DIMENSIONS // 2
    angle = np.arange(len(x))[:, None] * BASE ** (-np.arange(half) / half)
    cosine, sine = np.cos(angle)[:, None], np.sin(angle)[:, None]
    first, second = x[..., :half], x[..., half:]
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def softmax(scores):
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def logits(weights, tokens, spans):
    maps = {}
    for span in spans:
        for layer in range(span["first"], span["last"] + 1):
            maps[layer] = span["head_maps"].get(str(layer), list(range(HEADS)))
    x, shares = weights["model.embed_tokens.weight"][tokens], None
    count = len(tokens)
    for layer in range(LAYERS):
        def part(name):
            return weights[f"model.layers.{layer}.{name}.weight"].T
        normed = normalize(x)
        values = np.repeat((normed @ part("self_attn.v_proj")).reshape(count, KEY_HEADS, DIMENSIONS),
                           HEADS // KEY_HEADS, 1)
        if layer not in maps:
            queries = rotate((normed @ part("self_attn.q_proj")).reshape(count, HEADS, DIMENSIONS))
            keys = np.repeat(rotate((normed @ part("self_attn.k_proj")).reshape(count, KEY_HEADS, DIMENSIONS)),
                             HEADS // KEY_HEADS, 1)
            scores = np.einsum("nhd,mhd->hnm", queries, keys) / np.sqrt(DIMENSIONS)
            shares = softmax(np.where(np.tril(np.ones((count, count), bool)), scores, -np.inf))
        used = shares[maps[layer]] if layer in maps else shares
        x = x + np.einsum("hnm,mhd->nhd", used, values).reshape(count, -1) @ part("self_attn.o_proj")
        normed = normalize(x)
        gate = normed @ part("mlp.gate_proj")
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ part("mlp.up_proj"))) @ part("mlp.down_proj")
    return normalize(x) @ weights["lm_head.weight"].T


def check_identities(weights, tokens):
    """A receiver's queries and keys are not used; one that equals its donor gives the dense result."""
    span = [{"first": 3, "last": 4, "head_maps": {}}]
    zeroed = dict(weights)
    for layer in (3, 4):
        for name in ("q_proj", "k_proj"):
            key = f"model.layers.{layer}.self_attn.{name}.weight"
            zeroed[key] = np.zeros_like(weights[key])
    assert np.array_equal(logits(zeroed, tokens, span), logits(weights, tokens, span))
    assert not np.allclose(logits(zeroed, tokens, []), logits(weights, tokens, []))
    # The donor adds nothing to the residual stream, so that the receiver reads what the donor read.
    equal = dict(weights)
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        equal[f"model.layers.2.{name}.weight"] = np.zeros_like(weights[f"model.layers.2.{name}.weight"])
    for name in ("q_proj", "k_proj"):
        equal[f"model.layers.3.self_attn.{name}.weight"] = weights[f"model.layers.2.self_attn.{name}.weight"]
    assert np.array_equal(
        logits(equal, tokens, [{"first": 3, "last": 3, "head_maps": {}}]), logits(equal, tokens, []))


def make_adapter(random, weights):
    """The adapter's tensors in float32, and the weights that it makes."""
    tensors, changed = {}, dict(weights)
    for layer, part in ((0, "self_attn.q_proj"), (0, "self_attn.k_proj"), (1, "mlp.gate_proj"), (3, "self_attn.v_proj"),
                        (3, "mlp.up_proj"), (5, "mlp.down_proj"), (5, "self_attn.o_proj")):
        name = f"model.layers.{layer}.{part}"
        rows, columns = weights[f"{name}.weight"].shape
        a, b = matrix(random, 3, columns), matrix(random, rows, 3)
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
        changed[f"{name}.weight"] = weights[f"{name}.weight"] + b @ a
    for layer in (3, 4):
        name = f"model.layers.{layer}.self_attn.o_proj.weight"
        tensors[name] = changed[name] = matrix(random, *weights[name].shape)
    return tensors, changed


def write_safetensors(path, tensors, metadata=None):
    header, data = {"__metadata__": metadata} if metadata else {}, b""
    for name, values in tensors.items():
        stored = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(stored)]}
        data += stored
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    random = np.random.default_rng(2024)
    weights = make_weights(random)
    tokens = random.integers(0, VOCABULARY, TOKENS)
    check_identities(weights, tokens)
    results = [logits(weights, tokens, case["spans"]) for case in CASES]
    for result in results[1:]:
        assert np.abs(result - results[0]).max() > 0.1, "a case that differs too little from the dense one"
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_safetensors(FOLDER / "model.safetensors", weights)
    adapter, changed = make_adapter(np.random.default_rng(2025), weights)
    receivers = [{"layer": 3, "donor": 2, "head_map": [2, 3, 0, 1]}, {"layer": 4, "donor": 2, "head_map": [1, 1, 3, 1]}]
    span = {"first": 3, "last": 4, "head_maps": {str(each["layer"]): each["head_map"] for each in receivers}}
    write_safetensors(FOLDER / "adapter.safetensors", adapter, {"shared_attention": json.dumps(receivers)})
    (FOLDER / "adapter.bin").write_bytes(logits(changed, tokens, [span]).astype("<f8").tobytes())
    (FOLDER / "golden.bin").write_bytes(np.concatenate(results).astype("<f8").tobytes())
    (FOLDER / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS, "head_dim": DIMENSIONS, "vocab_size": VOCABULARY, "rms_norm_eps": EPSILON,
        "rope_theta": BASE, "max_position_embeddings": 128, "tie_word_embeddings": False,
    }, indent=1) + "\n")
    (FOLDER / "golden.json").write_text(json.dumps({
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "tokens": tokens.tolist(), "cases": CASES, "shape": [TOKENS, VOCABULARY],
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
