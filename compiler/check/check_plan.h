/* What check_plan.c finds wrong with a plan; for its tests. */
#ifndef SNUG_CHECK_PLAN_H
#define SNUG_CHECK_PLAN_H

#include "compiler/ir/ir.h"

typedef enum PlanFault {
    PLAN_good,
    PLAN_missing_step, /* a kernel never runs */
    PLAN_double_step,  /* a kernel runs twice and no repeat is said, or may not repeat, or adds to
                             something */
    PLAN_order,        /* who changes persistent bytes runs out of order */
    PLAN_no_buffer,    /* an arg has no buffer, or that of another value */
    PLAN_small_buffer, /* the tensor does not fit its buffer */
    PLAN_alignment,
    PLAN_bounds,      /* outside of the arena, or of the persistent part */
    PLAN_persistent,  /* persistent bytes elsewhere than in the layout, or written over */
    PLAN_unmade,      /* reads an instance that no step has made yet */
    PLAN_overwritten, /* reads bytes that somebody else wrote last */
    PLAN_collision,   /* a step writes where it reads or writes something else */
    PLAN_in_place,    /* takes over bytes where the kernel does not allow it */
    PLAN_lifetime,    /* a buffer is used outside of the life that it states */
    PLAN_output,      /* an output is not there at the end */
    PLAN_certificate  /* the load or the arena is not what is stated */
} PlanFault;

typedef struct PlanCheck {
    PlanFault fault;
    uint32_t step;    /* where it shows */
    const char *text; /* in words */
} PlanCheck;

/* The first fault of the plan of one segment. The text lives in the arena. */
PlanCheck check_plan(const Plan *plan, const KernelSet *kernels, const Layout *layout,
                     SnugSegmentId segment, Arena *arena);
/* The persistent part: every tensor aligned, inside, and on bytes of its own. */
PlanCheck check_layout(const Layout *layout, const Model *model, Arena *arena);

#endif
