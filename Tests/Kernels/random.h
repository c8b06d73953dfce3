// A deterministic source of test data.
#pragma once
#include <stdint.h>
#include <string.h>

typedef struct random_source {
    uint64_t state;
} random_source;

static inline uint32_t next_bits(random_source *source) {
    source->state += 0x9e3779b97f4a7c15u;
    uint64_t z = source->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/// Uniform in [-1, 1).
static inline float next_unit(random_source *source) { return (float)(int32_t)next_bits(source) * 0x1p-31f; }

/// A finite float of ordinary size; one in sixteen is zero, tiny or large.
static inline float next_float(random_source *source) {
    const float unit = next_unit(source);
    switch (next_bits(source) % 64) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return unit * 0x1p-30f;
    case 3: return unit * 0x1p+12f;
    default: return unit * 4.0f;
    }
}

/// A finite half, subnormal ones and zeros among them.
static inline uint16_t next_half(random_source *source) {
    const uint32_t bits = next_bits(source);
    const uint16_t half = (uint16_t)(bits & 0xbfff);  // magnitudes below 2
    return bits >> 28 == 0 ? (uint16_t)(half & 0x83ff) : half;
}
