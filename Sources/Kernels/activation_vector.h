// SwiGLU over lanes.
#pragma once

LANES lanes silu_times(lanes gate, lanes up) {
    const lanes denominator = lanes_add(lanes_splat(1.0f), lanes_exp(lanes_negative(gate)));
    return lanes_multiply(lanes_divide(gate, denominator), up);
}

LATHE_TARGET static void silu_gate(const float *gate, const float *up, size_t n, float *y) {
    size_t i = 0;
    for (; i + 16 <= n; i += 16) { lanes_store(y + i, silu_times(lanes_load(gate + i), lanes_load(up + i))); }
    if (i < n) {
        const size_t rest = n - i;
        lanes_store_some(y + i, silu_times(lanes_load_some(gate + i, rest), lanes_load_some(up + i, rest)), rest);
    }
}
