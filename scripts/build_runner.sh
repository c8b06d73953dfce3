#!/usr/bin/env bash
# Builds lathe-run as Embedded Swift and strips it: build_runner.sh [.build/lathe-run | .build/lathe-run-static].
# A name that ends in -static links everything in, so that the file runs in an empty container.
set -euo pipefail

output=${1:-.build/lathe-run}
scratch=.build-embedded
flags=()
# Packed relocations take 17 KB less; glibc reads them from 2.36 on.
if getconf GNU_LIBC_VERSION | awk '{ exit !($2 >= 2.36) }'; then
    flags+=(-Xswiftc -use-ld=lld -Xlinker -z -Xlinker pack-relative-relocs -Xlinker --icf=all)
fi
case $output in
*-static)
    scratch=.build-embedded-static
    flags=(-Xswiftc -Xclang-linker -Xswiftc -static)  # no dynamic relocations at all
    ;;
esac

scripts/drop_stale_modules.sh "$scratch"
LATHE_EMBEDDED=1 swift build -c release --scratch-path "$scratch" --product lathe-run "${flags[@]}" >&2
mkdir -p "$(dirname "$output")"
strip --strip-all -o "$output.partial" "$scratch/release/lathe-run"
# The same bytes keep the file's time, and with it whatever was made from it.
if cmp -s "$output.partial" "$output"; then rm "$output.partial"; else mv "$output.partial" "$output"; fi
