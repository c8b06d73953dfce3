#!/usr/bin/env python3
"""Distils a model whose attention does less than the original's, and writes what changed as an adapter for `lathe compile`.

    lathe compile CHECKPOINT -o START --weights f32 --share-attention 15,25,27,29
    lathe compile CHECKPOINT -o START --weights f32 --linearize 0-29 --linearize-form hybrid
    .venv-train/bin/python scripts/distill.py CHECKPOINT START ADAPTER --text FILE

Which layers share attention weights or have a window, with features behind it or without, and what was fitted in them is what
the plan START says. From the first layer on that differs, every matrix gets a change of low rank, and the receivers' output
projections and what features need change as a whole, so that the model's predictions come close to those of the original one:
the mean KL divergence over all positions of the text is what Adam makes smaller. The checkpoint is a Llama in GGUF or a folder
as transformers writes it; it is computed in float32.

The adapter is safetensors as formats/adapter.md says. Training text must be held out of what the result is measured on.

Needs: torch, numpy, gguf, safetensors, tokenizers.
"""

import argparse
import ctypes
import sys
import time
from pathlib import Path

import numpy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "formats"))
from distillation import adapter, start  # noqa: E402
from distillation.checkpoint import read_checkpoint  # noqa: E402
from distillation.llama import Model, Student  # noqa: E402

WARM_UP = 20  # steps of a rising rate
MALLOC_SETTINGS = {-1: 2**31 - 1, -4: 0}  # glibc's mallopt: trim from here on, take so many maps of their own


def divergence(found: torch.Tensor, expected: torch.Tensor) -> tuple[float, torch.Tensor]:
    """The mean KL divergence of predictions from those expected, from the logits of both, and its gradient."""
    with torch.no_grad():
        found, expected = torch.log_softmax(found, -1), torch.log_softmax(expected, -1)
        shares = expected.exp()
        loss = torch.dot(shares.flatten(), expected.sub_(found).flatten()).item() / len(found)
        return loss, found.exp_().sub_(shares).div_(len(found))


def train(model: Model, chunks: torch.Tensor, student: Student, options: argparse.Namespace) -> None:
    before, behind = range(student.first), range(student.first, model.layers)
    low = [part for change in student.changes.values() for part in (change.a, change.b)]
    whole = list(student.outputs.values())
    mixers = [part for mixer in student.mixers.values() for part in mixer.parameters()]
    counts = [sum(part.numel() for part in parts) for parts in (low, whole, mixers)]
    print(f"{len(chunks)} chunks of {options.length} tokens, {counts[0]:,} weights of low rank, {counts[1]:,} of output "
          f"projections, {counts[2]:,} of feature maps", file=sys.stderr, flush=True)
    groups = [{"params": low, "rate": options.rate}, {"params": whole, "rate": options.output_rate},
              {"params": mixers, "rate": options.mixer_rate}]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        betas=(0.9, 0.99), weight_decay=0.0)
    random = numpy.random.default_rng(options.seed)
    taught: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    order: list[int] = []
    losses: list[float] = []
    begin = time.monotonic()
    for step in range(options.steps):
        order = order or list(random.permutation(len(chunks)))
        index = int(order.pop())
        with torch.no_grad():
            if index not in taught:
                x = model.run(model.embedding[chunks[index]], before)
                taught[index] = (x, model.run(x, behind))
            x, expected = taught[index]
            expected = model.logits(expected)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, (step + 1) / WARM_UP) * (1 - step / options.steps)
        found = model.logits(model.run(x, behind, student))
        loss, gradient = divergence(found, expected)
        optimizer.zero_grad(set_to_none=True)
        found.backward(gradient)
        torch.nn.utils.clip_grad_norm_(low + whole + mixers, 1.0)
        optimizer.step()
        losses.append(loss)
        if (step + 1) % 50 == 0 or step + 1 in (1, options.steps):
            print(f"step {step + 1} of {options.steps}: mean KL {numpy.mean(losses[-50:]):.4f}, "
                  f"{time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("start", type=Path, help="a plan of float32 weights that lathe compiled from it")
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--text", type=Path, required=True, help="plain text to train on")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--length", type=int, default=512, help="tokens of a step")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3, help="of learning, for the changes of low rank")
    parser.add_argument("--output-rate", type=float, default=1e-4, help="for the output projections")
    parser.add_argument("--mixer-rate", type=float, default=1e-3, help="for what features need")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.adapter.parent.mkdir(parents=True, exist_ok=True)
    # Logits of 100 MB would be given back to the system, and cleared by it, at every step.
    for setting, value in MALLOC_SETTINGS.items():
        ctypes.CDLL(None).mallopt(setting, value)
    torch.manual_seed(options.seed)
    settings, tensors, encoder = read_checkpoint(options.checkpoint)
    model = Model(settings, tensors, options.length)
    ids = encoder.encode(options.text.read_text(encoding="utf-8"), add_special_tokens=False).ids
    chunks = torch.tensor(ids[:len(ids) // options.length * options.length]).view(-1, options.length)
    if len(chunks) == 0:
        sys.exit(f"distill: {options.text} has fewer than {options.length} tokens")
    student = start.read(options.start, tensors, options.length)
    student.change(tensors, range(student.first, model.layers), options.rank)
    train(model, chunks, student, options)
    adapter.save(options.adapter, student, f"distill.py --steps {options.steps} --rank {options.rank} --seed {options.seed}")


if __name__ == "__main__":
    main()
