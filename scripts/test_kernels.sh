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

# objects NAME COMPILER FLAGS...: every file, without a warning, as many at a time as there are processors.
objects() {
    into=$build/$1
    shift
    mkdir "$into"
    printf '%s\n' $kernels/*.c | xargs -P "$(nproc)" -I '{}' \
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

objects gcc gcc -O2
objects clang "$clang" -O3
objects neon aarch64-linux-gnu-gcc -O3

# The slowest one, beside all others.
compare neon neon "qemu-aarch64 -cpu max" aarch64-linux-gnu-gcc -O2 -static > "$build/neon.log" 2>&1 &
neon=$!

if has avx2 && has fma && has f16c; then
    echo "AVX2, from gcc, from clang, and with the address and undefined-behaviour sanitizers"
    compare gcc avx2 "" gcc -O2
    compare clang avx2 "" "$clang" -O2
    echo "AVX2, with the runner's few sizes of blocks"
    objects compact "$clang" -O2 -DLATHE_COMPACT
    compare compact avx2 "" "$clang" -O2
    checks="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all"
    objects sanitized gcc $checks
    compare sanitized avx2 "" gcc $checks

fi
if has avx512_vnni; then
    echo "AVX-512, natively, from gcc and from clang"
    compare gcc avx512 "" gcc -O2
    compare clang avx512 "" "$clang" -O2
    echo "AVX-512, with the runner's few sizes of blocks"
    compare compact avx512 "" "$clang" -O2
elif has avx2 && has fma && has f16c; then
    echo "AVX-512, over SIMDe; fma is the processor's, on 256 bits"
    for name in kernels_avx512 product_integer_avx512; do
        gcc -O2 $flags -Wno-psabi -mavx2 -mfma -mf16c '-DLATHE_AVX512_EMULATION="emulated_avx512.h"' \
            -c "$kernels/$name.c" -o "$build/$name.o"
    done
    mkdir "$build/emulated"
    cp "$build"/gcc/*.o "$build/emulated"
    mv "$build"/*_avx512.o "$build/emulated"
    compare emulated avx512 "" gcc -O2
fi
echo "NEON, under qemu"
status=0
wait $neon || status=$?
cat "$build/neon.log"
exit $status
