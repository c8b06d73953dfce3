// Products with integer weights on AVX-512 VNNI: vpdpbusd takes 16 rows times 4 columns of unsigned codes and four
// broadcast activations. A symmetric packing's sums start from -zero * A.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx512.h"

#include "activation_block.h"
#include "tables.h"

enum {
    TILES_MOST = 2,
    BLOCK_MOST = 8,            // rows of the largest block
    CODES_ARE_SIGNED = false,
};

/// Unsigned codes of columns 8 * pair ... 8 * pair + 3, and of the four columns after them.
LANES void pair_codes(lathe_packing packing, const uint8_t *block, size_t pair, __m512i *first, __m512i *second) {
    if (lathe_code_bits(packing) == 8) {
        *first = _mm512_loadu_si512(block + pair * 128);
        *second = _mm512_loadu_si512(block + pair * 128 + 64);
        return;
    }
    const __m512i pairs = _mm512_loadu_si512(block + pair * 64);
    *first = _mm512_and_si512(pairs, _mm512_set1_epi8(15));
    *second = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), _mm512_set1_epi8(15));
    if (lathe_code_bits(packing) == 4) { return; }
    uint64_t bits[2];
    memcpy(bits, block + LATHE_LOW_BYTES + pair * 16, sizeof bits);
    *first = _mm512_mask_add_epi8(*first, bits[0], *first, _mm512_set1_epi8(16));
    *second = _mm512_mask_add_epi8(*second, bits[1], *second, _mm512_set1_epi8(16));
}

/// Adds eight columns of `rows` rows and `tiles` tiles, whose blocks are `tile_bytes` apart.
LANES void add_pair(lathe_packing packing, const uint8_t *block, size_t tile_bytes, size_t pair, const int32_t *values,
                    size_t rows, size_t tiles, __m512i dots[][TILES_MOST]) {
    __m512i first[TILES_MOST], second[TILES_MOST];
    LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
        pair_codes(packing, block + t * tile_bytes, pair, &first[t], &second[t]);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512i a = _mm512_set1_epi32(values[pair * 2 * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { dots[r][t] = _mm512_dpbusd_epi32(dots[r][t], first[t], a); }
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512i a = _mm512_set1_epi32(values[(pair * 2 + 1) * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { dots[r][t] = _mm512_dpbusd_epi32(dots[r][t], second[t], a); }
    }
}

/// Adds group `group` of the chunk to the sums.
LANES void add_group(lathe_packing packing, const uint8_t *block, size_t tile_bytes,
                     const lathe_activation_block *input, size_t group, size_t rows, size_t tiles,
                     __m512 sums[][TILES_MOST]) {
    __m512i dots[LATHE_ROWS_MOST][TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512i start = lathe_is_affine(packing) ? _mm512_setzero_si512()
                                                       : _mm512_set1_epi32(input->starts[group * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { dots[r][t] = start; }
    }
    const int32_t *values = input->values + group * 8 * rows;
    if (rows <= 2) {
        LATHE_UNROLL for (size_t pair = 0; pair < 4; pair++) {
            add_pair(packing, block, tile_bytes, pair, values, rows, tiles, dots);
        }
    } else {
        LATHE_ROLL for (size_t pair = 0; pair < 4; pair++) {
            add_pair(packing, block, tile_bytes, pair, values, rows, tiles, dots);
        }
    }
    __m512 scales[TILES_MOST], minimums[TILES_MOST];
    LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
        const uint16_t *halves = (const uint16_t *)(block + t * tile_bytes + lathe_code_bytes(packing));
        scales[t] = lanes_load_f16(halves);
        if (lathe_is_affine(packing)) { minimums[t] = lanes_load_f16(halves + LATHE_TILE_ROWS); }
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512 scale = _mm512_set1_ps(input->scales[group * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
            const __m512 step = _mm512_mul_ps(scales[t], scale);
            sums[r][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][t]), step, sums[r][t]);
            if (lathe_is_affine(packing)) {
                const __m512 scaled = _mm512_set1_ps(input->scaled[group * rows + r]);
                sums[r][t] = _mm512_fmadd_ps(minimums[t], scaled, sums[r][t]);
            }
        }
    }
}

/// Adds `groups` groups to the sums of `rows` rows and `tiles` tiles, which lie tile by tile.
LANES void add_groups(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, size_t ahead,
                      const lathe_activation_block *input, size_t groups, bool starts, size_t rows, size_t tiles,
                      lanes *totals) {
    const size_t block_bytes = lathe_block_bytes(packing);
    __m512 sums[LATHE_ROWS_MOST][TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
            sums[r][t] = starts ? _mm512_setzero_ps() : totals[t * rows + r];
        }
    }
    for (size_t group = 0; group < groups; group++) {
        const uint8_t *block = weights + group * block_bytes;
        if (ahead != 0) {
            LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
                lathe_prefetch(block + t * tile_bytes + ahead, block_bytes);
            }
        }
        add_group(packing, block, tile_bytes, input, group, rows, tiles, sums);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { totals[t * rows + r] = sums[r][t]; }
    }
}

LANES void add_tiles(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, bool cached,
                     const lathe_activation_block *input, size_t groups, bool starts, size_t rows, size_t count,
                     lanes *totals) {
    const size_t tiles = rows > 2 ? 2 : 1;
    // Two tiles are two streams: what they need next is the next two tiles.
    const size_t ahead = cached ? 0 : tiles == 1 ? LATHE_PREFETCH_BYTES : 2 * tile_bytes;
    size_t tile = 0;
    for (; tile + tiles <= count; tile += tiles) {
        add_groups(packing, weights + tile * tile_bytes, tile_bytes, ahead, input, groups, starts, rows, tiles,
                   totals + tile * rows);
    }
    if (tile < count) {
        add_groups(packing, weights + tile * tile_bytes, tile_bytes, ahead, input, groups, starts, rows, 1,
                   totals + tile * rows);
    }
}

#include "product_integer_vector.h"

LATHE_DEFINE_INTEGER_PRODUCTS(avx512, LATHE_TARGET, product_integer)
#endif
