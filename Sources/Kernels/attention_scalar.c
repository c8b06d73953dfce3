// Softmax attention over a key-value cache, and rotary embedding: the definition.
#include "scalar.h"

#include <math.h>

void lathe_rotate_scalar(float *x, size_t half, const float *cosines, const float *sines) {
    for (size_t i = 0; i < half; i++) {
        const float a = x[i];
        const float b = x[i + half];
        x[i] = fmaf(a, cosines[i], -(b * sines[i]));
        x[i + half] = fmaf(b, cosines[i], a * sines[i]);
    }
}

void lathe_softmax_scalar(float *x, size_t n) {
    float largest = x[0];
    for (size_t i = 1; i < n; i++) { largest = x[i] > largest ? x[i] : largest; }
    float partials[16] = {0};
    for (size_t i = 0; i < n; i++) {
        x[i] = lathe_exp(x[i] - largest);
        partials[i % 16] = partials[i % 16] + x[i];
    }
    const float inverse = 1.0f / lathe_sum_partials(partials);
    for (size_t i = 0; i < n; i++) { x[i] = x[i] * inverse; }
}

void lathe_scores_f16_scalar(const float *queries, size_t query_stride, size_t heads, const uint16_t *keys,
                             size_t dimensions, size_t slots, float scale, float *scores, size_t score_stride) {
    for (size_t head = 0; head < heads; head++) {
        for (size_t slot = 0; slot < slots; slot++) {
            const uint16_t *key = keys + slot / 16 * dimensions * 16 + slot % 16;
            float sum = 0.0f;
            for (size_t d = 0; d < dimensions; d++) {
                sum = fmaf(queries[head * query_stride + d], lathe_f16_to_f32(key[d * 16]), sum);
            }
            scores[head * score_stride + slot] = sum * scale;
        }
    }
}

void lathe_scores_f32_scalar(const float *queries, size_t query_stride, size_t heads, const float *keys,
                             size_t dimensions, size_t slots, float scale, float *scores, size_t score_stride) {
    for (size_t head = 0; head < heads; head++) {
        for (size_t slot = 0; slot < slots; slot++) {
            const float *key = keys + slot / 16 * dimensions * 16 + slot % 16;
            float sum = 0.0f;
            for (size_t d = 0; d < dimensions; d++) {
                sum = fmaf(queries[head * query_stride + d], key[d * 16], sum);
            }
            scores[head * score_stride + slot] = sum * scale;
        }
    }
}

void lathe_values_f16_scalar(const float *probabilities, size_t probability_stride, size_t heads,
                             const uint16_t *values, size_t dimensions, const uint32_t *slots, size_t count,
                             float *output, size_t output_stride) {
    for (size_t head = 0; head < heads; head++) {
        for (size_t d = 0; d < dimensions; d++) {
            float sum = 0.0f;
            for (size_t i = 0; i < count; i++) {
                const size_t slot = slots != NULL ? slots[i] : i;
                sum = fmaf(probabilities[head * probability_stride + i],
                           lathe_f16_to_f32(values[slot * dimensions + d]), sum);
            }
            output[head * output_stride + d] = sum;
        }
    }
}

void lathe_values_f32_scalar(const float *probabilities, size_t probability_stride, size_t heads, const float *values,
                             size_t dimensions, const uint32_t *slots, size_t count, float *output,
                             size_t output_stride) {
    for (size_t head = 0; head < heads; head++) {
        for (size_t d = 0; d < dimensions; d++) {
            float sum = 0.0f;
            for (size_t i = 0; i < count; i++) {
                const size_t slot = slots != NULL ? slots[i] : i;
                sum = fmaf(probabilities[head * probability_stride + i], values[slot * dimensions + d], sum);
            }
            output[head * output_stride + d] = sum;
        }
    }
}
