/* The exact search: is there a packing of this height?
 *
 * After MiniMalloc (Moffitt, ASPLOS 2023), with one rule more. Time is cut into sections, within
 * which nothing begins. Any packing can be pushed down until each item stands on another or on the
 * ground, and an item can be placed after those that it stands on; so it is enough to place items
 * one after the other, each exactly at its lowest possible offset, offsets never falling.
 *
 * A branch is cut as soon as it cannot end well:
 *
 *  room    In each section the least offset of the items to come and the sum of their sizes must
 *          stay below the height.
 *                height |............:
 *                       | c c c      :  d and e are to come, 3 and 2 bytes, on top of c:
 *                       | a a . b b  :  c's top + 5 > height
 *
 *  holes   An item does not start where another one would fit whole below that place: moving that
 *          one down gives a packing as good.
 *                       |     x x x     x waits until y is placed
 *                       | a a           y: 1 byte
 *
 *  lifts   The new rule, the strongest by far. When all packings with item i at its lowest offset
 *          have failed, i stands higher: on one of its neighbours to come. The lowest place that
 *          any of them could lift it to is a bound for i from here on, and the bounds of a
 *          section's items are what `room` above counts with: as soon as nobody is left who can
 *          lie at the bottom of a tight section, the branch ends. Where no neighbour is left to
 *          lift i, it ends at once.
 *                       |   i i         i cannot be at 1; neighbours j (3 bytes) and k (5 bytes)
 *                       | a a a a       are to come, so that i's offset is at least 1 + 3
 *
 *  twins   Of items equal in lifetime, size and alignment the first one lies lowest.
 *
 *  parts   Where no item to come crosses a border of sections, both sides are problems of their
 *          own, solved one after the other.
 *
 * Which order the items have at equal offsets decides between milliseconds and never, and differs
 * from problem to problem: static orders take turns, each with a limit on its placements that grows
 * from round to round; every other round disturbs the ranks a little.
 */
#include <stdlib.h>

#include "compiler/floor/system.h"
#include "pack_search.h"

static const int64_t never = INT64_MAX / 4;

typedef struct Change {
    int64_t *where;
    int64_t before;
} Change;

typedef enum Outcome { FOUND, FAILED, OUT_OF_NODES } Outcome;

typedef struct Key {
    double key[3];
    uint32_t item;
} Key;

typedef struct Search {
    const PackProblem *problem;
    const PackItem *items;
    uint32_t count, section_count;
    int64_t height;
    uint32_t *from, *to;  /* by item: its sections [from, to) */
    uint32_t words;       /* of a set of items, 64 a word */
    uint64_t *neighbours; /* by item: the set of those alive with it */
    uint64_t *members;    /* by section: the set of those alive in it */
    bool *is_twin;        /* by item: equal to the one before it */

    uint64_t *open;     /* the set of items to come */
    int64_t *offset;    /* by item: its place, or the lowest one that is free */
    int64_t *bound;     /* by item to come: it lies no lower; above `offset`: it waits for a lift */
    int64_t *rank;      /* by item: the order at equal offsets */
    int64_t *least;     /* by section: least bound of the items to come in it; never: none */
    int64_t *rest;      /* by section: their sizes */
    uint32_t *crossing; /* by section: items to come that reach into the next one */

    uint32_t *placed; /* stack */
    uint32_t placed_count;
    Change *changes; /* stack: what `offset`, `bound`, `rank` and `least` were before */
    uint32_t change_count, change_capacity;
    uint32_t *dirty, dirty_count; /* sections whose `least` is to be found again */
    bool *is_dirty;
    Key *keys;

    int order;                /* static order of this run */
    uint64_t random, disturb; /* one rank in `disturb` is disturbed; 0: none */
    uint64_t nodes, node_limit;
    bool is_late;
} Search;

/* What is left to do: items of sections [begin, end), none below `at`. The list is permuted by who
 * works on it; its order means nothing. */
typedef struct Part {
    uint32_t *list;
    uint32_t count;
    uint32_t begin, end;
    int64_t at;
} Part;

bool pack_is_late(const PackProblem *problem)
{
    return problem->deadline > 0 && monotonic_seconds() > problem->deadline;
}

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

static void add_to_set(uint64_t *set, uint32_t item)
{
    set[item / 64] |= (uint64_t)1 << item % 64;
}

static bool is_in_set(const uint64_t *set, uint32_t item)
{
    return set[item / 64] >> item % 64 & 1;
}

static uint64_t *set_of(const Search *search, uint64_t *sets, uint32_t k)
{
    return sets + (size_t)k * search->words;
}

static void find_sets(Search *search)
{
    for (uint32_t i = 0; i < search->count; i++) {
        for (uint32_t s = search->from[i]; s < search->to[i]; s++)
            add_to_set(set_of(search, search->members, s), i);
        for (uint32_t j = 0; j < search->count; j++)
            if (i != j && search->from[i] < search->to[j] && search->from[j] < search->to[i])
                add_to_set(set_of(search, search->neighbours, i), j);
        search->is_twin[i] = i > 0 && pack_compare(&search->items[i - 1], &search->items[i]) == 0;
    }
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* Total of the fullest section, width, area, size: in which priority. */
static const char *const priorities[] = {"TWA", "TAW", "WAT", "ZWT"};

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

static double key_of(const Search *search, uint32_t item, char what)
{
    double width = (double)(search->items[item].last - search->items[item].first);
    double size = (double)search->items[item].size;
    int64_t fullest = 0;

    if (what == 'W')
        return width;
    if (what != 'T')
        return what == 'A' ? width * size : size;
    for (uint32_t s = search->from[item]; s < search->to[item]; s++)
        fullest = max_i64(fullest, search->rest[s]);
    return (double)fullest;
}

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

static void rank_items(Search *search, const Part *part)
{
    Key *keys = search->keys;

    for (uint32_t k = 0; k < part->count; k++) {
        keys[k].item = part->list[k];
        for (int p = 0; p < 3; p++)
            keys[k].key[p] = key_of(search, keys[k].item, priorities[search->order][p]);
    }
    qsort(keys, part->count, sizeof *keys, compare_keys);
    for (uint32_t k = 1; k < part->count && search->disturb > 0; k++) {
        if (next_random(search) % search->disturb != 0)
            continue;
        uint32_t other = k - 1 - (uint32_t)(next_random(search) % (k < 4 ? k : 4));
        Key swap = keys[k];
        keys[k] = keys[other];
        keys[other] = swap;
    }
    for (uint32_t k = 0; k < part->count; k++)
        change(search, &search->rank[keys[k].item], k);
}

/* ---- placing --------------------------------------------------------------------------------- */

static void soil(Search *search, uint32_t section)
{
    if (!search->is_dirty[section]) {
        search->is_dirty[section] = true;
        search->dirty[search->dirty_count++] = section;
    }
}

static void raise_bound(Search *search, uint32_t item, int64_t bound)
{
    int64_t before = search->bound[item];

    change(search, &search->bound[item], bound);
    for (uint32_t s = search->from[item]; s < search->to[item]; s++)
        if (search->least[s] == before)
            soil(search, s);
}

static int64_t find_least(const Search *search, uint32_t section)
{
    const uint64_t *members = set_of(search, search->members, section);
    int64_t least = never;

    for (uint32_t w = 0; w < search->words; w++)
        for (uint64_t bits = members[w] & search->open[w]; bits != 0; bits &= bits - 1)
            least = min_i64(least, search->bound[64 * w + lowest_bit(bits)]);
    return least;
}

/* Finds `least` of the dirty sections again. Returns whether each has room for what is to come. */
static bool settle(Search *search)
{
    bool fits = true;

    for (uint32_t d = 0; d < search->dirty_count; d++) {
        uint32_t s = search->dirty[d];
        search->is_dirty[s] = false;
        if (!fits)
            continue;
        int64_t least = find_least(search, s);
        if (least != search->least[s])
            change(search, &search->least[s], least);
        fits = search->rest[s] == 0 || least + search->rest[s] <= search->height;
    }
    search->dirty_count = 0;
    return fits;
}

/* Puts `item` at its lowest offset; raises its neighbours to come. Returns whether all has room. */
static bool place(Search *search, uint32_t item)
{
    const uint64_t *neighbours = set_of(search, search->neighbours, item);
    int64_t size = search->items[item].size, top = search->offset[item] + size;

    search->placed[search->placed_count++] = item;
    search->open[item / 64] &= ~((uint64_t)1 << item % 64);
    for (uint32_t s = search->from[item]; s < search->to[item]; s++) {
        search->rest[s] -= size;
        soil(search, s);
        if (s + 1 < search->to[item])
            search->crossing[s]--;
    }
    for (uint32_t w = 0; w < search->words; w++) {
        for (uint64_t bits = neighbours[w] & search->open[w]; bits != 0; bits &= bits - 1) {
            uint32_t other = 64 * w + lowest_bit(bits);
            int64_t raised = pack_round_up(top, search->items[other].align);
            if (search->offset[other] < raised)
                change(search, &search->offset[other], raised);
            if (search->bound[other] < search->offset[other])
                raise_bound(search, other, search->offset[other]);
        }
    }
    return settle(search);
}

static void take_back(Search *search, uint32_t placed_mark, uint32_t change_mark)
{
    while (search->change_count > change_mark) {
        const Change *last = &search->changes[--search->change_count];
        *last->where = last->before;
    }
    while (search->placed_count > placed_mark) {
        uint32_t item = search->placed[--search->placed_count];
        add_to_set(search->open, item);
        for (uint32_t s = search->from[item]; s < search->to[item]; s++) {
            search->rest[s] += search->items[item].size;
            if (s + 1 < search->to[item])
                search->crossing[s]++;
        }
    }
}

/* `item` is not at its lowest offset: a neighbour to come, at this offset or above, lifts it.
 * Returns false where none can. */
static bool lift(Search *search, uint32_t item)
{
    const uint64_t *neighbours = set_of(search, search->neighbours, item);
    int64_t at = search->offset[item], lifted = never;

    for (uint32_t w = 0; w < search->words; w++) {
        for (uint64_t bits = neighbours[w] & search->open[w]; bits != 0; bits &= bits - 1) {
            uint32_t other = 64 * w + lowest_bit(bits);
            int64_t top = max_i64(search->bound[other], at) + search->items[other].size;
            lifted = min_i64(lifted, top);
        }
    }
    if (lifted == never)
        return false;
    raise_bound(search, item, pack_round_up(lifted, search->items[item].align));
    return settle(search);
}

/* ---- depth first ----------------------------------------------------------------------------- */

/* Where in the part's list the next item to try is: the lowest offset, then the first rank, of
 * those that wait for nobody. part->count: there is none. */
static uint32_t find_candidate(const Search *search, const Part *part)
{
    int64_t lowest_top = never;
    uint32_t best = part->count;

    for (uint32_t k = 0; k < part->count; k++)
        lowest_top =
            min_i64(lowest_top, search->offset[part->list[k]] + search->items[part->list[k]].size);
    for (uint32_t k = 0; k < part->count; k++) {
        uint32_t item = part->list[k];
        int64_t offset = search->offset[item];
        if (offset >= lowest_top || search->bound[item] > offset)
            continue;
        if (search->is_twin[item] && is_in_set(search->open, item - 1))
            continue;
        if (best < part->count) {
            uint32_t other = part->list[best];
            if (search->offset[other] < offset
                || (search->offset[other] == offset && search->rank[other] < search->rank[item]))
                continue;
        }
        best = k;
    }
    return best;
}

/* Every section has room for what is to come at `at` or above. */
static bool has_room(const Search *search, const Part *part)
{
    bool has = true;

    for (uint32_t s = part->begin; s < part->end; s++) {
        int64_t from = max_i64(search->least[s], part->at);
        has &= search->rest[s] == 0 || from + search->rest[s] <= search->height;
    }
    return has;
}

static Outcome solve(Search *search, Part part);

/* Solves the parts into which the borders that nobody crosses cut this one. */
static Outcome solve_split(Search *search, const Part *part)
{
    Outcome outcome = FOUND;
    uint32_t done = 0;

    for (uint32_t begin = part->begin; begin < part->end && outcome == FOUND;) {
        uint32_t end = begin + 1;
        while (end < part->end && search->crossing[end - 1] > 0)
            end++;
        Part piece = {part->list + done, 0, begin, end, part->at};
        for (uint32_t k = done; k < part->count; k++) {
            uint32_t item = part->list[k];
            if (search->from[item] < begin || search->from[item] >= end)
                continue;
            part->list[k] = part->list[done];
            part->list[done++] = item;
            piece.count++;
        }
        if (piece.count > 0) {
            rank_items(search, &piece);
            outcome = solve(search, piece);
        }
        begin = end;
    }
    return outcome;
}

/* The rest of the part after its last item has been placed. */
static Outcome solve_rest(Search *search, const Part *part)
{
    uint32_t item = part->list[part->count - 1];
    Part rest = *part;

    rest.count--;
    rest.at = search->offset[item];
    if (rest.count == 0)
        return FOUND;
    if (rest.at > part->at && !has_room(search, &rest))
        return FAILED;
    for (uint32_t s = search->from[item]; s + 1 < search->to[item]; s++)
        if (search->crossing[s] == 0)
            return solve_split(search, &rest);
    return solve(search, rest);
}

static bool is_out_of_nodes(Search *search)
{
    if (search->nodes >= search->node_limit)
        return true;
    if (search->nodes % 256 == 0 && pack_is_late(search->problem))
        search->is_late = true;
    return search->is_late;
}

static Outcome solve(Search *search, Part part)
{
    uint32_t placed_mark = search->placed_count, change_mark = search->change_count;
    Outcome outcome = FAILED;

    while (outcome == FAILED) {
        uint32_t at = find_candidate(search, &part), lift_mark = search->change_count;
        if (at == part.count)
            break;
        if (is_out_of_nodes(search)) {
            outcome = OUT_OF_NODES;
            break;
        }
        uint32_t item = part.list[at];
        part.list[at] = part.list[part.count - 1];
        part.list[part.count - 1] = item;
        search->nodes++;
        if (place(search, item))
            outcome = solve_rest(search, &part);
        if (outcome == FOUND)
            return FOUND;
        take_back(search, placed_mark, lift_mark);
        if (outcome == FAILED && !lift(search, item))
            break;
    }
    take_back(search, placed_mark, change_mark);
    return outcome;
}

/* ---- the turns ------------------------------------------------------------------------------- */

static Outcome run(Search *search, int order, uint64_t seed, uint64_t limit, uint32_t *all)
{
    search->order = order;
    search->random = seed;
    search->disturb = seed == 0 ? 0 : 30;
    search->node_limit = search->nodes + limit;
    for (uint32_t i = 0; i < search->count; i++)
        all[i] = i;
    Part part = {all, search->count, 0, search->section_count, 0};
    Outcome outcome = has_room(search, &part) ? solve_split(search, &part) : FAILED;
    if (outcome != FOUND)
        take_back(search, 0, 0);
    return outcome;
}

static void create(Search *search, const PackProblem *problem, Arena *arena)
{
    uint32_t count = problem->count;

    search->problem = problem;
    search->items = problem->items;
    search->count = count;
    search->words = (count + 63) / 64;
    search->from = arena_array(arena, uint32_t, count);
    search->to = arena_array(arena, uint32_t, count);
    cut_sections(search, arena);
    uint32_t sections = search->section_count;
    search->members = arena_array(arena, uint64_t, (size_t)sections * search->words);
    search->neighbours = arena_array(arena, uint64_t, (size_t)count * search->words);
    search->is_twin = arena_array(arena, bool, count);
    find_sets(search);
    search->open = arena_array(arena, uint64_t, search->words);
    search->rank = arena_array(arena, int64_t, count);
    search->offset = arena_array(arena, int64_t, count);
    search->bound = arena_array(arena, int64_t, count);
    search->least = arena_array(arena, int64_t, sections);
    search->rest = arena_array(arena, int64_t, sections);
    search->crossing = arena_array(arena, uint32_t, sections);
    search->placed = arena_array(arena, uint32_t, count);
    search->dirty = arena_array(arena, uint32_t, sections);
    search->is_dirty = arena_array(arena, bool, sections);
    search->keys = arena_array(arena, Key, count);
    for (uint32_t i = 0; i < count; i++)
        search->placed[search->placed_count++] = i;
    take_back(search, 0, 0); /* fills `open`, `rest` and `crossing` */
}

PackOutcome pack_search(const PackProblem *problem, int64_t height, uint64_t *nodes,
                        int64_t *offsets)
{
    Arena *arena = arena_create();
    uint32_t *all = arena_array(arena, uint32_t, problem->count);
    Search search = {.height = height};
    Outcome outcome = OUT_OF_NODES;
    uint64_t limit = 512 + 2 * (uint64_t)problem->count, most = *nodes;

    create(&search, problem, arena);
    for (uint64_t round = 0; outcome == OUT_OF_NODES && search.nodes < most; round++) {
        for (int order = 0; order < (int)COUNT_OF(priorities) && outcome == OUT_OF_NODES; order++) {
            uint64_t left = most > search.nodes ? most - search.nodes : 0;
            outcome =
                run(&search, order, round % 2 == 0 ? 0 : round, left < limit ? left : limit, all);
        }
        limit += limit / 2;
        if (search.is_late)
            break;
    }
    *nodes = search.nodes;
    for (uint32_t i = 0; outcome == FOUND && i < problem->count; i++)
        offsets[i] = search.offset[i];
    free(search.changes);
    arena_destroy(arena);
    return outcome == FOUND ? PACK_FOUND : outcome == FAILED ? PACK_NONE : PACK_UNKNOWN;
}
