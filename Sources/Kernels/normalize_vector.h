// RMSNorm over lanes.
#pragma once
#include <math.h>

LATHE_TARGET static void rms_norm(const float *x, const float *weight, size_t n, float epsilon, float *y) {
    const size_t whole = n / 16 * 16;
    const size_t rest = n - whole;
    lanes partials = lanes_zero();
    for (size_t i = 0; i < whole; i += 16) {
        const lanes v = lanes_load(x + i);
        partials = lanes_fma(v, v, partials);
    }
    if (rest > 0) {
        const lanes v = lanes_load_some(x + whole, rest);
        partials = lanes_fma(v, v, partials);
    }
    const float mean = lanes_sum(partials) / (float)n;
    const lanes r = lanes_splat(1.0f / sqrtf(mean + epsilon));
    for (size_t i = 0; i < whole; i += 16) {
        const lanes scaled = lanes_multiply(lanes_load(x + i), r);
        lanes_store(y + i, weight != NULL ? lanes_multiply(scaled, lanes_load(weight + i)) : scaled);
    }
    if (rest > 0) {
        const lanes scaled = lanes_multiply(lanes_load_some(x + whole, rest), r);
        const lanes result =
            weight != NULL ? lanes_multiply(scaled, lanes_load_some(weight + whole, rest)) : scaled;
        lanes_store_some(y + whole, result, rest);
    }
}
