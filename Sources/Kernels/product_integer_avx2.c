// Products with integer weights on AVX2. A half is 8 of a tile's 16 outputs: 8 rows times 4 columns of codes are one
// register. The 16-bit sums of vpmaddubsw cannot saturate: codes of 4 bits leave room for a whole group, codes of 5
// bits for half of one; codes of 8 bits become signed, and vpmaddubsw gets their magnitude and an activation of their
// sign.
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

/// Codes of columns 4 * line ... 4 * line + 3 of one half: unsigned, or signed for 8 bits.
LANES __m256i half_codes(lathe_packing packing, const uint8_t *block, size_t half, size_t line) {
    if (lathe_code_bits(packing) == 8) {
        const __m256i codes = _mm256_loadu_si256((const __m256i *)(block + line * 64 + half * 32));
        return _mm256_xor_si256(codes, _mm256_set1_epi8((char)0x80));
    }
    const __m256i pairs = _mm256_loadu_si256((const __m256i *)(block + line / 2 * 64 + half * 32));
    const __m256i shifted = line % 2 == 0 ? pairs : _mm256_srli_epi16(pairs, 4);
    const __m256i low = _mm256_and_si256(shifted, _mm256_set1_epi8(15));
    if (lathe_code_bits(packing) == 4) { return low; }
    int32_t bits;
    memcpy(&bits, block + LATHE_LOW_BYTES + line * 8 + half * 4, sizeof bits);
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                            2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i which = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits), spread);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, which), which);
    return _mm256_or_si256(low, _mm256_and_si256(set, _mm256_set1_epi8(16)));
}

/// Adds eight columns of `rows` rows and `halves` halves from `half` on to 16-bit sums.
LANES void add_pair(lathe_packing packing, const uint8_t *block, size_t pair, const int32_t *values, size_t rows,
                    size_t half, size_t halves, __m256i narrow[][2]) {
    LATHE_UNROLL for (size_t line = pair * 2; line < pair * 2 + 2; line++) {
        __m256i codes[2];
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) { codes[h] = half_codes(packing, block, half + h, line); }
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
    LATHE_UNROLL for (size_t line = pair * 2; line < pair * 2 + 2; line++) {
        __m256i codes[2], magnitudes[2];
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            codes[h] = half_codes(packing, block, half + h, line);
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

/// Sums of code * activation over one group, the zero code taken off.
LANES void group_dots(lathe_packing packing, const uint8_t *block, const lathe_activation_block *input, size_t group,
                      size_t rows, size_t half, size_t halves, __m256i wide[][2]) {
    const int32_t *values = input->values + group * 8 * rows;
    const bool starts = lathe_code_bits(packing) != 8 && !lathe_is_affine(packing);
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m256i start = starts ? _mm256_set1_epi32(input->starts[group * rows + r]) : _mm256_setzero_si256();
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) { wide[r][h] = start; }
    }
    if (lathe_code_bits(packing) == 8) {
        LATHE_ROLL for (size_t pair = 0; pair < 4; pair++) {
            add_wide_pair(packing, block, pair, values, rows, half, halves, wide);
        }
        return;
    }
    const size_t span = lathe_code_bits(packing) == 4 ? 4 : 2;
    LATHE_UNROLL for (size_t first = 0; first < 4; first += span) {
        __m256i narrow[LATHE_ROWS_MOST][2];
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            LATHE_UNROLL for (size_t h = 0; h < halves; h++) { narrow[r][h] = _mm256_setzero_si256(); }
        }
        if (rows <= 2) {
            LATHE_UNROLL for (size_t pair = first; pair < first + span; pair++) {
                add_pair(packing, block, pair, values, rows, half, halves, narrow);
            }
        } else {
            LATHE_ROLL for (size_t pair = first; pair < first + span; pair++) {
                add_pair(packing, block, pair, values, rows, half, halves, narrow);
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

/// Adds group `group` of the chunk to the sums.
LANES void add_group(lathe_packing packing, const uint8_t *block, const lathe_activation_block *input, size_t group,
                     size_t rows, size_t half, size_t halves, __m256 sums[][2]) {
    __m256i dots[LATHE_ROWS_MOST][2];
    group_dots(packing, block, input, group, rows, half, halves, dots);
    const uint16_t *halves_of_block = (const uint16_t *)(block + lathe_code_bytes(packing));
    __m256 scales[2], minimums[2];
    LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
        scales[h] = lanes_half_from_f16(halves_of_block + (half + h) * 8);
        if (lathe_is_affine(packing)) {
            minimums[h] = lanes_half_from_f16(halves_of_block + LATHE_TILE_ROWS + (half + h) * 8);
        }
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m256 scale = _mm256_broadcast_ss(&input->scales[group * rows + r]);
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            const __m256 step = _mm256_mul_ps(scales[h], scale);
            sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dots[r][h]), step, sums[r][h]);
            if (lathe_is_affine(packing)) {
                const __m256 scaled = _mm256_broadcast_ss(&input->scaled[group * rows + r]);
                sums[r][h] = _mm256_fmadd_ps(minimums[h], scaled, sums[r][h]);
            }
        }
    }
}

/// Adds `groups` groups to the sums of `rows` rows and `halves` halves, a row's halves beside each other.
LANES void add_groups(lathe_packing packing, const uint8_t *weights, size_t ahead, const lathe_activation_block *input,
                      size_t groups, bool starts, size_t rows, size_t half, size_t halves, lanes *totals) {
    __m256 sums[LATHE_ROWS_MOST][2];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            sums[r][h] = starts ? _mm256_setzero_ps() : half + h == 0 ? totals[r].low : totals[r].high;
        }
    }
    for (size_t group = 0; group < groups; group++) {
        const uint8_t *block = weights + group * lathe_block_bytes(packing);
        if (ahead != 0) { lathe_prefetch(block + ahead, lathe_block_bytes(packing)); }
        add_group(packing, block, input, group, rows, half, halves, sums);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t h = 0; h < halves; h++) {
            *(half + h == 0 ? &totals[r].low : &totals[r].high) = sums[r][h];
        }
    }
}

LANES void add_tiles(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, bool cached,
                     const lathe_activation_block *input, size_t groups, bool starts, size_t rows, size_t count,
                     lanes *totals) {
    const size_t ahead = cached ? 0 : LATHE_PREFETCH_BYTES;
    for (size_t tile = 0; tile < count; tile++, weights += tile_bytes, totals += rows) {
        if (rows <= HALVES_TOGETHER) {
            add_groups(packing, weights, ahead, input, groups, starts, rows, 0, 2, totals);
        } else {
            add_groups(packing, weights, ahead, input, groups, starts, rows, 0, 1, totals);
            add_groups(packing, weights, 0, input, groups, starts, rows, 1, 1, totals);
        }
    }
}

#include "product_integer_vector.h"

LATHE_DEFINE_INTEGER_PRODUCTS(avx2, LATHE_TARGET, product_integer)
#endif
