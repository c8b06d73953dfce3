"""The two systems whose quantized models are measured: both answer with rows of a table."""

import json
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from peers.environment import Environment

from .cache import Cache, digest, stamp

HERE = Path(__file__).resolve().parent
# What a score depends on beside the files.
SCORING = [HERE / name for name in ("llamacpp.py", "measure.py", "scoring.py")]


class Failed(Exception):
    """A command that ended badly, and its message."""


@dataclass
class Row:
    """A quantized model: its size, and what it predicts beside its system's own reference."""

    system: str
    name: str
    bytes: int = 0
    bits_per_weight: float = 0
    perplexity: float = 0
    ratio: float = 0
    kl_mean: float | None = None
    kl_p99: float | None = None
    top1_agreement: float | None = None
    compile_seconds: float | None = None
    compile_peak_bytes: int | None = None
    decode_tokens_per_second: float | None = None
    reference: bool = False
    failure: str | None = None
    parts: dict | None = None

    def take(self, scores: dict, reference: dict) -> None:
        self.perplexity, self.ratio = scores["perplexity"], scores["perplexity"] / reference["perplexity"]
        if not self.reference:
            self.kl_mean, self.kl_p99 = scores["kl_mean"], scores["kl_p99"]
            self.top1_agreement = scores["top1_agreement"]

    def document(self) -> dict:
        if self.failure is not None:
            return {"system": self.system, "name": self.name, "failure": self.failure}
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Text:
    """The held-out text, and how much of it counts."""

    path: Path
    context: int
    chunks: int | None

    def origin(self) -> dict:
        return {"text": stamp(self.path), "context": self.context, "chunks": self.chunks}

    @property
    def label(self) -> str:
        return f"{self.path.name} {self.context} {self.chunks or 'all'}"


def answer(command: list[object], cause: int = -1, **options) -> dict | list:
    """The JSON that a command prints. Throws `Failed` with the line of stderr that tells the cause: the last one of a
    Python program."""
    process = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, **options)
    if process.returncode != 0:
        lines = (process.stderr or "").strip().splitlines()
        raise Failed(lines[cause] if lines else f"ended with status {process.returncode}")
    return json.loads(process.stdout)


class LlamaCppTypes:
    """llama.cpp's types, made from the twin's bfloat16 file by its own quantizer."""

    def __init__(self, environment: Environment, versions: dict, cache: Cache, threads: int) -> None:
        self.environment, self.versions, self.cache, self.threads = environment, versions, cache, threads

    def run(self, *arguments: object, quiet: bool = True) -> dict:
        answered = answer([self.environment.python, "-m", "quality.measure", *arguments],
                          env=self.environment.variables, stderr=subprocess.PIPE if quiet else None)
        assert isinstance(answered, dict)
        return answered

    def rows(self, source: Path, types: list[str], text: Text, weights: int, folder: Path) -> list[Row]:
        paths = {kind: Path(self.run("quantize", source, kind, folder)["path"]) for kind in types}
        every = [source, *paths.values()]
        origins = {path: {"file": stamp(path), "reference": stamp(source), **text.origin(), **self.versions,
                          "scripts": digest(*SCORING)} for path in every}
        names = {path: f"llama.cpp {path.name}, {text.label}" for path in every}
        missing = [path for path in every if self.cache.find(names[path], origins[path]) is None]
        if missing:
            more = ["--chunks", text.chunks] if text.chunks else []
            scores = self.run("score", source, *missing, "--text", text.path, "--context", text.context, *more,
                              "--threads", self.threads, quiet=False)
            for path in missing:
                self.cache.keep(names[path], origins[path], scores[str(path)])
        found = {path: self.cache.find(names[path], origins[path]) for path in every}
        result = []
        for name, path in {"BF16": source, **paths}.items():
            size = path.stat().st_size
            row = Row("llama.cpp", name, size, size * 8 / weights, reference=path == source)
            row.take(found[path], found[source])
            row.parts = self.cache.result(f"parts {path.name}", {"file": stamp(path)},
                                          lambda: self.run("parts", path))
            result.append(row)
        return result


class LatheConfigurations:
    """Lathe's plans of the twin's folder, each by the options that `lathe compile` gets."""

    def __init__(self, program: Path, cache: Cache, threads: int) -> None:
        self.program, self.cache, self.threads = program, cache, threads
        self.origin = {"lathe": stamp(program)}

    def run(self, *arguments: object) -> dict | list:
        # The first line is the cause, the second the remedy.
        return answer([self.program, *arguments, "--json", "--quiet"], cause=0, stderr=subprocess.PIPE)

    def plan(self, source: Path, options: str, folder: Path) -> tuple[Path, dict]:
        """The plan, compiled unless it is there, and what compiling it took."""
        words = shlex.split(options)
        # "--weights w4 --target-bpw 4.5" is the file w4-target-bpw-4.5.
        name = "-".join(Path(word).name.removeprefix("--") for word in words if word != "--weights") or "default"
        path = folder / f"{source.name}.{name}.plan"
        files = [stamp(Path(word)) for word in words if Path(word).is_file()]
        origin = self.origin | {"source": stamp(source / "model.safetensors"), "options": words, "files": files}
        facts = self.cache.result(f"compile {path.name}", origin,
                                  lambda: self.run("compile", source, "-o", path, *words), path)
        return path, facts

    def score(self, plan: Path, reference: Path | None, text: Text) -> dict:
        origin = self.origin | {"plan": stamp(plan), "reference": reference and stamp(reference), **text.origin()}
        more = ["--reference", reference] if reference else []
        more += ["--chunks", text.chunks] if text.chunks else []
        return self.cache.result(
            f"eval {plan.name}, {text.label}", origin,
            lambda: self.run("eval", plan, "--text", text.path, "-c", text.context, "-t", self.threads, *more))

    def rows(self, source: Path, reference: str, configurations: list[str], text: Text, weights: int, folder: Path,
             speed: bool) -> list[Row]:
        result: list[Row] = []
        first, base = None, {}
        for options in [reference, *configurations]:
            row = Row("lathe", options, reference=first is None)
            print(f"lathe {options}", file=sys.stderr, flush=True)
            try:
                plan, facts = self.plan(source, options, folder)
                row.bytes = plan.stat().st_size
                row.bits_per_weight = row.bytes * 8 / weights
                row.compile_seconds, row.compile_peak_bytes = facts["seconds"], facts["peak_rss_bytes"]
                scores = self.score(plan, first, text)
                first, base = first or plan, base or scores
                row.take(scores, base)
                if speed and not row.reference:
                    tests = self.run("bench", plan, "-p", 0, "-n", 128, "-t", self.threads)
                    row.decode_tokens_per_second = tests[0]["tokens_per_second"]
            except Failed as reason:
                if row.reference:
                    raise
                row.failure = str(reason)
            result.append(row)
        return result
