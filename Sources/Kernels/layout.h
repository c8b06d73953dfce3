// Where things lie in packed tiles and in rows of quantized activations, as kernels.h and formats/plan.md say it.
#pragma once
#include "arithmetic.h"

enum {
    LATHE_LOW_BYTES = 256,    // 4-bit codes of a block, or the low bits of its 5-bit codes
    LATHE_PLANE_BYTES = 64,   // one bit of every code of a block
    LATHE_HALVES_BYTES = 32,  // 16 f16 scales, or minimums
};

LATHE_INLINE bool lathe_is_float(lathe_packing packing) { return packing <= LATHE_BF16; }

LATHE_INLINE bool lathe_is_affine(lathe_packing packing) {
    return packing == LATHE_INT4_AFFINE || packing == LATHE_INT5_AFFINE;
}

/// Whether the levels of an integer packing are the odd integers, code q being 2 * q - (2^bits - 1).
LATHE_INLINE bool lathe_is_centered(lathe_packing packing) {
    return packing == LATHE_INT3_CENTERED || packing == LATHE_INT2_CENTERED;
}

/// Bits of one code of an integer packing.
LATHE_INLINE int lathe_code_bits(lathe_packing packing) {
    switch (packing) {
    case LATHE_INT2_CENTERED: return 2;
    case LATHE_INT3_CENTERED: return 3;
    case LATHE_INT4_SYMMETRIC:
    case LATHE_INT4_AFFINE: return 4;
    case LATHE_INT5_SYMMETRIC:
    case LATHE_INT5_AFFINE: return 5;
    case LATHE_INT6_SYMMETRIC: return 6;
    default: return 8;
    }
}

/// What one code more adds to a level: 2 for the centered packings.
LATHE_INLINE int32_t lathe_code_step(lathe_packing packing) { return lathe_is_centered(packing) ? 2 : 1; }

/// The level that code 0 stands for, negated: a level is step * code - zero; 0 for the affine packings.
LATHE_INLINE int32_t lathe_zero_level(lathe_packing packing) {
    if (lathe_is_affine(packing)) { return 0; }
    const int bits = lathe_code_bits(packing);
    return lathe_is_centered(packing) ? (1 << bits) - 1 : 1 << (bits - 1);
}

/// Bytes of a block: the codes of 16 rows and 32 columns.
LATHE_INLINE size_t lathe_code_bytes(lathe_packing packing) {
    return (size_t)lathe_code_bits(packing) * LATHE_PLANE_BYTES;
}

/// Bytes of the scales and minimums of a group.
LATHE_INLINE size_t lathe_number_bytes(lathe_packing packing) {
    return (lathe_is_affine(packing) ? 2 : 1) * LATHE_HALVES_BYTES;
}

/// Whether so many columns can share a scale.
LATHE_INLINE bool lathe_is_group(size_t group) { return group == 32 || group == 64 || group == 128; }

/// Bytes of the tile of an integer packing.
LATHE_INLINE size_t lathe_integer_tile_bytes(lathe_packing packing, size_t group, size_t columns) {
    const size_t groups = (columns + group - 1) / group;
    return columns / LATHE_BLOCK * lathe_code_bytes(packing) + groups * lathe_number_bytes(packing);
}

/// Where block `block` of a tile begins.
LATHE_INLINE size_t lathe_block_offset(lathe_packing packing, size_t group, size_t block) {
    return block * lathe_code_bytes(packing) + block * LATHE_BLOCK / group * lathe_number_bytes(packing);
}

/// Where the scales of block `block` begin, behind the last block of its group.
LATHE_INLINE size_t lathe_scales_offset(lathe_packing packing, size_t group, size_t columns, size_t block) {
    const size_t index = block * LATHE_BLOCK / group;
    const size_t end = (index + 1) * group < columns ? (index + 1) * group : columns;
    return end / LATHE_BLOCK * lathe_code_bytes(packing) + index * lathe_number_bytes(packing);
}

/// Codes of 2, 4 and 8 bits, and the low 4 bits of those of 5, lie in a plane of as many lines of 64 bytes. Byte (row
/// * 4 + k) of line j holds `width` bits of the codes of the columns 4 * i + k whose bits `i * width` lie in byte j,
/// from its bit `i * width % 8` on.
LATHE_INLINE size_t lathe_plane_byte(unsigned width, size_t row, size_t column) {
    return column / 4 * width / 8 * 64 + row * 4 + column % 4;
}
LATHE_INLINE unsigned lathe_plane_shift(unsigned width, size_t column) { return (unsigned)(column / 4 * width % 8); }

LATHE_INLINE unsigned lathe_plane_bits(const uint8_t *plane, unsigned width, size_t row, size_t column) {
    const unsigned byte = plane[lathe_plane_byte(width, row, column)];
    return byte >> lathe_plane_shift(width, column) & ((1u << width) - 1);
}

/// Codes of 3 and 6 bits lie in quads: three units of 4 or 8 bits hold four codes, the codes of the columns
/// 16 * quad + 4 * i + k. Unit i holds code i in its upper three quarters, and the i-th third of code 3 in the lowest one.
/// Units of 4 bits are the halves of the bytes of three lines, a quad's all in the same half; units of 8 bits whole bytes.
LATHE_INLINE unsigned lathe_unit_bits(lathe_packing packing) { return lathe_code_bits(packing) == 3 ? 4 : 8; }
LATHE_INLINE size_t lathe_unit_byte(lathe_packing packing, size_t unit, size_t row, size_t column) {
    const size_t first = lathe_unit_bits(packing) == 4 ? 0 : column / 16 * 3;
    return (first + unit) * 64 + row * 4 + column % 4;
}
LATHE_INLINE unsigned lathe_unit_shift(lathe_packing packing, size_t column) {
    return lathe_unit_bits(packing) == 4 ? (unsigned)(column / 16 * 4) : 0;
}

LATHE_INLINE unsigned lathe_quad_code(lathe_packing packing, const uint8_t *block, size_t row, size_t column) {
    const unsigned shift = lathe_unit_shift(packing, column), width = lathe_unit_bits(packing), part = width / 4;
    const size_t member = column / 4 % 4;
    if (member < 3) {
        const unsigned byte = block[lathe_unit_byte(packing, member, row, column)];
        return byte >> (shift + part) & ((1u << 3 * part) - 1);
    }
    unsigned code = 0;
    for (unsigned i = 0; i < 3; i++) {
        const unsigned byte = block[lathe_unit_byte(packing, i, row, column)];
        code |= (byte >> shift & ((1u << part) - 1)) << i * part;
    }
    return code;
}

// Fifth bits: mask column / 4, bit row * 4 + column % 4, little-endian.
LATHE_INLINE size_t lathe_fifth_byte(size_t row, size_t column) { return column / 4 * 8 + row / 2; }
LATHE_INLINE unsigned lathe_fifth_shift(size_t row, size_t column) { return (unsigned)(row % 2 * 4 + column % 4); }

/// The code of one row and one column of a block.
LATHE_INLINE int32_t lathe_code(lathe_packing packing, const uint8_t *block, size_t row, size_t column) {
    unsigned code = 0;
    switch (lathe_code_bits(packing)) {
    case 2: code = lathe_plane_bits(block, 2, row, column); break;
    case 3:
    case 6: code = lathe_quad_code(packing, block, row, column); break;
    case 4: code = lathe_plane_bits(block, 4, row, column); break;
    case 5:
        code = lathe_plane_bits(block, 4, row, column);
        code |= (block[LATHE_LOW_BYTES + lathe_fifth_byte(row, column)] >> lathe_fifth_shift(row, column) & 1u) << 4;
        break;
    default: code = lathe_plane_bits(block, 8, row, column); break;
    }
    return (int32_t)code;
}

/// Bytes of one element of a float packing.
LATHE_INLINE size_t lathe_element_bytes(lathe_packing packing) { return packing == LATHE_F32 ? 4 : 2; }

LATHE_INLINE size_t lathe_padded_columns(size_t columns) {
    return (columns + LATHE_BLOCK - 1) / LATHE_BLOCK * LATHE_BLOCK;
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
        .sums = (const int32_t *)(start + padded + padded / LATHE_BLOCK * sizeof(float)),
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
