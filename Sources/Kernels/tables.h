// The table of each instruction set, for dispatch.c. A table exists only where its architecture is compiled for.
#pragma once
#include "arithmetic.h"

extern const lathe_kernels lathe_kernels_scalar;
extern const lathe_kernels lathe_kernels_avx2;
extern const lathe_kernels lathe_kernels_avx512;
extern const lathe_kernels lathe_kernels_neon;

/// Calls X(isa, name, packing) for every integer packing.
#define LATHE_FOR_INTEGER_PACKINGS(X, isa)         \
    X(isa, int4_symmetric, LATHE_INT4_SYMMETRIC)   \
    X(isa, int4_affine, LATHE_INT4_AFFINE)         \
    X(isa, int5_symmetric, LATHE_INT5_SYMMETRIC)   \
    X(isa, int5_affine, LATHE_INT5_AFFINE)         \
    X(isa, int8_symmetric, LATHE_INT8_SYMMETRIC)   \
    X(isa, int6_symmetric, LATHE_INT6_SYMMETRIC)   \
    X(isa, int3_centered, LATHE_INT3_CENTERED)     \
    X(isa, int2_centered, LATHE_INT2_CENTERED)

#define LATHE_DECLARE_PRODUCT(isa, name, packing) void lathe_##name##_##isa(const lathe_product *product);
#define LATHE_PRODUCT_ENTRY(isa, name, packing) [packing] = lathe_##name##_##isa,

/// The integer products' entries in the table.
#define LATHE_INTEGER_PRODUCTS(isa) LATHE_FOR_INTEGER_PACKINGS(LATHE_PRODUCT_ENTRY, isa)

LATHE_FOR_INTEGER_PACKINGS(LATHE_DECLARE_PRODUCT, scalar)
LATHE_FOR_INTEGER_PACKINGS(LATHE_DECLARE_PRODUCT, avx2)
LATHE_FOR_INTEGER_PACKINGS(LATHE_DECLARE_PRODUCT, avx512)
LATHE_FOR_INTEGER_PACKINGS(LATHE_DECLARE_PRODUCT, neon)
