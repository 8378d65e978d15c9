/* Checks a sequence against its graph and finds its peak, knowing nothing of the searches.
 *
 * Forwards: every task runs, every read and every `after` has run before, only what may repeat
 * repeats. Backwards, as data flow: what the steps behind need is alive,
 *
 *     alive before a step = (alive behind it - what it writes) + what it reads
 *     bytes at a step     = alive behind it + what it reads + what it writes + its workspace,
 *                           less one result that takes the bytes of a read not alive behind it
 */
#include "check_sequence.h"

static SequenceCheck refuse(SequenceFault fault, uint32_t step, uint32_t task)
{
    return (SequenceCheck){.fault = fault, .step = step, .task = task};
}

/* Fills `is_repeat`, by step. */
static SequenceCheck check_runs(const TaskGraph *graph, const Sequence *sequence, bool *is_repeat,
                                Arena *scratch)
{
    bool *has_run = arena_array(scratch, bool, graph->task_count);
    SequenceCheck check = {0};

    for (uint32_t s = 0; s < sequence->count; s++) {
        uint32_t t = sequence->tasks[s];
        if (t >= graph->task_count)
            return refuse(SEQUENCE_NO_TASK, s, t);
        const Task *task = &graph->tasks[t];
        if (has_run[t] && !task->may_repeat)
            return refuse(SEQUENCE_REPEAT, s, t);
        is_repeat[s] = has_run[t];
        if (has_run[t])
            check.added_cost += task->cost;
        for (uint32_t r = 0; r < (has_run[t] ? task->repeat_reads : task->read_count); r++)
            if (!has_run[graph->maker[task->reads[r]]])
                return refuse(SEQUENCE_READ, s, t);
        for (uint32_t k = 0; k < task->after_count && !has_run[t]; k++)
            if (!has_run[task->after[k]])
                return refuse(SEQUENCE_AFTER, s, t);
        has_run[t] = true;
    }
    for (uint32_t t = 0; t < graph->task_count; t++)
        if (!has_run[t])
            return refuse(SEQUENCE_MISSING, sequence->count, t);
    return check;
}

/* Bytes at a step, given what is alive behind it; makes `alive` what is alive before it. */
static int64_t step_back(const TaskGraph *graph, uint32_t t, bool is_repeat, bool *alive,
                         int64_t *alive_bytes)
{
    const Task *task = &graph->tasks[t];
    uint32_t reads = is_repeat ? task->repeat_reads : task->read_count;
    uint32_t writes = is_repeat ? 1 : task->write_count;
    int64_t bytes = *alive_bytes + task->workspace;
    bool has_taken = false;

    for (uint32_t w = 0; w < writes; w++) {
        int64_t size = graph->bytes[task->writes[w]];
        if (alive[task->writes[w]])
            *alive_bytes -= size;
        else
            bytes += size;
        alive[task->writes[w]] = false;
    }
    for (uint32_t r = 0; r < reads; r++) {
        int64_t size = graph->bytes[task->reads[r]];
        if (alive[task->reads[r]])
            continue;
        alive[task->reads[r]] = true;
        *alive_bytes += size;
        if (!has_taken && r < 64 && (task->in_place >> r & 1) != 0
            && size == graph->bytes[task->writes[0]])
            has_taken = true;
        else
            bytes += size;
    }
    return bytes;
}

SequenceCheck check_sequence(const TaskGraph *graph, const Sequence *sequence)
{
    Arena *scratch = arena_create();
    bool *is_repeat = arena_array(scratch, bool, sequence->count);
    bool *alive = arena_array(scratch, bool, graph->value_count);
    int64_t alive_bytes = 0;
    SequenceCheck check = check_runs(graph, sequence, is_repeat, scratch);

    for (uint32_t v = 1; v < graph->value_count && check.fault == SEQUENCE_RIGHT; v++) {
        alive[v] = graph->is_output[v];
        alive_bytes += alive[v] ? graph->bytes[v] : 0;
    }
    for (uint32_t s = sequence->count; s-- > 0 && check.fault == SEQUENCE_RIGHT;)
        check.peak = max_i64(
            check.peak, step_back(graph, sequence->tasks[s], is_repeat[s], alive, &alive_bytes));
    arena_destroy(scratch);
    return check;
}
