/* Order and recomputation: the driver.
 *
 *     reorder      the sequence with every task once and the lowest peak; done where it fits
 *     recompute    annealing over sequences with repeats
 *     refine       the same from the best so far, cooler
 *
 * After each round with repeats lives are tightened: that alone makes some repeats needless, and
 * the next round finds room where values lived longer than they had to. Each round runs on two
 * threads with seeds of their own; the best of the two is where both go on. Where they meet is
 * counted in proposals, so that the result does not depend on the machine.
 */
#include "recompute.h"

#include <pthread.h>

#include "compiler/floor/system.h"

enum {
    LANES = 2,
    RUN_LENGTH = 1000,  /* proposals for each task that one run of annealing is given at most */
    TIGHTENING = 200000 /* proposals, at most: a quarter of the effort */
};

typedef struct Round {
    double share; /* of the effort, both lanes together */
    double hot, cold;
    bool may_repeat;
} Round;

static const Round rounds[] = {
    {.share = 0.10, .hot = 10, .cold = 0.3, .may_repeat = false},
    {.share = 0.3, .hot = 0.1, .cold = 0.003, .may_repeat = true},
    {.share = 0.3, .hot = 0.03, .cold = 0.001, .may_repeat = true},
    {.share = 0.3, .hot = 0.03, .cold = 0.001, .may_repeat = true},
};

typedef struct Lane {
    SearchProblem problem;
    SearchResult result;
    Arena *arena;
} Lane;

static void *run_lane(void *argument)
{
    Lane *lane = argument;

    lane->result = search_sequences(&lane->problem, lane->arena);
    return NULL;
}

/* Where no thread can be had, the lanes run one after the other: the result is the same. */
static void run_lanes(Lane *lanes)
{
    pthread_t threads[LANES];
    bool is_running[LANES] = {false};

    for (int k = 1; k < LANES; k++)
        is_running[k] = pthread_create(&threads[k], NULL, run_lane, &lanes[k]) == 0;
    for (int k = 0; k < LANES; k++) {
        if (is_running[k])
            pthread_join(threads[k], NULL);
        else
            run_lane(&lanes[k]);
    }
}

bool is_better_sequence(int64_t peak, double added_cost, int64_t than_peak, double than_added_cost,
                        int64_t budget)
{
    bool fits = peak <= budget, fitted = than_peak <= budget;

    if (fits && fitted)
        return added_cost < than_added_cost;
    return fits != fitted ? fits : peak < than_peak;
}

static void run_once(const RecomputeProblem *problem, const Round *round, uint64_t proposals,
                     uint64_t seed, double deadline, RecomputeResult *result, Arena *scratch)
{
    Lane lanes[LANES];
    /* a sequence that fits is worth keeping most of, but not in every run */
    bool is_cool = result->peak <= problem->budget && seed % 2 == 0;

    for (uint64_t k = 0; k < LANES; k++) {
        lanes[k].arena = arena_create();
        lanes[k].problem = (SearchProblem){
            .graph = problem->graph,
            .budget = problem->budget,
            .start = result->sequence,
            .proposals = proposals / LANES,
            .seed = seed * LANES + k,
            .hot = is_cool ? round->hot : 10 * round->hot,
            .cold = is_cool ? round->cold : 3 * round->cold,
            .may_repeat = round->may_repeat,
            .may_exchange = k % 2 == 1,
            .deadline = deadline,
        };
    }
    run_lanes(lanes);
    for (int k = 0; k < LANES; k++) {
        const SearchResult *found = &lanes[k].result;
        if (is_better_sequence(found->peak, found->added_cost, result->peak, result->added_cost,
                               problem->budget)) {
            result->peak = found->peak;
            result->added_cost = found->added_cost;
            result->sequence.count = found->sequence.count;
            result->sequence.tasks = arena_array(scratch, uint32_t, found->sequence.count);
            for (uint32_t s = 0; s < found->sequence.count; s++)
                result->sequence.tasks[s] = found->sequence.tasks[s];
        }
        arena_destroy(lanes[k].arena);
    }
}

static bool is_done(const RecomputeProblem *problem, const RecomputeResult *result)
{
    return result->peak <= problem->budget && result->added_cost <= result->bound_cost;
}

/* Several runs where the graph is small, each from the best before it. */
static void run_round(const RecomputeProblem *problem, const Round *round, uint64_t number,
                      double deadline, RecomputeResult *result, Arena *scratch)
{
    uint64_t proposals = (uint64_t)((double)problem->effort * round->share);
    uint64_t runs = proposals / ((uint64_t)problem->graph->task_count * RUN_LENGTH * LANES) + 1;

    for (uint64_t k = 0; k < runs && !is_done(problem, result); k++)
        run_once(problem, round, proposals / runs, (problem->seed * 64 + number) * 4096 + k,
                 deadline, result, scratch);
}

RecomputeResult recompute_tasks(const RecomputeProblem *problem, Arena *arena, Arena *scratch)
{
    const TaskGraph *graph = problem->graph;
    double deadline = problem->seconds > 0 ? monotonic_seconds() + problem->seconds : 0;
    uint64_t tightening = problem->effort / 4 < TIGHTENING ? problem->effort / 4 : TIGHTENING;
    RecomputeResult result = {.sequence = schedule_tasks(graph, scratch, scratch)};

    result.peak = sequence_peak(graph, &result.sequence, NULL);
    CostBound bound = cost_bound(graph, problem->budget);
    result.is_impossible = bound.is_impossible;
    result.bound_cost = bound.is_impossible ? 0 : bound.cost;
    for (size_t k = 0; k < COUNT_OF(rounds); k++) {
        run_round(problem, &rounds[k], k, deadline, &result, scratch);
        if (rounds[k].may_repeat || problem->is_order_only)
            result.sequence =
                tighten_sequence(graph, &result.sequence, max_i64(problem->budget, result.peak),
                                 tightening, scratch);
        else if (result.peak > problem->budget && !problem->is_order_only)
            result.sequence =
                recompute_by_cut(graph, &result.sequence, bound.task, problem->budget, scratch);
        result.peak = sequence_peak(graph, &result.sequence, NULL);
        result.added_cost = sequence_added_cost(graph, &result.sequence);
        if (problem->is_order_only)
            break;
    }
    uint32_t *tasks = arena_array(arena, uint32_t, result.sequence.count);
    for (uint32_t s = 0; s < result.sequence.count; s++)
        tasks[s] = result.sequence.tasks[s];
    result.sequence.tasks = tasks;
    return result;
}
