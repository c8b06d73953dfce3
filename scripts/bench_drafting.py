#!/usr/bin/env python3
"""What drafting gives, for prompts of four kinds: make bench-drafting.

Every prompt is continued greedily by each drafter in turn, one process each, so that nothing is known from other prompts and
that a disturbance of the machine touches all of them; texts that differ from plain decoding's are an error. Code is HumanEval's
prompts as they are. The speed-up is plain decoding's time over the drafter's, prefill left out. --peer GGUF adds llama.cpp's own
prompt lookup beside llama.cpp's plain decoding, through llama-cpp-python (in .venv-peers, which bench-peers makes too).
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from drafting.prompts import prompts
from lathe_program import lathe
from peers.environment import Environment
from peers.llamacpp import LlamaCpp


class Tally:
    """What one drafter did for prompts of one kind."""

    def __init__(self) -> None:
        self.tokens = self.steps = self.drafted = self.accepted = 0
        self.seconds = self.draft_seconds = 0.0
        self.ratios: list[float] = []

    def add(self, result: dict, plain: dict) -> None:
        produced = len(result["tokens"]) - 1
        if produced < 1:
            return
        seconds = produced / result["decode_tokens_per_second"]
        self.tokens += produced
        self.seconds += seconds
        self.ratios.append(produced / plain["decode_tokens_per_second"] / seconds)
        draft = result.get("draft", {"steps": produced, "drafted_tokens": 0, "accepted_tokens": 0, "draft_seconds": 0.0})
        self.steps += draft["steps"]
        self.drafted += draft["drafted_tokens"]
        self.accepted += draft["accepted_tokens"]
        self.draft_seconds += draft["draft_seconds"]


def measure(options: argparse.Namespace, texts: list[str]) -> dict[str, Tally]:
    systems = {name: (options.plan, name) for name in ["off", *options.drafters]}
    systems |= {label: (plan, drafter) for label, plan, drafter in options.also}
    tallies = {name: Tally() for name in systems}
    for number, text in enumerate(texts):
        results = {name: lathe(options.lathe, "run", plan, "-p", text, "-n", options.tokens, "--temp", 0, "--draft", drafter,
                               *(["-t", options.threads] if options.threads else []))
                   for name, (plan, drafter) in systems.items()}
        for name, result in results.items():
            if result["tokens"] != results["off"]["tokens"]:
                sys.exit(f"bench_drafting: {name} gives another text than plain decoding for prompt {number}: {text[:60]!r}")
            tallies[name].add(result, results["off"])
    return tallies


def print_peer(options: argparse.Namespace, texts: dict[str, list[str]]) -> None:
    environment = Environment(options.venv)
    failure = environment.install(LlamaCpp)
    if failure:
        sys.exit(f"bench_drafting: {failure}")
    print("\n| prompts | llama.cpp lookup of | tokens | tokens/s | beside its plain decoding | same texts |")
    print("|---|---:|---:|---:|---:|---:|", flush=True)
    threads = options.threads or len(os.sched_getaffinity(0))
    for kind in options.kinds.split(","):
        prompts = json.dumps(texts[kind][:options.prompts])
        for predicted in options.predicted.split(","):
            output = subprocess.run(
                [environment.python, "-m", "drafting.llamacpp", options.peer.resolve(), str(options.tokens), predicted,
                 str(threads)], input=prompts, check=True, stdout=subprocess.PIPE, text=True, env=environment.variables)
            found = json.loads(output.stdout)
            print(f"| {kind} | {predicted} | {found['tokens']} | {found['tokens'] / found['lookup_seconds']:.0f} "
                  f"| {found['plain_seconds'] / found['lookup_seconds']:.2f}x | {found['same']} of {found['prompts']} |",
                  flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, required=True)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True, help="plain text to extract from")
    parser.add_argument("--cache", type=Path, default=Path(".models/drafting"), help="where HumanEval's prompts are kept")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--prompts", type=int, help="only the first of each kind")
    parser.add_argument("--kinds", default="code,chat,extraction,story")
    parser.add_argument("--drafters", default="lookup,recycle,auto")
    parser.add_argument("--also", nargs=3, metavar=("LABEL", "PLAN", "DRAFTER"), action="append", default=[],
                        help="a drafter with another plan of the same model")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--peer", type=Path, help="the model in GGUF, for llama.cpp")
    parser.add_argument("--predicted", default="2,10", help="tokens that llama.cpp's lookup guesses at the most")
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    options = parser.parse_args()
    options.drafters = [name for name in options.drafters.split(",") if name]
    texts = prompts(options.text, options.cache)
    print("| prompts | drafter | tokens | tokens a step | right | drafting | tokens/s | speed-up | per prompt |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for kind in options.kinds.split(","):
        tallies = measure(options, texts[kind][:options.prompts])
        for name, tally in tallies.items():
            ratios = sorted(tally.ratios)
            right = f"{100 * tally.accepted / tally.drafted:.0f} %" if tally.drafted else ""
            print(f"| {kind} | {name} | {tally.tokens} | {tally.tokens / tally.steps:.2f} | {right} "
                  f"| {100 * tally.draft_seconds / tally.seconds:.1f} % | {tally.tokens / tally.seconds:.0f} "
                  f"| {tallies['off'].seconds / tally.seconds:.2f}x | {ratios[0]:.2f} to {ratios[-1]:.2f}x |", flush=True)
    if options.peer:
        print_peer(options, texts)


if __name__ == "__main__":
    main()
