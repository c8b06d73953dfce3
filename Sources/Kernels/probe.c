#include "arithmetic.h"
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/// Keeps the compiler from leaving the work out.
static volatile uint64_t sink;

uint64_t lathe_probe_read(const void *memory, size_t bytes) {
    const uint64_t *words = memory;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    size_t count = bytes / 8;
    for (size_t i = 0; i + 16 <= count; i += 16) {
        __builtin_prefetch(words + i + 256);
        __builtin_prefetch(words + i + 264);
        for (size_t j = 0; j < 16; j += 4) {
            a += words[i + j];
            b += words[i + j + 1];
            c += words[i + j + 2];
            d += words[i + j + 3];
        }
    }
    return a + b + c + d;
}

/// Independent accumulators: more than the latency of a multiply-add times the units that do it.
#define CHAINS 10

static uint64_t scalar_int8(size_t iterations) {
    uint32_t sums[4] = {1, 2, 3, 4};
    uint32_t factor = (uint32_t)iterations | 3;
    for (size_t i = 0; i < iterations; i++)
        for (int j = 0; j < 4; j++) sums[j] = sums[j] * factor + 7;
    sink = sums[0] + sums[1] + sums[2] + sums[3];
    return iterations * 4;
}

static uint64_t scalar_float32(size_t iterations) {
    float sums[4] = {1, 2, 3, 4};
    float factor = 1.0f + (float)(iterations & 1);
    for (size_t i = 0; i < iterations; i++)
        for (int j = 0; j < 4; j++) sums[j] = sums[j] * factor + 1e-9f;
    sink = (uint64_t)(sums[0] + sums[1] + sums[2] + sums[3]);
    return iterations * 4;
}

#if defined(__x86_64__)
/// As in the products of 4-bit codes: eight 16-bit sums, then one widening.
__attribute__((target("avx2,fma"))) static uint64_t avx2_int8(size_t iterations) {
    enum { chains = 6, narrow_sums = 8 };
    __m256i wide[chains], codes = _mm256_set1_epi8((char)(iterations & 7)), values = _mm256_set1_epi8(3);
    const __m256i ones = _mm256_set1_epi16(1);
    for (int j = 0; j < chains; j++) wide[j] = _mm256_setzero_si256();
    for (size_t i = 0; i < iterations; i++) {
        __m256i narrow[chains];
        for (int j = 0; j < chains; j++) narrow[j] = _mm256_setzero_si256();
        for (int k = 0; k < narrow_sums; k++) {
            for (int j = 0; j < chains; j++) {
                narrow[j] = _mm256_add_epi16(narrow[j], _mm256_maddubs_epi16(codes, values));
                // Every chain multiplies anew: the compiler may not see that the operands are the same.
                __asm__ volatile("" : "+x"(codes), "+x"(values));
            }
        }
        for (int j = 0; j < chains; j++) wide[j] = _mm256_add_epi32(wide[j], _mm256_madd_epi16(narrow[j], ones));
    }
    __m256i total = wide[0];
    for (int j = 1; j < chains; j++) total = _mm256_add_epi32(total, wide[j]);
    sink = (uint64_t)_mm256_extract_epi64(total, 0);
    return iterations * chains * narrow_sums * 32;
}

__attribute__((target("avx2,fma"))) static uint64_t avx2_float32(size_t iterations) {
    __m256 sums[CHAINS], a = _mm256_set1_ps((float)(iterations & 1)), b = _mm256_set1_ps(0.5f);
    for (int j = 0; j < CHAINS; j++) sums[j] = _mm256_setzero_ps();
    for (size_t i = 0; i < iterations; i++) {
        for (int j = 0; j < CHAINS; j++) sums[j] = _mm256_fmadd_ps(a, b, sums[j]);
        __asm__ volatile("" : "+x"(a), "+x"(b));
    }
    __m256 total = sums[0];
    for (int j = 1; j < CHAINS; j++) total = _mm256_add_ps(total, sums[j]);
    sink = (uint64_t)_mm256_cvtss_f32(total);
    return iterations * CHAINS * 8;
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

AVX512 static uint64_t avx512_int8(size_t iterations) {
    __m512i sums[CHAINS], codes = _mm512_set1_epi8((char)(iterations & 7)), values = _mm512_set1_epi8(3);
    for (int j = 0; j < CHAINS; j++) sums[j] = _mm512_setzero_si512();
    for (size_t i = 0; i < iterations; i++) {
        for (int j = 0; j < CHAINS; j++) sums[j] = _mm512_dpbusd_epi32(sums[j], codes, values);
        __asm__ volatile("" : "+v"(codes), "+v"(values));
    }
    __m512i total = sums[0];
    for (int j = 1; j < CHAINS; j++) total = _mm512_add_epi32(total, sums[j]);
    sink = (uint64_t)_mm512_reduce_add_epi32(total);
    return iterations * CHAINS * 64;
}

AVX512 static uint64_t avx512_float32(size_t iterations) {
    __m512 sums[CHAINS], a = _mm512_set1_ps((float)(iterations & 1)), b = _mm512_set1_ps(0.5f);
    for (int j = 0; j < CHAINS; j++) sums[j] = _mm512_setzero_ps();
    for (size_t i = 0; i < iterations; i++) {
        for (int j = 0; j < CHAINS; j++) sums[j] = _mm512_fmadd_ps(a, b, sums[j]);
        __asm__ volatile("" : "+v"(a), "+v"(b));
    }
    __m512 total = sums[0];
    for (int j = 1; j < CHAINS; j++) total = _mm512_add_ps(total, sums[j]);
    sink = (uint64_t)_mm512_reduce_add_ps(total);
    return iterations * CHAINS * 16;
}
#elif defined(__aarch64__)
__attribute__((target("arch=armv8.2-a+dotprod"))) static uint64_t neon_int8(size_t iterations) {
    int32x4_t sums[CHAINS];
    int8x16_t codes = vdupq_n_s8((int8_t)(iterations & 7)), values = vdupq_n_s8(3);
    for (int j = 0; j < CHAINS; j++) sums[j] = vdupq_n_s32(0);
    for (size_t i = 0; i < iterations; i++) {
        for (int j = 0; j < CHAINS; j++) sums[j] = vdotq_s32(sums[j], codes, values);
        __asm__ volatile("" : "+w"(codes), "+w"(values));
    }
    int32x4_t total = sums[0];
    for (int j = 1; j < CHAINS; j++) total = vaddq_s32(total, sums[j]);
    sink = (uint64_t)vaddvq_s32(total);
    return iterations * CHAINS * 16;
}

static uint64_t neon_float32(size_t iterations) {
    float32x4_t sums[CHAINS], a = vdupq_n_f32((float)(iterations & 1)), b = vdupq_n_f32(0.5f);
    for (int j = 0; j < CHAINS; j++) sums[j] = vdupq_n_f32(0);
    for (size_t i = 0; i < iterations; i++) {
        for (int j = 0; j < CHAINS; j++) sums[j] = vfmaq_f32(sums[j], a, b);
        __asm__ volatile("" : "+w"(a), "+w"(b));
    }
    float32x4_t total = sums[0];
    for (int j = 1; j < CHAINS; j++) total = vaddq_f32(total, sums[j]);
    sink = (uint64_t)vaddvq_f32(total);
    return iterations * CHAINS * 4;
}
#endif

uint64_t lathe_probe_int8(lathe_isa isa, size_t iterations) {
    switch (isa) {
#if defined(__x86_64__)
    case LATHE_ISA_AVX2: return avx2_int8(iterations);
    case LATHE_ISA_AVX512: return avx512_int8(iterations);
#elif defined(__aarch64__)
    case LATHE_ISA_NEON: return neon_int8(iterations);
#endif
    default: return scalar_int8(iterations);
    }
}

uint64_t lathe_probe_float32(lathe_isa isa, size_t iterations) {
    switch (isa) {
#if defined(__x86_64__)
    case LATHE_ISA_AVX2: return avx2_float32(iterations);
    case LATHE_ISA_AVX512: return avx512_float32(iterations);
#elif defined(__aarch64__)
    case LATHE_ISA_NEON: return neon_float32(iterations);
#endif
    default: return scalar_float32(iterations);
    }
}
