/* What kernels cost on a target. Figures of hardware are in cards.c, cards.def and, of
 * the host, in cost.c alone. */
#ifndef SNUG_COST_H
#define SNUG_COST_H

#include "compiler/ir/ir.h"

/* Floating-point operations of one launch: twice the multiply-adds of the core, and one for each
 * instruction of pointwise code an element. */
int64_t kernel_flops(const SnugKernel *kernel);
/* Bytes moved to and from memory by one launch: each arg once, what is added to twice, and on a
 * card the workspace twice: it holds partial results of blocks, written and read. */
int64_t kernel_bytes(const Target *target, const SnugKernel *kernel);
/* Estimate: a roofline, max(flops / rate of the kernel's class, bytes / bandwidth) + launch. */
double kernel_time_us(const Target *target, const SnugKernel *kernel);
/* The parts of that estimate, in us. */
typedef struct Roofline {
    double compute, memory, pointwise, launch;
} Roofline;
Roofline kernel_roofline(const Target *target, const SnugKernel *kernel);
/* What most of that is: "compute", "memory" or "launch". */
const char *kernel_bound(const Target *target, const SnugKernel *kernel);
/* Estimate of the update after the last micro-step: what it moves through memory. */
double update_time_us(const Target *target, const Layout *layout);

#endif
