// Softmax attention over a key-value cache, and rotary embedding: the definition.
#include "layout.h"
#include "scalar.h"

#include <float.h>
#include <math.h>
#include <string.h>

void lathe_rotate_scalar(float *x, size_t half, const float *cosines, const float *sines) {
    for (size_t i = 0; i < half; i++) {
        const float a = x[i];
        const float b = x[i + half];
        x[i] = fmaf(a, cosines[i], -(b * sines[i]));
        x[i + half] = fmaf(b, cosines[i], a * sines[i]);
    }
}

size_t lathe_value_bytes(lathe_packing packing, size_t dimensions) {
    switch (packing) {
    case LATHE_F32: return dimensions * sizeof(float);
    case LATHE_F16: return dimensions * sizeof(uint16_t);
    case LATHE_INT8_SYMMETRIC:
        return dimensions % LATHE_BLOCK == 0 ? dimensions + dimensions / LATHE_BLOCK * sizeof(float) : 0;
    default: return 0;
    }
}

void lathe_softmax_segment_scalar(float *scores, size_t stride, size_t queries, size_t count, const uint32_t *begins,
                                  const uint32_t *ends, float *largest, float *sums) {
    const size_t padded = (count + 15) / 16 * 16;
    for (size_t query = 0; query < queries; query++) {
        float *x = scores + query * stride;
        const size_t begin = begins[query], end = ends[query];
        float most = begin < end ? x[begin] : 0.0f;
        for (size_t i = begin; i < end; i++) { most = x[i] > most ? x[i] : most; }
        most = most + 0.0f;
        float partials[16] = {0};
        for (size_t i = 0; i < padded; i++) {
            x[i] = begin <= i && i < end ? lathe_exp(x[i] - most) : 0.0f;
            partials[i % 16] = partials[i % 16] + x[i];
        }
        largest[query] = most;
        sums[query] = lathe_sum_partials(partials);
    }
}

static float value_at(lathe_packing packing, const uint8_t *row, size_t dimensions, size_t d) {
    float value;
    uint16_t half;
    switch (packing) {
    case LATHE_F32: memcpy(&value, row + d * sizeof value, sizeof value); return value;
    case LATHE_F16: memcpy(&half, row + d * sizeof half, sizeof half); return lathe_f16_to_f32(half);
    default:
        memcpy(&value, row + dimensions + d / LATHE_BLOCK * sizeof value, sizeof value);
        return value * (float)(int8_t)row[d];
    }
}

void lathe_weigh_values_scalar(const lathe_weighted_values *o) {
    const size_t row_bytes = lathe_value_bytes(o->packing, o->dimensions);
    for (size_t query = 0; query < o->queries; query++) {
        for (size_t d = 0; d < o->dimensions; d++) {
            float sum = 0.0f;
            for (size_t i = 0; i < o->count; i++) {
                const uint8_t *row = o->values + (o->slots != NULL ? o->slots[i] : i) * row_bytes;
                sum = fmaf(o->weights[query * o->weight_stride + i], value_at(o->packing, row, o->dimensions, d), sum);
            }
            o->output[query * o->output_stride + d] = sum + 0.0f;
        }
    }
}

void lathe_merge_segment_scalar(size_t queries, size_t dimensions, const float *segment_largest,
                                const float *segment_sums, const float *segment_outputs, float *largest, float *sums,
                                float *outputs) {
    for (size_t query = 0; query < queries; query++) {
        const float *added = segment_outputs + query * dimensions;
        float *output = outputs + query * dimensions;
        if (segment_sums[query] == 0.0f) { continue; }
        if (sums[query] == 0.0f) {
            largest[query] = segment_largest[query];
            sums[query] = segment_sums[query];
            memcpy(output, added, dimensions * sizeof *output);
            continue;
        }
        const float most = largest[query] > segment_largest[query] ? largest[query] : segment_largest[query];
        const float a = lathe_exp(largest[query] - most);
        const float b = lathe_exp(segment_largest[query] - most);
        largest[query] = most;
        sums[query] = fmaf(sums[query], a, segment_sums[query] * b);
        for (size_t d = 0; d < dimensions; d++) { output[d] = fmaf(output[d], a, added[d] * b); }
    }
}

void lathe_finish_attention_scalar(const float *o, float l, size_t dimensions, float *y) {
    const float inverse = 1.0f / l;
    for (size_t d = 0; d < dimensions; d++) { y[d] = o[d] * inverse; }
}

/// NaN compares with nothing, so it becomes the limit.
static float clamped(float x, float limit) {
    const float below = x < limit ? x : limit;
    return below > -limit ? below : -limit;
}

static void store_int8_key(const float *x, size_t dimensions, uint8_t *tile, size_t row) {
    for (size_t group = 0; group < dimensions / LATHE_BLOCK; group++) {
        uint8_t *block = tile + lathe_block_offset(LATHE_INT8_SYMMETRIC, LATHE_BLOCK, group);
        float values[LATHE_BLOCK], largest = 0.0f;
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            values[k] = clamped(x[group * LATHE_BLOCK + k], LATHE_F16_LARGEST);
            largest = fmaxf(largest, fabsf(values[k]));
        }
        const uint16_t scale = lathe_f32_to_f16(largest / 127.0f);
        const float inverse = scale == 0 ? 0.0f : 1.0f / lathe_f16_to_f32(scale);
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            const float code = rintf(clamped(values[k] * inverse, 127.0f));
            block[k / 4 * 64 + row * 4 + k % 4] = (uint8_t)((int)code + 128);
        }
        memcpy(block + lathe_code_bytes(LATHE_INT8_SYMMETRIC) + row * sizeof scale, &scale, sizeof scale);
    }
}

void lathe_store_keys_scalar(lathe_packing packing, const float *x, size_t stride, size_t count, size_t dimensions,
                             uint8_t *keys, size_t slot) {
    const size_t tile_bytes = lathe_tile_bytes(packing, LATHE_BLOCK, dimensions);
    for (size_t i = 0; i < count; i++, slot++) {
        const float *key = x + i * stride;
        uint8_t *tile = keys + slot / LATHE_TILE_ROWS * tile_bytes;
        const size_t row = slot % LATHE_TILE_ROWS;
        if (packing == LATHE_INT8_SYMMETRIC) {
            store_int8_key(key, dimensions, tile, row);
            continue;
        }
        for (size_t d = 0; d < dimensions; d++) {
            if (packing == LATHE_F16) {
                ((uint16_t *)tile)[d * LATHE_TILE_ROWS + row] = lathe_f32_to_f16(clamped(key[d], LATHE_F16_LARGEST));
            } else {
                ((float *)tile)[d * LATHE_TILE_ROWS + row] = clamped(key[d], FLT_MAX);
            }
        }
    }
}

static void store_int8_value(const float *x, size_t dimensions, uint8_t *row) {
    float *scales = (float *)(row + dimensions);
    for (size_t group = 0; group < dimensions / LATHE_BLOCK; group++) {
        float values[LATHE_BLOCK], largest = 0.0f;
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            values[k] = clamped(x[group * LATHE_BLOCK + k], LATHE_F16_LARGEST);
            largest = fmaxf(largest, fabsf(values[k]));
        }
        const bool zero = largest < LATHE_QUANTIZE_LEAST;
        const float inverse = zero ? 0.0f : 127.0f / largest;
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            row[group * LATHE_BLOCK + k] = (uint8_t)(int8_t)rintf(values[k] * inverse);
        }
        scales[group] = zero ? 0.0f : largest / 127.0f;
    }
}

void lathe_store_values_scalar(lathe_packing packing, const float *x, size_t stride, size_t count, size_t dimensions,
                               uint8_t *values, size_t slot) {
    const size_t row_bytes = lathe_value_bytes(packing, dimensions);
    for (size_t i = 0; i < count; i++) {
        const float *value = x + i * stride;
        uint8_t *row = values + (slot + i) * row_bytes;
        if (packing == LATHE_INT8_SYMMETRIC) {
            store_int8_value(value, dimensions, row);
            continue;
        }
        for (size_t d = 0; d < dimensions; d++) {
            if (packing == LATHE_F16) {
                ((uint16_t *)row)[d] = lathe_f32_to_f16(clamped(value[d], LATHE_F16_LARGEST));
            } else {
                ((float *)row)[d] = clamped(value[d], FLT_MAX);
            }
        }
    }
}
