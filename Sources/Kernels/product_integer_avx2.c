// Products with integer weights on AVX2. A half is 8 of a tile's 16 outputs: 8 rows times 4 columns of codes are one
// register. The 16-bit sums of vpmaddubsw cannot saturate: it adds two products, at most 2 * 127 * the largest code, and
// 32767 has room for a whole block of codes up to 15 (8 of those sums: 30480), which doubled codes of 3 and 2 bits are
// too; for half a block of codes of 5 bits (4 * 7874 = 31496) and a quarter of 6 bits (2 * 16002 = 32004). Codes of 8
// bits become signed, and vpmaddubsw gets their magnitude and an activation of their sign.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx2.h"

#include "activation_block.h"
#include "tables.h"

enum {
    CODES_ARE_SIGNED = true,
    BLOCK_MOST = 6,       // rows of the largest block
    HALVES_TOGETHER = 4,  // up to so many rows, both halves fit into the registers
};

LANES __m256i load_half(const uint8_t *line, size_t half) {
    return _mm256_loadu_si256((const __m256i *)(line + half * 32));
}

/// Nothing is left in the sums that has to be shifted out.
LANES int dot_shift(lathe_packing packing) {
    (void)packing;
    return 0;
}

/// Every byte's bits from bit `from` on, moved to bit `at`; the bits around them are rubbish.
LANES __m256i moved(__m256i bytes, size_t from, size_t at) {
    return from >= at ? _mm256_srli_epi16(bytes, (int)(from - at)) : _mm256_slli_epi16(bytes, (int)(at - from));
}

LANES __m256i masked(__m256i bytes, char mask) { return _mm256_and_si256(bytes, _mm256_set1_epi8(mask)); }

/// Codes of the columns 4 * line ... 4 * line + 3 of one half, doubled where they have 3 bits; `step` is a constant.
LANES __m256i quad_codes(lathe_packing packing, const uint8_t *block, size_t half, size_t line, size_t step) {
    const bool nibbles = lathe_code_bits(packing) == 3;
    const uint8_t *units = block + (nibbles ? 0 : line / 4 * 3 * 64);
    if (step % 4 < 3) {
        const __m256i unit = load_half(units + step % 4 * 64, half);
        return nibbles ? masked(moved(unit, step / 4 * 4, 0), 14) : masked(moved(unit, 2, 0), 63);
    }
    const __m256i a = load_half(units, half), b = load_half(units + 64, half), c = load_half(units + 128, half);
    if (nibbles) {
        const __m256i ab = _mm256_or_si256(masked(moved(a, 0, 1), 0x22), masked(moved(b, 0, 2), 0x44));
        const __m256i fourths = _mm256_or_si256(ab, masked(moved(c, 0, 3), (char)0x88));
        return masked(moved(fourths, step / 4 * 4, 0), 14);
    }
    const __m256i ab = _mm256_or_si256(masked(a, 3), masked(moved(b, 0, 2), 12));
    return _mm256_or_si256(ab, masked(moved(c, 0, 4), 48));
}

/// Codes of columns 4 * line ... 4 * line + 3 of one half: unsigned, doubled for the centered packings; signed for 8
/// bits. A constant `step`, line % 8 where the loop is unrolled and line % 2 where it is not, is what shifts depend on.
LANES __m256i half_codes(lathe_packing packing, const uint8_t *block, size_t half, size_t line, size_t step) {
    const int bits = lathe_code_bits(packing);
    if (bits == 8) {
        return _mm256_xor_si256(load_half(block + line * 64, half), _mm256_set1_epi8((char)0x80));
    }
    if (bits == 3 || bits == 6) { return quad_codes(packing, block, half, line, step); }
    if (bits == 2) { return masked(moved(load_half(block + line / 4 * 64, half), step % 4 * 2, 1), 6); }
    const __m256i low = masked(moved(load_half(block + line / 2 * 64, half), step % 2 * 4, 0), 15);
    if (bits == 4) { return low; }
    int32_t fifths;
    memcpy(&fifths, block + LATHE_LOW_BYTES + line * 8 + half * 4, sizeof fifths);
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                            2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i which = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(fifths), spread);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, which), which);
    return _mm256_or_si256(low, masked(set, 16));
}

/// Adds eight columns of `rows` rows and `halves` halves from `half` on to 16-bit sums. `step` is the first line's.
LANES void add_pair(lathe_packing packing, const uint8_t *block, size_t pair, size_t step, const int32_t *values,
                    size_t rows, size_t half, size_t halves, __m256i narrow[][2]) {
    LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
        const size_t line = pair * 2 + i;
        __m256i codes[2];
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            codes[h] = half_codes(packing, block, half + h, line, step + i);
        }
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            const __m256i a = _mm256_set1_epi32(values[line * rows + r]);
            LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
                narrow[r][h] = _mm256_add_epi16(narrow[r][h], _mm256_maddubs_epi16(codes[h], a));
            }
        }
    }
}

/// The same for codes of 8 bits, to 32-bit sums.
LANES void add_wide_pair(lathe_packing packing, const uint8_t *block, size_t pair, const int32_t *values, size_t rows,
                         size_t half, size_t halves, __m256i wide[][2]) {
    LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
        const size_t line = pair * 2 + i;
        __m256i codes[2], magnitudes[2];
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            codes[h] = half_codes(packing, block, half + h, line, i);
            magnitudes[h] = _mm256_abs_epi8(codes[h]);
        }
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            const __m256i a = _mm256_set1_epi32(values[line * rows + r]);
            LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
                const __m256i pairs = _mm256_maddubs_epi16(magnitudes[h], _mm256_sign_epi8(a, codes[h]));
                wide[r][h] = _mm256_add_epi32(wide[r][h], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
        }
    }
}

/// Sums of code * activation over block `index` of the chunk, the zero taken off.
LANES void block_dots(lathe_packing packing, const uint8_t *block, const lathe_activation_block *input, size_t index,
                      size_t rows, size_t half, size_t halves, __m256i wide[][2]) {
    const int32_t *values = input->values + index * 8 * rows;
    const bool starts = lathe_code_bits(packing) != 8 && !lathe_is_affine(packing);
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m256i start = starts ? _mm256_set1_epi32(input->starts[index * rows + r]) : _mm256_setzero_si256();
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) { wide[r][h] = start; }
    }
    if (lathe_code_bits(packing) == 8) {
        LATHE_ROLL for (size_t pair = 0; pair < 4; pair++) {
            add_wide_pair(packing, block, pair, values, rows, half, halves, wide);
        }
        return;
    }
    // Pairs whose sums fit into 16 bits.
    const int bits = lathe_code_bits(packing);
    const size_t span = bits <= 4 ? 4 : bits == 5 ? 2 : 1;
    LATHE_UNROLL for (size_t first = 0; first < 4; first += span) {
        __m256i narrow[LATHE_ROWS_MOST][2];
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            LATHE_UNROLL for (size_t h = 0; h < halves; h++) { narrow[r][h] = _mm256_setzero_si256(); }
        }
        // Constant shifts want the loop unrolled where a line depends on more than its parity.
        if (rows <= 2 || bits < 4 || bits == 6) {
            LATHE_UNROLL for (size_t pair = first; pair < first + span; pair++) {
                add_pair(packing, block, pair, pair * 2, values, rows, half, halves, narrow);
            }
        } else {
            LATHE_ROLL for (size_t pair = first; pair < first + span; pair++) {
                add_pair(packing, block, pair, 0, values, rows, half, halves, narrow);
            }
        }
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
                const __m256i four = _mm256_madd_epi16(narrow[r][h], _mm256_set1_epi16(1));
                wide[r][h] = _mm256_add_epi32(wide[r][h], four);
            }
        }
    }
}

/// Adds block `index` of the chunk to the sums.
LANES void add_block(lathe_packing packing, const uint8_t *block, const uint8_t *numbers,
                     const lathe_activation_block *input, size_t index, size_t rows, size_t half, size_t halves,
                     __m256 sums[][2]) {
    __m256i dots[LATHE_ROWS_MOST][2];
    block_dots(packing, block, input, index, rows, half, halves, dots);
    const uint16_t *halves_at = (const uint16_t *)numbers;
    __m256 scales[2], minimums[2];
    LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
        scales[h] = lanes_half_from_f16(halves_at + (half + h) * 8);
        if (lathe_is_affine(packing)) {
            minimums[h] = lanes_half_from_f16(halves_at + LATHE_TILE_ROWS + (half + h) * 8);
        }
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m256 scale = _mm256_broadcast_ss(&input->scales[index * rows + r]);
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            const __m256 step = _mm256_mul_ps(scales[h], scale);
            sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][h]), step, sums[r][h]);
            if (lathe_is_affine(packing)) {
                const __m256 scaled = _mm256_broadcast_ss(&input->scaled[index * rows + r]);
                sums[r][h] = _mm256_fmadd_ps(minimums[h], scaled, sums[r][h]);
            }
        }
    }
}

/// Adds block after block to the sums.
LANES void add_each_block(lathe_packing packing, const uint8_t *weights, size_t ahead,
                          const lathe_activation_block *input, size_t blocks, bool is_even, size_t rows, size_t half,
                          size_t halves, __m256 sums[][2]) {
    for (size_t index = 0; index < blocks; index++) {
        const lathe_weight_block block = lathe_block_at(packing, weights, input, index, is_even);
        if (ahead != 0) { lathe_prefetch_block(packing, block.codes + ahead); }
        add_block(packing, block.codes, block.numbers, input, index, rows, half, halves, sums);
    }
}

/// Adds `blocks` blocks of columns to the sums of `rows` rows and `halves` halves, a row's halves beside each other.
LANES void add_blocks_of(lathe_packing packing, const uint8_t *weights, size_t ahead, const lathe_activation_block *input,
                      size_t blocks, bool starts, size_t rows, size_t half, size_t halves, lanes *totals) {
    __m256 sums[LATHE_ROWS_MOST][2];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            sums[r][h] = starts ? _mm256_setzero_ps() : half + h == 0 ? totals[r].low : totals[r].high;
        }
    }
    if (lathe_has_even_loop(rows) && input->is_even) {
        add_each_block(packing, weights, ahead, input, blocks, true, rows, half, halves, sums);
    } else {
        add_each_block(packing, weights, ahead, input, blocks, false, rows, half, halves, sums);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            *(half + h == 0 ? &totals[r].low : &totals[r].high) = sums[r][h];
        }
    }
}

LANES void add_tiles(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, lathe_share share,
                     const lathe_activation_block *input, size_t blocks, bool starts, size_t rows, size_t count,
                     lanes *totals) {
    const size_t ahead = share.index > 0 || share.count == 0 ? 0 : LATHE_PREFETCH_BYTES;
    for (size_t tile = 0; tile < count; tile++, weights += tile_bytes, totals += rows) {
        if (rows <= HALVES_TOGETHER) {
            add_blocks_of(packing, weights, ahead, input, blocks, starts, rows, 0, 2, totals);
        } else if (LATHE_IS_COMPACT) {
            LATHE_ROLL for (size_t half = 0; half < 2; half++) {
                add_blocks_of(packing, weights, half == 0 ? ahead : 0, input, blocks, starts, rows, half, 1, totals);
            }
        } else {
            add_blocks_of(packing, weights, ahead, input, blocks, starts, rows, 0, 1, totals);
            add_blocks_of(packing, weights, 0, input, blocks, starts, rows, 1, 1, totals);
        }
    }
}

#include "product_integer_vector.h"

LATHE_FOR_INTEGER_PACKINGS(LATHE_DEFINE_INTEGER_PRODUCT, avx2)
#endif
