// Which instruction sets this processor has.
#include "tables.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
static bool has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

const lathe_kernels *lathe_kernels_for(lathe_isa isa) {
    switch (isa) {
    case LATHE_ISA_SCALAR: return &lathe_kernels_scalar;
#if defined(__x86_64__)
    case LATHE_ISA_AVX2: return has_avx2() ? &lathe_kernels_avx2 : NULL;
    case LATHE_ISA_AVX512: return has_avx512() ? &lathe_kernels_avx512 : NULL;
#elif defined(__aarch64__)
    case LATHE_ISA_NEON: return getauxval(AT_HWCAP) & HWCAP_ASIMDDP ? &lathe_kernels_neon : NULL;
#endif
    default: return NULL;
    }
}

lathe_isa lathe_best_isa(void) {
    static const lathe_isa preferred[] = {LATHE_ISA_NEON, LATHE_ISA_AVX512, LATHE_ISA_AVX2};
    for (size_t i = 0; i < sizeof preferred / sizeof preferred[0]; i++) {
        if (lathe_kernels_for(preferred[i]) != NULL) { return preferred[i]; }
    }
    return LATHE_ISA_SCALAR;
}

const char *lathe_isa_name(lathe_isa isa) {
    switch (isa) {
    case LATHE_ISA_AVX2: return "avx2";
    case LATHE_ISA_AVX512: return "avx512";
    case LATHE_ISA_NEON: return "neon";
    default: return "scalar";
    }
}
