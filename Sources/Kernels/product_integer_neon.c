// Products with integer weights on NEON with the dot-product extension. A part is 4 of a tile's 16 outputs: sdot takes
// 4 rows times 4 columns of codes as signed bytes, so codes of 8 bits have their zero subtracted (code ^ 0x80).
#include "arithmetic.h"

#if defined(__aarch64__)
#include "vector_neon.h"

#include "activation_block.h"
#include "tables.h"

enum {
    CODES_ARE_SIGNED = true,
    BLOCK_MOST = 6,      // rows of the largest block
    PARTS_TOGETHER = 2,  // up to so many rows, all four parts fit into the registers
};

/// Nothing is left in the sums that has to be shifted out.
LANES int dot_shift(lathe_packing packing) {
    (void)packing;
    return 0;
}

/// Every byte's bits from bit `from` on, moved to bit `at`; bits above them may be rubbish, and below them where they
/// move to the right.
LANES uint8x16_t moved(uint8x16_t bytes, size_t from, size_t at) {
    return vshlq_u8(bytes, vdupq_n_s8((int8_t)((int)at - (int)from)));
}

LANES uint8x16_t masked(uint8x16_t bytes, uint8_t mask) { return vandq_u8(bytes, vdupq_n_u8(mask)); }

/// Codes of columns 4 * line ... 4 * line + 3 of one part, doubled where they have 3 bits.
LANES uint8x16_t quad_codes(lathe_packing packing, const uint8_t *block, size_t part, size_t line) {
    const bool nibbles = lathe_code_bits(packing) == 3;
    const uint8_t *units = block + (nibbles ? 0 : line / 4 * 3 * 64) + part * 16;
    if (line % 4 < 3) {
        const uint8x16_t unit = vld1q_u8(units + line % 4 * 64);
        return nibbles ? masked(line < 4 ? unit : vshrq_n_u8(unit, 4), 14) : vshrq_n_u8(unit, 2);
    }
    const uint8x16_t a = vld1q_u8(units), b = vld1q_u8(units + 64), c = vld1q_u8(units + 128);
    if (nibbles) {
        const uint8x16_t two = vbslq_u8(vdupq_n_u8(0x44), vshlq_n_u8(b, 2), vshlq_n_u8(a, 1));
        const uint8x16_t fourths = vbslq_u8(vdupq_n_u8(0x88), vshlq_n_u8(c, 3), two);
        return masked(line < 4 ? fourths : vshrq_n_u8(fourths, 4), 14);
    }
    return masked(vsliq_n_u8(vsliq_n_u8(a, b, 2), c, 4), 63);
}

/// Codes of columns 4 * line ... 4 * line + 3 of one part, doubled for the centered packings. `line` is a constant where
/// the packing has planes of 2 bits, or quads.
LANES int8x16_t part_codes(lathe_packing packing, const uint8_t *block, size_t part, size_t line) {
    const int bits = lathe_code_bits(packing);
    if (bits == 8) {
        const uint8x16_t codes = vld1q_u8(block + line * 64 + part * 16);
        return vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(0x80)));
    }
    if (bits == 3 || bits == 6) { return vreinterpretq_s8_u8(quad_codes(packing, block, part, line)); }
    if (bits == 2) {
        const uint8x16_t twos = vld1q_u8(block + line / 4 * 64 + part * 16);
        return vreinterpretq_s8_u8(masked(moved(twos, line % 4 * 2, 1), 6));
    }
    const uint8x16_t fours = vld1q_u8(block + line / 2 * 64 + part * 16);
    const uint8x16_t low = line % 2 == 0 ? masked(fours, 15) : vshrq_n_u8(fours, 4);
    if (bits == 4) { return vreinterpretq_s8_u8(low); }
    const uint8_t *fifths = block + LATHE_LOW_BYTES + line * 8 + part * 2;
    const uint8x16_t bytes = vcombine_u8(vld1_dup_u8(fifths), vld1_dup_u8(fifths + 1));
    const uint8x16_t which = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    return vreinterpretq_s8_u8(vorrq_u8(low, masked(vtstq_u8(bytes, which), 16)));
}

LANES float32x4_t half_to_float(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }

/// Adds eight columns of `rows` rows and `parts` parts from `part` on.
LANES void add_pair(lathe_packing packing, const uint8_t *block, size_t pair, const int32_t *values, size_t rows,
                    size_t part, size_t parts, int32x4_t dots[][4]) {
    LATHE_UNROLL for (size_t line = pair * 2; line < pair * 2 + 2; line++) {
        int8x16_t codes[4];
        LATHE_UNROLL for (size_t p = 0; p < parts; p++) { codes[p] = part_codes(packing, block, part + p, line); }
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            const int8x16_t a = vreinterpretq_s8_s32(vld1q_dup_s32(values + line * rows + r));
            LATHE_UNROLL for (size_t p = 0; p < parts; p++) { dots[r][p] = vdotq_s32(dots[r][p], codes[p], a); }
        }
    }
}

/// Adds block `index` of the chunk to the sums.
LANES void add_block(lathe_packing packing, const uint8_t *block, const uint8_t *numbers,
                     const lathe_activation_block *input, size_t index, size_t rows, size_t part, size_t parts,
                     float32x4_t sums[][4]) {
    const bool starts = lathe_code_bits(packing) != 8 && !lathe_is_affine(packing);
    int32x4_t dots[LATHE_ROWS_MOST][4];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const int32x4_t start = starts ? vld1q_dup_s32(input->starts + index * rows + r) : vdupq_n_s32(0);
        LATHE_UNROLL for (size_t p = 0; p < parts; p++) { dots[r][p] = start; }
    }
    const int32_t *values = input->values + index * 8 * rows;
    // Constant shifts want the loop unrolled where a line holds more than two steps.
    const int bits = lathe_code_bits(packing);
    if (bits < 4 || bits == 6) {
        LATHE_UNROLL for (size_t pair = 0; pair < 4; pair++) {
            add_pair(packing, block, pair, values, rows, part, parts, dots);
        }
    } else {
        LATHE_ROLL for (size_t pair = 0; pair < 4; pair++) {
            add_pair(packing, block, pair, values, rows, part, parts, dots);
        }
    }
    const uint16_t *halves = (const uint16_t *)numbers;
    float32x4_t scales[4], minimums[4];
    LATHE_UNROLL for (size_t p = 0; p < parts; p++) {
        scales[p] = half_to_float(halves + (part + p) * 4);
        if (lathe_is_affine(packing)) { minimums[p] = half_to_float(halves + LATHE_TILE_ROWS + (part + p) * 4); }
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const float32x4_t scale = vld1q_dup_f32(input->scales + index * rows + r);
        LATHE_UNROLL for (size_t p = 0; p < parts; p++) {
            sums[r][p] = vfmaq_f32(sums[r][p], vcvtq_f32_s32(dots[r][p]), vmulq_f32(scales[p], scale));
            if (lathe_is_affine(packing)) {
                sums[r][p] = vfmaq_f32(sums[r][p], minimums[p], vld1q_dup_f32(input->scaled + index * rows + r));
            }
        }
    }
}

/// Adds block after block to the sums.
LANES void add_each_block(lathe_packing packing, const uint8_t *weights, size_t ahead,
                          const lathe_activation_block *input, size_t blocks, bool is_even, size_t rows, size_t part,
                          size_t parts, float32x4_t sums[][4]) {
    for (size_t index = 0; index < blocks; index++) {
        const lathe_weight_block block = lathe_block_at(packing, weights, input, index, is_even);
        if (ahead != 0) { lathe_prefetch_block(packing, block.codes + ahead); }
        add_block(packing, block.codes, block.numbers, input, index, rows, part, parts, sums);
    }
}

/// Adds `blocks` blocks of columns to the sums of `rows` rows and `parts` parts, a row's parts beside each other.
LANES void add_blocks_of(lathe_packing packing, const uint8_t *weights, size_t ahead, const lathe_activation_block *input,
                      size_t blocks, bool starts, size_t rows, size_t part, size_t parts, lanes *totals) {
    float32x4_t sums[LATHE_ROWS_MOST][4];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t p = 0; p < parts; p++) {
            sums[r][p] = starts ? vdupq_n_f32(0.0f) : totals[r].part[part + p];
        }
    }
    if (lathe_has_even_loop(rows) && input->is_even) {
        add_each_block(packing, weights, ahead, input, blocks, true, rows, part, parts, sums);
    } else {
        add_each_block(packing, weights, ahead, input, blocks, false, rows, part, parts, sums);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t p = 0; p < parts; p++) { totals[r].part[part + p] = sums[r][p]; }
    }
}

LANES void add_tiles(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, lathe_share share,
                     const lathe_activation_block *input, size_t blocks, bool starts, size_t rows, size_t count,
                     lanes *totals) {
    const size_t parts = rows <= PARTS_TOGETHER ? 4 : 2;
    for (size_t tile = 0; tile < count; tile++, weights += tile_bytes, totals += rows) {
        for (size_t part = 0; part < 4; part += parts) {
            const size_t ahead = share.index > 0 || share.count == 0 || part > 0 ? 0 : LATHE_PREFETCH_BYTES;
            add_blocks_of(packing, weights, ahead, input, blocks, starts, rows, part, parts, totals);
        }
    }
}

#include "product_integer_vector.h"

LATHE_FOR_INTEGER_PACKINGS(LATHE_DEFINE_INTEGER_PRODUCT, neon)
#endif
