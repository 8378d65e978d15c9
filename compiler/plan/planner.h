/* Shared by plan.c, plan_tasks.c and persistent.c; nobody else includes it. */
#ifndef SNUG_PLANNER_H
#define SNUG_PLANNER_H

#include "compiler/ir/compilation.h"
#include "compiler/recompute/recompute.h"

/* ---- plan_tasks.c: kernels <-> tasks --------------------------------------------------------- */
/* Task k is kernel k, value v is value v of the graph; only what lies in the arena is read or
 * written. */
TaskGraph kernel_tasks(const KernelSet *set, Arena *arena, Arena *scratch);
/* Steps and buffers, all but the offsets of those in the arena. */
Plan *plan_sequence(const KernelSet *set, const TaskGraph *graph, const Sequence *sequence,
                    const Layout *layout, SnugSegmentId segment, Arena *arena);

/* ---- persistent.c ---------------------------------------------------------------------------- */
void plan_persistent(Compilation *c); /* all but the arena's size */
/* Where a persistent value lies for a segment: `evaluate` reads averaged parameters. */
int64_t persistent_offset(const Layout *layout, const Value *value, SnugSegmentId segment);

#endif
