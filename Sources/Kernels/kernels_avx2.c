// The AVX2 kernels that are written over lanes, and the table of all of them.
#include "arithmetic.h"

#if defined(__x86_64__)
#include "vector_avx2.h"

#include "table_vector.h"

LATHE_VECTOR_TABLE(avx2, LATHE_ISA_AVX2);
#endif
