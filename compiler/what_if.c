/* Trials: compile the model again up to its kernels with other sizes, plan, check, keep the figures.
 *
 * Trials share nothing, so each runs on a thread of its own.
 */
#include "what_if.h"

#include "cost.h"
#include "inspect.h"
#include "plan.h"

void answer_trial(const Compilation *c, Trial *trial)
{
    SnugSegmentId segment = main_segment(c);
    const Plan *plan = c->plans[segment];
    const KernelSet *set = c->kernels[segment];

    trial->is_planned = true;
    trial->fits = c->fits;
    trial->persistent_bytes = c->layout.persistent_bytes;
    trial->arena_bytes = c->layout.arena_bytes;
    trial->total_bytes = c->layout.total_bytes;
    trial->added_us = plan->certificate.recompute_us;
    trial->update_us = update_time_us(&c->target, &c->layout);
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        trial->step_us += set->kernels.items[plan->steps.items[s].kernel.i].time_us;
        trial->repeat_count += plan->steps.items[s].is_repeat;
    }
}

static void run_trial(const CompileOptions *base, Trial *trial)
{
    CompileOptions options = *base;
    Arena *arena = arena_create();

    options.overrides = arena_array(arena, Override, options.override_count);
    for (uint32_t k = 0; k < options.override_count; k++)
        options.overrides[k] = base->overrides[k];
    options.dump = NULL;
    options.time_stages = false;
    if (trial->batch_size != 0)
        options.batch_size = trial->batch_size;
    options.no_ema |= trial->no_ema;
    Compilation *c = compilation_create(&options);
    if (run_pipeline(c, "kernels", stdout) == EXIT_STATUS_ok) {
        int64_t budget = trial->budget_bytes != 0 ? trial->budget_bytes : c->target.budget_bytes;
        c->target.budget_bytes = trial->keep_all ? INT64_MAX : budget;
        make_plans(c);
        check_plans(c);
        answer_trial(c, trial);
        trial->fits = trial->total_bytes <= budget;
    }
    compilation_destroy(c);
    arena_destroy(arena);
}

void run_trials(const CompileOptions *options, Trial *trials, uint32_t count)
{
#pragma omp parallel for schedule(dynamic)
    for (uint32_t k = 0; k < count; k++)
        run_trial(options, &trials[k]);
}
