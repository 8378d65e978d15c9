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
 *     shift      a step to another slot between the makers of what it reads and the users of what
 *                it writes; a recomputation to any slot behind the first run
 *
 * The move set is that of FastSA (Chen et al., NeurIPS 2023), the sum in place of the peak ours: it
 * sees progress at one peak while another is higher. Everything is integers but the temperature, so
 * that a seed gives the same result on all machines.
 */
#include "recompute.h"

#include <string.h>
#include <time.h>

enum {
    CHUNK = 16,            /* slots whose load is kept behind one offset */
    CHAIN_DEPTH = 12,
    JOURNAL_ITEMS = 4096,
    COST_UNITS = 1 << 30,  /* the cost of all tasks together */
    SPREAD_EVERY = 1 << 14 /* proposals between spreading the steps out evenly */
};

/* An event of a value: slot * 2, + 1 where the step makes it. */
typedef uint32_t Event;

typedef struct Events {
    Event *items;
    uint32_t count, capacity;
} Events;

typedef enum EditKind {
    EDIT_load,   /* a, b: slots, w: bytes added there */
    EDIT_add,    /* a: value, b: event */
    EDIT_remove, /* a: value, b: event */
    EDIT_slot,   /* a: slot, b: task before, w: was it a repeat */
    EDIT_taken   /* a: slot, b: taken before */
} EditKind;

typedef struct Edit {
    EditKind kind;
    uint32_t a, b;
    int32_t w;
} Edit;

typedef struct Search {
    const TaskGraph *graph;
    uint64_t random;
    int64_t unit;                 /* bytes of one unit of load */
    int32_t *units;               /* by value, rounded up */
    int32_t *workspace;           /* by task */
    int64_t *cost;                /* by task, COST_UNITS in all */
    uint64_t *in_place;           /* by task: reads of as many bytes as the result */
    uint32_t *before_begin, *before; /* by task: tasks of `after` relations, both ways */
    uint32_t *behind_begin, *behind;
    bool has_in_place;

    uint32_t slot_count;
    uint32_t *task;               /* by slot, or NO_TASK */
    bool *is_repeat;              /* by slot */
    uint32_t *taken;              /* by slot: the value whose bytes the result takes, or 0 */
    uint32_t *first_slot;         /* by task */
    uint32_t *repeat_slots, repeat_count, repeat_capacity;
    uint32_t *repeat_index;       /* by slot, valid where is_repeat */
    Events *events;               /* by value */

    int32_t *load;                /* by slot: units less budget less the chunk's offset */
    int32_t *chunk_offset;
    int32_t *chunk_max;           /* offset included */
    int64_t excess, added;

    Edit *journal;
    uint32_t journal_count;
    uint32_t *touched, touched_count; /* slots whose in-place taking may have changed */
} Search;

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

/* ---- load ------------------------------------------------------------------------------------ */

static int64_t positive_part(int32_t x)
{
    return x > 0 ? x : 0;
}

/* Part of one chunk: [first, last) within it. */
static void add_in_chunk(Search *search, uint32_t chunk, uint32_t first, uint32_t last, int32_t w)
{
    int32_t *load = &search->load[chunk * CHUNK];
    int32_t offset = search->chunk_offset[chunk], max = INT32_MIN;

    for (uint32_t s = first; s < last; s++) {
        int32_t old = load[s] + offset;
        search->excess += positive_part(old + w) - positive_part(old);
        load[s] += w;
    }
    for (uint32_t s = 0; s < CHUNK; s++)
        max = load[s] > max ? load[s] : max;
    search->chunk_max[chunk] = max + offset;
}

static void add_to_chunk(Search *search, uint32_t chunk, int32_t w)
{
    const int32_t *load = &search->load[chunk * CHUNK];
    int32_t offset = search->chunk_offset[chunk], max = search->chunk_max[chunk];

    search->chunk_offset[chunk] = offset + w;
    search->chunk_max[chunk] = max + w;
    if (max <= 0 && max + w <= 0)
        return;
    int64_t change = 0;
    for (uint32_t s = 0; s < CHUNK; s++) {
        int32_t old = load[s] + offset;
        change += positive_part(old + w) - positive_part(old);
    }
    search->excess += change;
}

static void add_load(Search *search, uint32_t first, uint32_t last, int32_t w)
{
    uint32_t chunk = first / CHUNK, last_chunk = last / CHUNK;

    if (chunk == last_chunk) {
        if (first < last)
            add_in_chunk(search, chunk, first % CHUNK, last % CHUNK, w);
        return;
    }
    if (first % CHUNK != 0) {
        add_in_chunk(search, chunk, first % CHUNK, CHUNK, w);
        chunk++;
    }
    for (; chunk < last_chunk; chunk++)
        add_to_chunk(search, chunk, w);
    if (last % CHUNK != 0)
        add_in_chunk(search, last_chunk, 0, last % CHUNK, w);
}

static void log_edit(Search *search, EditKind kind, uint32_t a, uint32_t b, int32_t w)
{
    if (search->journal_count >= JOURNAL_ITEMS)
        BUG("a move of more than %d edits", JOURNAL_ITEMS);
    search->journal[search->journal_count++] = (Edit){kind, a, b, w};
}

static void change_load(Search *search, uint32_t first, uint32_t last, int32_t w)
{
    if (first >= last)
        return;
    add_load(search, first, last, w);
    log_edit(search, EDIT_load, first, last, w);
}

/* ---- events ---------------------------------------------------------------------------------- */

static uint32_t slot_of(Event event)
{
    return event >> 1;
}

static bool is_def(Event event)
{
    return event & 1;
}

/* How many events of the value are before the slot. */
static uint32_t events_before(const Events *events, uint32_t slot)
{
    uint32_t count = 0;

    while (count < events->count && slot_of(events->items[count]) < slot)
        count++;
    return count;
}

static void insert_event(Events *events, uint32_t k, Event event)
{
    if (events->count >= events->capacity)
        BUG("more than %u events of a value", events->capacity);
    for (uint32_t i = events->count; i > k; i--)
        events->items[i] = events->items[i - 1];
    events->items[k] = event;
    events->count++;
}

static void erase_event(Events *events, uint32_t k)
{
    events->count--;
    for (uint32_t i = k; i < events->count; i++)
        events->items[i] = events->items[i + 1];
}

static void touch(Search *search, uint32_t slot)
{
    if (search->has_in_place && slot < search->slot_count)
        search->touched[search->touched_count++] = slot;
}

/* The slots that event k adds to those where its value is alive, given its neighbours:
 *
 *     D  U  .  .  U      a use lengthens to its slot, unless a later use does
 *     D  U  .  .  D  U   a making shortens: dead between the last use before and it
 */
static void event_load(Search *search, uint32_t value, uint32_t k, int32_t sign)
{
    const Events *events = &search->events[value];
    Event event = events->items[k];
    uint32_t slot = slot_of(event);
    bool has_next_use = k + 1 < events->count && !is_def(events->items[k + 1]);
    int32_t w = search->units[value] * sign;

    touch(search, slot);
    if (k > 0 && !is_def(events->items[k - 1]))
        touch(search, slot_of(events->items[k - 1]));
    if (!is_def(event)) {
        if (!has_next_use)
            change_load(search, slot_of(events->items[k - 1]) + 1,
                        slot + 1 < search->slot_count ? slot + 1 : search->slot_count, w);
    } else if (!has_next_use) {
        change_load(search, slot, slot + 1, w);
    } else if (k > 0) {
        change_load(search, slot_of(events->items[k - 1]) + 1, slot, -w);
    } else {
        change_load(search, slot, slot_of(events->items[1]), w);
    }
}

static void add_event(Search *search, uint32_t value, Event event)
{
    Events *events = &search->events[value];
    uint32_t k = events_before(events, slot_of(event));

    insert_event(events, k, event);
    log_edit(search, EDIT_add, value, event, 0);
    event_load(search, value, k, 1);
}

static void remove_event(Search *search, uint32_t value, Event event)
{
    Events *events = &search->events[value];
    uint32_t k = events_before(events, slot_of(event));

    event_load(search, value, k, -1);
    erase_event(events, k);
    log_edit(search, EDIT_remove, value, event, 0);
}

/* As remove and add, but only the slots between are visited where no other event lies there. */
static void move_event(Search *search, uint32_t value, Event from, Event to)
{
    Events *events = &search->events[value];
    uint32_t k = events_before(events, slot_of(from));
    uint32_t old = slot_of(from), new = slot_of(to);
    bool stays = (k == 0 || slot_of(events->items[k - 1]) < new)
                 && (k + 1 == events->count || slot_of(events->items[k + 1]) > new);
    bool has_next_use = k + 1 < events->count && !is_def(events->items[k + 1]);

    if (!stays || (is_def(from) && !has_next_use)) {
        remove_event(search, value, from);
        add_event(search, value, to);
        return;
    }
    touch(search, new);
    if (k > 0 && !is_def(events->items[k - 1]))
        touch(search, slot_of(events->items[k - 1]));
    log_edit(search, EDIT_remove, value, from, 0);
    log_edit(search, EDIT_add, value, to, 0);
    events->items[k] = to;
    int32_t w = search->units[value];
    if (is_def(from)) {
        if (new < old)
            change_load(search, new, old, w);
        else
            change_load(search, old, new, -w);
    } else if (!has_next_use) {
        if (new < old)
            change_load(search, new + 1, old + 1, -w);
        else
            change_load(search, old + 1, new + 1, w);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* The first read value that dies at the slot and may give its bytes to the result; 0: none. */
static uint32_t find_taken(const Search *search, uint32_t slot)
{
    const Task *task = &search->graph->tasks[search->task[slot]];
    uint64_t mask = search->in_place[search->task[slot]];
    uint32_t count = search->is_repeat[slot] ? task->again_reads : task->read_count;

    for (uint32_t r = 0; r < count && r < 64 && mask >> r != 0; r++) {
        if ((mask >> r & 1) == 0)
            continue;
        const Events *events = &search->events[task->reads[r]];
        uint32_t k = events_before(events, slot);
        if (k + 1 == events->count || is_def(events->items[k + 1]))
            return task->reads[r];
    }
    return 0;
}

static void set_taken(Search *search, uint32_t slot, uint32_t value)
{
    uint32_t old = search->taken[slot];
    int32_t w = old != 0 ? search->units[old] : 0;

    if (old == value)
        return;
    w -= value != 0 ? search->units[value] : 0;
    change_load(search, slot, slot + 1, w);
    log_edit(search, EDIT_taken, slot, old, 0);
    search->taken[slot] = value;
}

static void settle_taken(Search *search)
{
    for (uint32_t k = 0; k < search->touched_count; k++) {
        uint32_t slot = search->touched[k], task = search->task[slot];
        if (task != NO_TASK && search->in_place[task] != 0)
            set_taken(search, slot, find_taken(search, slot));
    }
    search->touched_count = 0;
}

static void set_slot_raw(Search *search, uint32_t slot, uint32_t task, bool is_repeat)
{
    if (search->task[slot] != NO_TASK && search->is_repeat[slot]) {
        uint32_t hole = search->repeat_index[slot];
        uint32_t moved = search->repeat_slots[--search->repeat_count];
        search->repeat_slots[hole] = moved;
        search->repeat_index[moved] = hole;
    }
    search->task[slot] = task;
    search->is_repeat[slot] = is_repeat;
    if (task == NO_TASK)
        return;
    if (is_repeat) {
        search->repeat_index[slot] = search->repeat_count;
        search->repeat_slots[search->repeat_count++] = slot;
    } else {
        search->first_slot[task] = slot;
    }
}

static void set_slot(Search *search, uint32_t slot, uint32_t task, bool is_repeat)
{
    log_edit(search, EDIT_slot, slot, search->task[slot], search->is_repeat[slot]);
    set_slot_raw(search, slot, task, is_repeat);
}

static void place_step(Search *search, uint32_t slot, uint32_t t, bool is_repeat)
{
    const Task *task = &search->graph->tasks[t];
    uint32_t reads = is_repeat ? task->again_reads : task->read_count;
    uint32_t writes = is_repeat ? 1 : task->write_count;

    set_slot(search, slot, t, is_repeat);
    change_load(search, slot, slot + (search->workspace[t] != 0), search->workspace[t]);
    for (uint32_t r = 0; r < reads; r++)
        add_event(search, task->reads[r], slot << 1);
    for (uint32_t w = 0; w < writes; w++)
        add_event(search, task->writes[w], slot << 1 | 1);
    if (is_repeat)
        search->added += search->cost[t];
}

static void remove_repeat(Search *search, uint32_t slot)
{
    uint32_t t = search->task[slot];
    const Task *task = &search->graph->tasks[t];

    set_taken(search, slot, 0);
    for (uint32_t r = 0; r < task->again_reads; r++)
        remove_event(search, task->reads[r], slot << 1);
    remove_event(search, task->writes[0], slot << 1 | 1);
    change_load(search, slot, slot + (search->workspace[t] != 0), -search->workspace[t]);
    set_slot(search, slot, NO_TASK, false);
    search->added -= search->cost[t];
}

/* Puts everything back as it was before the move. */
static void undo_move(Search *search)
{
    while (search->journal_count > 0) {
        Edit edit = search->journal[--search->journal_count];
        Events *events = &search->events[edit.a]; /* of EDIT_add and EDIT_remove */
        switch (edit.kind) {
        case EDIT_load: add_load(search, edit.a, edit.b, -edit.w); break;
        case EDIT_add: erase_event(events, events_before(events, slot_of(edit.b))); break;
        case EDIT_remove:
            insert_event(events, events_before(events, slot_of(edit.b)), edit.b);
            break;
        case EDIT_slot: set_slot_raw(search, edit.a, edit.b, edit.w != 0); break;
        case EDIT_taken: search->taken[edit.a] = edit.b; break;
        }
    }
    search->touched_count = 0;
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
    uint32_t slot = random_step(search), t = search->task[slot], first, last;
    const Task *task = &search->graph->tasks[t];
    bool is_repeat = search->is_repeat[slot];
    uint32_t reads = is_repeat ? task->again_reads : task->read_count;
    uint32_t writes = is_repeat ? 1 : task->write_count;

    find_window(search, slot, &first, &last);
    if (last - first < 2)
        return false;
    uint32_t gap = random_gap(search, slot, first, last);
    if (gap == search->slot_count)
        return false;
    set_taken(search, slot, 0);
    set_slot(search, slot, NO_TASK, false);
    set_slot(search, gap, t, is_repeat);
    change_load(search, slot, slot + (search->workspace[t] != 0), -search->workspace[t]);
    change_load(search, gap, gap + (search->workspace[t] != 0), search->workspace[t]);
    for (uint32_t r = 0; r < reads; r++)
        move_event(search, task->reads[r], slot << 1, gap << 1);
    for (uint32_t w = 0; w < writes; w++)
        move_event(search, task->writes[w], slot << 1 | 1, gap << 1 | 1);
    return true;
}

/* ---- sequences ------------------------------------------------------------------------------- */

static Sequence take_sequence(const Search *search, uint32_t *tasks)
{
    Sequence sequence = {.tasks = tasks};

    for (uint32_t s = 0; s < search->slot_count; s++)
        if (search->task[s] != NO_TASK)
            tasks[sequence.count++] = search->task[s];
    return sequence;
}

/* Starts over from the sequence, its steps spread evenly over the slots. */
static void spread_sequence(Search *search, const Sequence *sequence, int32_t budget)
{
    const TaskGraph *graph = search->graph;

    search->repeat_count = 0;
    search->excess = search->added = 0;
    for (uint32_t s = 0; s < search->slot_count; s++) {
        search->task[s] = NO_TASK;
        search->is_repeat[s] = false;
        search->taken[s] = 0;
        search->load[s] = -budget;
    }
    for (uint32_t c = 0; c < search->slot_count / CHUNK; c++) {
        search->chunk_offset[c] = 0;
        search->chunk_max[c] = -budget;
    }
    for (uint32_t v = 0; v < graph->value_count; v++)
        search->events[v].count = 0;
    for (uint32_t t = 0; t < graph->task_count; t++)
        search->first_slot[t] = UINT32_MAX;
    for (uint32_t k = 0; k < sequence->count; k++) {
        uint32_t t = sequence->tasks[k];
        uint32_t slot = (uint32_t)((uint64_t)(2 * k + 1) * search->slot_count
                                   / (2 * (uint64_t)sequence->count));
        place_step(search, slot, t, search->first_slot[t] != UINT32_MAX);
        search->journal_count = search->touched_count = 0;
    }
    for (uint32_t v = 0; v < graph->value_count; v++) {
        if (graph->is_output[v] && search->events[v].count > 0)
            add_event(search, v, search->slot_count << 1);
        search->journal_count = search->touched_count = 0;
    }
    for (uint32_t s = 0; s < search->slot_count && search->has_in_place; s++) {
        touch(search, s);
        settle_taken(search);
        search->journal_count = 0;
    }
}

/* ---- setting up ------------------------------------------------------------------------------ */

static int64_t divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Sizes as units: exact where the sizes have a common measure, else rounded up, the budget down. */
static void scale_sizes(Search *search, const TaskGraph *graph, Arena *arena)
{
    int64_t sum = 1, unit = 0;

    for (uint32_t v = 1; v < graph->value_count; v++) {
        sum += graph->bytes[v];
        unit = divisor(graph->bytes[v], unit);
    }
    for (uint32_t t = 0; t < graph->task_count; t++) {
        sum += graph->tasks[t].workspace;
        unit = divisor(graph->tasks[t].workspace, unit);
    }
    unit = max_i64(unit, 1);
    if (sum / unit > 1 << 28)
        unit = sum / (1 << 28) + 1;
    search->unit = unit;
    search->units = arena_array(arena, int32_t, graph->value_count);
    search->workspace = arena_array(arena, int32_t, graph->task_count);
    for (uint32_t v = 1; v < graph->value_count; v++)
        search->units[v] = (int32_t)((graph->bytes[v] + unit - 1) / unit);
    for (uint32_t t = 0; t < graph->task_count; t++)
        search->workspace[t] = (int32_t)((graph->tasks[t].workspace + unit - 1) / unit);
}

static void scale_costs(Search *search, const TaskGraph *graph, Arena *arena)
{
    double sum = 0;

    for (uint32_t t = 0; t < graph->task_count; t++)
        sum += graph->tasks[t].cost;
    search->cost = arena_array(arena, int64_t, graph->task_count);
    for (uint32_t t = 0; t < graph->task_count && sum > 0; t++)
        search->cost[t] = (int64_t)(graph->tasks[t].cost / sum * COST_UNITS + 0.5);
}

static void relate_tasks(Search *search, const TaskGraph *graph, Arena *arena)
{
    uint32_t count = graph->task_count, total = 0;

    search->before_begin = arena_array(arena, uint32_t, (size_t)count + 1);
    search->behind_begin = arena_array(arena, uint32_t, (size_t)count + 2);
    for (uint32_t t = 0; t < count; t++) {
        total += graph->tasks[t].after_count;
        search->before_begin[t + 1] = total;
        for (uint32_t k = 0; k < graph->tasks[t].after_count; k++)
            search->behind_begin[graph->tasks[t].after[k] + 2]++;
    }
    search->before = arena_array(arena, uint32_t, total);
    search->behind = arena_array(arena, uint32_t, total);
    for (uint32_t t = 1; t <= count; t++)
        search->behind_begin[t + 1] += search->behind_begin[t];
    for (uint32_t t = 0; t < count; t++)
        for (uint32_t k = 0; k < graph->tasks[t].after_count; k++) {
            uint32_t first = graph->tasks[t].after[k];
            search->before[search->before_begin[t] + k] = first;
            search->behind[search->behind_begin[first + 1]++] = t;
        }
}

static void allow_in_place(Search *search, const TaskGraph *graph, Arena *arena)
{
    search->in_place = arena_array(arena, uint64_t, graph->task_count);
    for (uint32_t t = 0; t < graph->task_count; t++) {
        const Task *task = &graph->tasks[t];
        for (uint32_t r = 0; r < task->read_count && r < 64; r++)
            if ((task->in_place >> r & 1) != 0
                && graph->bytes[task->reads[r]] == graph->bytes[task->writes[0]])
                search->in_place[t] |= (uint64_t)1 << r;
        search->has_in_place |= search->in_place[t] != 0;
    }
}

static void make_room(Search *search, const TaskGraph *graph, uint32_t start_count, Arena *arena)
{
    uint32_t steps = start_count > graph->task_count ? start_count : graph->task_count;
    uint32_t count = (uint32_t)align_up((int64_t)steps * 5 / 2 + 64, CHUNK);
    uint32_t *users = arena_array(arena, uint32_t, graph->value_count);

    search->slot_count = count;
    search->task = arena_array(arena, uint32_t, count);
    search->is_repeat = arena_array(arena, bool, count);
    search->taken = arena_array(arena, uint32_t, count);
    search->first_slot = arena_array(arena, uint32_t, graph->task_count);
    search->repeat_index = arena_array(arena, uint32_t, count);
    search->repeat_slots = arena_array(arena, uint32_t, count);
    search->repeat_capacity = count * 3 / 4 - graph->task_count;
    search->load = arena_array(arena, int32_t, count);
    search->chunk_offset = arena_array(arena, int32_t, count / CHUNK);
    search->chunk_max = arena_array(arena, int32_t, count / CHUNK);
    search->journal = arena_array(arena, Edit, JOURNAL_ITEMS);
    search->touched = arena_array(arena, uint32_t, JOURNAL_ITEMS * 2);
    search->events = arena_array(arena, Events, graph->value_count);
    for (uint32_t t = 0; t < graph->task_count; t++)
        for (uint32_t r = 0; r < graph->tasks[t].read_count; r++)
            users[graph->tasks[t].reads[r]]++;
    for (uint32_t v = 0; v < graph->value_count; v++) {
        search->events[v].capacity = users[v] * 8 + 64;
        search->events[v].items = arena_array(arena, Event, search->events[v].capacity);
    }
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

static bool propose(Search *search, bool may_recompute)
{
    uint32_t kind = random_below(search, 16);

    search->journal_count = search->touched_count = 0;
    if (!may_recompute || kind < 7)
        return propose_shift(search);
    return kind < 12 ? propose_insert(search) : propose_remove(search);
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
        int64_t excess = search->excess, added = search->added;
        if (!propose(search, problem->may_recompute)) {
            undo_move(search);
            continue;
        }
        settle_taken(search);
        double change = (double)(search->added - added)
                        + annealing->price * (double)(search->excess - excess);
        if (change > 0 && change > temperature * random_exponential(search)) {
            undo_move(search);
            continue;
        }
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
    Search search = {.graph = graph, .random = problem->seed * 2 + 88172645463325253u};
    SearchResult result = {0};

    scale_sizes(&search, graph, scratch);
    scale_costs(&search, graph, scratch);
    relate_tasks(&search, graph, scratch);
    allow_in_place(&search, graph, scratch);
    make_room(&search, graph, problem->start.count, scratch);
    Annealing annealing = {
        .search = &search,
        .problem = problem,
        .budget = (int32_t)min_i64(problem->budget / search.unit, 1 << 29),
        .price = first_price(&search, graph),
        .current = arena_array(scratch, uint32_t, search.slot_count),
        .best = {.tasks = arena_array(scratch, uint32_t, search.slot_count)},
        .best_added = INT64_MAX,
        .lowest = {.tasks = arena_array(scratch, uint32_t, search.slot_count)},
        .lowest_excess = INT64_MAX,
    };
    spread_sequence(&search, &problem->start, annealing.budget);
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
