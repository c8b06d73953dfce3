// The order in which a product is computed: panels of tiles that stay in the second-level cache, and within a panel
// blocks of input rows, so that many rows read the weights from memory once.
#pragma once
#include "layout.h"

enum {
    LATHE_PANEL_BYTES = 128 * 1024,
    LATHE_ROWS_MOST = 6,          // rows of one block: 6, 4, 2 or 1
    LATHE_PREFETCH_BYTES = 2048,  // how far ahead of a stream of weights
};

typedef struct lathe_panel {
    size_t row, rows;
    size_t tile_begin, tile_end;
} lathe_panel;

/// Steps to the next block of rows and panel of tiles; false after the last one. Starts from a zeroed panel.
LATHE_INLINE bool lathe_next_panel(const lathe_product *product, size_t tile_bytes, lathe_panel *panel) {
    const bool first = panel->rows == 0;
    panel->row += panel->rows;
    if (first || panel->row == product->rows) {
        const size_t last = lathe_last_tile(product);
        const size_t begin = first ? product->tile_begin : panel->tile_end;
        if (begin >= last || product->rows == 0) { return false; }
        const size_t most = tile_bytes < LATHE_PANEL_BYTES && tile_bytes > 0 ? LATHE_PANEL_BYTES / tile_bytes : 1;
        panel->tile_begin = begin;
        panel->tile_end = last - begin > most ? begin + most : last;
        panel->row = 0;
    }
    const size_t left = product->rows - panel->row;
    panel->rows = left >= 6 ? 6 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    return true;
}

/// Asks for the weights that a stream reaches after `LATHE_PREFETCH_BYTES`.
LATHE_INLINE void lathe_prefetch(const uint8_t *weights, size_t bytes) {
    for (size_t offset = 0; offset < bytes; offset += 64) {
        __builtin_prefetch(weights + LATHE_PREFETCH_BYTES + offset, 0, 3);
    }
}

/// Calls `function(product, packing, &panel, rows)` for every panel, `rows` a constant in each call.
#define LATHE_FOR_PANELS(product, packing, tile_bytes, function)      \
    lathe_panel panel = {0};                                          \
    while (lathe_next_panel(product, tile_bytes, &panel)) {           \
        switch (panel.rows) {                                         \
        case 6: function(product, packing, &panel, 6); break;         \
        case 4: function(product, packing, &panel, 4); break;         \
        case 2: function(product, packing, &panel, 2); break;         \
        default: function(product, packing, &panel, 1); break;        \
        }                                                             \
    }
