// Products with integer weights on AVX2. A half is 8 of a tile's 16 outputs: 8 rows times 4 columns of codes are one
// register. The 16-bit sums of vpmaddubsw cannot saturate: codes of 4 bits leave room for a whole group, codes of 5
// bits for half of one; codes of 8 bits become signed, and vpmaddubsw gets their magnitude and an activation of their
// sign.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx2.h"

#include "panels.h"
#include "tables.h"

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

/// 16-bit sums of pairs of code * activation.
LANES __m256i pair_sums(lathe_packing packing, __m256i codes, __m256i a) {
    if (lathe_code_bits(packing) != 8) { return _mm256_maddubs_epi16(codes, a); }
    return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(a, codes));
}

LANES __m256i broadcast(const void *p) {
    int32_t value;
    memcpy(&value, p, sizeof value);
    return _mm256_set1_epi32(value);
}

/// Adds one group to the sums of `rows` input rows and `halves` halves from `half` on.
LANES void add_group(lathe_packing packing, const uint8_t *block, const lathe_activations *input, size_t group,
                     size_t rows, size_t half, size_t halves, __m256 sums[][2]) {
    const int bits = lathe_code_bits(packing);
    const size_t lines_per_span = bits == 4 ? 8 : bits == 5 ? 4 : 1;
    __m256i wide[LATHE_ROWS_MOST][2];
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < halves; h++) { wide[r][h] = _mm256_setzero_si256(); }
    }
    for (size_t span = 0; span < 8; span += lines_per_span) {
        __m256i narrow[LATHE_ROWS_MOST][2];
        for (size_t r = 0; r < rows; r++) {
            for (size_t h = 0; h < halves; h++) { narrow[r][h] = _mm256_setzero_si256(); }
        }
        for (size_t line = span; line < span + lines_per_span; line++) {
            __m256i codes[2];
            for (size_t h = 0; h < halves; h++) { codes[h] = half_codes(packing, block, half + h, line); }
            for (size_t r = 0; r < rows; r++) {
                const __m256i a = broadcast(input[r].values + group * LATHE_GROUP + line * 4);
                for (size_t h = 0; h < halves; h++) {
                    narrow[r][h] = _mm256_add_epi16(narrow[r][h], pair_sums(packing, codes[h], a));
                }
            }
        }
        for (size_t r = 0; r < rows; r++) {
            for (size_t h = 0; h < halves; h++) {
                const __m256i four = _mm256_madd_epi16(narrow[r][h], _mm256_set1_epi16(1));
                wide[r][h] = _mm256_add_epi32(wide[r][h], four);
            }
        }
    }
    if (bits != 8 && !lathe_is_affine(packing)) {
        for (size_t r = 0; r < rows; r++) {
            const __m256i zero = _mm256_slli_epi32(broadcast(&input[r].sums[group]), bits - 1);
            for (size_t h = 0; h < halves; h++) { wide[r][h] = _mm256_sub_epi32(wide[r][h], zero); }
        }
    }
    const uint16_t *scales = (const uint16_t *)(block + lathe_code_bytes(packing));
    for (size_t h = 0; h < halves; h++) {
        const __m256 scale = lanes_half_from_f16(scales + (half + h) * 8);
        for (size_t r = 0; r < rows; r++) {
            const __m256 step = _mm256_mul_ps(scale, _mm256_broadcast_ss(&input[r].scales[group]));
            sums[r][h] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(wide[r][h]), step, sums[r][h]);
        }
        if (lathe_is_affine(packing)) {
            const __m256 minimum = lanes_half_from_f16(scales + LATHE_TILE_ROWS + (half + h) * 8);
            for (size_t r = 0; r < rows; r++) {
                const __m256 sum = _mm256_cvtepi32_ps(broadcast(&input[r].sums[group]));
                const __m256 scaled = _mm256_mul_ps(_mm256_broadcast_ss(&input[r].scales[group]), sum);
                sums[r][h] = _mm256_fmadd_ps(minimum, scaled, sums[r][h]);
            }
        }
    }
}

/// Sums over all groups of one tile.
LANES void tile_halves(lathe_packing packing, const uint8_t *tile, size_t groups, const lathe_activations *input,
                       size_t rows, size_t half, size_t halves, __m256 result[][2]) {
    __m256 sums[LATHE_ROWS_MOST][2];
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < halves; h++) { sums[r][h] = _mm256_setzero_ps(); }
    }
    for (size_t group = 0; group < groups; group++) {
        const uint8_t *block = tile + group * lathe_block_bytes(packing);
        if (rows <= 2) { lathe_prefetch(block, lathe_block_bytes(packing)); }
        add_group(packing, block, input, group, rows, half, halves, sums);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t h = 0; h < halves; h++) { result[r][half + h] = sums[r][h]; }
    }
}

LANES void integer_rows(const lathe_product *product, lathe_packing packing, const lathe_panel *panel, size_t rows) {
    const size_t groups = product->columns / LATHE_GROUP;
    const size_t tile_bytes = groups * lathe_block_bytes(packing);
    lathe_activations input[LATHE_ROWS_MOST];
    for (size_t r = 0; r < rows; r++) { input[r] = lathe_activation_row(product, panel->row + r); }
    for (size_t tile = panel->tile_begin; tile < panel->tile_end; tile++) {
        const uint8_t *weights = product->weights + tile * tile_bytes;
        __m256 sums[LATHE_ROWS_MOST][2];
        if (rows <= 2) {
            tile_halves(packing, weights, groups, input, rows, 0, 2, sums);
        } else {
            for (size_t half = 0; half < 2; half++) {
                tile_halves(packing, weights, groups, input, rows, half, 1, sums);
            }
        }
        for (size_t r = 0; r < rows; r++) {
            lanes_finish(product, panel->row + r, tile, (lanes){sums[r][0], sums[r][1]});
        }
    }
}

LANES void product_integer(const lathe_product *product, lathe_packing packing) {
    const size_t tile_bytes = product->columns / LATHE_GROUP * lathe_block_bytes(packing);
    LATHE_FOR_PANELS(product, packing, tile_bytes, integer_rows)
}

LATHE_DEFINE_INTEGER_PRODUCTS(avx2, LATHE_TARGET, product_integer)
#endif
