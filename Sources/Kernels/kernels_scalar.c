// The scalar kernels' table.
#include "scalar.h"
#include "tables.h"

const lathe_kernels lathe_kernels_scalar = {
    .isa = LATHE_ISA_SCALAR,
    .product = {[LATHE_F32] = lathe_f32_scalar,
                [LATHE_F16] = lathe_f16_scalar,
                [LATHE_BF16] = lathe_bf16_scalar,
                LATHE_INTEGER_PRODUCTS(scalar)},
    .quantize_row = lathe_quantize_row_scalar,
    .rms_norm = lathe_rms_norm_scalar,
    .silu_gate = lathe_silu_gate_scalar,
    .find_at_least = lathe_find_at_least_scalar,
    .rotate = lathe_rotate_scalar,
    .to_f16 = lathe_to_f16_scalar,
    .from_f16 = lathe_from_f16_scalar,
    .softmax_segment = lathe_softmax_segment_scalar,
    .weigh_values = lathe_weigh_values_scalar,
    .merge_segment = lathe_merge_segment_scalar,
    .finish_attention = lathe_finish_attention_scalar,
    .store_keys = lathe_store_keys_scalar,
    .store_values = lathe_store_values_scalar,
};
