/* Tasks: what the planner's searches know of kernels. The same nouns hold for graphs that are no
 * kernels of ours.
 *
 *     task      reads and writes values; runs once, and again where may_repeat
 *     value     bytes; made by one task
 *     sequence  tasks in the order in which they run: the first time that one occurs it makes all
 *               that it writes, later times a new instance of writes[0] alone. A read sees the
 *               latest instance.
 */
#ifndef SNUG_TASKS_H
#define SNUG_TASKS_H

#include "compiler/floor/arena.h"

typedef struct Task {
    const uint32_t *reads; /* values, each once; a repeat reads the first repeat_reads */
    uint32_t read_count, repeat_reads;
    const uint32_t *writes; /* values */
    uint32_t write_count;
    const uint32_t *after; /* tasks that must have run, besides the makers of what it reads */
    uint32_t after_count;
    uint64_t in_place; /* bit r: writes[0] may take the bytes of reads[r] that die */
    int64_t workspace; /* bytes alive while it runs */
    double cost;       /* time, in one unit for all */
    bool may_repeat;   /* has writes[0] */
} Task;

typedef struct TaskGraph {
    Task *tasks; /* in an order in which makers precede users */
    uint32_t task_count;
    int64_t *bytes;  /* by value; value 0 is a dummy */
    uint32_t *maker; /* by value: its task */
    bool *is_output; /* by value: lives to the end */
    uint32_t value_count;
} TaskGraph;

enum { NO_TASK = UINT32_MAX };

typedef struct Sequence {
    uint32_t *tasks;
    uint32_t count;
} Sequence;

/* One instance of a value: alive in [first, last). takes: the instance whose bytes it takes over at
 * step `first`, the last one of that instance; itself: none. */
typedef struct Instance {
    uint32_t value;
    uint32_t first, last;
    uint32_t takes;
} Instance;

/* uses[use_begin[s] ...): the instances that step s reads, in the order of its task's reads, then
 * those that it writes. A repeat has repeat_reads of the one and one of the other. */
typedef struct Lives {
    Instance *instances;
    uint32_t instance_count;
    uint32_t *uses, *use_begin;
} Lives;

/* ---- liveness.c ------------------------------------------------------------------------------ */
/* BUG where a step reads what no step before it has made. */
Lives find_lives(const TaskGraph *graph, const Sequence *sequence, Arena *arena);
/* Most bytes alive at a step: instances, those taken over counted once, and its workspace. load:
 * bytes at each step, or NULL. */
int64_t peak_load(const TaskGraph *graph, const Sequence *sequence, const Lives *lives,
                  int64_t *load, Arena *scratch);
int64_t sequence_peak(const TaskGraph *graph, const Sequence *sequence, int64_t *load);
/* Time of all steps beyond the first run of each task. */
double sequence_added_cost(const TaskGraph *graph, const Sequence *sequence);

/* schedule.c: every task once, in an order with a low peak. */
Sequence schedule_tasks(const TaskGraph *graph, Arena *arena, Arena *scratch);

#endif
