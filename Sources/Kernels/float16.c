// IEEE half precision by integer operations, the same bits as the processors' conversions.
#include "arithmetic.h"

#include <string.h>

float lathe_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t exponent = (h >> 10) & 0x1fu;
    uint32_t fraction = h & 0x3ffu;
    uint32_t bits;
    if (exponent == 0x1f) {
        const uint32_t quiet = fraction != 0 ? 0x00400000u : 0;
        bits = sign | 0x7f800000u | quiet | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else if (fraction == 0) {
        bits = sign;
    } else {
        uint32_t shift = 0;
        while ((fraction & 0x400u) == 0) {
            fraction <<= 1;
            shift++;
        }
        bits = sign | (113 - shift) << 23 | (fraction & 0x3ffu) << 13;
    }
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/// `value / 2^shift` to the nearest integer, ties to even; 1 <= shift <= 31.
static uint32_t shift_to_even(uint32_t value, uint32_t shift) {
    const uint32_t half = 1u << (shift - 1);
    const uint32_t odd = (value >> shift) & 1;
    return (value + half - 1 + odd) >> shift;
}

uint16_t lathe_f32_to_f16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) { return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu)); }
    if (magnitude >= 0x477ff000u) { return (uint16_t)(sign | 0x7c00u); }  // rounds to 2^16 or more
    if (magnitude >= 0x38800000u) { return (uint16_t)(sign | shift_to_even(magnitude - 0x38000000u, 13)); }
    if (magnitude <= 0x33000000u) { return (uint16_t)sign; }  // at most half of the smallest subnormal
    const uint32_t fraction = (magnitude & 0x7fffffu) | 0x800000u;
    return (uint16_t)(sign | shift_to_even(fraction, 126 - (magnitude >> 23)));
}
