// Quantization of activations, and half precision in bulk, over lanes.
#pragma once

LATHE_TARGET static void quantize_row(const float *x, size_t columns, uint8_t *row) {
    const size_t padded = lathe_padded_columns(columns);
    const size_t groups = padded / LATHE_BLOCK;
    int8_t *values = (int8_t *)row;
    float *scales = (float *)(row + padded);
    int32_t *sums = (int32_t *)(scales + groups);
    for (size_t group = 0; group < groups; group++) {
        const size_t first = group * LATHE_BLOCK;
        const size_t count = columns - first < LATHE_BLOCK ? columns - first : LATHE_BLOCK;
        lanes low, high;
        if (count == LATHE_BLOCK) {
            low = lanes_load(x + first);
            high = lanes_load(x + first + 16);
        } else {
            low = lanes_load_some(x + first, count < 16 ? count : 16);
            high = count > 16 ? lanes_load_some(x + first + 16, count - 16) : lanes_zero();
        }
        const float largest = lanes_largest(lanes_larger(lanes_magnitude(low), lanes_magnitude(high)));
        const bool zero = largest < LATHE_QUANTIZE_LEAST;
        const lanes inverse = lanes_splat(zero ? 0.0f : 127.0f / largest);
        scales[group] = zero ? 0.0f : largest / 127.0f;
        sums[group] = lanes_store_int8(values + first, lanes_multiply(low, inverse), lanes_multiply(high, inverse));
    }
}

LATHE_TARGET static void to_f16(const float *x, size_t n, uint16_t *y) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) { lanes_store_f16(y + i, lanes_load(x + i)); }
    if (i < n) {
        uint16_t buffer[16];
        lanes_store_f16(buffer, lanes_load_some(x + i, n - i));
        memcpy(y + i, buffer, (n - i) * sizeof *y);
    }
}

LATHE_TARGET static void from_f16(const uint16_t *x, size_t n, float *y) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) { lanes_store(y + i, lanes_load_f16(x + i)); }
    if (i < n) { lanes_store_some(y + i, lanes_load_some_elements(LATHE_F16, x + i, n - i), n - i); }
}
