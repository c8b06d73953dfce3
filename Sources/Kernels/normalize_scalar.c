// RMSNorm: the definition.
#include "scalar.h"

#include <math.h>

float lathe_sum_partials(const float partials[16]) {
    float sums[16];
    for (size_t i = 0; i < 16; i++) { sums[i] = partials[i]; }
    for (size_t apart = 8; apart > 0; apart /= 2) {
        for (size_t i = 0; i < apart; i++) { sums[i] = sums[i] + sums[i + apart]; }
    }
    return sums[0];
}

void lathe_rms_norm_scalar(const float *x, const float *weight, size_t n, float epsilon, float *y) {
    float partials[16] = {0};
    for (size_t i = 0; i < n; i++) { partials[i % 16] = fmaf(x[i], x[i], partials[i % 16]); }
    const float mean = lathe_sum_partials(partials) / (float)n;
    const float r = 1.0f / sqrtf(mean + epsilon);
    for (size_t i = 0; i < n; i++) {
        const float scaled = x[i] * r;
        y[i] = weight != NULL ? scaled * weight[i] : scaled;
    }
}
