/* The stand-in driver: modules, functions, launches. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

/* The text of the options' error log, where the caller gave one. */
static void write_log(unsigned count, const int *options, void **values, const char *text)
{
    char *buffer = NULL;
    size_t size = 0;

    for (unsigned i = 0; i < count; i++) {
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
            buffer = values[i];
        if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
            size = (size_t)(uintptr_t)values[i];
    }
    if (buffer && size)
        snprintf(buffer, size, "%s", text);
}

/* Machine code is for cards: PTX is what this one takes. */
CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, int *options,
                            void **values)
{
    const char *text = image;

    ENTER();
    CUresult result = refuse_in_capture(NULL);
    if (result != CUDA_SUCCESS)
        return driver_leave(result);
    if (!image || !module)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    if (memcmp(text, "\177ELF", 4) == 0 || memcmp(text, "\x50\xed\x55\xba", 4) == 0)
        return driver_leave(CUDA_ERROR_NO_BINARY_FOR_GPU);
    if (!isspace((unsigned char)*text) && *text != '/' && *text != '.')
        return driver_leave(CUDA_ERROR_INVALID_IMAGE);
    SoftGpuModule *loaded = softgpu_load(the_driver.gpu, text, "ptx");
    if (!loaded) {
        write_log(count, options, values, softgpu_report(the_driver.gpu));
        fprintf(stderr, "software GPU: %s\n", softgpu_report(the_driver.gpu));
        return driver_leave(CUDA_ERROR_INVALID_PTX);
    }
    *module = (CUmodule)(void *)loaded;
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
    return cuModuleLoadDataEx(module, image, 0, NULL, NULL);
}

/* Counters of its kernels go with it: it stays until the context ends where somebody collects them.
 */
CUresult cuModuleUnload(CUmodule module)
{
    ENTER();
    if (!module)
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    CUresult result = queue_run(NULL);
    queue_retire_all();
    if (!getenv("SOFTGPU_COUNTERS"))
        softgpu_unload(the_driver.gpu, (SoftGpuModule *)(void *)module);
    return driver_leave(result);
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name)
{
    ENTER();
    if (!module || !name || !function)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    *function = (CUfunction)(void *)softgpu_kernel((SoftGpuModule *)(void *)module, name);
    return driver_leave(*function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND);
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module,
                              const char *name)
{
    int64_t size = 0;

    ENTER();
    if (!module || !name)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    uint64_t found = softgpu_global((SoftGpuModule *)(void *)module, name, &size);
    if (address)
        *address = found;
    if (bytes)
        *bytes = (size_t)size;
    return driver_leave(found ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND);
}

CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value)
{
    ENTER();
    if (!function)
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    bool ok = attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT;
    if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
        ok = softgpu_allow_shared((SoftGpuKernel *)(void *)function, value);
    return driver_leave(ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE);
}

/* Registers are not modelled: NVRTC's log and the cubin know them. */
CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function)
{
    ENTER();
    if (!function)
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    const SoftGpuKernel *kernel = (const SoftGpuKernel *)(const void *)function;
    CUresult result = CUDA_SUCCESS;
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = kernel->max_threads; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = kernel->shared_bytes; break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = kernel->local_bytes; break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = 86; break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = (int)(kernel->shared_allowed - kernel->dynamic_base);
        break;
    default: result = CUDA_ERROR_INVALID_VALUE;
    }
    return driver_leave(result);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function,
                                                     int block_threads, size_t shared_bytes)
{
    ENTER();
    if (!function || block_threads < 1 || block_threads > CARD_THREADS)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    const SoftGpuKernel *kernel = (const SoftGpuKernel *)(const void *)function;
    int warps = (block_threads + LANES - 1) / LANES;
    int64_t shared = kernel->dynamic_base + (int64_t)shared_bytes + 1024;
    int64_t most = 102400 / shared;
    *blocks = 48 / warps < 16 ? 48 / warps : 16;
    if (most < *blocks)
        *blocks = (int)most;
    return driver_leave(CUDA_SUCCESS);
}

/* NULL, with *result set, where the card would refuse the launch. */
static Work *launch_work(SoftGpuKernel *kernel, const SoftGpuLaunch *shape, void **parameters,
                         void **extra, CUresult *result)
{
    *result = CUDA_ERROR_INVALID_HANDLE;
    if (!kernel)
        return NULL;
    *result = CUDA_ERROR_INVALID_VALUE;
    if (extra || (!parameters && kernel->param_count))
        return NULL;
    *result = (CUresult)softgpu_check_launch(the_driver.gpu, kernel, shape);
    if (*result != CUDA_SUCCESS) {
        fprintf(stderr, "software GPU: %s\n", softgpu_report(the_driver.gpu));
        return NULL;
    }
    Work *work = work_create(NODE_launch, kernel->name);
    work->kernel = kernel;
    work->shape = *shape;
    work->params = allocate_or_exit(kernel->param_bytes + 8, 1);
    for (int32_t i = 0; i < kernel->param_count; i++)
        memcpy(work->params + kernel->params[i].offset, parameters[i],
               (size_t)kernel->params[i].bytes);
    return work;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void **parameters, void **extra)
{
    ENTER();
    SoftGpuLaunch shape = {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes};
    CUresult result;
    Work *work = launch_work((SoftGpuKernel *)(void *)function, &shape, parameters, extra, &result);
    if (work)
        result = queue_work(stream_of(stream), work);
    return driver_leave(result);
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode *node, CUgraph graph, const CUgraphNode *after,
                                 size_t after_count, const CUDA_KERNEL_NODE_PARAMS *kernel)
{
    ENTER();
    if (!graph || !node || !kernel || after_count > 4096)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    SoftGpuLaunch shape = {{kernel->gridDimX, kernel->gridDimY, kernel->gridDimZ},
                           {kernel->blockDimX, kernel->blockDimY, kernel->blockDimZ},
                           kernel->sharedMemBytes};
    CUresult result;
    Work *work = launch_work((SoftGpuKernel *)(void *)kernel->func, &shape, kernel->kernelParams,
                             kernel->extra, &result);
    if (!work)
        return driver_leave(result);
    int32_t *indices = allocate_or_exit((int64_t)after_count, sizeof *indices);
    for (size_t i = 0; i < after_count; i++)
        indices[i] = after[i]->index;
    int32_t index = graph_add_work(graph, work, indices, (int32_t)after_count);
    *node = graph_handle(graph, index);
    free(indices);
    return driver_leave(CUDA_SUCCESS);
}
