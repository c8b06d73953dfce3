#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing where none is.
set -euo pipefail

missing=()

# Libraries and headers: known to dpkg alone.
for package in zlib1g-dev libjson-c-dev libsimde-dev libc6-dev-arm64-cross; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done

# Programs: whoever installed them.
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
need qemu-aarch64 qemu-user
need make make
need gcc gcc
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
    echo "setup: installing ${missing[*]}" >&2
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

command -v swift >/dev/null || {
    echo "setup: no Swift compiler found" >&2
    echo "setup: install Swift 6.3 from https://www.swift.org/install/linux/ and put it in PATH" >&2
    exit 69
}
