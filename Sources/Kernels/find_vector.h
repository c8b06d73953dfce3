// Search in a row of logits, over lanes.
#pragma once

LATHE_TARGET static size_t find_at_least(const float *x, size_t n, float threshold) {
    enum { LATHE_FIND_STEP = 64 };
    size_t i = 0;
    // One reduction answers for four registers: where a threshold is any good, hits are rare.
    for (; i + LATHE_FIND_STEP <= n; i += LATHE_FIND_STEP) {
        const lanes first = lanes_larger(lanes_load(x + i), lanes_load(x + i + 16));
        const lanes second = lanes_larger(lanes_load(x + i + 32), lanes_load(x + i + 48));
        if (lanes_largest(lanes_larger(first, second)) >= threshold) { break; }
    }
    while (i < n && !(x[i] >= threshold)) { i++; }
    return i;
}
