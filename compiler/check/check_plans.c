/* Checks every plan of a compilation; a wrong plan is our bug and ends it. */
#include "check_plans.h"

#include "check_plan.h"

static void require_good(PlanCheck check, const char *what)
{
    if (check.fault != PLAN_good)
        BUG("the plan of %s is wrong: %s", what, check.text);
}

bool check_plans(Compilation *c)
{
    static const char *const names[] = {"micro_step", "update", "evaluate"};

    require_good(check_layout(&c->layout, c->model, c->scratch), "the persistent part");
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->plans[s] != NULL)
            require_good(
                check_plan(c->plans[s], c->kernels[s], &c->layout, (SnugSegmentId)s, c->scratch),
                names[s]);
    return true;
}
