#!/usr/bin/env bash
# The minimal runner against the ordinary build: test_runner.sh LATHE.
# Builds it, looks at its size and libraries, and lets both generate from the real model.
set -euo pipefail

lathe=$1
model=.models/SmolLM2-135M-Instruct.Q4_1.gguf
plan=.build-test/smollm2.plan
runner=.build/lathe-run
passed=0
failed=0

check() {
    local name=$1
    shift
    if "$@"; then
        echo "pass: $name"
        passed=$((passed + 1))
    else
        echo "FAIL: $name"
        failed=$((failed + 1))
    fi
}

small() { [ "$(stat -c %s "$1")" -lt "$2" ]; }

# Of shared libraries, the C library's own alone.
c_library_only() {
    local libraries
    libraries=$(readelf -d "$1" | sed -nE 's/.*NEEDED.*\[(.*)\]/\1/p')
    echo "$libraries" | tr '\n' ' '
    ! grep -vE '^(libc|libm|ld-linux-[a-z0-9_-]+)\.so\.[0-9]+$' <<<"$libraries"
}

same_text() {
    local prompt=$1 expected found
    expected=$("$lathe" run "$plan" -p "$prompt" -n 48 --temp 0 --quiet) || return 1
    found=$("$runner" "$plan" -p "$prompt" -n 48) || return 1
    [ -n "$found" ] && [ "$found" = "$expected" ]
}

# The bits of all logits: the ordinary build on every level of instructions and thread counts, and the Embedded build.
same_bits() {
    local prompt=$1 expected found levels=scalar
    grep -q '^flags.* avx2' /proc/cpuinfo && levels+=" avx2"
    grep -q '^flags.* avx512_vnni' /proc/cpuinfo && levels+=" avx512"
    expected=$("$lathe" run "$plan" -p "$prompt" -n 8 --digest --quiet 2>&1 >/dev/null) || return 1
    [ -n "$expected" ] || return 1
    for level in $levels; do
        for threads in 1 2; do
            found=$("$lathe" run "$plan" -p "$prompt" -n 8 --digest --quiet --isa $level -t $threads 2>&1 >/dev/null)
            [ "$found" = "$expected" ] || return 1
            found=$("$runner" "$plan" -p "$prompt" -n 8 --digest --isa $level -t $threads 2>&1 >/dev/null | grep logits)
            [ "$found" = "$expected" ] || return 1
        done
    done
}

# Runs in a root directory that holds nothing but itself and the plan.
alone() {
    local root
    root=$(mktemp -d -p .build-test)
    cp "$runner-static" "$root/lathe-run"
    ln "$plan" "$root/plan"
    local found status=0
    found=$(unshare --root="$root" /lathe-run /plan -p "The capital of France is" -n 8) || status=$?
    rm -rf "$root"
    [ "$status" = 0 ] && [ -n "$found" ]
}

scripts/build_runner.sh "$runner"
scripts/build_runner.sh "$runner-static"
"$lathe" compile "$model" -o "$plan" --quiet

check "lathe-run is smaller than 400 KB ($(stat -c %s "$runner") bytes)" small "$runner" 400000
check "lathe-run needs the C library and libm only" c_library_only "$runner"
check "lathe-run writes what lathe writes: prose" same_text "The capital of France is"
check "lathe-run writes what lathe writes: code" same_text $'def fibonacci(n):\n'
check "lathe-run writes what lathe writes: not English" same_text "Der Übersetzer liest 一個檔案 🙂"
check "the same bits in every build, on every level of instructions, with 1 and 2 threads" same_bits "Gravity is"
if [ "$(id -u)" = 0 ] && unshare --root=/ true 2>/dev/null; then
    check "the static lathe-run needs nothing around it" alone
else
    check "the static lathe-run asks for no library" \
        bash -c '! readelf -lW "$1" | grep -qE "INTERP|DYNAMIC"' - "$runner-static"
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
