// The end of a block of a product, out of line: it is the same for every block and packing, and it would be unrolled
// into each of them.
#pragma once
#include "layout.h"

/// Bias, accumulation and store of the sums of `live` rows from `row` on and `count` tiles from `tile` on;
/// totals[t * rows + r] holds those of row r and tile t. A product without columns has none.
static __attribute__((noinline)) LATHE_TARGET void finish_block(const lathe_product *product, size_t row, size_t live,
                                                                size_t rows, size_t tile, size_t count,
                                                                const lanes *totals) {
    for (size_t t = 0; t < count; t++) {
        for (size_t r = 0; r < live; r++) {
            const lanes sums = product->columns > 0 ? totals[t * rows + r] : lanes_zero();
            lanes_finish(product, row + r, tile + t, sums);
        }
    }
}
