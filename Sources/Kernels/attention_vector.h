// Softmax attention over a key-value cache, and rotary embedding, over lanes.
#pragma once
#include "panels.h"

#include <math.h>

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

/// One query's part of `softmax_segment`. Positions outside the visible ones become negative infinity in the blocks that
/// they share with visible ones, so that whole blocks can be taken: their exponential is 0.
LANES void softmax_row(float *x, size_t padded, size_t begin, size_t end, float *largest, float *sum) {
    if (begin >= end) {
        memset(x, 0, padded * sizeof *x);
        *largest = 0.0f;
        *sum = 0.0f;
        return;
    }
    const size_t first = begin / 16 * 16, last = (end + 15) / 16 * 16;
    for (size_t i = first; i < begin; i++) { x[i] = -INFINITY; }
    for (size_t i = end; i < last; i++) { x[i] = -INFINITY; }
    lanes most = lanes_load(x + first);
    for (size_t i = first + 16; i < last; i += 16) { most = lanes_larger(most, lanes_load(x + i)); }
    *largest = lanes_largest(most) + 0.0f;
    const lanes shift = lanes_splat(*largest);
    lanes partials = lanes_zero();
    for (size_t i = first; i < last; i += 16) {
        const lanes e = lanes_exp(lanes_subtract(lanes_load(x + i), shift));
        lanes_store(x + i, e);
        partials = lanes_add(partials, e);
    }
    *sum = lanes_sum(partials);
    memset(x, 0, first * sizeof *x);
    memset(x + last, 0, (padded - last) * sizeof *x);
}

LATHE_TARGET static void softmax_segment(float *scores, size_t stride, size_t queries, size_t count,
                                         const uint32_t *begins, const uint32_t *ends, float *largest, float *sums) {
    const size_t padded = (count + 15) / 16 * 16;
    for (size_t query = 0; query < queries; query++) {
        softmax_row(scores + query * stride, padded, begins[query], ends[query], largest + query, sums + query);
    }
}

enum {
    VALUE_QUERIES_MOST = 6,  // queries of one block: 6, 4, 3, 2 or 1
    VALUE_CHUNKS_MOST = 4,   // times 16 dimensions
    VALUE_PREFETCH_BYTES = 4096,
    VALUE_BATCH = 64,        // positions, and dimensions, that are converted at once for many queries: 16 KiB
};

/// Registers of 16 dimensions for each of `queries` queries, so that their sums and one position's values fit.
LANES size_t value_chunks(size_t queries) {
    return LANES_IN_FLIGHT >= 8 ? VALUE_CHUNKS_MOST : queries >= VALUE_CHUNKS_MOST ? 1 : VALUE_CHUNKS_MOST / queries;
}

/// 16 dimensions from `d` on of a value row, or the first `count` of them and zeros.
LANES lanes load_value(lathe_packing packing, const uint8_t *row, size_t dimensions, size_t d, size_t count) {
    if (packing == LATHE_INT8_SYMMETRIC) {
        const float scale = ((const float *)(row + dimensions))[d / LATHE_BLOCK];
        return lanes_multiply(lanes_splat(scale), lanes_load_int8((const int8_t *)row + d));
    }
    const uint8_t *start = row + d * lathe_element_bytes(packing);
    return count == 16 ? lanes_load_elements(packing, start) : lanes_load_some_elements(packing, start, count);
}

/// Asks for a value row that follows this one at some distance: the next segment's, near the end of one.
LANES void prefetch_value(const uint8_t *row, size_t row_bytes) {
    for (size_t offset = 0; offset < row_bytes; offset += 64) {
        __builtin_prefetch(row + VALUE_PREFETCH_BYTES + offset, 0, 3);
    }
}

/// Adds the positions [0, count) to the sums of `queries` queries from `query` on, in `width` dimensions from `d` on:
/// `chunks` times 16, or fewer in one chunk. `o` is the part of the operands that is added: the sums start from 0 with the
/// `first` part, and the `last` one makes zeros positive.
LANES void value_block(const lathe_weighted_values *o, lathe_packing packing, size_t query, size_t queries, size_t d,
                       size_t chunks, size_t width, bool first, bool last) {
    const size_t row_bytes = lathe_value_bytes(packing, o->dimensions);
    const float *weights = o->weights + query * o->weight_stride;
    float *output = o->output + query * o->output_stride + d;
    const bool whole = width == chunks * 16;
    const bool prefetches = first && last && d == 0 && query == 0;
    lanes sums[VALUE_QUERIES_MOST][VALUE_CHUNKS_MOST];
    for (size_t q = 0; q < queries; q++) {
        for (size_t c = 0; c < chunks; c++) { sums[q][c] = lanes_zero(); }
    }
    if (!first) {
        for (size_t q = 0; q < queries; q++) {
            for (size_t c = 0; c < chunks; c++) {
                const float *sum = output + q * o->output_stride + c * 16;
                sums[q][c] = whole ? lanes_load(sum) : lanes_load_some(sum, width);
            }
        }
    }
    for (size_t i = 0; i < o->count; i++) {
        const uint8_t *row = o->values + (o->slots != NULL ? o->slots[i] : i) * row_bytes;
        lanes value[VALUE_CHUNKS_MOST];
        if (prefetches) { prefetch_value(row, row_bytes); }
        for (size_t c = 0; c < chunks; c++) {
            value[c] = load_value(packing, row, o->dimensions, d + c * 16, whole ? 16 : width);
        }
        for (size_t q = 0; q < queries; q++) {
            const lanes weight = lanes_splat(weights[q * o->weight_stride + i]);
            for (size_t c = 0; c < chunks; c++) { sums[q][c] = lanes_fma(weight, value[c], sums[q][c]); }
        }
    }
    if (last) {
        for (size_t q = 0; q < queries; q++) {
            for (size_t c = 0; c < chunks; c++) { sums[q][c] = lanes_add(sums[q][c], lanes_zero()); }
        }
    }
    for (size_t q = 0; q < queries; q++) {
        for (size_t c = 0; c < chunks; c++) {
            float *sum = output + q * o->output_stride + c * 16;
            if (whole) {
                lanes_store(sum, sums[q][c]);
            } else {
                lanes_store_some(sum, sums[q][c], width);
            }
        }
    }
}

LANES void value_queries(const lathe_weighted_values *o, lathe_packing packing, size_t query, size_t queries, bool first,
                         bool last) {
    const size_t chunks = value_chunks(queries);
    size_t d = 0;
    for (; d + chunks * 16 <= o->dimensions; d += chunks * 16) {
        value_block(o, packing, query, queries, d, chunks, chunks * 16, first, last);
    }
    for (; d < o->dimensions; d += 16) {
        const size_t left = o->dimensions - d;
        value_block(o, packing, query, queries, d, 1, left < 16 ? left : 16, first, last);
    }
}

/// All queries in blocks of a constant number.
LANES void value_all_queries(const lathe_weighted_values *o, lathe_packing packing, bool first, bool last) {
    for (size_t query = 0; query < o->queries;) {
        const size_t left = o->queries - query;
        switch (LATHE_IS_COMPACT ? (left < 3 ? 1 : 3) : left) {
        case 1: value_queries(o, packing, query, 1, first, last); query += 1; break;
        case 2: value_queries(o, packing, query, 2, first, last); query += 2; break;
        case 3:
        case 5: value_queries(o, packing, query, 3, first, last); query += 3; break;
        case 4: value_queries(o, packing, query, 4, first, last); query += 4; break;
        default: value_queries(o, packing, query, 6, first, last); query += 6; break;
        }
    }
}

LATHE_TARGET static void add_batch(const lathe_weighted_values *o, bool first, bool last) {
    value_all_queries(o, LATHE_F32, first, last);
}

/// Many queries, or any number in a compact build: batches of values are converted once, for all of them.
LANES void weigh_many(const lathe_weighted_values *o, lathe_packing packing) {
    float converted[VALUE_BATCH * VALUE_BATCH];
    const size_t row_bytes = lathe_value_bytes(packing, o->dimensions);
    for (size_t d = 0; d < o->dimensions; d += VALUE_BATCH) {
        const size_t width = o->dimensions - d < VALUE_BATCH ? o->dimensions - d : VALUE_BATCH;
        size_t begin = 0;
        do {
            const size_t count = o->count - begin < VALUE_BATCH ? o->count - begin : VALUE_BATCH;
            for (size_t i = 0; i < count; i++) {
                const size_t slot = o->slots != NULL ? o->slots[begin + i] : begin + i;
                const uint8_t *row = o->values + slot * row_bytes;
                prefetch_value(row, row_bytes);
                for (size_t k = 0; k < width; k += 16) {
                    const size_t lanes_left = width - k;
                    if (lanes_left >= 16) {
                        lanes_store(converted + i * width + k, load_value(packing, row, o->dimensions, d + k, 16));
                    } else {
                        const lanes part = load_value(packing, row, o->dimensions, d + k, lanes_left);
                        lanes_store_some(converted + i * width + k, part, lanes_left);
                    }
                }
            }
            lathe_weighted_values batch = *o;
            batch.packing = LATHE_F32;
            batch.dimensions = width;
            batch.values = (const uint8_t *)converted;
            batch.slots = NULL;
            batch.count = count;
            batch.weights = o->weights + begin;
            batch.output = o->output + d;
            add_batch(&batch, begin == 0, begin + count == o->count);
            begin += count;
        } while (begin < o->count);
    }
}

LANES void weigh_packed(const lathe_weighted_values *o, lathe_packing packing) {
    if (LATHE_IS_COMPACT && packing == LATHE_F32) {
        add_batch(o, true, true);
    } else if (LATHE_IS_COMPACT || o->queries > VALUE_QUERIES_MOST) {
        weigh_many(o, packing);
    } else {
        value_all_queries(o, packing, true, true);
    }
}

LATHE_TARGET static void weigh_values(const lathe_weighted_values *operands) {
    switch (operands->packing) {
    case LATHE_F16: weigh_packed(operands, LATHE_F16); break;
    case LATHE_INT8_SYMMETRIC: weigh_packed(operands, LATHE_INT8_SYMMETRIC); break;
    default: weigh_packed(operands, LATHE_F32); break;
    }
}

/// Merges one query's outputs: `kept` and `gained` are its two exponentials.
LANES void merge_outputs(size_t dimensions, float kept, float gained, const float *added, float *output) {
    size_t d = 0;
    for (; d + 16 <= dimensions; d += 16) {
        const lanes sum = lanes_multiply(lanes_load(added + d), lanes_splat(gained));
        lanes_store(output + d, lanes_fma(lanes_load(output + d), lanes_splat(kept), sum));
    }
    for (; d < dimensions; d++) { output[d] = fmaf(output[d], kept, added[d] * gained); }
}

LATHE_TARGET static void merge_segment(size_t queries, size_t dimensions, const float *segment_largest,
                                       const float *segment_sums, const float *segment_outputs, float *largest,
                                       float *sums, float *outputs) {
    for (size_t first = 0; first < queries; first += 16) {
        const size_t count = queries - first < 16 ? queries - first : 16;
        float most[16], kept[16] = {0}, gained[16] = {0};
        for (size_t i = 0; i < count; i++) {
            const float a = largest[first + i], b = segment_largest[first + i];
            most[i] = a > b ? a : b;
            kept[i] = a - most[i];
            gained[i] = b - most[i];
        }
        lanes_store(kept, lanes_exp(lanes_load(kept)));
        lanes_store(gained, lanes_exp(lanes_load(gained)));
        for (size_t i = 0; i < count; i++) {
            const size_t query = first + i;
            const float *added = segment_outputs + query * dimensions;
            float *output = outputs + query * dimensions;
            if (segment_sums[query] == 0.0f) { continue; }
            if (sums[query] == 0.0f) {
                largest[query] = segment_largest[query];
                sums[query] = segment_sums[query];
                memcpy(output, added, dimensions * sizeof *output);
                continue;
            }
            largest[query] = most[i];
            sums[query] = fmaf(sums[query], kept[i], segment_sums[query] * gained[i]);
            merge_outputs(dimensions, kept[i], gained[i], added, output);
        }
    }
}

LATHE_TARGET static void finish_attention(const float *o, float l, size_t dimensions, float *y) {
    const float inverse = 1.0f / l;
    size_t d = 0;
    for (; d + 16 <= dimensions; d += 16) {
        lanes_store(y + d, lanes_multiply(lanes_load(o + d), lanes_splat(inverse)));
    }
    for (; d < dimensions; d++) { y[d] = o[d] * inverse; }
}
