/* The planner against GLPK, a solver that knows nothing of it: the cut bound is the optimum of its
 * linear programme on graphs that are too large for brute force, and what recomputation adds on
 * small ones is compared with the optimum of Checkmate's integer programme (MLSys 2020).
 *
 * Skipped where there is no glpsol (Debian: glpk-utils).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler/recompute/recompute.h"
#include "nets.h"

enum { LAYERS = 30, SMALL_LAYERS = 4 };

/* The order of the tasks is the only one. */
static Net *forced_net(Arena *arena, uint64_t seed, uint32_t layers)
{
    return turning_net(arena, seed * 613 + 11, layers, 5, 30);
}

/* ---- the solver ------------------------------------------------------------------------------ */

typedef struct Programme {
    char path[64], solution[80];
    FILE *file;
    uint32_t rows;
} Programme;

static void programme_begin(Programme *programme)
{
    snprintf(programme->path, sizeof programme->path, "glpk_test_%d.lp", rand());
    snprintf(programme->solution, sizeof programme->solution, "%s.solution", programme->path);
    programme->rows = 0;
    programme->file = fopen(programme->path, "w");
    assert_non_null(programme->file);
    fputs("Minimize\n cost: 0 nothing\n", programme->file);
}

static void row(Programme *programme)
{
    fprintf(programme->file, " r%u:\n", programme->rows++);
}

/* The least cost; INFINITY where the programme has no solution. */
static double programme_solve(Programme *programme)
{
    char command[256], status = '?', dual = '?', line[256];
    double least = NAN;

    fputs("End\n", programme->file);
    fclose(programme->file);
    snprintf(command, sizeof command, "glpsol --lp %s -w %s >/dev/null", programme->path,
             programme->solution);
    assert_int_equal(system(command), 0);
    FILE *solution = fopen(programme->solution, "r");
    assert_non_null(solution);
    while (fgets(line, sizeof line, solution) != NULL)
        if (sscanf(line, "s bas %*d %*d %c %c %lf", &status, &dual, &least) == 3
            || sscanf(line, "s mip %*d %*d %c %lf", &status, &least) == 2)
            break;
    fclose(solution);
    remove(programme->path);
    remove(programme->solution);
    assert_true(isnan(least) == 0);
    return status == 'f' || status == 'o' ? least : INFINITY;
}

/* ---- the cut bound --------------------------------------------------------------------------- */

typedef struct Sides {
    bool past[MAX_TASKS], future[MAX_TASKS];
} Sides;

static Sides sides_of(const Net *net, uint32_t g)
{
    Sides sides = {0};
    uint32_t count = net->graph.task_count;

    for (uint32_t t = g + 1; t-- > 0;)
        for (uint32_t r = 0; (t == g || sides.past[t]) && r < net->tasks[t].read_count; r++)
            sides.past[net->maker[net->reads[t][r]]] = true;
    for (uint32_t t = g + 1; t < count; t++)
        for (uint32_t r = 0; r < net->tasks[t].read_count; r++) {
            uint32_t maker = net->maker[net->reads[t][r]];
            sides.future[t] |= maker == g || sides.future[maker];
        }
    return sides;
}

static bool is_read_by(const Net *net, uint32_t t, uint32_t value)
{
    for (uint32_t r = 0; r < net->tasks[t].read_count; r++)
        if (net->reads[t][r] == value)
            return true;
    return false;
}

static bool is_needed(const Net *net, const Sides *sides, uint32_t value)
{
    bool needed = net->is_output[value];

    for (uint32_t t = 0; t < net->graph.task_count; t++)
        needed |= sides->future[t] && is_read_by(net, t, value);
    return needed;
}

/* kN: value N is kept, dN: it is made again; as in the head of bounds.c. Every value of the past
 * has its variables: those that nothing needs are 0. */
static double solve_cut(const Net *net, uint32_t g, int64_t budget)
{
    Programme programme;
    Sides sides = sides_of(net, g);
    uint32_t count = net->graph.value_count;
    int64_t room = budget - net->bytes[g + 1] - net->tasks[g].workspace;

    programme_begin(&programme);
    for (uint32_t v = 1; v < count; v++) {
        if (sides.past[v - 1])
            fprintf(programme.file, " + %.0f d%u\n", net->tasks[v - 1].cost, v);
        if (is_read_by(net, g, v))
            room -= net->bytes[v];
    }
    fputs("Subject To\n", programme.file);
    for (uint32_t v = 1; v < count; v++) {
        const Task *maker = &net->tasks[v - 1];
        if (!sides.past[v - 1])
            continue;
        if (is_needed(net, &sides, v)) {
            row(&programme);
            fprintf(programme.file, " k%u + d%u >= 1\n", v, v);
        }
        for (uint32_t r = 0; r < maker->repeat_reads; r++) {
            row(&programme);
            fprintf(programme.file, " d%u - k%u - d%u <= 0\n", v, maker->reads[r], maker->reads[r]);
        }
        if (!maker->may_repeat) {
            row(&programme);
            fprintf(programme.file, " d%u <= 0\n", v);
        }
    }
    row(&programme);
    fputs(" 0 nothing\n", programme.file);
    for (uint32_t v = 1; v < count; v++)
        if (sides.past[v - 1] && !is_read_by(net, g, v))
            fprintf(programme.file, " + %lld k%u\n", (long long)net->bytes[v], v);
    fprintf(programme.file, " <= %lld\n", (long long)room);
    return programme_solve(&programme);
}

static void bound_is_the_optimum_of_its_programme(void **state)
{
    uint32_t above = 0, impossible = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        Arena *arena = arena_create();
        Net *net = forced_net(arena, seed, LAYERS);
        Sequence ordered = schedule_tasks(&net->graph, arena, arena);
        int64_t peak = sequence_peak(&net->graph, &ordered, NULL);
        for (int64_t percent = 10; percent <= 90; percent += 20) {
            uint32_t g = LAYERS + (uint32_t)((seed + (uint64_t)percent / 20) % 6);
            double least = solve_cut(net, g, peak * percent / 100);
            CostBound bound = cost_bound_at(&net->graph, g, peak * percent / 100);
            assert_int_equal(bound.is_impossible, least == INFINITY);
            impossible += least == INFINITY;
            above += least < INFINITY && least > 0;
            if (least < INFINITY && fabs(bound.cost - least) > 1e-6 * (1 + least))
                fail_msg("seed %u, %d %%, task %u: bound %.9f, optimum %.9f", (unsigned)seed,
                         (int)percent, g, bound.cost, least);
        }
        arena_destroy(arena);
    }
    print_message("%u optima above 0, %u programmes without a solution\n", above, impossible);
    assert_true(above >= 20 && impossible >= 5);
}

/* ---- recomputation --------------------------------------------------------------------------- */

/* In stage t task t runs for the first time, after those that run again, in order. rT_I: I runs in
 * stage T; sT_I: its value is there as the stage begins; fT_I_K: it goes after K has run. */
static void put_rules(Programme *programme, const Net *net)
{
    uint32_t n = net->graph.task_count;

    for (uint32_t t = 0; t < n; t++) {
        row(programme);
        fprintf(programme->file, " r%u_%u = 1\n", t, t);
        for (uint32_t i = 0; i < t; i++) {
            row(programme);
            fprintf(programme->file, " s%u_%u - r%u_%u", t, i, t - 1, i);
            fprintf(programme->file, i < t - 1 ? " - s%u_%u <= 0\n" : " <= 0\n", t - 1, i);
            if (!net->tasks[i].may_repeat) {
                row(programme);
                fprintf(programme->file, " r%u_%u <= 0\n", t, i);
            }
        }
        for (uint32_t i = 0; i <= t; i++)
            for (uint32_t r = 0; r < net->tasks[i].read_count; r++) {
                uint32_t from = net->maker[net->reads[i][r]];
                row(programme);
                fprintf(programme->file, " r%u_%u - r%u_%u - s%u_%u <= 0\n", t, i, t, from, t,
                        from);
            }
    }
}

/* After K value I may go where K has run, nobody behind it in the stage reads it, and the next
 * stage does not begin with it. Outputs stay. */
static bool may_go(const Net *net, uint32_t i, uint32_t k)
{
    return !net->is_output[i + 1] && (i == k || is_read_by(net, k, i + 1));
}

static void put_ends(Programme *programme, const Net *net)
{
    uint32_t n = net->graph.task_count;

    for (uint32_t t = 0; t < n; t++)
        for (uint32_t k = 0; k <= t; k++)
            for (uint32_t i = 0; i <= k; i++) {
                if (!may_go(net, i, k))
                    continue;
                row(programme);
                fprintf(programme->file, " f%u_%u_%u - r%u_%u <= 0\n", t, i, k, t, k);
                if (t + 1 < n) {
                    row(programme);
                    fprintf(programme->file, " f%u_%u_%u + s%u_%u <= 1\n", t, i, k, t + 1, i);
                }
                for (uint32_t j = k + 1; j <= t; j++)
                    if (is_read_by(net, j, i + 1)) {
                        row(programme);
                        fprintf(programme->file, " f%u_%u_%u + r%u_%u <= 1\n", t, i, k, t, j);
                    }
            }
}

/* While K runs in stage T: what the stage began with, what it has made, less what went before. */
static void put_memory(Programme *programme, const Net *net, int64_t budget)
{
    for (uint32_t t = 0; t < net->graph.task_count; t++)
        for (uint32_t k = 0; k <= t; k++) {
            row(programme);
            fprintf(programme->file, " %lld r%u_%u\n",
                    (long long)(net->tasks[k].workspace + net->bytes[k + 1]), t, k);
            for (uint32_t i = 0; i < t; i++)
                fprintf(programme->file, " + %lld s%u_%u\n", (long long)net->bytes[i + 1], t, i);
            for (uint32_t i = 0; i < k; i++)
                fprintf(programme->file, " + %lld r%u_%u\n", (long long)net->bytes[i + 1], t, i);
            for (uint32_t j = 0; j < k; j++)
                for (uint32_t i = 0; i <= j; i++)
                    if (may_go(net, i, j))
                        fprintf(programme->file, " - %lld f%u_%u_%u\n",
                                (long long)net->bytes[i + 1], t, i, j);
            fprintf(programme->file, " <= %lld\n", (long long)budget);
        }
}

static double solve_recomputation(const Net *net, int64_t budget)
{
    Programme programme;
    uint32_t n = net->graph.task_count;

    programme_begin(&programme);
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t i = 0; i < t; i++)
            fprintf(programme.file, " + %.0f r%u_%u\n", net->tasks[i].cost, t, i);
    fputs("Subject To\n", programme.file);
    put_rules(&programme, net);
    put_ends(&programme, net);
    put_memory(&programme, net, budget);
    fputs("Binary\n", programme.file);
    for (uint32_t t = 0; t < n; t++)
        for (uint32_t i = 0; i <= t; i++) {
            fprintf(programme.file, " r%u_%u\n", t, i);
            if (i < t)
                fprintf(programme.file, " s%u_%u\n", t, i);
            for (uint32_t k = i; k <= t; k++)
                if (may_go(net, i, k))
                    fprintf(programme.file, " f%u_%u_%u\n", t, i, k);
        }
    return programme_solve(&programme);
}

/* The programme lets a task run once a stage; a sequence may do so more often, and be cheaper. */
static void recomputation_is_near_the_optimum(void **state)
{
    uint32_t solved = 0, equal = 0, missed = 0;
    double ours = 0, optima = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= 12; seed++) {
        Arena *arena = arena_create();
        Net *net = forced_net(arena, seed, SMALL_LAYERS);
        Sequence ordered = schedule_tasks(&net->graph, arena, arena);
        int64_t peak = sequence_peak(&net->graph, &ordered, NULL);
        for (int64_t percent = 70; percent <= 90; percent += 10) {
            RecomputeProblem problem = {.graph = &net->graph,
                                        .budget = peak * percent / 100,
                                        .effort = 50000,
                                        .seed = seed};
            RecomputeResult found = recompute_tasks(&problem, arena, arena);
            double least = solve_recomputation(net, problem.budget);
            if (least == INFINITY)
                continue;
            solved++;
            if (found.is_impossible || found.bound_cost > least + 1e-6)
                fail_msg("seed %u, %d %%: bound %.3f, optimum %.0f", (unsigned)seed, (int)percent,
                         found.bound_cost, least);
            if (found.peak > problem.budget) {
                missed++;
                continue;
            }
            equal += found.added_cost == least;
            ours += found.added_cost;
            optima += least;
        }
        arena_destroy(arena);
    }
    print_message("%u programmes solved, %u equal, %u missed; together %.0f, the optima %.0f\n",
                  solved, equal, missed, ours, optima);
    assert_true(solved >= 12 && missed * 10 <= solved && optima > 0 && ours <= 1.02 * optima);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_is_the_optimum_of_its_programme),
        cmocka_unit_test(recomputation_is_near_the_optimum),
    };

    if (system("glpsol --version >/dev/null 2>&1") != 0) {
        puts("skipped: glpsol is missing (Debian: glpk-utils)");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
