// Sixteen float lanes as two AVX2 registers; vector.h says what each operation means.
#pragma once
#include "layout.h"

#include <immintrin.h>

#define LATHE_TARGET __attribute__((target("avx2,fma,f16c")))
#define LANES LATHE_INLINE LATHE_TARGET
#define LANES_IN_FLIGHT 4
#define LANES_SUMS 4

typedef struct lanes {
    __m256 low, high;
} lanes;

LANES lanes lanes_zero(void) { return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
LANES lanes lanes_splat(float x) { return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
LANES lanes lanes_load(const float *p) { return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }

LANES void lanes_store(float *p, lanes x) {
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
}

LANES __m256 lanes_half_from_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

LANES lanes lanes_load_f16(const uint16_t *p) { return (lanes){lanes_half_from_f16(p), lanes_half_from_f16(p + 8)}; }

LANES __m256 lanes_half_from_bf16(const uint16_t *p) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

LANES lanes lanes_load_bf16(const uint16_t *p) {
    return (lanes){lanes_half_from_bf16(p), lanes_half_from_bf16(p + 8)};
}

LANES __m256 lanes_half_from_int8(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

LANES lanes lanes_load_int8(const int8_t *p) {
    return (lanes){lanes_half_from_int8(p), lanes_half_from_int8(p + 8)};
}

LANES void lanes_store_f16(uint16_t *p, lanes x) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.low, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.high, _MM_FROUND_TO_NEAREST_INT));
}

LANES lanes lanes_add(lanes a, lanes b) {
    return (lanes){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}
LANES lanes lanes_subtract(lanes a, lanes b) {
    return (lanes){_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}
LANES lanes lanes_multiply(lanes a, lanes b) {
    return (lanes){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}
LANES lanes lanes_divide(lanes a, lanes b) {
    return (lanes){_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
}
LANES lanes lanes_larger(lanes a, lanes b) {
    return (lanes){_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}
LANES lanes lanes_fma(lanes a, lanes b, lanes c) {
    return (lanes){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

LANES lanes lanes_negative(lanes x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (lanes){_mm256_xor_ps(x.low, sign), _mm256_xor_ps(x.high, sign)};
}

LANES lanes lanes_magnitude(lanes x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return (lanes){_mm256_andnot_ps(sign, x.low), _mm256_andnot_ps(sign, x.high)};
}

// Where an operand is NaN, the processor's minimum and maximum are the second one.
LANES __m256 lanes_half_clamp(__m256 x, float limit) {
    return _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(limit)), _mm256_set1_ps(-limit));
}

LANES lanes lanes_clamp(lanes x, float limit) {
    return (lanes){lanes_half_clamp(x.low, limit), lanes_half_clamp(x.high, limit)};
}

LANES float lanes_sum(lanes x) {
    const __m256 eight = _mm256_add_ps(x.low, x.high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

LANES float lanes_largest(lanes x) {
    const __m256 eight = _mm256_max_ps(x.low, x.high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

LANES int32_t lanes_store_int8(int8_t *p, lanes x, lanes y) {
    const __m256i a = _mm256_cvtps_epi32(x.low), b = _mm256_cvtps_epi32(x.high);
    const __m256i c = _mm256_cvtps_epi32(y.low), d = _mm256_cvtps_epi32(y.high);
    // Packing works within halves of a register: four bytes of each operand in turn, which the permutation sorts.
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    _mm256_storeu_si256((__m256i *)p, _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    const __m256i eight = _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return _mm_cvtsi128_si32(sum);
}

LANES __m256 lanes_half_exp(__m256 x) {
    const __m256 round = _mm256_set1_ps(LATHE_EXP_ROUND);
    const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(LATHE_EXP_LOG2E), round);
    const __m256 n = _mm256_sub_ps(shifted, round);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-LATHE_EXP_LN2_HIGH), x);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-LATHE_EXP_LN2_LOW), r);
    __m256 p = _mm256_set1_ps(LATHE_EXP_C6);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(LATHE_EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(LATHE_EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(LATHE_EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(LATHE_EXP_C2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0f));
    const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
    p = _mm256_blendv_ps(p, _mm256_set1_ps(LATHE_EXP_OVERFLOW),
                         _mm256_cmp_ps(x, _mm256_set1_ps(LATHE_EXP_HIGHEST), _CMP_GE_OQ));
    return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(LATHE_EXP_LOWEST), _CMP_LT_OQ), p);
}

LANES lanes lanes_exp(lanes x) { return (lanes){lanes_half_exp(x.low), lanes_half_exp(x.high)}; }

#include "vector.h"
