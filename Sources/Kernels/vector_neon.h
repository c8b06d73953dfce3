// Sixteen float lanes as four NEON registers; vector.h says what each operation means.
#pragma once
#include "layout.h"

#include <arm_neon.h>

#define LATHE_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define LANES LATHE_INLINE LATHE_TARGET
#define LANES_IN_FLIGHT 4
#define LANES_SUMS 4

typedef struct lanes {
    float32x4_t part[4];
} lanes;

// Four times the same operation, once for every register.
#define LANES_EACH(expression)          \
    do {                                \
        for (int i = 0; i < 4; i++) {   \
            result.part[i] = expression; \
        }                               \
    } while (0)

LANES lanes lanes_splat(float x) {
    lanes result;
    LANES_EACH(vdupq_n_f32(x));
    return result;
}
LANES lanes lanes_zero(void) { return lanes_splat(0.0f); }
LANES lanes lanes_load(const float *p) {
    lanes result;
    LANES_EACH(vld1q_f32(p + 4 * i));
    return result;
}
LANES void lanes_store(float *p, lanes x) {
    for (int i = 0; i < 4; i++) { vst1q_f32(p + 4 * i, x.part[i]); }
}
LANES lanes lanes_load_f16(const uint16_t *p) {
    lanes result;
    LANES_EACH(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
    return result;
}
LANES lanes lanes_load_bf16(const uint16_t *p) {
    lanes result;
    LANES_EACH(vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)));
    return result;
}
LANES lanes lanes_load_int8(const int8_t *p) {
    const int8x16_t bytes = vld1q_s8(p);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    return (lanes){{
        vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
        vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
        vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
        vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))),
    }};
}
LANES void lanes_store_f16(uint16_t *p, lanes x) {
    for (int i = 0; i < 4; i++) { vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.part[i]))); }
}
LANES lanes lanes_add(lanes a, lanes b) {
    lanes result;
    LANES_EACH(vaddq_f32(a.part[i], b.part[i]));
    return result;
}
LANES lanes lanes_subtract(lanes a, lanes b) {
    lanes result;
    LANES_EACH(vsubq_f32(a.part[i], b.part[i]));
    return result;
}
LANES lanes lanes_multiply(lanes a, lanes b) {
    lanes result;
    LANES_EACH(vmulq_f32(a.part[i], b.part[i]));
    return result;
}
LANES lanes lanes_divide(lanes a, lanes b) {
    lanes result;
    LANES_EACH(vdivq_f32(a.part[i], b.part[i]));
    return result;
}
LANES lanes lanes_larger(lanes a, lanes b) {
    lanes result;
    LANES_EACH(vmaxq_f32(a.part[i], b.part[i]));
    return result;
}
LANES lanes lanes_fma(lanes a, lanes b, lanes c) {
    lanes result;
    LANES_EACH(vfmaq_f32(c.part[i], a.part[i], b.part[i]));
    return result;
}
LANES lanes lanes_negative(lanes x) {
    lanes result;
    LANES_EACH(vnegq_f32(x.part[i]));
    return result;
}
LANES lanes lanes_magnitude(lanes x) {
    lanes result;
    LANES_EACH(vabsq_f32(x.part[i]));
    return result;
}

// Comparisons, because the processor's minimum and maximum keep NaN.
LANES float32x4_t lanes_part_clamp(float32x4_t x, float limit) {
    const float32x4_t most = vdupq_n_f32(limit), least = vdupq_n_f32(-limit);
    const float32x4_t below = vbslq_f32(vcltq_f32(x, most), x, most);
    return vbslq_f32(vcgtq_f32(below, least), below, least);
}

LANES lanes lanes_clamp(lanes x, float limit) {
    lanes result;
    LANES_EACH(lanes_part_clamp(x.part[i], limit));
    return result;
}

LANES float lanes_sum(lanes x) {
    const float32x4_t low = vaddq_f32(x.part[0], x.part[2]);
    const float32x4_t high = vaddq_f32(x.part[1], x.part[3]);
    const float32x4_t four = vaddq_f32(low, high);
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

LANES float lanes_largest(lanes x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.part[0], x.part[1]), vmaxq_f32(x.part[2], x.part[3])));
}

LANES int32_t lanes_store_int8(int8_t *p, lanes x, lanes y) {
    const lanes both[2] = {x, y};
    int32x4_t sum = vdupq_n_s32(0);
    for (int half = 0; half < 2; half++) {
        int32x4_t wide[4];
        for (int i = 0; i < 4; i++) {
            wide[i] = vcvtnq_s32_f32(both[half].part[i]);
            sum = vaddq_s32(sum, wide[i]);
        }
        const int16x8_t low = vcombine_s16(vmovn_s32(wide[0]), vmovn_s32(wide[1]));
        const int16x8_t high = vcombine_s16(vmovn_s32(wide[2]), vmovn_s32(wide[3]));
        vst1q_s8(p + 16 * half, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
    }
    return vaddvq_s32(sum);
}

LANES float32x4_t lanes_part_exp(float32x4_t x) {
    const float32x4_t round = vdupq_n_f32(LATHE_EXP_ROUND);
    const float32x4_t shifted = vfmaq_f32(round, x, vdupq_n_f32(LATHE_EXP_LOG2E));
    const float32x4_t n = vsubq_f32(shifted, round);
    float32x4_t r = vfmaq_f32(x, n, vdupq_n_f32(-LATHE_EXP_LN2_HIGH));
    r = vfmaq_f32(r, n, vdupq_n_f32(-LATHE_EXP_LN2_LOW));
    float32x4_t p = vdupq_n_f32(LATHE_EXP_C6);
    p = vfmaq_f32(vdupq_n_f32(LATHE_EXP_C5), p, r);
    p = vfmaq_f32(vdupq_n_f32(LATHE_EXP_C4), p, r);
    p = vfmaq_f32(vdupq_n_f32(LATHE_EXP_C3), p, r);
    p = vfmaq_f32(vdupq_n_f32(LATHE_EXP_C2), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.0f), p, r);
    const uint32x4_t power = vshlq_n_u32(vreinterpretq_u32_f32(shifted), 23);
    p = vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(p), power));
    p = vbslq_f32(vcgeq_f32(x, vdupq_n_f32(LATHE_EXP_HIGHEST)), vdupq_n_f32(LATHE_EXP_OVERFLOW), p);
    return vbslq_f32(vcltq_f32(x, vdupq_n_f32(LATHE_EXP_LOWEST)), vdupq_n_f32(0.0f), p);
}

LANES lanes lanes_exp(lanes x) {
    lanes result;
    LANES_EACH(lanes_part_exp(x.part[i]));
    return result;
}

#include "vector.h"
