#!/bin/sh
# Compares the bits of every instruction set's kernels with the scalar ones, whatever this processor has:
# AVX2 natively and under the sanitizers, AVX-512 natively or else over SIMDe, NEON under qemu.
# Needs (Debian): gcc, clang, libsimde-dev, gcc-aarch64-linux-gnu, qemu-user. CLANG names another clang.
set -eu
cd "$(dirname "$0")/.."
kernels=Sources/Kernels
harness=Tests/Kernels
clang=${CLANG:-clang}
flags="-Wall -Wextra -Werror -I$kernels -I$kernels/include -I$harness"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

for tool in gcc "$clang" aarch64-linux-gnu-gcc qemu-aarch64; do
    command -v "$tool" > "$build/found" || { echo "test_kernels: $tool is missing; install it" >&2; exit 1; }
done

has() { grep -q "^flags.* $1" /proc/cpuinfo; }

files=$(printf '%s\n' $kernels/*.c)

# objects NAME COMPILER FLAGS...: each of $files, without a warning, as many at a time as there are processors.
objects() {
    into=$build/$1
    shift
    mkdir "$into"
    printf '%s\n' $files | xargs -P "$(nproc)" -I '{}' \
        sh -c 'file=$1 into=$2; shift 2; "$@" -c "$file" -o "$into/$(basename "$file" .c).o"' \
        sh '{}' "$into" "$@" $flags
}

# compare OBJECTS TABLE RUNNER COMPILER FLAGS...: the scalar table with another one of the same objects.
compare() {
    from=$build/$1 table=$2 runner=$3
    shift 3
    "$@" $flags "-DCANDIDATE=lathe_kernels_$table" $harness/harness.c "$from"/*.o -lm -o "$from/harness"
    $runner "$from/harness"
}

# Everything that runs in an emulator, the slowest part, beside what the processor runs itself.
emulations() {
    echo "NEON, under qemu"
    objects neon aarch64-linux-gnu-gcc -O3
    compare neon neon "qemu-aarch64 -cpu max" aarch64-linux-gnu-gcc -O2 -static
    if natively avx2; then
        # Built where AVX-512 is too, so that what other processors build does not break unseen.
        echo "AVX-512, over SIMDe; fma is the processor's, on 256 bits"
        mkdir "$build/emulated"
        cp "$build"/gcc/*.o "$build/emulated"
        sizes=
        if natively avx512; then sizes=-DLATHE_COMPACT; fi
        for name in kernels_avx512 product_integer_avx512; do
            gcc -O1 $flags $sizes -Wno-psabi -mavx2 -mfma -mf16c '-DLATHE_AVX512_EMULATION="emulated_avx512.h"' \
                -c "$kernels/$name.c" -o "$build/emulated/$name.o"
        done
        natively avx512 || compare emulated avx512 "" gcc -O2
    fi
}

# natively TABLE: whether this processor runs it.
natively() {
    case $1 in
        avx2) has avx2 && has fma && has f16c ;;
        avx512) has avx512_vnni ;;
    esac
}

objects gcc gcc -O2
emulations > "$build/emulations.log" 2>&1 &
emulations=$!

objects clang "$clang" -O3
if natively avx2 || natively avx512; then objects compact "$clang" -O2 -DLATHE_COMPACT; fi
for table in avx2 avx512; do
    natively $table || continue
    echo "$table, from gcc and from clang, and with the runner's few sizes of blocks"
    compare gcc $table "" gcc -O2
    compare clang $table "" "$clang" -O2
    compare compact $table "" "$clang" -O2
done
if natively avx2; then
    # With the runner's few sizes of blocks, and the definition as it is: all sizes take these checks minutes to compile, and
    # the scalar kernels minutes to run. The address sanitizer sees those in the tests of Swift.
    echo "avx2, with the address and undefined-behaviour sanitizers"
    checks="-O1 -g1 -DLATHE_COMPACT -fsanitize=address,undefined -fno-sanitize-recover=all"
    files=$(printf '%s\n' $kernels/*.c | grep -vE '_avx512|_scalar')
    objects sanitized "$clang" $checks
    cp "$build"/compact/*_avx512.o "$build"/compact/*_scalar.o "$build/sanitized"
    compare sanitized avx2 "" "$clang" $checks
fi
status=0
wait $emulations || status=$?
cat "$build/emulations.log"
exit $status
