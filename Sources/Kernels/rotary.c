// Cosines and sines of rotary angles, in double precision and without libm's, so that they are the same everywhere.
#include "arithmetic.h"

static const double two_over_pi = 0x1.45f306dc9c883p-1;
static const double half_pi_1 = 0x1.921fb544p+0;             // 33 bits: exact times any quadrant below 2^20
static const double half_pi_2 = 0x1.0b4611a6p-34;            // the next 33 bits
static const double half_pi_3 = 0x1.3198a2e037073p-69;       // and the rest
static const double round_to_integer = 0x1.8p+52;

/// sin(r) for |r| <= pi / 4, within 1e-16.
static double sine_polynomial(double r) {
    const double z = r * r;
    double p = 1.0 / 355687428096000.0;
    p = p * z - 1.0 / 1307674368000.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z - 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z - 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    return r + r * z * p;
}

/// cos(r) for |r| <= pi / 4, within 1e-16.
static double cosine_polynomial(double r) {
    const double z = r * r;
    double p = 1.0 / 20922789888000.0;
    p = p * z - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    p = p * z - 0.5;
    return 1.0 + z * p;
}

void lathe_rotary_row(uint32_t position, const float *frequencies, size_t half, float factor, float *cosines,
                      float *sines) {
    for (size_t i = 0; i < half; i++) {
        const float angle = (float)position * frequencies[i];
        const double quadrant = ((double)angle * two_over_pi + round_to_integer) - round_to_integer;
        const double r = (((double)angle - quadrant * half_pi_1) - quadrant * half_pi_2) - quadrant * half_pi_3;
        const double s = sine_polynomial(r);
        const double c = cosine_polynomial(r);
        double cosine, sine;
        switch ((int64_t)quadrant & 3) {
        case 0: cosine = c, sine = s; break;
        case 1: cosine = -s, sine = c; break;
        case 2: cosine = -c, sine = -s; break;
        default: cosine = s, sine = -c; break;
        }
        cosines[i] = (float)(cosine * (double)factor);
        sines[i] = (float)(sine * (double)factor);
    }
}
