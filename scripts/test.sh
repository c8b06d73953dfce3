#!/usr/bin/env bash
# Every test there is, part by part. A part that fails does not keep the others from running.
# The last line is "N passed, M failed": each test of Swift's runner and each case of the scripts counts, and a part
# that has no count of its own counts as one.
set -euo pipefail
cd "$(dirname "$0")/.."

logs=.build-test/logs
mkdir -p "$logs"
passed=0
failed=0
summary=()

# part NAME COMMAND...: runs it, shows its output, and adds up what it says about itself.
part() {
    local name=$1 status=0 log started=$SECONDS good bad
    shift
    log=$logs/${name// /-}.log
    echo "== $name"
    "$@" 2>&1 | tee "$log" || status=$?
    # Swift Testing: "Test run with 12 tests [in 3 suites] passed"; failing tests have a line of their own each.
    # Scripts: a last line "12 passed, 0 failed".
    good=$(sed -nE 's/.*Test run with ([0-9]+) tests?.*/\1/p; s/^([0-9]+) passed, [0-9]+ failed$/\1/p' "$log" | tail -1)
    bad=0
    if grep -qE 'Test run with [0-9]+ tests?' "$log"; then
        bad=$(grep -E '^.{1,4}Test .* failed after [0-9.]+ seconds' "$log" | grep -cvE 'Test run with' || true)
        good=$((good - bad))
        # A run that found no test has shown nothing.
        if [ "$good" = 0 ] && [ "$bad" = 0 ]; then bad=1; fi
    elif [ -n "$good" ]; then
        bad=$(sed -nE 's/^[0-9]+ passed, ([0-9]+) failed$/\1/p' "$log" | tail -1)
    else
        good=$((status == 0))
    fi
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
    passed=$((passed + good))
    failed=$((failed + bad))
    summary+=("$(printf '%-28s %5d passed %3d failed %5d s' "$name" "$good" "$bad" $((SECONDS - started)))")
}

# All tests of Swift run under the address sanitizer, which takes half as long again. Its finding ends the process, and the
# tests with it. Leaks are not what is looked for: the tests end with mapped files and interned tables alive.
export ASAN_OPTIONS=detect_leaks=0
sanitized=(-c release --scratch-path .build-test --sanitize=address -Xswiftc -enable-testing -Xswiftc -warnings-as-errors)

scripts/drop_stale_modules.sh .build-test
part "format" swift format lint --strict -r Package.swift Sources Tests
part "build without warnings" swift build --build-tests "${sanitized[@]}"
part "tests" swift test --skip-build "${sanitized[@]}"
part "kernels" scripts/test_kernels.sh
part "runner" scripts/test_runner.sh .build-test/release/lathe
part "fuzzing" scripts/fuzz.sh 10

echo
# The test runner's own last line, then one for each part.
grep -hE 'Test run with [0-9]+ tests?' "$logs/tests.log" || true
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
