/* A plan that no planner made: buffers share no bytes, but for results that take over a dying arg
 * in place; kernels that may repeat do so now and then, at random. It shows what kernels compute,
 * whatever the planner is like.
 */
#ifndef SNUG_TESTS_LOOSE_PLAN_H
#define SNUG_TESTS_LOOSE_PLAN_H

#include "compiler/ir/compilation.h"

/* Requires fuse and estimate_costs. Sets c->plans and c->layout. */
void make_loose_plans(Compilation *c, uint64_t seed);

#endif
