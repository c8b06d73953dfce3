#!/usr/bin/env python3
"""Distils a model whose attention does less than the original's, and writes what changed as an adapter for `lathe compile`.

    .venv-train/bin/python scripts/distill.py CHECKPOINT ADAPTER --share-attention 15,25,27,29 --text FILE
    .venv-train/bin/python scripts/distill.py CHECKPOINT ADAPTER --linearize 0-29 --window 128 --sinks 4 --text FILE

Which layers share attention weights, with which donors and heads, and the receivers' first output projections are those of
`lathe compile --share-attention`; layers that are linearized attend through a window. From the first layer on that differs,
every matrix gets a change of low rank, and the receivers' output projections change as a whole, so that the model's
predictions come close to those of the original one: the mean KL divergence over all positions of the text is what Adam makes
smaller. The checkpoint is a Llama in GGUF or a folder as transformers writes it; it is computed in float32.

The adapter is safetensors as formats/adapter.md says. Training text must be held out of what the result is measured on.

Needs: torch, numpy, gguf, safetensors, tokenizers.
"""

import argparse
import ctypes
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy
import torch
from torch.nn import functional

import llama_files

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "formats"))
import plan_reader  # noqa: E402

ATTENTION, FEED_FORWARD = ("q", "k", "v", "o"), ("gate", "up", "down")
WARM_UP = 20  # steps of a rising rate
MALLOC_SETTINGS = {-1: 2**31 - 1, -4: 0}  # glibc's mallopt: trim from here on, take so many maps of their own


def matrix_name(layer: int, matrix: str) -> str:
    part = "self_attn" if matrix in ATTENTION else "mlp"
    return f"model.layers.{layer}.{part}.{matrix}_proj"


def read_checkpoint(path: Path) -> tuple[dict, dict[str, torch.Tensor], object]:
    """Configuration, tensors in float32 by the names of transformers, and the tokenizer."""
    if path.is_dir():
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        settings = json.loads((path / "config.json").read_text(encoding="utf-8"))
        tensors = {}
        for file in sorted(path.glob("*.safetensors")):
            tensors.update(load_file(file))
        tensors = {name: tensor.float() for name, tensor in tensors.items()}
        encoder = Tokenizer.from_file(str(path / "tokenizer.json"))
    else:
        import gguf

        reader = gguf.GGUFReader(path)
        settings = llama_files.configuration(reader)
        tensors = {name: torch.from_numpy(value) for name, value in llama_files.weights(reader).items()}
        encoder = llama_files.tokenizer(reader)
    rope = settings.get("rope_parameters") or settings.get("rope_scaling") or {}
    if settings["model_type"] != "llama" or rope.get("rope_type", "default") != "default":
        sys.exit("distill: only models of the Llama family with an unscaled rotary embedding")
    if any(name.endswith(".bias") for name in tensors):
        sys.exit("distill: biases are not trained here")
    return settings, tensors, encoder


class Change:
    """What is added to a matrix: B A, of low rank, zero at first."""

    def __init__(self, shape: torch.Size, rank: int) -> None:
        rows, columns = shape
        self.a = (torch.randn(rank, columns) / math.sqrt(columns)).requires_grad_(True)
        self.b = torch.zeros(rows, rank, requires_grad=True)


class Model:
    """A Llama; with receivers and changes the student, without them the teacher."""

    def __init__(self, settings: dict, tensors: dict[str, torch.Tensor], length: int) -> None:
        self.tensors = tensors
        self.layers = settings["num_hidden_layers"]
        self.heads = settings["num_attention_heads"]
        self.key_heads = settings.get("num_key_value_heads") or self.heads
        self.dimensions = settings.get("head_dim") or settings["hidden_size"] // self.heads
        self.epsilon = settings["rms_norm_eps"]
        self.embedding = tensors["model.embed_tokens.weight"]
        self.head = tensors.get("lm_head.weight", self.embedding)
        theta = (settings.get("rope_parameters") or settings)["rope_theta"]
        frequencies = theta ** (-torch.arange(0, self.dimensions, 2).double() / self.dimensions)
        angles = torch.outer(torch.arange(length).double(), frequencies)
        self.cosines, self.sines = angles.cos().float()[:, None], angles.sin().float()[:, None]
        self.mask = torch.full((length, length), -1e30).triu(1)
        self.windows: dict[int, torch.Tensor] = {}

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.epsilon) * self.tensors[f"{name}.weight"]

    def rotated(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, -1)
        return torch.cat((first * self.cosines - second * self.sines, second * self.cosines + first * self.sines), -1)

    def grouped(self, x: torch.Tensor) -> torch.Tensor:
        """Query heads' matrices, stacked by the key head that they use."""
        return x.reshape(self.key_heads, -1, x.shape[-1])

    def bound(self, layers: list[int], window: int, sinks: int) -> None:
        """Lets layers of the student see their last positions and the first ones alone."""
        positions = torch.arange(len(self.mask))
        left_out = (positions[None] <= positions[:, None] - window) & (positions[None] >= sinks)
        mask = self.mask.masked_fill(left_out, -1e30)
        self.windows = {layer: mask for layer in layers}

    def run(self, x: torch.Tensor, layers: range, receivers: dict, weights: dict, changes: dict,
            windows: dict | None = None) -> torch.Tensor:
        """The residual stream [position, hidden] behind `layers`."""
        windows = windows or {}

        def product(x: torch.Tensor, layer: int, matrix: str) -> torch.Tensor:
            name = matrix_name(layer, matrix)
            y = x @ weights.get(name, self.tensors[f"{name}.weight"]).T
            change = changes.get(name)
            return y if change is None else y + (x @ change.a.T) @ change.b.T

        kept, donors = {}, {receiver["donor"] for receiver in receivers.values()}
        for layer in layers:
            prefix = f"model.layers.{layer}."
            normal = self.norm(x, f"{prefix}input_layernorm")
            value = product(normal, layer, "v").view(-1, self.key_heads, self.dimensions).transpose(0, 1)
            if layer in receivers:
                attention = kept[receivers[layer]["donor"]][receivers[layer]["head_map"]]
            else:
                query = self.rotated(product(normal, layer, "q").view(-1, self.heads, self.dimensions))
                key = self.rotated(product(normal, layer, "k").view(-1, self.key_heads, self.dimensions))
                scores = self.grouped(query.transpose(0, 1)) @ key.permute(1, 2, 0)
                scores = scores.view(self.heads, len(x), len(x)) / math.sqrt(self.dimensions)
                attention = torch.softmax(scores + windows.get(layer, self.mask), -1)
                if layer in donors:
                    kept[layer] = attention
            mixed = (self.grouped(attention) @ value).view(self.heads, len(x), self.dimensions)
            x = x + product(mixed.transpose(0, 1).flatten(1), layer, "o")
            normal = self.norm(x, f"{prefix}post_attention_layernorm")
            gated = functional.silu(product(normal, layer, "gate")) * product(normal, layer, "up")
            x = x + product(gated, layer, "down")
        return x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x, "model.norm") @ self.head.T


def divergence(found: torch.Tensor, expected: torch.Tensor) -> tuple[float, torch.Tensor]:
    """The mean KL divergence of predictions from those expected, from the logits of both, and its gradient."""
    with torch.no_grad():
        found, expected = torch.log_softmax(found, -1), torch.log_softmax(expected, -1)
        shares = expected.exp()
        loss = torch.dot(shares.flatten(), expected.sub_(found).flatten()).item() / len(found)
        return loss, found.exp_().sub_(shares).div_(len(found))


def start(options: argparse.Namespace) -> tuple[dict[int, dict], dict[str, torch.Tensor]]:
    """Receivers and their output projections, from a compile."""
    if options.share_attention is None:
        return {}, {}
    plan, report = options.adapter.with_suffix(".start.plan"), options.adapter.with_suffix(".start.json")
    calibration = ["--calibration", options.calibration] if options.calibration else []
    subprocess.run(
        [options.lathe, "compile", options.checkpoint, "-o", plan, "--weights", "f32", "--share-attention",
         options.share_attention, "--report", report, "--quiet", *calibration], check=True, stdout=subprocess.DEVNULL)
    facts = json.loads(report.read_text())
    receivers = {each["layer"]: each for each in facts["sharing"]["receivers"]}
    data = plan.read_bytes()
    header, sections = plan_reader.read_plan(data, False)
    weights = next(kind for kind, name in plan_reader.KINDS.items() if name == "weights")
    packed = memoryview(data)[sections[weights]["offset"]:]
    outputs = {}
    for tensor in header["tensors"]:
        layer = next((each for each in receivers if tensor["name"] == f"layers.{each}.attention.output"), None)
        if layer is None:
            continue
        rows = [plan_reader.logical_row(packed, tensor, row) for row in range(tensor["rows"])]
        outputs[matrix_name(layer, "o")] = torch.tensor(rows)
    for path in (plan, report):
        path.unlink()
    return receivers, outputs


def save(path: Path, receivers: dict[int, dict], outputs: dict, changes: dict[str, Change],
         windows: list[dict[str, int]], origin: str) -> None:
    from safetensors.torch import save_file

    tensors = {f"{name}.weight": value for name, value in outputs.items()}
    for name, change in changes.items():
        tensors |= {f"{name}.lora_A.weight": change.a, f"{name}.lora_B.weight": change.b}
    listed = [{key: receivers[layer][key] for key in ("layer", "donor", "head_map")} for layer in sorted(receivers)]
    metadata = {"shared_attention": listed, "windows": windows}
    save_file({name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}, path,
              {key: json.dumps(value, separators=(",", ":")) for key, value in metadata.items() if value}
              | {"origin": origin})


def trained_changes(tensors: dict, layers: range, receivers: dict, outputs: dict, rank: int) -> dict[str, Change]:
    """A change of each matrix that is used and not trained as a whole."""
    changes = {}
    for layer in layers:
        for matrix in ATTENTION + FEED_FORWARD:
            name = matrix_name(layer, matrix)
            if name not in outputs and not (layer in receivers and matrix in ("q", "k")):
                changes[name] = Change(tensors[f"{name}.weight"].shape, rank)
    return changes


def train(model: Model, chunks: torch.Tensor, first: int, receivers: dict, outputs: dict, changes: dict,
          options: argparse.Namespace) -> None:
    before, behind = range(first), range(first, model.layers)
    low = [part for change in changes.values() for part in (change.a, change.b)]
    whole = list(outputs.values())
    print(f"{len(chunks)} chunks of {options.length} tokens, {sum(part.numel() for part in low):,} weights of low rank, "
          f"{sum(value.numel() for value in whole):,} of output projections", file=sys.stderr, flush=True)
    groups = [{"params": low, "rate": options.rate}, {"params": whole, "rate": options.output_rate}]
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
                x = model.run(model.embedding[chunks[index]], before, {}, {}, {})
                taught[index] = (x, model.run(x, behind, {}, {}, {}))
            x, expected = taught[index]
            expected = model.logits(expected)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * min(1.0, (step + 1) / WARM_UP) * (1 - step / options.steps)
        found = model.logits(model.run(x, behind, receivers, outputs, changes, model.windows))
        loss, gradient = divergence(found, expected)
        optimizer.zero_grad(set_to_none=True)
        found.backward(gradient)
        torch.nn.utils.clip_grad_norm_(low + whole, 1.0)
        optimizer.step()
        losses.append(loss)
        if (step + 1) % 50 == 0 or step + 1 == options.steps:
            print(f"step {step + 1} of {options.steps}: mean KL {numpy.mean(losses[-50:]):.4f}, "
                  f"{time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def layer_list(text: str) -> list[int]:
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return [layer for part in ends for layer in range(part[0], part[-1] + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--share-attention", help="receivers, as lathe compile takes them")
    parser.add_argument("--linearize", type=layer_list, default=[], help="layers with a window: A-B,C")
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--sinks", type=int, default=4)
    parser.add_argument("--text", type=Path, required=True, help="plain text to train on")
    parser.add_argument("--calibration", type=Path, help="plain text for the compile; built-in text when left out")
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--length", type=int, default=512, help="tokens of a step")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3, help="of learning, for the changes of low rank")
    parser.add_argument("--output-rate", type=float, default=1e-4, help="for the output projections")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    options = parser.parse_args()
    if options.share_attention is None and not options.linearize:
        parser.error("nothing to distil: neither --share-attention nor --linearize")
    options.lathe = options.lathe.resolve()
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
    receivers, outputs = start(options)
    outputs = {name: value.requires_grad_(True) for name, value in outputs.items()}
    model.bound(options.linearize, options.window, options.sinks)
    first = min([receiver["donor"] for receiver in receivers.values()] + options.linearize)
    changes = trained_changes(tensors, range(first, model.layers), receivers, outputs, options.rank)
    train(model, chunks, first, receivers, outputs, changes, options)
    windows = [{"layer": layer, "length": options.window, "sinks": options.sinks} for layer in options.linearize]
    save(options.adapter, receivers, outputs, changes, windows,
         f"distill.py --steps {options.steps} --rank {options.rank} --seed {options.seed}")


if __name__ == "__main__":
    main()
