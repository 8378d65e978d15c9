/* Heuristics: items in a fixed order, each at the lowest offset that is free for all its life.
 *
 *     order by size:   a (large) first, then b into the hole that a leaves, ...
 *
 * Several orders are tried; most plans of neural networks reach the bound with one of them. What is
 * left is the exact search's.
 */
#include <stdlib.h>

#include "pack_joints.h"

/* ---- the bound ------------------------------------------------------------------------------- */

typedef struct Event {
    int64_t time, change;
} Event;

/* Ends before starts: [0, 2) and [2, 4) are never alive together. */
static int compare_events(const void *left, const void *right)
{
    const Event *a = left, *b = right;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return (a->change > b->change) - (a->change < b->change);
}

int64_t pack_bound(const PackItem *items, uint32_t count)
{
    Arena *arena = arena_create();
    Event *events = arena_array(arena, Event, 2 * (size_t)count);
    int64_t load = 0, most = 0;

    for (uint32_t i = 0; i < count; i++) {
        events[2 * i] = (Event){items[i].first, items[i].size};
        events[2 * i + 1] = (Event){items[i].last, -items[i].size};
    }
    qsort(events, 2 * (size_t)count, sizeof *events, compare_events);
    for (uint32_t e = 0; e < 2 * count; e++) {
        load += events[e].change;
        if (load > most)
            most = load;
    }
    arena_destroy(arena);
    return most;
}

/* ---- orders ---------------------------------------------------------------------------------- */

typedef enum Order { BY_SIZE, BY_AREA, BY_LIFE, BY_LOAD, BY_FIRST, BY_LAST, ORDER_COUNT } Order;

typedef struct Key {
    double major, minor; /* larger comes first */
    uint32_t item;
} Key;

static int compare_keys(const void *left, const void *right)
{
    const Key *a = left, *b = right;

    if (a->major != b->major)
        return a->major > b->major ? -1 : 1;
    if (a->minor != b->minor)
        return a->minor > b->minor ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

/* By item: most bytes alive at once while it is. Load rises only where items begin. */
static double *fullest_loads(const PackProblem *problem, Arena *arena)
{
    uint32_t count = problem->count;
    double *begin = arena_array(arena, double, count), *fullest = arena_array(arena, double, count);

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++)
            if (problem->items[j].first <= problem->items[i].first
                && problem->items[i].first < problem->items[j].last)
                begin[i] += (double)problem->items[j].size;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < count; j++)
            if (begin[j] > fullest[i] && problem->items[i].first <= problem->items[j].first
                && problem->items[j].first < problem->items[i].last)
                fullest[i] = begin[j];
    return fullest;
}

static Key key_of(const PackItem *item, Order order, double fullest, uint32_t index)
{
    double size = (double)item->size, life = (double)(item->last - item->first);
    Key key = {.item = index};

    switch (order) {
    case BY_SIZE: key.major = size, key.minor = life; break;
    case BY_AREA: key.major = size * life, key.minor = size; break;
    case BY_LIFE: key.major = life, key.minor = size; break;
    case BY_LOAD: key.major = fullest, key.minor = size * life; break;
    case BY_FIRST: key.major = -(double)item->first, key.minor = life; break;
    case BY_LAST: key.major = (double)item->last, key.minor = life; break;
    case ORDER_COUNT: break;
    }
    return key;
}

/* ---- placing --------------------------------------------------------------------------------- */

typedef struct Placing {
    const PackItem *items;
    uint32_t *placed; /* by rising offset */
    uint32_t placed_count;
    int64_t *offsets;
} Placing;

/* The lowest offset where the item meets none of those placed; best_fit: the tightest hole instead,
 * where there is one. */
static int64_t find_offset(const Placing *placing, const PackItem *item, bool best_fit)
{
    int64_t top = 0, best = -1, best_slack = INT64_MAX;

    for (uint32_t p = 0; p < placing->placed_count; p++) {
        const PackItem *other = &placing->items[placing->placed[p]];
        int64_t offset = placing->offsets[placing->placed[p]];
        if (other->last <= item->first || item->last <= other->first)
            continue;
        int64_t at = pack_round_up(top, item->align), slack = offset - at - item->size;
        if (slack >= 0 && !best_fit)
            return at;
        if (slack >= 0 && slack < best_slack) {
            best = at;
            best_slack = slack;
        }
        if (offset + other->size > top)
            top = offset + other->size;
    }
    return best >= 0 ? best : pack_round_up(top, item->align);
}

static void place(Placing *placing, uint32_t item, int64_t offset)
{
    uint32_t p = placing->placed_count++;

    placing->offsets[item] = offset;
    for (; p > 0 && placing->offsets[placing->placed[p - 1]] > offset; p--)
        placing->placed[p] = placing->placed[p - 1];
    placing->placed[p] = item;
}

/* Places all items in the order of their keys; returns the height. */
static int64_t place_all(Placing *placing, const Key *keys, uint32_t count, bool best_fit)
{
    int64_t height = 0;

    placing->placed_count = 0;
    for (uint32_t k = 0; k < count; k++) {
        const PackItem *item = &placing->items[keys[k].item];
        int64_t offset = find_offset(placing, item, best_fit);
        place(placing, keys[k].item, offset);
        if (offset + item->size > height)
            height = offset + item->size;
    }
    return height;
}

static int64_t height_of(const PackProblem *problem, const int64_t *offsets)
{
    int64_t height = 0;

    for (uint32_t i = 0; i < problem->count; i++)
        if (offsets[i] + problem->items[i].size > height)
            height = offsets[i] + problem->items[i].size;
    return height;
}

static void keep_best(PackResult *result, const Placing *placing, uint32_t count, int64_t height)
{
    if (height >= result->height)
        return;
    result->height = height;
    for (uint32_t i = 0; i < count; i++)
        result->offsets[i] = placing->offsets[i];
}

static void sort_keys(const PackProblem *problem, Order order, Key *keys, Arena *arena)
{
    const double *fullest = order == BY_LOAD ? fullest_loads(problem, arena) : NULL;

    for (uint32_t i = 0; i < problem->count; i++)
        keys[i] = key_of(&problem->items[i], order, fullest != NULL ? fullest[i] : 0, i);
    qsort(keys, problem->count, sizeof *keys, compare_keys);
}

/* The exact search at one height, with the placements left. Returns whether it was reached. */
static bool search_at(const PackProblem *problem, int64_t height, PackResult *result,
                      Placing *placing)
{
    uint64_t nodes = problem->node_limit > result->nodes ? problem->node_limit - result->nodes : 0;
    PackOutcome outcome = pack_search(problem, height, &nodes, placing->offsets);

    result->nodes += nodes > 0 ? nodes : 1;
    if (outcome == PACK_FOUND)
        keep_best(result, placing, problem->count, height_of(problem, placing->offsets));
    else if (outcome == PACK_NONE)
        result->bound = max_i64(result->bound, height + 1);
    return outcome == PACK_FOUND;
}

/* The exact search at the goal; where it does not get there, halfway up to what is known, and so
 * on. Each search may use half of the placements that are left. */
static void search_below(const PackProblem *problem, int64_t goal, PackResult *result,
                         Placing *placing)
{
    int64_t least = max_i64(goal, result->bound), height = least; /* nothing below was found */

    while (result->nodes < problem->node_limit && least < result->height
           && !pack_is_late(problem)) {
        PackProblem half = *problem;
        half.node_limit -= (problem->node_limit - result->nodes) / 2;
        if (!search_at(&half, height, result, placing))
            least = height + 1;
        height = least + (result->height - least) / 2;
    }
}

/* The orders, until one reaches the goal. */
static PackResult pack_in_orders(const PackProblem *problem, int64_t *goal, Placing *placing,
                                 Arena *arena)
{
    uint32_t count = problem->count;
    PackResult result = {
        .offsets = arena_array(arena, int64_t, count),
        .height = INT64_MAX,
        .bound = pack_bound(problem->items, count),
    };
    Arena *scratch = arena_create();
    Key *keys = arena_array(scratch, Key, count);

    *placing = (Placing){
        .items = problem->items,
        .placed = arena_array(arena, uint32_t, count),
        .offsets = arena_array(arena, int64_t, count),
    };
    *goal = max_i64(problem->capacity, result.bound);
    for (int order = 0; order < ORDER_COUNT && result.height > *goal; order++) {
        sort_keys(problem, (Order)order, keys, scratch);
        for (int fit = 0; fit < 2 && result.height > *goal; fit++)
            keep_best(&result, placing, count, place_all(placing, keys, count, fit == 1));
    }
    arena_destroy(scratch);
    return result;
}

PackResult pack_unjoined(const PackProblem *problem, Arena *arena)
{
    Placing placing;
    int64_t goal;
    PackResult result = pack_in_orders(problem, &goal, &placing, arena);

    if (result.height > goal)
        search_below(problem, goal, &result, &placing);
    return result;
}

/* Placements of the short search, over the number of items: about 0.3 s; how often joints are
 * tried, with half of the placements together. */
enum { BRIEF_NODES = 1 << 25, JOINT_TRIES = 16 };

/* The orders; a short search at the goal, which is enough for most problems; joints; then searches
 * with the placements that are left. */
static PackResult pack_sorted(const PackProblem *problem, Arena *arena)
{
    uint32_t count = problem->count;
    Placing placing;
    int64_t goal;
    PackResult result = pack_in_orders(problem, &goal, &placing, arena);

    if (result.height > goal && problem->node_limit > 0) {
        PackProblem brief = *problem;
        brief.node_limit = problem->node_limit / 4;
        if (brief.node_limit > BRIEF_NODES / count)
            brief.node_limit = BRIEF_NODES / count;
        if (brief.node_limit < 2 * (uint64_t)count) /* enough to go straight through */
            brief.node_limit = 2 * (uint64_t)count;
        search_at(&brief, goal, &result, &placing);
        for (uint64_t seed = 0; seed < JOINT_TRIES && result.height > goal && goal == result.bound;
             seed++)
            pack_joints(problem, problem->node_limit / (2 * JOINT_TRIES), seed, &result);
    }
    if (result.height > goal)
        search_below(problem, goal, &result, &placing);
    return result;
}

typedef struct Entry {
    PackItem item;
    uint32_t from; /* where the caller has it */
} Entry;

int pack_compare(const PackItem *a, const PackItem *b)
{
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->last != b->last)
        return a->last < b->last ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return (a->align > b->align) - (a->align < b->align);
}

static int compare_entries(const void *left, const void *right)
{
    const Entry *a = left, *b = right;
    int order = pack_compare(&a->item, &b->item);

    return order != 0 ? order : (a->from > b->from) - (a->from < b->from);
}

PackResult pack(const PackProblem *problem, Arena *arena)
{
    uint32_t count = problem->count;
    Arena *scratch = arena_create();
    Entry *entries = arena_array(scratch, Entry, count);
    PackItem *items = arena_array(scratch, PackItem, count);
    PackProblem sorted = *problem;

    for (uint32_t i = 0; i < count; i++)
        entries[i] = (Entry){problem->items[i], i};
    qsort(entries, count, sizeof *entries, compare_entries);
    for (uint32_t i = 0; i < count; i++)
        items[i] = entries[i].item;
    sorted.items = items;
    PackResult found = pack_sorted(&sorted, scratch), result = found;
    result.offsets = arena_array(arena, int64_t, count);
    for (uint32_t i = 0; i < count; i++)
        result.offsets[entries[i].from] = found.offsets[i];
    arena_destroy(scratch);
    return result;
}
