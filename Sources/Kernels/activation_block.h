// A block of quantized input rows, interleaved for the inner loops of the integer products: the values that one step
// broadcasts lie beside each other for all rows, so the loops need one pointer whatever the number of rows; and what
// does not depend on the weights is computed once for all tiles.
#pragma once
#include "panels.h"

enum {
    LATHE_CHUNK = 512,      // blocks of columns times rows that are interleaved at once
    LATHE_BAND_BLOCKS = 4,  // blocks of rows that are interleaved beside each other
};

/// Where a block of weights and its scales lie: bytes from the first block of a chunk.
typedef struct lathe_place {
    uint32_t codes, scales;
} lathe_place;

typedef struct lathe_activation_block {
    const int32_t *values;      // [block][line][row]: four int8 values, of columns 4 * line ... 4 * line + 3
    const float *scales;        // [block][row]
    const int32_t *starts;      // [block][row]: -zero * A, for the symmetric and centered packings
    const float *scaled;        // [block][row]: scale * float(A), for the affine ones
    const lathe_place *places;  // [block]: the weights of these columns
    bool is_even;               // whether every block is a group of its own, so that blocks lie at equal distances
} lathe_activation_block;

typedef struct lathe_activation_space {
    _Alignas(64) int32_t values[LATHE_BAND_BLOCKS][LATHE_CHUNK * 8];
    _Alignas(64) float scales[LATHE_BAND_BLOCKS][LATHE_CHUNK];
    _Alignas(64) int32_t starts[LATHE_BAND_BLOCKS][LATHE_CHUNK];
    _Alignas(64) float scaled[LATHE_BAND_BLOCKS][LATHE_CHUNK];
    size_t first, blocks;  // what the places were found for
    lathe_place places[LATHE_CHUNK];
} lathe_activation_space;

/// A block of weights and its scales.
typedef struct lathe_weight_block {
    const uint8_t *codes, *numbers;
} lathe_weight_block;

/// Block `index` of a chunk that begins at `weights`. `is_even`, a constant, promises blocks at equal distances: one or two
/// rows wait for memory, and there even two loads more cost time.
LATHE_INLINE lathe_weight_block lathe_block_at(lathe_packing packing, const uint8_t *weights,
                                               const lathe_activation_block *input, size_t index, bool is_even) {
    if (!is_even) {
        return (lathe_weight_block){weights + input->places[index].codes, weights + input->places[index].scales};
    }
    const uint8_t *codes = weights + index * (lathe_code_bytes(packing) + lathe_number_bytes(packing));
    return (lathe_weight_block){codes, codes + lathe_code_bytes(packing)};
}

/// Whether a loop over blocks at equal distances is worth its code.
LATHE_INLINE bool lathe_has_even_loop(size_t rows) { return !LATHE_IS_COMPACT && rows <= 2; }

/// Asks for a block of weights that is needed soon, and for the scales that may follow it.
LATHE_INLINE void lathe_prefetch_block(lathe_packing packing, const uint8_t *block) {
    lathe_prefetch(block, lathe_code_bytes(packing) + lathe_number_bytes(packing));
}

/// Which share of the weights that are needed next one of `count` passes over the same weights asks for; none where `count`
/// is 0.
typedef struct lathe_share {
    size_t index, count;
} lathe_share;

/// Where the weights lie that `tiles` tiles read side by side need next: a stream that ends goes on `tiles` tiles further.
typedef struct lathe_ahead {
    size_t bytes;  // from a block to the one wanted then; 0 where nothing is wanted
    size_t turn;   // the block of the chunk from which on it is `skip` bytes further
    size_t skip;
    size_t line, end, step;  // the lines of a block that a share of it is; steps of 0 where whole blocks are wanted
} lathe_ahead;

/// `LATHE_PREFETCH_BYTES` ahead in each stream of a chunk of `blocks` blocks.
LATHE_INLINE lathe_ahead lathe_find_ahead(lathe_packing packing, const uint8_t *weights, size_t tile_bytes,
                                          const lathe_activation_block *input, size_t blocks, bool is_even,
                                          size_t tiles) {
    const lathe_weight_block last = lathe_block_at(packing, weights, input, blocks - 1, is_even);
    const size_t chunk = (size_t)(last.codes - weights) + lathe_code_bytes(packing) + lathe_number_bytes(packing);
    const size_t skip = tiles * tile_bytes - chunk;
    return (lathe_ahead){
        .bytes = LATHE_PREFETCH_BYTES + LATHE_PREFETCH_BYTES / chunk * skip,
        .turn = blocks - LATHE_PREFETCH_BYTES % chunk * blocks / chunk,
        .skip = skip,
    };
}

/// A pass's share of the tiles that lie `bytes` further, for the second-level cache. Of two passes each leaves out every
/// other line, which processors fetch with the line beside it: that keeps more of what asks for memory free.
LATHE_INLINE lathe_ahead lathe_share_ahead(lathe_packing packing, size_t bytes, size_t blocks, lathe_share share) {
    const size_t lines = (lathe_code_bytes(packing) + lathe_number_bytes(packing) + 63) / 64;
    return (lathe_ahead){
        .bytes = bytes,
        .turn = blocks,
        .line = lines * share.index / share.count,
        .end = lines * (share.index + 1) / share.count,
        .step = share.count == 2 ? 2 : 1,
    };
}

/// Asks for a share of a block of weights.
LATHE_INLINE void lathe_prefetch_share(const uint8_t *block, const lathe_ahead *ahead) {
    for (size_t line = ahead->line; line < ahead->end; line += ahead->step) {
        __builtin_prefetch(block + line * 64, 0, 2);
    }
}

/// Finds `blocks` blocks of a tile from `first` on.
void lathe_find_places(const lathe_product *product, lathe_packing packing, size_t first, size_t blocks,
                       lathe_activation_space *space);

/// Interleaves `blocks` blocks of columns from `first` on of the `live` rows from `row` on into one of `rows` rows; those
/// that do not exist repeat the last one. `zero` is 0 for the affine packings; `place` is where the space has them.
lathe_activation_block lathe_interleave(const lathe_product *product, int32_t zero, size_t row, size_t live,
                                        size_t rows, size_t first, size_t blocks, lathe_activation_space *space,
                                        size_t place);
