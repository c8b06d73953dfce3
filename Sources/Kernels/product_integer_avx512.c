// Products with integer weights on AVX-512 VNNI: vpdpbusd takes 16 rows times 4 columns of unsigned codes and four
// broadcast activations. The codes of the centered packings come doubled: another shift, nothing more. The sums of
// packings with a zero start from -zero * A.
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

/// The two bits from bit `2 * index` on of every byte, moved to bit `at`; the bits around them are rubbish.
LANES __m512i moved_pair(__m512i plane, size_t index, int at) {
    const int right = (int)index * 2 - at;
    return right >= 0 ? _mm512_srli_epi16(plane, (unsigned)right) : _mm512_slli_epi16(plane, (unsigned)-right);
}

/// x | (y & mask)
LANES __m512i or_masked(__m512i x, __m512i y, char mask) {
    return _mm512_ternarylogic_epi32(x, y, _mm512_set1_epi8(mask), 0xf8);
}

/// Unsigned codes of columns 8 * pair ... 8 * pair + 3, and of the four columns after them; doubled for the centered
/// packings. `odd` is pair % 2, a constant where the packing has planes of 2 bits.
LANES void pair_codes(lathe_packing packing, const uint8_t *block, size_t pair, size_t odd, __m512i codes[2]) {
    const int bits = lathe_code_bits(packing);
    if (bits == 8) {
        codes[0] = _mm512_loadu_si512(block + pair * 128);
        codes[1] = _mm512_loadu_si512(block + pair * 128 + 64);
        return;
    }
    if (bits < 4) {
        const __m512i twos = _mm512_loadu_si512(block + pair / 2 * 64);
        LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
            codes[i] = _mm512_and_si512(moved_pair(twos, odd * 2 + i, 1), _mm512_set1_epi8(6));
        }
        if (bits == 2) { return; }
        // Line i of the block has its third bits at bit i; doubled, they are worth 8.
        const __m512i ones = _mm512_loadu_si512(block + 2 * LATHE_PLANE_BYTES);
        LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
            const int line = (int)(pair * 2 + i);
            const __m512i moved = line >= 3 ? _mm512_srli_epi16(ones, (unsigned)(line - 3))
                                            : _mm512_slli_epi16(ones, (unsigned)(3 - line));
            codes[i] = or_masked(codes[i], moved, 8);
        }
        return;
    }
    const __m512i fours = _mm512_loadu_si512(block + pair * 64);
    codes[0] = _mm512_and_si512(fours, _mm512_set1_epi8(15));
    codes[1] = _mm512_and_si512(_mm512_srli_epi16(fours, 4), _mm512_set1_epi8(15));
    if (bits == 5) {
        uint64_t fifths[2];
        memcpy(fifths, block + LATHE_LOW_BYTES + pair * 16, sizeof fifths);
        LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
            codes[i] = _mm512_mask_add_epi8(codes[i], fifths[i], codes[i], _mm512_set1_epi8(16));
        }
    }
    if (bits == 6) {
        const __m512i twos = _mm512_loadu_si512(block + LATHE_LOW_BYTES + pair / 2 * 64);
        LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
            codes[i] = or_masked(codes[i], moved_pair(twos, odd * 2 + i, 4), 48);
        }
    }
}

/// Adds eight columns of `rows` rows and `tiles` tiles, whose blocks are `tile_bytes` apart.
LANES void add_pair(lathe_packing packing, const uint8_t *block, size_t tile_bytes, size_t pair, size_t odd,
                    const int32_t *values, size_t rows, size_t tiles, __m512i dots[][TILES_MOST]) {
    __m512i codes[TILES_MOST][2];
    LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
        pair_codes(packing, block + t * tile_bytes, pair, odd, codes[t]);
    }
    LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            const __m512i a = _mm512_set1_epi32(values[(pair * 2 + i) * rows + r]);
            LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
                dots[r][t] = _mm512_dpbusd_epi32(dots[r][t], codes[t][i], a);
            }
        }
    }
}

/// Adds block `index` of the chunk to the sums.
LANES void add_block(lathe_packing packing, const uint8_t *block, const uint8_t *numbers, size_t tile_bytes,
                     const lathe_activation_block *input, size_t index, size_t rows, size_t tiles,
                     __m512 sums[][TILES_MOST]) {
    __m512i dots[LATHE_ROWS_MOST][TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512i start = lathe_is_affine(packing) ? _mm512_setzero_si512()
                                                       : _mm512_set1_epi32(input->starts[index * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { dots[r][t] = start; }
    }
    const int32_t *values = input->values + index * 8 * rows;
    // Constant shifts want the loop unrolled where a line holds more than two steps.
    const int bits = lathe_code_bits(packing);
    if (!LATHE_IS_COMPACT || rows <= 2 || bits < 4 || bits == 6) {
        LATHE_UNROLL for (size_t pair = 0; pair < 4; pair++) {
            add_pair(packing, block, tile_bytes, pair, pair % 2, values, rows, tiles, dots);
        }
    } else {
        LATHE_ROLL for (size_t pair = 0; pair < 4; pair++) {
            add_pair(packing, block, tile_bytes, pair, 0, values, rows, tiles, dots);
        }
    }
    __m512 scales[TILES_MOST], minimums[TILES_MOST];
    LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
        const uint16_t *halves = (const uint16_t *)(numbers + t * tile_bytes);
        scales[t] = lanes_load_f16(halves);
        if (lathe_is_affine(packing)) { minimums[t] = lanes_load_f16(halves + LATHE_TILE_ROWS); }
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512 scale = _mm512_set1_ps(input->scales[index * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
            const __m512 step = _mm512_mul_ps(scales[t], scale);
            sums[r][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][t]), step, sums[r][t]);
            if (lathe_is_affine(packing)) {
                const __m512 scaled = _mm512_set1_ps(input->scaled[index * rows + r]);
                sums[r][t] = _mm512_fmadd_ps(minimums[t], scaled, sums[r][t]);
            }
        }
    }
}

/// Adds block after block to the sums.
LANES void add_each_block(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, size_t ahead,
                          const lathe_activation_block *input, size_t blocks, bool is_even, size_t rows, size_t tiles,
                          __m512 sums[][TILES_MOST]) {
    for (size_t index = 0; index < blocks; index++) {
        const lathe_weight_block block = lathe_block_at(packing, weights, input, index, is_even);
        if (ahead != 0) {
            LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
                lathe_prefetch_block(packing, block.codes + t * tile_bytes + ahead);
            }
        }
        add_block(packing, block.codes, block.numbers, tile_bytes, input, index, rows, tiles, sums);
    }
}

/// Adds `blocks` blocks of columns to the sums of `rows` rows and `tiles` tiles, which lie tile by tile.
LANES void add_blocks_of(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, size_t ahead,
                         const lathe_activation_block *input, size_t blocks, bool starts, size_t rows, size_t tiles,
                         lanes *totals) {
    __m512 sums[LATHE_ROWS_MOST][TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
            sums[r][t] = starts ? _mm512_setzero_ps() : totals[t * rows + r];
        }
    }
    if (lathe_has_even_loop(rows) && input->is_even) {
        add_each_block(packing, weights, tile_bytes, ahead, input, blocks, true, rows, tiles, sums);
    } else {
        add_each_block(packing, weights, tile_bytes, ahead, input, blocks, false, rows, tiles, sums);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { totals[t * rows + r] = sums[r][t]; }
    }
}

LANES void add_tiles(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, bool cached,
                     const lathe_activation_block *input, size_t blocks, bool starts, size_t rows, size_t count,
                     lanes *totals) {
    const size_t tiles = rows > 2 ? 2 : 1;
    // Two tiles are two streams: what they need next is the next two tiles.
    const size_t ahead = cached ? 0 : tiles == 1 ? LATHE_PREFETCH_BYTES : 2 * tile_bytes;
    size_t tile = 0;
    for (; tile + tiles <= count; tile += tiles) {
        add_blocks_of(packing, weights + tile * tile_bytes, tile_bytes, ahead, input, blocks, starts, rows, tiles,
                      totals + tile * rows);
    }
    if (tile == count) { return; }
    if (LATHE_IS_COMPACT && tiles == 2) {
        // The last tile twice over, rather than another body.
        lanes twice[LATHE_ROWS_MOST * TILES_MOST];
        for (size_t i = 0; i < 2 * rows; i++) { twice[i] = starts ? lanes_zero() : totals[tile * rows + i % rows]; }
        add_blocks_of(packing, weights + tile * tile_bytes, 0, 0, input, blocks, false, rows, tiles, twice);
        for (size_t r = 0; r < rows; r++) { totals[tile * rows + r] = twice[r]; }
    } else {
        add_blocks_of(packing, weights + tile * tile_bytes, tile_bytes, ahead, input, blocks, starts, rows, 1,
                      totals + tile * rows);
    }
}

#include "product_integer_vector.h"

LATHE_FOR_INTEGER_PACKINGS(LATHE_DEFINE_INTEGER_PRODUCT, avx512)
#endif
