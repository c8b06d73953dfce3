#!/bin/sh
# Usage: scripts/fuzz.sh SECONDS [TARGET...]
# Builds the fuzzers with libFuzzer and the address sanitizer, replays all stored crashers, then runs each target for
# SECONDS over its seeds. A new target is a file in Fuzz/Sources/fuzz, a line in its main.swift and a folder of seeds.
# Fails on a crash; the input that crashed is left in Fuzz/Crashers/TARGET to be kept.
set -eu
seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
cd "$(dirname "$0")/../Fuzz"
[ $# -gt 0 ] || set -- $(ls Seeds)

swift build -c release --scratch-path ../.build-fuzz -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld
binary=$(swift build -c release --scratch-path ../.build-fuzz --show-bin-path)/fuzz

status=0
for target; do
    corpus=../.build-fuzz/corpus/$target
    mkdir -p "$corpus" "Crashers/$target"
    export LATHE_FUZZ_TARGET="$target"
    for crasher in "Crashers/$target"/*; do
        [ -e "$crasher" ] || continue
        "$binary" -timeout=10 -rss_limit_mb=2048 "$crasher" >"$corpus.replay.log" 2>&1 ||
            { echo "fuzz $target: $crasher still crashes, see .build-fuzz/corpus/$target.replay.log"; status=1; }
    done
    if "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=131072 -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="Crashers/$target/" "$corpus" "Seeds/$target" >"$corpus.log" 2>&1
    then
        echo "fuzz $target: no crash in $(sed -n 's/^stat::number_of_executed_units: *//p' "$corpus.log") runs"
    else
        echo "fuzz $target: crashed, see .build-fuzz/corpus/$target.log and Fuzz/Crashers/$target"
        status=1
    fi
done
exit $status
