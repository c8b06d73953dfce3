#!/usr/bin/env python3
"""What quantizing costs, for Lathe and for llama.cpp: perplexity and divergence over bytes: make bench-quality.

The model is the rotated twin of a GGUF (scripts/make_rotated_twin.py): the same function, its weights off the grid that
the file put them on, in bfloat16. llama.cpp quantizes the twin's GGUF by its own quantizer; Lathe compiles the twin's
folder with each of --lathe-options. Every model is measured over the held-out text beside its own system's reference
(llama.cpp: the twin in bfloat16; Lathe: the plan of --reference), in the same chunks and by the same definitions
(Sources/Decoding/Perplexity.swift): perplexity, mean and 99th percentile of the divergence, same top token.

Prints a Markdown table sorted by bytes, what llama.cpp's files are made of, and which goals are reached; writes
results.svg and results.json into the cache's folder. What was measured is kept there and is measured again only where
a file, the text, or a version has changed. Packages go into a virtual environment at the first run; this script needs
the standard library alone.
"""

import argparse
import json
import shlex
import struct
import subprocess
import sys
from pathlib import Path

from peers.environment import Environment
from peers.llamacpp import FILE_TYPES, LlamaCpp
from peers.report import processor
from quality.cache import Cache, digest, stamp
from quality.plot import draw
from quality.report import GOALS, judge, markdown, other_types
from quality.systems import Failed, LatheConfigurations, LlamaCppTypes, Text, answer

SCRIPTS = Path(__file__).resolve().parent
PACKAGES = ["numpy", "gguf", "tokenizers"]
TYPES = "Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q4_0,Q3_K_M,Q2_K"
LATHE_OPTIONS = [
    "--weights w8", "--weights w4", "--target-size 124.9MB", "--target-size 107.6MB",
    "--target-size 107.6MB --rounding nearest", "--target-size 81MB",
]
VERSIONS = ("import importlib.metadata, json; print(json.dumps({name: importlib.metadata.version(name) "
            "for name in ('llama-cpp-python', 'numpy', 'gguf', 'tokenizers')}))")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path, default=Path(".build/release/lathe"))
    parser.add_argument("--gguf", type=Path, default=Path(".models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--text", type=Path, default=Path(".models/eval.txt"), help="held out of every calibration")
    parser.add_argument("-c", "--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, help="at most this many (all, where it is not given)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--types", default=TYPES, help=f"llama.cpp's, with commas ({TYPES})")
    parser.add_argument("--lathe-options", action="append", metavar="OPTIONS",
                        help=f"options of one plan, as --lathe-options='--weights w4'; once for each plan "
                             f"({', '.join(LATHE_OPTIONS)})")
    parser.add_argument("--reference", default="--weights f32",
                        help="options of the plan that lathe's are compared with")
    parser.add_argument("--speed", action="store_true", help="also measure the decoding of lathe's plans")
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--cache", type=Path, default=Path(".models/quality"), help="folder of everything that is made")
    parser.add_argument("--json", action="store_true", help="print results.json instead of the table")
    options = parser.parse_args()
    options.types = [name for name in options.types.split(",") if name]
    unknown = [name for name in options.types if name not in FILE_TYPES]
    if unknown:
        parser.error(f"llama.cpp's type {unknown[0]} is not known here; there are {', '.join(FILE_TYPES)}")
    options.lathe_options = list(dict.fromkeys(options.lathe_options or LATHE_OPTIONS))
    options.lathe_options = [words for words in options.lathe_options if words != options.reference]
    for path in (options.lathe, options.gguf, options.text):
        if not path.is_file():
            parser.error(f"{path} is not there")
    for word in shlex.split(" ".join(options.lathe_options)):
        if Path(word).is_file() and options.text.samefile(word):
            parser.error(f"{word} is the held-out text: calibrate on another one")
    if options.chunks is not None and options.chunks < 1:
        parser.error("--chunks takes 1 or more")
    return options


def prepare(options: argparse.Namespace) -> tuple[Environment, dict]:
    """The environment, and the versions in it."""
    environment = Environment(options.venv)
    failure = environment.install(LlamaCpp) or environment.add(PACKAGES)
    if failure:
        sys.exit(f"bench_quality: {failure}")
    versions = answer([environment.python, "-c", VERSIONS])
    assert isinstance(versions, dict)
    return environment, versions


def make_twin(options: argparse.Namespace, environment: Environment, versions: dict, cache: Cache) -> tuple[Path, Path]:
    """The twin's folder and its GGUF, made unless both are there and came from this source."""
    name = options.gguf.stem.rsplit(".", 1)[0] + "-rotated"
    folder, gguf = options.cache / name, options.cache / f"{name}.BF16.gguf"
    script = SCRIPTS / "make_rotated_twin.py"
    origin = {"source": stamp(options.gguf), "scripts": digest(script, SCRIPTS / "llama_files.py"), **versions}

    def make() -> dict:
        print("making the rotated twin", file=sys.stderr, flush=True)
        subprocess.run([environment.python, script, options.gguf, folder, "--gguf", gguf], check=True,
                       stdout=sys.stderr)
        return {"weights": weights(folder / "model.safetensors")}

    cache.result(f"twin {name}", origin, make, folder / "model.safetensors", gguf)
    return folder, gguf


def weights(path: Path) -> int:
    """The values in a safetensors file of 16 bits each."""
    with open(path, "rb") as file:
        length, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return sum(entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in header.items()
               if name != "__metadata__") // 2


def main() -> None:
    options = parse()
    environment, versions = prepare(options)
    cache = Cache(options.cache / "cache.json")
    folder, gguf = make_twin(options, environment, versions, cache)
    count = weights(folder / "model.safetensors")
    text = Text(options.text, options.context, options.chunks)
    try:
        rows = LlamaCppTypes(environment, versions, cache, options.threads).rows(
            gguf, options.types, text, count, options.cache)
        rows += LatheConfigurations(options.lathe, cache, options.threads).rows(
            folder, options.reference, options.lathe_options, text, count, options.cache, options.speed)
        version = subprocess.run([options.lathe, "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    except Failed as reason:
        sys.exit(f"bench_quality: {reason}")
    judged = [judge(goal, rows) for goal in GOALS]
    title = (f"{folder.name}, {count / 1e6:.1f} million weights, {text.path.name} in chunks of {text.context}"
             f"{f', {text.chunks} chunks at most' if text.chunks else ''}")
    document = {
        "model": folder.name, "weights": count, "text": text.path.name, "context": text.context,
        "chunks": text.chunks, "processor": processor(), "threads": options.threads,
        "versions": versions | {"lathe": version}, "rows": [row.document() for row in rows], "goals": judged,
    }
    (options.cache / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.cache / "results.svg").write_text(draw(rows, title), encoding="utf-8")
    if options.json:
        print(json.dumps(document, indent=1))
        return
    named = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    print(f"{title}; {named}\n\n{markdown(rows)}\n")
    print("llama.cpp's files are made of these types (K types need rows of a multiple of 256 columns):\n")
    print("\n".join(f"- {line}" for line in other_types(rows)) + "\n")
    for each in judged:
        state = {True: "reached", False: "not reached", None: "not judged"}[each["reached"]]
        print(f"- {state}: {each['goal']} ({each['remark']})")


if __name__ == "__main__":
    main()
