// What every instruction set's vector header gives, and what is built on it. The kernels in *_vector.h are written once
// over these operations and compiled once for each instruction set.
//
//   lanes                    16 floats, in one register or several
//   LANES                    in front of an inline function over lanes; LATHE_TARGET in front of a kernel
//   LANES_IN_FLIGHT          how many independent sums hide the latency of fma
//   LANES_SUMS               how many sums stay in registers beside the operands
//   zero, splat              constants
//   load, store              16 floats; load_f16, store_f16, load_bf16, load_int8 convert on the way
//   add, subtract, multiply, divide, larger, fma(a, b, c) = a * b + c, negative, magnitude    lane by lane
//   clamp(x, limit)          y = x < limit ? x : limit, then y > -limit ? y : -limit: NaN becomes the limit
//   sum                      the fixed tree: 8, 4, 2, 1 apart
//   largest                  of the 16 lanes
//   store_int8               rounds two to nearest even, stores 32 int8, returns their sum
//   exp                      lathe_exp of every lane
#pragma once

#include <string.h>

/// The first `count` lanes from memory, the others zero.
LANES lanes lanes_load_some(const float *p, size_t count) {
    float buffer[16] = {0};
    memcpy(buffer, p, count * sizeof *p);
    return lanes_load(buffer);
}

LANES void lanes_store_some(float *p, lanes x, size_t count) {
    float buffer[16];
    lanes_store(buffer, x);
    memcpy(p, buffer, count * sizeof *p);
}

/// 16 elements of a float packing's type.
LANES lanes lanes_load_elements(lathe_packing type, const void *p) {
    switch (type) {
    case LATHE_F16: return lanes_load_f16(p);
    case LATHE_BF16: return lanes_load_bf16(p);
    default: return lanes_load(p);
    }
}

/// The first `count` elements, the other lanes zero.
LANES lanes lanes_load_some_elements(lathe_packing type, const void *p, size_t count) {
    float buffer[16] = {0};
    memcpy(buffer, p, count * lathe_element_bytes(type));
    return lanes_load_elements(type, buffer);
}

/// Bias, accumulation and store of the sums of one tile for one input row.
LANES void lanes_finish(const lathe_product *product, size_t row, size_t tile, lanes sums) {
    const size_t first = tile * LATHE_TILE_ROWS;
    const size_t count = lathe_tile_outputs(product, tile);
    float *y = product->output + row * product->output_stride + first;
    if (count == LATHE_TILE_ROWS) {
        if (product->bias != NULL) { sums = lanes_add(sums, lanes_load(product->bias + first)); }
        if (product->accumulate) { sums = lanes_add(sums, lanes_load(y)); }
        lanes_store(y, sums);
    } else {
        if (product->bias != NULL) { sums = lanes_add(sums, lanes_load_some(product->bias + first, count)); }
        if (product->accumulate) { sums = lanes_add(sums, lanes_load_some(y, count)); }
        lanes_store_some(y, sums, count);
    }
}
