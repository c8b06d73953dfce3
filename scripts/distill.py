#!/usr/bin/env python3
"""Distils a model whose attention does less than the original's, and writes what changed as an adapter for `lathe compile`.

    lathe compile CHECKPOINT -o START --weights f32 --share-attention 15,25,27,29
    lathe compile CHECKPOINT -o START --weights f32 --linearize 0-29 --linearize-form hybrid
    .venv-train/bin/python scripts/distill.py CHECKPOINT START ADAPTER --text FILE

Which layers share attention weights or have a window, with features behind it or without, and what was fitted in them is what
the plan START says, or an adapter that training goes on from. From the first layer on that differs, every matrix gets a change of
low rank, and the receivers' output projections and what features need change as a whole, so that the model's predictions come
close to those of the original one: the mean KL divergence over all positions of the text is what Adam makes smaller. The
checkpoint is a Llama in GGUF or a folder as transformers writes it; it is computed in float32, on a GPU with products in TF32 and
attention to everything in bfloat16.

The adapter is safetensors as formats/adapter.md says. Training text must be held out of what the result is measured on.

Needs: torch, numpy, gguf, safetensors, tokenizers.
"""

import argparse
import ctypes
import math
import sys
from pathlib import Path

import numpy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "formats"))
from distillation import adapter, start  # noqa: E402
from distillation.checkpoint import read_checkpoint  # noqa: E402
from distillation.llama import Model, Student  # noqa: E402
from distillation.recall import Recall  # noqa: E402
from distillation.schedule import Schedule  # noqa: E402

WARM_UP = 20  # steps of a rising rate
MALLOC_SETTINGS = {-1: 2**31 - 1, -4: 0}  # glibc's mallopt: trim from here on, take so many maps of their own


def divergence(found: torch.Tensor, expected: torch.Tensor) -> tuple[float, torch.Tensor]:
    """The mean KL divergence of predictions from those expected, from the logits of both, and its gradient."""
    with torch.no_grad():
        found, expected = torch.log_softmax(found, -1), torch.log_softmax(expected, -1)
        shares = expected.exp()
        loss = torch.dot(shares.flatten(), expected.sub_(found).flatten()).item() / len(found)
        return loss, found.exp_().sub_(shares).div_(len(found))


class Texts:
    """Chunks of running text, each length in an order of its own, and some in which something is to be recalled."""

    def __init__(self, ids: list[int], recall: Recall, options: argparse.Namespace) -> None:
        self.recall, self.share = recall, options.recall
        self.chunks = {length: torch.tensor(ids[:len(ids) // length * length], device=options.device).view(-1, length)
                       for length in options.lengths}
        self.random = numpy.random.default_rng(options.seed)
        self.orders: dict[int, list[int]] = {length: [] for length in options.lengths}
        self.device = options.device

    def next(self, length: int) -> torch.Tensor:
        if self.random.random() < self.share:
            return torch.tensor(self.recall.chunk(length), device=self.device)
        order = self.orders[length] = self.orders[length] or list(self.random.permutation(len(self.chunks[length])))
        return self.chunks[length][int(order.pop())]


def train(model: Model, texts: Texts, student: Student, options: argparse.Namespace) -> None:
    before, behind = range(student.first), range(student.first, model.layers)
    low = [part for change in student.changes.values() for part in (change.a, change.b)]
    whole = list(student.outputs.values())
    mixers = [part for mixer in student.mixers.values() for part in mixer.parameters()]
    counts = [sum(part.numel() for part in parts) for parts in (low, whole, mixers)]
    print(f"{counts[0]:,} weights of low rank, {counts[1]:,} of output projections, {counts[2]:,} of feature maps",
          file=sys.stderr, flush=True)
    groups = [{"params": low, "rate": options.rate}, {"params": whole, "rate": options.output_rate},
              {"params": mixers, "rate": options.mixer_rate}]
    optimizer = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        betas=(0.9, 0.99), weight_decay=0.0)
    longest = max(options.lengths)
    losses: list[float] = []
    schedule = Schedule(options.steps, options.seconds, WARM_UP)
    while not schedule.done:
        length = options.lengths[schedule.step % len(options.lengths)]
        count = longest // length
        optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for _ in range(count):
            with torch.no_grad():
                x = model.run(model.embedding[texts.next(length)], before)
                expected = model.logits(model.run(x, behind))
            found = model.logits(model.run(x, behind, student))
            loss, gradient = divergence(found, expected)
            found.backward(gradient / count)
            total += loss / count
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * schedule.rate
        torch.nn.utils.clip_grad_norm_(low + whole + mixers, 1.0)
        optimizer.step()
        losses.append(total)
        schedule.step += 1
        if schedule.step % 50 == 0 or schedule.step == 1 or schedule.done:
            print(f"step {schedule.step}: mean KL {numpy.mean(losses[-50:]):.4f}, {schedule.elapsed:.0f} s",
                  file=sys.stderr, flush=True)


def lengths(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("start", type=Path, help="a plan of float32 weights that lathe compiled from it, or an adapter")
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--text", type=Path, required=True, help="plain text to train on")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which training ends before its steps do")
    parser.add_argument("--lengths", type=lengths, default=[512],
                        help="tokens of a chunk, by turns, with commas between; a step has as many as of the longest")
    parser.add_argument("--recall", type=float, default=0.0, help="share of chunks in which facts are asked for again")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
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
    if options.device != "cpu":
        torch.set_float32_matmul_precision("high")
    settings, tensors, encoder = read_checkpoint(options.checkpoint, options.device)
    model = Model(settings, tensors, max(options.lengths))
    text = options.text.read_text(encoding="utf-8")
    ids = encoder.encode(text, add_special_tokens=False).ids
    if len(ids) < max(options.lengths):
        sys.exit(f"distill: {options.text} has fewer than {max(options.lengths)} tokens")
    texts = Texts(ids, Recall(text.split("\n\n"), encoder, options.seed), options)
    student = start.read(options.start, tensors, max(options.lengths), options.rank)
    train(model, texts, student, options)
    adapter.save(options.adapter, student, f"distill.py {' '.join(sys.argv[3:])}")


if __name__ == "__main__":
    main()
