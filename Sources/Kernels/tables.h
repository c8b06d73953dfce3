// The table of each instruction set, for dispatch.c. A table exists only where its architecture is compiled for.
#pragma once
#include "arithmetic.h"

extern const lathe_kernels lathe_kernels_scalar;
extern const lathe_kernels lathe_kernels_avx2;
extern const lathe_kernels lathe_kernels_avx512;
extern const lathe_kernels lathe_kernels_neon;

/// Declares the integer products of one instruction set.
#define LATHE_DECLARE_INTEGER_PRODUCTS(isa)                      \
    void lathe_int4_symmetric_##isa(const lathe_product *product); \
    void lathe_int4_affine_##isa(const lathe_product *product);    \
    void lathe_int5_symmetric_##isa(const lathe_product *product); \
    void lathe_int5_affine_##isa(const lathe_product *product);    \
    void lathe_int8_symmetric_##isa(const lathe_product *product)

/// Defines them over `body`, an inline function of the product and the packing.
#define LATHE_DEFINE_INTEGER_PRODUCTS(isa, attribute, body)                                                          \
    attribute void lathe_int4_symmetric_##isa(const lathe_product *product) { body(product, LATHE_INT4_SYMMETRIC); } \
    attribute void lathe_int4_affine_##isa(const lathe_product *product) { body(product, LATHE_INT4_AFFINE); }       \
    attribute void lathe_int5_symmetric_##isa(const lathe_product *product) { body(product, LATHE_INT5_SYMMETRIC); } \
    attribute void lathe_int5_affine_##isa(const lathe_product *product) { body(product, LATHE_INT5_AFFINE); }       \
    attribute void lathe_int8_symmetric_##isa(const lathe_product *product) { body(product, LATHE_INT8_SYMMETRIC); }

/// Their entries in the table.
#define LATHE_INTEGER_PRODUCTS(isa)                     \
    [LATHE_INT4_SYMMETRIC] = lathe_int4_symmetric_##isa, \
    [LATHE_INT4_AFFINE] = lathe_int4_affine_##isa,       \
    [LATHE_INT5_SYMMETRIC] = lathe_int5_symmetric_##isa, \
    [LATHE_INT5_AFFINE] = lathe_int5_affine_##isa,       \
    [LATHE_INT8_SYMMETRIC] = lathe_int8_symmetric_##isa

LATHE_DECLARE_INTEGER_PRODUCTS(scalar);
LATHE_DECLARE_INTEGER_PRODUCTS(avx2);
LATHE_DECLARE_INTEGER_PRODUCTS(avx512);
LATHE_DECLARE_INTEGER_PRODUCTS(neon);
