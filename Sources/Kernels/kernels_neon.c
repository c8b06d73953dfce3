// The NEON kernels that are written over lanes, and the table of all of them.
#include "arithmetic.h"

#if defined(__aarch64__)
#include "vector_neon.h"

#include "table_vector.h"

LATHE_VECTOR_TABLE(neon, LATHE_ISA_NEON);
#endif
