// The definition of search in a row of logits.
#include "scalar.h"

size_t lathe_find_at_least_scalar(const float *x, size_t n, float threshold) {
    size_t i = 0;
    while (i < n && !(x[i] >= threshold)) { i++; }
    return i;
}
