/* A sequence from the cut bound's plan: what it keeps is kept, what it redoes is made again just
 * before it is read, depth first and once.
 *
 *     order     f1 f2 f3 g          b3      b2 b1         the plan redoes f1, f2
 *     sequence  f1 f2 f3 g  f1' f2' b3      b2 b1         b3 reads f2
 *
 * Until g has run, nothing changes. Behind it, a value that the plan redoes is missing until it is
 * made again; from then on it lives until its last use.
 */
#include "recompute.h"

typedef struct Rewriter {
    const TaskGraph *graph;
    bool *is_missing;   /* by value */
    uint32_t *tasks, count, capacity;
    uint32_t *stack;    /* by depth; a value is on it once */
} Rewriter;

/* Makes the value and what it needs first: a task runs when nothing that it reads is missing. */
static bool make_again(Rewriter *rewriter, uint32_t value)
{
    uint32_t depth = 0;

    rewriter->stack[depth++] = value;
    while (depth > 0) {
        uint32_t t = rewriter->graph->maker[rewriter->stack[depth - 1]];
        const Task *task = &rewriter->graph->tasks[t];
        uint32_t r = 0;
        while (r < task->again_reads && !rewriter->is_missing[task->reads[r]])
            r++;
        if (r < task->again_reads) {
            rewriter->stack[depth++] = task->reads[r];
            continue;
        }
        if (rewriter->count >= rewriter->capacity)
            return false;
        rewriter->tasks[rewriter->count++] = t;
        rewriter->is_missing[rewriter->stack[--depth]] = false;
    }
    return true;
}

static Sequence redo_lazily(const TaskGraph *graph, const Sequence *order, uint32_t task,
                     const bool *is_redone, Arena *arena)
{
    Arena *scratch = arena_create();
    Rewriter rewriter = {graph, arena_array(scratch, bool, graph->value_count),
                         arena_array(arena, uint32_t, (size_t)order->count * 2 + 1), 0,
                         order->count * 2, arena_array(scratch, uint32_t, graph->value_count)};
    bool is_behind = false, is_done = true;

    for (uint32_t s = 0; s < order->count && is_done; s++) {
        uint32_t t = order->tasks[s];
        const Task *running = &graph->tasks[t];
        for (uint32_t r = 0; r < running->read_count && is_behind && is_done; r++)
            if (rewriter.is_missing[running->reads[r]])
                is_done = make_again(&rewriter, running->reads[r]);
        is_done = is_done && rewriter.count < rewriter.capacity;
        if (is_done)
            rewriter.tasks[rewriter.count++] = t;
        if (t == task) {
            is_behind = true;
            for (uint32_t v = 1; v < graph->value_count; v++)
                rewriter.is_missing[v] = is_redone[v];
        }
    }
    for (uint32_t v = 1; v < graph->value_count && is_done; v++)
        if (graph->is_output[v] && rewriter.is_missing[v])
            is_done = make_again(&rewriter, v);
    arena_destroy(scratch);
    return is_done ? (Sequence){rewriter.tasks, rewriter.count} : *order;
}

/* The plan of the cut with ever fewer bytes at g, until the peak of the whole sequence fits. */
Sequence recompute_by_cut(const TaskGraph *graph, const Sequence *order, uint32_t task,
                          int64_t budget, Arena *arena)
{
    Sequence best = *order;
    int64_t best_peak = sequence_peak(graph, order, NULL);

    for (int percent = 100; percent >= 40 && best_peak > budget; percent -= percent > 70 ? 3 : 6) {
        Arena *scratch = arena_create();
        bool *is_redone = choose_redone(graph, task, budget / 100 * percent, scratch);
        Sequence sequence = redo_lazily(graph, order, task, is_redone, arena);
        int64_t peak = sequence_peak(graph, &sequence, NULL);
        if (peak < best_peak) {
            best = sequence;
            best_peak = peak;
        }
        arena_destroy(scratch);
    }
    return best;
}
