// The order in which an integer product is computed, for every instruction set: panels of tiles; within a panel, bands
// of input rows; within a band, chunks of columns whose weights stay in the second-level cache while block after block
// of the band's rows passes over them. A band's sums wait on the stack from one chunk to the next.
//
// The file that includes this one has defined
//   BLOCK_MOST          rows of the largest block: 6 or 8
//   CODES_ARE_SIGNED    whether it takes codes of 8 bits as signed, so that their zero is 0
//   add_tiles(packing, weights, tile_bytes, prefetched, input, groups, starts, rows, count, totals)
// which adds `groups` groups of `count` tiles to the sums of `rows` rows, a constant; totals[tile * rows + r] holds
// them, and is not read where `starts`.
#pragma once
#include "activation_block.h"
#include "product_finish.h"

enum {
    LATHE_PANEL_TILES = 32,
    LATHE_BAND_ROWS = 24,
    LATHE_CHUNK_BYTES = 256 * 1024,
};

/// Groups of one chunk of a band.
LATHE_INLINE size_t chunk_groups(size_t rows, size_t tiles, size_t block_bytes) {
    const size_t size = rows <= BLOCK_MOST ? lathe_block_size(rows) : BLOCK_MOST;
    const size_t groups = LATHE_CHUNK / size;
    if (rows <= BLOCK_MOST) { return groups; }  // the weights are read once: the longer their streams, the better
    const size_t cached = LATHE_CHUNK_BYTES / (tiles * block_bytes);
    return cached < groups ? cached : groups;
}

/// All columns of `rows` rows from `row` on and `count` tiles from `tile` on.
LANES void integer_band(const lathe_product *product, lathe_packing packing, size_t row, size_t rows, size_t tile,
                        size_t count) {
    const size_t groups = product->columns / LATHE_GROUP, block_bytes = lathe_block_bytes(packing);
    const size_t tile_bytes = groups * block_bytes, chunk_most = chunk_groups(rows, count, block_bytes);
    const int32_t zero = CODES_ARE_SIGNED && lathe_code_bits(packing) == 8 ? 0 : lathe_zero_code(packing);
    lathe_activation_space space;
    // Where one chunk is all, a block is finished while its sums are near.
    const bool waits = chunk_most < groups;
    lanes totals[LATHE_PANEL_TILES * LATHE_BAND_ROWS];
    for (size_t first = 0; first < groups; first += chunk_most) {
        const size_t chunk = groups - first < chunk_most ? groups - first : chunk_most;
        const uint8_t *weights = product->weights + tile * tile_bytes + first * block_bytes;
        lanes *sums = totals;
        for (size_t r = 0, live; r < rows; r += live) {
            live = lathe_block_rows(rows - r, BLOCK_MOST);
            const size_t size = lathe_block_size(live);
            const bool cached = row + r > 0;
            const lathe_activation_block input =
                lathe_interleave(product, zero, row + r, live, size, first, chunk, &space);
#define ADD_TILES(size) \
    add_tiles(packing, weights, tile_bytes, cached, &input, chunk, first == 0, size, count, sums)
            switch (size) {
            case 8:
                if (BLOCK_MOST >= 8) { ADD_TILES(8); }
                break;
            case 6: ADD_TILES(6); break;
            case 4: ADD_TILES(4); break;
            case 3: ADD_TILES(3); break;
            case 2: ADD_TILES(2); break;
            default: ADD_TILES(1); break;
            }
#undef ADD_TILES
            if (waits) {
                sums += count * size;
            } else {
                finish_block(product, row + r, live, size, tile, count, totals);
            }
        }
    }
    if (!waits && groups > 0) { return; }
    const lanes *sums = totals;
    for (size_t r = 0, live; r < rows; r += live) {
        live = lathe_block_rows(rows - r, BLOCK_MOST);
        finish_block(product, row + r, live, lathe_block_size(live), tile, count, sums);
        sums += count * lathe_block_size(live);
    }
}

LANES void product_integer(const lathe_product *product, lathe_packing packing) {
    const size_t last = lathe_last_tile(product);
    for (size_t tile = product->tile_begin; tile < last; tile += LATHE_PANEL_TILES) {
        const size_t count = last - tile < LATHE_PANEL_TILES ? last - tile : LATHE_PANEL_TILES;
        for (size_t row = 0; row < product->rows; row += LATHE_BAND_ROWS) {
            const size_t left = product->rows - row;
            const size_t rows = left < LATHE_BAND_ROWS ? left : LATHE_BAND_ROWS;
            integer_band(product, packing, row, rows, tile, count);
        }
    }
}
