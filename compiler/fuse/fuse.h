/* Fusion: the graph's ops -> kernels over stored values; what other rooms call. */
#ifndef SNUG_FUSE_H
#define SNUG_FUSE_H

#include "compiler/ir/compilation.h"

/* ---- fuse.c ---------------------------------------------------------------------------------- */
/* Requires: graphs that passed infer_shapes and differentiate; target. Ensures: kernels. The
 * micro-step's are absent where the model has no loss, evaluate's where it has no heat maps. */
bool fuse(Compilation *c);
/* The micro-step's kernels as they stand where kernels of the backward pass rebuild residual sums
 * from so many tensors instead of loading them; 0: they load them. */
KernelSet *fuse_training(Compilation *c, uint32_t rebuilds);

/* ---- verify_kernels.c: invariants, BUG where one is broken ----------------------------------- */
void verify_kernels(const KernelSet *kernels, const Model *model, const char *stage);

/* ---- print_kernels.c ------------------------------------------------------------------------- */
void print_kernels(FILE *out, const KernelSet *kernels, const Model *model);

#endif
