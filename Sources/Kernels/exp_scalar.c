// The exponential function that every instruction set computes.
#include "arithmetic.h"

#include <math.h>
#include <string.h>

float lathe_exp(float x) {
    if (x < LATHE_EXP_LOWEST) { return 0.0f; }
    if (x >= LATHE_EXP_HIGHEST) { return LATHE_EXP_OVERFLOW; }
    const float shifted = fmaf(x, LATHE_EXP_LOG2E, LATHE_EXP_ROUND);
    const float n = shifted - LATHE_EXP_ROUND;
    float r = fmaf(n, -LATHE_EXP_LN2_HIGH, x);
    r = fmaf(n, -LATHE_EXP_LN2_LOW, r);
    float p = LATHE_EXP_C6;
    p = fmaf(p, r, LATHE_EXP_C5);
    p = fmaf(p, r, LATHE_EXP_C4);
    p = fmaf(p, r, LATHE_EXP_C3);
    p = fmaf(p, r, LATHE_EXP_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    // The product with 2^n is a normal float in this range, so n is added to the exponent.
    uint32_t bits, power;
    memcpy(&bits, &p, sizeof bits);
    memcpy(&power, &shifted, sizeof power);
    bits += power << 23;
    memcpy(&p, &bits, sizeof p);
    return p;
}
