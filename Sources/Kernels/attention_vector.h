// Softmax attention over a key-value cache, and rotary embedding, over lanes. Query heads that share a key-value head
// come together, up to four at once, so that a key or value is loaded and converted once for all of them.
#pragma once

enum {
    LATHE_HEADS_MOST = 4,
    LATHE_CHUNKS_MOST = LANES_IN_FLIGHT,
};

LANES size_t chunks_for(size_t heads) { return heads < LANES_IN_FLIGHT ? LANES_IN_FLIGHT / heads : 1; }

LATHE_TARGET static void rotate(float *x, size_t half, const float *cosines, const float *sines) {
    for (size_t i = 0; i < half; i += 16) {
        const size_t count = half - i < 16 ? half - i : 16;
        const bool whole = count == 16;
        const lanes a = whole ? lanes_load(x + i) : lanes_load_some(x + i, count);
        const lanes b = whole ? lanes_load(x + half + i) : lanes_load_some(x + half + i, count);
        const lanes c = whole ? lanes_load(cosines + i) : lanes_load_some(cosines + i, count);
        const lanes s = whole ? lanes_load(sines + i) : lanes_load_some(sines + i, count);
        const lanes first = lanes_fma(a, c, lanes_negative(lanes_multiply(b, s)));
        const lanes second = lanes_fma(b, c, lanes_multiply(a, s));
        if (whole) {
            lanes_store(x + i, first);
            lanes_store(x + half + i, second);
        } else {
            lanes_store_some(x + i, first, count);
            lanes_store_some(x + half + i, second, count);
        }
    }
}

LATHE_TARGET static void softmax(float *x, size_t n) {
    const size_t whole = n / 16 * 16;
    float largest = x[0];
    if (whole > 0) {
        lanes most = lanes_load(x);
        for (size_t i = 16; i < whole; i += 16) { most = lanes_larger(most, lanes_load(x + i)); }
        largest = lanes_largest(most);
    }
    for (size_t i = whole; i < n; i++) { largest = x[i] > largest ? x[i] : largest; }

    const lanes shift = lanes_splat(largest);
    lanes partials = lanes_zero();
    for (size_t i = 0; i < whole; i += 16) {
        const lanes e = lanes_exp(lanes_subtract(lanes_load(x + i), shift));
        lanes_store(x + i, e);
        partials = lanes_add(partials, e);
    }
    if (whole < n) {
        lanes_store_some(x + whole, lanes_exp(lanes_subtract(lanes_load_some(x + whole, n - whole), shift)), n - whole);
        partials = lanes_add(partials, lanes_load_some(x + whole, n - whole));
    }

    const float inverse = 1.0f / lanes_sum(partials);
    const lanes scale = lanes_splat(inverse);
    for (size_t i = 0; i < whole; i += 16) { lanes_store(x + i, lanes_multiply(lanes_load(x + i), scale)); }
    for (size_t i = whole; i < n; i++) { x[i] = x[i] * inverse; }
}

/// The operands of one call, as kernels.h names them; keys or values are elements of `type`.
typedef struct attention_operands {
    lathe_packing type;
    const float *rows;
    size_t row_stride;
    const uint8_t *cache;
    size_t dimensions;
    const uint32_t *slots;
    size_t count;
    float scale;
    float *output;
    size_t output_stride;
} attention_operands;

/// Scores of `heads` heads from `head` on against `blocks` blocks of 16 keys from `block` on.
LANES void scores_block(const attention_operands *o, size_t head, size_t heads, size_t block, size_t blocks) {
    const size_t block_bytes = o->dimensions * 16 * lathe_element_bytes(o->type);
    const uint8_t *keys = o->cache + block * block_bytes;
    lanes sums[LATHE_HEADS_MOST][LATHE_CHUNKS_MOST];
    for (size_t h = 0; h < heads; h++) {
        for (size_t b = 0; b < blocks; b++) { sums[h][b] = lanes_zero(); }
    }
    for (size_t d = 0; d < o->dimensions; d++) {
        lanes key[LATHE_CHUNKS_MOST];
        for (size_t b = 0; b < blocks; b++) {
            key[b] = lanes_load_elements(o->type, keys + b * block_bytes + d * 16 * lathe_element_bytes(o->type));
        }
        for (size_t h = 0; h < heads; h++) {
            const lanes q = lanes_splat(o->rows[(head + h) * o->row_stride + d]);
            for (size_t b = 0; b < blocks; b++) { sums[h][b] = lanes_fma(q, key[b], sums[h][b]); }
        }
    }
    for (size_t h = 0; h < heads; h++) {
        float *scores = o->output + (head + h) * o->output_stride + block * 16;
        for (size_t b = 0; b < blocks; b++) {
            lanes_store(scores + b * 16, lanes_multiply(sums[h][b], lanes_splat(o->scale)));
        }
    }
}

LANES void scores_heads(const attention_operands *o, size_t head, size_t heads) {
    const size_t end = (o->count + 15) / 16;
    const size_t blocks = chunks_for(heads);
    size_t block = 0;
    for (; block + blocks <= end; block += blocks) { scores_block(o, head, heads, block, blocks); }
    for (; block < end; block++) { scores_block(o, head, heads, block, 1); }
}

/// `count` dimensions from `d` on, in `chunks` registers, of the value of one slot.
LANES void load_value(const attention_operands *o, size_t i, size_t d, size_t chunks, size_t count, lanes *value) {
    const size_t slot = o->slots != NULL ? o->slots[i] : i;
    const uint8_t *start = o->cache + (slot * o->dimensions + d) * lathe_element_bytes(o->type);
    for (size_t c = 0; c < chunks; c++) {
        const uint8_t *part = start + c * 16 * lathe_element_bytes(o->type);
        value[c] = count == chunks * 16 ? lanes_load_elements(o->type, part)
                                        : lanes_load_some_elements(o->type, part, count);
    }
}

/// Weighted values of `heads` heads in `count` dimensions: `chunks` times 16, or fewer than 16 in one chunk.
LANES void values_block(const attention_operands *o, size_t head, size_t heads, size_t d, size_t chunks,
                        size_t count) {
    lanes sums[LATHE_HEADS_MOST][LATHE_CHUNKS_MOST];
    for (size_t h = 0; h < heads; h++) {
        for (size_t c = 0; c < chunks; c++) { sums[h][c] = lanes_zero(); }
    }
    for (size_t i = 0; i < o->count; i++) {
        lanes value[LATHE_CHUNKS_MOST];
        load_value(o, i, d, chunks, count, value);
        for (size_t h = 0; h < heads; h++) {
            const lanes p = lanes_splat(o->rows[(head + h) * o->row_stride + i]);
            for (size_t c = 0; c < chunks; c++) { sums[h][c] = lanes_fma(p, value[c], sums[h][c]); }
        }
    }
    for (size_t h = 0; h < heads; h++) {
        float *output = o->output + (head + h) * o->output_stride + d;
        for (size_t c = 0; c < chunks; c++) {
            if (count == chunks * 16) {
                lanes_store(output + c * 16, sums[h][c]);
            } else {
                lanes_store_some(output, sums[h][c], count);
            }
        }
    }
}

LANES void values_heads(const attention_operands *o, size_t head, size_t heads) {
    const size_t chunks = chunks_for(heads);
    size_t d = 0;
    for (; d + chunks * 16 <= o->dimensions; d += chunks * 16) {
        values_block(o, head, heads, d, chunks, chunks * 16);
    }
    for (; d + 16 <= o->dimensions; d += 16) { values_block(o, head, heads, d, 1, 16); }
    if (d < o->dimensions) { values_block(o, head, heads, d, 1, o->dimensions - d); }
}

#define LATHE_FOR_HEADS(function)                                  \
    for (size_t head = 0; head < heads;) {                         \
        switch (heads - head) {                                    \
        case 1: function(&operands, head, 1); head += 1; break;    \
        case 2: function(&operands, head, 2); head += 2; break;    \
        case 3: function(&operands, head, 3); head += 3; break;    \
        default: function(&operands, head, 4); head += 4; break;   \
        }                                                          \
    }

LANES void scores(lathe_packing type, const float *queries, size_t query_stride, size_t heads, const void *keys,
                  size_t dimensions, size_t slots, float scale, float *output, size_t score_stride) {
    const attention_operands operands = {type,  queries, query_stride, keys,   dimensions,
                                         NULL,  slots,   scale,        output, score_stride};
    LATHE_FOR_HEADS(scores_heads)
}

LANES void values(lathe_packing type, const float *probabilities, size_t probability_stride, size_t heads,
                  const void *cache, size_t dimensions, const uint32_t *slots, size_t count, float *output,
                  size_t output_stride) {
    const attention_operands operands = {type,  probabilities, probability_stride, cache,  dimensions,
                                         slots, count,         1.0f,               output, output_stride};
    LATHE_FOR_HEADS(values_heads)
}

LATHE_TARGET static void scores_f16(const float *queries, size_t query_stride, size_t heads, const uint16_t *keys,
                                    size_t dimensions, size_t slots, float scale, float *output,
                                    size_t score_stride) {
    scores(LATHE_F16, queries, query_stride, heads, keys, dimensions, slots, scale, output, score_stride);
}

LATHE_TARGET static void scores_f32(const float *queries, size_t query_stride, size_t heads, const float *keys,
                                    size_t dimensions, size_t slots, float scale, float *output,
                                    size_t score_stride) {
    scores(LATHE_F32, queries, query_stride, heads, keys, dimensions, slots, scale, output, score_stride);
}

LATHE_TARGET static void values_f16(const float *probabilities, size_t probability_stride, size_t heads,
                                    const uint16_t *cache, size_t dimensions, const uint32_t *slots, size_t count,
                                    float *output, size_t output_stride) {
    values(LATHE_F16, probabilities, probability_stride, heads, cache, dimensions, slots, count, output,
           output_stride);
}

LATHE_TARGET static void values_f32(const float *probabilities, size_t probability_stride, size_t heads,
                                    const float *cache, size_t dimensions, const uint32_t *slots, size_t count,
                                    float *output, size_t output_stride) {
    values(LATHE_F32, probabilities, probability_stride, heads, cache, dimensions, slots, count, output,
           output_stride);
}
