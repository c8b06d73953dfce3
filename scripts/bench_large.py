#!/usr/bin/env python3
"""A model of 1.1 billion parameters: what compiling it takes, and its speed beside llama.cpp: make bench-large.

The checkpoint is synthetic (scripts/make_synthetic_llama.py) and is made once: 2.2 GB of bfloat16 safetensors that
Lathe compiles, and the same weights as GGUF, which llama.cpp's own quantizer brings to Q4_0. All files: 6 GB. Then
bench_peers.py compares Lathe's plan of 4-bit weights with that.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from peers.environment import Environment
from peers.llamacpp import LlamaCpp

SCRIPTS = Path(__file__).resolve().parent


def make_checkpoint(environment: Environment, folder: Path, gguf: Path) -> None:
    """Makes both files unless they are there and whole."""
    if gguf.exists():
        return
    partial = gguf.with_name(f"{gguf.name}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    print("making the checkpoint: some minutes", file=sys.stderr)
    subprocess.run([environment.python, SCRIPTS / "make_synthetic_llama.py", folder, "--gguf", partial], check=True)
    # The last thing that is made tells that everything is.
    partial.rename(gguf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    parser.add_argument("--folder", type=Path, default=Path(".models/large"))
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--weights", default="w4", help="precision of the plan: w4 or w8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--isa", help="an instruction set that lathe alone is held to: avx2")
    options = parser.parse_args()

    environment = Environment(options.venv)
    failure = environment.install(LlamaCpp)
    if failure:
        sys.exit(f"bench_large: {failure}")
    checkpoint, gguf = options.folder / "checkpoint", options.folder / "synthetic-1.1B.F16.gguf"
    make_checkpoint(environment, checkpoint, gguf)

    plan = options.folder / f"synthetic-1.1B.{options.weights}.plan"
    output = subprocess.run(
        [options.lathe, "compile", checkpoint, "-o", plan, "--weights", options.weights, "--json", "--quiet"],
        check=True, stdout=subprocess.PIPE).stdout
    facts = json.loads(output)
    print(f"compiled to {facts['plan_bytes'] / 1e6:.0f} MB ({facts['bits_per_weight']:.2f} bits a weight) in "
          f"{facts['seconds']:.1f} s and {facts['peak_rss_bytes'] / 1e6:.0f} MB of memory\n", flush=True)

    command = [sys.executable, SCRIPTS / "bench_peers.py", "--lathe", options.lathe, "--plan", plan, "--gguf", gguf,
               "--threads", str(options.threads), "--rounds", str(options.rounds), "--venv", options.venv,
               "--cache", options.folder, "--peers", LlamaCpp.name, "--formats", "Q4_0", "--no-depth"]
    sys.exit(subprocess.run(command + (["--isa", options.isa] if options.isa else [])).returncode)


if __name__ == "__main__":
    main()
