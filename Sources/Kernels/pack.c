// Packed tiles: their sizes, and one logical row in and out.
#include "layout.h"

#include <string.h>

size_t lathe_tile_bytes(lathe_packing packing, size_t columns) {
    if ((unsigned)packing >= LATHE_PACKING_COUNT) { return 0; }
    const bool is_float = lathe_is_float(packing);
    if (!is_float && columns % LATHE_GROUP != 0) { return 0; }
    const size_t units = is_float ? columns : columns / LATHE_GROUP;
    const size_t bytes = is_float ? LATHE_TILE_ROWS * lathe_element_bytes(packing) : lathe_block_bytes(packing);
    return units <= PTRDIFF_MAX / bytes ? units * bytes : 0;
}

size_t lathe_quantized_row_bytes(size_t columns) {
    const size_t padded = lathe_padded_columns(columns);
    const size_t bytes = padded + padded / LATHE_GROUP * (sizeof(float) + sizeof(int32_t));
    return (bytes + 63) / 64 * 64;
}

// Column c of a 4-bit block lies in line c / 8; its half byte is the high one for the last four columns of eight.
static size_t low_byte(size_t row, size_t column) { return column / 8 * 64 + row * 4 + column % 4; }
static unsigned low_shift(size_t column) { return column % 8 < 4 ? 0 : 4; }

// Fifth bits: mask c / 4, bit row * 4 + c % 4, little-endian.
static size_t high_byte(size_t row, size_t column) { return LATHE_LOW_BYTES + column / 4 * 8 + row / 2; }
static unsigned high_shift(size_t row, size_t column) { return (unsigned)(row % 2 * 4 + column % 4); }

static size_t wide_byte(size_t row, size_t column) { return column / 4 * 64 + row * 4 + column % 4; }

static void set_bits(uint8_t *byte, unsigned shift, unsigned mask, unsigned value) {
    *byte = (uint8_t)((*byte & ~(mask << shift)) | (value & mask) << shift);
}

static void put_code(lathe_packing packing, uint8_t *block, size_t row, size_t column, uint8_t code) {
    const int bits = lathe_code_bits(packing);
    if (bits == 8) {
        block[wide_byte(row, column)] = code;
        return;
    }
    set_bits(block + low_byte(row, column), low_shift(column), 15, code);
    if (bits == 5) { set_bits(block + high_byte(row, column), high_shift(row, column), 1, code >> 4); }
}

static uint8_t get_code(lathe_packing packing, const uint8_t *block, size_t row, size_t column) {
    const int bits = lathe_code_bits(packing);
    if (bits == 8) { return block[wide_byte(row, column)]; }
    unsigned code = (block[low_byte(row, column)] >> low_shift(column)) & 15u;
    if (bits == 5) { code |= ((block[high_byte(row, column)] >> high_shift(row, column)) & 1u) << 4; }
    return (uint8_t)code;
}

static uint16_t get_half(const uint8_t *halves, size_t row) {
    uint16_t half;
    memcpy(&half, halves + row * sizeof half, sizeof half);
    return half;
}

static void put_half(uint8_t *halves, size_t row, uint16_t half) {
    memcpy(halves + row * sizeof half, &half, sizeof half);
}

void lathe_pack_row(lathe_packing packing, uint8_t *tile, size_t columns, size_t row, const lathe_weight_row *source) {
    if (lathe_is_float(packing)) {
        const size_t bytes = lathe_element_bytes(packing);
        const uint8_t *values = source->values;
        for (size_t k = 0; k < columns; k++) {
            memcpy(tile + (k * LATHE_TILE_ROWS + row) * bytes, values + k * bytes, bytes);
        }
        return;
    }
    for (size_t group = 0; group < columns / LATHE_GROUP; group++) {
        uint8_t *block = tile + group * lathe_block_bytes(packing);
        for (size_t k = 0; k < LATHE_GROUP; k++) {
            put_code(packing, block, row, k, source->codes[group * LATHE_GROUP + k]);
        }
        uint8_t *scales = block + lathe_code_bytes(packing);
        put_half(scales, row, source->scales[group]);
        if (lathe_is_affine(packing)) { put_half(scales + LATHE_HALVES_BYTES, row, source->minimums[group]); }
    }
}

void lathe_extract_row(lathe_packing packing, const uint8_t *tile, size_t columns, size_t row,
                       const lathe_weight_row *destination) {
    if (lathe_is_float(packing)) {
        const size_t bytes = lathe_element_bytes(packing);
        uint8_t *values = destination->values;
        for (size_t k = 0; k < columns; k++) {
            memcpy(values + k * bytes, tile + (k * LATHE_TILE_ROWS + row) * bytes, bytes);
        }
        return;
    }
    for (size_t group = 0; group < columns / LATHE_GROUP; group++) {
        const uint8_t *block = tile + group * lathe_block_bytes(packing);
        for (size_t k = 0; k < LATHE_GROUP; k++) {
            destination->codes[group * LATHE_GROUP + k] = get_code(packing, block, row, k);
        }
        const uint8_t *scales = block + lathe_code_bytes(packing);
        destination->scales[group] = get_half(scales, row);
        if (lathe_is_affine(packing)) {
            destination->minimums[group] = get_half(scales + LATHE_HALVES_BYTES, row);
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

void lathe_unpack_row(lathe_packing packing, const uint8_t *weights, size_t columns, size_t row, float *out) {
    const uint8_t *tile = weights + row / LATHE_TILE_ROWS * lathe_tile_bytes(packing, columns);
    row %= LATHE_TILE_ROWS;
    if (lathe_is_float(packing)) {
        const size_t bytes = lathe_element_bytes(packing);
        for (size_t k = 0; k < columns; k++) {
            out[k] = float_element(packing, tile + (k * LATHE_TILE_ROWS + row) * bytes);
        }
        return;
    }
    for (size_t group = 0; group < columns / LATHE_GROUP; group++) {
        const uint8_t *block = tile + group * lathe_block_bytes(packing);
        const uint8_t *scales = block + lathe_code_bytes(packing);
        const float scale = lathe_f16_to_f32(get_half(scales, row));
        const bool affine = lathe_is_affine(packing);
        const float minimum = affine ? lathe_f16_to_f32(get_half(scales + LATHE_HALVES_BYTES, row)) : 0.0f;
        for (size_t k = 0; k < LATHE_GROUP; k++) {
            const int code = get_code(packing, block, row, k) - lathe_zero_code(packing);
            const float scaled = scale * (float)code;
            out[group * LATHE_GROUP + k] = affine ? scaled + minimum : scaled;
        }
    }
}
