/* Trials: compile the model again up to its kernels, plan, check, keep the figures.
 *
 * Trials share nothing, so each runs on a thread of its own.
 */
#include "what_if.h"

#include "compiler/check/check_plans.h"
#include "compiler/inspect/inspect.h"
#include "compiler/ir/trial.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/plan/plan.h"
#include "compiler/target/cost.h"

void answer_trial(const Compilation *c, Trial *trial)
{
    SnugSegmentId segment = main_segment(c);
    const Plan *plan = c->plans[segment];
    const KernelSet *set = c->kernels[segment];

    trial->is_planned = true;
    trial->fits = c->fits;
    trial->is_impossible = plan->certificate.is_impossible;
    trial->persistent_bytes = c->layout.persistent_bytes;
    trial->arena_bytes = c->layout.arena_bytes;
    trial->total_bytes = c->layout.total_bytes;
    trial->added_us = plan->certificate.recompute_us;
    trial->bound_us = plan->certificate.recompute_bound_us;
    trial->update_us = update_time_us(&c->target, &c->layout);
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        trial->step_us += set->kernels.items[plan->steps.items[s].kernel.i].time_us;
        trial->repeat_count += plan->steps.items[s].is_repeat;
    }
}

/* The compilation ends before its labels are shown. The arena may be shared by trials. */
static void copy_labels(const Compilation *c, Trial *trial)
{
    SnugSegmentId segment = main_segment(c);
    const Plan *plan = c->plans[segment];
    uint32_t count = 0;

#pragma omp critical
    {
        trial->again = arena_array(trial->names, const char *, trial->repeat_count);
        for (uint32_t s = 0; s < plan->steps.count; s++) {
            const Step *step = &plan->steps.items[s];
            if (step->is_repeat)
                trial->again[count++] = arena_strdup(
                    trial->names, c->kernels[segment]->kernels.items[step->kernel.i].label);
        }
    }
}

CompileOptions trial_options(const CompileOptions *base, const Trial *trial)
{
    CompileOptions options = *base;

    options.dump = NULL;
    options.time_stages = false;
    if (trial->batch_size != 0)
        options.batch_size = trial->batch_size;
    if (trial->image_height != 0) {
        options.image_height = trial->image_height;
        options.image_width = trial->image_width;
    }
    if (trial->effort != 0)
        options.planner_effort = trial->effort;
    if (trial->headless)
        options.reserve_bytes = HEADLESS_RESERVE;
    if (trial->recompute)
        options.recompute = RECOMPUTE_all;
    options.no_ema |= trial->no_ema;
    return options;
}

static void run_trial(const CompileOptions *base, Trial *trial)
{
    CompileOptions options = trial_options(base, trial);
    Arena *arena = arena_create();

    options.overrides = arena_array(arena, Override, options.override_count);
    for (uint32_t k = 0; k < options.override_count; k++)
        options.overrides[k] = base->overrides[k];
    Compilation *c = compilation_create(&options);
    if (run_pipeline(c, "kernels", stdout) == EXIT_STATUS_ok) {
        int64_t budget = trial->budget_bytes != 0 ? trial->budget_bytes : c->target.budget_bytes;
        c->target.budget_bytes = trial->keep_all ? INT64_MAX : budget;
        make_plans(c);
        check_plans(c);
        answer_trial(c, trial);
        if (trial->names != NULL)
            copy_labels(c, trial);
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

Trial plan_next_batch(const Compilation *c)
{
    Trial trial = {.batch_size = c->model->batch_size + 1};

    run_trials(&c->options, &trial, 1);
    return trial;
}

/* ---- for the page ---------------------------------------------------------------------------- */

/* Trials come in groups, the easiest first, and stop after a group in which none fits: less memory
 * or more pictures would not fit either. The sizes of groups are fixed, so that the answer does not
 * depend on the number of processors. */
enum { CURVE_POINTS = 8, CURVE_GROUP = 4, MIB = 1 << 20 };

static const int64_t other_batches[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};

static bool any_fits(const Trial *trials, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++)
        if (trials[k].is_planned && trials[k].fits)
            return true;
    return false;
}

/* From everything kept down to what one kernel needs, at even distances in whole MiB, and the plan
 * itself; points that are no smaller than the one before are left out. */
static void plan_curve(const Compilation *c, OtherPlans *others, Arena *arena)
{
    SnugSegmentId segment = main_segment(c);
    const Certificate *certificate = &c->plans[segment]->certificate;
    int64_t most = certificate->keep_all_bytes, least = certificate->feasibility_floor;
    Trial trials[CURVE_POINTS] = {0};
    uint32_t done = 0;

    for (int64_t k = 0; k < CURVE_POINTS; k++) {
        trials[k].budget_bytes =
            align_up(c->layout.persistent_bytes + most - (most - least) * k / CURVE_POINTS, MIB);
        trials[k].names = arena;
    }
    do {
        run_trials(&c->options, &trials[done], CURVE_GROUP);
        done += CURVE_GROUP;
    } while (done < CURVE_POINTS && any_fits(&trials[done - 1], 1));
    others->curve = arena_array(arena, Trial, CURVE_POINTS + 1);
    for (uint32_t k = 0; k < done; k++)
        if (others->curve_count == 0
            || trials[k].total_bytes < others->curve[others->curve_count - 1].total_bytes)
            others->curve[others->curve_count++] = trials[k];
    if (certificate->recompute_us == 0)
        return; /* the first point */
    Trial *own = &others->curve[others->curve_count++];
    *own = (Trial){.names = arena, .budget_bytes = c->target.budget_bytes};
    answer_trial(c, own);
    copy_labels(c, own);
}

/* Of one batch: everything kept; where that does not fit, with recomputation. Each with averages
 * and without. Returns whether any fits. */
static bool plan_batch(const Compilation *c, OtherPlans *others, int64_t batch)
{
    uint32_t forms = c->layout.ema > 0 ? 2 : 1, again = 0;
    Trial kept[2] = {{.batch_size = batch, .keep_all = true},
                     {.batch_size = batch, .keep_all = true, .no_ema = true}};
    Trial repeated[2];

    run_trials(&c->options, kept, forms);
    for (uint32_t k = 0; k < forms; k++)
        if (kept[k].is_planned && !kept[k].fits)
            repeated[again++] = (Trial){.batch_size = batch, .no_ema = kept[k].no_ema};
    run_trials(&c->options, repeated, again);
    for (uint32_t k = 0, r = 0; k < forms; k++) {
        others->rows[others->row_count++] = kept[k];
        if (!kept[k].is_planned || kept[k].fits)
            continue;
        if (repeated[r].is_planned && repeated[r].total_bytes != kept[k].total_bytes)
            others->rows[others->row_count++] = repeated[r];
        r++;
    }
    return any_fits(kept, forms) || any_fits(repeated, again);
}

static void plan_batches(const Compilation *c, OtherPlans *others, Arena *arena)
{
    int64_t own = c->model->batch_size, last = 0;

    others->rows = arena_array(arena, Trial, 4 * (COUNT_OF(other_batches) + 1));
    for (size_t k = 0; k < COUNT_OF(other_batches); k++) {
        int64_t batch = other_batches[k];
        if (last < own && own < batch && !plan_batch(c, others, own))
            return;
        if (!plan_batch(c, others, batch))
            return;
        last = batch;
    }
    if (own > last)
        plan_batch(c, others, own);
}

const OtherPlans *plan_others(const Compilation *c, Arena *arena)
{
    OtherPlans *others = arena_new(arena, OtherPlans);

    plan_curve(c, others, arena);
    plan_batches(c, others, arena);
    return others;
}
