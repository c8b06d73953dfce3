#!/usr/bin/env python3
"""Writes the golden files of Tests/CheckpointsTests/Resources.

The references are the packages `gguf` and `safetensors`: they write the files (but for version 2 of GGUF, which they
no longer write) and say which f32 values the tensors hold. The same packages give the same bytes.

Needs: gguf, safetensors, torch, numpy.
"""

import argparse
import importlib.metadata
import json
import pathlib
import struct

import gguf
import numpy as np
import safetensors.torch
import torch

TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]
ROWS, COLUMNS = 3, 128
# Scales that a random draw seldom hits: zeros, subnormals, the largest, infinities, a NaN.
HALVES = [0x8000, 0x8001, 0x03FF, 0x7BFF, 0x7C00, 0x7E00, 0x0000, 0x0001, 0x0400, 0xFBFF, 0xFC00, 0x3C00]
SINGLES = [0, 0x80000000, 1, 0x807FFFFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000]
BRAINS = [0, 0x8000, 1, 0x807F, 0x7F7F, 0x7F80, 0xFF80, 0x7FC0]


def tensors(random):
    """Random bytes for each type with rare values put in, and the f32 values that the gguf package reads."""
    result = []
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = ROWS * COLUMNS // elements
        data = random.integers(0, 256, (blocks, size), dtype=np.uint8)
        rare = {"F32": (SINGLES, "<u4"), "BF16": (BRAINS, "<u2")}.get(name, (HALVES, "<u2"))
        fields = 2 if name in ("Q4_1", "Q5_1") else 1
        for index in range(min(blocks, len(rare[0]) * fields)):
            at = 0 if fields == 1 or index % 2 == 0 else 2
            value = np.array([rare[0][index // fields]], dtype=rare[1]).view(np.uint8)
            data[index, at : at + len(value)] = value
        raw = data.reshape(ROWS, -1)
        with np.errstate(all="ignore"):
            if name == "F32":
                values = raw.view("<f4")
            elif name == "F16":
                values = raw.view("<f2").astype(np.float32)
            else:
                values = gguf.quants.dequantize(raw, kind)
        assert values.shape == (ROWS, COLUMNS), (name, values.shape)
        result.append((f"tensor.{name}", kind, raw, values.astype("<f4")))
    return result


def write_v3(path, entries):
    """A version 3 file as the gguf package writes it."""
    writer = gguf.GGUFWriter(path, "golden")
    writer.add_uint8("value.uint8", 200)
    writer.add_int8("value.int8", -100)
    writer.add_uint16("value.uint16", 60000)
    writer.add_int16("value.int16", -30000)
    writer.add_uint32("value.uint32", 4000000000)
    writer.add_int32("value.int32", -2000000000)
    writer.add_float32("value.float32", 0.1)
    writer.add_bool("value.bool", True)
    writer.add_string("value.string", "häuser\n")
    writer.add_uint64("value.uint64", 2**64 - 1)
    writer.add_int64("value.int64", -(2**63))
    writer.add_float64("value.float64", 0.1)
    writer.add_array("array.string", ["", "a", "é", "e\u0301"])
    writer.add_array("array.int32", [1, -2, 3])
    writer.add_array("array.float32", [0.5, -1.5])
    writer.add_array("array.bool", [True, False, True])
    for name, kind, raw, _ in entries:
        data = raw.view("<f4") if kind == gguf.GGMLQuantizationType.F32 else raw
        data = raw.view("<f2") if kind == gguf.GGMLQuantizationType.F16 else data
        writer.add_tensor(name, data, raw_dtype=kind)
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q4_K][1]
    writer.add_tensor("other.Q4_K", np.zeros((1, size), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q4_K)
    writer.add_tensor("other.I64", np.arange(4, dtype=np.int64))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def write_v2(path, entries):
    """A version 2 file by hand: all 13 value types, nested arrays, another alignment, data in another order."""
    alignment = 64
    pack = struct.pack
    pairs = [
        ("general.alignment", pack("<II", 4, alignment)),
        ("value.uint8", pack("<IB", 0, 200)),
        ("value.int8", pack("<Ib", 1, -100)),
        ("value.uint16", pack("<IH", 2, 60000)),
        ("value.int16", pack("<Ih", 3, -30000)),
        ("value.uint32", pack("<II", 4, 4000000000)),
        ("value.int32", pack("<Ii", 5, -2000000000)),
        ("value.float32", pack("<If", 6, 0.1)),
        ("value.bool", pack("<IB", 7, 1)),
        ("value.string", pack("<I", 8) + text("häuser\n")),
        ("value.uint64", pack("<IQ", 10, 2**64 - 1)),
        ("value.int64", pack("<Iq", 11, -(2**63))),
        ("value.float64", pack("<Id", 12, 0.1)),
        ("array.string", pack("<IIQ", 9, 8, 4) + text("") + text("a") + text("é") + text("e\u0301")),
        ("array.int32", pack("<IIQ3i", 9, 5, 3, 1, -2, 3)),
        ("array.float32", pack("<IIQ2f", 9, 6, 2, 0.5, -1.5)),
        ("array.bool", pack("<IIQ3B", 9, 7, 3, 1, 0, 1)),
        ("array.empty", pack("<IIQ", 9, 8, 0)),
        ("array.nested", pack("<IIQ", 9, 9, 2) + pack("<IQ2B", 0, 2, 1, 2) + pack("<IQ", 8, 1) + text("b")),
    ]
    offsets, end = {}, 0
    for name, _, raw, _ in reversed(entries):
        offsets[name] = end
        end += -(-raw.nbytes // alignment) * alignment
    head = b"GGUF" + struct.pack("<IQQ", 2, len(entries), len(pairs))
    for key, value in pairs:
        head += text(key) + value
    for name, kind, _, _ in entries:
        head += text(name) + struct.pack("<IQQIQ", 2, COLUMNS, ROWS, kind, offsets[name])
    head += bytes(-len(head) % alignment)
    data = bytearray(end)
    for name, _, raw, _ in entries:
        data[offsets[name] : offsets[name] + raw.nbytes] = raw.tobytes()
    path.write_bytes(head + data)


def write_shards(folder, random):
    """A Hugging Face directory of two shards, with a buffer of integers that no weight needs."""
    folder.mkdir(exist_ok=True)
    single = torch.from_numpy(random.standard_normal((4, 6)).astype(np.float32))
    half = torch.from_numpy(random.integers(0, 65536, (5, 3)).astype(np.uint16)).view(torch.float16)
    brain = torch.from_numpy(random.integers(0, 65536, (2, 2, 4)).astype(np.uint16)).view(torch.bfloat16)
    shards = [
        {"a.weight": single, "b.weight": half, "scalar": torch.tensor(0.25)},
        {"c.weight": brain, "position_ids": torch.arange(7), "empty": torch.zeros((0, 8))},
    ]
    weight_map, expected = {}, {}
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        safetensors.torch.save_file(shard, folder / name, metadata={"format": "pt"})
        for key, value in shard.items():
            weight_map[key] = name
            expected[key] = value
    index = {"metadata": {"total_size": sum(t.nbytes for t in expected.values())}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    (folder / "config.json").write_text(json.dumps({"model_type": "golden", "rope_theta": 1e4, "hidden_size": 64}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2]}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 10**30}))
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"é": 0, "e\u0301": 1}}}))
    (folder / "chat_template.jinja").write_text("{{ messages }}\n")
    return [(k, v.to(torch.float32).numpy()) for k, v in expected.items() if k != "position_ids"]


def write_values(path, values):
    """All values as f32, one tensor after the other; a line a tensor: name, first value, extents outermost first."""
    lines, data, start = [], b"", 0
    for name, array in values:
        lines.append(" ".join([name, str(start), *map(str, array.shape)]))
        data += array.astype("<f4").tobytes()
        start += array.size
    path.with_suffix(".f32").write_bytes(data)
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    default = pathlib.Path(__file__).parent.parent / "Tests/CheckpointsTests/Resources"
    parser.add_argument("--output", type=pathlib.Path, default=default)
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20240229)
    entries = tensors(random)
    write_v3(output / "golden-v3.gguf", entries)
    write_v2(output / "golden-v2.gguf", entries)
    write_values(output / "gguf", [(name, values) for name, _, _, values in entries])
    write_values(output / "shards", write_shards(output / "shards", random))
    versions = {name: importlib.metadata.version(name) for name in ("gguf", "safetensors", "torch", "numpy")}
    (output / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
