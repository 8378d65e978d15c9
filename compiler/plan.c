/* The plan: kernels -> order, lifetimes, offsets, and whether it all fits.
 *
 *     kernels -> tasks -> order -> lifetimes -> offsets -> plan        a segment
 *     parameters, optimiser, inputs -> layout                          all segments
 *     layout + the larger arena <= budget, or what would fit is said
 */
#include "plan.h"

#include <time.h>

#include "cost.h"
#include "pack.h"

/* Placements that the packer may try: some seconds at most, and most plans need none. */
enum { PACK_NODES = 1000000 };

static double now_seconds(void)
{
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

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

/* ---- segments -------------------------------------------------------------------------------- */

static void certify(Plan *plan, const TaskGraph *graph, const Sequence *sequence, Arena *scratch)
{
    Certificate *certificate = &plan->certificate;
    int64_t *load = arena_array(scratch, int64_t, sequence->count);

    certificate->live_bound = sequence_peak(graph, sequence, load);
    while (certificate->peak_step + 1 < sequence->count
           && load[certificate->peak_step] != certificate->live_bound)
        certificate->peak_step++;
    certificate->feasibility_floor = feasibility_floor(graph);
    certificate->keep_all_bytes = plan->arena_bytes;
    certificate->recompute_us = sequence_added_cost(graph, sequence);
}

static Plan *plan_segment(Compilation *c, SnugSegmentId segment)
{
    const KernelSet *set = c->kernels[segment];
    Arena *scratch = arena_create();
    TaskGraph graph = kernel_tasks(set, scratch, scratch);
    Sequence sequence = schedule_tasks(&graph, scratch, scratch);
    Plan *plan = plan_sequence(set, &graph, &sequence, &c->layout, segment, c->arena);

    pack_buffers(plan, c->arena);
    certify(plan, &graph, &sequence, scratch);
    arena_destroy(scratch);
    return plan;
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
        c->plans[s] = plan_segment(c, (SnugSegmentId)s);
        layout->arena_bytes = max_i64(layout->arena_bytes, c->plans[s]->arena_bytes);
    }
    layout->total_bytes = layout->persistent_bytes + layout->arena_bytes;
    c->fits = layout->total_bytes <= c->target.budget_bytes;
}

/* Requires: kernels with costs and workspaces. Ensures: plans, layout, fits. */
bool plan_memory(Compilation *c)
{
    double started = now_seconds();

    make_plans(c);
    c->planner_seconds = now_seconds() - started;
    if (!c->fits)
        report_misfit(c);
    return c->fits;
}
