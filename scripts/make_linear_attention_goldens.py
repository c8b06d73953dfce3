#!/usr/bin/env python3
"""Makes Tests/CompilerTests/Resources/linear_attention: an adapter that linearizes layers of the tiny Llama of
make_shared_attention_goldens.py, and the logits of the model that it makes.

  adapter.safetensors  windows, one of them with features behind it, grouped linear attention with and without taps, and a
                       matrix (formats/adapter.md)
  golden.bin           little-endian f64 logits of every position
  golden.json          {versions, tokens: [ids]}

Computed here in float64 in the quadratic form of the methods (You et al. 2024, the released code's; Zhang et al. 2024, in
blocks); that the forms with sums are the same, and that alpha = 0 without taps is the group alone, is asserted on the way.

Needs: numpy. The same version writes the same bytes.
"""

import json
import platform

import numpy as np

import make_shared_attention_goldens as shared
from make_shared_attention_goldens import DIMENSIONS, HEADS, KEY_HEADS, LAYERS, normalize, rotate, softmax

FOLDER = shared.FOLDER.parent / "linear_attention"
WINDOWS = [{"layer": 1, "length": 9, "sinks": 2}, {"layer": 4, "length": 5, "sinks": 0}]
GROUPED = [{"layer": 0, "group": 8, "alpha": 0.05}, {"layer": 3, "group": 16, "alpha": -0.1},
           {"layer": 5, "group": 7, "alpha": 0.2}]
TAPS = {0: 5, 5: 12}
HYBRID = {"layer": 2, "length": 12, "sinks": 2, "block": 4}
MAP_ROWS = 16


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def grouped_weights(queries, keys, group, alpha, taps):
    """[head, row, position]: what each value is weighed with."""
    count = len(queries)
    products = np.einsum("nhd,mhd->hnm", unit(queries), unit(keys))
    row, position = np.arange(count)[:, None], np.arange(count)[None]
    same = (row // group == position // group) & (position <= row)
    weights = np.maximum(products, 0) ** 2 * same + alpha * products * (position // group < row // group)
    for head in range(HEADS if taps is not None else 0):
        for distance in range(taps.shape[1]):
            weights[head] += taps[head, -1 - distance] * (row - position == distance)
    return weights


def recurrent(queries, keys, values, group, alpha, taps):
    """The same outputs with the sums of whole groups, one position after the other."""
    queries, keys = unit(queries), unit(keys)
    sums, outputs = np.zeros((HEADS, DIMENSIONS, DIMENSIONS)), []
    for t in range(len(queries)):
        start = t // group * group
        if t == start and t > 0:
            sums += np.einsum("mhd,mhe->hde", keys[t - group:t], values[t - group:t])
        near = np.maximum(np.einsum("hd,mhd->hm", queries[t], keys[start:t + 1]), 0) ** 2
        output = np.einsum("hm,mhd->hd", near, values[start:t + 1]) + alpha * np.einsum("hd,hde->he", queries[t], sums)
        for distance in range(min(taps.shape[1], t + 1) if taps is not None else 0):
            output += taps[:, -1 - distance, None] * values[t - distance]
        outputs.append(output)
    return np.array(outputs)


def features(x, maps):
    """The softmax of W x, and that of -W x: [position, head, feature]."""
    products = np.einsum("nhd,hfd->nhf", x, maps)
    return np.concatenate((softmax(products), softmax(-products)), -1)


def hybrid_weights(queries, keys, scores, maps):
    """[head, row, position]: what each value is weighed with, its sum 1."""
    count, block = len(queries), HYBRID["block"]
    row, position = np.arange(count)[:, None], np.arange(count)[None]
    first = (row // block + 1) * block - HYBRID["length"]
    near = (position <= row) & ((position >= first) | (position < HYBRID["sinks"]))
    scores = np.where(near, scores, -np.inf)
    largest = scores.max(-1, keepdims=True)
    gate = maps["gate"]
    exponent = gate[:, 0] + np.einsum("nhd,hd->nh", queries, gate[:, 2:]) + gate[:, 1] * largest[..., 0].T
    weights = np.exp(exponent).T[..., None] * np.exp(scores - largest)
    query_features, key_features = features(queries, maps["feature_map_q"]), features(keys, maps["feature_map_k"])
    weights += np.einsum("nhf,mhf->hnm", query_features, key_features) * ((position <= row) & ~near)
    # The same with the sums of whole blocks, one row after the other.
    sums, masses, summed = np.zeros((HEADS, 2 * MAP_ROWS, count)), np.zeros((HEADS, 2 * MAP_ROWS)), 0
    for t in range(count):
        while summed < first[t, 0]:
            if summed >= HYBRID["sinks"]:
                sums[:, :, summed] += key_features[summed]
                masses += key_features[summed]
            summed += 1
        far = np.einsum("hf,hfm->hm", query_features[t], sums)
        assert np.allclose(far, weights[:, t] * ~near[t])
        assert np.allclose(far.sum(-1), np.einsum("hf,hf->h", query_features[t], masses))
    return weights / weights.sum(-1, keepdims=True)


def logits(weights, tokens, convolutions, maps):
    windows, grouped = ({each["layer"]: each for each in table} for table in (WINDOWS, GROUPED))
    x, count = weights["model.embed_tokens.weight"][tokens], len(tokens)
    row, position = np.arange(count)[:, None], np.arange(count)[None]
    for layer in range(LAYERS):
        def part(name):
            return weights[f"model.layers.{layer}.{name}.weight"].T
        normed = normalize(x)
        values, keys = (np.repeat((normed @ part(f"self_attn.{name}_proj")).reshape(count, KEY_HEADS, DIMENSIONS),
                                  HEADS // KEY_HEADS, 1) for name in "vk")
        keys = rotate(keys)
        queries = rotate((normed @ part("self_attn.q_proj")).reshape(count, HEADS, DIMENSIONS))
        if layer in grouped:
            settings = grouped[layer]["group"], grouped[layer]["alpha"], convolutions.get(layer)
            used = grouped_weights(queries, keys, *settings)
            assert np.allclose(np.einsum("hnm,mhd->nhd", used, values), recurrent(queries, keys, values, *settings))
            alone = grouped_weights(queries, keys, settings[0], 0, None)
            assert not alone[:, row // settings[0] != position // settings[0]].any()
        elif layer == HYBRID["layer"]:
            scores = np.einsum("nhd,mhd->hnm", queries, keys) / np.sqrt(DIMENSIONS)
            used = hybrid_weights(queries, keys, scores, maps)
        else:
            seen = position <= row
            if layer in windows:
                window = windows[layer]
                seen &= (position > row - window["length"]) | (position < window["sinks"])
            scores = np.einsum("nhd,mhd->hnm", queries, keys) / np.sqrt(DIMENSIONS)
            used = softmax(np.where(seen, scores, -np.inf))
        x = x + np.einsum("hnm,mhd->nhd", used, values).reshape(count, -1) @ part("self_attn.o_proj")
        normed = normalize(x)
        gate = normed @ part("mlp.gate_proj")
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ part("mlp.up_proj"))) @ part("mlp.down_proj")
    return normalize(x) @ weights["lm_head.weight"].T


def main():
    random = np.random.default_rng(2024)
    weights = shared.make_weights(random)
    tokens = random.integers(0, shared.VOCABULARY, shared.TOKENS)
    random = np.random.default_rng(2026)
    convolutions = {layer: shared.matrix(random, HEADS, taps) for layer, taps in TAPS.items()}
    name = "model.layers.3.self_attn.o_proj.weight"
    weights[name] = shared.matrix(random, *weights[name].shape)
    tensors = {name: weights[name]} | {
        f"model.layers.{layer}.self_attn.convolution.weight": taps for layer, taps in convolutions.items()}
    maps = {"feature_map_q": shared.matrix(random, HEADS * MAP_ROWS, DIMENSIONS),
            "feature_map_k": shared.matrix(random, KEY_HEADS * MAP_ROWS, DIMENSIONS),
            "gate": shared.matrix(random, HEADS, DIMENSIONS + 2)}
    tensors |= {f"model.layers.{HYBRID['layer']}.self_attn.{part}.weight": value for part, value in maps.items()}
    # By head, as queries and keys are: a key head's map is that of all its query heads.
    for part, heads in (("feature_map_q", HEADS), ("feature_map_k", KEY_HEADS)):
        maps[part] = np.repeat(maps[part].reshape(heads, MAP_ROWS, DIMENSIONS), HEADS // heads, 0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    shared.write_safetensors(FOLDER / "adapter.safetensors", tensors, {
        "windows": json.dumps(WINDOWS), "grouped_attention": json.dumps(GROUPED),
        "hybrid_attention": json.dumps([HYBRID])})
    (FOLDER / "golden.bin").write_bytes(logits(weights, tokens, convolutions, maps).astype("<f8").tobytes())
    (FOLDER / "golden.json").write_text(json.dumps({
        "versions": {"python": platform.python_version(), "numpy": np.__version__}, "tokens": tokens.tolist(),
    }, indent=1) + "\n")


if __name__ == "__main__":
    main()
