/* Annealing over sequences that may reorder and recompute.
 *
 *     slots      conv1  .  relu1 conv2  .  .  conv1'  .  dgrad2  .      a step in a slot, or a gap
 *     value z1   D         U                  D          U              its events, in slot order
 *     load       bytes alive in each slot, less the budget
 *
 * A proposal adds, removes or moves events; each one changes the load over one range of slots. It
 * is kept by its change of
 *
 *     added cost + price x excess          excess: what the load is over the budget, summed
 *
 * after Metropolis, or undone from a journal. The price rises while the sequence does not fit and
 * falls while it does, so that the search walks along the border of the budget. FastSA (Chen et
 * al., NeurIPS 2023) weighs the peak; the sum in its place is ours: it sees progress at one peak
 * while another is higher. Everything is integers but the temperature, so that a seed gives the
 * same result on all machines.
 */
#include "recompute_state.h"

#include <string.h>

#include "compiler/floor/system.h"

enum { SPREAD_EVERY = 1 << 14 }; /* proposals between spreading the steps out evenly */

/* ---- annealing ------------------------------------------------------------------------------- */

typedef struct Annealing {
    Search *search;
    const SearchProblem *problem;
    int32_t budget;     /* units */
    double price;       /* cost units for one unit of load over the budget in one slot */
    uint32_t *current;  /* room for a sequence */
    Sequence best;      /* of those within the budget */
    int64_t best_added; /* cost units; INT64_MAX: none yet */
    Sequence lowest;    /* with the least excess met at a spread */
    int64_t lowest_excess;
} Annealing;

static void keep_best(Annealing *annealing)
{
    Search *search = annealing->search;

    if (search->excess > 0 || search->added >= annealing->best_added)
        return;
    annealing->best_added = search->added;
    annealing->best = take_sequence(search, annealing->best.tasks);
}

static void spread(Annealing *annealing)
{
    Search *search = annealing->search;
    Sequence sequence = take_sequence(search, annealing->current);

    spread_sequence(search, &sequence, annealing->budget);
    if (search->excess < annealing->lowest_excess) {
        annealing->lowest_excess = search->excess;
        annealing->lowest = take_sequence(search, annealing->lowest.tasks);
    }
}

static void anneal(Annealing *annealing, uint64_t *made)
{
    Search *search = annealing->search;
    const SearchProblem *problem = annealing->problem;
    double temperature = problem->hot * COST_UNITS / problem->graph->task_count;
    double cooling = 1;
    uint64_t rounds = problem->proposals / 64 + 1;
    double pace = 12.0 / (double)rounds; /* of the price: e^12 up or down in a short search */

    pace = 1 + (pace < 0.01 ? 0.01 : pace > 0.1 ? 0.1 : pace);

    /* the rounds-th root of cold / hot, by Newton-free repetition: (1 - x)^rounds */
    for (double ratio = problem->hot / problem->cold, step = 1; step > 1e-12; step /= 2) {
        double candidate = cooling - step > 0 ? cooling - step : 0, power = 1, base = candidate;
        for (uint64_t n = rounds; n > 0; n >>= 1, base *= base)
            power *= n & 1 ? base : 1;
        if (power * ratio >= 1)
            cooling = candidate;
    }
    for (uint64_t k = 0; k < problem->proposals; k++) {
        if (k % SPREAD_EVERY == SPREAD_EVERY - 1)
            spread(annealing);
        if (k % 64 == 63) {
            temperature *= cooling;
            if (problem->may_repeat)
                annealing->price *= search->excess > 0 ? pace : 1 / pace;
            if (k % 4096 == 4095 && problem->deadline > 0
                && monotonic_seconds() >= problem->deadline)
                break;
        }
        *made = k + 1;
        if (!propose_move(search, problem->may_repeat, problem->may_exchange)) {
            undo_move(search);
            continue;
        }
        settle_taken(search);
        double change =
            (double)(search->added - search->added_before)
            + annealing->price * (double)(sweep_changes(search, false) - search->excess);
        if (change > 0 && change > temperature * random_exponential(search)) {
            undo_move(search);
            continue;
        }
        keep_changes(search);
        if (search->excess == 0 && search->added < annealing->best_added) {
            keep_best(annealing);
            if (!problem->may_repeat)
                break;
        }
    }
}

/* A mean value over the budget in one slot is worth a mean task. */
static double first_price(const Search *search, const TaskGraph *graph)
{
    double units = 1;

    for (uint32_t v = 1; v < graph->value_count; v++)
        units += search->units[v];
    return (double)COST_UNITS / units;
}

static void consider(SearchResult *result, const TaskGraph *graph, const Sequence *sequence,
                     int64_t budget)
{
    SearchResult candidate = {*sequence, sequence_peak(graph, sequence, NULL),
                              sequence_added_cost(graph, sequence), result->proposals};

    if (result->sequence.count == 0
        || is_better_sequence(candidate.peak, candidate.added_cost, result->peak,
                              result->added_cost, budget))
        *result = candidate;
}

SearchResult search_sequences(const SearchProblem *problem, Arena *arena)
{
    Arena *scratch = arena_create();
    const TaskGraph *graph = problem->graph;
    Search *search = search_create(graph, problem->start.count, scratch);
    SearchResult result = {0};

    search->random = problem->seed * 2 + 88172645463325253u;
    Annealing annealing = {
        .search = search,
        .problem = problem,
        .budget = (int32_t)min_i64(problem->budget / search->unit, 2 * UNITS_MAX),
        .price = first_price(search, graph),
        .current = arena_array(scratch, uint32_t, search->slot_count),
        .best = {.tasks = arena_array(scratch, uint32_t, search->slot_count)},
        .best_added = INT64_MAX,
        .lowest = {.tasks = arena_array(scratch, uint32_t, search->slot_count)},
        .lowest_excess = INT64_MAX,
    };
    spread_sequence(search, &problem->start, annealing.budget);
    keep_best(&annealing);
    if (annealing.best_added != 0)
        anneal(&annealing, &result.proposals);
    spread(&annealing);
    consider(&result, graph, &problem->start, problem->budget);
    if (annealing.best.count > 0)
        consider(&result, graph, &annealing.best, problem->budget);
    if (annealing.lowest.count > 0)
        consider(&result, graph, &annealing.lowest, problem->budget);
    uint32_t *tasks = arena_array(arena, uint32_t, result.sequence.count);
    memcpy(tasks, result.sequence.tasks, result.sequence.count * sizeof *tasks);
    result.sequence.tasks = tasks;
    arena_destroy(scratch);
    return result;
}
