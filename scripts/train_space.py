#!/usr/bin/env python3
"""Trains masks for a model as it is (SPACE; Yi et al. 2024), and writes them as an adapter for `lathe compile --space`.

    .venv-train/bin/python scripts/train_space.py CHECKPOINT CORPUS.jsonl ADAPTER --steps 600

Mask rows get an embedding for each of their places and a low-rank change of every matrix; the model's own rows keep their bits.
The corpus is what the model itself answers (space/corpus.py). A step takes one of its texts, computes its tokens once, and puts
a group of masks behind many of them, which see what stands before them and nothing else; what is made smaller is the cross
entropy of what the model itself said in the places behind them. One text in sixteen is held out: how often the likeliest token
behind each mask is right there is printed. ADAPTER is written every few minutes; --resume begins with one.

Needs: torch, numpy, gguf, safetensors, tokenizers.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "formats"))
from distillation.checkpoint import read_checkpoint  # noqa: E402
from space.model import MaskedModel, Masks  # noqa: E402

LONGEST = 512  # tokens of a text
HELD_OUT = 16
SAVED = 600  # seconds


def texts(path: Path, places: int) -> list[tuple[torch.Tensor, int]]:
    """Texts that are long enough, each with the number of tokens that were asked."""
    found = []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        asked, answer = record["prompt"], record["answer"]
        if len(answer) > places + 1 and len(asked) + len(answer) <= LONGEST:
            found.append((torch.tensor(asked + answer), len(asked)))
    return found


def targets(ids: torch.Tensor, anchors: torch.Tensor, places: int) -> torch.Tensor:
    """What follows the token in each mask's place."""
    return ids[anchors[:, None] + 2 + torch.arange(places)]


def check(model: MaskedModel, masks: Masks, held: list) -> list[float]:
    """How often the likeliest token behind each mask is right."""
    right, count = torch.zeros(masks.places), 0
    with torch.no_grad():
        for ids, asked in held:
            anchors = torch.arange(asked - 1, len(ids) - masks.places - 1, 2)
            found = model.logits(model.foresee(model.read(ids), anchors, masks)).argmax(-1)
            right += (found == targets(ids, anchors, masks.places)).sum(0)
            count += len(anchors)
    return (right / max(count, 1)).tolist()


def save(path: Path, masks: Masks, origin: str) -> None:
    from safetensors.torch import save_file

    tensors = {"masks.weight": masks.embeddings}
    for name, change in masks.changes.items():
        tensors |= {f"{name}.lora_A.weight": change.a, f"{name}.lora_B.weight": change.b}
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}, partial, {"origin": origin})
    partial.replace(path)


def load(path: Path, masks: Masks) -> None:
    from safetensors.torch import load_file

    tensors = load_file(path)
    with torch.no_grad():
        masks.embeddings.copy_(tensors["masks.weight"])
        for name, change in masks.changes.items():
            change.a.copy_(tensors[f"{name}.lora_A.weight"])
            change.b.copy_(tensors[f"{name}.lora_B.weight"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--places", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--anchors", type=int, default=96, help="groups of masks in a step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--embedding-rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", type=Path)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    settings, tensors, _ = read_checkpoint(options.checkpoint)
    model = MaskedModel(settings, tensors, LONGEST + options.places + 1)
    masks = Masks(tensors, model.layers, options.places, options.rank)
    if options.resume:
        load(options.resume, masks)
    every = texts(options.corpus, options.places)
    held, learned = every[::HELD_OUT][:24], [text for number, text in enumerate(every) if number % HELD_OUT]
    if not learned:
        sys.exit(f"train_space: {options.corpus} has no text that is long enough")
    groups = [{"params": masks.parameters(), "rate": options.rate}, {"params": [masks.embeddings], "rate": options.embedding_rate}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0)
    random = numpy.random.default_rng(options.seed)
    order: list[int] = []
    losses: list[float] = []
    begin = saved = time.monotonic()
    origin = f"train_space.py --places {options.places} --rank {options.rank} --seed {options.seed}, torch {torch.__version__}"

    def tell(step: int) -> None:
        right = ", ".join(f"{100 * share:.1f}" for share in check(model, masks, held))
        print(f"step {step}: cross entropy {numpy.mean(losses[-50:]):.3f}, right of held out {right} %, {time.monotonic() - begin:.0f} s",
              file=sys.stderr, flush=True)
        save(options.adapter, masks, origin)

    for step in range(options.steps):
        order = order or list(random.permutation(len(learned)))
        ids, asked = learned[int(order.pop())]
        possible = numpy.arange(max(asked - 1, 0), len(ids) - options.places - 1)
        anchors = torch.from_numpy(numpy.sort(random.permutation(possible)[:options.anchors]))
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, (step + 1) / 20) * (1 - step / options.steps)
        found = model.logits(model.foresee(model.read(ids), anchors, masks)).flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(found, targets(ids, anchors, options.places).flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(masks.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if time.monotonic() - saved > SAVED or step + 1 in (10, options.steps):
            tell(step + 1)
            saved = time.monotonic()


if __name__ == "__main__":
    main()
