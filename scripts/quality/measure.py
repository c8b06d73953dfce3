"""The process that measures GGUF files in llama.cpp: `python -m quality.measure quantize|score|parts ...`, in the
environment that has its package. It prints one JSON object.

`quantize` makes a file of another type by llama.cpp's own quantizer. `score` runs files side by side with a reference,
chunk by chunk, so that no logits are kept. `parts` says which types a file's tensors have: K types need rows of a
multiple of 256 columns, and llama.cpp takes another type where they are not.
"""

import argparse
import json
import os
import sys
from pathlib import Path


def quantize(options: argparse.Namespace) -> dict:
    from peers.llamacpp import requantize

    return {"path": str(requantize(options.gguf, options.type, options.cache))}


def score(options: argparse.Namespace) -> dict:
    from .llamacpp import Model, chunks
    from .scoring import Scores, log_probabilities

    paths = list(dict.fromkeys([options.reference, *options.files]))
    models = [Model(path, options.context, options.threads) for path in paths]
    scores = [Scores() for _ in models]
    pairs = list(chunks(models[0].tokenize(options.text.read_bytes()), options.context, options.chunks))
    if not pairs:
        raise ValueError(f"{options.text} is shorter than a chunk of {options.context} tokens")
    for number, (chunk, targets) in enumerate(pairs, 1):
        reference = models[0].logits(chunk)
        scores[0].add(reference, targets)
        expected = log_probabilities(reference)
        for model, each in zip(models[1:], scores[1:]):
            each.add(model.logits(chunk), targets, expected)
        print(f"llama.cpp: chunk {number} of {len(pairs)}", file=sys.stderr, flush=True)
    return {str(path): each.summary() for path, each in zip(paths, scores)}


def parts(options: argparse.Namespace) -> dict:
    import gguf

    result: dict[str, dict[str, int]] = {}
    for tensor in gguf.GGUFReader(options.gguf).tensors:
        part = result.setdefault(tensor.tensor_type.name, {"tensors": 0, "parameters": 0, "bytes": 0})
        for key, value in (("tensors", 1), ("parameters", tensor.n_elements), ("bytes", tensor.n_bytes)):
            part[key] += int(value)
    return dict(sorted(result.items()))


def main() -> None:
    parser = argparse.ArgumentParser()
    actions = parser.add_subparsers(required=True)
    action = actions.add_parser("quantize")
    action.add_argument("gguf", type=Path)
    action.add_argument("type")
    action.add_argument("cache", type=Path)
    action.set_defaults(run=quantize)
    action = actions.add_parser("score")
    action.add_argument("reference", type=Path)
    action.add_argument("files", type=Path, nargs="*")
    action.add_argument("--text", type=Path, required=True)
    action.add_argument("--context", type=int, required=True)
    action.add_argument("--chunks", type=int)
    action.add_argument("--threads", type=int, required=True)
    action.set_defaults(run=score)
    action = actions.add_parser("parts")
    action.add_argument("gguf", type=Path)
    action.set_defaults(run=parts)
    options = parser.parse_args()
    # The library's own messages must not come into the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps(options.run(options)), file=answer)


if __name__ == "__main__":
    main()
