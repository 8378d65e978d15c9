/* snug remat: reads a graph, finds a sequence, has it checked, prints it. */
#include "remat.h"

#include <math.h>
#include <string.h>

#include "compiler/check/check_sequence.h"
#include "compiler/floor/system.h"
#include "compiler/floor/text.h"
#include "compiler/recompute/recompute.h"
#include "remat_graph.h"

/* A fraction up to 1, a percentage, or bytes. */
static bool parse_budget(const char *text, int64_t peak, int64_t *budget)
{
    char number[32];
    size_t length = strlen(text);
    double share;
    bool is_percent = length > 0 && text[length - 1] == '%';

    if (length == 0 || length >= sizeof number)
        return false;
    memcpy(number, text, length + 1);
    if (is_percent)
        number[length - 1] = '\0';
    if (parse_number(number, &share) && share > 0 && share <= (is_percent ? 100 : 1)) {
        *budget = (int64_t)ceil((double)peak * (is_percent ? share / 100 : share) - 1e-6);
        return true;
    }
    return !is_percent && parse_bytes(text, budget) && *budget > 0;
}

/* Proposals for about 6 s on two cores: a proposal touches the values that two neighbouring tasks
 * read, and costs about 50 ns times the square of the links a node (measured on the graphs that
 * MOCCASIN publishes, 73 to 1000 nodes). */
static uint64_t default_effort(const RematGraph *remat_graph)
{
    double degree = fmax(1, (double)remat_graph->link_count / remat_graph->graph.task_count);

    return (uint64_t)fmin(1e5 * remat_graph->graph.task_count, 12e9 / (50 * degree * degree));
}

typedef struct Outcome {
    const RematGraph *remat_graph;
    int64_t peak_given, budget;
    RecomputeResult result;
    double seconds;
} Outcome;

static double percent(const Outcome *outcome, double cost)
{
    return outcome->remat_graph->cost > 0 ? 100 * cost / outcome->remat_graph->cost : 0;
}

static void print_json(FILE *out, const Outcome *outcome)
{
    const RecomputeResult *result = &outcome->result;

    fprintf(out, "{\"schema\": 1, \"nodes\": %u, \"links\": %u,\n",
            outcome->remat_graph->graph.task_count, outcome->remat_graph->link_count);
    fprintf(out,
            " \"peak_given\": %lld, \"budget\": %lld, \"peak\": %lld, \"fits\": %s, "
            "\"is_impossible\": %s,\n",
            (long long)outcome->peak_given, (long long)outcome->budget, (long long)result->peak,
            result->peak <= outcome->budget ? "true" : "false",
            result->is_impossible ? "true" : "false");
    fprintf(out, " \"added_percent\": %.6f, \"bound_percent\": %.6f, \"seconds\": %.2f,\n",
            percent(outcome, result->added_cost), percent(outcome, result->bound_cost),
            outcome->seconds);
    fprintf(out, " \"sequence\": [");
    for (uint32_t s = 0; s < result->sequence.count; s++) {
        fputs(s > 0 ? (s % 8 == 0 ? ",\n  " : ", ") : "", out);
        print_json_string(out, outcome->remat_graph->names[result->sequence.tasks[s]]);
    }
    fprintf(out, "]}\n");
}

static void print_text(FILE *out, const Outcome *outcome)
{
    const RecomputeResult *result = &outcome->result;
    const RematGraph *remat_graph = outcome->remat_graph;
    double given = (double)outcome->peak_given;

    fprintf(out, "%u nodes, %u links\n", remat_graph->graph.task_count, remat_graph->link_count);
    fprintf(out, "  peak as given  %16lld\n", (long long)outcome->peak_given);
    fprintf(out, "  budget         %16lld  %6.2f %%\n", (long long)outcome->budget,
            100 * (double)outcome->budget / given);
    fprintf(out, "  peak           %16lld  %6.2f %%%s\n", (long long)result->peak,
            100 * (double)result->peak / given,
            result->peak <= outcome->budget ? "" : "  over the budget");
    fprintf(out, "  added time     %15.4f%%  in %u repeated steps\n",
            percent(outcome, result->added_cost),
            result->sequence.count - remat_graph->graph.task_count);
    if (result->is_impossible)
        fprintf(out, "  at least            no sequence is within the budget: proven\n");
    else
        fprintf(out, "  at least       %15.4f%%  proven for every sequence within the budget\n",
                percent(outcome, result->bound_cost));
    fprintf(out, "  found in       %14.1f s\n", outcome->seconds);
}

/* Whoever found the sequence, what is printed of it is what the checker says. */
static void check_result(const RematGraph *remat_graph, const RecomputeResult *result,
                         int64_t budget)
{
    SequenceCheck check = check_sequence(&remat_graph->graph, &result->sequence);

    if (check.fault != SEQUENCE_RIGHT)
        BUG("the sequence is wrong at step %u: fault %d of task %u", check.step, (int)check.fault,
            check.task);
    if (check.peak != result->peak
        || fabs(check.added_cost - result->added_cost) > 1e-9 * remat_graph->cost)
        BUG("the sequence has peak %lld and added cost %g, not %lld and %g", (long long)check.peak,
            check.added_cost, (long long)result->peak, result->added_cost);
    if (result->peak <= budget
        && (result->is_impossible || result->added_cost < result->bound_cost * (1 - 1e-9)))
        BUG("added cost %g is below its bound %g", result->added_cost, result->bound_cost);
}

static void say_misfit(const Outcome *outcome)
{
    if (outcome->result.is_impossible)
        fprintf(stderr, "snug: no sequence is within %lld bytes: proven by a bound\n",
                (long long)outcome->budget);
    else
        fprintf(stderr, "snug: no sequence within %lld bytes was found\n",
                (long long)outcome->budget);
    fprintf(stderr, "      note: --budget %lld fits what was found\n",
            (long long)outcome->result.peak);
}

ExitStatus remat(const RematRequest *request, FILE *out)
{
    Arena *arena = arena_create();
    const char *error = NULL;
    RematGraph remat_graph;
    ExitStatus status = EXIT_STATUS_ok;
    Outcome outcome = {.remat_graph = &remat_graph};
    RematRead read = read_remat_graph(request->path, &remat_graph, &error, arena);

    if (read != REMAT_READ_ok) {
        fprintf(stderr, "%s\n", error);
        arena_destroy(arena);
        return read == REMAT_READ_file ? EXIT_STATUS_files : EXIT_STATUS_diagnostics;
    }
    Sequence given = {arena_array(arena, uint32_t, remat_graph.graph.task_count),
                      remat_graph.graph.task_count};
    for (uint32_t t = 0; t < given.count; t++)
        given.tasks[t] = t;
    outcome.peak_given = sequence_peak(&remat_graph.graph, &given, NULL);
    if (parse_budget(request->budget, outcome.peak_given, &outcome.budget)) {
        double started = monotonic_seconds();
        RecomputeProblem problem = {
            .graph = &remat_graph.graph,
            .budget = outcome.budget,
            .effort = default_effort(&remat_graph),
            .seed = 1,
            .seconds = request->seconds,
        };
        outcome.result = recompute_tasks(&problem, arena, arena);
        outcome.seconds = monotonic_seconds() - started;
        check_result(&remat_graph, &outcome.result, outcome.budget);
        (request->is_json ? print_json : print_text)(out, &outcome);
        if (outcome.result.peak > outcome.budget) {
            say_misfit(&outcome);
            status = EXIT_STATUS_memory;
        }
    } else {
        fprintf(stderr,
                "snug: --budget %s: a fraction such as 0.8, a percentage such as 80%%, or "
                "bytes such as 8GiB are needed\n",
                request->budget);
        status = EXIT_STATUS_usage;
    }
    arena_destroy(arena);
    return status;
}
