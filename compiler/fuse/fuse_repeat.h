/* What a repeated step runs: the kernel without its reductions. */
#ifndef SNUG_FUSE_REPEAT_H
#define SNUG_FUSE_REPEAT_H

#include "compiler/ir/ir.h"

/* The kernel without its reductions and what only they read; arg a of the result is arg kept[a] of
 * the kernel. */
SnugKernel repeat_kernel(const SnugKernel *kernel, Arena *arena, const int32_t **kept);
bool repeat_needs(const SnugKernel *kernel, int32_t arg); /* repeat_kernel keeps the arg */

#endif
