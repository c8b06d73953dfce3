// The AVX-512 kernels that are written over lanes, and the table of all of them.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx512.h"

#include "table_vector.h"

LATHE_VECTOR_TABLE(avx512, LATHE_ISA_AVX512);
#endif
