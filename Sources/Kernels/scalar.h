// The scalar kernels outside the products, for their table.
#pragma once
#include "arithmetic.h"

void lathe_f32_scalar(const lathe_product *product);
void lathe_f16_scalar(const lathe_product *product);
void lathe_bf16_scalar(const lathe_product *product);

/// The fixed tree over 16 partial sums.
float lathe_sum_partials(const float partials[16]);

void lathe_rms_norm_scalar(const float *x, const float *weight, size_t n, float epsilon, float *y);
void lathe_silu_gate_scalar(const float *gate, const float *up, size_t n, float *y);
size_t lathe_find_at_least_scalar(const float *x, size_t n, float threshold);
void lathe_quantize_row_scalar(const float *x, size_t columns, uint8_t *row);
void lathe_to_f16_scalar(const float *x, size_t n, uint16_t *y);
void lathe_from_f16_scalar(const uint16_t *x, size_t n, float *y);
void lathe_rotate_scalar(float *x, size_t half, const float *cosines, const float *sines);
void lathe_softmax_scalar(float *x, size_t n);
void lathe_scores_f16_scalar(const float *queries, size_t query_stride, size_t heads, const uint16_t *keys,
                             size_t dimensions, size_t slots, float scale, float *scores, size_t score_stride);
void lathe_scores_f32_scalar(const float *queries, size_t query_stride, size_t heads, const float *keys,
                             size_t dimensions, size_t slots, float scale, float *scores, size_t score_stride);
void lathe_values_f16_scalar(const float *probabilities, size_t probability_stride, size_t heads,
                             const uint16_t *values, size_t dimensions, const uint32_t *slots, size_t count,
                             float *output, size_t output_stride);
void lathe_values_f32_scalar(const float *probabilities, size_t probability_stride, size_t heads, const float *values,
                             size_t dimensions, const uint32_t *slots, size_t count, float *output,
                             size_t output_stride);
