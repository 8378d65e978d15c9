/* The plan: kernels -> order, lifetimes, offsets, and whether it all fits.
 *
 *     kernels -> tasks -> order, repeats -> lifetimes -> offsets -> plan    a segment
 *     parameters, optimiser, inputs -> layout                          all segments
 *     layout + the larger arena <= budget: whether it fits
 */
#include "plan.h"

#include "compiler/floor/system.h"
#include "compiler/fuse/estimate.h"
#include "compiler/fuse/fuse.h"
#include "compiler/pack/pack.h"
#include "compiler/recompute/recompute.h"
#include "compiler/target/workspace.h"
#include "planner.h"

enum {
    PACK_NODES = 8000,     /* placements that the packer may try beyond its heuristics */
    SEARCHES = 3,          /* with seeds of their own */
    MAX_ROUNDS = 4,        /* searches with smaller budgets, where offsets need more */
    MAX_REBUILD_LEAVES = 3 /* tensors that a rebuilt sum is made of */
};

/* Times the bound: no more is expected of another search. */
static const double NEAR_BOUND = 1.02;

/* ---- offsets --------------------------------------------------------------------------------- */

/* Buffers that take over each other's bytes are one item, from the first one's start to the last
 * one's end:   conv1 [---)
 *              relu1    [----)      ->  [--------) */
static void pack_buffers(Plan *plan, Arena *arena)
{
    uint32_t count = plan->buffers.count;
    Arena *scratch = arena_create();
    PackItem *items = arena_array(scratch, PackItem, count);
    uint32_t *item_of = arena_array(scratch, uint32_t, count);
    PackProblem problem = {.items = items, .node_limit = PACK_NODES};

    for (uint32_t b = 0; b < count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        if (buffer->storage != STORAGE_arena)
            continue;
        if (buffer->in_place_of.i != b) {
            item_of[b] = item_of[buffer->in_place_of.i];
            items[item_of[b]].last = buffer->life.last;
            continue;
        }
        item_of[b] = problem.count;
        items[problem.count++] = (PackItem){.size = buffer->bytes,
                                            .first = buffer->life.first,
                                            .last = buffer->life.last,
                                            .align = SNUG_ALIGNMENT};
    }
    PackResult result = pack(&problem, arena);
    for (uint32_t b = 0; b < count; b++)
        if (plan->buffers.items[b].storage == STORAGE_arena)
            plan->buffers.items[b].offset = result.offsets[item_of[b]];
    plan->arena_bytes = result.height;
    arena_destroy(scratch);
}

/* ---- one set of kernels ---------------------------------------------------------------------- */

typedef struct SegmentPlanner {
    Compilation *c;
    SnugSegmentId segment;
    const KernelSet *set;
    TaskGraph graph;
    int64_t budget; /* bytes for the arena; negative where the rest is too large already */
    Arena *scratch;
} SegmentPlanner;

static SegmentPlanner segment_planner(Compilation *c, SnugSegmentId segment, const KernelSet *set,
                                      Arena *scratch)
{
    return (SegmentPlanner){
        .c = c,
        .segment = segment,
        .set = set,
        .graph = kernel_tasks(set, scratch, scratch),
        .budget = c->target.budget_bytes - c->layout.persistent_bytes,
        .scratch = scratch,
    };
}

static Plan *place(const SegmentPlanner *planner, const Sequence *sequence)
{
    Compilation *c = planner->c;
    Plan *plan = plan_sequence(planner->set, &planner->graph, sequence, &c->layout,
                               planner->segment, c->arena);
    Certificate *certificate = &plan->certificate;
    int64_t *load = arena_array(planner->scratch, int64_t, sequence->count);

    certificate->live_bound = sequence_peak(&planner->graph, sequence, load);
    pack_buffers(plan, c->arena);
    while (certificate->peak_step + 1 < sequence->count
           && load[certificate->peak_step] != certificate->live_bound)
        certificate->peak_step++;
    certificate->feasibility_floor = feasibility_floor(&planner->graph);
    certificate->keep_all_bytes = plan->arena_bytes;
    certificate->recompute_us = sequence_added_cost(&planner->graph, sequence);
    return plan;
}

static Plan *plan_kept(const SegmentPlanner *planner)
{
    Sequence kept = schedule_tasks(&planner->graph, planner->scratch, planner->scratch);

    return place(planner, &kept);
}

/* Within the budget before others, then by time, then by bytes. */
static bool is_better(const Plan *a, const Plan *b, int64_t budget)
{
    bool a_fits = a->arena_bytes <= budget, b_fits = b->arena_bytes <= budget;
    double a_us = a->certificate.recompute_us, b_us = b->certificate.recompute_us;

    if (a_fits != b_fits)
        return a_fits;
    if (a_fits && a_us != b_us)
        return a_us < b_us;
    return a->arena_bytes < b->arena_bytes;
}

/* The best of some searches: where a search ends is a matter of luck by a per cent or so of what it
 * adds. One is enough where that is nearly the bound, or where only a short one was asked for. */
static RecomputeResult search_with_seeds(RecomputeProblem problem, Arena *scratch)
{
    RecomputeResult best = {0};

    for (problem.seed = 1; problem.seed <= SEARCHES; problem.seed++) {
        RecomputeResult result = recompute_tasks(&problem, scratch, scratch);
        if (problem.seed == 1
            || is_better_sequence(result.peak, result.added_cost, best.peak, best.added_cost,
                                  problem.budget))
            best = result;
        if (problem.effort < USUAL_EFFORT || best.added_cost <= best.bound_cost * NEAR_BOUND)
            break;
    }
    return best;
}

/* Within the budget, with steps that run again; or the least that was found.
 *
 * Offsets may need a little more than the most that is alive at once: then the search gets a budget
 * that is smaller by as much. The bound holds for the whole budget, so it is that of the first
 * round. Where one kernel alone is too large, a short search for the least shows how far off it is.
 */
static Plan *plan_within(const SegmentPlanner *planner, Plan *kept)
{
    int64_t budget = max_i64(planner->budget, kept->certificate.feasibility_floor);
    uint64_t effort = planner->c->options.planner_effort;
    RecomputeProblem problem = {
        .graph = &planner->graph,
        .budget = budget,
        .effort = effort != 0 ? effort : USUAL_EFFORT,
        .is_order_only = planner->c->options.recompute != RECOMPUTE_all,
    };
    RecomputeResult first = {0};
    Plan *best = kept;

    if (budget > planner->budget)
        problem.effort /= 8;
    for (int round = 0; round < MAX_ROUNDS; round++) {
        RecomputeResult result = search_with_seeds(problem, planner->scratch);
        Plan *plan = place(planner, &result.sequence);
        if (round == 0)
            first = result;
        if (is_better(plan, best, budget))
            best = plan;
        if (result.peak > problem.budget || plan->arena_bytes <= budget)
            break;
        problem.budget -= plan->arena_bytes - budget;
    }
    best->certificate.recompute_bound_us = first.bound_cost;
    best->certificate.is_impossible = first.is_impossible || budget > planner->budget;
    best->certificate.keep_all_bytes = kept->certificate.keep_all_bytes;
    return best;
}

/* ---- segments -------------------------------------------------------------------------------- */

static double kernels_us(const KernelSet *set)
{
    double us = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++)
        us += set->kernels.items[k].time_us;
    return us;
}

/* Kernels with a plan for them. */
typedef struct Candidate {
    KernelSet *kernels;
    Plan *plan;
} Candidate;

/* The kernels of the micro-step with sums rebuilt from so many tensors. */
static KernelSet *fuse_rebuilding(Compilation *c, uint32_t rebuilds)
{
    KernelSet *kernels = fuse_training(c, rebuilds);

    if (!estimate_kernels(c, kernels))
        BUG("%s cannot be fused again", c->model->name);
    return kernels;
}

/* The kernels, which add rebuild_us to those that rebuild nothing: what the plan adds is counted
 * from these. */
static Candidate plan_rebuilding(Compilation *c, KernelSet *kernels, double rebuild_us,
                                 Arena *scratch)
{
    SegmentPlanner planner = segment_planner(c, SNUG_SEGMENT_micro_step, kernels, scratch);
    Plan *plan = plan_kept(&planner);

    if (plan->arena_bytes > planner.budget)
        plan = plan_within(&planner, plan);
    plan->certificate.rebuild_us = rebuild_us;
    plan->certificate.recompute_us += rebuild_us;
    plan->certificate.recompute_bound_us += rebuild_us;
    return (Candidate){kernels, plan};
}

/* The kernels that rebuild nothing are searched only where they may be better: where the other plan
 * does not fit, or spends most of what it adds on rebuilding. */
static bool is_worth_searching(const Plan *rebuilt, int64_t budget)
{
    const Certificate *certificate = &rebuilt->certificate;

    return rebuilt->arena_bytes > budget || 2 * certificate->rebuild_us > certificate->recompute_us;
}

/* What the candidates prove together. */
typedef struct Proof {
    bool is_impossible;
    int64_t floor; /* bytes that every one of them needs */
} Proof;

static Proof proven_too(Proof proof, const Plan *plan)
{
    proof.is_impossible &= plan->certificate.is_impossible;
    proof.floor = min_i64(proof.floor, plan->certificate.feasibility_floor);
    return proof;
}

/* The best of the micro-step's plans where not everything can be kept: with sums rebuilt from two
 * tensors, from three where that alone takes less than the best plan so far adds, and from none.
 * kept: the plan that rebuilds nothing and keeps everything. */
static Candidate plan_micro_step(const SegmentPlanner *planner, Candidate kept)
{
    Compilation *c = planner->c;
    Proof proof = {.is_impossible = true, .floor = kept.plan->certificate.feasibility_floor};
    Candidate best = {0};

    for (uint32_t leaves = 2; leaves <= MAX_REBUILD_LEAVES; leaves++) {
        KernelSet *rebuilding = fuse_rebuilding(c, leaves);
        double rebuild_us = kernels_us(rebuilding) - kernels_us(kept.kernels);
        bool is_hopeless = best.plan != NULL && best.plan->arena_bytes <= planner->budget
                           && best.plan->certificate.recompute_us <= rebuild_us;
        if (is_hopeless)
            break;
        Candidate next = plan_rebuilding(c, rebuilding, rebuild_us, planner->scratch);
        proof = proven_too(proof, next.plan);
        if (best.plan == NULL || is_better(next.plan, best.plan, planner->budget))
            best = next;
    }
    if (is_worth_searching(best.plan, planner->budget)) {
        Candidate plain = {kept.kernels, plan_within(planner, kept.plan)};
        proof = proven_too(proof, plain.plan);
        if (is_better(plain.plan, best.plan, planner->budget))
            best = plain;
    }
    best.plan->certificate.keep_all_bytes = kept.plan->certificate.keep_all_bytes;
    if (best.plan->arena_bytes > planner->budget) {
        /* all kernels were tried: what is proven holds for all */
        best.plan->certificate.is_impossible = proof.is_impossible;
        best.plan->certificate.feasibility_floor = proof.floor;
    }
    return best;
}

/* Everything kept where that fits, else the best within the budget. */
static Candidate plan_segment(Compilation *c, SnugSegmentId segment)
{
    Arena *scratch = arena_create();
    SegmentPlanner planner = segment_planner(c, segment, c->kernels[segment], scratch);
    Candidate best = {c->kernels[segment], plan_kept(&planner)};

    if (best.plan->arena_bytes > planner.budget) {
        if (segment == SNUG_SEGMENT_micro_step && c->options.recompute != RECOMPUTE_none)
            best = plan_micro_step(&planner, best);
        else
            best.plan = plan_within(&planner, best.plan);
    }
    arena_destroy(scratch);
    return best;
}

/* The update runs between segments, with its workspace in the arena. */
static int64_t update_workspace(const Compilation *c)
{
    static const SnugKernelKind kinds[] = {SNUG_KERNEL_grad_norm, SNUG_KERNEL_adamw};
    int64_t bytes = 0;

    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        SnugKernel kernel = {.kind = kinds[k], .output_arg = -1, .weight_arg = -1};
        bytes = max_i64(bytes, kernel_workspace(&c->target, &kernel));
    }
    return align_up(bytes, SNUG_ALIGNMENT);
}

void make_plans(Compilation *c)
{
    Layout *layout = &c->layout;

    plan_persistent(c);
    if (c->kernels[SNUG_SEGMENT_micro_step] != NULL)
        layout->arena_bytes = update_workspace(c);
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (c->kernels[s] == NULL)
            continue;
        Candidate best = plan_segment(c, (SnugSegmentId)s);
        c->kernels[s] = best.kernels;
        c->plans[s] = best.plan;
        layout->arena_bytes = max_i64(layout->arena_bytes, c->plans[s]->arena_bytes);
    }
    layout->total_bytes = layout->persistent_bytes + layout->arena_bytes;
    c->fits = layout->total_bytes <= c->target.budget_bytes;
}

bool plan_memory(Compilation *c)
{
    double started = monotonic_seconds();

    make_plans(c);
    c->planner_seconds = monotonic_seconds() - started;
    return true;
}
