/* A kernel made ready, whatever its kind. */
#include "host.h"
#include "runtime/machine.h"

#include <omp.h>
#include <stdlib.h>

int64_t host_carve(HostCarve *carve, int64_t bytes)
{
    int64_t at = carve->used;
    carve->used += (bytes + HOST_ALIGNMENT - 1) / HOST_ALIGNMENT * HOST_ALIGNMENT;
    return at;
}

int64_t host_type_bytes(SnugType type)
{
    return type == SNUG_U8 ? 1 : type == SNUG_BF16 || type == SNUG_F16 ? 2 : 4;
}

void host_share(int64_t count, int32_t t, int32_t threads, int64_t *begin, int64_t *end)
{
    *begin = count * t / threads;
    *end = count * (t + 1) / threads;
}

static bool args_are_valid(const SnugKernel *kernel)
{
    if (kernel->arg_count < 0 || kernel->arg_count > HOST_MAX_ARGS)
        return false;
    for (int32_t i = 0; i < kernel->arg_count; i++) {
        const SnugArg *arg = &kernel->args[i];
        if (arg->type == SNUG_F16 || arg->type == SNUG_UNKNOWN || arg->shape.n < 1
            || arg->shape.h < 1 || arg->shape.w < 1 || arg->shape.c < 1
            || arg->pitch < arg->shape.c)
            return false;
    }
    return true;
}

/* bytes: of workspace; -1: the kernel is none that can be run. */
static bool carve_shared(HostKernel *k, int64_t bytes)
{
    if (bytes > 0)
        host_carve(&k->shared, bytes);
    return bytes >= 0;
}

/* One pair for each word in the column `host` of kernels.def. */
static bool prepare_strips(HostKernel *k, bool dry)
{
    return host_strips_create(k, dry);
}

static bool run_strips(const HostKernel *k, const HostLaunch *launch)
{
    return host_strips_run(k, launch);
}

static bool prepare_wgrad(HostKernel *k, bool dry)
{
    return host_wgrad_create(k, dry);
}

static bool run_wgrad(const HostKernel *k, const HostLaunch *launch)
{
    return host_wgrad_run(k, launch);
}

static bool prepare_combine(HostKernel *k, bool dry)
{
    (void)dry;
    return host_combine_is_valid(k->kernel);
}

static bool run_combine(const HostKernel *k, const HostLaunch *launch)
{
    host_combine_run(k->kernel, launch->args);
    return true;
}

static bool prepare_loss(HostKernel *k, bool dry)
{
    (void)dry;
    return carve_shared(k, host_loss_workspace(k->kernel, k->threads));
}

static bool run_loss(const HostKernel *k, const HostLaunch *launch)
{
    host_loss_run(k, launch);
    return true;
}

static bool prepare_decode(HostKernel *k, bool dry)
{
    (void)dry;
    return carve_shared(k, host_decode_workspace(k->kernel, k->threads));
}

static bool run_decode(const HostKernel *k, const HostLaunch *launch)
{
    host_decode_run(k, launch);
    return true;
}

static bool prepare_grad_norm(HostKernel *k, bool dry)
{
    (void)dry;
    return k->kernel->arg_count == 1 && k->kernel->args[0].type == SNUG_F32;
}

static bool run_grad_norm(const HostKernel *k, const HostLaunch *launch)
{
    host_grad_norm_run(launch, k->threads);
    return true;
}

static bool prepare_adamw(HostKernel *k, bool dry)
{
    return prepare_grad_norm(k, dry);
}

static bool run_adamw(const HostKernel *k, const HostLaunch *launch)
{
    host_adamw_run(launch, k->threads);
    return true;
}

static bool prepare_absent(HostKernel *k, bool dry)
{
    (void)k, (void)dry;
    return false;
}

static bool run_absent(const HostKernel *k, const HostLaunch *launch)
{
    (void)k, (void)launch;
    return false;
}

typedef struct HostKind {
    bool (*prepare)(HostKernel *k, bool dry);
    bool (*run)(const HostKernel *k, const HostLaunch *launch);
} HostKind;

static const HostKind kinds[SNUG_KERNEL_KIND_COUNT] = {
#define KERNEL(name, result, in0, in1, with, host, ...)                                            \
    [SNUG_KERNEL_##name] = {prepare_##host, run_##host},
#include "runtime/kernels.def"
#undef KERNEL
};

HostKernel *host_kernel_create(const SnugKernel *kernel, int32_t threads, bool dry)
{
    if (threads < 1 || threads > HOST_MAX_THREADS || !args_are_valid(kernel)
        || (uint32_t)kernel->kind >= SNUG_KERNEL_KIND_COUNT)
        return NULL;
    HostKernel *k = calloc(1, sizeof *k);
    if (k == NULL)
        return NULL;
    k->kernel = kernel;
    k->lanes = host_lanes();
    k->threads = threads;
    if (!kinds[kernel->kind].prepare(k, dry)) {
        host_kernel_destroy(k);
        return NULL;
    }
    return k;
}

void host_kernel_destroy(HostKernel *k)
{
    if (k == NULL)
        return;
    host_strips_destroy(k);
    free(k);
}

int64_t host_kernel_workspace(const HostKernel *k)
{
    return k->shared.used + k->threads * k->each.used;
}

bool host_kernel_run(const HostKernel *k, const HostLaunch *launch)
{
    int outer = omp_get_max_threads();
    omp_set_num_threads(1); /* oneDNN in this thread: the team is what runs side by side */
    bool ok = kinds[k->kernel->kind].run(k, launch);
    omp_set_num_threads(outer);
    return ok;
}

int64_t snug_host_workspace(const SnugKernel *kernel, int32_t threads)
{
    HostKernel *k = host_kernel_create(kernel, threads, true);
    if (k == NULL)
        return -1;
    int64_t bytes = host_kernel_workspace(k);
    host_kernel_destroy(k);
    return bytes;
}
