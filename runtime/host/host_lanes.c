/* Vectorised loops: one source, four instruction sets.
 *
 * host_lanes.inc is written in plain C; the compiler vectorises it for AVX-512, for AVX2 and for
 * whatever the build's own target is; with AVX512_BF16 a few loops are written with intrinsics. The
 * choice is made at run time, so that one executable runs everywhere. Results differ between sets
 * in the last bit only (fused multiply-add).
 */
#include "host_lanes.h"

#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "runtime/machine.h"
#include "runtime/program.h"

#define SQRT(x) __builtin_sqrtf(x)

#define LANES(name) name##_generic
#define TARGET
#define FMA(a, b, c) ((a) * (b) + (c))
#include "host_lanes.inc"
#undef LANES
#undef TARGET
#undef FMA

#if defined(__x86_64__)

#define FMA(a, b, c) __builtin_fmaf(a, b, c)

#define LANES(name) name##_avx2
#define TARGET      __attribute__((target("avx2,fma")))
#include "host_lanes.inc"
#undef LANES
#undef TARGET

#define LANES(name) name##_avx512
#define TARGET      __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma")))
#include "host_lanes.inc"
#undef LANES
#undef TARGET

#define WITH_BF16
#define LANES(name) name##_avx512_bf16
#define TARGET      __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma")))
#include "host_lanes.inc"
#undef LANES
#undef TARGET

int32_t snug_host_has_bf16(void)
{
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") ? 1 : 0;
}

const HostLanes *host_lanes_named(const char *name)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                  && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (strcmp(name, "avx512_bf16") == 0)
        return avx512 && snug_host_has_bf16() ? &table_avx512_bf16 : NULL;
    if (strcmp(name, "avx512") == 0)
        return avx512 ? &table_avx512 : NULL;
    if (strcmp(name, "avx2") == 0)
        return avx2 ? &table_avx2 : NULL;
    return &table_generic;
}

#else

int32_t snug_host_has_bf16(void)
{
    return 0;
}

const HostLanes *host_lanes_named(const char *name)
{
    return strcmp(name, "generic") == 0 ? &table_generic : NULL;
}

#endif

const HostLanes *host_lanes(void)
{
    static const char *const names[] = {"avx512_bf16", "avx512", "avx2"};
    for (int i = 0; i < 3; i++) {
        const HostLanes *lanes = host_lanes_named(names[i]);
        if (lanes)
            return lanes;
    }
    return &table_generic;
}
