/* Bounds by minimum cut against brute force over all cuts, and over all choices of what is kept and
 * what is made again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "nets.h"

#include "compiler/recompute/max_flow.h"
#include "compiler/recompute/recompute.h"

/* ---- maximum flow = minimum cut -------------------------------------------------------------- */

static void flow_is_the_least_cut(void **state)
{
    enum { NODES = 8, EDGES = 18 };
    (void)state;

    for (uint64_t seed = 1; seed <= 500; seed++) {
        Arena *arena = arena_create();
        uint64_t random = seed;
        uint32_t from[EDGES], to[EDGES], edges[EDGES];
        int64_t capacity[EDGES], least = INT64_MAX, reached = 0;
        FlowNetwork network;
        flow_begin(&network, NODES, EDGES, arena);
        for (uint32_t e = 0; e < EDGES; e++) {
            from[e] = (uint32_t)(next_random(&random) % NODES);
            to[e] = (from[e] + 1 + (uint32_t)(next_random(&random) % (NODES - 1))) % NODES;
            capacity[e] = (int64_t)(next_random(&random) % 20);
            edges[e] = flow_edge(&network, from[e], to[e], capacity[e]);
        }
        for (uint32_t side = 1; side < 1u << (NODES - 1); side += 2) { /* with 0, without 7 */
            int64_t cut = 0;
            for (uint32_t e = 0; e < EDGES; e++)
                cut += (side >> from[e] & 1) && !(side >> to[e] & 1) ? capacity[e] : 0;
            least = cut < least ? cut : least;
        }
        assert_int_equal(max_flow(&network, 0, NODES - 1), least);
        for (uint32_t e = 0; e < EDGES; e++)
            if (flow_reaches(&network, from[e]) && !flow_reaches(&network, to[e]))
                reached += capacity[e];
        assert_int_equal(reached, least);
        for (uint32_t e = 0; e < EDGES; e++)
            flow_set_capacity(&network, edges[e], 2 * capacity[e]);
        assert_int_equal(max_flow(&network, 0, NODES - 1), 2 * least);
        arena_destroy(arena);
    }
}

/* ---- the cut bound --------------------------------------------------------------------------- */

enum { LAYERS = 6, FIRST_BACKWARD = LAYERS }; /* the task at which the net turns round */

/* What value v of the forward pass is while b6 runs: 0 gone for good, 1 in memory, 2 made again. */
typedef struct Choice {
    int64_t bytes;
    double cost;
    bool is_right;
} Choice;

static Choice weigh_choice(const Net *net, uint32_t code)
{
    const Task *turn = &net->tasks[FIRST_BACKWARD];
    Choice choice = {turn->workspace + net->bytes[turn->writes[0]], 0, true};
    uint32_t what[LAYERS + 1] = {0};

    for (uint32_t v = 1; v <= LAYERS; v++, code /= 3)
        what[v] = code % 3;
    for (uint32_t v = 1; v <= LAYERS; v++) {
        bool is_operand = v == LAYERS || v == LAYERS - 1; /* of b6: in memory anyhow */
        const Task *maker = &net->tasks[v - 1];
        choice.is_right &= !is_operand || what[v] == 1;
        choice.is_right &= what[v] != 0 || v > LAYERS; /* every f is read behind, by its b */
        choice.is_right &= what[v] != 2 || maker->may_repeat;
        for (uint32_t r = 0; r < maker->read_count && what[v] == 2; r++)
            choice.is_right &= what[maker->reads[r]] != 0;
        choice.bytes += what[v] == 1 ? net->bytes[v] : 0;
        choice.cost += what[v] == 2 ? maker->cost : 0;
    }
    return choice;
}

/* Least cost at the budget of the lower hull of all choices: what prices can prove. INFINITY where
 * no choice is within the budget. */
static double hull_cost(const Net *net, int64_t budget, double *best_choice)
{
    enum { CHOICES = 729 };
    double least = INFINITY;

    *best_choice = INFINITY;
    for (uint32_t a = 0; a < CHOICES; a++) {
        Choice lean = weigh_choice(net, a);
        if (!lean.is_right || lean.bytes > budget)
            continue;
        *best_choice = fmin(*best_choice, lean.cost);
        least = fmin(least, lean.cost);
        for (uint32_t b = 0; b < CHOICES; b++) {
            Choice rich = weigh_choice(net, b);
            if (rich.is_right && rich.bytes > budget)
                least = fmin(least, lean.cost
                                        + (rich.cost - lean.cost) * (double)(budget - lean.bytes)
                                              / (double)(rich.bytes - lean.bytes));
        }
    }
    return least;
}

static void bound_is_the_hull_of_all_choices(void **state)
{
    uint32_t compared = 0, impossible = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        Arena *arena = arena_create();
        Net *net = turning_net(arena, seed * 31 + 7, LAYERS, 1, 5);
        for (int64_t budget = 60; budget <= 260; budget += 20) {
            double best, hull = hull_cost(net, budget, &best);
            CostBound bound = cost_bound_at(&net->graph, FIRST_BACKWARD, budget);
            assert_int_equal(bound.is_impossible, hull == INFINITY);
            impossible += bound.is_impossible;
            if (bound.is_impossible)
                continue;
            assert_true(bound.cost <= best + 1e-9);
            assert_true(fabs(bound.cost - hull) < 1e-6);
            compared += hull > 0;
        }
        arena_destroy(arena);
    }
    print_message("%u bounds above 0 are those of brute force, %u are proofs that nothing fits\n",
                  compared, impossible);
    assert_true(compared >= 40 && impossible >= 40);
}

/* Over the budgets: never rising, and at each vertex what a bound for that budget alone says or
 * less. */
static void frontier_agrees_with_single_budgets(void **state)
{
    (void)state;

    for (uint64_t seed = 1; seed <= 30; seed++) {
        Arena *arena = arena_create();
        Net *net = turning_net(arena, seed * 31 + 7, LAYERS, 1, 5);
        BoundFrontier frontier = bound_frontier(&net->graph, arena);
        assert_true(frontier.count >= 2);
        for (uint32_t p = 0; p < frontier.count; p++) {
            const BoundPoint *point = &frontier.points[p];
            double highest = 0;
            if (p > 0) {
                assert_true(point->budget <= point[-1].budget);
                assert_true(point->bound_cost >= point[-1].bound_cost);
            }
            for (uint32_t t = 0; t < net->graph.task_count; t++) {
                CostBound single = cost_bound_at(&net->graph, t, point->budget);
                highest = fmax(highest, single.is_impossible ? INFINITY : single.cost);
            }
            assert_true(point->bound_cost <= highest + 1e-6);
        }
        arena_destroy(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flow_is_the_least_cut),
        cmocka_unit_test(bound_is_the_hull_of_all_choices),
        cmocka_unit_test(frontier_agrees_with_single_budgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
