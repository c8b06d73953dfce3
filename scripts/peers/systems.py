"""The systems that a run measures, as the script sees them: each answers for its speeds and for a cold start."""

import json
import os
import select
import subprocess
import time
from pathlib import Path

from .environment import Environment
from .measure import COLD, DECODE, PREFILL, PROMPT, Peer, Test

# Seconds after which a peer is given up.
PATIENCE = 900


class Failed(Exception):
    """A system that cannot be measured, and why."""


class Lathe:
    """Lathe with one plan; a process for each question."""

    label = "lathe"
    form = ""
    variant = ""

    def __init__(self, program: Path, plan: Path, threads: int, isa: str | None) -> None:
        self.program, self.plan = program, plan
        self.options = ["-t", threads, "--json", "--quiet"] + (["--isa", isa] if isa else [])
        self.fractions: dict[str, list[float]] = {}

    def run(self, *arguments: object) -> tuple[object, float, int]:
        """The command's JSON, the seconds that the process took, and its peak resident set in bytes."""
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, [self.program, *arguments, *self.options])), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout and process.stderr
        output, message = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed(message.decode(errors="replace").strip())
        return json.loads(output), seconds, usage.ru_maxrss * 1024

    def measure(self, tests: list[Test]) -> dict[str, float]:
        """Tokens a second of each test; the shares of the machine's limit are kept in `fractions`."""
        result = {}
        for depth in sorted({test.depth for test in tests}):
            rows, _, _ = self.run("bench", self.plan, "-p", PREFILL, "-n", DECODE, "-d", depth, "-r", 1)
            for row in rows:
                result[row["test"]] = row["tokens_per_second"]
                self.fractions.setdefault(row["test"], []).append(row["roofline_fraction"])
        return result

    def cold(self) -> dict[str, float]:
        answer, seconds, memory = self.run("run", self.plan, "-p", PROMPT, "-n", 1, "--temp", 0)
        values = dict(zip((test.name for test in COLD), (answer["load_seconds"], seconds, memory)))
        return values | {"token": (answer["tokens"] or [-1])[0]}

    def close(self) -> None:
        pass


class PeerSystem:
    """A peer with a format and a variant. One process answers for the speeds, a fresh one for each cold start."""

    def __init__(self, environment: Environment, peer: type[Peer], form: str, path: Path, variant: str,
                 threads: int) -> None:
        self.label, self.form, self.variant = peer.name, form, variant
        self.environment, self.path, self.threads = environment, path, threads
        self.process: subprocess.Popen | None = None
        self.unsupported: dict[str, str] = {}

    def start(self) -> subprocess.Popen:
        command = self.environment.module(
            "worker", "run", self.label, self.path, self.variant, self.threads, PREFILL + DECODE)
        process = subprocess.Popen(
            command, env=self.environment.variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, bufsize=1)
        answer(process)
        return process

    def measure(self, tests: list[Test]) -> dict[str, float]:
        if self.process is None:
            self.process = self.start()
        result = {}
        for test in tests:
            reply = ask(self.process, test.name)
            if "unsupported" in reply:
                self.unsupported[test.name] = reply["unsupported"]
            else:
                result[test.name] = reply["value"]
        return result

    def cold(self) -> dict[str, float]:
        process = self.start()
        try:
            return ask(process, "cold")
        finally:
            end(process)

    def close(self) -> None:
        if self.process is not None:
            end(self.process)
            self.process = None


def prepare(environment: Environment, peer: type[Peer], form: str, gguf: Path, cache: Path) -> Path:
    """The model in a peer's format, made in `cache` once. Throws `Failed`."""
    process = subprocess.Popen(
        environment.module("worker", "prepare", peer.name, gguf, form, cache), env=environment.variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        return Path(answer(process)["path"])
    finally:
        end(process)


def ask(process: subprocess.Popen, question: str) -> dict:
    assert process.stdin
    try:
        process.stdin.write(json.dumps(question) + "\n")
    except OSError as error:
        raise Failed(f"ended early: {error}") from error
    return answer(process)


def answer(process: subprocess.Popen) -> dict:
    """The next line of a worker. Throws `Failed` where it says so, ends, or takes too long."""
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        status = process.wait()
        raise Failed(f"ended with status {status}" if ready else f"no answer in {PATIENCE} s")
    reply = json.loads(line)
    if "error" in reply:
        raise Failed(reply["error"])
    return reply


def end(process: subprocess.Popen) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
