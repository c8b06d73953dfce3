#!/usr/bin/env python3
"""Has a model answer prompts, greedily, and keeps prompts and answers as token ids: what train_space.py trains on.

    .venv-train/bin/python scripts/space/corpus.py CHECKPOINT OUTPUT.jsonl --prose .models/training.txt

Prompts are made of other projects' functions and text (space/prompts.py) and, as many as --own says, drawn from the model
itself. Those that need the network are kept in --prompts: with the file there, everything else can be done without.

Needs: torch, numpy, gguf, safetensors, tokenizers.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from distillation.checkpoint import read_checkpoint  # noqa: E402
from space.answers import answered  # noqa: E402
from space.model import MaskedModel  # noqa: E402
from space.prompts import OPENINGS, finished, prompts  # noqa: E402

LONGEST = 640  # tokens of a prompt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--prose", type=Path, required=True)
    parser.add_argument("--prompts", type=Path, help="JSON; beside the output when left out")
    parser.add_argument("--count", type=int, default=1500, help="prompts made of text")
    parser.add_argument("--own", type=int, default=500, help="prompts that the model draws")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kept = options.prompts or options.output.with_suffix(".prompts.json")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    if not kept.exists():
        kept.write_text(json.dumps(prompts(options.prose, options.count, options.seed)))
    torch.manual_seed(options.seed)
    choose = random.Random(options.seed)
    settings, tensors, encoder = read_checkpoint(options.checkpoint, options.device)
    model = MaskedModel(settings, tensors, LONGEST + options.tokens).narrowed()
    ends = [settings["eos_token_id"], encoder.token_to_id("<|im_end|>"), encoder.token_to_id("<|endoftext|>")]
    ends = sorted({end for end in ends if end is not None})

    def ids(text: str) -> list[int]:
        return encoder.encode(text, add_special_tokens=False).ids

    begin = time.monotonic()
    asked = [ids(text) for text in json.loads(kept.read_text())]
    openings = [choose.choice(OPENINGS) for _ in range(options.own)]
    for length in sorted({length for _, length in openings}):
        chosen = [opening for opening, tokens in openings if tokens == length]
        for number, drawn in answered(model, [ids(opening) for opening in chosen], length, ends, options.batch, 1.0):
            asked.append(ids(finished(chosen[number], encoder.decode(drawn, skip_special_tokens=False))))
    asked = [list(prompt) for prompt in dict.fromkeys(tuple(prompt) for prompt in asked) if 0 < len(prompt) <= LONGEST]
    choose.shuffle(asked)
    print(f"corpus: {len(asked)} prompts, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    count = 0
    with options.output.open("w") as output:
        for number, answer in answered(model, asked, options.tokens, ends, options.batch):
            output.write(json.dumps({"prompt": asked[number], "answer": answer}, separators=(",", ":")) + "\n")
            count += len(answer)
    print(f"corpus: {count} tokens, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
