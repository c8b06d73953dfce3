#!/usr/bin/env bash
# Writes .models/eval.txt (or the file named): the English prose that perplexity is measured on.
#
# It is taken from the documentation in the source distribution of docutils 0.21.2 on PyPI. Each document used is
# in the public domain, as it says itself. Only whole paragraphs of running text are kept: no titles, lists, tables,
# literal blocks or directives. Both the archive and the result are pinned by SHA-256.
set -euo pipefail

output=${1:-.models/eval.txt}
archive_sha256=3a6b18732edf182daa3cd12775bbb338cf5691468f91eeeb109deff6ebfa986f
text_sha256=01dfcce13e56c4d4f0043c1abfe34d1a596a7d5723f11b8bac99959fc055f2f9

matches() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

if matches "$output" "$text_sha256"; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$work" \
    docutils==0.21.2
archive=$work/docutils-0.21.2.tar.gz
matches "$archive" "$archive_sha256" || { echo "fetch_eval_text: $archive is not the pinned archive" >&2; exit 65; }

mkdir -p "$(dirname "$output")"
python3 - "$archive" "$output.partial" <<'PYTHON'
import re
import sys
import tarfile

DOCUMENTS = [
    "ref/rst/introduction", "ref/rst/restructuredtext", "dev/rst/alternatives", "dev/rst/problems", "peps/pep-0256",
    "peps/pep-0257", "peps/pep-0258", "peps/pep-0287", "dev/policies", "dev/hacking", "dev/testing", "dev/semantics",
    "howto/rst-directives", "howto/security", "api/publisher", "api/transforms",
]
MARKUP = re.compile(r"\.\. |__ |[-*+•] |\||[-=+~^\"'`#]{4,}|\(?[0-9A-Za-z#]{1,2}[.)] |:[^:]+:|>>>|\$ |<!|\[")


def paragraphs(text):
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


with tarfile.open(sys.argv[1]) as archive, open(sys.argv[2], "w", encoding="utf-8", newline="\n") as output:
    for document in DOCUMENTS:
        text = archive.extractfile(f"docutils-0.21.2/docs/{document}.txt").read().decode("utf-8")
        if not re.search(r"public\s+domain", text, re.IGNORECASE):
            sys.exit(f"fetch_eval_text: {document} does not say that it is in the public domain")
        for paragraph in paragraphs(text):
            output.write(paragraph + "\n\n")
PYTHON
matches "$output.partial" "$text_sha256" || { echo "fetch_eval_text: $output.partial is not the pinned text" >&2; exit 65; }
mv "$output.partial" "$output"
