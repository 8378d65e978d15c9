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
 * falls while it does, so that the search walks along the border of the budget. Moves:
 *
 *     insert     make a value again before one of its uses; with some chance its dead inputs first
 *     remove     a recomputation, and those that only it has used
 *     exchange   remove one, insert another
 *     shift      a step to another slot between the makers of what it reads and the users of what
 *                it writes; a recomputation to any slot behind the first run
 *
 * The move set is that of FastSA (Chen et al., NeurIPS 2023), the sum in place of the peak ours: it
 * sees progress at one peak while another is higher. Everything is integers but the temperature, so
 * that a seed gives the same result on all machines.
 */
#include "recompute_state.h"

#include <string.h>
#include <time.h>

enum { SPREAD_EVERY = 1 << 14 }; /* proposals between spreading the steps out evenly */

double search_clock(void)
{
    struct timespec now;

    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- random ---------------------------------------------------------------------------------- */

static uint64_t random_bits(Search *search)
{
    uint64_t x = search->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    search->random = x;
    return x * UINT64_C(2685821657736338717);
}

/* In [0, limit); limit > 0. */
static uint32_t random_below(Search *search, uint32_t limit)
{
    return (uint32_t)((random_bits(search) >> 32) * limit >> 32);
}

/* -ln(u) for a uniform u, without the C library: its last digit differs between machines. */
static double random_exponential(Search *search)
{
    uint64_t bits = (random_bits(search) >> 12) + 1; /* u = bits / 2^52 */
    int halvings = 0;

    while (bits < (UINT64_C(1) << 51)) {
        bits <<= 1;
        halvings++;
    }
    double u = (double)bits / 4503599627370496.0; /* in [1/2, 1] */
    double t = (u - 1) / (u + 1), t2 = t * t;
    double log_u = 2 * t * (1 + t2 * (1.0 / 3 + t2 * (1.0 / 5 + t2 * (1.0 / 7 + t2 / 9))));
    return halvings * 0.69314718055994530942 - log_u;
}

/* ---- moves: each returns whether there was anything to change ------------------------------- */

/* A gap in (first, last), from the end downwards; 0: none near. */
static uint32_t find_gap(const Search *search, uint32_t first, uint32_t last)
{
    for (uint32_t tries = 0, s = last - 1; s > first && tries < 32; s--, tries++)
        if (search->task[s] == NO_TASK)
            return s;
    return 0;
}

static bool has_room(const Search *search, const Task *task)
{
    for (uint32_t r = 0; r < task->again_reads; r++)
        if (search->events[task->reads[r]].count + CHAIN_DEPTH
            >= search->events[task->reads[r]].capacity)
            return false;
    return search->repeat_count < search->repeat_capacity
           && search->journal_count < JOURNAL_ITEMS / 2
           && search->events[task->writes[0]].count + CHAIN_DEPTH
                  < search->events[task->writes[0]].capacity;
}

/* Makes the value again before the step that uses it, and with chance `chain` / 16 each of its
 * inputs that no step uses later. */
static bool insert_repeat(Search *search, uint32_t value, uint32_t slot, uint32_t chain,
                          uint32_t depth)
{
    const Events *events = &search->events[value];
    uint32_t t = search->graph->maker[value];
    const Task *task = &search->graph->tasks[t];

    if (!task->may_repeat || task->writes[0] != value || !has_room(search, task))
        return false;
    uint32_t before = slot_of(events->items[events_before(events, slot) - 1]);
    uint32_t gap = find_gap(search, before, slot);
    if (gap == 0)
        return false;
    place_step(search, gap, t, true);
    for (uint32_t r = 0; r < task->again_reads && depth < CHAIN_DEPTH; r++) {
        const Events *input = &search->events[task->reads[r]];
        uint32_t k = events_before(input, gap);
        bool is_last = k + 1 == input->count || is_def(input->items[k + 1]);
        if (is_last && random_below(search, 16) < chain)
            insert_repeat(search, task->reads[r], gap, chain, depth + 1);
    }
    return true;
}

static uint32_t random_step(Search *search)
{
    uint32_t slot;

    do
        slot = random_below(search, search->slot_count);
    while (search->task[slot] == NO_TASK);
    return slot;
}

static bool propose_insert(Search *search)
{
    uint32_t slot = random_step(search);
    const Task *task = &search->graph->tasks[search->task[slot]];
    uint32_t reads = search->is_repeat[slot] ? task->again_reads : task->read_count;

    if (reads == 0)
        return false;
    uint32_t value = task->reads[random_below(search, reads)];
    const Events *events = &search->events[value];
    uint32_t k = events_before(events, slot);
    if (k == 0 || slot_of(events->items[k - 1]) + 1 >= slot)
        return false;
    return insert_repeat(search, value, slot, random_below(search, 17), 0);
}

/* A repeat and those before it that make what nobody reads any more. */
static void remove_chain(Search *search, uint32_t slot)
{
    const Task *task = &search->graph->tasks[search->task[slot]];

    remove_repeat(search, slot);
    for (uint32_t r = 0; r < task->again_reads; r++) {
        const Events *events = &search->events[task->reads[r]];
        uint32_t k = events_before(events, slot);
        bool is_unread = k > 0 && is_def(events->items[k - 1])
                         && (k == events->count || is_def(events->items[k]));
        uint32_t maker = k > 0 ? slot_of(events->items[k - 1]) : 0;
        if (is_unread && search->is_repeat[maker] && search->journal_count < JOURNAL_ITEMS / 2)
            remove_chain(search, maker);
    }
}

static bool propose_remove(Search *search)
{
    if (search->repeat_count == 0)
        return false;
    remove_chain(search, search->repeat_slots[random_below(search, search->repeat_count)]);
    return true;
}

/* Slots strictly between which the step may lie. */
static void find_window(const Search *search, uint32_t slot, uint32_t *first, uint32_t *last)
{
    uint32_t t = search->task[slot];
    const Task *task = &search->graph->tasks[t];

    *first = 0;
    *last = search->slot_count;
    if (search->is_repeat[slot]) {
        *first = search->first_slot[t] + 1;
        return;
    }
    for (uint32_t r = 0; r < task->read_count; r++) {
        uint32_t made = slot_of(search->events[task->reads[r]].items[0]) + 1;
        *first = made > *first ? made : *first;
    }
    for (uint32_t k = search->before_begin[t]; k < search->before_begin[t + 1]; k++) {
        uint32_t run = search->first_slot[search->before[k]] + 1;
        *first = run > *first ? run : *first;
    }
    for (uint32_t w = 0; w < task->write_count; w++) {
        const Events *events = &search->events[task->writes[w]];
        if (events->count > 1 && slot_of(events->items[1]) < *last)
            *last = slot_of(events->items[1]);
    }
    for (uint32_t k = search->behind_begin[t]; k < search->behind_begin[t + 1]; k++) {
        uint32_t run = search->first_slot[search->behind[k]];
        *last = run < *last ? run : *last;
    }
}

/* A gap in [first, last) that is near to a random slot of it; slot_count: none. Half of the time
 * the random slot is near to `slot`. */
static uint32_t random_gap(Search *search, uint32_t slot, uint32_t first, uint32_t last)
{
    if (random_below(search, 2) == 0) {
        uint32_t reach = 4u << random_below(search, 5);
        first = slot > first + reach ? slot - reach : first;
        last = slot + reach < last ? slot + reach : last;
    }
    uint32_t goal = first + random_below(search, last - first);
    for (uint32_t distance = 0; distance < 8; distance++) {
        if (goal + distance < last && search->task[goal + distance] == NO_TASK)
            return goal + distance;
        if (goal >= first + distance && search->task[goal - distance] == NO_TASK)
            return goal - distance;
    }
    return search->slot_count;
}

static bool propose_shift(Search *search)
{
    uint32_t slot = random_step(search), first, last;

    find_window(search, slot, &first, &last);
    if (last - first < 2)
        return false;
    uint32_t gap = random_gap(search, slot, first, last);
    if (gap == search->slot_count)
        return false;
    shift_step(search, slot, gap);
    return true;
}

/* ---- annealing ------------------------------------------------------------------------------- */

typedef struct Annealing {
    Search *search;
    const SearchProblem *problem;
    int32_t budget;          /* units */
    double price;            /* cost units for one unit of load over the budget in one slot */
    uint32_t *current;       /* room for a sequence */
    Sequence best;           /* of those within the budget */
    int64_t best_added;      /* cost units; INT64_MAX: none yet */
    Sequence lowest;         /* with the least excess met at a spread */
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

/* A recomputation less for one more: what the one frees, the other needs. */
static bool propose_exchange(Search *search)
{
    if (!propose_remove(search))
        return false;
    for (int tries = 0; tries < 4; tries++)
        if (propose_insert(search))
            return true;
    return false;
}

static bool propose(Search *search, const SearchProblem *problem)
{
    uint32_t kind = random_below(search, 16);

    search->journal_count = search->touched_count = 0;
    if (!problem->may_recompute || kind < 7)
        return propose_shift(search);
    if (problem->may_exchange && kind >= 13)
        return propose_exchange(search);
    if (kind < (problem->may_exchange ? 10 : 12))
        return propose_insert(search);
    return propose_remove(search);
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
            if (problem->may_recompute)
                annealing->price *= search->excess > 0 ? pace : 1 / pace;
            if (k % 4096 == 4095 && problem->deadline > 0 && search_clock() >= problem->deadline)
                break;
        }
        *made = k + 1;
        int64_t added = search->added;
        if (!propose(search, problem)) {
            undo_move(search);
            continue;
        }
        settle_taken(search);
        double change = (double)(search->added - added)
                        + annealing->price
                              * (double)(sweep_changes(search, false) - search->excess);
        if (change > 0 && change > temperature * random_exponential(search)) {
            undo_move(search);
            search->added = added;
            continue;
        }
        keep_changes(search);
        if (search->excess == 0 && search->added < annealing->best_added) {
            keep_best(annealing);
            if (!problem->may_recompute)
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

/* a is to be preferred to b. */
static bool is_better(const SearchResult *a, const SearchResult *b, int64_t budget)
{
    bool a_fits = a->peak <= budget, b_fits = b->peak <= budget;

    if (a_fits && b_fits)
        return a->added_cost < b->added_cost;
    return a_fits != b_fits ? a_fits : a->peak < b->peak;
}

static void consider(SearchResult *result, const TaskGraph *graph, const Sequence *sequence,
                     int64_t budget)
{
    SearchResult candidate = {*sequence, sequence_peak(graph, sequence, NULL),
                              sequence_added_cost(graph, sequence), result->proposals};

    if (result->sequence.count == 0 || is_better(&candidate, result, budget))
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
