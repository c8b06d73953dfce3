"""Prompts that a model answers to train its mask tokens: functions and running text of other projects, asked about in several
ways. None of it is in what drafting is measured on (drafting/prompts.py)."""

import ast
import random
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drafting.prompts import asked
from fetch_prose import SOURCES, Archive, downloaded

# Projects whose functions are asked for: some of SOURCES["training"], and some that are all functions.
PROJECTS = ("django", "sqlalchemy", "celery", "scrapy", "buildbot")
LIBRARIES = (
    Archive("boltons==24.1.0", "boltons-24.1.0.tar.gz", "4a49b7d57ee055b83a458c8682a2a6f199d263a8aa517098bda9bab813554b87"),
    Archive("more-itertools==10.5.0", "more-itertools-10.5.0.tar.gz",
            "5482bfef7849c25dc3c6dd53a6173ae4795da2a41a80faea6700d9f5846c5da6"),
    Archive("networkx==3.4.2", "networkx-3.4.2.tar.gz", "307c3669428c5362aab27c8a1260aa8f47c4e91d3891f48be0141738d8d053e1"),
    Archive("nltk==3.9.1", "nltk-3.9.1.tar.gz", "87d127bd3de4bd89a4f81265e5fa59cb1b199b27440175370f7417d2bc7ae868"),
    Archive("sympy==1.13.3", "sympy-1.13.3.tar.gz", "b27fd2c6530e0ab39e275fc9b683895367e51d5da91baa8d3d64db2565fec4d9"),
    Archive("toolz==1.0.0", "toolz-1.0.0.tar.gz", "2c86e3d9a04798ac556793bced838816296a2f085017664e4995cb40a1047a02"),
)
TURN = asked("").split("<|im_end|>\n<|im_start|>assistant")[0]
# What the model itself writes prompts behind, and how many tokens of them: the turn of a user, functions, openings of stories.
OPENINGS = (
    (TURN, 64), (TURN, 64), (TURN, 64), ("from typing import List\n\n\ndef ", 120), ("\n\ndef ", 120),
    ("The", 16), ("When", 16), ("In the", 16), ("It was", 16), ("My", 16), ("There", 16), ("At the", 16), ("One day", 16),
)
SHORTEST, LONGEST = 60, 900  # characters of a function up to its text


def functions(source: str) -> Iterator[str]:
    """Functions with a docstring, each up to the docstring's end, without what it is indented by."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    lines = source.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not ast.get_docstring(node) or len(node.body) < 2:
            continue
        head = [line[node.col_offset:] for line in lines[node.lineno - 1:node.body[0].end_lineno]]
        text = "\n".join(head) + "\n"
        if SHORTEST <= len(text) <= LONGEST and text.startswith("def "):
            yield text


def project_functions() -> list[str]:
    """Those of all projects, each once, in a fixed order."""
    found: dict[str, None] = {}
    archives = [archive for archive in SOURCES["training"].archives if archive.requirement.startswith(PROJECTS)]
    archives += LIBRARIES
    with tempfile.TemporaryDirectory() as folder:
        for _, file in downloaded(archives, Path(folder)):
            with tarfile.open(file) as files:
                for name in sorted(name for name in files.getnames() if name.endswith(".py") and "/test" not in name):
                    member = files.extractfile(name)
                    if member:
                        found |= dict.fromkeys(functions(member.read().decode("utf-8", "replace")))
    return list(found)


def prompts(prose: Path, count: int, seed: int) -> list[str]:
    """Half of them code, the rest asked as in a chat, and running text."""
    choose = random.Random(seed)
    code = project_functions()
    choose.shuffle(code)
    paragraphs = prose.read_text(encoding="utf-8").split("\n\n")
    paragraphs = [paragraph for paragraph in paragraphs if 150 <= len(paragraph) <= 1600]

    def made(number: int, kind: float) -> str:
        function = code[number % len(code)]
        if kind < 0.45:
            return function
        if kind < 0.6:
            return asked(f"Complete this function:\n\n{function}")
        paragraph = choose.choice(paragraphs)
        sentence = paragraph.split(". ")[0].rstrip(".") + "."
        if kind < 0.65:
            return sentence
        if kind < 0.75:
            return asked(choose.choice(["Explain this in simple words", "What does this mean? Give an example",
                                        "Write a short introduction that begins with this sentence"]) + f": {sentence}")
        return asked(f"{paragraph}\n\n" + choose.choice([
            "Summarize the text above.", "List the main points of the text above.", "Repeat the text above word for word.",
            "Rewrite the text above for a beginner.", "Write three questions about the text above, with answers."]))

    return [made(number, choose.random()) for number in range(count)]


def finished(opening: str, drawn: str) -> str:
    """A prompt of the model's own: what it drew behind an opening, up to where an answer begins."""
    if opening == TURN:
        return asked(drawn.strip())
    parts = drawn.split('"""')
    # A function up to the end of its docstring, when it has one, so that the model goes on with its body.
    return opening + ('"""'.join([*parts[:2], "\n"]) if len(parts) > 2 else drawn)
