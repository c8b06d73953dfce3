// SwiGLU: the definition.
#include "scalar.h"

void lathe_silu_gate_scalar(const float *gate, const float *up, size_t n, float *y) {
    for (size_t i = 0; i < n; i++) { y[i] = (gate[i] / (1.0f + lathe_exp(-gate[i]))) * up[i]; }
}
