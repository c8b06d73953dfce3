#!/usr/bin/env python3
"""What bounding the state of attention costs and gives: make bench-linearize.

Quality: for each number of layers, chosen by `--linearize auto` in one order, and each form, perplexity at 1k and at 8k of
context beside the dense model in float32 on text that no calibration saw, the mean KL divergence at 1k, and how often a pass
key in a text of some length is told: five digits at three depths, greedy. Then the state of each model in bytes, and what
compiling took.
Speed: decoding and prefill of w4 plans behind growing depths, past the model's own context for timing. --adapter adds rows
for models that distill.py has trained.
"""

import argparse
import json
import random
import sys
from pathlib import Path

from lathe_program import lathe

FILLER = ("The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ")
DEPTHS = (0.1, 0.5, 0.9)
FORMS = {
    "window": ["--linearize-method", "plain"],
    "window, fitted": [],
    "windows, fitted": ["--linearize-form", "windows"],
    "hybrid, fitted": ["--linearize-form", "hybrid"],
    "grouped, fitted": ["--linearize-form", "grouped"],
    "auto": ["--linearize-form", "auto"],
}


def passkey_text(words: int, depth: float, key: int) -> str:
    """About so many tokens, with the key at a share of their length."""
    filler = [FILLER] * max(1, words // 22)
    filler.insert(round(depth * len(filler)), f"The pass key is {key}. Remember it. {key} is the pass key. ")
    return ("There is a pass key hidden in a lot of irrelevant text. Find it and remember it. " + "".join(filler)
            + "What is the pass key? The pass key is")


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.dense = self.compile("dense", "--weights", "f32")
        self.base = {length: self.score(self.dense, length)["perplexity"] for length in options.contexts}

    def compile(self, name: str, *arguments: object) -> Path:
        plan = self.options.folder / f"{name}.plan"
        print(f"{name}: {' '.join(map(str, arguments))}", file=sys.stderr, flush=True)
        calibration = ["--calibration", self.options.calibration] if self.options.calibration else []
        used = calibration if {"--linearize", "--adapter"} & set(map(str, arguments)) else []
        self.facts = lathe(self.options.lathe, "compile", self.options.source, "-o", plan, *arguments, *used)
        return plan

    def score(self, plan: Path, length: int) -> dict:
        """Perplexity, and at the first length the divergence from the dense model as well."""
        chunks = max(1, self.options.tokens // length)
        reference = ["--reference", self.dense, "--divergence-prompts", 0] if length == self.options.contexts[0] else []
        return lathe(self.options.lathe, "eval", plan, "--text", self.options.text, "-c", length, "--chunks", chunks, *reference)

    def passkeys(self, plan: Path) -> list[float]:
        """The share of keys that is told, for each length."""
        shares = []
        for length in self.options.passkeys:
            source = random.Random(length)
            right = 0
            for trial in range(self.options.trials):
                key = source.randrange(10000, 100000)
                text = passkey_text(length, DEPTHS[trial % len(DEPTHS)], key)
                found = lathe(self.options.lathe, "run", plan, "-p", text, "-n", 8)["text"]
                right += str(key) in found
            shares.append(right / self.options.trials)
        return shares

    def order(self, most: int) -> list[int]:
        """Layers in the order in which they are chosen for windows."""
        report = self.options.folder / "order.json"
        self.compile("order", "--weights", "f32", "--linearize", "auto", "--linearize-layers", most, *FORMS["window"],
                     "--report", report)
        layers = json.loads(report.read_text())["linearization"]["layers"]
        return [each["layer"] for each in sorted(layers, key=lambda each: each["kl_so_far"])]

    def row(self, name: str, plan: Path) -> None:
        scores = {length: self.score(plan, length) for length in self.options.contexts}
        facts = lathe(self.options.lathe, "inspect", plan)
        cells = [f"{scores[length]['perplexity'] / self.base[length]:.3f}x" for length in self.options.contexts]
        keys = [f"{share:.0%}" for share in self.passkeys(plan)]
        print(f"| {name} | " + " | ".join([*cells, f"{scores[self.options.contexts[0]]['kl_mean']:.4f}", *keys])
              + f" | {facts['state_bytes_per_position']:,} | {facts['state_bytes_constant']:,} | "
              f"{self.facts['seconds']:.0f} | {self.facts['peak_rss_bytes'] / 1e6:.0f} |", flush=True)


def print_quality(bench: Bench) -> None:
    options = bench.options
    titles = [f"perplexity at {length}" for length in options.contexts] + ["mean KL"]
    titles += [f"pass key in {length}" for length in options.passkeys]
    titles += ["state bytes a position", "constant", "seconds", "MB of memory"]
    print("| layers | " + " | ".join(titles) + " |")
    print("|---|" + "---:|" * len(titles), flush=True)
    bench.row("dense", bench.dense)
    order = [int(layer) for layer in options.order.split(",")] if options.order else bench.order(max(options.layers))
    print(f"order: {','.join(map(str, order))}", file=sys.stderr)
    for count in options.layers:
        for form in options.forms:
            layers = ",".join(map(str, sorted(order[:count])))
            plan = bench.compile(f"{count}-{form}", "--weights", "f32", "--linearize", layers, *FORMS[form])
            bench.row(f"{count}, {form}", plan)
            plan.unlink()
    for adapter in options.adapter:
        plan = bench.compile(adapter.stem, "--weights", "f32", "--adapter", adapter)
        bench.row(f"distilled {adapter.stem}", plan)
        plan.unlink()


def print_speed(bench: Bench) -> None:
    options = bench.options
    print("\n| layers | test | " + " | ".join(f"behind {depth}" for depth in options.depths) + " |")
    print("|---|---|" + "---:|" * len(options.depths), flush=True)
    last = lathe(options.lathe, "inspect", bench.dense)["states"]
    linear = ["--linearize", f"0-{len(last) - 1}"]
    for name, arguments in [("dense", []), *((f"all, {form}", [*linear, *FORMS[form]]) for form in options.forms)]:
        plan = bench.compile("speed", "--weights", "w4", *arguments)
        tests: dict[str, list[str]] = {}
        for depth in options.depths:
            for test in lathe(options.lathe, "bench", plan, "-p", 512, "-n", 64, "-d", depth, "-r", 2, "--past-context"):
                kind = test["test"].split(" ")[0]
                tests.setdefault(kind, []).append(f"{test['tokens_per_second']:.0f}")
        for kind, rates in tests.items():
            print(f"| {name} | {kind} | " + " | ".join(rates) + " |", flush=True)
        plan.unlink()


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    parser.add_argument("--source", type=Path, default=Path(".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--text", type=Path, default=Path(".models/eval.txt"))
    parser.add_argument("--calibration", type=Path, help="plain text to choose on; built-in text when left out")
    parser.add_argument("--folder", type=Path, default=Path(".models/linearized"), help="where the plans go")
    parser.add_argument("--parts", default="quality,speed")
    parser.add_argument("--layers", type=numbers, default=[8, 15, 22, 30], help="numbers of layers")
    parser.add_argument("--forms", type=lambda text: text.split(";"), default=list(FORMS), help="with ; between: "
                        + "; ".join(FORMS))
    parser.add_argument("--contexts", type=numbers, default=[1024, 8192], help="of perplexity; KL is of the first one")
    parser.add_argument("--tokens", type=int, default=24576, help="that are read for a perplexity")
    parser.add_argument("--passkeys", type=numbers, default=[512, 2048], help="lengths of texts with a key")
    parser.add_argument("--trials", type=int, default=12, help="keys of each length")
    parser.add_argument("--depths", type=numbers, default=[0, 4096, 16384, 65536])
    parser.add_argument("--order", help="layers in the order in which they are linearized, instead of measuring it")
    parser.add_argument("--adapter", type=Path, action="append", default=[])
    options = parser.parse_args()
    for path in (options.source, options.text):
        if not path.exists():
            parser.error(f"{path} is not there")
    options.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    if "quality" in options.parts.split(","):
        print_quality(bench)
    if "speed" in options.parts.split(","):
        print_speed(bench)


if __name__ == "__main__":
    main()
