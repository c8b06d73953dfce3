// Products with integer weights on AVX-512 VNNI: vpdpbusd takes 16 rows times 4 columns of unsigned codes and four
// broadcast activations. A symmetric packing's sums start from -zero * A.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx512.h"

#include "panels.h"
#include "tables.h"

enum { LATHE_INTEGER_TILES_MOST = 2 };

/// Unsigned codes of columns 4 * line ... 4 * line + 3.
LANES __m512i line_codes(lathe_packing packing, const uint8_t *block, size_t line) {
    if (lathe_code_bits(packing) == 8) { return _mm512_loadu_si512(block + line * 64); }
    const __m512i pairs = _mm512_loadu_si512(block + line / 2 * 64);
    const __m512i shifted = line % 2 == 0 ? pairs : _mm512_srli_epi16(pairs, 4);
    const __m512i low = _mm512_and_si512(shifted, _mm512_set1_epi8(15));
    if (lathe_code_bits(packing) == 4) { return low; }
    uint64_t bits;
    memcpy(&bits, block + LATHE_LOW_BYTES + line * 8, sizeof bits);
    return _mm512_mask_add_epi8(low, bits, low, _mm512_set1_epi8(16));
}

LANES __m512i broadcast(const void *p) {
    int32_t value;
    memcpy(&value, p, sizeof value);
    return _mm512_set1_epi32(value);
}

/// Adds one group to the sums of `rows` input rows and `tiles` tiles, whose blocks are `tile_bytes` apart.
LANES void add_group(lathe_packing packing, const uint8_t *block, size_t tile_bytes, const lathe_activations *input,
                     size_t group, size_t rows, size_t tiles, __m512 sums[][LATHE_INTEGER_TILES_MOST]) {
    __m512i dots[LATHE_ROWS_MOST][LATHE_INTEGER_TILES_MOST];
    for (size_t r = 0; r < rows; r++) {
        __m512i start = _mm512_setzero_si512();
        if (!lathe_is_affine(packing)) {
            const unsigned shift = (unsigned)lathe_code_bits(packing) - 1;
            start = _mm512_sub_epi32(start, _mm512_slli_epi32(broadcast(&input[r].sums[group]), shift));
        }
        for (size_t t = 0; t < tiles; t++) { dots[r][t] = start; }
    }
    for (size_t line = 0; line < 8; line++) {
        __m512i codes[LATHE_INTEGER_TILES_MOST];
        for (size_t t = 0; t < tiles; t++) { codes[t] = line_codes(packing, block + t * tile_bytes, line); }
        for (size_t r = 0; r < rows; r++) {
            const __m512i a = broadcast(input[r].values + group * LATHE_GROUP + line * 4);
            for (size_t t = 0; t < tiles; t++) { dots[r][t] = _mm512_dpbusd_epi32(dots[r][t], codes[t], a); }
        }
    }
    for (size_t t = 0; t < tiles; t++) {
        const uint16_t *scales = (const uint16_t *)(block + t * tile_bytes + lathe_code_bytes(packing));
        const __m512 scale = lanes_load_f16(scales);
        for (size_t r = 0; r < rows; r++) {
            const __m512 step = _mm512_mul_ps(scale, _mm512_set1_ps(input[r].scales[group]));
            sums[r][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[r][t]), step, sums[r][t]);
        }
        if (lathe_is_affine(packing)) {
            const __m512 minimum = lanes_load_f16(scales + LATHE_TILE_ROWS);
            for (size_t r = 0; r < rows; r++) {
                const __m512 sum = _mm512_cvtepi32_ps(broadcast(&input[r].sums[group]));
                const __m512 scaled = _mm512_mul_ps(_mm512_set1_ps(input[r].scales[group]), sum);
                sums[r][t] = _mm512_fmadd_ps(minimum, scaled, sums[r][t]);
            }
        }
    }
}

LANES void integer_block(const lathe_product *product, lathe_packing packing, const lathe_activations *input,
                         size_t row, size_t rows, size_t tile, size_t tiles) {
    const size_t groups = product->columns / LATHE_GROUP;
    const size_t tile_bytes = groups * lathe_block_bytes(packing);
    const uint8_t *weights = product->weights + tile * tile_bytes;
    __m512 sums[LATHE_ROWS_MOST][LATHE_INTEGER_TILES_MOST];
    for (size_t r = 0; r < rows; r++) {
        for (size_t t = 0; t < tiles; t++) { sums[r][t] = _mm512_setzero_ps(); }
    }
    for (size_t group = 0; group < groups; group++) {
        const uint8_t *block = weights + group * lathe_block_bytes(packing);
        if (rows <= 2) { lathe_prefetch(block, lathe_block_bytes(packing)); }
        add_group(packing, block, tile_bytes, input, group, rows, tiles, sums);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t t = 0; t < tiles; t++) { lanes_finish(product, row + r, tile + t, sums[r][t]); }
    }
}

LANES void integer_rows(const lathe_product *product, lathe_packing packing, const lathe_panel *panel, size_t rows) {
    lathe_activations input[LATHE_ROWS_MOST];
    for (size_t r = 0; r < rows; r++) { input[r] = lathe_activation_row(product, panel->row + r); }
    size_t tile = panel->tile_begin;
    if (rows > 2) {
        for (; tile + 2 <= panel->tile_end; tile += 2) {
            integer_block(product, packing, input, panel->row, rows, tile, 2);
        }
    }
    for (; tile < panel->tile_end; tile++) { integer_block(product, packing, input, panel->row, rows, tile, 1); }
}

LANES void product_integer(const lathe_product *product, lathe_packing packing) {
    const size_t tile_bytes = product->columns / LATHE_GROUP * lathe_block_bytes(packing);
    LATHE_FOR_PANELS(product, packing, tile_bytes, integer_rows)
}

LATHE_DEFINE_INTEGER_PRODUCTS(avx512, LATHE_TARGET, product_integer)
#endif
