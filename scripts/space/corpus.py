#!/usr/bin/env python3
"""Has a plan answer prompts, greedily, and keeps prompts and answers as token ids: what train_space.py trains on.

    scripts/space/corpus.py --lathe .build/release/lathe --plan PLAN --prose .models/training.txt OUTPUT.jsonl

A file that is there already is continued.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lathe_program import lathe  # noqa: E402
from space.prompts import prompts  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--lathe", type=Path, required=True)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--prose", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    done = sum(1 for _ in options.output.open()) if options.output.exists() else 0
    begin = time.monotonic()
    with options.output.open("a") as output:
        for number, prompt in enumerate(prompts(options.prose, options.count, options.seed)[done:], done + 1):
            asked = lathe(options.lathe, "tokenize", options.plan, "-p", prompt)["ids"]
            try:
                answer = lathe(options.lathe, "run", options.plan, "-p", prompt, "-n", options.tokens, "--temp", 0,
                               "--draft", "auto")["tokens"]
            except subprocess.CalledProcessError:
                sys.exit(f"corpus: prompt {number} could not be answered")
            output.write(json.dumps({"prompt": asked, "answer": answer}, separators=(",", ":")) + "\n")
            output.flush()
            if number % 100 == 0:
                print(f"corpus: {number} of {options.count}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
