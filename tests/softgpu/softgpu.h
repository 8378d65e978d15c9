/* A GPU in software: executes PTX on the CPU, and is stricter than a card.
 *
 * It looks like a card of compute capability 8.6 whose memory is as large as asked for. A device
 * address is a host address, but only what softgpu_allocate returned may be touched through it. The
 * first fault ends the launch; it stays until softgpu_destroy, as in a CUDA context.
 *
 *     SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 30});
 *     SoftGpuModule *module = softgpu_load(gpu, ptx, "net.ptx");
 *     uint64_t x = softgpu_allocate(gpu, bytes);
 *     softgpu_launch(gpu, softgpu_kernel(module, "scale"), &(SoftGpuLaunch){...}, args);
 *     if (softgpu_status(gpu) != SOFTGPU_OK) puts(softgpu_report(gpu));
 */
#ifndef SNUG_SOFTGPU_H
#define SNUG_SOFTGPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SoftGpu SoftGpu;
typedef struct SoftGpuModule SoftGpuModule;
typedef struct SoftGpuKernel SoftGpuKernel;

/* Numbers as in CUresult. */
typedef enum SoftGpuStatus {
    SOFTGPU_OK = 0,
    SOFTGPU_INVALID_VALUE = 1,
    SOFTGPU_OUT_OF_MEMORY = 2,
    SOFTGPU_INVALID_PTX = 218,
    SOFTGPU_NOT_FOUND = 500,
    SOFTGPU_ILLEGAL_ADDRESS = 700,
    SOFTGPU_OUT_OF_RESOURCES = 701,
    SOFTGPU_TIMEOUT = 702,
    SOFTGPU_ASSERT = 710,
    SOFTGPU_ILLEGAL_INSTRUCTION = 715,
    SOFTGPU_MISALIGNED = 716,
    SOFTGPU_LAUNCH_FAILED = 719 /* what only this device sees: see SoftGpuFault */
} SoftGpuStatus;

/* What is wrong with a kernel or a launch. */
typedef enum SoftGpuFault {
    SOFTGPU_FAULT_none,
    SOFTGPU_FAULT_ptx,           /* text that is not PTX, or an instruction we do not execute */
    SOFTGPU_FAULT_out_of_bounds, /* outside of every allocation, or of the block's shared memory */
    SOFTGPU_FAULT_misaligned,
    SOFTGPU_FAULT_shared_race,       /* two threads, one byte, no barrier between */
    SOFTGPU_FAULT_async_pending,     /* a cp.async still owns these bytes: the wait is too weak */
    SOFTGPU_FAULT_divergent_barrier, /* threads of a block wait at different barriers, or exited */
    SOFTGPU_FAULT_divergent_warp,    /* a warp-wide instruction without all its lanes */
    SOFTGPU_FAULT_launch_limits,
    SOFTGPU_FAULT_read_only,   /* a store to constant memory or through ld.global.nc's promise */
    SOFTGPU_FAULT_global_race, /* two launches without an order touch the same bytes */
    SOFTGPU_FAULT_trap,
    SOFTGPU_FAULT_endless,
    SOFTGPU_FAULT_block_race /* two blocks of a launch touch the same bytes, one of them writing */
} SoftGpuFault;

typedef struct SoftGpuOptions {
    int64_t memory_bytes;
    int32_t threads;   /* of the CPU; 0: 2 */
    uint64_t seed;     /* of the order in which blocks and warps run */
    bool skip_races;   /* faster: no race detector in shared memory */
    bool check_blocks; /* races between the blocks of a launch in global memory; kernels with
                          atomics there are not judged */
} SoftGpuOptions;

typedef struct SoftGpuLaunch {
    uint32_t grid[3], block[3];
    uint32_t shared_bytes; /* dynamic */
} SoftGpuLaunch;

/* What a launch did. Bytes are those that its threads asked for; touched bytes count each byte of
 * global memory once (in granules of 16), as a perfect cache would have it. */
typedef struct SoftGpuCounters {
    int64_t launches;
    int64_t thread_instructions; /* lanes that were active, summed */
    int64_t warp_instructions;
    int64_t macs; /* of mma */
    int64_t global_read_bytes, global_written_bytes;
    int64_t touched_read_bytes, touched_written_bytes;
    int64_t barriers; /* of warps */
} SoftGpuCounters;

/* NULL: no memory for it. */
SoftGpu *softgpu_create(const SoftGpuOptions *options);
void softgpu_destroy(SoftGpu *gpu);

SoftGpuStatus softgpu_status(const SoftGpu *gpu);
SoftGpuFault softgpu_fault(const SoftGpu *gpu);
/* What happened, with kernel, PTX line, source line and thread; "" where nothing did. */
const char *softgpu_report(const SoftGpu *gpu);

/* ---- memory: filled with NaN, ends at a guard page as closely as 256 bytes of alignment allow  */
/* 0: does not fit (nothing else happens). */
uint64_t softgpu_allocate(SoftGpu *gpu, int64_t bytes);
bool softgpu_free(SoftGpu *gpu, uint64_t address);
int64_t softgpu_free_bytes(const SoftGpu *gpu);
/* False, with a report but without a sticky fault, where the range is not inside an allocation. */
bool softgpu_upload(SoftGpu *gpu, uint64_t to, const void *from, int64_t bytes);
bool softgpu_download(SoftGpu *gpu, void *to, uint64_t from, int64_t bytes);
bool softgpu_owns(const SoftGpu *gpu, uint64_t address, int64_t bytes);

/* ---- modules: the text is PTX as NVRTC prints it --------------------------------------------- */
/* What code softgpu_load takes: for this compute capability, and PTX. (tests/gpu/card.c, the same
 * interface on a card: machine code, where the driver takes NVRTC's.) */
int32_t softgpu_capability(const SoftGpu *gpu, bool *is_ptx);
/* NULL, and a report that names the line, where the text has something that we do not execute. */
SoftGpuModule *softgpu_load(SoftGpu *gpu, const char *ptx, const char *name);
void softgpu_unload(SoftGpu *gpu, SoftGpuModule *module);
/* NULL: there is none of this name. */
SoftGpuKernel *softgpu_kernel(SoftGpuModule *module, const char *name);
/* A __device__ or __constant__ variable: its address, 0 if there is none; *bytes may be NULL. */
uint64_t softgpu_global(SoftGpuModule *module, const char *name, int64_t *bytes);

typedef struct SoftGpuParameter {
    int32_t offset, bytes; /* in the parameter space */
} SoftGpuParameter;

typedef struct SoftGpuKernelInfo {
    const char *name;
    int32_t parameter_count;
    const SoftGpuParameter *parameters;
    int64_t static_shared_bytes, local_bytes;
    int32_t max_threads; /* .maxntid, else 1024 */
    int32_t instruction_count;
} SoftGpuKernelInfo;

SoftGpuKernelInfo softgpu_kernel_info(const SoftGpuKernel *kernel);
/* Opts in to this much dynamic shared memory (cuFuncSetAttribute); false: over the card's limit. */
bool softgpu_allow_shared(SoftGpuKernel *kernel, int64_t bytes);

/* ---- launches: return when the grid is done -------------------------------------------------- */
/* args[i] points to the value of parameter i. */
SoftGpuStatus softgpu_launch(SoftGpu *gpu, SoftGpuKernel *kernel, const SoftGpuLaunch *launch,
                             void *const *args);
/* C = alpha op(A) op(B) + beta C, column-major as in BLAS: op(A) is m x k, op(B) k x n. Types as in
 * cudaDataType. Products are summed in f32, in the order of k; the workspace, 0 bytes: none, is
 * filled with NaN, and counts as written by every product that has it. */
enum { SOFTGPU_TYPE_f32 = 0, SOFTGPU_TYPE_f16 = 2, SOFTGPU_TYPE_bf16 = 14 };
typedef struct SoftGpuMatrix {
    uint64_t at;
    int type, leading, transposed;
} SoftGpuMatrix;
typedef struct SoftGpuProduct {
    SoftGpuMatrix a, b, c; /* c is never transposed */
    int m, n, k;
    float alpha, beta;
    uint64_t workspace;
    int64_t workspace_bytes;
} SoftGpuProduct;
SoftGpuStatus softgpu_multiply(SoftGpu *gpu, const SoftGpuProduct *product);
/* Whether the card takes a launch of this shape; where not, the report says why. */
SoftGpuStatus softgpu_check_launch(SoftGpu *gpu, const SoftGpuKernel *kernel,
                                   const SoftGpuLaunch *launch);
/* Of the last launch; of all launches of a kernel. */
SoftGpuCounters softgpu_last_counters(const SoftGpu *gpu);
SoftGpuCounters softgpu_kernel_counters(const SoftGpuKernel *kernel);

#endif
