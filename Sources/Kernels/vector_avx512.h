// Sixteen float lanes as one AVX-512 register; vector.h says what each operation means.
#pragma once
#include "layout.h"

// The tests run these files on any processor over an emulation, which they name here.
#ifdef LATHE_AVX512_EMULATION
#include LATHE_AVX512_EMULATION
#define LATHE_TARGET
#else
#include <immintrin.h>
#define LATHE_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#endif

#define LANES LATHE_INLINE LATHE_TARGET
#define LANES_IN_FLIGHT 8
#define LANES_SUMS 24

typedef __m512 lanes;

LANES lanes lanes_zero(void) { return _mm512_setzero_ps(); }
LANES lanes lanes_splat(float x) { return _mm512_set1_ps(x); }
LANES lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
LANES void lanes_store(float *p, lanes x) { _mm512_storeu_ps(p, x); }
LANES lanes lanes_load_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }

LANES lanes lanes_load_bf16(const uint16_t *p) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

LANES lanes lanes_load_int8(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

LANES void lanes_store_f16(uint16_t *p, lanes x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

LANES lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
LANES lanes lanes_subtract(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
LANES lanes lanes_multiply(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
LANES lanes lanes_divide(lanes a, lanes b) { return _mm512_div_ps(a, b); }
LANES lanes lanes_larger(lanes a, lanes b) { return _mm512_max_ps(a, b); }
LANES lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
LANES lanes lanes_negative(lanes x) { return _mm512_xor_ps(x, _mm512_set1_ps(-0.0f)); }
LANES lanes lanes_magnitude(lanes x) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x); }

// Where an operand is NaN, the processor's minimum and maximum are the second one.
LANES lanes lanes_clamp(lanes x, float limit) {
    return _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(limit)), _mm512_set1_ps(-limit));
}

LANES __m256 lanes_low(lanes x) { return _mm512_castps512_ps256(x); }
LANES __m256 lanes_high(lanes x) {
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}

LANES float lanes_sum(lanes x) {
    const __m256 eight = _mm256_add_ps(lanes_low(x), lanes_high(x));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

LANES float lanes_largest(lanes x) {
    const __m256 eight = _mm256_max_ps(lanes_low(x), lanes_high(x));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

LANES int32_t lanes_store_int8(int8_t *p, lanes x, lanes y) {
    const __m512i first = _mm512_cvtps_epi32(x), second = _mm512_cvtps_epi32(y);
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(first));
    _mm_storeu_si128((__m128i *)(p + 16), _mm512_cvtepi32_epi8(second));
    const __m512i wide = _mm512_add_epi32(first, second);
    const __m256i eight = _mm256_add_epi32(_mm512_castsi512_si256(wide), _mm512_extracti64x4_epi64(wide, 1));
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return _mm_cvtsi128_si32(sum);
}

LANES lanes lanes_exp(lanes x) {
    const __m512 round = _mm512_set1_ps(LATHE_EXP_ROUND);
    const __m512 shifted = _mm512_fmadd_ps(x, _mm512_set1_ps(LATHE_EXP_LOG2E), round);
    const __m512 n = _mm512_sub_ps(shifted, round);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-LATHE_EXP_LN2_HIGH), x);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-LATHE_EXP_LN2_LOW), r);
    __m512 p = _mm512_set1_ps(LATHE_EXP_C6);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(LATHE_EXP_C5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(LATHE_EXP_C4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(LATHE_EXP_C3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(LATHE_EXP_C2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    const __m512i power = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    p = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), power));
    p = _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, _mm512_set1_ps(LATHE_EXP_HIGHEST), _CMP_GE_OQ),
                           _mm512_set1_ps(LATHE_EXP_OVERFLOW));
    return _mm512_mask_mov_ps(p, _mm512_cmp_ps_mask(x, _mm512_set1_ps(LATHE_EXP_LOWEST), _CMP_LT_OQ),
                              _mm512_setzero_ps());
}

#include "vector.h"
