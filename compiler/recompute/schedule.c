/* The order of tasks: which low-peak order comes before recomputation and offsets.
 *
 *     list scheduling    among the tasks whose inputs are there, the one that frees the most bytes
 *                        (least added, ties: the earlier in the given order)
 *     given order        as the graph has it; the better of the two goes on
 *     descent            a task that ran before the peak is put behind it, one that ran after it is
 *                        put before it, as far as makers and readers allow, as long as that helps
 */
#include "tasks.h"

enum { MAX_TRIES = 4000 }; /* sequences that the descent measures */

typedef ARRAY(uint32_t) List;

/* Tasks that must run before a task, and after it. */
typedef struct Relations {
    List *before, *after; /* by task */
} Relations;

static void relate(Relations *relations, Arena *arena, uint32_t first, uint32_t second)
{
    ARRAY_APPEND(arena, &relations->before[second], first);
    ARRAY_APPEND(arena, &relations->after[first], second);
}

static Relations find_relations(const TaskGraph *graph, Arena *arena)
{
    Relations relations = {arena_array(arena, List, graph->task_count),
                           arena_array(arena, List, graph->task_count)};

    for (uint32_t t = 0; t < graph->task_count; t++) {
        const Task *task = &graph->tasks[t];
        for (uint32_t r = 0; r < task->read_count; r++)
            relate(&relations, arena, graph->maker[task->reads[r]], t);
        for (uint32_t k = 0; k < task->after_count; k++)
            relate(&relations, arena, task->after[k], t);
    }
    return relations;
}

/* ---- list scheduling ------------------------------------------------------------------------- */

typedef struct Scheduler {
    const TaskGraph *graph;
    uint32_t *readers_left; /* by value */
    uint32_t *waiting_for;  /* by task: relations not yet met */
} Scheduler;

/* Bytes more alive after the task than before it. */
static int64_t added_bytes(const Scheduler *scheduler, const Task *task)
{
    const TaskGraph *graph = scheduler->graph;
    int64_t bytes = 0;

    for (uint32_t w = 0; w < task->write_count; w++)
        if (scheduler->readers_left[task->writes[w]] > 0 || graph->is_output[task->writes[w]])
            bytes += graph->bytes[task->writes[w]];
    for (uint32_t r = 0; r < task->read_count; r++)
        if (scheduler->readers_left[task->reads[r]] == 1 && !graph->is_output[task->reads[r]])
            bytes -= graph->bytes[task->reads[r]];
    return bytes;
}

static Sequence list_schedule(const TaskGraph *graph, const Relations *relations, Arena *arena,
                              Arena *scratch)
{
    Scheduler scheduler = {graph, arena_array(scratch, uint32_t, graph->value_count),
                           arena_array(scratch, uint32_t, graph->task_count)};
    Sequence sequence = {.tasks = arena_array(arena, uint32_t, graph->task_count)};
    List ready = {0};

    for (uint32_t t = 0; t < graph->task_count; t++) {
        const Task *task = &graph->tasks[t];
        for (uint32_t r = 0; r < task->read_count; r++)
            scheduler.readers_left[task->reads[r]]++;
        scheduler.waiting_for[t] = relations->before[t].count;
        if (relations->before[t].count == 0)
            ARRAY_APPEND(scratch, &ready, t);
    }
    while (ready.count > 0) {
        uint32_t best = 0;
        int64_t best_bytes = INT64_MAX;
        for (uint32_t k = 0; k < ready.count; k++) {
            int64_t bytes = added_bytes(&scheduler, &graph->tasks[ready.items[k]]);
            if (bytes < best_bytes || (bytes == best_bytes && ready.items[k] < ready.items[best])) {
                best = k;
                best_bytes = bytes;
            }
        }
        uint32_t chosen = ready.items[best];
        const Task *task = &graph->tasks[chosen];
        ready.items[best] = ready.items[--ready.count];
        sequence.tasks[sequence.count++] = chosen;
        for (uint32_t r = 0; r < task->read_count; r++)
            scheduler.readers_left[task->reads[r]]--;
        for (uint32_t k = 0; k < relations->after[chosen].count; k++) {
            uint32_t next = relations->after[chosen].items[k];
            if (--scheduler.waiting_for[next] == 0)
                ARRAY_APPEND(scratch, &ready, next);
        }
    }
    if (sequence.count != graph->task_count)
        BUG("%u of %u tasks wait for each other", graph->task_count - sequence.count,
            graph->task_count);
    return sequence;
}

/* ---- descent --------------------------------------------------------------------------------- */

typedef struct Descent {
    const TaskGraph *graph;
    const Relations *relations;
    Sequence sequence, trial;
    uint32_t *position; /* by task, in sequence */
    int64_t *load;      /* by step, of sequence */
    int64_t *trial_load;
    int64_t peak;
    uint32_t peak_steps; /* how many steps reach it */
    uint32_t tries;
} Descent;

static uint32_t count_steps_at(const int64_t *load, uint32_t count, int64_t bytes)
{
    uint32_t steps = 0;

    for (uint32_t s = 0; s < count; s++)
        steps += load[s] == bytes;
    return steps;
}

static void adopt(Descent *descent, const Sequence *sequence)
{
    for (uint32_t s = 0; s < sequence->count; s++) {
        descent->sequence.tasks[s] = sequence->tasks[s];
        descent->position[sequence->tasks[s]] = s;
    }
    descent->peak = sequence_peak(descent->graph, &descent->sequence, descent->load);
    descent->peak_steps = count_steps_at(descent->load, sequence->count, descent->peak);
}

/* Moves the task at step `from` to step `to`; those between close the gap. Keeps it where the peak,
 * or the number of steps that reach it, falls. */
static bool try_move(Descent *descent, uint32_t from, uint32_t to)
{
    const uint32_t *old = descent->sequence.tasks;
    uint32_t *new = descent->trial.tasks, count = descent->sequence.count;

    for (uint32_t s = 0; s < count; s++) {
        if (s == to)
            new[s] = old[from];
        else if (from < to && s >= from && s < to)
            new[s] = old[s + 1];
        else if (from > to && s > to && s <= from)
            new[s] = old[s - 1];
        else
            new[s] = old[s];
    }
    descent->tries++;
    int64_t peak = sequence_peak(descent->graph, &descent->trial, descent->trial_load);
    uint32_t steps = count_steps_at(descent->trial_load, count, peak);
    if (peak > descent->peak || (peak == descent->peak && steps >= descent->peak_steps))
        return false;
    adopt(descent, &descent->trial);
    return true;
}

/* The first step that the task at step s may have, and the last. */
static uint32_t earliest(const Descent *descent, uint32_t s)
{
    const List *before = &descent->relations->before[descent->sequence.tasks[s]];
    uint32_t first = 0;

    for (uint32_t k = 0; k < before->count; k++)
        if (descent->position[before->items[k]] + 1 > first)
            first = descent->position[before->items[k]] + 1;
    return first;
}

static uint32_t latest(const Descent *descent, uint32_t s)
{
    const List *after = &descent->relations->after[descent->sequence.tasks[s]];
    uint32_t last = descent->sequence.count - 1;

    for (uint32_t k = 0; k < after->count; k++)
        if (descent->position[after->items[k]] - 1 < last)
            last = descent->position[after->items[k]] - 1;
    return last;
}

/* One move that helps at the first step that reaches the peak. */
static bool descend_once(Descent *descent)
{
    uint32_t peak_step = 0, count = descent->sequence.count;

    while (descent->load[peak_step] != descent->peak)
        peak_step++;
    for (uint32_t distance = 0; distance < count; distance++) {
        if (descent->tries >= MAX_TRIES)
            return false;
        if (distance <= peak_step) {
            uint32_t s = peak_step - distance, last = latest(descent, s);
            if (last > peak_step
                && (try_move(descent, s, last) || try_move(descent, s, peak_step + 1)))
                return true;
        }
        if (peak_step + distance < count && distance > 0) {
            uint32_t s = peak_step + distance, first = earliest(descent, s);
            if (first <= peak_step && try_move(descent, s, peak_step))
                return true;
        }
    }
    return false;
}

/* Requires: tasks in an order in which makers precede users. */
Sequence schedule_tasks(const TaskGraph *graph, Arena *arena, Arena *scratch)
{
    Relations relations = find_relations(graph, scratch);
    Sequence given = {arena_array(scratch, uint32_t, graph->task_count), graph->task_count};
    Sequence listed = list_schedule(graph, &relations, scratch, scratch);
    Descent descent = {
        .graph = graph,
        .relations = &relations,
        .sequence = {arena_array(arena, uint32_t, graph->task_count), graph->task_count},
        .trial = {arena_array(scratch, uint32_t, graph->task_count), graph->task_count},
        .position = arena_array(scratch, uint32_t, graph->task_count),
        .load = arena_array(scratch, int64_t, graph->task_count),
        .trial_load = arena_array(scratch, int64_t, graph->task_count),
    };

    for (uint32_t t = 0; t < graph->task_count; t++)
        given.tasks[t] = t;
    adopt(&descent, sequence_peak(graph, &listed, NULL) < sequence_peak(graph, &given, NULL)
                        ? &listed
                        : &given);
    while (descend_once(&descent))
        continue;
    return descent.sequence;
}
