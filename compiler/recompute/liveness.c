/* Liveness: when does each instance of a value exist?
 *
 * Steps are numbered 0, 1, 2, ... An instance lives in [first, last): from the step that writes it
 * until just after the step that reads it last. Lifetimes that only touch do not overlap: a step
 * may write where the step before it has read, never where it reads itself.
 *
 *     step      0     1     2     3     4
 *     conv1     [-----------)                  written by 0, read by 1
 *     relu1           [-----------)            written by 1, read by 2; may take conv1's bytes
 *     conv1                       [-----------)  computed again by 3, read by 4: another instance
 */
#include "tasks.h"

static const uint32_t no_instance = UINT32_MAX;

/* Results take the bytes of a read instance that ends with the step, the first of those allowed. */
static void take_over(const TaskGraph *graph, const Sequence *sequence, Lives *lives)
{
    bool *has_run;
    Arena *scratch = arena_create();

    has_run = arena_array(scratch, bool, graph->task_count);
    for (uint32_t s = 0; s < sequence->count; s++) {
        const Task *task = &graph->tasks[sequence->tasks[s]];
        bool again = has_run[sequence->tasks[s]];
        uint32_t read_count = again ? task->repeat_reads : task->read_count;
        const uint32_t *uses = &lives->uses[lives->use_begin[s]];
        has_run[sequence->tasks[s]] = true;
        for (uint32_t r = 0; r < read_count && r < 64; r++) {
            const Instance *old = &lives->instances[uses[r]];
            if ((task->in_place >> r & 1) == 0 || old->last != s + 1
                || graph->bytes[old->value] != graph->bytes[task->writes[0]])
                continue;
            lives->instances[uses[read_count]].takes = uses[r];
            break;
        }
    }
    arena_destroy(scratch);
}

Lives find_lives(const TaskGraph *graph, const Sequence *sequence, Arena *arena)
{
    Arena *scratch = arena_create();
    uint32_t *current = arena_array(scratch, uint32_t, graph->value_count);
    bool *has_run = arena_array(scratch, bool, graph->task_count);
    Lives lives = {.use_begin = arena_array(arena, uint32_t, (size_t)sequence->count + 1)};
    uint32_t use_count = 0;

    for (uint32_t s = 0; s < sequence->count; s++) {
        const Task *task = &graph->tasks[sequence->tasks[s]];
        use_count += task->read_count + task->write_count;
        lives.instance_count += task->write_count;
    }
    lives.uses = arena_array(arena, uint32_t, use_count);
    lives.instances = arena_array(arena, Instance, lives.instance_count);
    lives.instance_count = use_count = 0;
    for (uint32_t v = 0; v < graph->value_count; v++)
        current[v] = no_instance;

    for (uint32_t s = 0; s < sequence->count; s++) {
        const Task *task = &graph->tasks[sequence->tasks[s]];
        bool again = has_run[sequence->tasks[s]];
        uint32_t reads = again ? task->repeat_reads : task->read_count;
        uint32_t writes = again ? 1 : task->write_count;
        has_run[sequence->tasks[s]] = true;
        lives.use_begin[s] = use_count;
        for (uint32_t r = 0; r < reads; r++) {
            uint32_t instance = current[task->reads[r]];
            if (instance == no_instance)
                BUG("step %u reads value %u before it is made", s, task->reads[r]);
            lives.instances[instance].last = s + 1;
            lives.uses[use_count++] = instance;
        }
        for (uint32_t w = 0; w < writes; w++) {
            uint32_t instance = lives.instance_count++;
            lives.instances[instance] = (Instance){task->writes[w], s, s + 1, instance};
            current[task->writes[w]] = instance;
            lives.uses[use_count++] = instance;
        }
    }
    lives.use_begin[sequence->count] = use_count;
    for (uint32_t v = 0; v < graph->value_count; v++)
        if (graph->is_output[v] && current[v] != no_instance)
            lives.instances[current[v]].last = sequence->count + 1;
    take_over(graph, sequence, &lives);
    for (uint32_t v = 0; v < graph->value_count; v++) /* the last step has no step after it */
        if (graph->is_output[v] && current[v] != no_instance)
            lives.instances[current[v]].last = sequence->count;
    arena_destroy(scratch);
    return lives;
}

int64_t peak_load(const TaskGraph *graph, const Sequence *sequence, const Lives *lives,
                  int64_t *load, Arena *scratch)
{
    int64_t *change = arena_array(scratch, int64_t, (size_t)sequence->count + 1);
    int64_t bytes = 0, peak = 0;

    for (uint32_t i = 0; i < lives->instance_count; i++) {
        const Instance *instance = &lives->instances[i];
        change[instance->first] += graph->bytes[instance->value];
        change[instance->last] -= graph->bytes[instance->value];
        if (instance->takes == i)
            continue;
        int64_t shared = graph->bytes[instance->value]; /* at step `first`, by both */
        change[instance->first] -= shared;
        change[instance->first + 1] += shared;
    }
    for (uint32_t s = 0; s < sequence->count; s++) {
        bytes += change[s];
        int64_t at_step = bytes + graph->tasks[sequence->tasks[s]].workspace;
        if (load != NULL)
            load[s] = at_step;
        peak = max_i64(peak, at_step);
    }
    return peak;
}

int64_t sequence_peak(const TaskGraph *graph, const Sequence *sequence, int64_t *load)
{
    Arena *scratch = arena_create();
    Lives lives = find_lives(graph, sequence, scratch);
    int64_t peak = peak_load(graph, sequence, &lives, load, scratch);

    arena_destroy(scratch);
    return peak;
}

double sequence_added_cost(const TaskGraph *graph, const Sequence *sequence)
{
    Arena *scratch = arena_create();
    bool *has_run = arena_array(scratch, bool, graph->task_count);
    double cost = 0;

    for (uint32_t s = 0; s < sequence->count; s++) {
        if (has_run[sequence->tasks[s]])
            cost += graph->tasks[sequence->tasks[s]].cost;
        has_run[sequence->tasks[s]] = true;
    }
    arena_destroy(scratch);
    return cost;
}
