/// Lathe's kernels: each has one meaning, given by its scalar version; every instruction set returns the same bits.
///
/// Rules that hold for all of them:
/// - Inputs are finite. Sizes and strides are in elements unless a name says bytes. Nothing allocates, nothing starts a
///   thread. Outputs and inputs do not overlap unless it is said that they may be the same.
/// - Arithmetic is IEEE single precision with subnormals, rounded to nearest even, in the order that the scalar version
///   spells out; `fma` below is one rounding, every other operator is one too. Nothing is contracted.
/// - A sum starts from +0. One that crosses SIMD lanes uses 16 partial sums, element i into partial i mod 16, and the
///   fixed tree (8 apart, 4 apart, 2 apart, 1 apart: `p[i] + p[i+8]`, then `p[i] + p[i+4]`, ...).
/// - Nothing is read past the end of an array.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LATHE_TILE_ROWS 16    // weight rows interleaved in one packed tile
#define LATHE_BLOCK 32        // columns of a block of codes, and those that share a scale in activations
#define LATHE_SEGMENT 256     // positions that attention reduces by themselves before it merges them

/// Instruction sets, in rising order of preference on their architecture.
typedef enum lathe_isa {
    LATHE_ISA_SCALAR = 0,
    LATHE_ISA_AVX2 = 1,    // AVX2, FMA and F16C
    LATHE_ISA_AVX512 = 2,  // AVX-512 F, BW, DQ, VL and VNNI, with F16C and FMA
    LATHE_ISA_NEON = 3,    // AArch64 with the dot-product extension
} lathe_isa;

/// How a weight matrix lies in memory; formats/plan.md, "Packings". Matrices are cut into tiles of 16 rows (the last one
/// padded with zero rows); a tile's columns follow each other, so one tile is one sequential stream.
///
/// - Float packings: for every column, the 16 rows' values (64 bytes for f32, 32 for f16 and bf16). Any column count.
/// - Integer packings: groups of 32, 64 or 128 columns (`group`; the last one may be shorter), which share a row's scale.
///   For every group: its blocks, one for every 32 columns; 16 f16 scales; [16 f16 minimums]. Columns are a multiple of 32.
///   A code is unsigned; value = scale * (code - zero) for the symmetric packings (zero = 8, 16, 32, 128 for 4, 5, 6, 8
///   bits), scale * (2 * code - (2^bits - 1)) for the centered ones, scale * code + minimum for the affine ones.
///   A block is lines of 64 bytes, whose byte (row * 4 + k) belongs to the columns 4i+k (k = 0...3). Codes of 2, 4 and 8
///   bits, and the low 4 bits of 5-bit codes, are a plane: a line holds, from its low bits on, 8 / width successive i. The
///   fifth bits are 8 little-endian 64-bit masks: bit (row * 4 + k) of mask i is the one of column 4i+k. Codes of 3 and 6
///   bits lie in quads: i = 4q ... 4q+2 in the upper 3 or 6 bits of three units of 4 or 8 bits, i = 4q+3 in the lowest bit,
///   or two, of each of the three, its low bits in the first. Quad q of 3-bit codes has the halves q of the bytes of the
///   lines 0...2; one of 6-bit codes the bytes of the lines 3q ... 3q+2.
typedef enum lathe_packing {
    LATHE_F32 = 0,
    LATHE_F16 = 1,
    LATHE_BF16 = 2,
    LATHE_INT4_SYMMETRIC = 3,  // 256-byte blocks; GGUF Q4_0 fits without change
    LATHE_INT4_AFFINE = 4,     // 256-byte blocks; GGUF Q4_1
    LATHE_INT5_SYMMETRIC = 5,  // 320-byte blocks; GGUF Q5_0
    LATHE_INT5_AFFINE = 6,     // 320-byte blocks; GGUF Q5_1
    LATHE_INT8_SYMMETRIC = 7,  // 512-byte blocks; GGUF Q8_0 (code = int8 + 128)
    LATHE_INT6_SYMMETRIC = 8,  // 384-byte blocks
    LATHE_INT3_CENTERED = 9,   // 192-byte blocks: levels -7, -5 ... 7
    LATHE_INT2_CENTERED = 10,  // 128-byte blocks: levels -3, -1, 1, 3
    LATHE_PACKING_COUNT = 11,
} lathe_packing;

/// Bytes of one tile (16 rows) of `columns` columns in groups of `group`, which float packings do not have and ignore; 0
/// when the packing does not allow that group or column count, or when the bytes would exceed PTRDIFF_MAX.
size_t lathe_tile_bytes(lathe_packing packing, size_t group, size_t columns);

/// A row of quantized activations: `columns` int8 values (padded with zeros to a multiple of 32), then one f32 scale for
/// every 32, then one int32 sum of each 32 int8 values; the bytes are rounded up to a multiple of 64. Rows are 64-byte
/// aligned.
size_t lathe_quantized_row_bytes(size_t columns);

/// One matrix product's operands: y[r][n] = (sum over k of W[n][k] * x[r][k]) [+ bias[n]] [+ y[r][n]], in that order.
/// Only outputs [tile_begin * 16, min(tile_end * 16, outputs)) are written. A row's result does not depend on `rows`.
typedef struct lathe_product {
    const uint8_t *weights;  // tile 0 of the packed matrix, 64-byte aligned
    size_t outputs;          // logical rows of W
    size_t columns;          // columns of W
    size_t group;            // columns that share a scale: 32, 64 or 128; float packings ignore it
    const uint8_t *input;    // rows of f32 (float packings) or of quantized activations (integer packings)
    size_t input_stride;     // bytes from one input row to the next, a multiple of 4 (64 for quantized activations)
    size_t rows;             // input rows
    float *output;
    size_t output_stride;    // floats from one output row to the next
    const float *bias;       // NULL, or one value an output
    bool accumulate;         // add to what the output holds
    size_t tile_begin, tile_end;
} lathe_product;

/// Float packings: acc = 0; for k in order: acc = fma(w, x, acc).
/// Integer packings: acc = 0; for every 32 columns in order, with s = sum(code * a) exact in int32 and A = sum(a), scale_w
/// and minimum being those of the group that the columns lie in:
///   symmetric: acc = fma(float(s - zero * A), scale_w * scale_a, acc)
///   centered:  acc = fma(float(2 * s - (2^bits - 1) * A), scale_w * scale_a, acc)
///   affine:    acc = fma(float(s), scale_w * scale_a, acc); acc = fma(minimum, scale_a * float(A), acc)
typedef void (*lathe_product_function)(const lathe_product *product);

// Softmax attention of one (row, query head) over its path, position i the i-th of the committed prefix, the row's
// ancestors and itself; visible are the positions first ... n - 1, where `first` is above 0 with a window, and then of the
// positions before `first` the first few, the sinks.
//
//   q' = q * scale, each element rounded. Segments are the visible sinks, then the positions 256 j ... 256 j + 255, cut to
//   those from `first` on.
//   In each segment: s[i] = the product of key i and q' (lathe_product: the keys of a head are a packed matrix, its rows
//   the slots, its columns the dimensions); m, e and l by `softmax_segment`; o by `weigh_values`.
//   Segments are merged in rising order by `merge_segment`, and `finish_attention` divides.
//
// A segment's (m, l, o) depends on nothing outside it, so segments may be computed anywhere and merged afterwards.
//
// A cache is of one of three packings, LATHE_F32, LATHE_F16 and LATHE_INT8_SYMMETRIC (where the dimensions are a multiple
// of 32). Keys lie in tiles of 16 slots as the packing says; values in one row a slot:
//
//   LATHE_F32, LATHE_F16: `dimensions` elements.
//   LATHE_INT8_SYMMETRIC (its keys in groups of 32): `dimensions` int8 codes, then one f32 scale for every 32; value =
//   scale * code, rounded.
//
// What a cache holds is finite: elements are clamped to the largest finite magnitude (65504, that of a half, for f16 and
// int8), and a NaN becomes that magnitude. So what a query does not see, weighted
// with e = 0, adds exactly nothing.

/// Bytes of one slot's value row; 0 where the packing is not a cache's, or does not allow that number of dimensions.
size_t lathe_value_bytes(lathe_packing packing, size_t dimensions);

/// The operands of `weigh_values`: query r's weights are weights[r * weight_stride + i], i in [0, count).
typedef struct lathe_weighted_values {
    lathe_packing packing;   // of the cache
    size_t dimensions;
    const uint8_t *values;   // slot 0 of a head, rows of lathe_value_bytes
    const uint32_t *slots;   // position i's slot, or NULL: slot i
    size_t count;            // positions
    const float *weights;
    size_t weight_stride;
    size_t queries;
    float *output;           // query r's sums at output[r * output_stride]
    size_t output_stride;
} lathe_weighted_values;

typedef struct lathe_kernels {
    lathe_isa isa;
    lathe_product_function product[LATHE_PACKING_COUNT];

    /// Quantizes `columns` floats: a group's scale = largest magnitude / 127, values = x * (127 / largest) rounded to
    /// nearest even; a group whose largest magnitude is below 2^-100 has scale 0 and values 0. Writes one row as
    /// `lathe_quantized_row_bytes` says, up to its last sum.
    void (*quantize_row)(const float *x, size_t columns, uint8_t *row);

    /// RMSNorm: r = 1 / sqrt(sum(x*x) / float(n) + epsilon), the sum by fma into 16 partials; y = (x * r) * weight
    /// (y = x * r where `weight` is NULL). `y` may be `x`. n >= 1.
    void (*rms_norm)(const float *x, const float *weight, size_t n, float epsilon, float *y);

    /// SwiGLU: y = (gate / (1 + exp(-gate))) * up, with lathe_exp. `y` may be `gate` or `up`.
    void (*silu_gate)(const float *gate, const float *up, size_t n, float *y);

    /// The index of the first element that is at least `threshold`; n where none is.
    size_t (*find_at_least)(const float *x, size_t n, float threshold);

    /// Rotates the pairs (x[i], x[i + half]) in place: x[i]' = fma(x[i], c, -(x[i+half] * s)),
    /// x[i+half]' = fma(x[i+half], c, x[i] * s), with c = cosines[i], s = sines[i].
    void (*rotate)(float *x, size_t half, const float *cosines, const float *sines);

    /// Rounds to IEEE half precision (nearest even) and back.
    void (*to_f16)(const float *x, size_t n, uint16_t *y);
    void (*from_f16)(const uint16_t *x, size_t n, float *y);

    /// Softmax of one segment, not yet divided, for `queries` rows of scores, `stride` apart. Row r sees the positions
    /// begins[r] <= i < ends[r]: m = their largest score + 0.0f (one of -0 becomes +0); e = lathe_exp(x - m) in place, and 0 at every other position
    /// below `count` rounded up to a multiple of 16, which each row has room for; l = sum of e in 16 partials. Where
    /// begins[r] >= ends[r], m = l = 0. Negative infinity is allowed where one visible score is finite.
    void (*softmax_segment)(float *scores, size_t stride, size_t queries, size_t count, const uint32_t *begins,
                            const uint32_t *ends, float *largest, float *sums);

    /// out[r][d] = (sum over i in order by fma of weights[r][i] * value[slot(i)][d]) + 0.0f: the last addition makes a
    /// sum of -0 a +0, so that weights of 0 never show. The sum of no positions is 0.
    void (*weigh_values)(const lathe_weighted_values *operands);

    /// Merges, for each query, a segment's (m', l', o') into what its earlier segments gave: M = max(m, m'),
    /// a = lathe_exp(m - M), b = lathe_exp(m' - M), l = fma(l, a, l' * b), o = fma(o, a, o' * b), m = M. Where l' = 0 the
    /// query saw nothing and nothing changes; where l = 0 this is its first segment and it is copied. Outputs are
    /// `dimensions` floats a query, without gaps.
    void (*merge_segment)(size_t queries, size_t dimensions, const float *segment_largest, const float *segment_sums,
                          const float *segment_outputs, float *largest, float *sums, float *outputs);

    /// y = o * (1 / l) over `dimensions`. `y` may be `o`.
    void (*finish_attention)(const float *o, float l, size_t dimensions, float *y);

    /// Writes the keys of the slots [slot, slot + count), `stride` floats apart, into a head's packed keys.
    /// LATHE_INT8_SYMMETRIC, for each 32 dimensions of a slot: scale = f16(largest magnitude / 127), code = x * (1 / scale)
    /// rounded to nearest even and clamped to +-127, plus 128; codes of 128 where the scale is 0.
    void (*store_keys)(lathe_packing packing, const float *x, size_t stride, size_t count, size_t dimensions,
                       uint8_t *keys, size_t slot);

    /// Writes the value rows of the slots [slot, slot + count) of a head. LATHE_INT8_SYMMETRIC: codes and scales as
    /// `quantize_row` makes them.
    void (*store_values)(lathe_packing packing, const float *x, size_t stride, size_t count, size_t dimensions,
                         uint8_t *values, size_t slot);
} lathe_kernels;

/// The kernels of one instruction set, or NULL where this processor or this build does not have it.
const lathe_kernels *lathe_kernels_for(lathe_isa isa);

/// The best instruction set of this processor.
lathe_isa lathe_best_isa(void);

/// Stable lower-case name ("scalar", "avx2", "avx512", "neon").
const char *lathe_isa_name(lathe_isa isa);

// What follows has one version for all instruction sets.

/// exp by range reduction (n = x * log2 e rounded to an integer by one fma with 1.5 * 2^23, ln 2 subtracted n times in
/// two fmas) and a polynomial of degree 6 by fma, times 2^n; within 1 ulp. 0 below -87.336540 (0xc2aeac4f), where the
/// result would be subnormal; the largest finite float from 88.722839 (0x42b17218) on. Every SIMD kernel that needs exp
/// computes exactly this.
float lathe_exp(float x);

float lathe_f16_to_f32(uint16_t h);
uint16_t lathe_f32_to_f16(float x);

/// Cosine and sine of one rotary angle for every frequency: angle = float(position) * frequency rounded to f32, then
/// double-precision range reduction and polynomials, times `factor`, rounded to f32. No libm. Within 1e-7 of the exact
/// values (times `factor`) for angles up to 2^20.
void lathe_rotary_row(uint32_t position, const float *frequencies, size_t half, float factor, float *cosines,
                      float *sines);

/// Recovers one logical weight row, `row` counted over the whole matrix, as floats: exact, but for one rounding in the
/// affine packings' scale * code + minimum (the product is exact).
void lathe_unpack_row(lathe_packing packing, size_t group, const uint8_t *weights, size_t columns, size_t row,
                      float *out);

/// One row of logical weights on its way into a tile, or out of it.
/// Float packings use `values` (raw little-endian elements of the packing's type); integer ones use `codes` (one byte a
/// column), `scales` and, when affine, `minimums` (f16 bits, one a group).
typedef struct lathe_weight_row {
    void *values;
    uint8_t *codes;
    uint16_t *scales;
    uint16_t *minimums;
} lathe_weight_row;

/// Writes row `row` (0...15) of one tile; the rest of the tile is left alone, so a tile starts zeroed.
/// Padding rows keep zero scales and minimums.
void lathe_pack_row(lathe_packing packing, size_t group, uint8_t *tile, size_t columns, size_t row,
                    const lathe_weight_row *source);

/// The inverse of `lathe_pack_row`, bit for bit.
void lathe_extract_row(lathe_packing packing, size_t group, const uint8_t *tile, size_t columns, size_t row,
                       const lathe_weight_row *destination);

// What this machine can do at most, measured: the figures that benchmarks are held against.

/// Reads `bytes` bytes once, a word at a time, and returns a value that depends on all of them.
uint64_t lathe_probe_read(const void *memory, size_t bytes);

/// Runs the instruction sequence that multiplies and adds int8 values fastest on an instruction set, on registers alone,
/// and returns the multiply-adds done. The instruction set must be one of this processor.
uint64_t lathe_probe_int8(lathe_isa isa, size_t iterations);

/// The same for float32 multiply-adds.
uint64_t lathe_probe_float32(lathe_isa isa, size_t iterations);
