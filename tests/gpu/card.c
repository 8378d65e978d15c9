/* softgpu.h's interface on a driver: a test that is linked with this file instead of the software
 * GPU runs its kernels on a card. Nothing is detected here but what the driver reports.
 *
 *     SNUG_CARD_DRIVER   folder of the driver's library; not set: where it usually is
 *     SNUG_CARD_PTX      1: modules are PTX for 8.6, as the software GPU takes them, and the driver
 *                        translates it; else machine code for the card, as trainers load it
 *     SNUG_CARD_FILL     0: memory is not filled with NaN, so that compute-sanitizer's initcheck
 *                        sees what was never written
 *
 * One context a process, as a trainer has it. Exits with 1 where there is no card.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/card/cuda_api.h"
#include "runtime/card/cuda_gemm.h"
#include "runtime/card/kernel_cache.h"
#include "tests/softgpu/softgpu.h"

enum {
    MOST_ALLOCATIONS = 4096,
    DEFAULT_SHARED_BYTES = 48 << 10,
    NAN_BYTE = 0xff,
    JIT_ERROR_LOG = 5,
    JIT_ERROR_LOG_BYTES = 6,
    SOFTWARE_CAPABILITY = 86
};

/* The process's card. */
typedef struct Card {
    CudaApi api;
    CudaStream stream;
    CublasHandle library; /* NULL until it is asked for */
    int32_t capability;   /* that code is made for */
    bool is_ptx, is_filled;
} Card;

struct SoftGpuKernel {
    CudaFunction function;
    char *name;
    SoftGpuKernel *next;
};

struct SoftGpuModule {
    CudaModule module;
    SoftGpuKernel *kernels;
    SoftGpuModule *next;
};

struct SoftGpu {
    uint64_t allocations[MOST_ALLOCATIONS];
    int32_t allocation_count;
    SoftGpuModule *modules;
    SoftGpuStatus status;
    char report[1024];
};

static Card *the_card;

static void *allocate_or_exit(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory != NULL)
        return memory;
    fprintf(stderr, "no memory\n");
    exit(1);
}

/* The first failure stays, as in a CUDA context. */
static bool check(SoftGpu *gpu, CudaResult result, const char *what)
{
    Error error = {0};

    if (result == 0)
        return true;
    cuda_failed(&the_card->api, result, what, &error);
    if (gpu->status == SOFTGPU_OK)
        snprintf(gpu->report, sizeof gpu->report, "%s (%s)", error.what, error.why);
    gpu->status = (SoftGpuStatus)result;
    return false;
}

/* ---- the card -------------------------------------------------------------------------------- */

static void require(bool holds, const Error *error)
{
    if (holds)
        return;
    fprintf(stderr, "no card: %s\n", error->what);
    exit(1);
}

static bool says(const char *variable, const char *value)
{
    const char *have = getenv(variable);

    return have != NULL && strcmp(have, value) == 0;
}

/* Machine code for this card, if the driver takes it. */
static void choose_code(Card *card, CudaDevice device)
{
    KernelCompile compile = {.api = &card->api, .is_quiet = true};
    KernelImage probe = {.name = "probe", .source = "extern \"C\" __global__ void probe() {}\n"};
    CudaModule module = NULL;
    Error ignored = {0};
    int major = 0, minor = 0;

    card->api.cuDeviceGetAttribute(&major, CUDA_ATTRIBUTE_CAPABILITY_MAJOR, device);
    card->api.cuDeviceGetAttribute(&minor, CUDA_ATTRIBUTE_CAPABILITY_MINOR, device);
    card->capability = kernel_cache_capability(&card->api, 10 * major + minor, &card->is_ptx);
    compile.capability = card->capability;
    if (!card->is_ptx && kernel_cache_compile(&compile, &probe, 1, &ignored)
        && card->api.cuModuleLoadDataEx(&module, probe.image, 0, NULL, NULL) == 0)
        card->api.cuModuleUnload(module);
    else
        card->is_ptx = true;
    free(probe.image);
}

static void open_card(void)
{
    Card *card = allocate_or_exit(sizeof *card);
    Error error = {0};
    CudaContext context;
    CudaDevice device;

    require(cuda_api_open(&card->api, getenv("SNUG_CARD_DRIVER"), &error), &error);
    CudaResult result = card->api.cuDeviceGet(&device, 0);
    if (result == 0)
        result = card->api.cuDevicePrimaryCtxRetain(&context, device);
    if (result == 0)
        result = card->api.cuCtxSetCurrent(context);
    if (result == 0)
        result = card->api.cuStreamCreate(&card->stream, CUDA_STREAM_NON_BLOCKING);
    require(result == 0 || cuda_failed(&card->api, result, "the card cannot be used", &error),
            &error);
    if (says("SNUG_CARD_PTX", "1")) {
        card->capability = SOFTWARE_CAPABILITY;
        card->is_ptx = true;
    } else {
        choose_code(card, device);
    }
    card->is_filled = !says("SNUG_CARD_FILL", "0");
    the_card = card;
}

SoftGpu *softgpu_create(const SoftGpuOptions *options)
{
    (void)options;
    if (the_card == NULL)
        open_card();
    return allocate_or_exit(sizeof(SoftGpu));
}

void softgpu_destroy(SoftGpu *gpu)
{
    if (gpu == NULL)
        return;
    while (gpu->modules != NULL)
        softgpu_unload(gpu, gpu->modules);
    while (gpu->allocation_count > 0)
        the_card->api.cuMemFree(gpu->allocations[--gpu->allocation_count]);
    free(gpu);
}

SoftGpuStatus softgpu_status(const SoftGpu *gpu)
{
    return gpu->status;
}

SoftGpuFault softgpu_fault(const SoftGpu *gpu)
{
    (void)gpu;
    return SOFTGPU_FAULT_none;
}

const char *softgpu_report(const SoftGpu *gpu)
{
    return gpu->report;
}

int32_t softgpu_capability(const SoftGpu *gpu, bool *is_ptx)
{
    (void)gpu;
    *is_ptx = the_card->is_ptx;
    return the_card->capability;
}

/* ---- memory ---------------------------------------------------------------------------------- */

uint64_t softgpu_allocate(SoftGpu *gpu, int64_t bytes)
{
    const CudaApi *api = &the_card->api;
    CudaAddress address = 0;

    if (gpu->allocation_count == MOST_ALLOCATIONS
        || !check(gpu, api->cuMemAlloc(&address, (size_t)bytes), "cannot allocate"))
        return 0;
    gpu->allocations[gpu->allocation_count++] = address;
    if (the_card->is_filled
        && (!check(gpu, api->cuMemsetD8Async(address, NAN_BYTE, (size_t)bytes, the_card->stream),
                   "cannot fill memory")
            || !check(gpu, api->cuStreamSynchronize(the_card->stream), "cannot fill memory")))
        return 0;
    return address;
}

bool softgpu_free(SoftGpu *gpu, uint64_t address)
{
    for (int32_t k = 0; k < gpu->allocation_count; k++)
        if (gpu->allocations[k] == address) {
            gpu->allocations[k] = gpu->allocations[--gpu->allocation_count];
            return check(gpu, the_card->api.cuMemFree(address), "cannot free");
        }
    return false;
}

bool softgpu_upload(SoftGpu *gpu, uint64_t to, const void *from, int64_t bytes)
{
    return check(gpu, the_card->api.cuMemcpyHtoD(to, from, (size_t)bytes),
                 "cannot copy to the card");
}

bool softgpu_download(SoftGpu *gpu, void *to, uint64_t from, int64_t bytes)
{
    return check(gpu, the_card->api.cuMemcpyDtoH(to, from, (size_t)bytes),
                 "cannot copy from the card");
}

/* ---- modules --------------------------------------------------------------------------------- */

SoftGpuModule *softgpu_load(SoftGpu *gpu, const char *image, const char *name)
{
    SoftGpuModule *module = allocate_or_exit(sizeof *module);
    char log[512] = "";
    int options[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES};
    void *values[] = {log, (void *)(uintptr_t)sizeof log};
    CudaResult result =
        the_card->api.cuModuleLoadDataEx(&module->module, image, 2, options, values);

    if (!check(gpu, result, name)) {
        size_t used = strlen(gpu->report);
        snprintf(gpu->report + used, sizeof gpu->report - used, " %s", log);
        free(module);
        return NULL;
    }
    module->next = gpu->modules;
    gpu->modules = module;
    return module;
}

void softgpu_unload(SoftGpu *gpu, SoftGpuModule *module)
{
    SoftGpuModule **at = &gpu->modules;

    while (*at != module)
        at = &(*at)->next;
    *at = module->next;
    while (module->kernels != NULL) {
        SoftGpuKernel *kernel = module->kernels;
        module->kernels = kernel->next;
        free(kernel->name);
        free(kernel);
    }
    the_card->api.cuModuleUnload(module->module);
    free(module);
}

SoftGpuKernel *softgpu_kernel(SoftGpuModule *module, const char *name)
{
    CudaFunction function;

    if (the_card->api.cuModuleGetFunction(&function, module->module, name) != 0)
        return NULL;
    SoftGpuKernel *kernel = allocate_or_exit(sizeof *kernel);
    *kernel = (SoftGpuKernel){function, allocate_or_exit(strlen(name) + 1), module->kernels};
    strcpy(kernel->name, name);
    module->kernels = kernel;
    return kernel;
}

bool softgpu_allow_shared(SoftGpuKernel *kernel, int64_t bytes)
{
    return bytes <= DEFAULT_SHARED_BYTES
           || the_card->api.cuFuncSetAttribute(kernel->function, CUDA_FUNCTION_DYNAMIC_SHARED,
                                               (int)bytes)
                  == 0;
}

SoftGpuStatus softgpu_launch(SoftGpu *gpu, SoftGpuKernel *kernel, const SoftGpuLaunch *launch,
                             void *const *args)
{
    const CudaApi *api = &the_card->api;
    CudaResult result =
        api->cuLaunchKernel(kernel->function, launch->grid[0], launch->grid[1], launch->grid[2],
                            launch->block[0], launch->block[1], launch->block[2],
                            launch->shared_bytes, the_card->stream, (void **)(uintptr_t)args, NULL);

    if (check(gpu, result, kernel->name))
        check(gpu, api->cuStreamSynchronize(the_card->stream), kernel->name);
    return gpu->status;
}

/* cuBLAS itself. */
SoftGpuStatus softgpu_multiply(SoftGpu *gpu, const SoftGpuProduct *p)
{
    CudaApi *api = &the_card->api;
    Error error = {0};

    if (the_card->library == NULL) {
        require(cuda_api_open_cublas(api, getenv("SNUG_CARD_DRIVER"), &error), &error);
        the_card->library = cuda_gemm_create(api, the_card->stream, &error);
        require(the_card->library != NULL, &error);
    }
    int status = api->cublasSetWorkspace(the_card->library, (void *)(uintptr_t)p->workspace,
                                         (size_t)p->workspace_bytes);
    if (status == 0)
        status = api->cublasGemmEx(the_card->library, p->a.transposed, p->b.transposed, p->m, p->n,
                                   p->k, &p->alpha, (void *)(uintptr_t)p->a.at, p->a.type,
                                   p->a.leading, (void *)(uintptr_t)p->b.at, p->b.type,
                                   p->b.leading, &p->beta, (void *)(uintptr_t)p->c.at, p->c.type,
                                   p->c.leading, CUBLAS_COMPUTE_F32, CUBLAS_DEFAULT_ALGORITHM);
    if (status != 0) {
        snprintf(gpu->report, sizeof gpu->report, "cublasGemmEx: status %d", status);
        gpu->status = SOFTGPU_LAUNCH_FAILED;
    }
    check(gpu, api->cuStreamSynchronize(the_card->stream), "cublasGemmEx");
    return gpu->status;
}

/* A card counts nothing. */
SoftGpuCounters softgpu_last_counters(const SoftGpu *gpu)
{
    (void)gpu;
    return (SoftGpuCounters){0};
}
