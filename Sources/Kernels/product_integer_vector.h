// The order in which an integer product is computed, for every instruction set: panels of tiles; within a panel, bands
// of input rows; within a band, chunks of columns whose weights stay in the second-level cache for the next band; within a
// chunk, tiles two by two, over which block after block of the band's rows passes. A band's sums wait on the stack from one
// chunk to the next.
//
// The file that includes this one has defined
//   BLOCK_MOST          rows of the largest block: 6, 8 or 12
//   CODES_ARE_SIGNED    whether it takes codes of 8 bits as signed, so that their zero is 0
//   dot_shift(packing)  bits by which it shifts the sums of codes times activations, and with them -zero * A, to the right
//   add_tiles(packing, weights, tile_bytes, share, input, blocks, starts, rows, count, totals)
// which adds `blocks` blocks of columns of `count` tiles to the sums of `rows` rows; packing and rows are constants;
// totals[tile * rows + r] holds the sums, and is not read where `starts`.
#pragma once
#include "activation_block.h"
#include "product_finish.h"

enum {
    LATHE_PANEL_TILES = 32,
    LATHE_BAND_ROWS = 24,
    LATHE_CHUNK_BYTES = 256 * 1024,
    LATHE_TILES_TOGETHER = 2,
};

/// `add_tiles` of one packing, for blocks of `size` rows.
typedef void add_blocks(const uint8_t *weights, size_t tile_bytes, lathe_share share, const lathe_activation_block *input,
                        size_t blocks, bool starts, size_t size, size_t count, lanes *totals);

/// Rows of a band's largest block: a block of more than 8 is for bands that are no more than it.
LATHE_INLINE size_t block_most(size_t rows) { return rows > BLOCK_MOST && BLOCK_MOST > 8 ? 8 : BLOCK_MOST; }

/// Blocks of columns of one chunk of a band.
LATHE_INLINE size_t chunk_blocks(size_t rows, size_t tiles, size_t block_bytes) {
    const size_t size = rows <= BLOCK_MOST ? lathe_block_size(rows) : block_most(rows);
    const size_t blocks = LATHE_CHUNK / size;
    if (rows <= LATHE_BAND_ROWS) { return blocks; }  // the weights are read once: the longer their streams, the better
    const size_t cached = LATHE_CHUNK_BYTES / (tiles * block_bytes);
    return cached < blocks ? cached : blocks;
}

/// A block of a band's rows.
typedef struct band_block {
    size_t row, live, size;
    lathe_activation_block input;
    lanes *sums;  // of all tiles
} band_block;

/// All columns of `rows` rows from `row` on and `count` tiles from `tile` on.
LANES void integer_band(const lathe_product *product, lathe_packing packing, add_blocks *add, size_t row, size_t rows,
                        size_t tile, size_t count, lathe_activation_space *space) {
    const size_t blocks = product->columns / LATHE_BLOCK;
    const size_t tile_bytes = lathe_integer_tile_bytes(packing, product->group, product->columns);
    const size_t chunk_most = chunk_blocks(rows, count, lathe_code_bytes(packing) + lathe_number_bytes(packing));
    const int32_t level = CODES_ARE_SIGNED && lathe_code_bits(packing) == 8 ? 0 : lathe_zero_level(packing);
    const int32_t zero = level * (1 << dot_shift(packing));
    // Where one chunk is all, a block is finished while its sums are near.
    const bool waits = chunk_most < blocks;
    lanes totals[LATHE_PANEL_TILES * LATHE_BAND_ROWS];
    for (size_t first = 0; first < blocks; first += chunk_most) {
        const size_t chunk = blocks - first < chunk_most ? blocks - first : chunk_most;
        const uint8_t *weights =
            product->weights + tile * tile_bytes + lathe_block_offset(packing, product->group, first);
        // Most products have one chunk, whose places are the same in every tile.
        const bool is_even = lathe_has_even_loop(rows) && product->group == LATHE_BLOCK;
        if (!is_even && (first != space->first || chunk != space->blocks)) {
            lathe_find_places(product, packing, first, chunk, space);
        }
        band_block band[LATHE_BAND_BLOCKS];
        size_t passes = 0;
        lanes *sums = totals;
        for (size_t r = 0; r < rows; r += band[passes++].live) {
            const size_t live = lathe_block_rows(rows - r, block_most(rows)), size = lathe_block_size(live);
            band[passes] = (band_block){
                .row = row + r, .live = live, .size = size, .sums = sums,
                .input = lathe_interleave(product, zero, row + r, live, size, first, chunk, space, passes)};
            sums += count * size;
        }
        // All passes over some tiles before the next ones: memory brings those meanwhile.
        for (size_t t = 0, step; t < count; t += step) {
            step = passes == 1 ? count : count - t < LATHE_TILES_TOGETHER ? count - t : LATHE_TILES_TOGETHER;
            for (size_t pass = 0; pass < passes; pass++) {
                const band_block *block = &band[pass];
                const lathe_share share = {.index = pass, .count = row > 0 ? 0 : passes};
                add(weights + t * tile_bytes, tile_bytes, share, &block->input, chunk, first == 0, block->size, step,
                    block->sums + t * block->size);
                if (!waits) {
                    finish_block(product, block->row, block->live, block->size, tile + t, step,
                                 block->sums + t * block->size);
                }
            }
        }
    }
    if (!waits && blocks > 0) { return; }
    const lanes *sums = totals;
    for (size_t r = 0, live; r < rows; r += live) {
        live = lathe_block_rows(rows - r, block_most(rows));
        finish_block(product, row + r, live, lathe_block_size(live), tile, count, sums);
        sums += count * lathe_block_size(live);
    }
}

static __attribute__((noinline)) LATHE_TARGET void product_integer(const lathe_product *product, lathe_packing packing,
                                                                   add_blocks *add) {
    const size_t last = lathe_last_tile(product);
    lathe_activation_space space;
    space.first = space.blocks = 0;
    for (size_t tile = product->tile_begin; tile < last; tile += LATHE_PANEL_TILES) {
        const size_t count = last - tile < LATHE_PANEL_TILES ? last - tile : LATHE_PANEL_TILES;
        for (size_t row = 0; row < product->rows; row += LATHE_BAND_ROWS) {
            const size_t left = product->rows - row;
            const size_t rows = left < LATHE_BAND_ROWS ? left : LATHE_BAND_ROWS;
            integer_band(product, packing, add, row, rows, tile, count, &space);
        }
    }
}

#define ADD_TILES(packing, size) \
    add_tiles(packing, weights, tile_bytes, share, input, blocks, starts, size, count, totals)

/// The product of one packing: what depends on it is compiled for each number of rows, the order around it once.
#define LATHE_DEFINE_INTEGER_PRODUCT(isa, name, packing)                                                            \
    static LATHE_TARGET void add_##name(const uint8_t *weights, size_t tile_bytes, lathe_share share,               \
                                        const lathe_activation_block *input, size_t blocks, bool starts,            \
                                        size_t size, size_t count, lanes *totals) {                                 \
        switch (size) {                                                                                             \
        case 12:                                                                                                    \
            if (BLOCK_MOST >= 12 && !LATHE_IS_COMPACT) { ADD_TILES(packing, 12); }                                  \
            break;                                                                                                  \
        case 8:                                                                                                     \
            if (BLOCK_MOST >= 8 && !LATHE_IS_COMPACT) { ADD_TILES(packing, 8); }                                    \
            break;                                                                                                  \
        case 6: ADD_TILES(packing, 6); break;                                                                       \
        case 4:                                                                                                     \
            if (!LATHE_IS_COMPACT) { ADD_TILES(packing, 4); }                                                       \
            break;                                                                                                  \
        case 3:                                                                                                     \
            if (!LATHE_IS_COMPACT) { ADD_TILES(packing, 3); }                                                       \
            break;                                                                                                  \
        case 2:                                                                                                     \
            if (!LATHE_IS_COMPACT) { ADD_TILES(packing, 2); }                                                       \
            break;                                                                                                  \
        default: ADD_TILES(packing, 1); break;                                                                      \
        }                                                                                                           \
    }                                                                                                               \
    LATHE_TARGET void lathe_##name##_##isa(const lathe_product *product) { product_integer(product, packing, add_##name); }
