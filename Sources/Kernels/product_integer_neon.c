// Products with integer weights on NEON with the dot-product extension. A part is 4 of a tile's 16 outputs: sdot takes
// 4 rows times 4 columns of codes as signed bytes, so codes of 8 bits have their zero subtracted (code ^ 0x80).
#include "arithmetic.h"

#if defined(__aarch64__)
#include "vector_neon.h"

#include "panels.h"
#include "tables.h"

/// Codes of columns 4 * line ... 4 * line + 3 of one part.
LANES int8x16_t part_codes(lathe_packing packing, const uint8_t *block, size_t part, size_t line) {
    if (lathe_code_bits(packing) == 8) {
        const uint8x16_t codes = vld1q_u8(block + line * 64 + part * 16);
        return vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(0x80)));
    }
    const uint8x16_t pairs = vld1q_u8(block + line / 2 * 64 + part * 16);
    const uint8x16_t low = line % 2 == 0 ? vandq_u8(pairs, vdupq_n_u8(15)) : vshrq_n_u8(pairs, 4);
    if (lathe_code_bits(packing) == 4) { return vreinterpretq_s8_u8(low); }
    const uint8_t *bits = block + LATHE_LOW_BYTES + line * 8 + part * 2;
    const uint8x16_t bytes = vcombine_u8(vld1_dup_u8(bits), vld1_dup_u8(bits + 1));
    const uint8x16_t which = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    const uint8x16_t high = vandq_u8(vtstq_u8(bytes, which), vdupq_n_u8(16));
    return vreinterpretq_s8_u8(vorrq_u8(low, high));
}

LANES int32x4_t broadcast(const void *p) {
    int32_t value;
    memcpy(&value, p, sizeof value);
    return vdupq_n_s32(value);
}

LANES float32x4_t half_to_float(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }

/// Adds one group to the sums of `rows` input rows and `parts` parts from `part` on.
LANES void add_group(lathe_packing packing, const uint8_t *block, const lathe_activations *input, size_t group,
                     size_t rows, size_t part, size_t parts, float32x4_t sums[][4]) {
    const int bits = lathe_code_bits(packing);
    int32x4_t dots[LATHE_ROWS_MOST][4];
    for (size_t r = 0; r < rows; r++) {
        const bool shifted = bits != 8 && !lathe_is_affine(packing);
        const int32x4_t start = vdupq_n_s32(shifted ? -lathe_zero_code(packing) * input[r].sums[group] : 0);
        for (size_t p = 0; p < parts; p++) { dots[r][p] = start; }
    }
    for (size_t line = 0; line < 8; line++) {
        int8x16_t codes[4];
        for (size_t p = 0; p < parts; p++) { codes[p] = part_codes(packing, block, part + p, line); }
        for (size_t r = 0; r < rows; r++) {
            const int8x16_t a = vreinterpretq_s8_s32(broadcast(input[r].values + group * LATHE_GROUP + line * 4));
            for (size_t p = 0; p < parts; p++) { dots[r][p] = vdotq_s32(dots[r][p], codes[p], a); }
        }
    }
    const uint16_t *scales = (const uint16_t *)(block + lathe_code_bytes(packing));
    for (size_t p = 0; p < parts; p++) {
        const float32x4_t scale = half_to_float(scales + (part + p) * 4);
        for (size_t r = 0; r < rows; r++) {
            const float32x4_t step = vmulq_f32(scale, vdupq_n_f32(input[r].scales[group]));
            sums[r][p] = vfmaq_f32(sums[r][p], vcvtq_f32_s32(dots[r][p]), step);
        }
        if (lathe_is_affine(packing)) {
            const float32x4_t minimum = half_to_float(scales + LATHE_TILE_ROWS + (part + p) * 4);
            for (size_t r = 0; r < rows; r++) {
                const float scaled = input[r].scales[group] * (float)input[r].sums[group];
                sums[r][p] = vfmaq_f32(sums[r][p], minimum, vdupq_n_f32(scaled));
            }
        }
    }
}

/// Sums over all groups of one tile.
LANES void tile_parts(lathe_packing packing, const uint8_t *tile, size_t groups, const lathe_activations *input,
                      size_t rows, size_t part, size_t parts, lanes *result) {
    float32x4_t sums[LATHE_ROWS_MOST][4];
    for (size_t r = 0; r < rows; r++) {
        for (size_t p = 0; p < parts; p++) { sums[r][p] = vdupq_n_f32(0.0f); }
    }
    for (size_t group = 0; group < groups; group++) {
        const uint8_t *block = tile + group * lathe_block_bytes(packing);
        if (rows <= 2) { lathe_prefetch(block, lathe_block_bytes(packing)); }
        add_group(packing, block, input, group, rows, part, parts, sums);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t p = 0; p < parts; p++) { result[r].part[part + p] = sums[r][p]; }
    }
}

LANES void integer_rows(const lathe_product *product, lathe_packing packing, const lathe_panel *panel, size_t rows) {
    const size_t groups = product->columns / LATHE_GROUP;
    const size_t tile_bytes = groups * lathe_block_bytes(packing);
    lathe_activations input[LATHE_ROWS_MOST];
    for (size_t r = 0; r < rows; r++) { input[r] = lathe_activation_row(product, panel->row + r); }
    for (size_t tile = panel->tile_begin; tile < panel->tile_end; tile++) {
        const uint8_t *weights = product->weights + tile * tile_bytes;
        lanes sums[LATHE_ROWS_MOST];
        if (rows <= 2) {
            tile_parts(packing, weights, groups, input, rows, 0, 4, sums);
        } else {
            for (size_t part = 0; part < 4; part += 2) {
                tile_parts(packing, weights, groups, input, rows, part, 2, sums);
            }
        }
        for (size_t r = 0; r < rows; r++) { lanes_finish(product, panel->row + r, tile, sums[r]); }
    }
}

LANES void product_integer(const lathe_product *product, lathe_packing packing) {
    const size_t tile_bytes = product->columns / LATHE_GROUP * lathe_block_bytes(packing);
    LATHE_FOR_PANELS(product, packing, tile_bytes, integer_rows)
}

LATHE_DEFINE_INTEGER_PRODUCTS(neon, LATHE_TARGET, product_integer)
#endif
