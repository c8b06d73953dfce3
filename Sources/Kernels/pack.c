// Packed tiles: their sizes, and one logical row in and out.
#include "layout.h"

#include <string.h>

size_t lathe_tile_bytes(lathe_packing packing, size_t group, size_t columns) {
    if ((unsigned)packing >= LATHE_PACKING_COUNT) { return 0; }
    if (lathe_is_float(packing)) {
        const size_t bytes = LATHE_TILE_ROWS * lathe_element_bytes(packing);
        return columns <= PTRDIFF_MAX / bytes ? columns * bytes : 0;
    }
    if (!lathe_is_group(group) || columns % LATHE_BLOCK != 0) { return 0; }
    // A tile has no more bytes than it would have with a scale for every block.
    const size_t most = lathe_code_bytes(packing) + lathe_number_bytes(packing);
    return columns / LATHE_BLOCK <= PTRDIFF_MAX / most ? lathe_integer_tile_bytes(packing, group, columns) : 0;
}

size_t lathe_quantized_row_bytes(size_t columns) {
    const size_t padded = lathe_padded_columns(columns);
    const size_t bytes = padded + padded / LATHE_BLOCK * (sizeof(float) + sizeof(int32_t));
    return (bytes + 63) / 64 * 64;
}

static void set_bits(uint8_t *byte, unsigned shift, unsigned mask, unsigned value) {
    *byte = (uint8_t)((*byte & ~(mask << shift)) | (value & mask) << shift);
}

static void put_plane(uint8_t *plane, unsigned width, size_t row, size_t column, unsigned value) {
    uint8_t *byte = plane + lathe_plane_byte(width, row, column);
    set_bits(byte, lathe_plane_shift(width, column), (1u << width) - 1, value);
}

static void put_quad_code(lathe_packing packing, uint8_t *block, size_t row, size_t column, unsigned code) {
    const unsigned shift = lathe_unit_shift(packing, column), part = lathe_unit_bits(packing) / 4;
    const size_t member = column / 4 % 4;
    if (member < 3) {
        set_bits(block + lathe_unit_byte(packing, member, row, column), shift + part, (1u << 3 * part) - 1, code);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        set_bits(block + lathe_unit_byte(packing, i, row, column), shift, (1u << part) - 1, code >> i * part);
    }
}

static void put_code(lathe_packing packing, uint8_t *block, size_t row, size_t column, uint8_t code) {
    switch (lathe_code_bits(packing)) {
    case 2: put_plane(block, 2, row, column, code); break;
    case 3:
    case 6: put_quad_code(packing, block, row, column, code); break;
    case 4: put_plane(block, 4, row, column, code); break;
    case 5:
        put_plane(block, 4, row, column, code);
        uint8_t *byte = block + LATHE_LOW_BYTES + lathe_fifth_byte(row, column);
        set_bits(byte, lathe_fifth_shift(row, column), 1, code >> 4);
        break;
    default: put_plane(block, 8, row, column, code); break;
    }
}

static uint16_t get_half(const uint8_t *halves, size_t row) {
    uint16_t half;
    memcpy(&half, halves + row * sizeof half, sizeof half);
    return half;
}

static void put_half(uint8_t *halves, size_t row, uint16_t half) {
    memcpy(halves + row * sizeof half, &half, sizeof half);
}

void lathe_pack_row(lathe_packing packing, size_t group, uint8_t *tile, size_t columns, size_t row,
                    const lathe_weight_row *source) {
    if (lathe_is_float(packing)) {
        const size_t bytes = lathe_element_bytes(packing);
        const uint8_t *values = source->values;
        for (size_t k = 0; k < columns; k++) {
            memcpy(tile + (k * LATHE_TILE_ROWS + row) * bytes, values + k * bytes, bytes);
        }
        return;
    }
    for (size_t block = 0; block < columns / LATHE_BLOCK; block++) {
        uint8_t *codes = tile + lathe_block_offset(packing, group, block);
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            put_code(packing, codes, row, k, source->codes[block * LATHE_BLOCK + k]);
        }
        if (block * LATHE_BLOCK % group != 0) { continue; }
        const size_t index = block * LATHE_BLOCK / group;
        uint8_t *scales = tile + lathe_scales_offset(packing, group, columns, block);
        put_half(scales, row, source->scales[index]);
        if (lathe_is_affine(packing)) { put_half(scales + LATHE_HALVES_BYTES, row, source->minimums[index]); }
    }
}

void lathe_extract_row(lathe_packing packing, size_t group, const uint8_t *tile, size_t columns, size_t row,
                       const lathe_weight_row *destination) {
    if (lathe_is_float(packing)) {
        const size_t bytes = lathe_element_bytes(packing);
        uint8_t *values = destination->values;
        for (size_t k = 0; k < columns; k++) {
            memcpy(values + k * bytes, tile + (k * LATHE_TILE_ROWS + row) * bytes, bytes);
        }
        return;
    }
    for (size_t block = 0; block < columns / LATHE_BLOCK; block++) {
        const uint8_t *codes = tile + lathe_block_offset(packing, group, block);
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            destination->codes[block * LATHE_BLOCK + k] = (uint8_t)lathe_code(packing, codes, row, k);
        }
        if (block * LATHE_BLOCK % group != 0) { continue; }
        const size_t index = block * LATHE_BLOCK / group;
        const uint8_t *scales = tile + lathe_scales_offset(packing, group, columns, block);
        destination->scales[index] = get_half(scales, row);
        if (lathe_is_affine(packing)) {
            destination->minimums[index] = get_half(scales + LATHE_HALVES_BYTES, row);
        }
    }
}

static float float_element(lathe_packing packing, const uint8_t *element) {
    if (packing == LATHE_F32) {
        float value;
        memcpy(&value, element, sizeof value);
        return value;
    }
    uint16_t half;
    memcpy(&half, element, sizeof half);
    if (packing == LATHE_F16) { return lathe_f16_to_f32(half); }
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void lathe_unpack_row(lathe_packing packing, size_t group, const uint8_t *weights, size_t columns, size_t row,
                      float *out) {
    const uint8_t *tile = weights + row / LATHE_TILE_ROWS * lathe_tile_bytes(packing, group, columns);
    row %= LATHE_TILE_ROWS;
    if (lathe_is_float(packing)) {
        const size_t bytes = lathe_element_bytes(packing);
        for (size_t k = 0; k < columns; k++) {
            out[k] = float_element(packing, tile + (k * LATHE_TILE_ROWS + row) * bytes);
        }
        return;
    }
    const bool affine = lathe_is_affine(packing);
    for (size_t block = 0; block < columns / LATHE_BLOCK; block++) {
        const uint8_t *codes = tile + lathe_block_offset(packing, group, block);
        const uint8_t *scales = tile + lathe_scales_offset(packing, group, columns, block);
        const float scale = lathe_f16_to_f32(get_half(scales, row));
        const float minimum = affine ? lathe_f16_to_f32(get_half(scales + LATHE_HALVES_BYTES, row)) : 0.0f;
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            const int32_t code = lathe_code(packing, codes, row, k);
            const float scaled = scale * (float)(lathe_code_step(packing) * code - lathe_zero_level(packing));
            out[block * LATHE_BLOCK + k] = affine ? scaled + minimum : scaled;
        }
    }
}
