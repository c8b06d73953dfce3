"""What is measured, and the contract of a system that is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

PREFILL, DECODE, DEPTH = 512, 128, 4096
PROMPT = "The capital of France is"


@dataclass(frozen=True)
class Test:
    """One row of figures for each system. `kind` and `depth` say what a speed test runs; a cold one has neither."""

    name: str
    unit: str
    kind: str = ""
    depth: int = 0

    @property
    def more_is_better(self) -> bool:
        return self.unit == "tokens/s"


SPEEDS = [
    Test(f"pp{PREFILL}", "tokens/s", "prefill"),
    Test(f"tg{DECODE}", "tokens/s", "generate"),
    Test(f"pp{PREFILL} @ d{DEPTH}", "tokens/s", "prefill", DEPTH),
    Test(f"tg{DECODE} @ d{DEPTH}", "tokens/s", "generate", DEPTH),
]
COLD = [Test("load", "ms"), Test("first token", "ms"), Test("memory", "MB")]


def select(depths: bool) -> list[Test]:
    """The tests, with or without those at a depth."""
    return [test for test in SPEEDS + COLD if depths or test.depth == 0]


class Unsupported(Exception):
    """A test that a peer's interface cannot run; the reason goes below the table."""


class Peer(ABC):
    """A system from PyPI, loaded with one model in one format, in a process of its own.

    Class attributes are read by the Python that runs the script, which has none of the packages: a module of a peer
    imports them in its functions.
    """

    name: str
    # What pip installs, versions pinned, and the arguments and variables of each package that needs some.
    packages: list[str]
    arguments: list[str] = []
    variables: dict[str, str] = {}
    # Peers whose packages make some of the formats.
    borrowed: list[str] = []
    # Formats of the model: each is a system of the table.
    formats: list[str]
    # Settings that a user would try: for each test the best one counts.
    variants: list[str] = [""]

    @staticmethod
    @abstractmethod
    def imports() -> None:
        """Imports the packages, so that their time does not count as loading."""

    @staticmethod
    @abstractmethod
    def prepare(gguf: Path, form: str, cache: Path) -> Path:
        """The model in a format, made in `cache` from a GGUF file unless it is there."""

    @abstractmethod
    def __init__(self, path: Path, variant: str, threads: int, context: int) -> None:
        """Loads the model until it can run sequences of `context` tokens."""

    @abstractmethod
    def first_token(self, text: str) -> int:
        """The likeliest token behind a text, whose tokenization is part of the work where the package has it."""

    @abstractmethod
    def prefill(self, count: int, depth: int) -> float:
        """Seconds that a prompt of `count` tokens takes behind `depth` tokens, which are evaluated before. May throw
        `Unsupported`."""

    @abstractmethod
    def generate(self, count: int, depth: int) -> float:
        """Seconds that `count` steps of one token take behind `depth` tokens, which are evaluated before. May throw
        `Unsupported`."""
