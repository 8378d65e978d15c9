/* The stand-in driver: initialisation, the device, the primary context, memory.
 *
 * The environment says what card it is (a test sets it before it starts the program):
 *     SOFTGPU_MEMORY   bytes of the card, default 8 GiB
 *     SOFTGPU_THREADS  of the CPU, default 2
 *     SOFTGPU_SEED     of the order of work, default 1; 0: nodes run as they were queued
 *     SOFTGPU_RACES    0: no race detector
 *     SOFTGPU_BLOCKS   1: races between blocks of a launch too
 *     SOFTGPU_COUNTERS a file: what each kernel did, written when the context is released
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"

static _Thread_local bool has_context;

static int64_t environment(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    char *end;

    if (!text || !*text)
        return otherwise;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < 0) {
        fprintf(stderr, "software GPU: %s is '%s': it takes a whole number\n", name, text);
        exit(2);
    }
    return value;
}

/* What a launch reports at most once a process. */
static void report_fault(void)
{
    if (the_driver.gpu->status == SOFTGPU_OK || the_driver.reported)
        return;
    the_driver.reported = true;
    fprintf(stderr, "software GPU: %s\n", softgpu_report(the_driver.gpu));
}

CUresult driver_enter(void)
{
    pthread_mutex_lock(&the_driver.lock);
    if (the_driver.initialized && the_driver.retained > 0 && has_context)
        return CUDA_SUCCESS;
    CUresult result =
        the_driver.initialized ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_NOT_INITIALIZED;
    pthread_mutex_unlock(&the_driver.lock);
    return result;
}

CUresult driver_leave(CUresult result)
{
    if (the_driver.gpu && the_driver.gpu->status != SOFTGPU_OK) {
        report_fault();
        if (result == CUDA_SUCCESS)
            result = (CUresult)the_driver.gpu->status;
    }
    pthread_mutex_unlock(&the_driver.lock);
    return result;
}

CUresult cuInit(unsigned flags)
{
    if (flags)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&the_driver.lock);
    the_driver.initialized = true;
    pthread_mutex_unlock(&the_driver.lock);
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version)
{
    if (!version)
        return CUDA_ERROR_INVALID_VALUE;
    *version = 13000;
    return CUDA_SUCCESS;
}

static const struct {
    CUresult result;
    const char *name, *text;
} results[] = {
#define CUDA_RESULT(name, number, text) {name, #name, text},
#include "cuda_results.def"
#undef CUDA_RESULT
};

CUresult cuGetErrorName(CUresult result, const char **name)
{
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (results[i].result == result) {
            *name = results[i].name;
            return CUDA_SUCCESS;
        }
    *name = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

/* After a fault, what the device itself has to say. */
CUresult cuGetErrorString(CUresult result, const char **text)
{
    if (result != CUDA_SUCCESS && the_driver.gpu && (int)the_driver.gpu->status == (int)result) {
        *text = softgpu_report(the_driver.gpu);
        return CUDA_SUCCESS;
    }
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (results[i].result == result) {
            *text = results[i].text;
            return CUDA_SUCCESS;
        }
    *text = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

/* ---- the device ------------------------------------------------------------------------------ */

static int64_t card_bytes(void)
{
    return environment("SOFTGPU_MEMORY", INT64_C(8) << 30);
}

CUresult cuDeviceGetCount(int *count)
{
    if (!the_driver.initialized)
        return CUDA_ERROR_NOT_INITIALIZED;
    *count = 1;
    return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
    if (!the_driver.initialized)
        return CUDA_ERROR_NOT_INITIALIZED;
    *device = 0;
    return ordinal == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device)
{
    if (device != 0)
        return CUDA_ERROR_INVALID_DEVICE;
    if (!name || size <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(name, (size_t)size, "snug software GPU");
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    if (device != 0)
        return CUDA_ERROR_INVALID_DEVICE;
    *bytes = (size_t)card_bytes();
    return CUDA_SUCCESS;
}

/* CUdevice_attribute and its value: those of a card of compute capability 8.6 with 48 SMs. */
static const int attributes[][2] = {
    {1, CARD_THREADS},
    {2, 1024},
    {3, 1024},
    {4, 64},
    {5, 2147483647},
    {6, 65535},
    {7, 65535},
    {8, CARD_SHARED_DEFAULT},
    {9, 65536},
    {10, LANES},
    {11, 2147483647},
    {12, 65536},
    {13, 1770000},
    {16, CARD_SMS},
    {17, 0},
    {18, 0},
    {19, 1},
    {20, 0},
    {31, 1},
    {32, 0},
    {33, 0},
    {34, 0},
    {35, 0},
    {36, 9501000},
    {37, 256},
    {38, 4194304},
    {39, 1536},
    {40, 2},
    {41, 1},
    {75, 8},
    {76, 6},
    {78, 1},
    {81, 102400},
    {82, 65536},
    {97, CARD_SHARED_OPT_IN},
    {106, 16},
    {111, 1024},
    {115, 0},
};

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    if (device != 0)
        return CUDA_ERROR_INVALID_DEVICE;
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (attributes[i][0] == attribute) {
            *value = attributes[i][1];
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_INVALID_VALUE;
}

/* ---- the context ----------------------------------------------------------------------------- */

/* Any address: a context is only compared. */
static CUcontext primary_context(void)
{
    return (CUcontext)(void *)&the_driver;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
    if (device != 0)
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&the_driver.lock);
    CUresult result = the_driver.initialized ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
    if (result == CUDA_SUCCESS && the_driver.retained++ == 0) {
        SoftGpuOptions options = {.memory_bytes = card_bytes(),
                                  .threads = (int32_t)environment("SOFTGPU_THREADS", 2),
                                  .seed = (uint64_t)environment("SOFTGPU_SEED", 1),
                                  .skip_races = environment("SOFTGPU_RACES", 1) == 0,
                                  .check_blocks = environment("SOFTGPU_BLOCKS", 0) != 0};
        the_driver.gpu = softgpu_create(&options);
        the_driver.in_order = options.seed == 0;
        the_driver.random = options.seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
        the_driver.reported = false;
    }
    *context = primary_context();
    pthread_mutex_unlock(&the_driver.lock);
    return result;
}

/* What the program has left: its handles are worth nothing from now on. */
static void free_handles(void)
{
    while (the_driver.captures) {
        graph_free(the_driver.captures->graph);
        Capture *next = the_driver.captures->next;
        free(the_driver.captures);
        the_driver.captures = next;
    }
    while (the_driver.streams) {
        struct CUstream_st *next = the_driver.streams->next;
        free(the_driver.streams->captured.items);
        free(the_driver.streams);
        the_driver.streams = next;
    }
    while (the_driver.events) {
        struct CUevent_st *next = the_driver.events->next;
        node_unpin(the_driver.events->node);
        free(the_driver.events->captured.items);
        free(the_driver.events);
        the_driver.events = next;
    }
}

static void write_counters(const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file) {
        fprintf(stderr, "software GPU: %s cannot be written\n", path);
        return;
    }
    fprintf(file, "kernel,launches,thread_instructions,macs,read_bytes,written_bytes,"
                  "touched_read_bytes,touched_written_bytes\n");
    for (const SoftGpuModule *module = the_driver.gpu->modules; module; module = module->next)
        for (int32_t i = 0; i < module->kernel_count; i++) {
            const SoftGpuCounters *c = &module->kernels[i]->counters;
            if (c->launches)
                fprintf(file, "%s,%lld,%lld,%lld,%lld,%lld,%lld,%lld\n", module->kernels[i]->name,
                        (long long)c->launches, (long long)c->thread_instructions,
                        (long long)c->macs, (long long)c->global_read_bytes,
                        (long long)c->global_written_bytes, (long long)c->touched_read_bytes,
                        (long long)c->touched_written_bytes);
        }
    fclose(file);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
    const char *path = getenv("SOFTGPU_COUNTERS");

    if (device != 0)
        return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&the_driver.lock);
    CUresult result = the_driver.retained > 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    if (result == CUDA_SUCCESS && --the_driver.retained == 0) {
        queue_run(NULL);
        report_fault();
        queue_retire_all();
        free_handles();
        if (path && *path)
            write_counters(path);
        softgpu_destroy(the_driver.gpu);
        the_driver.gpu = NULL;
    }
    pthread_mutex_unlock(&the_driver.lock);
    return result;
}

CUresult cuCtxSetCurrent(CUcontext context)
{
    if (context && context != primary_context())
        return CUDA_ERROR_INVALID_CONTEXT;
    has_context = context != NULL;
    return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context)
{
    *context = has_context ? primary_context() : NULL;
    return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
    ENTER();
    CUresult result = refuse_in_capture(NULL);
    if (result == CUDA_SUCCESS) {
        result = queue_run(NULL);
        queue_retire_all();
    }
    return driver_leave(result);
}
