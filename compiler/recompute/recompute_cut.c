/* A sequence from the cut bound's plan: what it keeps is kept, what it repeats is made again just
 * before it is read, depth first and once.
 *
 *     order     f1 f2 f3 g          b3      b2 b1         the plan repeats f1, f2
 *     sequence  f1 f2 f3 g  f1' f2' b3      b2 b1         b3 reads f2
 *
 * Until g has run, nothing changes. Behind it, a value that the plan repeats is missing until it is
 * made again; from then on it lives until its last use. The cut sees memory at g only: where it
 * drops a whole branch, the first read behind g has all of it made again at once, a burst that may
 * need more than was saved. Bursts are split: what passes through the middle is kept, and the part
 * before it is made again when it is read itself.
 */
#include "recompute.h"

enum {
    MAX_TRIES = 60,  /* sequences that are made of one cut */
    MAX_SPLITS = 40, /* of these, to split bursts; then only the bytes at the cut are lowered */
    SPLIT_LENGTH = 6 /* repeats next to each other that are worth splitting */
};

typedef struct Rewriter {
    const TaskGraph *graph;
    bool *is_missing; /* by value */
    uint32_t *tasks, count, capacity;
    uint32_t *stack; /* by depth; a value is on it once */
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
        while (r < task->repeat_reads && !rewriter->is_missing[task->reads[r]])
            r++;
        if (r < task->repeat_reads) {
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

static Sequence repeat_lazily(const TaskGraph *graph, const Sequence *order, uint32_t task,
                              const bool *is_repeated, Arena *arena)
{
    Arena *scratch = arena_create();
    Rewriter rewriter = {graph,
                         arena_array(scratch, bool, graph->value_count),
                         arena_array(arena, uint32_t, (size_t)order->count * 2 + 1),
                         0,
                         order->count * 2,
                         arena_array(scratch, uint32_t, graph->value_count)};
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
                rewriter.is_missing[v] = is_repeated[v];
        }
    }
    for (uint32_t v = 1; v < graph->value_count && is_done; v++)
        if (graph->is_output[v] && rewriter.is_missing[v])
            is_done = make_again(&rewriter, v);
    arena_destroy(scratch);
    return is_done ? (Sequence){rewriter.tasks, rewriter.count} : *order;
}

/* ---- splitting long repairs ------------------------------------------------------------------ */

/* Steps [first, last) of a sequence. */
typedef struct Span {
    uint32_t first, last;
} Span;

/* The repeats next to each other that end at the step, or last before it. */
static Span find_burst(const TaskGraph *graph, const Sequence *sequence, uint32_t step,
                       Arena *scratch)
{
    bool *has_run = arena_array(scratch, bool, graph->task_count);
    Span burst = {0, 0};
    uint32_t length = 0;

    for (uint32_t s = 0; s < sequence->count && s <= step; s++) {
        length = has_run[sequence->tasks[s]] ? length + 1 : 0;
        if (length >= SPLIT_LENGTH)
            burst = (Span){s + 1 - length, s + 1};
        has_run[sequence->tasks[s]] = true;
    }
    return burst;
}

/* Forces the values to be kept that pass from one half of the burst to the other, where these are
 * fewest bytes: what is before them need not be made again until it is read itself. */
static void split_burst(const TaskGraph *graph, const Sequence *sequence, Span burst,
                        bool *is_forced, Arena *scratch)
{
    uint32_t length = burst.last - burst.first, best = 0;
    uint32_t *last_read = arena_array(scratch, uint32_t, graph->value_count);
    int64_t *ending = arena_array(scratch, int64_t, (size_t)length + 1);
    int64_t crossing = 0, least = INT64_MAX;

    for (uint32_t k = 0; k < length; k++) {
        const Task *task = &graph->tasks[sequence->tasks[burst.first + k]];
        for (uint32_t r = 0; r < task->repeat_reads; r++)
            last_read[task->reads[r]] = k;
    }
    for (uint32_t k = 0; k < length; k++) {
        uint32_t value = graph->tasks[sequence->tasks[burst.first + k]].writes[0];
        crossing -= ending[k];
        if (last_read[value] > k) {
            crossing += graph->bytes[value];
            ending[last_read[value]] += graph->bytes[value];
        }
        if (k >= length / 4 && k < length - length / 4 && crossing < least) {
            least = crossing;
            best = k;
        }
    }
    for (uint32_t k = 0; k <= best; k++) {
        uint32_t value = graph->tasks[sequence->tasks[burst.first + k]].writes[0];
        is_forced[value] |= last_read[value] > best;
    }
}

static uint32_t peak_step(const TaskGraph *graph, const Sequence *sequence, int64_t peak,
                          Arena *scratch)
{
    int64_t *load = arena_array(scratch, int64_t, sequence->count);
    uint32_t step = 0;

    sequence_peak(graph, sequence, load);
    while (load[step] != peak)
        step++;
    return step;
}

/* The plan of the cut; while its peak is too high, a long burst of repeats before the peak is split
 * by keeping what passes through its middle, and where there is none, the cut gets fewer bytes. */
Sequence recompute_by_cut(const TaskGraph *graph, const Sequence *order, uint32_t task,
                          int64_t budget, Arena *arena)
{
    bool *is_forced = arena_array(arena, bool, graph->value_count);
    Sequence best = *order;
    int64_t best_peak = sequence_peak(graph, order, NULL);
    int percent = 100;

    for (int tries = 0; tries < MAX_TRIES && percent >= 40 && best_peak > budget; tries++) {
        Arena *scratch = arena_create();
        bool *is_repeated =
            choose_repeated(graph, task, budget / 100 * percent, is_forced, scratch);
        Sequence sequence = repeat_lazily(graph, order, task, is_repeated, arena);
        int64_t peak = sequence_peak(graph, &sequence, NULL);
        if (peak < best_peak) {
            best = sequence;
            best_peak = peak;
        }
        Span burst =
            find_burst(graph, &sequence, peak_step(graph, &sequence, peak, scratch), scratch);
        if (burst.last > burst.first && tries < MAX_SPLITS)
            split_burst(graph, &sequence, burst, is_forced, scratch);
        else
            percent -= percent > 70 ? 3 : 6;
        arena_destroy(scratch);
    }
    return best;
}
