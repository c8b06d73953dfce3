// Activations and places for the integer products: one version for all instruction sets.
#include "activation_block.h"

typedef int32_t lathe_four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t lathe_two __attribute__((vector_size(8), aligned(4), may_alias));

/// out[i * rows + r] = from[r][i] for i < count.
LATHE_INLINE void lathe_transpose(const int32_t *const from[], size_t rows, size_t count, int32_t *out) {
    size_t r = 0;
    for (; rows - r >= 4; r += 4) {
        size_t i = 0;
        for (; i + 4 <= count; i += 4) {
            const lathe_four a = *(const lathe_four *)(from[r] + i), b = *(const lathe_four *)(from[r + 1] + i);
            const lathe_four c = *(const lathe_four *)(from[r + 2] + i), d = *(const lathe_four *)(from[r + 3] + i);
            const lathe_four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
            const lathe_four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
            const lathe_four ab_after = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            const lathe_four cd_after = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            int32_t *to = out + i * rows + r;
            *(lathe_four *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
            *(lathe_four *)(to + rows) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
            *(lathe_four *)(to + 2 * rows) = __builtin_shufflevector(ab_after, cd_after, 0, 1, 4, 5);
            *(lathe_four *)(to + 3 * rows) = __builtin_shufflevector(ab_after, cd_after, 2, 3, 6, 7);
        }
        for (; i < count; i++) {
            for (size_t j = r; j < r + 4; j++) { out[i * rows + j] = from[j][i]; }
        }
    }
    for (; rows - r >= 2; r += 2) {
        size_t i = 0;
        for (; i + 2 <= count; i += 2) {
            const lathe_two a = *(const lathe_two *)(from[r] + i), b = *(const lathe_two *)(from[r + 1] + i);
            *(lathe_two *)(out + i * rows + r) = __builtin_shufflevector(a, b, 0, 2);
            *(lathe_two *)(out + (i + 1) * rows + r) = __builtin_shufflevector(a, b, 1, 3);
        }
        for (; i < count; i++) {
            for (size_t j = r; j < r + 2; j++) { out[i * rows + j] = from[j][i]; }
        }
    }
    for (; r < rows; r++) {
        for (size_t i = 0; i < count; i++) { out[i * rows + r] = from[r][i]; }
    }
}

void lathe_find_places(const lathe_product *product, lathe_packing packing, size_t first, size_t blocks,
                       lathe_activation_space *space) {
    const size_t group = product->group / LATHE_BLOCK, all = product->columns / LATHE_BLOCK;
    const size_t code_bytes = lathe_code_bytes(packing), number_bytes = lathe_number_bytes(packing);
    space->first = first;
    space->blocks = blocks;
    size_t end = first / group * group + group;  // of the group that block `first + i` lies in
    end = end < all ? end : all;
    size_t codes = 0, scales = (end - first) * code_bytes;
    for (size_t i = 0; i < blocks; i++) {
        if (first + i == end) {
            codes += number_bytes;
            end = end + group < all ? end + group : all;
            scales = codes + (end - first - i) * code_bytes;
        }
        space->places[i] = (lathe_place){(uint32_t)codes, (uint32_t)scales};
        codes += code_bytes;
    }
}

lathe_activation_block lathe_interleave(const lathe_product *product, int32_t zero, size_t row, size_t live,
                                        size_t rows, size_t first, size_t blocks, lathe_activation_space *space,
                                        size_t place) {
    const int32_t *values[LATHE_ROWS_MOST] = {0}, *scales[LATHE_ROWS_MOST] = {0}, *sums[LATHE_ROWS_MOST] = {0};
    for (size_t r = 0; r < rows; r++) {
        const lathe_activations input = lathe_activation_row(product, row + (r < live ? r : live - 1));
        values[r] = (const int32_t *)input.values + first * 8;
        scales[r] = (const int32_t *)input.scales + first;
        sums[r] = input.sums + first;
    }
    lathe_activation_block result = {
        .values = values[0],
        .scales = (const float *)scales[0],
        .starts = space->starts[place],
        .scaled = space->scaled[place],
        .places = space->places,
        .is_even = product->group == LATHE_BLOCK,
    };
    if (rows > 1) {
        lathe_transpose(values, rows, blocks * 8, space->values[place]);
        lathe_transpose(scales, rows, blocks, (int32_t *)space->scales[place]);
        lathe_transpose(sums, rows, blocks, space->starts[place]);
        result.values = space->values[place];
        result.scales = space->scales[place];
    }
    const int32_t *from = rows > 1 ? space->starts[place] : sums[0];
    if (zero == 0) {
        for (size_t i = 0; i < blocks * rows; i++) { space->scaled[place][i] = result.scales[i] * (float)from[i]; }
    } else {
        for (size_t i = 0; i < blocks * rows; i++) { space->starts[place][i] = -zero * from[i]; }
    }
    return result;
}
