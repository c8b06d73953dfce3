#!/usr/bin/env python3
"""Writes the rotated twin of a GGUF model of the Llama family: the same function, without the grid that a quantized
file's weights lie on, so that quantizers can be judged on it. FOLDER as transformers writes it (config.json, bfloat16
safetensors, tokenizer) and, with --gguf, the same weights for llama.cpp.

Every norm's weight is folded into the matrices behind it (the last one into the head, which therefore is no longer the
embedding), and the residual stream is turned by an orthogonal matrix R: what reads it becomes W diag(norm) R, what
writes it R' W, the embedding E R. A norm of weight 1 does not see a rotation, so the logits stay as they were. R is
the QR factor of a Gaussian matrix, drawn and multiplied in float64 from a fixed seed.

--check runs the original and the twin, before and after its weights are rounded to bfloat16, in transformers in
float32, and prints the largest difference of a logit over the prompts of reference_logits.py; with --text also both
perplexities. It exits 1 where the twin before rounding is another function.

Needs: numpy, gguf, tokenizers; for --check also torch and transformers.
"""

import argparse
import json
import sys
from pathlib import Path

import gguf
import numpy

from llama_files import (
    configuration, fields, paired, rotated_heads, safetensors_header, tokenizer, tokenizer_settings,
    transformers_name, weights,
)

SEED = 20
# A layer's matrices: those that read the residual stream behind each norm, and those that add to it.
READERS = {
    "input_layernorm": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "post_attention_layernorm": ["mlp.gate_proj", "mlp.up_proj"],
}
WRITERS = ["self_attn.o_proj", "mlp.down_proj"]
# Past this difference of a logit the twin before rounding is no twin: float32 sums in another order give about 1e-4.
TOLERANCE = 2e-3


def orthogonal(size: int, seed: int = SEED) -> numpy.ndarray:
    """A random orthogonal matrix. The signs of R's diagonal go into Q: without that the factorization's own choice of
    signs would show."""
    q, r = numpy.linalg.qr(numpy.random.default_rng(seed).standard_normal((size, size)))
    return q * numpy.sign(numpy.diagonal(r))


def rotate(state: dict[str, numpy.ndarray], layers: int, rotation: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """The twin's tensors in float32, by the names of transformers, every norm of weight 1."""
    def read(weight: str, norm: str) -> numpy.ndarray:
        return ((state[weight].astype(numpy.float64) * state[norm]) @ rotation).astype(numpy.float32)

    embedding = "model.embed_tokens.weight"
    result = {embedding: (state[embedding].astype(numpy.float64) @ rotation).astype(numpy.float32)}
    for layer in range(layers):
        here = f"model.layers.{layer}."
        for norm, matrices in READERS.items():
            for matrix in matrices:
                result[f"{here}{matrix}.weight"] = read(f"{here}{matrix}.weight", f"{here}{norm}.weight")
            result[f"{here}{norm}.weight"] = numpy.ones(len(rotation), numpy.float32)
        for matrix in WRITERS:
            weight = state[f"{here}{matrix}.weight"].astype(numpy.float64)
            result[f"{here}{matrix}.weight"] = (rotation.T @ weight).astype(numpy.float32)
    head = "lm_head.weight" if "lm_head.weight" in state else embedding
    result["lm_head.weight"] = read(head, "model.norm.weight")
    result["model.norm.weight"] = numpy.ones(len(rotation), numpy.float32)
    left = state.keys() - result.keys()
    if left:
        raise ValueError(f"{min(left)}: a tensor that the rotation does not know")
    return result


def bfloat16(values: numpy.ndarray) -> numpy.ndarray:
    """The nearest bfloat16 values, as bytes along the last dimension."""
    return gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)


def rounded(values: numpy.ndarray) -> numpy.ndarray:
    """The same in float32."""
    return gguf.quants.dequantize(bfloat16(values), gguf.GGMLQuantizationType.BF16)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_folder(folder: Path, reader: gguf.GGUFReader, twin: dict[str, numpy.ndarray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = configuration(reader) | {"tie_word_embeddings": False, "dtype": "bfloat16"}
    write_json(folder / "config.json", settings)
    tokenizer(reader).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json",
               tokenizer_settings(reader) | {"tokenizer_class": "PreTrainedTokenizerFast"})
    with open(folder / "model.safetensors", "wb") as file:
        file.write(safetensors_header({name: value.shape for name, value in twin.items()}))
        for value in twin.values():
            file.write(bfloat16(value).tobytes())


def write_gguf(path: Path, reader: gguf.GGUFReader, twin: dict[str, numpy.ndarray]) -> None:
    """The twin with the source's metadata, its tensors in the source's order and the head last."""
    writer = gguf.GGUFWriter(path, "llama")
    own = {"general.architecture", "general.file_type", "general.quantization_version"}
    for name, entry in reader.fields.items():
        if name in own or name.startswith("GGUF."):
            continue
        kind, *element = entry.types
        writer.add_key_value(name, entry.contents(), kind, sub_type=element[-1] if element else None)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    field = fields(reader)
    names = [tensor.name for tensor in reader.tensors]
    for name in names + [name for name in ("output.weight",) if name not in names]:
        value, heads = twin[transformers_name(name)], rotated_heads(name, field)
        if value.ndim == 1:
            writer.add_tensor(name, value)
        else:
            value = value if heads is None else paired(value, heads)
            writer.add_tensor(name, bfloat16(value), raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def perplexity(model, ids: list[int], chunks: int, context: int = 512) -> float:
    """As llama_perplexity.py counts it, for a model that wants no beginning token."""
    from quality.scoring import Scores
    from reference_logits import reference

    scores = Scores()
    for start in range(0, min(chunks, len(ids) // context) * context, context):
        chunk = ids[start:start + context]
        scores.add(reference(model, chunk)[context // 2:-1], chunk[context // 2 + 1:])
    return scores.perplexity


def check(folder: Path, reader: gguf.GGUFReader, twin: dict[str, numpy.ndarray], text: Path | None,
          chunks: int) -> bool:
    """Prints how far the twin is from the original; true where it is the same function before rounding."""
    import torch
    from reference_logits import PROMPTS, build, load, load_tokenizer, reference
    from transformers import AutoTokenizer, LlamaForCausalLM

    original = load(reader)
    exact = build(configuration(reader) | {"tie_word_embeddings": False}, twin)
    final = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    encode, found = load_tokenizer(reader), AutoTokenizer.from_pretrained(folder)
    state = final.state_dict()
    same_values = all(numpy.array_equal(state[name].numpy(), rounded(value)) for name, value in twin.items())
    print(f"the folder's weights are the rounded ones: {'yes' if same_values else 'NO'}")
    good = same_values
    for name, prompt in PROMPTS.items():
        ids = encode(prompt, add_special_tokens=False)["input_ids"]
        expected = reference(original, ids)
        differences = []
        for model in (exact, final):
            rows = reference(model, ids)
            agreement = (rows.argmax(1) == expected.argmax(1)).mean()
            differences.append((float(numpy.abs(rows - expected).max()), agreement))
        same_ids = found(prompt, add_special_tokens=False)["input_ids"] == ids
        good = good and same_ids and differences[0][0] <= TOLERANCE
        print(f"{name:16}{len(ids):5} tokens{'' if same_ids else ' (OTHER IDS)'}   before rounding "
              f"{differences[0][0]:.1e}, same argmax {differences[0][1]:.1%}   after {differences[1][0]:.1e}, "
              f"{differences[1][1]:.1%}")
    if text is not None:
        ids = encode(text.read_text(encoding="utf-8").removesuffix("\n"), add_special_tokens=False)["input_ids"]
        values = [perplexity(model, ids, chunks) for model in (original, exact, final)]
        print("perplexity: original {:.4f}, twin before rounding {:.4f}, after {:.4f}".format(*values))
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="GGUF")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--gguf", type=Path, metavar="FILE", help="also write this file")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--check", action="store_true", help="compare with the original")
    parser.add_argument("--text", type=Path, help="with --check: the text of the perplexities")
    parser.add_argument("--chunks", type=int, default=8, help="of 512 tokens of that text")
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.source)
    settings = configuration(reader)
    twin = rotate(weights(reader), settings["num_hidden_layers"], orthogonal(settings["hidden_size"], options.seed))
    write_folder(options.folder, reader, twin)
    if options.gguf:
        write_gguf(options.gguf, reader, twin)
    if options.check and not check(options.folder, reader, twin, options.text, options.chunks):
        sys.exit("make_rotated_twin: the twin is another function")


if __name__ == "__main__":
    main()
