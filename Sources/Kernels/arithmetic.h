// Included first by every file here: arithmetic is as written, so that all instruction sets and compilers agree.
#pragma once

// GCC does not know the standard's pragma, and it would contract even a product and a sum written as intrinsics.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#else
#pragma GCC optimize("fp-contract=off")
#endif

#include "kernels.h"

#define LATHE_INLINE static inline __attribute__((always_inline))

// In front of a loop whose count is known: unrolled, so that arrays become registers; or kept as a loop, so that the
// code stays small.
#if defined(__clang__)
#define LATHE_UNROLL _Pragma("clang loop unroll(full)")
#define LATHE_ROLL _Pragma("clang loop unroll(disable)")
#else
#define LATHE_UNROLL _Pragma("GCC unroll 16")
#define LATHE_ROLL _Pragma("GCC unroll 1")
#endif

// lathe_exp's constants: x = n * ln 2 + r, then exp(r) = 1 + r + r * r * (C2 + C3 * r + ...), |r| <= ln(2) / 2.
#define LATHE_EXP_LOWEST (-0x1.5d589ep+6f)   // -87.336540: the result is the smallest normal float
#define LATHE_EXP_HIGHEST 0x1.62e430p+6f     // 88.722839: the result would be past the largest finite float
#define LATHE_EXP_OVERFLOW 0x1.fffffep+127f
#define LATHE_EXP_LOG2E 0x1.715476p+0f
#define LATHE_EXP_ROUND 0x1.8p+23f           // adding it leaves the integer nearest to a small float in the low bits
#define LATHE_EXP_LN2_HIGH 0x1.62e430p-1f
#define LATHE_EXP_LN2_LOW (-0x1.05c610p-29f)
#define LATHE_EXP_C2 0x1.fffffcp-2f
#define LATHE_EXP_C3 0x1.555492p-3f
#define LATHE_EXP_C4 0x1.5558aap-5f
#define LATHE_EXP_C5 0x1.12396ep-7f
#define LATHE_EXP_C6 0x1.6a524ap-10f

/// A group whose largest magnitude is below this quantizes to zero; it keeps 127 / largest finite.
#define LATHE_QUANTIZE_LEAST 0x1p-100f

/// The largest finite half: what an f16 cache clamps to.
#define LATHE_F16_LARGEST 65504.0f
