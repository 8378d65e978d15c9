/* The plan: kernels -> order, repeats, offsets; what other rooms call. */
#ifndef SNUG_PLAN_H
#define SNUG_PLAN_H

#include "compiler/ir/compilation.h"

/* ---- plan.c ---------------------------------------------------------------------------------- */
/* The stage `plan`. Requires: kernels with costs and workspaces. Ensures: plans, layout, and
 * whether they fit the budget, which is no error here: fits. Kernels of the micro-step are
 * exchanged for those that rebuild sums where the plan is better for it. */
bool plan_memory(Compilation *c);
/* The same without taking the time, whatever the budget. */
void make_plans(Compilation *c);

/* ---- print_plan.c ---------------------------------------------------------------------------- */
void print_plan(FILE *out, const Plan *plan, const KernelSet *kernels);

#endif
