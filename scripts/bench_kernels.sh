#!/bin/sh
# Times every kernel on one thread: scripts/bench_kernels.sh [--isa avx2] [--packing int4-affine]
# [--group 64] [--shape 3072x576] [--rows 128] [--seconds 0.1]. CLANG names another clang; CFLAGS adds to its options.
set -eu
cd "$(dirname "$0")/.."
kernels=Sources/Kernels
build=.build/bench-kernels
mkdir -p "$build"
for file in $kernels/*.c Benchmarks/kernels.c; do
    object=$build/$(basename "$file" .c).o
    [ "$(basename "$file")" = kernels.c ] && object=$build/main.o
    "${CLANG:-clang}" -O3 -Wall -Wextra -Werror ${CFLAGS:-} -I$kernels -I$kernels/include -c "$file" -o "$object"
done
"${CLANG:-clang}" "$build"/*.o -lm -o "$build/bench"
exec "$build/bench" "$@"
