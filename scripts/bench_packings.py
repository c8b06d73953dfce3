#!/usr/bin/env python3
"""Decoding with every packing: whether fewer bits are faster in proportion: make bench-packings.

Compiles a checkpoint with each of --weights and decodes with the plans in turn, round after round, so that what else the
machine does meets all of them alike. Prints the median speed, its share of the memory bandwidth that `lathe bench`
measures beside it, and speed beside w8's next to bytes beside w8's: equal figures mean in proportion.
"""

import argparse
import statistics
import sys
from pathlib import Path

from lathe_program import lathe

KINDS = "w8,w6,w5,w4,w3,w2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    parser.add_argument("--source", type=Path, default=Path(".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--weights", default=KINDS, help=f"with commas ({KINDS})")
    parser.add_argument("--folder", type=Path, default=Path(".models/packings"), help="where the plans go")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--isa", help="an instruction set to hold lathe to: avx2")
    options = parser.parse_args()
    if not options.source.exists():
        parser.error(f"{options.source} is not there")
    options.folder.mkdir(parents=True, exist_ok=True)
    kinds = options.weights.split(",")
    sizes: dict[str, float] = {}
    bits: dict[str, float] = {}
    for kind in kinds:
        facts = lathe(options.lathe, "compile", options.source, "-o", options.folder / f"{kind}.plan", "--weights", kind)
        sizes[kind], bits[kind] = facts["plan_bytes"] / 1e6, facts["bits_per_weight"]
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    shares: dict[str, list[float]] = {kind: [] for kind in kinds}
    isa = ["--isa", options.isa] if options.isa else []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for kind in kinds:
            test, = lathe(options.lathe, "bench", options.folder / f"{kind}.plan", "-p", 0, "-n", 128, "-r", 2, *isa)
            rates[kind].append(test["tokens_per_second"])
            shares[kind].append(test["roofline_fraction"])
    first = kinds[0]
    print(f"| packing | plan, MB | bits a weight | decode, tokens/s | of the limit | speed beside {first} | "
          f"bytes of {first} beside its own |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for kind in kinds:
        speeds = sorted(rates[kind])
        # Within a round, both met the same machine.
        speed = statistics.median(rate / base for rate, base in zip(rates[kind], rates[first]))
        print(f"| {kind} | {sizes[kind]:.1f} | {bits[kind]:.2f} | {statistics.median(speeds):.0f} ({speeds[0]:.0f} to "
              f"{speeds[-1]:.0f}) | {statistics.median(shares[kind]):.0%} | {speed:.2f}x | "
              f"{sizes[first] / sizes[kind]:.2f}x |")


if __name__ == "__main__":
    main()
