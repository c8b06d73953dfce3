// Storing keys and values in a cache, over lanes.
#pragma once

#include <float.h>

/// A group of 32 clamped values with its largest magnitude.
typedef struct cache_group {
    lanes low, high;
    float largest;
} cache_group;

LANES cache_group load_group(const float *x) {
    cache_group group = {.low = lanes_clamp(lanes_load(x), LATHE_F16_LARGEST),
                         .high = lanes_clamp(lanes_load(x + 16), LATHE_F16_LARGEST)};
    group.largest = lanes_largest(lanes_larger(lanes_magnitude(group.low), lanes_magnitude(group.high)));
    return group;
}

LANES void store_int8_key(const float *x, size_t dimensions, uint8_t *tile, size_t row) {
    for (size_t d = 0; d < dimensions; d += LATHE_BLOCK) {
        uint8_t *block = tile + lathe_block_offset(LATHE_INT8_SYMMETRIC, LATHE_BLOCK, d / LATHE_BLOCK);
        const cache_group group = load_group(x + d);
        const uint16_t scale = lathe_f32_to_f16(group.largest / 127.0f);
        const lanes inverse = lanes_splat(scale == 0 ? 0.0f : 1.0f / lathe_f16_to_f32(scale));
        int8_t codes[LATHE_BLOCK];
        lanes_store_int8(codes, lanes_clamp(lanes_multiply(group.low, inverse), 127.0f),
                         lanes_clamp(lanes_multiply(group.high, inverse), 127.0f));
        for (size_t line = 0; line < LATHE_BLOCK / 4; line++) {
            uint32_t four;
            memcpy(&four, codes + line * 4, sizeof four);
            four ^= 0x80808080u;  // adds 128 to each byte
            memcpy(block + line * 64 + row * 4, &four, sizeof four);
        }
        memcpy(block + lathe_code_bytes(LATHE_INT8_SYMMETRIC) + row * sizeof scale, &scale, sizeof scale);
    }
}

/// 16 dimensions from `d` on, or the first `count` of them, clamped.
LANES lanes load_clamped(const float *x, size_t count, float limit) {
    return lanes_clamp(count == 16 ? lanes_load(x) : lanes_load_some(x, count), limit);
}

LANES void store_float_key(lathe_packing packing, const float *x, size_t dimensions, uint8_t *tile, size_t row) {
    for (size_t d = 0; d < dimensions; d += 16) {
        const size_t count = dimensions - d < 16 ? dimensions - d : 16;
        if (packing == LATHE_F16) {
            uint16_t halves[16];
            lanes_store_f16(halves, load_clamped(x + d, count, LATHE_F16_LARGEST));
            uint16_t *key = (uint16_t *)tile + d * LATHE_TILE_ROWS + row;
            for (size_t k = 0; k < count; k++) { key[k * LATHE_TILE_ROWS] = halves[k]; }
        } else {
            float floats[16];
            lanes_store(floats, load_clamped(x + d, count, FLT_MAX));
            float *key = (float *)tile + d * LATHE_TILE_ROWS + row;
            for (size_t k = 0; k < count; k++) { key[k * LATHE_TILE_ROWS] = floats[k]; }
        }
    }
}

LATHE_TARGET static void store_keys(lathe_packing packing, const float *x, size_t stride, size_t count,
                                    size_t dimensions, uint8_t *keys, size_t slot) {
    const size_t tile_bytes = lathe_tile_bytes(packing, LATHE_BLOCK, dimensions);
    for (size_t i = 0; i < count; i++, slot++) {
        uint8_t *tile = keys + slot / LATHE_TILE_ROWS * tile_bytes;
        const size_t row = slot % LATHE_TILE_ROWS;
        switch (packing) {
        case LATHE_F16: store_float_key(LATHE_F16, x + i * stride, dimensions, tile, row); break;
        case LATHE_INT8_SYMMETRIC: store_int8_key(x + i * stride, dimensions, tile, row); break;
        default: store_float_key(LATHE_F32, x + i * stride, dimensions, tile, row); break;
        }
    }
}

LANES void store_int8_value(const float *x, size_t dimensions, uint8_t *row) {
    float *scales = (float *)(row + dimensions);
    for (size_t d = 0; d < dimensions; d += LATHE_BLOCK) {
        const cache_group group = load_group(x + d);
        const bool zero = group.largest < LATHE_QUANTIZE_LEAST;
        const lanes inverse = lanes_splat(zero ? 0.0f : 127.0f / group.largest);
        lanes_store_int8((int8_t *)row + d, lanes_multiply(group.low, inverse), lanes_multiply(group.high, inverse));
        scales[d / LATHE_BLOCK] = zero ? 0.0f : group.largest / 127.0f;
    }
}

LANES void store_float_value(lathe_packing packing, const float *x, size_t dimensions, uint8_t *row) {
    for (size_t d = 0; d < dimensions; d += 16) {
        const size_t count = dimensions - d < 16 ? dimensions - d : 16;
        if (packing == LATHE_F16) {
            uint16_t halves[16];
            lanes_store_f16(halves, load_clamped(x + d, count, LATHE_F16_LARGEST));
            memcpy((uint16_t *)row + d, halves, count * sizeof *halves);
        } else {
            lanes_store_some((float *)row + d, load_clamped(x + d, count, FLT_MAX), count);
        }
    }
}

LATHE_TARGET static void store_values(lathe_packing packing, const float *x, size_t stride, size_t count,
                                      size_t dimensions, uint8_t *values, size_t slot) {
    const size_t row_bytes = lathe_value_bytes(packing, dimensions);
    for (size_t i = 0; i < count; i++) {
        uint8_t *row = values + (slot + i) * row_bytes;
        switch (packing) {
        case LATHE_F16: store_float_value(LATHE_F16, x + i * stride, dimensions, row); break;
        case LATHE_INT8_SYMMETRIC: store_int8_value(x + i * stride, dimensions, row); break;
        default: store_float_value(LATHE_F32, x + i * stride, dimensions, row); break;
        }
    }
}
