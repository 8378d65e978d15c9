/* The exact search: is there a packing of this height?
 *
 * After MiniMalloc (Moffitt, ASPLOS 2023). Time is cut into sections, within which nothing begins.
 * Any packing can be pushed down until each item stands on another or on the ground, and an item can
 * be placed after those that it stands on; so it is enough to place items one after the other, each
 * exactly at its lowest possible offset, offsets never falling:
 *
 *     height |......:.....:...      section 1 has 3 left of its capacity for the items still to be
 *            |      : d d :         placed there; as soon as it has less than they need, the branch
 *            | a a a:b b b:         is given up
 *            +------+-----+---
 *     section    0     1     2
 *
 * Branches are cut
 *   - where an item would start above a place that another could still fill: that one goes there;
 *   - where in some section the least offset of the items to come and their sizes pass the height;
 *   - where an item must still be lifted by another and no neighbour is left to lift it;
 *   - where the item placed last touches nobody to come: then its siblings fail like itself.
 * Where no item to come crosses a border of sections, both sides are problems of their own.
 *
 * Which order the items have at equal offsets decides between milliseconds and never, and differs
 * from problem to problem: six static orders take turns, each with a limit on its placements that
 * grows from round to round; from the second round on the ranks are disturbed a little.
 */
#include <stdlib.h>
#include <string.h>

#include "pack_search.h"

static const int64_t never = INT64_MAX / 4;

typedef struct Change {
    int64_t *where;
    int64_t before;
} Change;

typedef enum Outcome { FOUND, FAILED, OUT_OF_NODES } Outcome;

typedef struct Search {
    const PackItem *items;
    uint32_t count, section_count;
    int64_t height;
    uint32_t *from, *to;            /* by item: its sections [from, to) */
    uint32_t *neighbours, *neighbours_at; /* by item: who is alive with it; [at[i], at[i + 1]) */
    uint32_t *members, *members_at; /* by section: items alive in it */

    bool *is_placed;
    uint32_t *rank;       /* by item: the order at equal offsets */
    int64_t *offset;      /* by item: its place, or its lowest possible one */
    int64_t *least;       /* by section: least offset of the items to come in it; never: none */
    int64_t *rest;        /* by section: their sizes */
    uint32_t *crossing;   /* by section: items to come that reach into the next one */
    uint32_t *open;       /* by item: its neighbours to come */

    uint32_t *placed;     /* stack */
    uint32_t placed_count;
    Change *changes;      /* stack */
    uint32_t change_count, change_capacity;
    uint32_t *marks;      /* by placed: changes before it */
    uint32_t *pool;       /* lists of items, a stack */
    size_t pool_used, pool_capacity;
    uint32_t *dirty, dirty_count; /* sections whose `least` is to be found again */
    bool *is_dirty;

    int order;            /* static order of this run */
    uint64_t random, disturb; /* one rank in `disturb` is disturbed; 0: none */
    uint64_t nodes, node_limit;
} Search;

/* ---- sections -------------------------------------------------------------------------------- */

static int compare_times(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static uint32_t section_of(const int64_t *times, uint32_t count, int64_t time)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (times[middle] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A section begins wherever an item begins: ends alone make no new set of items that matters. */
static void cut_sections(Search *search, Arena *arena)
{
    uint32_t count = search->count, distinct = 0;
    int64_t *times = arena_array(arena, int64_t, count);

    for (uint32_t i = 0; i < count; i++)
        times[i] = search->items[i].first;
    qsort(times, count, sizeof *times, compare_times);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || times[i] != times[distinct - 1])
            times[distinct++] = times[i];
    search->section_count = distinct;
    for (uint32_t i = 0; i < count; i++) {
        search->from[i] = section_of(times, distinct, search->items[i].first);
        search->to[i] = section_of(times, distinct, search->items[i].last);
    }
}

static void find_members(Search *search, Arena *arena)
{
    size_t total = 0;

    for (uint32_t i = 0; i < search->count; i++) {
        total += search->to[i] - search->from[i];
        for (uint32_t s = search->from[i]; s < search->to[i]; s++)
            search->members_at[s + 1]++;
    }
    for (uint32_t s = 0; s < search->section_count; s++)
        search->members_at[s + 1] += search->members_at[s];
    search->members = arena_array(arena, uint32_t, total);
    uint32_t *next = arena_array(arena, uint32_t, search->section_count);
    for (uint32_t i = 0; i < search->count; i++)
        for (uint32_t s = search->from[i]; s < search->to[i]; s++)
            search->members[search->members_at[s] + next[s]++] = i;
}

static void find_neighbours(Search *search, Arena *arena)
{
    ARRAY(uint32_t) list = {0};

    for (uint32_t i = 0; i < search->count; i++) {
        search->neighbours_at[i] = list.count;
        for (uint32_t j = 0; j < search->count; j++)
            if (i != j && search->from[i] < search->to[j] && search->from[j] < search->to[i])
                ARRAY_APPEND(arena, &list, j);
    }
    search->neighbours_at[search->count] = list.count;
    search->neighbours = list.items;
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* Total of the fullest section, width, area: in which priority. */
static const char *const priorities[PACK_ORDERS] = {"TWA", "TAW", "WAT", "AWT", "WTA", "ATW"};

typedef struct Key {
    double key[3];
    uint32_t item;
} Key;

static int compare_keys(const void *left, const void *right)
{
    const Key *a = left, *b = right;

    for (int k = 0; k < 3; k++)
        if (a->key[k] != b->key[k])
            return a->key[k] > b->key[k] ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static uint64_t next_random(Search *search)
{
    uint64_t z = search->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void rank_items(Search *search, const uint32_t *list, uint32_t count)
{
    Key *keys = malloc(count * sizeof *keys + 1);

    if (keys == NULL)
        BUG("no memory for %u keys", count);
    for (uint32_t k = 0; k < count; k++) {
        const PackItem *item = &search->items[list[k]];
        int64_t fullest = 0, width = item->last - item->first;
        for (uint32_t s = search->from[list[k]]; s < search->to[list[k]]; s++)
            fullest = search->rest[s] > fullest ? search->rest[s] : fullest;
        for (int p = 0; p < 3; p++) {
            char what = priorities[search->order][p];
            keys[k].key[p] = what == 'T'   ? (double)fullest
                             : what == 'W' ? (double)width
                                           : (double)width * (double)item->size;
        }
        keys[k].item = list[k];
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (uint32_t k = 1; k < count && search->disturb > 0; k++) {
        if (next_random(search) % search->disturb != 0)
            continue;
        uint32_t other = k - 1 - (uint32_t)(next_random(search) % (k < 4 ? k : 4));
        Key swap = keys[k];
        keys[k] = keys[other];
        keys[other] = swap;
    }
    for (uint32_t k = 0; k < count; k++)
        search->rank[keys[k].item] = k + 1;
    free(keys);
}

/* ---- placing --------------------------------------------------------------------------------- */

static void change(Search *search, int64_t *where, int64_t value)
{
    if (search->change_count == search->change_capacity) {
        search->change_capacity = search->change_capacity * 2 + 1024;
        search->changes =
            realloc(search->changes, search->change_capacity * sizeof *search->changes);
        if (search->changes == NULL)
            BUG("no memory for %u changes", search->change_capacity);
    }
    search->changes[search->change_count++] = (Change){where, *where};
    *where = value;
}

static void soil(Search *search, uint32_t section)
{
    if (!search->is_dirty[section]) {
        search->is_dirty[section] = true;
        search->dirty[search->dirty_count++] = section;
    }
}

/* Puts `item` at its lowest offset; raises its neighbours to come. Returns whether some section
 * now has less than it needs. */
static bool place(Search *search, uint32_t item)
{
    int64_t size = search->items[item].size, at = search->offset[item], top = at + size;
    bool fits = true;

    search->marks[search->placed_count] = search->change_count;
    search->placed[search->placed_count++] = item;
    search->is_placed[item] = true;
    for (uint32_t s = search->from[item]; s < search->to[item]; s++) {
        search->rest[s] -= size;
        soil(search, s);
        if (s + 1 < search->to[item])
            search->crossing[s]--;
    }
    for (uint32_t k = search->neighbours_at[item]; k < search->neighbours_at[item + 1]; k++) {
        uint32_t other = search->neighbours[k];
        search->open[other]--;
        if (search->is_placed[other])
            continue;
        int64_t align = search->items[other].align, before = search->offset[other];
        int64_t raised = align == 1 ? top : (top + align - 1) / align * align;
        if (before >= raised)
            continue;
        change(search, &search->offset[other], raised);
        for (uint32_t s = search->from[other]; s < search->to[other]; s++)
            if (search->least[s] == before)
                soil(search, s);
    }
    for (uint32_t d = 0; d < search->dirty_count; d++) {
        uint32_t s = search->dirty[d];
        int64_t least = never;
        search->is_dirty[s] = false;
        for (uint32_t k = search->members_at[s]; fits && k < search->members_at[s + 1]; k++) {
            uint32_t member = search->members[k];
            if (!search->is_placed[member] && search->offset[member] < least)
                least = search->offset[member];
        }
        if (!fits)
            continue;
        if (least != search->least[s])
            change(search, &search->least[s], least);
        if (search->rest[s] > 0 && (least > at ? least : at) + search->rest[s] > search->height)
            fits = false;
    }
    search->dirty_count = 0;
    return fits;
}

static void take_back(Search *search)
{
    uint32_t item = search->placed[--search->placed_count];

    while (search->change_count > search->marks[search->placed_count]) {
        const Change *last = &search->changes[--search->change_count];
        *last->where = last->before;
    }
    for (uint32_t k = search->neighbours_at[item]; k < search->neighbours_at[item + 1]; k++)
        search->open[search->neighbours[k]]++;
    for (uint32_t s = search->from[item]; s < search->to[item]; s++) {
        search->rest[s] += search->items[item].size;
        if (s + 1 < search->to[item])
            search->crossing[s]++;
    }
    search->is_placed[item] = false;
}

/* ---- depth first ----------------------------------------------------------------------------- */

/* What is left to do: items of sections [begin, end), from offset `at` on; at `at` itself only
 * those of a higher rank. */
typedef struct Part {
    const uint32_t *list;
    uint32_t count;
    uint32_t begin, end;
    int64_t at;
    uint32_t rank;
} Part;

static Outcome solve(Search *search, Part part);

static uint32_t *pool_take(Search *search, size_t count)
{
    if (search->pool_used + count > search->pool_capacity)
        BUG("the search is deeper than its items");
    uint32_t *list = search->pool + search->pool_used;
    search->pool_used += count;
    return list;
}

/* The candidates of a part in the order in which they are tried, into `list`. */
static uint32_t find_candidates(const Search *search, const Part *part, uint32_t *list)
{
    int64_t lowest_top = never;
    uint32_t count = 0;

    for (uint32_t k = 0; k < part->count; k++) {
        uint32_t item = part->list[k];
        int64_t offset = search->offset[item], top = offset + search->items[item].size;
        bool waits = offset < part->at || (offset == part->at && search->rank[item] < part->rank);
        if (waits && search->open[item] == 0)
            return 0;
        lowest_top = top < lowest_top ? top : lowest_top;
    }
    for (uint32_t k = 0; k < part->count; k++) {
        uint32_t item = part->list[k];
        int64_t offset = search->offset[item];
        if (offset >= lowest_top || offset < part->at
            || (offset == part->at && search->rank[item] < part->rank))
            continue;
        uint32_t c = count++;
        for (; c > 0; c--) {
            uint32_t other = list[c - 1];
            if (search->offset[other] < offset
                || (search->offset[other] == offset && search->rank[other] < search->rank[item]))
                break;
            list[c] = other;
        }
        list[c] = item;
    }
    return count;
}

/* Every section has room for what is to come at `at` or above. */
static bool has_room(const Search *search, const Part *part)
{
    bool has = true;

    for (uint32_t s = part->begin; s < part->end; s++) {
        int64_t from = search->least[s] > part->at ? search->least[s] : part->at;
        has &= search->rest[s] == 0 || from + search->rest[s] <= search->height;
    }
    return has;
}

/* Solves the parts into which the borders that nobody crosses cut this one. */
static Outcome solve_split(Search *search, const Part *part)
{
    Outcome outcome = FOUND;
    size_t pool_mark = search->pool_used;
    uint32_t *ranks = pool_take(search, part->count);

    for (uint32_t k = 0; k < part->count; k++)
        ranks[k] = search->rank[part->list[k]];
    for (uint32_t begin = part->begin; begin < part->end && outcome == FOUND;) {
        uint32_t end = begin + 1, count = 0;
        while (end < part->end && search->crossing[end - 1] > 0)
            end++;
        uint32_t *list = pool_take(search, part->count);
        for (uint32_t k = 0; k < part->count; k++)
            if (search->from[part->list[k]] >= begin && search->from[part->list[k]] < end)
                list[count++] = part->list[k];
        if (count > 0) {
            rank_items(search, list, count);
            outcome = solve(search, (Part){list, count, begin, end, part->at, 0});
        }
        begin = end;
    }
    for (uint32_t k = 0; k < part->count; k++)
        search->rank[part->list[k]] = ranks[k];
    search->pool_used = pool_mark;
    return outcome;
}

static bool is_split(const Search *search, uint32_t begin, uint32_t end)
{
    for (uint32_t s = begin; s + 1 < end; s++)
        if (search->crossing[s] == 0)
            return true;
    return false;
}

/* The rest of the part after `item` has been placed. */
static Outcome solve_rest(Search *search, const Part *part, uint32_t item)
{
    size_t pool_mark = search->pool_used;
    Part rest = {.list = pool_take(search, part->count), .begin = part->begin, .end = part->end,
                 .at = search->offset[item], .rank = search->rank[item]};
    uint32_t *list = search->pool + pool_mark;

    for (uint32_t k = 0; k < part->count; k++)
        if (part->list[k] != item)
            list[rest.count++] = part->list[k];
    Outcome outcome = rest.count == 0 ? FOUND
                      : rest.at > part->at && !has_room(search, &rest) ? FAILED
                      : is_split(search, part->begin, part->end) ? solve_split(search, &rest)
                                                                  : solve(search, rest);
    search->pool_used = pool_mark;
    return outcome;
}

static Outcome solve(Search *search, Part part)
{
    size_t pool_mark = search->pool_used;
    uint32_t *candidates = pool_take(search, part.count);
    uint32_t count = find_candidates(search, &part, candidates);
    uint32_t placed_mark = search->placed_count;
    Outcome outcome = FAILED;

    for (uint32_t k = 0; k < count && outcome == FAILED; k++) {
        if (search->nodes >= search->node_limit) {
            outcome = OUT_OF_NODES;
            break;
        }
        search->nodes++;
        bool fits = place(search, candidates[k]);
        if (fits)
            outcome = solve_rest(search, &part, candidates[k]);
        if (outcome == FOUND)
            break;
        while (search->placed_count > placed_mark)
            take_back(search);
        if (fits && search->open[candidates[k]] == 0)
            break;
    }
    search->pool_used = pool_mark;
    return outcome;
}

/* ---- the turns ------------------------------------------------------------------------------- */

static void reset(Search *search)
{
    while (search->placed_count > 0)
        take_back(search);
    search->pool_used = 0;
    search->dirty_count = 0;
}

static Outcome run(Search *search, int order, uint64_t disturb, uint64_t limit)
{
    uint32_t *all = pool_take(search, search->count);

    search->order = order;
    search->disturb = disturb;
    search->node_limit = search->nodes + limit;
    for (uint32_t i = 0; i < search->count; i++) {
        all[i] = i;
        search->rank[i] = i + 1;
    }
    Part part = {all, search->count, 0, search->section_count, 0, 0};
    Outcome outcome = has_room(search, &part) ? solve_split(search, &part) : FAILED;
    if (outcome != FOUND)
        reset(search);
    return outcome;
}

static void add_item(Search *search, uint32_t item)
{
    search->open[item] = search->neighbours_at[item + 1] - search->neighbours_at[item];
    for (uint32_t s = search->from[item]; s < search->to[item]; s++) {
        search->rest[s] += search->items[item].size;
        if (s + 1 < search->to[item])
            search->crossing[s]++;
    }
}

static void create(Search *search, const PackProblem *problem, Arena *arena)
{
    uint32_t count = problem->count;

    search->items = problem->items;
    search->count = count;
    search->from = arena_array(arena, uint32_t, count);
    search->to = arena_array(arena, uint32_t, count);
    cut_sections(search, arena);
    uint32_t sections = search->section_count;
    search->members_at = arena_array(arena, uint32_t, (size_t)sections + 1);
    search->neighbours_at = arena_array(arena, uint32_t, (size_t)count + 1);
    find_members(search, arena);
    find_neighbours(search, arena);
    search->is_placed = arena_array(arena, bool, count);
    search->rank = arena_array(arena, uint32_t, count);
    search->offset = arena_array(arena, int64_t, count);
    search->least = arena_array(arena, int64_t, sections);
    search->rest = arena_array(arena, int64_t, sections);
    search->crossing = arena_array(arena, uint32_t, sections);
    search->open = arena_array(arena, uint32_t, count);
    search->placed = arena_array(arena, uint32_t, count);
    search->marks = arena_array(arena, uint32_t, count);
    search->dirty = arena_array(arena, uint32_t, sections);
    search->is_dirty = arena_array(arena, bool, sections);
    search->pool_capacity = 4 * ((size_t)count + 2) * ((size_t)count + 2);
    search->pool = malloc(search->pool_capacity * sizeof *search->pool);
    if (search->pool == NULL)
        BUG("no memory for the lists of %u items", count);
    for (uint32_t i = 0; i < count; i++)
        add_item(search, i);
}

bool pack_search(const PackProblem *problem, int64_t height, uint64_t *node_limit,
                 int64_t *offsets)
{
    Arena *arena = arena_create();
    Search search = {.height = height};
    Outcome outcome = OUT_OF_NODES;
    uint64_t limit = 512 + 2 * (uint64_t)problem->count, spent = 0;

    create(&search, problem, arena);
    for (uint64_t round = 0; outcome == OUT_OF_NODES && spent < *node_limit; round++) {
        for (int order = 0; order < PACK_ORDERS && outcome == OUT_OF_NODES; order++) {
            search.random = round * PACK_ORDERS + (uint64_t)order;
            outcome = run(&search, order, round == 0 ? 0 : 8, limit);
        }
        spent = search.nodes;
        limit += limit / 2;
    }
    *node_limit = search.nodes;
    for (uint32_t i = 0; outcome == FOUND && i < problem->count; i++)
        offsets[i] = search.offset[i];
    free(search.pool);
    free(search.changes);
    arena_destroy(arena);
    return outcome == FOUND;
}
