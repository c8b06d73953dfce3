// A block of quantized input rows, interleaved for the inner loops of the integer products: the values that one step
// broadcasts lie beside each other for all rows, so the loops need one pointer whatever the number of rows; and what
// does not depend on the weights is computed once for all tiles.
#pragma once
#include "panels.h"

enum { LATHE_CHUNK = 512 };  // groups times rows that are interleaved at once

typedef struct lathe_activation_block {
    const int32_t *values;  // [group][line][row]: four int8 values of columns 4 * line ...
    const float *scales;    // [group][row]
    const int32_t *starts;  // [group][row]: -zero * A, for the symmetric packings
    const float *scaled;    // [group][row]: scale * float(A), for the affine ones
} lathe_activation_block;

typedef struct lathe_activation_space {
    _Alignas(64) int32_t values[LATHE_CHUNK * 8];
    _Alignas(64) float scales[LATHE_CHUNK];
    _Alignas(64) union {
        int32_t starts[LATHE_CHUNK];
        float scaled[LATHE_CHUNK];
    };
} lathe_activation_space;

typedef int32_t lathe_four __attribute__((vector_size(16), aligned(4), may_alias));

/// Writes four rows of `count` values (a multiple of 4) beside each other, `pitch` values from step to step.
LATHE_INLINE void lathe_transpose_four(const int32_t *const rows[4], size_t count, int32_t *out, size_t pitch) {
    for (size_t i = 0; i < count; i += 4) {
        const lathe_four a = *(const lathe_four *)(rows[0] + i), b = *(const lathe_four *)(rows[1] + i);
        const lathe_four c = *(const lathe_four *)(rows[2] + i), d = *(const lathe_four *)(rows[3] + i);
        const lathe_four ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        const lathe_four ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const lathe_four cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const lathe_four cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        *(lathe_four *)(out + i * pitch) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
        *(lathe_four *)(out + (i + 1) * pitch) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
        *(lathe_four *)(out + (i + 2) * pitch) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
        *(lathe_four *)(out + (i + 3) * pitch) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
    }
}

/// Interleaves `groups` groups from `first` on of the panel's rows; rows that do not exist repeat the last one.
static __attribute__((noinline)) lathe_activation_block lathe_interleave(const lathe_product *product, int32_t zero,
                                                                         const lathe_panel *panel, size_t first,
                                                                         size_t groups,
                                                                         lathe_activation_space *space) {
    const size_t block = panel->block;
    lathe_activation_block result = {space->values, space->scales, space->starts, space->scaled};
    const int32_t *values[LATHE_ROWS_MOST];
    for (size_t r = 0; r < block; r++) {
        const size_t row = panel->row + (r < panel->rows ? r : panel->rows - 1);
        const lathe_activations input = lathe_activation_row(product, row);
        const int32_t *sums = input.sums + first;
        const float *scales = input.scales + first;
        values[r] = (const int32_t *)input.values + first * 8;
        if (block == 1) {
            result.values = values[r];
            result.scales = scales;
        } else {
            for (size_t g = 0; g < groups; g++) { space->scales[g * block + r] = scales[g]; }
        }
        if (zero == 0) {
            for (size_t g = 0; g < groups; g++) { space->scaled[g * block + r] = scales[g] * (float)sums[g]; }
        } else {
            for (size_t g = 0; g < groups; g++) { space->starts[g * block + r] = -zero * sums[g]; }
        }
    }
    size_t r = 0;
    for (; block - r >= 4; r += 4) { lathe_transpose_four(values + r, groups * 8, space->values + r, block); }
    for (; block > 1 && r < block; r++) {
        for (size_t i = 0; i < groups * 8; i++) { space->values[i * block + r] = values[r][i]; }
    }
    return result;
}
