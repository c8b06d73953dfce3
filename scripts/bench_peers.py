#!/usr/bin/env python3
"""Lathe beside its peers on one machine, in one run: make bench-peers.

Each round measures every system once, one after the other, so that a change of the machine's clock or load meets all of
them; ratios are taken within a round. What is measured:

  pp512   tokens/s of a prefill of 512 tokens from an empty cache
  tg128   tokens/s of 128 tokens decoded one by one from an empty cache
  load    seconds from the call that opens the model until it can run (file in the page cache)
  token   seconds of that and of the first token behind a short prompt; for lathe of the whole process, for a peer
          without the start of Python and its imports
  memory  peak resident set of the process of `token`; a peer's has Python in it

Peers are installed from PyPI into a virtual environment, versions pinned, at the first run. To add one, write a class
with the methods of LlamaCpp and name it in PEERS. The script itself needs the standard library alone.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

PREFILL, DECODE = 512, 128
PROMPT = "The capital of France is"


class LlamaCpp:
    """llama.cpp, called as its own llama-bench calls it."""

    packages = ["llama-cpp-python==0.3.36", "numpy"]

    @staticmethod
    def imports():
        import llama_cpp
        import numpy

        return llama_cpp, numpy

    def __init__(self, path, threads):
        self.library, numpy = self.imports()
        self.llama = self.library.Llama(
            str(path), n_ctx=PREFILL + DECODE, n_batch=PREFILL, n_ubatch=PREFILL, n_threads=threads,
            n_threads_batch=threads, verbose=False)
        self.context = self.llama.ctx
        self.random = numpy.random.default_rng(1)

    def clear(self):
        self.library.llama_memory_clear(self.library.llama_get_memory(self.context), True)

    def decode(self, ids):
        array = (self.library.llama_token * len(ids))(*ids)
        status = self.library.llama_decode(self.context, self.library.llama_batch_get_one(array, len(ids)))
        if status != 0:
            raise RuntimeError(f"llama_decode: {status}")
        self.library.llama_synchronize(self.context)

    def first_token(self, text):
        ids = self.llama.tokenize(text.encode(), add_bos=False)
        return next(self.llama.generate(ids, temp=0))

    def prefill(self, count):
        self.clear()
        ids = self.random.integers(0, self.llama.n_vocab(), count).tolist()
        start = time.perf_counter()
        self.decode(ids)
        return count / (time.perf_counter() - start)

    def generate(self, count):
        self.clear()
        ids = self.random.integers(0, self.llama.n_vocab(), count).tolist()
        start = time.perf_counter()
        for token in ids:
            self.decode([token])
        return count / (time.perf_counter() - start)


PEERS = {"llama.cpp": LlamaCpp}


# MARK: The process of a peer


def work(name, path, threads):
    """Answers one line of JSON to each line on stdin; the first answer says that the model is loaded."""
    # The library's own messages must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    PEERS[name].imports()
    start = time.perf_counter()
    peer = PEERS[name](path, threads)
    load = time.perf_counter() - start
    print(json.dumps({"load": load}), file=answers)
    for line in sys.stdin:
        command = line.strip()
        if command == "token":
            begin = time.perf_counter()
            peer.first_token(PROMPT)
            answer = {
                "load": load, "token": load + time.perf_counter() - begin,
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            }
        elif command == "pp":
            answer = {"tokens_per_second": peer.prefill(PREFILL)}
        else:
            answer = {"tokens_per_second": peer.generate(DECODE)}
        print(json.dumps(answer), file=answers)


class Peer:
    def __init__(self, python, name, path, threads):
        self.name = name
        self.command = [python, __file__, "--worker", name, "--gguf", path, "--threads", str(threads)]
        self.process = None

    def start(self):
        process = subprocess.Popen(
            list(map(str, self.command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, bufsize=1)
        self.read(process)
        return process

    def read(self, process):
        line = process.stdout.readline()
        if not line:
            sys.exit(f"bench_peers: {self.name} ended early; try: {' '.join(map(str, self.command))}")
        return json.loads(line)

    def ask(self, process, command):
        process.stdin.write(command + "\n")
        return self.read(process)

    def measure(self):
        if self.process is None:
            self.process = self.start()
        return {test: self.ask(self.process, kind)["tokens_per_second"]
                for test, kind in ((f"pp{PREFILL}", "pp"), (f"tg{DECODE}", "tg"))}

    def cold(self):
        process = self.start()
        answer = self.ask(process, "token")
        process.stdin.close()
        process.wait()
        return answer

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


class Lathe:
    name = "lathe"

    def __init__(self, program, plan, threads):
        self.program, self.plan, self.threads = program, plan, threads

    def run(self, arguments):
        """The command's JSON, the seconds that the process took, and its peak resident set."""
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, [self.program, *arguments])), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        output = process.stdout.read()
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"bench_peers: {' '.join(map(str, arguments))}: {message.decode(errors='replace').strip()}")
        return json.loads(output), seconds, usage.ru_maxrss * 1024

    def measure(self):
        rows, _, _ = self.run(["bench", self.plan, "-p", PREFILL, "-n", DECODE, "-t", self.threads, "-r", 1,
                               "--json", "--quiet"])
        return {row["test"]: row["tokens_per_second"] for row in rows}

    def cold(self):
        answer, seconds, memory = self.run(
            ["run", self.plan, "-p", PROMPT, "-n", 1, "--temp", 0, "-t", self.threads, "--json", "--quiet"])
        return {"load": answer["load_seconds"], "token": seconds, "memory": memory}

    def close(self):
        pass


# MARK: The table


def prepare(venv, names):
    """The environment's Python, after installing what is not there."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    packages = sorted({package for name in names for package in PEERS[name].packages})
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages], check=True,
                   stdout=sys.stderr)
    return python


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def report(systems, samples, unit):
    """Rows of the table and of the JSON: every system's spread, and lathe's ratio to it within each round."""
    rows = []
    for system in systems:
        values = [sample[system.name] for sample in samples]
        row = {"system": system.name, **spread(values)}
        if system.name != "lathe":
            # As a factor of speed: above 1 lathe is the faster, or the smaller.
            ratios = [sample["lathe"] / sample[system.name] if unit == "tokens/s"
                      else sample[system.name] / sample["lathe"] for sample in samples]
            row["ratio"] = spread(ratios)
        rows.append(row)
    return rows


def show(test, unit, rows):
    scale, digits = {"tokens/s": (1, 1), "ms": (1000, 1), "MB": (1e-6, 0)}[unit]
    for row in rows:
        low, middle, high = (row[key] * scale for key in ("least", "median", "most"))
        line = f"{test:7}{row['system']:18}{middle:10.{digits}f} {unit:9}({low:.{digits}f} to {high:.{digits}f})"
        if "ratio" in row:
            ratio = row["ratio"]
            line = f"{line:68}lathe is {ratio['median']:.2f}x ({ratio['least']:.2f} to {ratio['most']:.2f})"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lathe", type=Path)
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default=",".join(PEERS), help="names, with commas")
    parser.add_argument("--venv", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.gguf, options.threads)
        return
    if not options.lathe or not options.plan or options.rounds < 1:
        parser.error("--lathe and --plan are needed, and at least one round")

    names = options.peers.split(",")
    python = prepare(options.venv, names)
    systems = [Lathe(options.lathe, options.plan, options.threads)]
    systems += [Peer(python, name, options.gguf, options.threads) for name in names]
    speeds, colds = [], []
    for number in range(options.rounds + 1):
        # The first round warms the page cache and the clock, and is not counted.
        print(f"round {number} of {options.rounds}", file=sys.stderr)
        speed = {system.name: system.measure() for system in systems}
        cold = {system.name: system.cold() for system in systems}
        if number > 0:
            speeds.append(speed)
            colds.append(cold)
    for system in systems:
        system.close()

    tests = [(test, "tokens/s", speeds) for test in (f"pp{PREFILL}", f"tg{DECODE}")]
    tests += [("load", "ms", colds), ("token", "ms", colds), ("memory", "MB", colds)]
    result = [
        (test, unit, report(systems, [{name: values[test] for name, values in sample.items()} for sample in samples],
                            unit))
        for test, unit, samples in tests
    ]
    if options.json:
        packages = {name: PEERS[name].packages for name in names}
        print(json.dumps({
            "processor": processor(), "threads": options.threads, "rounds": options.rounds, "packages": packages,
            "tests": [{"test": test, "systems": rows} for test, _, rows in result],
        }, indent=1))
        return
    print(f"{options.gguf.name} on {processor()}, {options.threads} threads, {options.rounds} rounds: "
          "median (least to most)")
    for test, unit, rows in result:
        show(test, unit, rows)


if __name__ == "__main__":
    main()
