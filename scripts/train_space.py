#!/usr/bin/env python3
"""Trains masks for a model as it is (SPACE; Yi et al. 2024), and writes them as an adapter for `lathe compile --space`.

    .venv-train/bin/python scripts/train_space.py CHECKPOINT CORPUS.jsonl ADAPTER --steps 600

Mask rows get an embedding for each of their places and a low-rank change of every matrix; the model's own rows keep their bits.
The corpus is what the model itself answers (space/corpus.py). A step takes some of its texts, computes their tokens once, and puts
a group of masks behind many of them, which see what stands before them and nothing else; what is made smaller is the cross
entropy of what the model itself said in the places behind them. One text in sixty-four is held out: how often the likeliest token
behind each mask is right there is printed. ADAPTER is written every few minutes; --resume begins with one.

Needs: torch, numpy, gguf, safetensors, tokenizers.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import numpy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "formats"))
from distillation.checkpoint import read_checkpoint  # noqa: E402
from distillation.schedule import Schedule  # noqa: E402
from space.model import MaskedModel, Masks  # noqa: E402

LONGEST = 768  # tokens of a text
HELD_OUT = 64
SAVED = 300  # seconds
WARM_UP = 20  # steps of a rising rate


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
    """What follows the token in each mask's place [text, anchor, place]."""
    wanted = anchors[..., None] + 2 + torch.arange(places, device=ids.device)
    return ids.gather(1, wanted.flatten(1)).view(wanted.shape)


def check(model: MaskedModel, masks: Masks, held: list) -> list[float]:
    """How often the likeliest token behind each mask is right."""
    right, count = torch.zeros(masks.places), 0
    device = masks.embeddings.device
    with torch.no_grad():
        for ids, asked in held:
            ids = ids[None].to(device)
            anchors = torch.arange(asked - 1, ids.shape[1] - masks.places - 1, 2, device=device)[None]
            found = model.logits(model.foresee(model.read(ids), anchors, masks)).argmax(-1)
            right += (found == targets(ids, anchors, masks.places)).sum((0, 1)).cpu()
            count += anchors.numel()
    return (right / max(count, 1)).tolist()


class Batches:
    """Texts of similar lengths, each with places for groups of masks; every text once before any is there again."""

    def __init__(self, learned: list, masks: Masks, options: argparse.Namespace) -> None:
        self.learned, self.options, self.places = learned, options, masks.places
        self.random = numpy.random.default_rng(options.seed)
        self.order: list[numpy.ndarray] = []

    def next(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids [text, position] and anchors [text, anchor]."""
        batch = self.options.batch
        if not self.order:
            mixed = self.random.permutation(len(self.learned))
            # Neighbours by length within what was mixed, so that little is padded.
            pools = [sorted(pool, key=lambda number: len(self.learned[number][0])) for pool in
                     numpy.array_split(mixed, max(1, len(mixed) // (32 * batch)))]
            batches = [pool[first:first + batch] for pool in pools for first in range(0, len(pool), batch)]
            self.order = [batches[number] for number in self.random.permutation(len(batches))]
        chosen = [self.learned[number] for number in self.order.pop()]
        ids = torch.zeros(len(chosen), max(len(text) for text, _ in chosen), dtype=torch.long)
        anchors = torch.zeros(len(chosen), self.options.anchors, dtype=torch.long)
        for row, (text, asked) in enumerate(chosen):
            ids[row, :len(text)] = text
            possible = numpy.arange(max(asked - 1, 0), len(text) - self.places - 1)
            drawn = self.random.choice(possible, self.options.anchors, replace=len(possible) < self.options.anchors)
            anchors[row] = torch.from_numpy(numpy.sort(drawn))
        return ids.to(self.options.device), anchors.to(self.options.device)


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
    parser.add_argument("--seconds", type=float, default=math.inf, help="after which training ends before its steps do")
    parser.add_argument("--batch", type=int, default=1, help="texts in a step")
    parser.add_argument("--places", type=int, default=3)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--anchors", type=int, default=96, help="groups of masks in a text")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--embedding-rate", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--resume", type=Path)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    settings, tensors, _ = read_checkpoint(options.checkpoint, options.device)
    model = MaskedModel(settings, tensors, LONGEST + options.places + 1).narrowed()
    masks = Masks(tensors, model.layers, options.places, options.rank)
    if options.resume:
        load(options.resume, masks)
    every = texts(options.corpus, options.places)
    held, learned = every[::HELD_OUT][:64], [text for number, text in enumerate(every) if number % HELD_OUT]
    if not learned:
        sys.exit(f"train_space: {options.corpus} has no text that is long enough")
    groups = [{"params": masks.parameters(), "rate": options.rate}, {"params": [masks.embeddings], "rate": options.embedding_rate}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=0.0)
    batches = Batches(learned, masks, options)
    schedule = Schedule(options.steps, options.seconds, WARM_UP)
    losses: list[torch.Tensor] = []
    saved = 0.0
    origin = f"train_space.py {' '.join(sys.argv[4:])}, torch {torch.__version__}"

    def tell() -> None:
        right = ", ".join(f"{100 * share:.1f}" for share in check(model, masks, held))
        print(f"step {schedule.step}: cross entropy {torch.stack(losses[-50:]).mean():.3f}, right of held out {right} %, "
              f"{schedule.elapsed:.0f} s", file=sys.stderr, flush=True)
        save(options.adapter, masks, origin)

    while not schedule.done:
        ids, anchors = batches.next()
        found = model.logits(model.foresee(model.read(ids), anchors, masks)).float()
        loss = torch.nn.functional.cross_entropy(found.flatten(0, 2), targets(ids, anchors, options.places).flatten())
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * schedule.rate
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(masks.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.detach())
        schedule.step += 1
        if schedule.done or schedule.step in (10, 100) or schedule.elapsed - saved > SAVED:
            tell()
            saved = schedule.elapsed


if __name__ == "__main__":
    main()
