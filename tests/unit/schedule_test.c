/* Liveness and order, on graphs small enough to draw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "nets.h"

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

/* ---- random graphs --------------------------------------------------------------------------- */

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
