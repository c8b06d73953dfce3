#!/usr/bin/env python3
"""What sharing attention weights costs and gives, step by step: make bench-sharing.

For each number of receivers five models in float32 beside the dense one, on text that no calibration saw: layers by
position (the last ones before the last layer), by similarity to the layer before, by measured divergence (`--share-attention
auto`, which is asked once for the most layers; fewer are a beginning of its order), then with mapped heads, and repaired.
Then how decoding and prefill fare and what a position takes in the KV cache, for w4 plans of the measured layers; and what
sharing costs together with the packings of --weights, beside the sum of both alone. --adapter adds rows for models that
distill.py has trained, in float32 too; the first one is then what is tried together with packings.
"""

import argparse
import functools
import json
import statistics
import sys
from pathlib import Path

from lathe_program import lathe

CHOICES = [("by position", "plain"), ("by similarity", "plain"), ("by divergence", "plain"), ("by divergence", "heads"),
           ("by divergence", "repaired")]


def joined(layers: list[int]) -> str:
    """Layers as --share-attention takes them: those that follow each other are one span."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and runs[-1][1] == layer - 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in runs)


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.dense = self.compile("dense", "--weights", "f32")
        self.perplexity = self.score(self.dense)["perplexity"]

    @functools.cached_property
    def inspected(self) -> dict:
        return lathe(self.options.lathe, "inspect", self.options.source, "--attention-similarity", *self.calibration)

    @property
    def similar(self) -> list[int]:
        """Layers, the one most like the layer before it first."""
        near = [pair for pair in self.inspected["pairs"] if pair["layer"] == pair["earlier"] + 1]
        near.sort(key=lambda pair: (-sum(pair["without_sink"]), pair["layer"]))
        return [pair["layer"] for pair in near]

    @property
    def calibration(self) -> list[object]:
        return ["--calibration", self.options.calibration] if self.options.calibration else []

    def compile(self, name: str, *arguments: object) -> Path:
        plan = self.options.folder / f"{name}.plan"
        print(f"{name}: {' '.join(map(str, arguments))}", file=sys.stderr, flush=True)
        self.facts = lathe(self.options.lathe, "compile", self.options.source, "-o", plan, *arguments)
        return plan

    def score(self, plan: Path) -> dict:
        more = ["--chunks", self.options.chunks] if self.options.chunks else []
        return lathe(self.options.lathe, "eval", plan, "--text", self.options.text, "-c", 512, "--reference", self.dense,
                     "--divergence-prompts", 0, *more)

    def order(self, most: int) -> list[int]:
        """Layers in the order in which they are chosen by divergence."""
        report = self.options.folder / "order.json"
        self.compile("order", "--weights", "f32", "--share-attention", "auto", "--share-layers", most, "--share-method",
                     "heads", "--report", report, *self.calibration)
        receivers = json.loads(report.read_text())["sharing"]["receivers"]
        return [each["layer"] for each in sorted(receivers, key=lambda each: each["kl_so_far"])]

    def rates(self, plan: Path) -> list[float]:
        """Prefill and decoding at the beginning, then behind 4096 tokens."""
        return [test["tokens_per_second"] for depth in (0, 4096)
                for test in lathe(self.options.lathe, "bench", plan, "-p", 512, "-n", 64, "-d", depth, "-r", 2)]

    def chosen(self, choice: str, count: int, order: list[int]) -> list[int]:
        if choice == "by position":
            last = self.inspected["layers"] - 1
            return list(range(last - count, last))
        return (self.similar if choice == "by similarity" else order)[:count]


def print_quality(bench: Bench, counts: list[int], order: list[int]) -> None:
    print("| receivers | chosen | method | layers | perplexity beside dense | mean KL | seconds | MB of memory |")
    print("|---:|---|---|---|---:|---:|---:|---:|", flush=True)
    for count in counts:
        for choice, method in CHOICES:
            if method not in bench.options.methods.split(","):
                continue
            layers = joined(bench.chosen(choice, count, order))
            plan = bench.compile(f"{count}-{choice.split()[-1]}-{method}", "--weights", "f32", "--share-attention",
                                 layers, "--share-method", method, *bench.calibration)
            scores = bench.score(plan)
            print(f"| {count} | {choice} | {method} | {layers} | {scores['perplexity'] / bench.perplexity:.3f}x "
                  f"| {scores['kl_mean']:.4f} | {bench.facts['seconds']:.0f} | "
                  f"{bench.facts['peak_rss_bytes'] / 1e6:.0f} |", flush=True)
            plan.unlink()
    for adapter in bench.options.adapter:
        plan = bench.compile(adapter.stem, "--weights", "f32", "--adapter", adapter)
        scores = bench.score(plan)
        print(f"| | | distilled | {adapter.stem} | {scores['perplexity'] / bench.perplexity:.3f}x "
              f"| {scores['kl_mean']:.4f} | {bench.facts['seconds']:.0f} | "
              f"{bench.facts['peak_rss_bytes'] / 1e6:.0f} |", flush=True)
        plan.unlink()


def print_speed(bench: Bench, counts: list[int], order: list[int]) -> None:
    print("\n| receivers | KV bytes a position | " + " | ".join(
        f"{test}{place}" for place in ("", " @ d4096") for test in ("prefill", "decode")) + " |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    speeds = [0, *counts]
    plans = {}
    for count in speeds:
        sharing = ["--share-attention", joined(order[:count]), "--share-method", "plain"] if count else []
        plans[count] = bench.compile(f"{count}-speed", "--weights", "w4", *sharing)
    # In turn, round after round: what else the machine does meets all of them alike.
    rounds = [{count: bench.rates(plans[count]) for count in speeds} for _ in range(bench.options.rounds)]
    for count in speeds:
        state = lathe(bench.options.lathe, "inspect", plans[count])["state_bytes_per_position"]
        cells = []
        for test in range(4):
            rate = statistics.median(rates[count][test] for rates in rounds)
            ratio = statistics.median(rates[count][test] / rates[0][test] for rates in rounds)
            cells.append(f"{rate:.0f} ({ratio:.2f}x)")
        print(f"| {count} | {state} | " + " | ".join(cells) + " |", flush=True)
        plans[count].unlink()


def print_together(bench: Bench, order: list[int]) -> None:
    options = bench.options
    print("\n| weights | KL alone | of sharing alone | sum | together |")
    print("|---|---:|---:|---:|---:|", flush=True)
    sharing = (["--adapter", options.adapter[0]] if options.adapter
               else ["--share-attention", joined(order[:options.together])]) + bench.calibration
    shared = bench.score(bench.compile("together", "--weights", "f32", *sharing))["kl_mean"]
    for weights in options.weights.split(","):
        alone = bench.score(bench.compile(f"{weights}-dense", "--weights", weights))["kl_mean"]
        both = bench.score(bench.compile(f"{weights}-together", "--weights", weights, *sharing))["kl_mean"]
        print(f"| {weights} | {alone:.4f} | {shared:.4f} | {alone + shared:.4f} | {both:.4f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    parser.add_argument("--source", type=Path, default=Path(".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--text", type=Path, default=Path(".models/eval.txt"), help="held out of every calibration")
    parser.add_argument("--calibration", type=Path, help="plain text; built-in text when left out")
    parser.add_argument("--chunks", type=int, help="of 512 tokens, at most (all, where it is not given)")
    parser.add_argument("--parts", default="quality,speed,together")
    parser.add_argument("--counts", default="2,4,6,8,10")
    parser.add_argument("--methods", default="plain,heads,repaired")
    parser.add_argument("--adapter", type=Path, action="append", default=[], help="of a distilled model; may be repeated")
    parser.add_argument("--weights", default="keep,w8,w4", help="that sharing is tried together with")
    parser.add_argument("--together", type=int, default=4, help="receivers that are tried with them")
    parser.add_argument("--rounds", type=int, default=3, help="of measuring speed")
    parser.add_argument("--order", help="layers in the order of their cost, with commas, instead of the search")
    parser.add_argument("--folder", type=Path, default=Path(".models/sharing"), help="where the plans go")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    counts = [int(count) for count in options.counts.split(",")]
    bench = Bench(options)
    order = ([int(layer) for layer in options.order.split(",")] if options.order
             else bench.order(max(counts + [options.together])))
    parts = options.parts.split(",")
    if "quality" in parts:
        print_quality(bench, counts, order)
    if "speed" in parts:
        print_speed(bench, counts, order)
    if "together" in parts:
        print_together(bench, order)


if __name__ == "__main__":
    main()
