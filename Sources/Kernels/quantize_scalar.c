// Quantization of activations, and half precision in bulk: the definition.
#include "layout.h"
#include "scalar.h"

#include <math.h>

void lathe_quantize_row_scalar(const float *x, size_t columns, uint8_t *row) {
    const size_t padded = lathe_padded_columns(columns);
    const size_t groups = padded / LATHE_BLOCK;
    int8_t *values = (int8_t *)row;
    float *scales = (float *)(row + padded);
    int32_t *sums = (int32_t *)(scales + groups);
    for (size_t group = 0; group < groups; group++) {
        const size_t first = group * LATHE_BLOCK;
        const size_t count = columns - first < LATHE_BLOCK ? columns - first : LATHE_BLOCK;
        float largest = 0.0f;
        for (size_t k = 0; k < count; k++) { largest = fmaxf(largest, fabsf(x[first + k])); }
        const bool zero = largest < LATHE_QUANTIZE_LEAST;
        const float inverse = zero ? 0.0f : 127.0f / largest;
        int32_t sum = 0;
        for (size_t k = 0; k < LATHE_BLOCK; k++) {
            const float value = k < count ? rintf(x[first + k] * inverse) : 0.0f;
            values[first + k] = (int8_t)value;
            sum += (int32_t)value;
        }
        scales[group] = zero ? 0.0f : largest / 127.0f;
        sums[group] = sum;
    }
}

void lathe_to_f16_scalar(const float *x, size_t n, uint16_t *y) {
    for (size_t i = 0; i < n; i++) { y[i] = lathe_f32_to_f16(x[i]); }
}

void lathe_from_f16_scalar(const uint16_t *x, size_t n, float *y) {
    for (size_t i = 0; i < n; i++) { y[i] = lathe_f16_to_f32(x[i]); }
}
