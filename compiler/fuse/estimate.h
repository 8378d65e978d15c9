#ifndef SNUG_ESTIMATE_H
#define SNUG_ESTIMATE_H

#include "compiler/ir/compilation.h"

/* The stage `kernels`. Ensures: flops, bytes, time_us and workspace_bytes of every kernel. */
bool estimate_costs(Compilation *c);
/* The same of one set. Returns false after a diagnostic where the target cannot run one of them. */
bool estimate_kernels(Compilation *c, KernelSet *set);

#endif
