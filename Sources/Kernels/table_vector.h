// The table over the kernels of *_vector.h and the integer products of one instruction set.
#pragma once
#include "activation_vector.h"
#include "attention_store_vector.h"
#include "attention_vector.h"
#include "find_vector.h"
#include "normalize_vector.h"
#include "product_float_vector.h"
#include "quantize_vector.h"
#include "tables.h"

#define LATHE_VECTOR_TABLE(name, identifier)                                                             \
    const lathe_kernels lathe_kernels_##name = {                                                         \
        .isa = identifier,                                                                               \
        .product = {[LATHE_F32] = product_f32,                                                           \
                    [LATHE_F16] = product_f16,                                                           \
                    [LATHE_BF16] = product_bf16,                                                         \
                    LATHE_INTEGER_PRODUCTS(name)},                                                       \
        .quantize_row = quantize_row,                                                                    \
        .rms_norm = rms_norm,                                                                            \
        .silu_gate = silu_gate,                                                                          \
        .find_at_least = find_at_least,                                                                  \
        .rotate = rotate,                                                                                \
        .to_f16 = to_f16,                                                                                \
        .from_f16 = from_f16,                                                                            \
        .softmax_segment = softmax_segment,                                                              \
        .weigh_values = weigh_values,                                                                    \
        .merge_segment = merge_segment,                                                                  \
        .finish_attention = finish_attention,                                                            \
        .store_keys = store_keys,                                                                        \
        .store_values = store_values,                                                                    \
    }
