/* Moves: small changes of a sequence, at random. Each returns whether there was anything to change.
 *
 *     insert     make a value again before one of its uses; with some chance its dead inputs first
 *     remove     a recomputation, and those that only it has used
 *     exchange   remove one, insert another
 *     shift      a step to another slot between the makers of what it reads and the users of what
 *                it writes; a recomputation to any slot behind the first run
 *
 * The move set is that of FastSA (Chen et al., NeurIPS 2023) and exchanges.
 */
#include "recompute_state.h"

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

double random_exponential(Search *search)
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

/* ---- moves ----------------------------------------------------------------------------------- */

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
    for (uint32_t r = 0; r < task->repeat_reads; r++)
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
    for (uint32_t r = 0; r < task->repeat_reads && depth < CHAIN_DEPTH; r++) {
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
    uint32_t reads = search->is_repeat[slot] ? task->repeat_reads : task->read_count;

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
    for (uint32_t r = 0; r < task->repeat_reads; r++) {
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

bool propose_move(Search *search, bool may_repeat, bool may_exchange)
{
    uint32_t kind = random_below(search, 16);

    begin_move(search);
    if (!may_repeat || kind < 7)
        return propose_shift(search);
    if (may_exchange && kind >= 13)
        return propose_exchange(search);
    if (kind < (may_exchange ? 10 : 12))
        return propose_insert(search);
    return propose_remove(search);
}
