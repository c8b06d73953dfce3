// Times the kernels of one instruction set on one thread, and prints Markdown tables.
//
//   kernels [--isa NAME] [--packing NAME] [--group COLUMNS] [--shape OUTPUTSxCOLUMNS] [--rows N] [--seconds S]
//
// A product's weights come from a pool that is larger than any cache, matrix after matrix, so that few rows are bound
// by memory as they are in a model. Every figure is the best of many short repetitions.
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    POOL_BYTES = 160 << 20,
    SLACK = 1 << 20,
    BATCH_NANOSECONDS = 300000,  // a repetition's length: far above the clock's grain, far below a scheduler's slice
};

typedef struct named_packing {
    const char *name;
    lathe_packing packing;
} named_packing;

static const named_packing packings[] = {
    {"int4-affine", LATHE_INT4_AFFINE},   {"int4-symmetric", LATHE_INT4_SYMMETRIC},
    {"int5-affine", LATHE_INT5_AFFINE},   {"int5-symmetric", LATHE_INT5_SYMMETRIC},
    {"int8-symmetric", LATHE_INT8_SYMMETRIC}, {"int6-symmetric", LATHE_INT6_SYMMETRIC},
    {"int3-centered", LATHE_INT3_CENTERED},   {"int2-centered", LATHE_INT2_CENTERED},
    {"f32", LATHE_F32}, {"f16", LATHE_F16}, {"bf16", LATHE_BF16},
};

static const size_t groups[] = {32, 64, 128};

typedef struct shape {
    size_t outputs, columns;
    const char *name;
} shape;

static const shape shapes[] = {
    {960, 576, "q, k, v"},    {576, 576, "attention out"}, {3072, 576, "gate, up"}, {576, 1536, "down"},
    {49152, 576, "head"},     {2048, 2048, "2048 wide"},   {5632, 2048, "gate"},    {2048, 5632, "down"},
    {256, 64, "scores of 64"}, {256, 128, "scores of 128"},
};

static const size_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 128};
enum { ROWS_MOST = 128, FEW_ROWS = 8 };

typedef struct options {
    lathe_isa isa;
    const char *packing;
    size_t outputs, columns, rows, group;
    double seconds;  // spent on one figure
} options;

static double nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *take(size_t bytes) {
    void *result = NULL;
    if (posix_memalign(&result, 4096, bytes) != 0) {
        fprintf(stderr, "kernels: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return result;
}

/// The least time of one call of `body(context, i)`, i counting the calls.
static double least(double seconds, void (*body)(void *context, size_t i), void *context) {
    size_t calls = 1, count = 0;
    for (;;) {
        const double start = nanoseconds();
        for (size_t i = 0; i < calls; i++) { body(context, count++); }
        if (nanoseconds() - start >= BATCH_NANOSECONDS || calls >= (size_t)1 << 24) { break; }
        calls *= 2;
    }
    double best = 1e300, spent = 0;
    for (size_t repetition = 0; repetition < 5 || spent < seconds * 1e9; repetition++) {
        const double start = nanoseconds();
        for (size_t i = 0; i < calls; i++) { body(context, count++); }
        const double time = nanoseconds() - start;
        spent += time;
        if (time < best) { best = time; }
    }
    return best / (double)calls;
}

typedef struct product_run {
    lathe_product product;
    lathe_product_function function;
    const uint8_t *pool;
    size_t matrix_bytes, matrices;
} product_run;

static void run_product(void *context, size_t i) {
    product_run *run = context;
    run->product.weights = run->pool + i % run->matrices * run->matrix_bytes;
    run->function(&run->product);
}

/// Fills the pool with values that are ordinary in every packing: halves near 1 wherever a scale may lie.
static void fill(uint8_t *pool, lathe_packing packing) {
    uint32_t state = 1;
    if (packing == LATHE_F32) {
        for (size_t i = 0; i < POOL_BYTES / 4; i++) {
            state = state * 1664525 + 1013904223;
            ((float *)pool)[i] = (float)(int32_t)state * 0x1p-31f;
        }
        return;
    }
    for (size_t i = 0; i < POOL_BYTES / 2; i++) {
        state = state * 1664525 + 1013904223;
        ((uint16_t *)pool)[i] = (uint16_t)(0x3c00 + (state >> 16) % 0x3ff);
    }
}

static bool chosen_shape(const options *o, const shape *s, lathe_packing packing) {
    if (o->outputs != 0) { return s->outputs == o->outputs && s->columns == o->columns; }
    return packing <= LATHE_BF16 || s->columns > 128;
}

static void print_products(const options *o, const lathe_kernels *kernels, const named_packing *named, size_t group,
                           uint8_t *pool, double int8_peak, double float_peak) {
    const lathe_packing packing = named->packing;
    const bool is_float = packing <= LATHE_BF16;
    const double peak = is_float ? float_peak : int8_peak;
    fill(pool, packing);
    const size_t widest = 5632;
    float *values = take(widest * sizeof *values), *output = take(ROWS_MOST * (size_t)49152 * sizeof *output);
    uint8_t *input = take(ROWS_MOST * widest * sizeof(float));

    printf("\n### %s, ", named->name);
    if (!is_float) { printf("groups of %zu, ", group); }
    printf("%s\n\n| shape |", lathe_isa_name(kernels->isa));
    size_t columns = 0;
    for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++) {
        if (o->rows != 0 && o->rows != row_counts[r] && row_counts[r] != 1) { continue; }
        printf(" %zu |", row_counts[r]);
        columns++;
    }
    printf("\n|---|");
    for (size_t i = 0; i < columns; i++) { printf("---|"); }
    printf("\n");
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        if (!chosen_shape(o, &shapes[s], packing)) { continue; }
        const size_t n = shapes[s].outputs, k = shapes[s].columns;
        const size_t stride = is_float ? k * sizeof(float) : lathe_quantized_row_bytes(k);
        for (size_t row = 0; row < ROWS_MOST; row++) {
            for (size_t i = 0; i < k; i++) { values[i] = (float)((int)((i * 37 + row * 11) % 201) - 100) * 0.01f; }
            if (is_float) {
                memcpy(input + row * stride, values, stride);
            } else {
                kernels->quantize_row(values, k, input + row * stride);
            }
        }
        product_run run = {.function = kernels->product[packing], .pool = pool};
        run.matrix_bytes = lathe_tile_bytes(packing, group, k) * (n / LATHE_TILE_ROWS);
        run.matrices = POOL_BYTES / run.matrix_bytes;
        double one = 0;
        printf("| %zux%zu %s |", n, k, shapes[s].name);
        for (size_t r = 0; r < sizeof row_counts / sizeof *row_counts; r++) {
            const size_t rows = row_counts[r];
            if (o->rows != 0 && o->rows != rows && rows != 1) { continue; }
            run.product = (lathe_product){.outputs = n, .columns = k, .group = group, .input = input,
                                          .input_stride = stride, .rows = rows, .output = output, .output_stride = n,
                                          .tile_end = n / LATHE_TILE_ROWS};
            const double time = least(o->seconds, run_product, &run);
            if (rows == 1) { one = time; }
            if (rows <= FEW_ROWS) {
                printf(" %.1f us %.1f GB/s %.2fx |", time / 1e3, (double)run.matrix_bytes / time, time / one);
            } else {
                const double rate = (double)(n * k * rows) / time;
                printf(" %.0f GMAC/s %.0f %% |", rate, rate / peak * 100);
            }
            fflush(stdout);
        }
        printf("\n");
    }
    free(values), free(output), free(input);
}

typedef struct small_run {
    const lathe_kernels *kernels;
    size_t n;
    float *x, *y, *z;
    uint8_t *row;
    uint16_t *halves;
} small_run;

static void run_norm(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    s->kernels->rms_norm(s->x, s->y, s->n, 1e-5f, s->z);
}
static void run_quantize(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    s->kernels->quantize_row(s->x, s->n, s->row);
}
static void run_silu(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    s->kernels->silu_gate(s->x, s->y, s->n, s->z);
}
/// One segment; what it leaves are scores of the next run.
static void run_softmax(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    const uint32_t begin = 0, end = (uint32_t)s->n;
    float largest, sum;
    s->kernels->softmax_segment(s->z, s->n, 1, s->n, &begin, &end, &largest, &sum);
}
static void run_rotate(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    s->kernels->rotate(s->z, s->n / 2, s->x, s->y);
}
static void run_to_f16(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    s->kernels->to_f16(s->x, s->n, s->halves);
}
static void run_from_f16(void *c, size_t i) {
    (void)i;
    const small_run *s = c;
    s->kernels->from_f16(s->halves, s->n, s->z);
}

static void print_small(const options *o, const lathe_kernels *kernels) {
    static const struct {
        const char *name;
        void (*body)(void *context, size_t i);
    } small[] = {
        {"rms_norm", run_norm}, {"quantize_row", run_quantize}, {"silu_gate", run_silu},   {"softmax_segment", run_softmax},
        {"rotate", run_rotate}, {"to_f16", run_to_f16},         {"from_f16", run_from_f16},
    };
    static const size_t sizes[] = {64, 576, 1536, 5632};
    enum { MOST = 5632 };
    small_run run = {.kernels = kernels};
    run.x = take(MOST * 4), run.y = take(MOST * 4), run.z = take(MOST * 4);
    run.row = take(lathe_quantized_row_bytes(MOST)), run.halves = take(MOST * 2);
    printf("\n### Small kernels, %s: nanoseconds a call, everything in the first-level cache\n\n| kernel |",
           lathe_isa_name(kernels->isa));
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) { printf(" %zu |", sizes[n]); }
    printf("\n|---|---|---|---|---|\n");
    for (size_t k = 0; k < sizeof small / sizeof *small; k++) {
        printf("| %s |", small[k].name);
        for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
            for (size_t i = 0; i < MOST; i++) {
                run.x[i] = (float)((int)(i * 37 % 201) - 100) * 0.007f;
                run.y[i] = (float)((int)(i * 53 % 201) - 100) * 0.007f;
                run.z[i] = run.x[i];
            }
            kernels->to_f16(run.x, MOST, run.halves);
            run.n = sizes[n];
            printf(" %.0f |", least(o->seconds, small[k].body, &run));
        }
        printf("\n");
    }
    free(run.x), free(run.y), free(run.z), free(run.row), free(run.halves);
}

typedef struct probe_run {
    lathe_isa isa;
    uint64_t (*probe)(lathe_isa isa, size_t iterations);
    uint64_t done;
} probe_run;

static void run_probe(void *context, size_t i) {
    (void)i;
    probe_run *run = context;
    run->done = run->probe(run->isa, 20000);
}

/// Multiply-adds a nanosecond.
static double peak_of(lathe_isa isa, uint64_t (*probe)(lathe_isa isa, size_t iterations)) {
    probe_run run = {isa, probe, 0};
    const double time = least(0.3, run_probe, &run);
    return (double)run.done / time;
}

typedef struct read_run {
    const uint8_t *pool;
    uint64_t total;
} read_run;

static void run_read(void *context, size_t i) {
    enum { PIECE = 4 << 20 };
    read_run *run = context;
    run->total += lathe_probe_read(run->pool + i % (POOL_BYTES / PIECE) * PIECE, PIECE);
}

static options parse(int count, char **arguments) {
    options o = {.isa = lathe_best_isa(), .seconds = 0.03};
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = arguments[i], *value = arguments[i + 1];
        if (strcmp(name, "--isa") == 0) {
            o.isa = LATHE_ISA_SCALAR;
            while (o.isa < LATHE_ISA_NEON && strcmp(lathe_isa_name(o.isa), value) != 0) { o.isa++; }
        } else if (strcmp(name, "--packing") == 0) {
            o.packing = value;
        } else if (strcmp(name, "--group") == 0) {
            o.group = strtoul(value, NULL, 10);
        } else if (strcmp(name, "--shape") == 0) {
            sscanf(value, "%zux%zu", &o.outputs, &o.columns);
        } else if (strcmp(name, "--rows") == 0) {
            o.rows = strtoul(value, NULL, 10);
        } else if (strcmp(name, "--seconds") == 0) {
            o.seconds = strtod(value, NULL);
        } else {
            fprintf(stderr, "kernels: unknown option %s\n", name);
            exit(64);
        }
    }
    return o;
}

int main(int count, char **arguments) {
    const options o = parse(count, arguments);
    const lathe_kernels *kernels = lathe_kernels_for(o.isa);
    if (kernels == NULL) {
        fprintf(stderr, "kernels: this processor does not have %s\n", lathe_isa_name(o.isa));
        return 69;
    }
    uint8_t *pool = take(POOL_BYTES + SLACK);
    memset(pool, 0x3c, POOL_BYTES + SLACK);
    const double int8_peak = peak_of(o.isa, lathe_probe_int8), float_peak = peak_of(o.isa, lathe_probe_float32);
    read_run read = {pool, 0};
    const double read_time = least(0.3, run_read, &read);
    printf("%s, one thread: int8 peak %.0f GMAC/s, float32 peak %.0f GMAC/s, memory %.1f GB/s\n",
           lathe_isa_name(o.isa), int8_peak, float_peak, (double)(4 << 20) / read_time);
    printf("\nUp to %d rows: time, weights read a second, and the time beside one row's; more: multiply-adds a second, and "
           "their share of the peak.\n", FEW_ROWS);
    for (size_t p = 0; p < sizeof packings / sizeof *packings; p++) {
        if (o.packing != NULL && strcmp(o.packing, packings[p].name) != 0) { continue; }
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
            // Float packings have no groups, and are printed once.
            const bool chosen = packings[p].packing <= LATHE_BF16 ? g == 0 : o.group == 0 || o.group == groups[g];
            if (chosen) { print_products(&o, kernels, &packings[p], groups[g], pool, int8_peak, float_peak); }
        }
    }
    if (o.packing == NULL) { print_small(&o, kernels); }
    free(pool);
    return 0;
}
