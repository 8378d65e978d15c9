/* What each kernel costs on the target, who makes it, and what it needs besides its args. */
#include "estimate.h"

#include "compiler/target/cost.h"
#include "compiler/target/gemm_choice.h"
#include "compiler/target/tiles.h"
#include "compiler/target/workspace.h"
#include "fuse_repeat.h"

/* A step may run the kernel again without its reductions; the device may then cut it otherwise. */
static int64_t workspace_of_all_forms(Compilation *c, const Kernel *kernel)
{
    int64_t bytes = kernel_workspace(&c->target, &kernel->code);
    const int32_t *kept;

    if (bytes < 0 || !kernel->may_repeat || kernel->code.reduction_count == 0)
        return bytes;
    SnugKernel repeat = repeat_kernel(&kernel->code, c->scratch, &kept);
    return max_i64(bytes, kernel_workspace(&c->target, &repeat));
}

static bool estimate_kernel(Compilation *c, Kernel *kernel)
{
    bool is_card = c->target.device == DEVICE_cuda;

    kernel->code.is_gemm = is_card && choose_gemm(&c->target, &kernel->code);
    kernel->flops = kernel_flops(&kernel->code);
    kernel->bytes = kernel_bytes(&c->target, &kernel->code);
    kernel->time_us = kernel_time_us(&c->target, &kernel->code);
    kernel->bound = kernel_bound(&c->target, &kernel->code);
    kernel->code.workspace_bytes = workspace_of_all_forms(c, kernel);
    if (is_card)
        kernel->tile = tile_text(c->arena, c->target.card, &kernel->code);
    if (kernel->code.workspace_bytes >= 0)
        return true;
    error_at(c->diags, ERROR_E182, kernel->source, "the device cannot run %s", kernel->label);
    note(c->diags, "its kernel is %s, with %d operands", kernel->code.name, kernel->code.arg_count);
    return false;
}

bool estimate_kernels(Compilation *c, KernelSet *set)
{
    bool ok = true;

    for (uint32_t k = 0; k < set->kernels.count; k++)
        ok &= estimate_kernel(c, &set->kernels.items[k]);
    return ok;
}

bool estimate_costs(Compilation *c)
{
    bool ok = true;

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->kernels[s] != NULL)
            ok &= estimate_kernels(c, c->kernels[s]);
    return ok;
}
