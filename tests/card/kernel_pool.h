/* The kernels of many programs, each compiled once, several to one program of NVRTC.
 *
 * NVRTC takes longer to start than many a kernel takes to parse, and random models repeat kernels:
 * what is compiled is
 *
 *     #include "prims.cuh"
 *     namespace kernel_0 { source of a kernel }     #undef of every macro of it and of its headers
 *     namespace kernel_1 { ... }                    ...
 *
 * with the texts that a trainer has, unchanged. Entries are extern "C": their names stay.
 */
#ifndef SNUG_KERNEL_POOL_H
#define SNUG_KERNEL_POOL_H

#include "compiler/emit/cuda.h"
#include "runtime/card/kernel_cache.h"
#include "tests/softgpu/softgpu.h"

typedef struct KernelPool KernelPool;

typedef struct KernelPoolOptions {
    const CudaApi *api; /* NVRTC is open */
    SoftGpu *gpu;
    const char *folder; /* keeps NVRTC's output; NULL: nothing is kept */
    bool is_quick;      /* NVRTC optimises less, where that is for the software GPU */
    int32_t threads;    /* of NVRTC; 0: as many as the machine has */
} KernelPoolOptions;

KernelPool *kernel_pool_create(const KernelPoolOptions *options);
void kernel_pool_destroy(KernelPool *pool);

/* The module of each kernel that the program's segments launch (bit 1 << SnugSegmentId), NULL for
 * others; for the caller to free; the modules are the pool's. NULL after a message on stderr. */
SoftGpuModule **kernel_pool_load(KernelPool *pool, const SnugProgram *program, uint32_t segments);
/* Kernels that were compiled, or read from the folder; those that were there already. */
int64_t kernel_pool_compiled(const KernelPool *pool);
int64_t kernel_pool_shared(const KernelPool *pool);

#endif
