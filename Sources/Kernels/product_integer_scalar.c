// Products with integer weights: the definition.
#include "layout.h"
#include "tables.h"

#include <math.h>

LATHE_INLINE int32_t code_at(lathe_packing packing, const uint8_t *block, size_t row, size_t column) {
    if (lathe_code_bits(packing) == 8) { return block[column / 4 * 64 + row * 4 + column % 4]; }
    const uint8_t pair = block[column / 8 * 64 + row * 4 + column % 4];
    const int32_t low = column % 8 < 4 ? pair & 15 : pair >> 4;
    if (lathe_code_bits(packing) == 4) { return low; }
    const uint8_t bits = block[LATHE_LOW_BYTES + column / 4 * 8 + row / 2];
    return low | ((bits >> (row % 2 * 4 + column % 4)) & 1) << 4;
}

/// One output of one input row.
LATHE_INLINE float weighted_sum(lathe_packing packing, const uint8_t *tile, size_t groups, size_t row,
                                lathe_activations input) {
    float sum = 0.0f;
    for (size_t group = 0; group < groups; group++) {
        const uint8_t *block = tile + group * lathe_block_bytes(packing);
        const int8_t *a = input.values + group * LATHE_GROUP;
        int32_t dot = 0;
        for (size_t k = 0; k < LATHE_GROUP; k++) { dot += code_at(packing, block, row, k) * a[k]; }
        dot -= lathe_zero_code(packing) * input.sums[group];
        const uint16_t *scales = (const uint16_t *)(block + lathe_code_bytes(packing));
        sum = fmaf((float)dot, lathe_f16_to_f32(scales[row]) * input.scales[group], sum);
        if (lathe_is_affine(packing)) {
            const uint16_t *minimums = scales + LATHE_TILE_ROWS;
            sum = fmaf(lathe_f16_to_f32(minimums[row]), input.scales[group] * (float)input.sums[group], sum);
        }
    }
    return sum;
}

LATHE_INLINE void product_integer(const lathe_product *product, lathe_packing packing) {
    const size_t groups = product->columns / LATHE_GROUP;
    for (size_t tile = product->tile_begin; tile < lathe_last_tile(product); tile++) {
        const uint8_t *weights = product->weights + tile * groups * lathe_block_bytes(packing);
        for (size_t row = 0; row < product->rows; row++) {
            const lathe_activations input = lathe_activation_row(product, row);
            for (size_t i = 0; i < lathe_tile_outputs(product, tile); i++) {
                float sum = weighted_sum(packing, weights, groups, i, input);
                const size_t output = tile * LATHE_TILE_ROWS + i;
                float *y = product->output + row * product->output_stride + output;
                if (product->bias != NULL) { sum = sum + product->bias[output]; }
                *y = product->accumulate ? sum + *y : sum;
            }
        }
    }
}

LATHE_DEFINE_INTEGER_PRODUCTS(scalar, , product_integer)
