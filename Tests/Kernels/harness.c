// Compares the bits of every kernel of one table with those of another, over shapes with every kind of tail.
// Build with -DCANDIDATE=lathe_kernels_avx2 (or _avx512, _neon): the table to compare with the scalar one.
#include "random.h"
#include "tables.h"

#include <stdio.h>
#include <stdlib.h>

static const lathe_kernels *const reference = &lathe_kernels_scalar;
static const lathe_kernels *const candidate = &CANDIDATE;
static size_t passed, failed;

/// Exactly `bytes` bytes, aligned to 64 as far as that keeps the end of the allocation tight.
static void *take(size_t bytes) {
    void *result = NULL;
    if (posix_memalign(&result, 64, bytes > 0 ? bytes : 1) != 0) { abort(); }
    memset(result, 0xa5, bytes);
    return result;
}

static float *take_floats(random_source *source, size_t count) {
    float *result = take(count * sizeof *result);
    for (size_t i = 0; i < count; i++) { result[i] = next_float(source); }
    return result;
}

static void expect_same(const void *a, const void *b, size_t bytes, const char *what, size_t x, size_t y, size_t z) {
    if (memcmp(a, b, bytes) == 0) {
        passed++;
        return;
    }
    failed++;
    size_t at = 0;
    while (((const uint8_t *)a)[at] == ((const uint8_t *)b)[at]) { at++; }
    printf("differs: %s %zu %zu %zu at byte %zu of %zu\n", what, x, y, z, at, bytes);
}

static const char *const packing_names[LATHE_PACKING_COUNT] = {
    "f32",         "f16",            "bf16",           "int4 symmetric", "int4 affine",   "int5 symmetric",
    "int5 affine", "int8 symmetric", "int6 symmetric", "int3 centered",  "int2 centered",
};

typedef struct shape {
    lathe_packing packing;
    size_t rows, outputs, columns, group;
    bool extreme;  // codes all ones or all zeros, activations -127 or 127
} shape;

static size_t tiles_of(const shape *s) { return (s->outputs + 15) / 16; }

/// Packs logical rows through lathe_pack_row, so padding rows are zero.
static uint8_t *take_weights(random_source *source, const shape *s) {
    const size_t tile_bytes = lathe_tile_bytes(s->packing, s->group, s->columns);
    uint8_t *weights = take(tiles_of(s) * tile_bytes);
    memset(weights, 0, tiles_of(s) * tile_bytes);
    const size_t groups = s->columns / LATHE_BLOCK;
    uint16_t *halves = take(s->columns * 4), *scales = take(groups * 2), *minimums = take(groups * 2);
    uint8_t *codes = take(s->columns);
    for (size_t row = 0; row < s->outputs; row++) {
        const bool ones = next_bits(source) & 1;
        for (size_t k = 0; k < s->columns; k++) {
            const float value = next_float(source);
            if (s->packing == LATHE_F32) { memcpy((uint8_t *)halves + k * 4, &value, 4); }
            if (s->packing == LATHE_F16) { halves[k] = next_half(source); }
            if (s->packing == LATHE_BF16) { memcpy(halves + k, (const uint8_t *)&value + 2, 2); }
            codes[k] = s->extreme ? (ones ? 255 : 0) : (uint8_t)next_bits(source);
        }
        for (size_t g = 0; g < groups; g++) {
            scales[g] = next_half(source);
            minimums[g] = next_half(source);
        }
        const lathe_weight_row logical = {halves, codes, scales, minimums};
        lathe_pack_row(s->packing, s->group, weights + row / 16 * tile_bytes, s->columns, row % 16, &logical);
    }
    free(halves), free(scales), free(minimums), free(codes);
    return weights;
}

static uint8_t *take_input(random_source *source, const shape *s, size_t *stride) {
    if (s->packing <= LATHE_BF16) {
        *stride = (s->columns + 3) * sizeof(float);
        return (uint8_t *)take_floats(source, (s->columns + 3) * s->rows);
    }
    *stride = lathe_quantized_row_bytes(s->columns);
    uint8_t *input = take(*stride * s->rows);
    const size_t groups = s->columns / LATHE_BLOCK;
    for (size_t row = 0; row < s->rows; row++) {
        int8_t *values = (int8_t *)(input + row * *stride);
        float *scales = (float *)(values + s->columns);
        int32_t *sums = (int32_t *)(scales + groups);
        for (size_t g = 0; g < groups; g++) {
            const uint32_t bits = next_bits(source);
            sums[g] = 0;
            for (size_t k = 0; k < LATHE_BLOCK; k++) {
                const int random = (int)(next_bits(source) % 255) - 127;
                const int either = random < 0 ? -127 : 127;
                const int extreme = bits % 4 == 0 ? 127 : bits % 4 == 1 ? -127 : either;
                const int value = s->extreme ? extreme : random;
                values[g * LATHE_BLOCK + k] = (int8_t)value;
                sums[g] += value;
            }
            scales[g] = bits % 16 == 2 ? 0.0f : next_unit(source) * next_unit(source);
        }
    }
    return input;
}

static void compare_product(random_source *source, const shape *s) {
    size_t input_stride;
    uint8_t *weights = take_weights(source, s);
    uint8_t *input = take_input(source, s, &input_stride);
    float *bias = take_floats(source, s->outputs);
    const size_t output_stride = s->outputs + 5;
    const size_t count = output_stride * (s->rows - 1) + s->outputs;
    float *start = take_floats(source, count);
    float *a = take(count * sizeof *a), *b = take(count * sizeof *b);
    for (unsigned flags = 0; flags < 4; flags++) {
        for (size_t part = 0; part < 2; part++) {
            lathe_product product = {
                .weights = weights, .outputs = s->outputs, .columns = s->columns, .group = s->group, .input = input,
                .input_stride = input_stride, .rows = s->rows, .output_stride = output_stride,
                .bias = flags & 1 ? bias : NULL, .accumulate = flags & 2,
                .tile_begin = part == 0 ? 0 : tiles_of(s) / 3,
                .tile_end = part == 0 ? tiles_of(s) + 1 : tiles_of(s) - tiles_of(s) / 3,
            };
            memcpy(a, start, count * sizeof *a);
            memcpy(b, start, count * sizeof *b);
            product.output = a, reference->product[s->packing](&product);
            product.output = b, candidate->product[s->packing](&product);
            expect_same(a, b, count * sizeof *a, packing_names[s->packing], s->rows, s->outputs, s->columns);

            memcpy(a, start, count * sizeof *a);
            for (size_t row = 0; row < s->rows; row++) {
                lathe_product one = product;
                one.rows = 1;
                one.input += row * input_stride;
                one.output = a + row * output_stride;
                candidate->product[s->packing](&one);
            }
            expect_same(a, b, count * sizeof *a, "batch of the same rows", s->rows, s->outputs, s->columns);
        }
    }
    free(weights), free(input), free(bias), free(start), free(a), free(b);
}

static void compare_products(random_source *source) {
    static const size_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 32};
    static const size_t outputs[] = {1, 15, 16, 17, 48, 50, 80, 113};
    static const size_t groups[] = {32, 64, 128};
    static const size_t float_columns[] = {1, 3, 31, 65}, integer_columns[] = {32, 96, 160, 224};
    for (int p = 0; p < LATHE_PACKING_COUNT; p++) {
        const lathe_packing packing = (lathe_packing)p;
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            for (size_t n = 0; n < sizeof outputs / sizeof *outputs; n++) {
                for (size_t k = 0; k < 4; k++) {
                    // Every group meets every number of rows, outputs and columns.
                    const size_t columns = packing <= LATHE_BF16 ? float_columns[k] : integer_columns[k];
                    const shape s = {packing, rows[r], outputs[n], columns, groups[(r + n + k) % 3], (r + k) % 2 == 1};
                    compare_product(source, &s);
                }
            }
        }
        for (size_t g = 0; g < (packing <= LATHE_BF16 ? 1 : 3); g++) {
            const size_t group = groups[g];
            // More weights than one panel.
            compare_product(source, &(shape){packing, 13, 16 * 15 + 7, 1120, group, false});
            // More rows than one block, more tiles than one panel, and more columns than are interleaved at once.
            compare_product(source, &(shape){packing, 128, 16 * 70, 64, group, false});
            for (size_t few = 2; few <= 8; few++) {
                compare_product(source, &(shape){packing, few, 40, 32 * (512 / few + 3), group, true});
            }
            // Blocks of several sizes in one band, some of which are larger than the first.
            for (size_t several = 9; several <= 24; several++) {
                compare_product(source, &(shape){packing, several, 40, 32 * (512 / 6 + 3), group, true});
            }
            compare_product(source, &(shape){packing, 1, 20, 32 * 521, group, false});
            // Chunks that end within a group.
            compare_product(source, &(shape){packing, 25, 16 * 32, 32 * 37, group, false});
        }
    }
}

static void compare_elementwise(random_source *source) {
    for (size_t n = 1; n <= 100; n++) {
        float *x = take_floats(source, n), *w = take_floats(source, n), *c = take_floats(source, n);
        float *a = take(n * sizeof *a), *b = take(n * sizeof *b);
        for (int weighted = 0; weighted < 2; weighted++) {
            reference->rms_norm(x, weighted ? w : NULL, n, 1e-5f, a);
            candidate->rms_norm(x, weighted ? w : NULL, n, 1e-5f, b);
            expect_same(a, b, n * sizeof *a, "rms_norm", n, (size_t)weighted, 0);
        }
        memcpy(b, x, n * sizeof *b);
        candidate->rms_norm(b, w, n, 1e-5f, b);
        expect_same(a, b, n * sizeof *a, "rms_norm in place", n, 0, 0);

        for (int spread = 1; spread < 40; spread *= 3) {
            for (size_t i = 0; i < n; i++) { c[i] = next_unit(source) * 4.0f * (float)spread; }
            reference->silu_gate(c, w, n, a);
            candidate->silu_gate(c, w, n, b);
            expect_same(a, b, n * sizeof *a, "silu_gate", n, (size_t)spread, 0);
        }

        float *p = take_floats(source, 2 * n), *q = take(2 * n * sizeof *q);
        memcpy(q, p, 2 * n * sizeof *q);
        reference->rotate(p, n, x, w);
        candidate->rotate(q, n, x, w);
        expect_same(p, q, 2 * n * sizeof *p, "rotate", n, 0, 0);
        free(x), free(w), free(c), free(a), free(b), free(p), free(q);
    }
}

static void compare_exponentials(random_source *source) {
    enum { COUNT = 4096 };
    float gate[COUNT], up[COUNT], a[COUNT], b[COUNT];
    for (size_t pass = 0; pass < 64; pass++) {
        for (size_t i = 0; i < COUNT; i++) {
            gate[i] = next_unit(source) * 100.0f;
            up[i] = 1.0f;
        }
        static const float edges[] = {87.336544f,  87.33655f,   88.722839f, -87.336544f,
                                      -88.722839f, -88.72283f, 0.0f,       -0.0f};
        memcpy(gate, edges, sizeof edges);
        reference->silu_gate(gate, up, COUNT, a);
        candidate->silu_gate(gate, up, COUNT, b);
        expect_same(a, b, sizeof a, "exponential", pass, 0, 0);
        for (size_t i = 0; i < COUNT; i += 32) {
            gate[i] = 0.0f;
            for (size_t k = 1; k < 32; k++) { gate[i + k] = -gate[i + k] * gate[i + k] * 0.01f; }
        }
        const uint32_t begins[COUNT / 32] = {0};
        uint32_t ends[COUNT / 32];
        for (size_t i = 0; i < COUNT / 32; i++) { ends[i] = 32; }
        memcpy(a, gate, sizeof a);
        memcpy(b, gate, sizeof b);
        float largest[COUNT / 32], sums[COUNT / 32];
        reference->softmax_segment(a, 32, COUNT / 32, 32, begins, ends, largest, sums);
        candidate->softmax_segment(b, 32, COUNT / 32, 32, begins, ends, largest, sums);
        expect_same(a, b, sizeof a, "exponential", pass, 1, 0);
    }
}

static void compare_search(random_source *source) {
    for (size_t n = 0; n <= 300; n++) {
        float *x = take_floats(source, n + 1);
        // Every threshold's first hit, equal elements, none at all.
        if (n > 70) { x[70] = x[n / 2]; }
        for (size_t i = 0; i < n; i++) {
            size_t a = reference->find_at_least(x, n, x[i]), b = candidate->find_at_least(x, n, x[i]);
            expect_same(&a, &b, sizeof a, "find_at_least", n, i, 0);
        }
        size_t a = reference->find_at_least(x, n, 1e9f), b = candidate->find_at_least(x, n, 1e9f);
        expect_same(&a, &b, sizeof a, "find_at_least of none", n, 0, 0);
        free(x);
    }
}

static void compare_quantization(random_source *source) {
    static const float sizes[] = {1.0f, 127.0f, 0x1p-99f, 0x1p-100f, 0x1p-101f, 0x1p-140f, 0x1p+126f, 0.0f};
    for (size_t columns = 1; columns <= 130; columns++) {
        for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
            const size_t bytes = lathe_quantized_row_bytes(columns);
            float *x = take(columns * sizeof *x);
            for (size_t i = 0; i < columns; i++) {
                const float halves = (float)((int)(next_bits(source) % 255) - 127) * 0.5f / 63.5f;
                x[i] = (size == 1 ? halves : next_unit(source)) * sizes[size];
            }
            if (columns > 7) { x[7] = -sizes[size]; }
            uint8_t *a = take(bytes), *b = take(bytes);
            reference->quantize_row(x, columns, a);
            candidate->quantize_row(x, columns, b);
            expect_same(a, b, bytes, "quantize_row", columns, size, 0);
            free(x), free(a), free(b);
        }
    }
}

static void compare_halves(random_source *source) {
    uint16_t *halves = take(65536 * sizeof *halves), *c = take(65536 * sizeof *c), *d = take(65536 * sizeof *d);
    float *a = take(65536 * sizeof *a), *b = take(65536 * sizeof *b);
    for (size_t i = 0; i < 65536; i++) { halves[i] = (uint16_t)i; }
    reference->from_f16(halves, 65536, a);
    candidate->from_f16(halves, 65536, b);
    expect_same(a, b, 65536 * sizeof *a, "from_f16", 65536, 0, 0);
    reference->to_f16(a, 65536, c);
    candidate->to_f16(a, 65536, d);
    expect_same(c, d, 65536 * sizeof *c, "to_f16", 65536, 0, 0);
    for (size_t pass = 0; pass < 32; pass++) {
        for (size_t i = 0; i < 65536; i++) {
            uint32_t bits = next_bits(source);
            if (pass < 24) { bits = (bits & 0x87ffffffu) + 0x33000000u; }  // where halves are finite and inexact
            if (pass < 8) { bits = (bits & 0xfffff000u) + pass - 4; }      // next to the middle of two halves
            memcpy(a + i, &bits, sizeof bits);
        }
        reference->to_f16(a, 65536, c);
        candidate->to_f16(a, 65536, d);
        expect_same(c, d, 65536 * sizeof *c, "to_f16", 65536, pass, 0);
    }
    for (size_t n = 0; n < 50; n++) {
        memset(a, 0xa5, 100 * sizeof *a), memset(b, 0xa5, 100 * sizeof *b);
        reference->from_f16(halves + 1, n, a);
        candidate->from_f16(halves + 1, n, b);
        expect_same(a, b, 100 * sizeof *a, "from_f16", n, 0, 0);
        memset(c, 0xa5, 200), memset(d, 0xa5, 200);
        reference->to_f16(a, n, c);
        candidate->to_f16(a, n, d);
        expect_same(c, d, 200, "to_f16", n, 0, 0);
    }
    free(halves), free(a), free(b), free(c), free(d);
}

/// Rows of scores with every kind of visible range, none and all among them; some scores are negative infinity.
static void compare_softmax(random_source *source, size_t queries, size_t count) {
    const size_t stride = (count + 15) / 16 * 16 + 16 * (next_bits(source) % 2);
    float *a = take_floats(source, queries * stride), *b = take(queries * stride * sizeof *b);
    uint32_t *begins = take(queries * sizeof *begins), *ends = take(queries * sizeof *ends);
    for (size_t q = 0; q < queries; q++) {
        const float spread = q % 3 == 0 ? 1.0f : q % 3 == 1 ? 20.0f : 300.0f;
        for (size_t i = 0; i < stride; i++) { a[q * stride + i] *= spread; }
        begins[q] = q % 2 == 0 ? 0 : next_bits(source) % (uint32_t)(count + 1);
        ends[q] = q % 4 == 0 ? (uint32_t)count : next_bits(source) % (uint32_t)(count + 1);
        if (q % 4 == 0 && count > 1) { a[q * stride + count / 2] = -1.0f / 0.0f; }
        if (q % 5 == 3) {  // the largest is a zero, of either sign
            for (size_t i = 0; i < stride; i++) { a[q * stride + i] = next_bits(source) % 2 == 0 ? 0.0f : -0.0f; }
        }
    }
    memcpy(b, a, queries * stride * sizeof *b);
    float *m = take(queries * sizeof *m), *n = take(queries * sizeof *n);
    float *l = take(queries * sizeof *l), *k = take(queries * sizeof *k);
    reference->softmax_segment(a, stride, queries, count, begins, ends, m, l);
    candidate->softmax_segment(b, stride, queries, count, begins, ends, n, k);
    expect_same(a, b, queries * stride * sizeof *a, "softmax_segment", queries, count, 0);
    expect_same(m, n, queries * sizeof *m, "softmax_segment, largest", queries, count, 0);
    expect_same(l, k, queries * sizeof *l, "softmax_segment, sums", queries, count, 0);
    free(a), free(b), free(begins), free(ends), free(m), free(n), free(l), free(k);
}

static const lathe_packing cache_packings[] = {LATHE_F32, LATHE_F16, LATHE_INT8_SYMMETRIC};

static void compare_stores(random_source *source, lathe_packing packing, size_t dimensions, size_t slot, size_t count) {
    const size_t stride = dimensions + 3, slots = slot + count;
    const size_t key_bytes = (slots + 15) / 16 * lathe_tile_bytes(packing, LATHE_BLOCK, dimensions);
    const size_t value_bytes = slots * lathe_value_bytes(packing, dimensions);
    float *x = take_floats(source, count * stride);
    static const uint32_t odd[] = {0x7fc00000, 0xffc00000, 0x7f800000, 0xff800000, 0x477fe000, 0x477fffff,
                                   0x80000000, 0x7f7fffff, 0xc7800000, 0x00000001, 0x33000000};
    for (size_t i = 0; i < count * stride; i++) {
        const uint32_t bits = next_bits(source);
        if (bits % 32 == 0) { memcpy(x + i, odd + bits / 32 % (sizeof odd / sizeof *odd), sizeof *x); }
        if (slot % 2 == 1) { x[i] *= 0x1p-24f; }
    }
    uint8_t *a = take(key_bytes), *b = take(key_bytes);
    reference->store_keys(packing, x, stride, count, dimensions, a, slot);
    candidate->store_keys(packing, x, stride, count, dimensions, b, slot);
    expect_same(a, b, key_bytes, "store_keys", (size_t)packing, dimensions, slot);
    free(a), free(b);
    a = take(value_bytes), b = take(value_bytes);
    reference->store_values(packing, x, stride, count, dimensions, a, slot);
    candidate->store_values(packing, x, stride, count, dimensions, b, slot);
    expect_same(a, b, value_bytes, "store_values", (size_t)packing, dimensions, slot);
    free(a), free(b), free(x);
}

static void compare_values(random_source *source, lathe_packing packing, size_t queries, size_t dimensions,
                           size_t count) {
    const size_t slots = count + 5, weight_stride = count + 1, stride = dimensions + 3;
    float *weights = take_floats(source, queries * weight_stride);
    for (size_t i = 0; i < queries * weight_stride; i++) { weights[i] = weights[i] > 0.0f ? weights[i] : 0.0f; }
    float *x = take_floats(source, slots * dimensions);
    uint8_t *values = take(slots * lathe_value_bytes(packing, dimensions));
    reference->store_values(packing, x, dimensions, slots, dimensions, values, 0);
    uint32_t *list = take(count * sizeof *list);
    for (size_t i = 0; i < count; i++) { list[i] = next_bits(source) % (uint32_t)slots; }
    if (count > 0) { list[count - 1] = (uint32_t)slots - 1; }
    const size_t bytes = queries * stride * sizeof(float);
    for (int listed = 0; listed < 2; listed++) {
        float *a = take(bytes), *b = take(bytes);
        lathe_weighted_values operands = {
            .packing = packing, .dimensions = dimensions, .values = values, .slots = listed ? list : NULL,
            .count = count, .weights = weights, .weight_stride = weight_stride, .queries = queries,
            .output_stride = stride,
        };
        operands.output = a, reference->weigh_values(&operands);
        operands.output = b, candidate->weigh_values(&operands);
        expect_same(a, b, bytes, "weigh_values", queries, dimensions, count);
        free(a), free(b);
    }
    free(weights), free(x), free(values), free(list);
}

static void compare_merges(random_source *source, size_t queries, size_t dimensions) {
    float *m = take_floats(source, queries), *l = take_floats(source, queries);
    float *o = take_floats(source, queries * dimensions), *added = take_floats(source, queries * dimensions);
    float *a = take(queries * (dimensions + 2) * sizeof *a), *b = take(queries * (dimensions + 2) * sizeof *b);
    for (size_t q = 0; q < queries; q++) { l[q] = q % 5 == 3 ? 0.0f : l[q] * l[q] + 1.0f; }
    for (size_t q = 0; q < queries; q++) {
        a[q] = q % 2 == 0 ? m[q] : next_float(source) * 40.0f;
        a[queries + q] = q % 5 == 1 ? 0.0f : 1.5f;
    }
    memcpy(a + 2 * queries, o, queries * dimensions * sizeof *o);
    memcpy(b, a, queries * (dimensions + 2) * sizeof *b);
    reference->merge_segment(queries, dimensions, m, l, added, a, a + queries, a + 2 * queries);
    candidate->merge_segment(queries, dimensions, m, l, added, b, b + queries, b + 2 * queries);
    expect_same(a, b, queries * (dimensions + 2) * sizeof *a, "merge_segment", queries, dimensions, 0);
    if (queries > 0) {
        reference->finish_attention(o, 1.7f, dimensions, a);
        candidate->finish_attention(o, 1.7f, dimensions, b);
        expect_same(a, b, dimensions * sizeof *a, "finish_attention", dimensions, 0, 0);
    }
    free(m), free(l), free(o), free(added), free(a), free(b);
}

static void compare_attention(random_source *source) {
    static const size_t dimensions[] = {1, 3, 8, 16, 32, 64, 80, 96, 128};
    for (size_t count = 0; count <= 70; count++) { compare_softmax(source, 1 + count % 9, count); }
    compare_softmax(source, 24, 256);
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        for (size_t queries = 0; queries <= 13; queries++) { compare_merges(source, queries, dimensions[d]); }
        for (size_t p = 0; p < 3; p++) {
            if (lathe_value_bytes(cache_packings[p], dimensions[d]) == 0) { continue; }
            for (size_t count = 0; count <= 20; count++) {
                compare_stores(source, cache_packings[p], dimensions[d], count * 5 % 37, count);
                compare_values(source, cache_packings[p], 1 + count % 9, dimensions[d], count);
            }
            for (size_t queries = 0; queries <= 14; queries++) {
                compare_values(source, cache_packings[p], queries, dimensions[d], 150);
            }
        }
    }
}

int main(void) {
    random_source source = {1};
    compare_products(&source);
    compare_elementwise(&source);
    compare_exponentials(&source);
    compare_search(&source);
    compare_quantization(&source);
    compare_halves(&source);
    compare_attention(&source);
    printf("%s: %zu passed, %zu failed\n", lathe_isa_name(candidate->isa), passed, failed);
    return failed == 0 ? 0 : 1;
}
