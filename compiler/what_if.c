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
    trial->bound_us = plan->certificate.recompute_bound_us;
    trial->update_us = update_time_us(&c->target, &c->layout);
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        trial->step_us += set->kernels.items[plan->steps.items[s].kernel.i].time_us;
        trial->repeat_count += plan->steps.items[s].is_repeat;
        if (trial->runs_again != NULL)
            trial->runs_again[plan->steps.items[s].kernel.i] += plan->steps.items[s].is_repeat;
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

/* ---- for the page ---------------------------------------------------------------------------- */

enum { CURVE_POINTS = 9 };

static const int64_t other_batches[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

/* The curve begins with everything kept and goes down to what one kernel needs, at even distances of
 * bytes; where the planner does not get so far down, its points coincide. */
static void choose_budgets(const Compilation *c, OtherPlans *others, Arena *arena)
{
    SnugSegmentId segment = main_segment(c);
    const Certificate *certificate = &c->plans[segment]->certificate;
    int64_t most = certificate->keep_all_bytes, least = certificate->feasibility_floor;

    others->curve_count = CURVE_POINTS;
    others->curve = arena_array(arena, Trial, CURVE_POINTS);
    for (int k = 0; k < CURVE_POINTS; k++) {
        int64_t arena_bytes = most - (most - least) / CURVE_POINTS * k;
        others->curve[k].budget_bytes = c->layout.persistent_bytes + arena_bytes;
        others->curve[k].runs_again =
            arena_array(arena, uint16_t, c->kernels[segment]->kernels.count);
    }
}

static void choose_rows(const Compilation *c, OtherPlans *others, Arena *arena)
{
    bool has_ema = c->layout.ema > 0;

    others->rows = arena_array(arena, Trial, 4 * (COUNT_OF(other_batches) + 1));
    for (size_t k = 0; k <= COUNT_OF(other_batches); k++) {
        int64_t batch = k < COUNT_OF(other_batches) ? other_batches[k] : c->model->batch_size;
        bool is_listed = false;
        for (size_t i = 0; i < COUNT_OF(other_batches); i++)
            is_listed |= k == COUNT_OF(other_batches) && other_batches[i] == batch;
        for (int no_ema = 0; no_ema <= has_ema && !is_listed; no_ema++)
            for (int keep_all = 1; keep_all >= 0; keep_all--)
                others->rows[others->row_count++] = (Trial){
                    .batch_size = batch, .no_ema = no_ema, .keep_all = keep_all};
    }
}

/* Without need of it, a plan with recomputation is the plan without: said once. */
static void drop_equal_rows(OtherPlans *others)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < others->row_count; k++)
        if (others->rows[k].keep_all || others->rows[k].repeat_count > 0)
            others->rows[count++] = others->rows[k];
    others->row_count = count;
}

/* Points that lie on each other are one. */
static void drop_equal_points(OtherPlans *others)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < others->curve_count; k++)
        if (count == 0 || others->curve[k].total_bytes < others->curve[count - 1].total_bytes)
            others->curve[count++] = others->curve[k];
    others->curve_count = count;
}

const OtherPlans *plan_others(const Compilation *c, Arena *arena)
{
    OtherPlans *others = arena_new(arena, OtherPlans);

    choose_budgets(c, others, arena);
    choose_rows(c, others, arena);
    run_trials(&c->options, others->curve, others->curve_count);
    run_trials(&c->options, others->rows, others->row_count);
    drop_equal_points(others);
    drop_equal_rows(others);
    return others;
}
