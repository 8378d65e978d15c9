/* Liveness and order, on graphs small enough to draw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "compiler/tasks.h"

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

static Net *net_create(Arena *arena)
{
    Net *net = arena_new(arena, Net);

    net->graph = (TaskGraph){.tasks = net->tasks, .bytes = net->bytes, .maker = net->maker,
                             .is_output = net->is_output, .value_count = 1};
    return net;
}

/* A task that makes `bytes` from the values named, 0 ends the list. Returns its value. */
static uint32_t add(Net *net, int64_t bytes, uint32_t a, uint32_t b, uint32_t c)
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
    task->again_reads = task->read_count;
    task->write_count = 1;
    task->cost = 1;
    task->may_repeat = true;
    net->bytes[value] = bytes;
    net->maker[value] = t;
    return value;
}

static Sequence sequence_of(Arena *arena, const uint32_t *tasks, uint32_t count)
{
    Sequence sequence = {arena_array(arena, uint32_t, count), count};

    memcpy(sequence.tasks, tasks, count * sizeof *tasks);
    return sequence;
}

static void assert_life(const Lives *lives, uint32_t instance, uint32_t value, uint32_t first,
                        uint32_t last)
{
    assert_int_equal(lives->instances[instance].value, value);
    assert_int_equal(lives->instances[instance].first, first);
    assert_int_equal(lives->instances[instance].last, last);
}

/*  a -> b -> c    step 0  1  2        load
 *                    a  a             10, 30, 25: at step 1 both a and b are there
 *                       b  b
 *                          c                                                                     */
static void chain_lives(void **state)
{
    Arena *arena = arena_create();
    Net *net = net_create(arena);
    int64_t load[3];
    (void)state;

    uint32_t a = add(net, 10, 0, 0, 0), b = add(net, 20, a, 0, 0), c = add(net, 5, b, 0, 0);
    net->is_output[c] = true;
    Sequence sequence = sequence_of(arena, (uint32_t[]){0, 1, 2}, 3);
    Lives lives = find_lives(&net->graph, &sequence, arena);
    assert_life(&lives, 0, a, 0, 2);
    assert_life(&lives, 1, b, 1, 3);
    assert_life(&lives, 2, c, 2, 3);
    assert_int_equal(sequence_peak(&net->graph, &sequence, load), 30);
    assert_int_equal(load[0], 10);
    assert_int_equal(load[2], 25);
    arena_destroy(arena);
}

/* b may take a's bytes, unless a is read later or is an output. */
static void results_take_over_dying_reads(void **state)
{
    Arena *arena = arena_create();
    Net *net = net_create(arena);
    (void)state;

    uint32_t a = add(net, 10, 0, 0, 0), b = add(net, 10, a, 0, 0);
    net->tasks[1].in_place = 1;
    net->is_output[b] = true;
    Sequence sequence = sequence_of(arena, (uint32_t[]){0, 1}, 2);
    assert_int_equal(find_lives(&net->graph, &sequence, arena).instances[1].takes, 0);
    assert_int_equal(sequence_peak(&net->graph, &sequence, NULL), 10);
    net->is_output[a] = true;
    assert_int_equal(find_lives(&net->graph, &sequence, arena).instances[1].takes, 1);
    assert_int_equal(sequence_peak(&net->graph, &sequence, NULL), 20);
    net->is_output[a] = false;
    add(net, 1, a, b, 0);
    sequence = sequence_of(arena, (uint32_t[]){0, 1, 2}, 3);
    assert_int_equal(find_lives(&net->graph, &sequence, arena).instances[1].takes, 1);
    arena_destroy(arena);
}

/*  a -> b -> c, a too       a is made again before c reads it:
 *    \_______/              step 0  1  2  3
 *                              a  a  a' a'
 *                                 b  b  b                                                        */
static void repeats_make_instances(void **state)
{
    Arena *arena = arena_create();
    Net *net = net_create(arena);
    (void)state;

    uint32_t a = add(net, 10, 0, 0, 0), b = add(net, 20, a, 0, 0), c = add(net, 5, b, a, 0);
    net->tasks[0].cost = 7;
    net->is_output[c] = true;
    Sequence sequence = sequence_of(arena, (uint32_t[]){0, 1, 0, 2}, 4);
    Lives lives = find_lives(&net->graph, &sequence, arena);
    assert_int_equal(lives.instance_count, 4);
    assert_life(&lives, 0, a, 0, 2);
    assert_life(&lives, 2, a, 2, 4);
    assert_true(sequence_added_cost(&net->graph, &sequence) == 7);
    arena_destroy(arena);
}

/* Two branches, each large inside and small at its end: depth first needs 12, breadth first 21.
 *
 *     big1 (10) -> small1 (1) \
 *     big2 (10) -> small2 (1) - sum                                                              */
static void finishes_one_branch_first(void **state)
{
    Arena *arena = arena_create();
    Net *net = net_create(arena);
    (void)state;

    uint32_t big1 = add(net, 10, 0, 0, 0), big2 = add(net, 10, 0, 0, 0);
    uint32_t small1 = add(net, 1, big1, 0, 0), small2 = add(net, 1, big2, 0, 0);
    uint32_t sum = add(net, 1, small1, small2, 0);
    net->is_output[sum] = true;
    Sequence given = sequence_of(arena, (uint32_t[]){0, 1, 2, 3, 4}, 5);
    assert_int_equal(sequence_peak(&net->graph, &given, NULL), 21);
    Sequence found = schedule_tasks(&net->graph, arena, arena);
    assert_int_equal(sequence_peak(&net->graph, &found, NULL), 12);
    arena_destroy(arena);
}

/* ---- random graphs ------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static Net *random_net(Arena *arena, uint64_t seed, uint32_t count)
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
        uint32_t value = add(net, 1 + (int64_t)(next_random(&random) % 50), reads[0], reads[1],
                             reads[2]);
        net->tasks[t].workspace = (int64_t)(next_random(&random) % 20);
        net->is_output[value] = next_random(&random) % 8 == 0;
    }
    return net;
}

/* Every task once, makers first; never worse than the order given; the same every time. */
static void orders_are_valid_and_no_worse(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 300; seed++) {
        Arena *arena = arena_create();
        Net *net = random_net(arena, seed, 4 + (uint32_t)seed % 40);
        uint32_t count = net->graph.task_count;
        Sequence given = {arena_array(arena, uint32_t, count), count};
        bool *has_run = arena_array(arena, bool, count);
        for (uint32_t t = 0; t < count; t++)
            given.tasks[t] = t;
        Sequence found = schedule_tasks(&net->graph, arena, arena);
        assert_int_equal(found.count, count);
        for (uint32_t s = 0; s < count; s++) {
            const Task *task = &net->tasks[found.tasks[s]];
            assert_false(has_run[found.tasks[s]]);
            for (uint32_t r = 0; r < task->read_count; r++)
                assert_true(has_run[net->maker[task->reads[r]]]);
            has_run[found.tasks[s]] = true;
        }
        assert_true(sequence_peak(&net->graph, &found, NULL)
                    <= sequence_peak(&net->graph, &given, NULL));
        Sequence again = schedule_tasks(&net->graph, arena, arena);
        assert_memory_equal(found.tasks, again.tasks, count * sizeof *found.tasks);
        arena_destroy(arena);
    }
}

/* Least peak over all orders of the tasks not yet run, by trying them all. */
static void try_all(const Net *net, uint32_t *order, uint32_t done, int64_t *best)
{
    uint32_t count = net->graph.task_count;

    if (done == count) {
        Sequence sequence = {order, count};
        int64_t peak = sequence_peak(&net->graph, &sequence, NULL);
        *best = peak < *best ? peak : *best;
        return;
    }
    for (uint32_t t = 0; t < count; t++) {
        bool is_ready = true;
        for (uint32_t s = 0; s < done; s++)
            is_ready &= order[s] != t;
        for (uint32_t r = 0; r < net->tasks[t].read_count && is_ready; r++) {
            bool is_made = false;
            for (uint32_t s = 0; s < done; s++)
                is_made |= order[s] == net->maker[net->tasks[t].reads[r]];
            is_ready = is_made;
        }
        if (!is_ready)
            continue;
        order[done] = t;
        try_all(net, order, done + 1, best);
    }
}

/* How far from the best order: measured, and no more than a few percent on average. */
static void orders_are_near_the_best(void **state)
{
    int64_t found_sum = 0, best_sum = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        Arena *arena = arena_create();
        Net *net = random_net(arena, 1000 + seed, 7);
        uint32_t order[8];
        int64_t best = INT64_MAX;
        Sequence found = schedule_tasks(&net->graph, arena, arena);
        try_all(net, order, 0, &best);
        int64_t peak = sequence_peak(&net->graph, &found, NULL);
        assert_true(peak >= best);
        found_sum += peak;
        best_sum += best;
        arena_destroy(arena);
    }
    print_message("peaks found are %.2f %% above the best\n",
                  100.0 * (double)(found_sum - best_sum) / (double)best_sum);
    assert_true(found_sum * 100 <= best_sum * 104);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_lives),
        cmocka_unit_test(results_take_over_dying_reads),
        cmocka_unit_test(repeats_make_instances),
        cmocka_unit_test(finishes_one_branch_first),
        cmocka_unit_test(orders_are_valid_and_no_worse),
        cmocka_unit_test(orders_are_near_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
