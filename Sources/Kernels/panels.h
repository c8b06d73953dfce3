// Blocks of input rows, prefetching, and the order of a float product: panels of tiles that stay in the second-level
// cache, and within a panel block after block of rows, so that many rows read the weights from memory once.
#pragma once
#include "layout.h"

enum {
    LATHE_ROWS_MOST = 12,         // rows of the largest block
    LATHE_PANEL_BYTES = 192 * 1024,
    LATHE_PREFETCH_BYTES = 4096,  // how far ahead of one stream of weights
};

// A build that has to be small has blocks of two sizes; which block a row goes through does not show in its bits.
#ifdef LATHE_COMPACT
enum { LATHE_IS_COMPACT = 1 };
#else
enum { LATHE_IS_COMPACT = 0 };
#endif

/// How many of `left` rows the next block takes, where the largest block has `most` (6, 8 or 12).
LATHE_INLINE size_t lathe_block_rows(size_t left, size_t most) {
    if (!LATHE_IS_COMPACT && most >= 8) {
        if (left == 7 || left == 8) { return left; }
        if (left > 8 && left <= most) { return left; }
        if (left > 12 && left <= 16) { return 8; }
    }
    return left < 6 ? left : 6;
}

/// The number of rows that a block is compiled for (12, 8, 6, 4, 3, 2 or 1): 5 rows pass through the block of 6.
LATHE_INLINE size_t lathe_block_size(size_t rows) {
    if (LATHE_IS_COMPACT) { return rows == 1 ? 1 : 6; }
    return rows > 8 ? 12 : rows == 5 ? 6 : rows == 7 ? 8 : rows;
}

/// Asks for weights that are needed soon.
LATHE_INLINE void lathe_prefetch(const uint8_t *weights, size_t bytes) {
    LATHE_UNROLL for (size_t offset = 0; offset < bytes; offset += 64) { __builtin_prefetch(weights + offset, 0, 3); }
}

typedef struct lathe_panel {
    size_t row, rows;  // a block of input rows
    size_t tile_begin, tile_end;
} lathe_panel;

/// Steps to the next block of at most 6 rows and panel of tiles; false after the last one. Starts from a zeroed panel.
LATHE_INLINE bool lathe_next_panel(const lathe_product *product, size_t tile_bytes, lathe_panel *panel) {
    const bool first = panel->rows == 0;
    panel->row += panel->rows;
    if (first || panel->row == product->rows) {
        const size_t last = lathe_last_tile(product);
        const size_t begin = first ? product->tile_begin : panel->tile_end;
        if (begin >= last || product->rows == 0) { return false; }
        const size_t most = tile_bytes < LATHE_PANEL_BYTES / 4 && tile_bytes > 0 ? LATHE_PANEL_BYTES / tile_bytes : 4;
        panel->tile_begin = begin;
        panel->tile_end = last - begin > most ? begin + most / 4 * 4 : last;
        panel->row = 0;
    }
    panel->rows = lathe_block_rows(product->rows - panel->row, 6);
    return true;
}

/// Calls `function(product, packing, &panel, size)` for every panel, `size` a constant in each call.
#define LATHE_FOR_PANELS(product, packing, tile_bytes, function)      \
    lathe_panel panel = {0};                                          \
    while (lathe_next_panel(product, tile_bytes, &panel)) {           \
        switch (lathe_block_size(panel.rows)) {                       \
        case 6: function(product, packing, &panel, 6); break;         \
        case 4: function(product, packing, &panel, 4); break;         \
        case 3: function(product, packing, &panel, 3); break;         \
        case 2: function(product, packing, &panel, 2); break;         \
        default: function(product, packing, &panel, 1); break;        \
        }                                                             \
    }
