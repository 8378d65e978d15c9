/* Steps in slots, events of values, load: how the search's edits are made, weighed and undone. */
#include "recompute_state.h"

/* ---- load ------------------------------------------------------------------------------------ */

/* A move changes the load over some ranges of slots. Only where they begin and end is noted, one
 * sweep sums them up: first to weigh the move, again to make it so where it is kept.
 *
 *     ranges        [ +3 )      and      [ -2    )
 *     change        +3  .  -3  .  -2  .  .  +2         change[], by slot
 *     sweep          3  3   0  0  -2 -2 -2   0         added to the load                         */
static void note_change(Search *search, uint32_t slot, int32_t w)
{
    uint32_t chunk = slot / CHUNK;

    search->change[slot] += w;
    search->is_changed[chunk / 64] |= UINT64_C(1) << chunk % 64;
}

static void change_load(Search *search, uint32_t first, uint32_t last, int32_t w)
{
    if (first >= last || w == 0)
        return;
    search->area += (int64_t)w * (last - first);
    note_change(search, first, w);
    if (last < search->slot_count)
        note_change(search, last, -w);
}

/* The first chunk from `chunk` on in which a change is noted; chunk_count: none. */
static uint32_t next_changed(const Search *search, uint32_t chunk)
{
    while (chunk < search->chunk_count) {
        uint64_t bits = search->is_changed[chunk / 64] >> chunk % 64;
        if (bits == 0) {
            chunk = (chunk / 64 + 1) * 64;
            continue;
        }
        while ((bits & 1) == 0) {
            bits >>= 1;
            chunk++;
        }
        return chunk;
    }
    return search->chunk_count;
}

static int32_t sum_over(const int32_t *load, int32_t offset)
{
    int32_t over = 0;

    for (uint32_t s = 0; s < CHUNK; s++) {
        int32_t x = load[s] + offset;
        over += x > 0 ? x : 0;
    }
    return over;
}

static void store_chunk(Search *search, uint32_t chunk, const int32_t *load)
{
    int32_t *stored = &search->load[chunk * CHUNK], max = load[0];

    for (uint32_t s = 0; s < CHUNK; s++) {
        stored[s] = load[s];
        max = load[s] > max ? load[s] : max;
    }
    search->chunk_max[chunk] = max + search->chunk_offset[chunk];
}

/* What the move makes of the excess. is_kept: the move is made so. */
int64_t sweep_changes(Search *search, bool is_kept)
{
    int64_t excess = search->excess;
    int32_t carry = 0;

    for (uint32_t c = next_changed(search, 0); c < search->chunk_count;
         c = carry != 0 ? c + 1 : next_changed(search, c + 1)) {
        const int32_t *load = &search->load[c * CHUNK], *change = &search->change[c * CHUNK];
        int32_t over = 0;
        if ((search->is_changed[c / 64] >> c % 64 & 1) == 0) {
            if (search->chunk_max[c] + carry > 0)
                over = sum_over(load, search->chunk_offset[c] + carry);
            if (is_kept) {
                search->chunk_offset[c] += carry;
                search->chunk_max[c] += carry;
            }
        } else {
            int32_t new_load[CHUNK];
            for (uint32_t s = 0; s < CHUNK; s++) {
                carry += change[s];
                new_load[s] = load[s] + carry;
            }
            over = sum_over(new_load, search->chunk_offset[c]);
            if (is_kept)
                store_chunk(search, c, new_load);
        }
        excess += over - search->chunk_over[c];
        if (is_kept)
            search->chunk_over[c] = over;
    }
    return excess;
}

static void forget_changes(Search *search)
{
    for (uint32_t c = next_changed(search, 0); c < search->chunk_count;
         c = next_changed(search, c + 1))
        for (uint32_t s = 0; s < CHUNK; s++)
            search->change[c * CHUNK + s] = 0;
    for (uint32_t k = 0; k <= search->chunk_count / 64; k++)
        search->is_changed[k] = 0;
}

void keep_changes(Search *search)
{
    search->excess = sweep_changes(search, true);
    forget_changes(search);
}

static void log_edit(Search *search, EditKind kind, uint32_t a, uint32_t b, int32_t w)
{
    if (search->journal_count >= JOURNAL_ITEMS)
        BUG("a move of more than %d edits", JOURNAL_ITEMS);
    search->journal[search->journal_count++] = (Edit){kind, a, b, w};
}

/* ---- events ---------------------------------------------------------------------------------- */

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
    uint32_t count = search->is_repeat[slot] ? task->repeat_reads : task->read_count;

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

void settle_taken(Search *search)
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

void place_step(Search *search, uint32_t slot, uint32_t t, bool is_repeat)
{
    const Task *task = &search->graph->tasks[t];
    uint32_t reads = is_repeat ? task->repeat_reads : task->read_count;
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

void remove_repeat(Search *search, uint32_t slot)
{
    uint32_t t = search->task[slot];
    const Task *task = &search->graph->tasks[t];

    set_taken(search, slot, 0);
    for (uint32_t r = 0; r < task->repeat_reads; r++)
        remove_event(search, task->reads[r], slot << 1);
    remove_event(search, task->writes[0], slot << 1 | 1);
    change_load(search, slot, slot + (search->workspace[t] != 0), -search->workspace[t]);
    set_slot(search, slot, NO_TASK, false);
    search->added -= search->cost[t];
}

/* Requires: a slot of the step's window, empty. */
void shift_step(Search *search, uint32_t slot, uint32_t gap)
{
    uint32_t t = search->task[slot];
    const Task *task = &search->graph->tasks[t];
    bool is_repeat = search->is_repeat[slot];
    uint32_t reads = is_repeat ? task->repeat_reads : task->read_count;
    uint32_t writes = is_repeat ? 1 : task->write_count;

    set_taken(search, slot, 0);
    set_slot(search, slot, NO_TASK, false);
    set_slot(search, gap, t, is_repeat);
    change_load(search, slot, slot + (search->workspace[t] != 0), -search->workspace[t]);
    change_load(search, gap, gap + (search->workspace[t] != 0), search->workspace[t]);
    for (uint32_t r = 0; r < reads; r++)
        move_event(search, task->reads[r], slot << 1, gap << 1);
    for (uint32_t w = 0; w < writes; w++)
        move_event(search, task->writes[w], slot << 1 | 1, gap << 1 | 1);
}

void begin_move(Search *search)
{
    search->journal_count = search->touched_count = 0;
    search->added_before = search->added;
    search->area_before = search->area;
}

/* Puts everything back as it was before the move. */
void undo_move(Search *search)
{
    while (search->journal_count > 0) {
        Edit edit = search->journal[--search->journal_count];
        Events *events = &search->events[edit.a]; /* of EDIT_add and EDIT_remove */
        switch (edit.kind) {
        case EDIT_add: erase_event(events, events_before(events, slot_of(edit.b))); break;
        case EDIT_remove:
            insert_event(events, events_before(events, slot_of(edit.b)), edit.b);
            break;
        case EDIT_slot: set_slot_raw(search, edit.a, edit.b, edit.w != 0); break;
        case EDIT_taken: search->taken[edit.a] = edit.b; break;
        }
    }
    search->touched_count = 0;
    search->added = search->added_before;
    search->area = search->area_before;
    forget_changes(search);
}

/* ---- sequences ------------------------------------------------------------------------------- */

Sequence take_sequence(const Search *search, uint32_t *tasks)
{
    Sequence sequence = {.tasks = tasks};

    for (uint32_t s = 0; s < search->slot_count; s++)
        if (search->task[s] != NO_TASK)
            tasks[sequence.count++] = search->task[s];
    return sequence;
}

/* Starts over from the sequence, its steps spread evenly over the slots. */
void spread_sequence(Search *search, const Sequence *sequence, int32_t budget)
{
    const TaskGraph *graph = search->graph;

    search->repeat_count = 0;
    search->excess = search->added = search->area = 0;
    for (uint32_t s = 0; s < search->slot_count; s++) {
        search->task[s] = NO_TASK;
        search->is_repeat[s] = false;
        search->taken[s] = 0;
        search->load[s] = -budget;
    }
    for (uint32_t c = 0; c < search->slot_count / CHUNK; c++) {
        search->chunk_offset[c] = 0;
        search->chunk_max[c] = -budget;
        search->chunk_over[c] = 0;
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
    keep_changes(search);
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
    if (sum / unit > UNITS_MAX)
        unit = sum / UNITS_MAX + 1;
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
    search->chunk_over = arena_array(arena, int32_t, count / CHUNK);
    search->chunk_count = count / CHUNK;
    search->change = arena_array(arena, int32_t, count);
    search->is_changed = arena_array(arena, uint64_t, count / CHUNK / 64 + 1);
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

Search *search_create(const TaskGraph *graph, uint32_t start_count, Arena *arena)
{
    Search *search = arena_new(arena, Search);

    search->graph = graph;
    scale_sizes(search, graph, arena);
    scale_costs(search, graph, arena);
    relate_tasks(search, graph, arena);
    allow_in_place(search, graph, arena);
    make_room(search, graph, start_count, arena);
    return search;
}
