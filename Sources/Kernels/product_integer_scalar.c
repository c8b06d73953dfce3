// Products with integer weights: the definition.
#include "layout.h"
#include "tables.h"

#include <math.h>

/// One output of one input row.
LATHE_INLINE float weighted_sum(lathe_packing packing, const lathe_product *product, const uint8_t *tile, size_t row,
                                lathe_activations input) {
    float sum = 0.0f;
    for (size_t block = 0; block < product->columns / LATHE_BLOCK; block++) {
        const uint8_t *codes = tile + lathe_block_offset(packing, product->group, block);
        const int8_t *a = input.values + block * LATHE_BLOCK;
        int32_t dot = 0;
        for (size_t k = 0; k < LATHE_BLOCK; k++) { dot += lathe_code(packing, codes, row, k) * a[k]; }
        dot = lathe_code_step(packing) * dot - lathe_zero_level(packing) * input.sums[block];
        const size_t offset = lathe_scales_offset(packing, product->group, product->columns, block);
        const uint16_t *scales = (const uint16_t *)(tile + offset);
        sum = fmaf((float)dot, lathe_f16_to_f32(scales[row]) * input.scales[block], sum);
        if (lathe_is_affine(packing)) {
            const uint16_t *minimums = scales + LATHE_TILE_ROWS;
            sum = fmaf(lathe_f16_to_f32(minimums[row]), input.scales[block] * (float)input.sums[block], sum);
        }
    }
    return sum;
}

// One body for all packings where the build has to be small.
#ifdef LATHE_COMPACT
static __attribute__((noinline)) void product_integer(const lathe_product *product, lathe_packing packing) {
#else
LATHE_INLINE void product_integer(const lathe_product *product, lathe_packing packing) {
#endif
    const size_t tile_bytes = lathe_integer_tile_bytes(packing, product->group, product->columns);
    for (size_t tile = product->tile_begin; tile < lathe_last_tile(product); tile++) {
        const uint8_t *weights = product->weights + tile * tile_bytes;
        for (size_t row = 0; row < product->rows; row++) {
            const lathe_activations input = lathe_activation_row(product, row);
            for (size_t i = 0; i < lathe_tile_outputs(product, tile); i++) {
                float sum = weighted_sum(packing, product, weights, i, input);
                const size_t output = tile * LATHE_TILE_ROWS + i;
                float *y = product->output + row * product->output_stride + output;
                if (product->bias != NULL) { sum = sum + product->bias[output]; }
                *y = product->accumulate ? sum + *y : sum;
            }
        }
    }
}

#define DEFINE_PRODUCT(isa, name, packing) \
    void lathe_##name##_##isa(const lathe_product *product) { product_integer(product, packing); }

LATHE_FOR_INTEGER_PACKINGS(DEFINE_PRODUCT, scalar)
