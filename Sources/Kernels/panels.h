// The order in which a product is computed: panels of tiles that stay in the second-level cache, and within a panel
// blocks of input rows, so that many rows read the weights from memory once.
#pragma once
#include "layout.h"

enum {
    LATHE_PANEL_BYTES = 192 * 1024,
    LATHE_PANEL_TILES = 32,        // so that a panel's sums fit on the stack
    LATHE_ROWS_MOST = 8,           // rows of the largest block
    LATHE_PREFETCH_BYTES = 2048,   // how far ahead of a stream of weights
};

/// A block of input rows and a panel of tiles. `block` is the constant that the kernel is compiled for, `rows` how many
/// of its rows exist: 5 rows go through the block of 6.
typedef struct lathe_panel {
    size_t row, rows, block;
    size_t tile_begin, tile_end;
} lathe_panel;

/// Steps to the next block of rows and panel of tiles; false after the last one. Starts from a zeroed panel.
LATHE_INLINE bool lathe_next_panel(const lathe_product *product, size_t tile_bytes, size_t most, lathe_panel *panel) {
    const bool first = panel->rows == 0;
    panel->row += panel->rows;
    if (first || panel->row == product->rows) {
        const size_t last = lathe_last_tile(product);
        const size_t begin = first ? product->tile_begin : panel->tile_end;
        if (begin >= last || product->rows == 0) { return false; }
        size_t tiles = tile_bytes < LATHE_PANEL_BYTES && tile_bytes > 0 ? LATHE_PANEL_BYTES / tile_bytes : 1;
        tiles = tiles > LATHE_PANEL_TILES ? LATHE_PANEL_TILES : tiles;
        tiles = tiles > 4 ? tiles / 4 * 4 : tiles;
        panel->tile_begin = begin;
        panel->tile_end = last - begin > tiles ? begin + tiles : last;
        panel->row = 0;
    }
    const size_t left = product->rows - panel->row;
    const size_t usual = most < 6 ? most : 6;
    panel->rows = left == most ? most : left == 7 && most == 8 ? 7 : left < usual ? left : usual;
    panel->block = panel->rows == 5 ? 6 : panel->rows == 7 ? 8 : panel->rows;
    return true;
}

/// Asks for weights that are used soon: after LATHE_PREFETCH_BYTES, or after the tiles at work.
LATHE_INLINE void lathe_prefetch(const uint8_t *weights, size_t bytes) {
    LATHE_UNROLL for (size_t offset = 0; offset < bytes; offset += 64) { __builtin_prefetch(weights + offset, 0, 3); }
}

/// Calls `function(product, packing, &panel, block)` for every panel, `block` a constant in each call, at most `most`.
#define LATHE_FOR_PANELS(product, packing, tile_bytes, most, function)                      \
    lathe_panel panel = {0};                                                                \
    while (lathe_next_panel(product, tile_bytes, most, &panel)) {                           \
        switch (panel.block) {                                                              \
        case 8:                                                                             \
            if ((most) >= 8) { function(product, packing, &panel, 8); }                     \
            break;                                                                          \
        case 6: function(product, packing, &panel, 6); break;                               \
        case 4: function(product, packing, &panel, 4); break;                               \
        case 3: function(product, packing, &panel, 3); break;                               \
        case 2: function(product, packing, &panel, 2); break;                               \
        default: function(product, packing, &panel, 1); break;                              \
        }                                                                                   \
    }
