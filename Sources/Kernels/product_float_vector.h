// Products with float weights over lanes: `rows` input rows times `tiles` tiles at once, so that enough sums are under
// way to hide the latency of fma, and a weight is loaded and converted once for all rows.
#pragma once
#include "panels.h"
#include "product_finish.h"

enum { LATHE_TILES_MOST = 4 };

/// One block of `rows` input rows, the first `live` of which exist, and `tiles` tiles.
LANES void float_block(const lathe_product *product, lathe_packing packing, size_t row, size_t live, size_t rows,
                       size_t tile, size_t tiles, size_t ahead) {
    const size_t step = LATHE_TILE_ROWS * lathe_element_bytes(packing);
    const size_t tile_bytes = product->columns * step;
    const uint8_t *weights = product->weights + tile * tile_bytes;
    const float *input[LATHE_ROWS_MOST];
    lanes sums[LATHE_ROWS_MOST][LATHE_TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        input[r] = (const float *)(product->input + (row + (r < live ? r : live - 1)) * product->input_stride);
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { sums[r][t] = lanes_zero(); }
    }
    LATHE_ROLL for (size_t k = 0; k < product->columns; k++) {
        lanes w[LATHE_TILES_MOST];
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) {
            const uint8_t *column = weights + t * tile_bytes + k * step;
            w[t] = lanes_load_elements(packing, column);
            if (ahead != 0) { __builtin_prefetch(column + ahead, 0, 3); }
        }
        LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
            const lanes x = lanes_splat(input[r][k]);
            LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { sums[r][t] = lanes_fma(w[t], x, sums[r][t]); }
        }
    }
    lanes totals[LATHE_ROWS_MOST * LATHE_TILES_MOST];
    LATHE_UNROLL for (size_t r = 0; r < rows; r++) {
        LATHE_UNROLL for (size_t t = 0; t < tiles; t++) { totals[t * rows + r] = sums[r][t]; }
    }
    finish_block(product, row, live, rows, tile, tiles, totals);
}

LANES void float_rows(const lathe_product *product, lathe_packing packing, const lathe_panel *panel, size_t rows) {
    const size_t step = LATHE_TILE_ROWS * lathe_element_bytes(packing);
    const size_t most = LANES_SUMS / rows;
    const size_t tiles = most > LATHE_TILES_MOST ? LATHE_TILES_MOST : most > 0 ? most : 1;
    // Several tiles are several streams: what they need next is the next tiles. Later rows find the panel in the cache.
    const size_t ahead = panel->row > 0 ? 0 : tiles == 1 ? LATHE_PREFETCH_BYTES : tiles * product->columns * step;
    size_t tile = panel->tile_begin;
    for (; tile + tiles <= panel->tile_end; tile += tiles) {
        float_block(product, packing, panel->row, panel->rows, rows, tile, tiles, ahead);
    }
    for (; tile < panel->tile_end; tile++) {
        float_block(product, packing, panel->row, panel->rows, rows, tile, 1, ahead);
    }
}

LANES void product_float(const lathe_product *product, lathe_packing packing) {
    const size_t tile_bytes = product->columns * LATHE_TILE_ROWS * lathe_element_bytes(packing);
    LATHE_FOR_PANELS(product, packing, tile_bytes, float_rows)
}

LATHE_TARGET static void product_f32(const lathe_product *product) { product_float(product, LATHE_F32); }
LATHE_TARGET static void product_f16(const lathe_product *product) { product_float(product, LATHE_F16); }
LATHE_TARGET static void product_bf16(const lathe_product *product) { product_float(product, LATHE_BF16); }
