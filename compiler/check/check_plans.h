#ifndef SNUG_CHECK_PLANS_H
#define SNUG_CHECK_PLANS_H

#include "compiler/ir/compilation.h"

/* The stage `check`: executes every plan symbolically: each byte read must be the byte that its
 * producer wrote last. Shares no code with the planner. BUG where the plan is wrong. */
bool check_plans(Compilation *c);

#endif
