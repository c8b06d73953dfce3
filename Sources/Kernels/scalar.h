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
void lathe_softmax_segment_scalar(float *scores, size_t stride, size_t queries, size_t count, const uint32_t *begins,
                                  const uint32_t *ends, float *largest, float *sums);
void lathe_weigh_values_scalar(const lathe_weighted_values *operands);
void lathe_merge_segment_scalar(size_t queries, size_t dimensions, const float *segment_largest,
                                const float *segment_sums, const float *segment_outputs, float *largest, float *sums,
                                float *outputs);
void lathe_finish_attention_scalar(const float *o, float l, size_t dimensions, float *y);
void lathe_store_keys_scalar(lathe_packing packing, const float *x, size_t stride, size_t count, size_t dimensions,
                             uint8_t *keys, size_t slot);
void lathe_store_values_scalar(lathe_packing packing, const float *x, size_t stride, size_t count, size_t dimensions,
                               uint8_t *values, size_t slot);
