// Where things lie in packed tiles and in rows of quantized activations, as kernels.h and formats/plan.md say it.
#pragma once
#include "arithmetic.h"

enum {
    LATHE_LOW_BYTES = 256,   // 4-bit codes of a block, or the low halves of its 5-bit codes
    LATHE_HIGH_BYTES = 64,   // fifth bits of a block
    LATHE_HALVES_BYTES = 32, // 16 f16 scales, or minimums
};

LATHE_INLINE bool lathe_is_float(lathe_packing packing) { return packing <= LATHE_BF16; }

LATHE_INLINE bool lathe_is_affine(lathe_packing packing) {
    return packing == LATHE_INT4_AFFINE || packing == LATHE_INT5_AFFINE;
}

/// Bits of one code of an integer packing.
LATHE_INLINE int lathe_code_bits(lathe_packing packing) {
    switch (packing) {
    case LATHE_INT4_SYMMETRIC:
    case LATHE_INT4_AFFINE: return 4;
    case LATHE_INT5_SYMMETRIC:
    case LATHE_INT5_AFFINE: return 5;
    default: return 8;
    }
}

/// The code that stands for zero; 0 for the affine packings.
LATHE_INLINE int32_t lathe_zero_code(lathe_packing packing) {
    return lathe_is_affine(packing) ? 0 : 1 << (lathe_code_bits(packing) - 1);
}

/// Bytes of the codes of one block of 16 rows and 32 columns; the scales follow.
LATHE_INLINE size_t lathe_code_bytes(lathe_packing packing) {
    switch (lathe_code_bits(packing)) {
    case 4: return LATHE_LOW_BYTES;
    case 5: return LATHE_LOW_BYTES + LATHE_HIGH_BYTES;
    default: return 2 * LATHE_LOW_BYTES;
    }
}

/// Bytes of one block of 16 rows and 32 columns.
LATHE_INLINE size_t lathe_block_bytes(lathe_packing packing) {
    return lathe_code_bytes(packing) + (lathe_is_affine(packing) ? 2 : 1) * LATHE_HALVES_BYTES;
}

/// Bytes of one element of a float packing.
LATHE_INLINE size_t lathe_element_bytes(lathe_packing packing) { return packing == LATHE_F32 ? 4 : 2; }

LATHE_INLINE size_t lathe_padded_columns(size_t columns) {
    return (columns + LATHE_GROUP - 1) / LATHE_GROUP * LATHE_GROUP;
}

/// One row of quantized activations.
typedef struct lathe_activations {
    const int8_t *values;
    const float *scales;
    const int32_t *sums;
} lathe_activations;

LATHE_INLINE lathe_activations lathe_activation_row(const lathe_product *product, size_t row) {
    const uint8_t *start = product->input + row * product->input_stride;
    const size_t padded = lathe_padded_columns(product->columns);
    return (lathe_activations){
        .values = (const int8_t *)start,
        .scales = (const float *)(start + padded),
        .sums = (const int32_t *)(start + padded + padded / LATHE_GROUP * sizeof(float)),
    };
}

/// The end of the tiles to compute: `tile_end`, or the number of tiles where that is less.
LATHE_INLINE size_t lathe_last_tile(const lathe_product *product) {
    const size_t tiles = product->outputs / LATHE_TILE_ROWS + (product->outputs % LATHE_TILE_ROWS != 0);
    return product->tile_end < tiles ? product->tile_end : tiles;
}

/// Outputs of one tile that exist: 16, or fewer in the last one.
LATHE_INLINE size_t lathe_tile_outputs(const lathe_product *product, size_t tile) {
    const size_t left = product->outputs - tile * LATHE_TILE_ROWS;
    return left < LATHE_TILE_ROWS ? left : LATHE_TILE_ROWS;
}
