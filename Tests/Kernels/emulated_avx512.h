// AVX-512 over SIMDe, on processors with AVX2, FMA and F16C; what SIMDe lacks is made of 256-bit operations.
#pragma once
#include <string.h>

// Calls instead of copies: inlined, the products take a compiler tens of minutes.
#define SIMDE_NO_INLINE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtps_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtepi32_epi8
#undef _mm512_cvtepu16_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_fmadd_ps
#undef _mm512_srai_epi32
#define _mm512_cvtph_ps emulated_cvtph_ps
#define _mm512_cvtps_ph(x, rounding) emulated_cvtps_ph(x)
#define _mm512_cvtps_epi32 emulated_cvtps_epi32
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps
#define _mm512_cvtepi32_epi8 emulated_cvtepi32_epi8
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#define _mm512_cvtepi8_epi32 emulated_cvtepi8_epi32
#define _mm512_fmadd_ps emulated_fmadd_ps
#define _mm512_srai_epi32 emulated_srai_epi32

typedef union emulated_register {
    __m512 floats;
    __m512i integers;
    __m256 float_halves[2];
    __m256i integer_halves[2];
} emulated_register;

static inline __m512 emulated_cvtph_ps(__m256i x) {
    emulated_register r;
    r.float_halves[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(x));
    r.float_halves[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1));
    return r.floats;
}

static inline __m256i emulated_cvtps_ph(__m512 x) {
    emulated_register r = {.floats = x};
    const __m128i low = _mm256_cvtps_ph(r.float_halves[0], _MM_FROUND_TO_NEAREST_INT);
    const __m128i high = _mm256_cvtps_ph(r.float_halves[1], _MM_FROUND_TO_NEAREST_INT);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

static inline __m512i emulated_cvtps_epi32(__m512 x) {
    emulated_register r = {.floats = x};
    r.integer_halves[0] = _mm256_cvtps_epi32(r.float_halves[0]);
    r.integer_halves[1] = _mm256_cvtps_epi32(r.float_halves[1]);
    return r.integers;
}

static inline __m512 emulated_cvtepi32_ps(__m512i x) {
    emulated_register r = {.integers = x};
    r.float_halves[0] = _mm256_cvtepi32_ps(r.integer_halves[0]);
    r.float_halves[1] = _mm256_cvtepi32_ps(r.integer_halves[1]);
    return r.floats;
}

static inline __m128i emulated_cvtepi32_epi8(__m512i x) {
    int32_t wide[16];
    int8_t narrow[16];
    memcpy(wide, &x, sizeof wide);
    for (int i = 0; i < 16; i++) { narrow[i] = (int8_t)wide[i]; }
    return _mm_loadu_si128((const __m128i *)narrow);
}

static inline __m512i emulated_cvtepu16_epi32(__m256i x) {
    emulated_register r;
    r.integer_halves[0] = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(x));
    r.integer_halves[1] = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(x, 1));
    return r.integers;
}

static inline __m512i emulated_cvtepi8_epi32(__m128i x) {
    emulated_register r;
    r.integer_halves[0] = _mm256_cvtepi8_epi32(x);
    r.integer_halves[1] = _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8));
    return r.integers;
}

static inline __m512i emulated_srai_epi32(__m512i x, unsigned bits) {
    emulated_register r = {.integers = x};
    for (int i = 0; i < 2; i++) { r.integer_halves[i] = _mm256_srai_epi32(r.integer_halves[i], (int)bits); }
    return r.integers;
}

/// One rounding for certain, whatever SIMDe was built from.
static inline __m512 emulated_fmadd_ps(__m512 a, __m512 b, __m512 c) {
    emulated_register x = {.floats = a}, y = {.floats = b}, z = {.floats = c};
    for (int i = 0; i < 2; i++) {
        z.float_halves[i] = _mm256_fmadd_ps(x.float_halves[i], y.float_halves[i], z.float_halves[i]);
    }
    return z.floats;
}
