#!/usr/bin/env python3
"""Writes English prose from documentation in source distributions on PyPI: fetch_prose.py eval|training FILE.

  eval      what perplexity is measured on: documents of docutils, each of which says itself that it is in the public domain
  training  what scripts/distill.py can train on: the documentation of other projects, without release notes

Only whole paragraphs of running text are kept: no titles, lists, tables, literal blocks or directives. Archives and
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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MARKUP = re.compile(r"\.\. |__ |[-*+•] |\||[-=+~^\"'`#]{4,}|\(?[0-9A-Za-z#]{1,2}[.)] |:[^:]+:|>>>|\$ |<!|\[")


@dataclass(frozen=True)
class Archive:
    requirement: str
    file: str
    sha256: str
    folder: str = "docs"
    suffix: str = ".rst"
    # Below the folder, without suffix; none for all but those whose paths begin with one of `left_out`.
    documents: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    says: str = ""

    def texts(self, archive: tarfile.TarFile) -> Iterator[str]:
        folder = f"{archive.getnames()[0].split('/')[0]}/{self.folder}/"
        names = [f"{folder}{document}{self.suffix}" for document in self.documents] or sorted(
            name for name in archive.getnames() if name.startswith(folder) and name.endswith(self.suffix)
            and not name.removeprefix(folder).startswith(self.left_out))
        for name in names:
            text = archive.extractfile(name).read().decode("utf-8")
            if not re.search(self.says, text, re.IGNORECASE):
                sys.exit(f"fetch_prose: {name} does not say what it has to")
            yield text


@dataclass(frozen=True)
class Source:
    sha256: str
    archives: tuple[Archive, ...]


SOURCES = {
    "eval": Source("01dfcce13e56c4d4f0043c1abfe34d1a596a7d5723f11b8bac99959fc055f2f9", (
        Archive(
            "docutils==0.21.2", "docutils-0.21.2.tar.gz",
            "3a6b18732edf182daa3cd12775bbb338cf5691468f91eeeb109deff6ebfa986f", suffix=".txt",
            documents=(
                "ref/rst/introduction", "ref/rst/restructuredtext", "dev/rst/alternatives", "dev/rst/problems",
                "peps/pep-0256", "peps/pep-0257", "peps/pep-0258", "peps/pep-0287", "dev/policies", "dev/hacking",
                "dev/testing", "dev/semantics", "howto/rst-directives", "howto/security", "api/publisher",
                "api/transforms",
            ),
            says=r"public\s+domain"),
    )),
    "training": Source("5ec2257cd108c053058900e0eeca54452553c68105c8f6352a2225886e9d2989", (
        Archive(
            "django==5.2", "Django-5.2.tar.gz",
            "1a47f7a7a3d43ce64570d350e008d2949abe8c7e21737b351b6a1611277c6d89", suffix=".txt", left_out=("releases/",)),
        Archive("sqlalchemy==2.0.36", "sqlalchemy-2.0.36.tar.gz",
            "7f2767680b6d2398aea7082e45a774b2b0767b5c8d8ffb9c8b683088ea9b29c5", folder="doc/build", left_out=("changelog/",)),
        Archive("salt==3007.1", "salt-3007.1.tar.gz",
            "b933ac4cb3e4b1118b46dada55c9cc6bdc6f0f94b4c92877aec44b25c6a28c9a", folder="doc/topics", left_out=("releases/",)),
        Archive("pyramid==2.0.2", "pyramid-2.0.2.tar.gz",
            "372138a738e4216535cc76dcce6eddd5a1aaca95130f2354fb834264c06f18de", left_out=("whatsnew", "changes")),
        Archive("buildbot==4.1.0", "buildbot-4.1.0.tar.gz",
            "96c91cda337f983b9a7bd163aa06dad955edd35b5bd42d1c3c097004a9dbd863", left_out=("relnotes/",)),
        Archive("celery==5.4.0", "celery-5.4.0.tar.gz",
            "504a19140e8d3029d5acad88330c541d4c3f64c789d85f94756762d8bca7e706", left_out=("history/", "changelog")),
        Archive("scrapy==2.12.0", "scrapy-2.12.0.tar.gz",
            "d66d6e76009b12447604196875a463b61d10721140032a8084a0a52df7f4788f", left_out=("news",)),
    )),
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


def downloaded(archives: Iterable[Archive], work: Path) -> Iterator[tuple[Archive, Path]]:
    """Each archive's file, in the folder `work`, checked."""
    venv.create(work / "venv", with_pip=True)
    for archive in archives:
        subprocess.run(
            [work / "venv" / "bin" / "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--no-binary", ":all:", "--dest", work, archive.requirement], check=True)
        check(work / archive.file, archive.sha256)
        yield archive, work / archive.file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=SOURCES)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    source = SOURCES[options.source]
    if options.output.exists() and hashlib.sha256(options.output.read_bytes()).hexdigest() == source.sha256:
        return
    options.output.parent.mkdir(parents=True, exist_ok=True)
    partial = options.output.with_name(options.output.name + ".partial")
    with tempfile.TemporaryDirectory() as work, open(partial, "w", encoding="utf-8", newline="\n") as output:
        for archive, file in downloaded(source.archives, Path(work)):
            with tarfile.open(file) as files:
                for text in archive.texts(files):
                    for paragraph in paragraphs(text):
                        output.write(paragraph + "\n\n")
    check(partial, source.sha256)
    partial.replace(options.output)


if __name__ == "__main__":
    main()
