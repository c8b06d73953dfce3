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

static uint16_t *take_halves(random_source *source, size_t count) {
    uint16_t *result = take(count * sizeof *result);
    for (size_t i = 0; i < count; i++) { result[i] = next_half(source); }
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
    "f32", "f16", "bf16", "int4 symmetric", "int4 affine", "int5 symmetric", "int5 affine", "int8 symmetric",
};

typedef struct shape {
    lathe_packing packing;
    size_t rows, outputs, columns;
    bool extreme;  // codes all ones or all zeros, activations -127 or 127
} shape;

static size_t tiles_of(const shape *s) { return (s->outputs + 15) / 16; }

/// Packs logical rows through lathe_pack_row, so padding rows are zero.
static uint8_t *take_weights(random_source *source, const shape *s) {
    const size_t tile_bytes = lathe_tile_bytes(s->packing, s->columns);
    uint8_t *weights = take(tiles_of(s) * tile_bytes);
    memset(weights, 0, tiles_of(s) * tile_bytes);
    const size_t groups = s->columns / LATHE_GROUP;
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
        lathe_pack_row(s->packing, weights + row / 16 * tile_bytes, s->columns, row % 16, &logical);
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
    const size_t groups = s->columns / LATHE_GROUP;
    for (size_t row = 0; row < s->rows; row++) {
        int8_t *values = (int8_t *)(input + row * *stride);
        float *scales = (float *)(values + s->columns);
        int32_t *sums = (int32_t *)(scales + groups);
        for (size_t g = 0; g < groups; g++) {
            const uint32_t bits = next_bits(source);
            sums[g] = 0;
            for (size_t k = 0; k < LATHE_GROUP; k++) {
                const int random = (int)(next_bits(source) % 255) - 127;
                const int either = random < 0 ? -127 : 127;
                const int extreme = bits % 4 == 0 ? 127 : bits % 4 == 1 ? -127 : either;
                const int value = s->extreme ? extreme : random;
                values[g * LATHE_GROUP + k] = (int8_t)value;
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
                .weights = weights, .outputs = s->outputs, .columns = s->columns, .input = input,
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
    static const size_t float_columns[] = {1, 3, 31, 65}, integer_columns[] = {32, 64, 96, 224};
    for (int packing = 0; packing < LATHE_PACKING_COUNT; packing++) {
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            for (size_t n = 0; n < sizeof outputs / sizeof *outputs; n++) {
                for (size_t k = 0; k < 4; k++) {
                    shape s = {(lathe_packing)packing, rows[r], outputs[n],
                               packing <= LATHE_BF16 ? float_columns[k] : integer_columns[k], k % 2 == 1};
                    compare_product(source, &s);
                }
            }
        }
        // More weights than one panel.
        compare_product(source, &(shape){(lathe_packing)packing, 13, 16 * 15 + 7, 1120, false});
        // More rows than one block, more tiles than one panel, and more columns than are interleaved at once.
        compare_product(source, &(shape){(lathe_packing)packing, 128, 16 * 70, 64, false});
        for (size_t few = 2; few <= 8; few++) {
            compare_product(source, &(shape){(lathe_packing)packing, few, 40, 32 * (512 / few + 3), true});
        }
        compare_product(source, &(shape){(lathe_packing)packing, 1, 20, 32 * 520, false});
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
            memcpy(a, c, n * sizeof *a);
            memcpy(b, c, n * sizeof *b);
            reference->softmax(a, n);
            candidate->softmax(b, n);
            expect_same(a, b, n * sizeof *a, "softmax", n, (size_t)spread, 0);
        }
        if (n > 1) { a[n / 2] = b[n / 2] = -1.0f / 0.0f; }
        reference->softmax(a, n);
        candidate->softmax(b, n);
        expect_same(a, b, n * sizeof *a, "softmax with negative infinity", n, 0, 0);

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
            memcpy(a, gate + i, 32 * sizeof *a);
            memcpy(b, gate + i, 32 * sizeof *b);
            reference->softmax(a, 32);
            candidate->softmax(b, 32);
            expect_same(a, b, 32 * sizeof *a, "exponential", pass, i, 0);
        }
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

static void compare_scores(random_source *source, size_t heads, size_t dimensions, size_t slots) {
    const size_t padded = (slots + 15) / 16 * 16, query_stride = dimensions + 3, stride = padded + 2;
    float *queries = take_floats(source, heads * query_stride);
    float *wide = take_floats(source, padded * dimensions);
    uint16_t *narrow = take_halves(source, padded * dimensions);
    for (int half = 0; half < 2; half++) {
        float *a = take(heads * stride * sizeof *a), *b = take(heads * stride * sizeof *b);
        if (half) {
            reference->scores_f16(queries, query_stride, heads, narrow, dimensions, slots, 0.125f, a, stride);
            candidate->scores_f16(queries, query_stride, heads, narrow, dimensions, slots, 0.125f, b, stride);
        } else {
            reference->scores_f32(queries, query_stride, heads, wide, dimensions, slots, 0.11f, a, stride);
            candidate->scores_f32(queries, query_stride, heads, wide, dimensions, slots, 0.11f, b, stride);
        }
        for (size_t h = 0; h < heads; h++) {  // what lies past `slots` up to a multiple of 16 is unspecified
            float *unspecified = b + h * stride + slots;
            memcpy(unspecified, a + h * stride + slots, (padded - slots) * sizeof *a);
        }
        expect_same(a, b, heads * stride * sizeof *a, half ? "scores_f16" : "scores_f32", heads, dimensions, slots);
        free(a), free(b);
    }
    free(queries), free(wide), free(narrow);
}

static void compare_values(random_source *source, size_t heads, size_t dimensions, size_t count) {
    const size_t slots = count + 5, row_stride = count + 1, stride = dimensions + 3;
    float *rows = take_floats(source, heads * row_stride);
    float *wide = take_floats(source, slots * dimensions);
    uint16_t *narrow = take_halves(source, slots * dimensions);
    uint32_t *list = take(count * sizeof *list);
    for (size_t i = 0; i < count; i++) { list[i] = next_bits(source) % (uint32_t)slots; }
    if (count > 0) { list[count - 1] = (uint32_t)slots - 1; }
    for (int variant = 0; variant < 4; variant++) {
        const uint32_t *chosen = variant & 2 ? list : NULL;
        float *a = take(heads * stride * sizeof *a), *b = take(heads * stride * sizeof *b);
        if (variant & 1) {
            reference->values_f16(rows, row_stride, heads, narrow, dimensions, chosen, count, a, stride);
            candidate->values_f16(rows, row_stride, heads, narrow, dimensions, chosen, count, b, stride);
        } else {
            reference->values_f32(rows, row_stride, heads, wide, dimensions, chosen, count, a, stride);
            candidate->values_f32(rows, row_stride, heads, wide, dimensions, chosen, count, b, stride);
        }
        expect_same(a, b, heads * stride * sizeof *a, variant & 1 ? "values_f16" : "values_f32", heads, dimensions,
                    count);
        free(a), free(b);
    }
    free(rows), free(wide), free(narrow), free(list);
}

static void compare_attention(random_source *source) {
    static const size_t dimensions[] = {1, 3, 8, 16, 64, 80, 96, 128};
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        for (size_t slots = 0; slots <= 40; slots++) {
            compare_scores(source, 1 + slots % 9, dimensions[d], slots);
            compare_values(source, 1 + slots % 9, dimensions[d], slots);
        }
        for (size_t heads = 0; heads <= 9; heads++) {
            compare_scores(source, heads, dimensions[d], 150);
            compare_values(source, heads, dimensions[d], 19);
        }
    }
}

int main(void) {
    random_source source = {1};
    compare_products(&source);
    compare_elementwise(&source);
    compare_exponentials(&source);
    compare_quantization(&source);
    compare_halves(&source);
    compare_attention(&source);
    printf("%s: %zu passed, %zu failed\n", lathe_isa_name(candidate->isa), passed, failed);
    return failed == 0 ? 0 : 1;
}
