/* Small task graphs for tests: built by hand, or at random. */
#ifndef SNUG_TESTS_NETS_H
#define SNUG_TESTS_NETS_H

#include "compiler/recompute/tasks.h"

enum { MAX_TASKS = 64 };

/* Task t makes value t + 1. */
typedef struct Net {
    Task tasks[MAX_TASKS];
    uint32_t reads[MAX_TASKS][8], writes[MAX_TASKS];
    int64_t bytes[MAX_TASKS + 1];
    uint32_t maker[MAX_TASKS + 1];
    bool is_output[MAX_TASKS + 1];
    TaskGraph graph;
} Net;

static inline Net *net_create(Arena *arena)
{
    Net *net = arena_new(arena, Net);

    net->graph = (TaskGraph){.tasks = net->tasks,
                             .bytes = net->bytes,
                             .maker = net->maker,
                             .is_output = net->is_output,
                             .value_count = 1};
    return net;
}

/* A task that makes `bytes` from the values named, 0 ends the list. Returns its value. */
static inline uint32_t add(Net *net, int64_t bytes, uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t t = net->graph.task_count++, value = net->graph.value_count++;
    uint32_t reads[] = {a, b, c};
    Task *task = &net->tasks[t];

    for (int k = 0; k < 3; k++)
        if (reads[k] != 0)
            net->reads[t][task->read_count++] = reads[k];
    net->writes[t] = value;
    task->reads = net->reads[t];
    task->writes = &net->writes[t];
    task->repeat_reads = task->read_count;
    task->write_count = 1;
    task->cost = 1;
    task->may_repeat = true;
    net->bytes[value] = bytes;
    net->maker[value] = t;
    return value;
}

static inline uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static inline Net *random_net(Arena *arena, uint64_t seed, uint32_t count)
{
    Net *net = net_create(arena);
    uint64_t random = seed;

    for (uint32_t t = 0; t < count; t++) {
        uint32_t reads[3] = {0};
        for (int k = 0; k < 3; k++) {
            uint32_t value = t > 0 ? (uint32_t)(next_random(&random) % (t + 1)) : 0;
            bool known = value == reads[0] || value == reads[1];
            reads[k] = known ? 0 : value;
        }
        uint32_t value =
            add(net, 1 + (int64_t)(next_random(&random) % 50), reads[0], reads[1], reads[2]);
        net->tasks[t].workspace = (int64_t)(next_random(&random) % 20);
        net->is_output[value] = next_random(&random) % 8 == 0;
    }
    return net;
}

/* f1 -> ... -> fn with skips, bn -> ... -> b1, each b reads its f and the one before; it turns
 * round at task n. A gradient has from `least` on bytes, `spread` of them apart. */
static inline Net *turning_net(Arena *arena, uint64_t random, uint32_t layers, int64_t least,
                               uint64_t spread)
{
    Net *net = net_create(arena);
    uint32_t last = 0;

    for (uint32_t k = 1; k <= layers; k++) {
        uint32_t skip = k > 2 && next_random(&random) % 2 == 0 ? k - 2 : 0;
        add(net, 10 + (int64_t)(next_random(&random) % 50), k - 1, skip, 0);
    }
    for (uint32_t k = layers; k >= 1; k--)
        last =
            add(net, least + (int64_t)(next_random(&random) % spread), last, k, k > 1 ? k - 1 : 0);
    net->is_output[last] = true;
    for (uint32_t t = 0; t < net->graph.task_count; t++) {
        net->tasks[t].cost = 1 + (double)(next_random(&random) % 9);
        net->tasks[t].may_repeat = next_random(&random) % 8 != 0;
        net->tasks[t].workspace = (int64_t)(next_random(&random) % 8);
    }
    return net;
}

#endif
