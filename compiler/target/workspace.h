/* What a kernel needs besides its args, on either device: scratch memory that the plan gives it.
 * The one place that says how much, so that plan, emitted source and device agree. */
#ifndef SNUG_WORKSPACE_H
#define SNUG_WORKSPACE_H

#include "compiler/ir/ir.h"

enum {
    HEAT_SLICE_PIXELS = 512, /* of a heat map, summed by one block of a card */
    NORM_BLOCKS = 1024       /* that sum the squares of all gradients on a card */
};

/* How many such slices a heat map is cut into. */
int64_t heat_slices(const SnugArg *heat);

/* Bytes of workspace that one launch needs, a multiple of SNUG_ALIGNMENT; -1: the target cannot run
 * the kernel. Requires is_gemm. */
int64_t kernel_workspace(const Target *target, const SnugKernel *kernel);

#endif
