"""Prompts that a model answers to train its mask tokens: functions and running text of other projects, asked about in several
ways. None of it is in what drafting is measured on (drafting/prompts.py)."""

import ast
import random
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from drafting.prompts import asked
from fetch_prose import SOURCES, downloaded

# Projects of SOURCES["training"] whose functions are asked for.
PROJECTS = ("django", "sqlalchemy", "celery", "scrapy", "buildbot")
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
    paragraphs = prose.read_text(encoding="utf-8").split("\n\n")
    paragraphs = [paragraph for paragraph in paragraphs if 150 <= len(paragraph) <= 1200]

    def made(kind: float) -> str:
        if kind < 0.35:
            return choose.choice(code)
        if kind < 0.5:
            return asked(f"Complete this function:\n\n{choose.choice(code)}")
        paragraph = choose.choice(paragraphs)
        sentence = paragraph.split(". ")[0].rstrip(".") + "."
        if kind < 0.6:
            return sentence
        if kind < 0.75:
            return asked(choose.choice(["Explain this in simple words", "What does this mean? Give an example",
                                        "Write a short introduction that begins with this sentence"]) + f": {sentence}")
        return asked(f"{paragraph}\n\n" + choose.choice([
            "Summarize the text above.", "List the main points of the text above.", "Repeat the text above word for word.",
            "Rewrite the text above for a beginner.", "Write three questions about the text above, with answers."]))

    return [made(choose.random()) for _ in range(count)]
