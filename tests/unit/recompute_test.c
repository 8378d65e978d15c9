/* Order and recomputation on random graphs: every sequence is checked by code that shares nothing
 * with the search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "nets.h"

#include "compiler/check/check_sequence.h"
#include "compiler/recompute/recompute.h"

/* A forward chain with a skip here and there, and the backward chain that reads it: 2 x layers
 * tasks. Costs, tasks that must not repeat, results that take over, repeats that need only some of
 * the reads.
 *
 *     f1 -> f2 -> f3 -> f4
 *      |     |     |     |
 *     b1 <- b2 <- b3 <- b4                                                                       */
static Net *training_net(Arena *arena, uint64_t seed, uint32_t layers)
{
    Net *net = net_create(arena);
    uint64_t random = seed * 977 + 5;
    uint32_t last = 0;

    for (uint32_t k = 1; k <= layers; k++) {
        uint32_t skip = k > 2 && next_random(&random) % 3 == 0
                            ? 1 + (uint32_t)(next_random(&random) % (k - 2))
                            : 0;
        add(net, 1 + (int64_t)(next_random(&random) % 30), k - 1, skip, 0);
    }
    for (uint32_t k = layers; k >= 1; k--) {
        last = add(net, 1 + (int64_t)(next_random(&random) % 30), last, k, k > 1 ? k - 1 : 0);
        net->is_output[last] = next_random(&random) % 8 == 0 || k == 1;
    }
    for (uint32_t t = 0; t < net->graph.task_count; t++) {
        Task *task = &net->tasks[t];
        task->cost = 1 + (double)(next_random(&random) % 9);
        task->workspace = (int64_t)(next_random(&random) % 10);
        task->may_repeat = next_random(&random) % 6 != 0;
        if (next_random(&random) % 3 == 0)
            task->repeat_reads = task->read_count - (task->read_count > 1);
        for (uint32_t r = 0; r < task->read_count; r++) {
            if (next_random(&random) % 5 != 0)
                continue;
            net->bytes[task->reads[r]] = net->bytes[t + 1];
            task->in_place |= (uint64_t)1 << r;
        }
    }
    return net;
}

static void sequences_are_valid(void **state)
{
    uint32_t fitting = 0, with_repeats = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        Arena *arena = arena_create();
        Net *net = training_net(arena, seed, 4 + (uint32_t)seed % 24);
        Sequence ordered = schedule_tasks(&net->graph, arena, arena);
        int64_t low = feasibility_floor(&net->graph);
        int64_t high = sequence_peak(&net->graph, &ordered, NULL);
        int64_t budget = low + (high - low) * (int64_t)(seed % 10) / 10 - (seed % 10 == 0);
        RecomputeProblem problem = {.graph = &net->graph,
                                    .budget = budget,
                                    .effort = 40000,
                                    .seed = seed};
        RecomputeResult result = recompute_tasks(&problem, arena, arena);
        SequenceCheck check = check_sequence(&net->graph, &result.sequence);
        assert_int_equal(check.fault, SEQUENCE_RIGHT);
        assert_int_equal(check.peak, result.peak);
        assert_true(check.added_cost == result.added_cost);
        assert_true(result.bound_cost <= result.added_cost || result.peak > budget);
        assert_true(result.is_impossible || seed % 10 != 0); /* a byte below one task's need */
        assert_false(result.is_impossible && result.peak <= budget);
        fitting += result.peak <= budget;
        with_repeats += result.peak <= budget && result.added_cost > 0;
        RecomputeResult again = recompute_tasks(&problem, arena, arena);
        assert_int_equal(again.sequence.count, result.sequence.count);
        assert_memory_equal(again.sequence.tasks, result.sequence.tasks,
                            result.sequence.count * sizeof *result.sequence.tasks);
        arena_destroy(arena);
    }
    print_message("%u of 60 fit, %u with repeats\n", fitting, with_repeats);
    assert_true(fitting >= 20 && with_repeats >= 15);
}

/* Bytes alive, summed over the steps. */
static int64_t area_of(const Net *net, const Sequence *sequence, Arena *arena)
{
    int64_t *load = arena_array(arena, int64_t, sequence->count), area = 0;

    sequence_peak(&net->graph, sequence, load);
    for (uint32_t s = 0; s < sequence->count; s++)
        area += load[s];
    return area;
}

static void tightened_sequences_cost_no_more(void **state)
{
    int64_t before = 0, after = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        Arena *arena = arena_create();
        Net *net = training_net(arena, seed, 4 + (uint32_t)seed % 24);
        Sequence ordered = schedule_tasks(&net->graph, arena, arena);
        int64_t low = feasibility_floor(&net->graph);
        int64_t high = sequence_peak(&net->graph, &ordered, NULL);
        RecomputeProblem problem = {.graph = &net->graph,
                                    .budget = low + (high - low) / 2,
                                    .effort = 40000,
                                    .seed = seed};
        RecomputeResult result = recompute_tasks(&problem, arena, arena);
        int64_t budget = max_i64(problem.budget, result.peak);
        Sequence tight = tighten_sequence(&net->graph, &result.sequence, budget, 20000, arena);
        SequenceCheck check = check_sequence(&net->graph, &tight);
        assert_int_equal(check.fault, SEQUENCE_RIGHT);
        assert_true(check.peak <= budget);
        assert_true(check.added_cost <= result.added_cost);
        before += area_of(net, &result.sequence, arena);
        after += area_of(net, &tight, arena);
        Sequence again = tighten_sequence(&net->graph, &result.sequence, budget, 20000, arena);
        assert_int_equal(again.count, tight.count);
        assert_memory_equal(again.tasks, tight.tasks, tight.count * sizeof *tight.tasks);
        arena_destroy(arena);
    }
    print_message("lives by bytes: %lld, tightened %lld\n", (long long)before, (long long)after);
    assert_true(after < before);
}

/* ---- the exact reference --------------------------------------------------------------------- */

/* Least added cost within the budget, by Dijkstra over (tasks that have run, values held): a step
 * drops a value, or runs a task, or runs one whose result takes the bytes of a read that it drops.
 * Tasks make one value each. INFINITY: no sequence is within the budget. */
typedef struct Exact {
    const Net *net;
    int64_t budget;
    uint32_t count;
    double *distance; /* by state: run | held << count */
    uint32_t *heap;
    uint32_t heap_count;
    bool *is_done;
} Exact;

static bool is_nearer(const Exact *exact, uint32_t a, uint32_t b)
{
    return exact->distance[exact->heap[a]] < exact->distance[exact->heap[b]];
}

static void swap_states(Exact *exact, uint32_t a, uint32_t b)
{
    uint32_t state = exact->heap[a];

    exact->heap[a] = exact->heap[b];
    exact->heap[b] = state;
}

/* A state may be in the heap several times; the later ones find it done. */
static void reach(Exact *exact, uint32_t state, double distance)
{
    if (exact->is_done[state] || distance >= exact->distance[state])
        return;
    exact->distance[state] = distance;
    uint32_t k = exact->heap_count++;
    exact->heap[k] = state;
    for (; k > 0 && is_nearer(exact, k, (k - 1) / 2); k = (k - 1) / 2)
        swap_states(exact, k, (k - 1) / 2);
}

static uint32_t nearest(Exact *exact)
{
    uint32_t state = exact->heap[0];

    exact->heap[0] = exact->heap[--exact->heap_count];
    for (uint32_t k = 0, child; (child = 2 * k + 1) < exact->heap_count; k = child) {
        child += child + 1 < exact->heap_count && is_nearer(exact, child + 1, child);
        if (!is_nearer(exact, child, k))
            break;
        swap_states(exact, k, child);
    }
    return state;
}

static void run_task(Exact *exact, uint32_t state, uint32_t t)
{
    const Task *task = &exact->net->tasks[t];
    uint32_t n = exact->count, run = state & ((1u << n) - 1), held = state >> n;
    bool again = run >> t & 1;
    uint32_t reads = again ? task->repeat_reads : task->read_count;
    int64_t bytes = task->workspace + exact->net->bytes[t + 1];

    if ((again && !task->may_repeat) || (held >> t & 1) != 0)
        return;
    for (uint32_t r = 0; r < reads; r++)
        if ((held >> (task->reads[r] - 1) & 1) == 0)
            return;
    for (uint32_t v = 0; v < n; v++)
        bytes += held >> v & 1 ? exact->net->bytes[v + 1] : 0;
    double distance = exact->distance[state] + (again ? task->cost : 0);
    uint32_t next_run = run | 1u << t, next_held = held | 1u << t;
    if (bytes <= exact->budget)
        reach(exact, next_run | next_held << n, distance);
    for (uint32_t r = 0; r < reads; r++) {
        uint32_t value = task->reads[r];
        if ((task->in_place >> r & 1) != 0 && exact->net->bytes[value] == exact->net->bytes[t + 1]
            && bytes - exact->net->bytes[value] <= exact->budget)
            reach(exact, next_run | (next_held & ~(1u << (value - 1))) << n, distance);
    }
}

static double exact_cost(const Net *net, int64_t budget, Arena *arena)
{
    uint32_t n = net->graph.task_count, states = 1u << 2 * n, outputs = 0;
    Exact exact = {net,
                   budget,
                   n,
                   arena_array(arena, double, states),
                   arena_array(arena, uint32_t, (size_t)states * 8),
                   0,
                   arena_array(arena, bool, states)};

    for (uint32_t v = 0; v < n; v++)
        outputs |= (uint32_t)net->is_output[v + 1] << v;
    for (uint32_t k = 0; k < states; k++)
        exact.distance[k] = INFINITY;
    reach(&exact, 0, 0);
    while (exact.heap_count > 0) {
        uint32_t state = nearest(&exact), held = state >> n;
        if (exact.is_done[state])
            continue;
        exact.is_done[state] = true;
        if ((state & ((1u << n) - 1)) == (1u << n) - 1 && (held & outputs) == outputs)
            return exact.distance[state];
        for (uint32_t v = 0; v < n; v++)
            if (held >> v & 1)
                reach(&exact, state & ~(1u << (n + v)), exact.distance[state]);
        for (uint32_t t = 0; t < n; t++)
            run_task(&exact, state, t);
    }
    return INFINITY;
}

/* Bound <= optimum <= ours, and ours is the optimum in nearly all. */
static void costs_are_near_the_optimum(void **state)
{
    uint32_t solved = 0, optimal = 0, missed = 0;
    double bounds = 0, optima = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        Arena *arena = arena_create();
        Net *net = training_net(arena, seed, 3 + (uint32_t)(seed % 3));
        Sequence ordered = schedule_tasks(&net->graph, arena, arena);
        int64_t high = sequence_peak(&net->graph, &ordered, NULL);
        int64_t budget = high - 1 - (int64_t)(seed % 7) * high / 40;
        double best = exact_cost(net, budget, arena);
        RecomputeProblem problem = {.graph = &net->graph,
                                    .budget = budget,
                                    .effort = 100000,
                                    .seed = seed};
        RecomputeResult result = recompute_tasks(&problem, arena, arena);
        assert_false(result.is_impossible && best < INFINITY);
        assert_true(result.bound_cost <= best);
        BoundFrontier frontier = bound_frontier(&net->graph, arena);
        for (uint32_t p = 0; p < frontier.count; p++)
            assert_true(frontier.points[p].budget < budget
                        || frontier.points[p].bound_cost <= best);
        if (result.peak <= budget)
            assert_true(result.added_cost >= best);
        if (best < INFINITY) {
            solved++;
            optimal += result.peak <= budget && result.added_cost == best;
            missed += result.peak > budget;
            bounds += result.bound_cost;
            optima += best;
        }
        arena_destroy(arena);
    }
    print_message("%u of 60 have a sequence within the budget; the cheapest was found in %u, none "
                  "in %u; bounds are %.1f %% of the optima\n",
                  solved, optimal, missed, 100 * bounds / optima);
    assert_true(solved >= 25 && optimal * 100 >= solved * 95 && missed <= 1);
}

/* Both ways to find a peak agree on sequences of all kinds. */
static void checker_agrees_with_liveness(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 200; seed++) {
        Arena *arena = arena_create();
        Net *net = training_net(arena, seed, 10);
        Sequence sequence = {arena_array(arena, uint32_t, 60), 0};
        uint64_t random = seed;
        for (uint32_t t = 0; t < 20; t++) {
            sequence.tasks[sequence.count++] = t;
            uint32_t again = (uint32_t)(next_random(&random) % (t + 1));
            if (net->tasks[again].may_repeat)
                sequence.tasks[sequence.count++] = again;
        }
        SequenceCheck check = check_sequence(&net->graph, &sequence);
        assert_int_equal(check.fault, SEQUENCE_RIGHT);
        assert_int_equal(check.peak, sequence_peak(&net->graph, &sequence, NULL));
        assert_true(check.added_cost == sequence_added_cost(&net->graph, &sequence));
        arena_destroy(arena);
    }
}

/*  a -> b -> c      one damage each */
static void checker_finds_every_fault(void **state)
{
    Arena *arena = arena_create();
    Net *net = net_create(arena);
    uint32_t a = add(net, 10, 0, 0, 0), b = add(net, 20, a, 0, 0), after[] = {1};
    add(net, 5, b, 0, 0);
    add(net, 1, 0, 0, 0);
    net->tasks[3].after = after;
    net->tasks[3].after_count = 1;
    net->tasks[1].may_repeat = false;
    static const struct Case {
        uint32_t tasks[6], count;
        SequenceFault fault;
        uint32_t step, task;
    } cases[] = {
        {{0, 1, 2, 3}, 4, SEQUENCE_RIGHT, 0, 0},      {{0, 1, 0, 2, 3}, 5, SEQUENCE_RIGHT, 0, 0},
        {{0, 1, 4, 2, 3}, 5, SEQUENCE_NO_TASK, 2, 4}, {{0, 1, 1, 2, 3}, 5, SEQUENCE_REPEAT, 2, 1},
        {{1, 0, 2, 3}, 4, SEQUENCE_READ, 0, 1},       {{0, 3, 1, 2}, 4, SEQUENCE_AFTER, 1, 3},
        {{0, 1, 2}, 3, SEQUENCE_MISSING, 3, 3},
    };
    (void)state;

    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        uint32_t tasks[6];
        for (uint32_t s = 0; s < cases[k].count; s++)
            tasks[s] = cases[k].tasks[s];
        Sequence sequence = {tasks, cases[k].count};
        SequenceCheck check = check_sequence(&net->graph, &sequence);
        assert_int_equal(check.fault, cases[k].fault);
        assert_int_equal(check.step, cases[k].step);
        assert_int_equal(check.task, cases[k].task);
    }
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checker_finds_every_fault),
        cmocka_unit_test(checker_agrees_with_liveness),
        cmocka_unit_test(sequences_are_valid),
        cmocka_unit_test(tightened_sequences_cost_no_more),
        cmocka_unit_test(costs_are_near_the_optimum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
