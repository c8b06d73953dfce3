#!/usr/bin/env python3
"""Reference logits of SmolLM2 from its GGUF: dequantized by the `gguf` package, run by transformers in float32.

Writes Tests/CompilerTests/Resources/smollm2_logits.{json,bin}. The .bin holds, for one prompt after the other,

  i32 argmax[positions]       the largest logit's id at every position
  i32 top_ids[32]             the last position's largest logits, in falling order
  f32 top_values[32]
  f32 strided[vocabulary / 8] the last position's logits of the ids 0, 8, 16, ...

all little-endian. The .json holds the prompts, their ids, `margins` (the smallest difference of the two largest logits
over a prompt's positions: an argmax is decided only by more than twice the error), the versions and the GGUF's SHA-256.

--safetensors DIR writes the same weights as a sharded Hugging Face directory with a tokenizer built from the GGUF.
--compare FILE checks full logits (raw f32, all positions of all prompts in order, vocabulary wide) against the
reference and writes no golden; it exits 1 past --tolerance or at a different argmax.

Needs: torch, transformers, tokenizers, gguf, numpy.
"""

import argparse
import hashlib
import importlib.metadata
import json
import platform
import sys
from pathlib import Path

import gguf
import numpy
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from llama_files import configuration, tokenizer, tokenizer_settings, weights

RESOURCES = Path(__file__).resolve().parent.parent / "Tests" / "CompilerTests" / "Resources"
STRIDE, TOP = 8, 32

PROMPTS = {
    "one token": "The",
    "prose": "The capital of France is",
    "chat": (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\n"
    ),
    "chat, two turns": (
        "<|im_start|>system\nAnswer in one word.<|im_end|>\n<|im_start|>user\nWhich planet is the largest?<|im_end|>\n"
        "<|im_start|>assistant\nJupiter<|im_end|>\n<|im_start|>user\nAnd the smallest?<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "code": (
        "def fibonacci(n: int) -> list[int]:\n    \"\"\"The first n Fibonacci numbers.\"\"\"\n    numbers = [0, 1]\n"
        "    while len(numbers) < n:\n        numbers.append("
    ),
    "C": "#include <stdio.h>\n\nint main(void) {\n\tfor (int i = 0; i < 10; i++) {\n\t\tprintf(\"%d\\n\", i * i);\n\t}\n",
    "numbers": "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144,",
    "not English": (
        "Der Übersetzer liest eine Datei und schreibt eine andere; 編譯器讀取一個檔案。 Компилятор читает файл, "
        "et il en écrit un autre. 🙂"
    ),
    "whitespace": "name  \t value\n\n\n   alpha     1.5\r\n   beta      -2e10\n",
    "long": (
        "A compiler that runs ahead of time makes its decisions once. It reads the weights of a model, lays them out in "
        "the order in which the processor will want them, and writes the result to a file that needs no further work. "
        "The program that later runs the model maps this file into memory and begins. Nothing is parsed, nothing is "
        "converted, and nothing is copied, so the first word of an answer appears as soon as the disk has delivered the "
        "bytes. This is not a new idea. Printers set a page in type before the press began to turn, and a baker weighs "
        "the flour before the oven is hot. What is known beforehand should be done beforehand, and what is left over "
        "should be small enough to understand. There is a cost, of course: a file made for one kind of machine has to "
        "say so, and a program that reads it must refuse what it cannot run. The designers of such a format therefore "
        "spend most of their time on the question of what can go wrong. A careful reader checks every size, every offset "
        "and every count before it uses them, and when something does not fit it"
    ),
}


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(reader):
    """The GGUF's weights, dequantized, in transformers' model."""
    state = weights(reader)
    state.setdefault("lm_head.weight", state["model.embed_tokens.weight"])
    return build(configuration(reader), state)


def build(settings, state):
    """Transformers' model in float32, from what config.json says and from arrays."""
    model = LlamaForCausalLM(LlamaConfig.from_dict(settings, attn_implementation="eager")).eval()
    model.load_state_dict({name: torch.from_numpy(numpy.ascontiguousarray(value)) for name, value in state.items()})
    return model


def load_tokenizer(reader):
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer(reader), **tokenizer_settings(reader))


def reference(model, ids):
    """Float32 logits of every position."""
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0].numpy()


def write_golden(model, prompts, source):
    chunks, margins = [], []
    for ids in prompts:
        rows = reference(model, ids)
        two = -numpy.partition(-rows, 1, axis=1)[:, :2]
        margins.append(round(float((two[:, 0] - two[:, 1]).min()), 5))
        last = rows[-1]
        top = numpy.argsort(-last, kind="stable")[:TOP]
        chunks += [rows.argmax(1).astype("<i4"), top.astype("<i4"), last[top].astype("<f4"),
                   last[::STRIDE].astype("<f4")]
    (RESOURCES / "smollm2_logits.bin").write_bytes(b"".join(chunk.tobytes() for chunk in chunks))
    versions = {name: importlib.metadata.version(name) for name in
                ("torch", "transformers", "tokenizers", "gguf", "numpy")}
    entries = ",\n".join(
        "  " + json.dumps({"name": name, "text": text, "ids": ids, "margin": margin}, ensure_ascii=False)
        for (name, text), ids, margin in zip(PROMPTS.items(), prompts, margins))
    (RESOURCES / "smollm2_logits.json").write_text(
        "{\n"
        f' "versions": {json.dumps({"python": platform.python_version(), **versions})},\n'
        f' "source": {json.dumps({"name": source.name, "sha256": sha256(source)})},\n'
        f' "vocabulary": {model.config.vocab_size},\n "stride": {STRIDE},\n "top": {TOP},\n'
        f' "prompts": [\n{entries}\n ]\n'
        "}\n", encoding="utf-8")


def compare(model, prompts, path, tolerance):
    """Prints the largest difference and the argmax agreement of each prompt; true where all is well."""
    vocabulary = model.config.vocab_size
    positions = sum(map(len, prompts))
    found = numpy.fromfile(path, "<f4")
    if found.size != positions * vocabulary:
        sys.exit(f"{path}: {found.size} values, expected {positions} positions of {vocabulary}")
    found = found.reshape(positions, vocabulary)
    start, good = 0, True
    for name, ids in zip(PROMPTS, prompts):
        expected = reference(model, ids)
        rows = found[start:start + len(ids)]
        start += len(ids)
        difference = float(numpy.abs(rows.astype(numpy.float64) - expected).max())
        same = int((rows.argmax(1) == expected.argmax(1)).sum())
        good = good and difference <= tolerance and same == len(ids)
        print(f"{name:18}{len(ids):5} positions   largest difference {difference:.2e}   same argmax {same}/{len(ids)}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--safetensors", type=Path, metavar="DIR")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--tolerance", type=float, default=2e-3)
    options = parser.parse_args()
    reader = gguf.GGUFReader(options.gguf)
    model, text_tokenizer = load(reader), load_tokenizer(reader)
    prompts = [text_tokenizer(text, add_special_tokens=False)["input_ids"] for text in PROMPTS.values()]
    if options.compare:
        sys.exit(0 if compare(model, prompts, options.compare, options.tolerance) else 1)
    if options.safetensors:
        model.save_pretrained(options.safetensors, max_shard_size="150MB")
        text_tokenizer.save_pretrained(options.safetensors)
    write_golden(model, prompts, options.gguf)
    print(f"{len(prompts)} prompts, {sum(map(len, prompts))} positions")


if __name__ == "__main__":
    main()
