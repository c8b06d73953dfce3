// Products with integer weights on AVX-512 VNNI: vpdpbusd takes 16 rows times 4 columns of unsigned codes and four
// broadcast activations. The codes of the centered packings come doubled. The sums of packings with a zero start from
// -zero * A. Taking codes out of their bytes is what bounds one row, so codes stay where they are wherever a factor of 4
// or 16 can be taken off the sums instead.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx512.h"

#include "activation_block.h"
#include "tables.h"

enum {
    TILES_MOST = 2,
    BLOCK_MOST = 12,           // rows of the largest block
    STREAM_BLOCKS = 128,       // from here on a tile is long enough to be read beside another by one or two rows
    CODES_ARE_SIGNED = false,
};

/// Bits by which sums of codes of a packing come too large: codes of 6 bits are taken from where they lie.
LANES int dot_shift(lathe_packing packing) { return lathe_code_bits(packing) == 6 ? 2 : 0; }

/// Whether the codes of a line lie in the upper halves of bytes, where the packing's codes are so small that they can be
/// left there: they are 16 times too large then, and have sums of their own.
LANES bool is_upper(lathe_packing packing, size_t line) {
    switch (lathe_code_bits(packing)) {
    case 4: return line % 2 == 1;
    case 3: return line >= 4;
    case 2: return line % 4 >= 2;
    default: return false;
    }
}

LANES __m512i masked(__m512i x, int mask) { return _mm512_and_si512(x, _mm512_set1_epi8((char)mask)); }

/// The bits of `mask` from y, the others from x.
LANES __m512i replaced(__m512i x, __m512i y, int mask) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi8((char)mask), y, x, 0xca);
}

/// Codes of the columns 4 * line ... 4 * line + 3 of a packing with quads: doubled in both halves of the bytes, or times 4.
LANES __m512i quad_codes(lathe_packing packing, const uint8_t *block, size_t line) {
    const bool halves = lathe_code_bits(packing) == 3;
    const uint8_t *units = block + (halves ? 0 : line / 4 * 3 * 64);
    if (line % 4 < 3) { return _mm512_loadu_si512(units + line % 4 * 64); }
    const __m512i a = _mm512_loadu_si512(units), b = _mm512_loadu_si512(units + 64), c = _mm512_loadu_si512(units + 128);
    if (halves) {
        const __m512i two = replaced(_mm512_add_epi8(a, a), _mm512_slli_epi16(b, 2), 0x44);
        return replaced(two, _mm512_slli_epi16(c, 3), 0x88);
    }
    return replaced(replaced(_mm512_slli_epi16(a, 2), _mm512_slli_epi16(b, 4), 0x30), _mm512_slli_epi16(c, 6), 0xc0);
}

/// Unsigned codes of the columns 4 * line ... 4 * line + 3: doubled for the centered packings, times 2^`dot_shift`, times
/// 16 where they are upper and `stays`. A constant `step`, line % 8 where the loop is unrolled and line % 2 where it is
/// not, is what shifts depend on.
LANES __m512i line_codes(lathe_packing packing, const uint8_t *block, size_t line, size_t step, bool stays) {
    const int bits = lathe_code_bits(packing);
    if (bits == 8) { return _mm512_loadu_si512(block + line * 64); }
    if (bits == 6) { return masked(quad_codes(packing, block, line), 0xfc); }
    const bool upper = is_upper(packing, step);
    if (bits == 3) {
        const __m512i codes = quad_codes(packing, block, line);
        if (upper && stays) { return masked(codes, 0xe0); }
        return masked(upper ? _mm512_srli_epi16(codes, 4) : codes, 0x0e);
    }
    if (bits == 2) {
        const __m512i twos = _mm512_loadu_si512(block + line / 4 * 64);
        const int right = (int)(upper && stays ? step % 2 : step % 4) * 2 - 1;
        const __m512i moved = right < 0 ? _mm512_add_epi8(twos, twos) : _mm512_srli_epi16(twos, (unsigned)right);
        return masked(moved, upper && stays ? 0x60 : 6);
    }
    const __m512i fours = _mm512_loadu_si512(block + line / 2 * 64);
    if (upper && stays) { return masked(fours, 0xf0); }
    const __m512i low = masked(step % 2 == 0 ? fours : _mm512_srli_epi16(fours, 4), 15);
    if (bits == 4) { return low; }
    uint64_t fifths;
    memcpy(&fifths, block + LATHE_LOW_BYTES + line * 8, sizeof fifths);
    return _mm512_mask_add_epi8(low, fifths, low, _mm512_set1_epi8(16));
}

/// Sums of codes times activations of one block: `upper` is 16 times too large.
typedef struct block_dots {
    __m512i lower, upper;
} block_dots;

/// Adds four columns of `rows` rows and `tiles` tiles, whose blocks are `tile_bytes` apart.
LANES void add_line(lathe_packing packing, const uint8_t *block, size_t tile_bytes, size_t line, size_t step, bool stays,
                    const int32_t *values, size_t rows, size_t tiles, block_dots dots[][TILES_MOST]) {
    __m512i codes[TILES_MOST];
    LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
        codes[t] = line_codes(packing, block + t * tile_bytes, line, step, stays);
    }
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512i a = _mm512_set1_epi32(values[line * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
            __m512i *dot = is_upper(packing, step) && stays ? &dots[r][t].upper : &dots[r][t].lower;
            *dot = _mm512_dpbusd_epi32(*dot, codes[t], a);
        }
    }
}

/// Adds block `index` of the chunk to the sums.
LANES void add_block(lathe_packing packing, const uint8_t *block, const uint8_t *numbers, size_t tile_bytes,
                     const lathe_activation_block *input, size_t index, size_t rows, size_t tiles,
                     __m512 sums[][TILES_MOST]) {
    block_dots dots[LATHE_ROWS_MOST][TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        const __m512i start = lathe_is_affine(packing) ? _mm512_setzero_si512()
                                                       : _mm512_set1_epi32(input->starts[index * rows + r]);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { dots[r][t] = (block_dots){start, _mm512_setzero_si512()}; }
    }
    const int32_t *values = input->values + index * 8 * rows;
    const int bits = lathe_code_bits(packing);
    // For one or two rows, taking a code out of its byte costs as much as using it. The second sums of more rows would not
    // fit into the registers.
    const bool stays = rows <= 2 && bits <= 4;
    // Constant shifts want the loop unrolled where a line depends on more than its parity.
    if (!LATHE_IS_COMPACT || rows <= 2 || bits < 4 || bits == 6) {
        LATHE_UNROLL for (size_t line = 0; line < 8; line++) {
            add_line(packing, block, tile_bytes, line, line, stays, values, rows, tiles, dots);
        }
    } else {
        LATHE_ROLL for (size_t pair = 0; pair < 8; pair += 2) {
            LATHE_UNROLL for (size_t i = 0; i < 2; i++) {
                add_line(packing, block, tile_bytes, pair + i, i, stays, values, rows, tiles, dots);
            }
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
            __m512i dot = dots[r][t].lower;
            if (stays) { dot = _mm512_add_epi32(dot, _mm512_srai_epi32(dots[r][t].upper, 4)); }
            if (dot_shift(packing) != 0) { dot = _mm512_srai_epi32(dot, (unsigned)dot_shift(packing)); }
            const __m512 step = _mm512_mul_ps(scales[t], scale);
            sums[r][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), step, sums[r][t]);
            if (lathe_is_affine(packing)) {
                const __m512 scaled = _mm512_set1_ps(input->scaled[index * rows + r]);
                sums[r][t] = _mm512_fmadd_ps(minimums[t], scaled, sums[r][t]);
            }
        }
    }
}

/// Adds block after block to the sums.
LANES void add_each_block(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, lathe_ahead ahead,
                          const lathe_activation_block *input, size_t blocks, bool is_even, size_t rows, size_t tiles,
                          __m512 sums[][TILES_MOST]) {
    for (size_t index = 0; index < blocks; index++) {
        const lathe_weight_block block = lathe_block_at(packing, weights, input, index, is_even);
        if (ahead.bytes != 0) {
            const uint8_t *later = block.codes + ahead.bytes + (index < ahead.turn ? 0 : ahead.skip);
            LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
                if (rows <= 2 || LATHE_IS_COMPACT || ahead.step == 0) {
                    lathe_prefetch_block(packing, later + t * tile_bytes);
                } else {
                    lathe_prefetch_share(later + t * tile_bytes, &ahead);
                }
            }
        }
        add_block(packing, block.codes, block.numbers, tile_bytes, input, index, rows, tiles, sums);
    }
}

/// Adds `blocks` blocks of columns to the sums of `rows` rows and `tiles` tiles, which lie tile by tile.
LANES void add_blocks_of(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, lathe_ahead ahead,
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

LANES void add_tiles(lathe_packing packing, const uint8_t *weights, size_t tile_bytes, lathe_share share,
                     const lathe_activation_block *input, size_t blocks, bool starts, size_t rows, size_t count,
                     lanes *totals) {
    // The sums of many rows fill the registers with one tile.
    const size_t tiles = rows > 8 ? 1 : TILES_MOST;
    const bool is_even = lathe_has_even_loop(rows) && input->is_even;
    // One or two rows wait for memory, which short streams in turn keep busier than short streams side by side.
    const bool alone = !LATHE_IS_COMPACT && rows <= 2 && blocks < STREAM_BLOCKS;
    lathe_ahead ahead = {0};
    if (share.count == 1 || (LATHE_IS_COMPACT && share.count > 1 && share.index == 0)) {
        ahead = lathe_find_ahead(packing, weights, tile_bytes, input, blocks, is_even, alone ? 1 : tiles);
    } else if (!LATHE_IS_COMPACT && share.count > 1) {
        ahead = lathe_share_ahead(packing, tiles * tile_bytes, blocks, share);
    }
    size_t tile = 0;
    for (; !alone && tile + tiles <= count; tile += tiles) {
        add_blocks_of(packing, weights + tile * tile_bytes, tile_bytes, ahead, input, blocks, starts, rows, tiles,
                      totals + tile * rows);
    }
    if (tile == count) { return; }
    if (LATHE_IS_COMPACT) {
        // The last tile twice over, rather than another body.
        lanes twice[LATHE_ROWS_MOST * TILES_MOST];
        for (size_t i = 0; i < 2 * rows; i++) { twice[i] = starts ? lanes_zero() : totals[tile * rows + i % rows]; }
        add_blocks_of(packing, weights + tile * tile_bytes, 0, (lathe_ahead){0}, input, blocks, false, rows, tiles, twice);
        for (size_t r = 0; r < rows; r++) { totals[tile * rows + r] = twice[r]; }
    } else {
        for (; tile < count; tile++) {
            add_blocks_of(packing, weights + tile * tile_bytes, tile_bytes, ahead, input, blocks, starts, rows, 1,
                          totals + tile * rows);
        }
    }
}

#include "product_integer_vector.h"

LATHE_FOR_INTEGER_PACKINGS(LATHE_DEFINE_INTEGER_PRODUCT, avx512)
#endif
