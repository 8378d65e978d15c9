/* Joints: items of a tight problem that look like one item cut in pieces are put together again.
 *
 * Where as many bytes are alive before a moment as after it, and no packing can be lower, what
 * begins there takes exactly the bytes of what ends there. So if some that end there and some that
 * begin there have the same sum of sizes, and each side was alive equally long, they can be one
 * block:
 *
 *        |  b b b c c            |  x x x x x
 *        |  a a a c c     ->     |  x x x x x        a + b = c
 *        +-----------            +-----------
 *
 * Sums may agree by chance, so that a packing found this way is exact and one not found proves
 * nothing: the search goes on without joints. How likely chance is, is estimated: so many sums of
 * so many blocks on both sides, among so many sizes; the least likely comes first, and of equals
 * the one with the shortest life, which was cut last. Where no sums are equal, those that live
 * equally long are stacked, the shortest life first. A rectangle that was cut in two again and
 * again is put together completely; of other problems something smaller is left for the search.
 */
#include <stdlib.h>

#include "pack_joints.h"

enum { SUMS_MOST = 1 << 12, CHOICE_MOST = 3, GROUP_MOST = 64 };

typedef struct Block {
    PackItem item;
    uint32_t whole; /* the block that it is a part of; itself: none */
    int64_t shift;  /* its offset in there */
} Block;

/* Some blocks that live equally long: list[begin + k] for the bits k of `members`. */
typedef struct Sum {
    int64_t size;
    uint32_t count, begin;
    uint64_t members;
} Sum;

/* What ends, or what begins, at one moment: list[begin .. end), sorted by life. */
typedef struct Side {
    const uint32_t *list;
    uint32_t begin, end;
    Sum *sums;
    uint32_t sum_count;
    double tries[CHOICE_MOST + 1]; /* by number of blocks: the sums of so many */
} Side;

typedef struct Joints {
    Block *blocks;
    uint32_t block_count;
    uint32_t *by_first, *by_last; /* whole blocks by first and last; by last and first */
    uint32_t count;
    Sum *sums[2];
    uint64_t seed;       /* 0, 1: as estimated; above: estimates are bent, in another way each */
    const int64_t *full; /* moments before and after which the load is the height; sorted */
    uint32_t full_count, moment_count;
} Joints;

/* ---- moments --------------------------------------------------------------------------------- */

typedef struct Event {
    int64_t time, change;
} Event;

static int compare_events(const void *left, const void *right)
{
    const Event *a = left, *b = right;

    return (a->time > b->time) - (a->time < b->time);
}

static void find_full_moments(Joints *joints, const PackProblem *problem, int64_t height,
                              Arena *arena)
{
    uint32_t count = 2 * problem->count;
    Event *events = arena_array(arena, Event, count);
    int64_t *full = arena_array(arena, int64_t, count), load = 0;

    for (uint32_t i = 0; i < problem->count; i++) {
        const PackItem *item = &problem->items[i];
        events[2 * i] = (Event){item->first, item->size};
        events[2 * i + 1] = (Event){item->last, -item->size};
    }
    qsort(events, count, sizeof *events, compare_events);
    for (uint32_t e = 0; e < count;) {
        int64_t time = events[e].time, before = load;
        for (; e < count && events[e].time == time; e++)
            load += events[e].change;
        joints->moment_count++;
        if (before == height && load == height)
            full[joints->full_count++] = time;
    }
    joints->full = full;
}

static bool is_full(const Joints *joints, int64_t time)
{
    uint32_t low = 0, high = joints->full_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (joints->full[middle] < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low < joints->full_count && joints->full[low] == time;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* qsort has no context: what it compares is copied. */
typedef struct Row {
    int64_t major, minor, size;
    uint32_t block;
} Row;

static int compare_rows(const void *left, const void *right)
{
    const Row *a = left, *b = right;

    if (a->major != b->major)
        return a->major < b->major ? -1 : 1;
    if (a->minor != b->minor)
        return a->minor < b->minor ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

static void sort_list(const Joints *joints, uint32_t *list, bool by_last, Row *rows)
{
    for (uint32_t k = 0; k < joints->count; k++) {
        const PackItem *item = &joints->blocks[list[k]].item;
        rows[k] = (Row){by_last ? item->last : item->first, by_last ? item->first : item->last,
                        item->size, list[k]};
    }
    qsort(rows, joints->count, sizeof *rows, compare_rows);
    for (uint32_t k = 0; k < joints->count; k++)
        list[k] = rows[k].block;
}

static void sort_lists(Joints *joints, Arena *arena)
{
    Row *rows = arena_array(arena, Row, joints->block_count);

    joints->count = 0;
    for (uint32_t b = 0; b < joints->block_count; b++)
        if (joints->blocks[b].whole == b)
            joints->by_first[joints->count++] = b;
    for (uint32_t k = 0; k < joints->count; k++)
        joints->by_last[k] = joints->by_first[k];
    sort_list(joints, joints->by_first, false, rows);
    sort_list(joints, joints->by_last, true, rows);
}

static bool is_whole(const Joints *joints, uint32_t block)
{
    return joints->blocks[block].whole == block;
}

/* `above` lies at `shift` in the new block, `below` at 0. */
static uint32_t join(Joints *joints, uint32_t below, uint32_t above, int64_t shift)
{
    uint32_t whole = joints->block_count++;
    Block *a = &joints->blocks[below], *b = &joints->blocks[above];

    joints->blocks[whole] = (Block){
        .item = {.size = max_i64(a->item.size, shift + b->item.size),
                 .first = min_i64(a->item.first, b->item.first),
                 .last = max_i64(a->item.last, b->item.last),
                 .align = a->item.align},
        .whole = whole,
    };
    a->whole = b->whole = whole;
    a->shift = 0;
    b->shift = shift;
    return whole;
}

/* ---- equal sums ------------------------------------------------------------------------------ */

static const PackItem *life_of(const Joints *joints, const uint32_t *list, uint32_t k)
{
    return &joints->blocks[list[k]].item;
}

/* list[begin .. result) begin at one moment and live equally long. */
static uint32_t end_of_group(const Joints *joints, const uint32_t *list, uint32_t begin)
{
    const PackItem *life = life_of(joints, list, begin);
    uint32_t end = begin + 1;

    while (end < joints->count && life_of(joints, list, end)->first == life->first
           && life_of(joints, list, end)->last == life->last)
        end++;
    return end;
}

/* All choices of at most CHOICE_MOST members of the group: the chosen and some from `next` on. */
static void add_choices(const Joints *joints, Side *side, uint32_t next, uint32_t end, Sum chosen)
{
    for (uint32_t k = next; k < end && k - chosen.begin < GROUP_MOST; k++) {
        uint32_t block = side->list[k];
        if (!is_whole(joints, block))
            continue;
        Sum more = {chosen.size + joints->blocks[block].item.size, chosen.count + 1, chosen.begin,
                    chosen.members | (uint64_t)1 << (k - chosen.begin)};
        if (side->sum_count == SUMS_MOST)
            return;
        side->sums[side->sum_count++] = more;
        side->tries[more.count]++;
        if (more.count < CHOICE_MOST)
            add_choices(joints, side, k + 1, end, more);
    }
}

static int compare_sums(const void *left, const void *right)
{
    const Sum *a = left, *b = right;

    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->members > b->members) - (a->members < b->members);
}

static void find_sums(const Joints *joints, Side *side)
{
    side->sum_count = 0;
    for (int k = 0; k <= CHOICE_MOST; k++)
        side->tries[k] = 0;
    for (uint32_t begin = side->begin, end; begin < side->end; begin = end) {
        end = end_of_group(joints, side->list, begin);
        add_choices(joints, side, begin, end, (Sum){.begin = begin});
    }
    qsort(side->sums, side->sum_count, sizeof *side->sums, compare_sums);
}

/* From 1/4 to 4, the same for the same pair. */
static double noise(const Joints *joints, const Sum *a, const Sum *b)
{
    uint64_t z = joints->seed * 0x9e3779b97f4a7c15u ^ (uint64_t)a->size << 32 ^ a->members
                 ^ b->members << 16 ^ (uint64_t)a->begin << 48 ^ (uint64_t)b->begin << 40;

    if (joints->seed <= 1)
        return 1;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)(1 << ((z ^ z >> 31) % 5)) / 4;
}

/* The pair of equal sums that is least likely to be equal by chance, if that is at most `chance`;
 * of equals the one with the shortest life. Returns whether there is one. */
static bool match_sums(const Joints *joints, const Side *before, const Side *after, double chance,
                       Sum *ending, Sum *beginning)
{
    int64_t shortest = INT64_MAX;
    bool found = false;

    for (uint32_t i = 0, first = 0; i < before->sum_count; i++) {
        const Sum *a = &before->sums[i];
        while (first < after->sum_count && after->sums[first].size < a->size)
            first++;
        for (uint32_t k = first; k < after->sum_count && after->sums[k].size == a->size; k++) {
            const Sum *b = &after->sums[k];
            double likely = before->tries[a->count] * after->tries[b->count] / (double)a->size
                            * noise(joints, a, b);
            int64_t life = life_of(joints, after->list, b->begin)->last
                           - life_of(joints, before->list, a->begin)->first;
            if (likely > chance || (likely == chance && life >= shortest))
                continue;
            chance = likely;
            shortest = life;
            *ending = *a;
            *beginning = *b;
            found = true;
        }
    }
    return found;
}

static uint32_t stack_blocks(Joints *joints, const uint32_t *list, const Sum *sum)
{
    uint32_t stack = UINT32_MAX;

    for (uint32_t k = 0; k < GROUP_MOST; k++) {
        if (!(sum->members >> k & 1))
            continue;
        uint32_t block = list[sum->begin + k];
        stack = stack == UINT32_MAX ? block
                                    : join(joints, stack, block, joints->blocks[stack].item.size);
    }
    return stack;
}

/* The next moment at which blocks end, in before->list from before->end on, and what begins there.
 * Returns false behind the last one. */
static bool next_moment(const Joints *joints, Side *before, Side *after)
{
    before->begin = before->end;
    if (before->begin == joints->count)
        return false;
    int64_t time = life_of(joints, before->list, before->begin)->last;
    while (before->end < joints->count && life_of(joints, before->list, before->end)->last == time)
        before->end++;
    after->begin = after->end;
    while (after->begin < joints->count && life_of(joints, after->list, after->begin)->first < time)
        after->begin++;
    after->end = after->begin;
    while (after->end < joints->count && life_of(joints, after->list, after->end)->first == time)
        after->end++;
    return true;
}

/* At each full moment the best pair of equal sums becomes one block. Returns whether any did. */
static bool join_sums(Joints *joints, double chance)
{
    Side before = {.list = joints->by_last, .sums = joints->sums[0]};
    Side after = {.list = joints->by_first, .sums = joints->sums[1]};
    bool any = false;

    while (next_moment(joints, &before, &after)) {
        Sum ending, beginning;
        if (after.begin == after.end
            || !is_full(joints, life_of(joints, after.list, after.begin)->first))
            continue;
        find_sums(joints, &before);
        find_sums(joints, &after);
        if (!match_sums(joints, &before, &after, chance, &ending, &beginning))
            continue;
        uint32_t a = stack_blocks(joints, before.list, &ending);
        uint32_t b = stack_blocks(joints, after.list, &beginning);
        join(joints, a, b, 0);
        any = true;
    }
    return any;
}

/* ---- stacks ---------------------------------------------------------------------------------- */

/* The group with the shortest life that has two members at least. */
static bool find_stack(const Joints *joints, Sum *stack)
{
    int64_t shortest = INT64_MAX;

    for (uint32_t begin = 0, end; begin < joints->count; begin = end) {
        const PackItem *life = life_of(joints, joints->by_first, begin);
        end = end_of_group(joints, joints->by_first, begin);
        if (end - begin < 2 || life->last - life->first >= shortest)
            continue;
        uint32_t count = end - begin < GROUP_MOST ? end - begin : GROUP_MOST;
        shortest = life->last - life->first;
        *stack = (Sum){0, count, begin, UINT64_MAX >> (GROUP_MOST - count)};
    }
    return shortest < INT64_MAX;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool can_join(const PackProblem *problem)
{
    for (uint32_t i = 0; i < problem->count; i++)
        if (problem->items[i].align != problem->items[0].align
            || problem->items[i].size % problem->items[i].align != 0)
            return false;
    return problem->count > 1;
}

/* Packs the blocks that are no parts; into `best` where that is lower. */
static void pack_blocks(const Joints *joints, const PackProblem *problem, uint64_t nodes,
                        PackResult *best, Arena *arena)
{
    PackItem *items = arena_array(arena, PackItem, joints->count);
    int64_t *places = arena_array(arena, int64_t, joints->block_count);
    PackProblem left = *problem;

    for (uint32_t k = 0; k < joints->count; k++)
        items[k] = joints->blocks[joints->by_first[k]].item;
    left.items = items;
    left.count = joints->count;
    left.node_limit = nodes;
    PackResult packed = pack_unjoined(&left, arena);
    best->nodes += packed.nodes;
    if (packed.height >= best->height)
        return;
    best->height = packed.height;
    for (uint32_t k = 0; k < joints->count; k++)
        places[joints->by_first[k]] = packed.offsets[k];
    for (uint32_t b = joints->block_count; b-- > 0;)
        if (!is_whole(joints, b))
            places[b] = places[joints->blocks[b].whole] + joints->blocks[b].shift;
    for (uint32_t i = 0; i < problem->count; i++)
        best->offsets[i] = places[i];
}

/* Until no sums are equal but by chance; `by_first` and `by_last` are true then. */
static void join_all_sums(Joints *joints, Arena *scratch)
{
    static const double chances[] = {1e-4, 1e-3, 1e-2, 1e-1, 1, 1e3};
    size_t levels = joints->seed == 0 ? 4 : 6; /* without, with those that chance explains */

    for (size_t k = 0; k < levels;) {
        arena_reset(scratch);
        sort_lists(joints, scratch);
        k = join_sums(joints, chances[k]) ? 0 : k + 1;
    }
}

void pack_joints(const PackProblem *problem, uint64_t nodes, uint64_t seed, PackResult *best)
{
    Arena *arena = arena_create(), *scratch = arena_create();
    uint32_t most = 2 * problem->count, packed = most; /* blocks when they were last packed */
    Joints joints = {
        .blocks = arena_array(arena, Block, most),
        .block_count = problem->count,
        .seed = seed,
        .by_first = arena_array(arena, uint32_t, most),
        .by_last = arena_array(arena, uint32_t, most),
        .sums = {arena_array(arena, Sum, SUMS_MOST), arena_array(arena, Sum, SUMS_MOST)}};
    bool more = can_join(problem);

    for (uint32_t i = 0; i < problem->count; i++)
        joints.blocks[i] = (Block){.item = problem->items[i], .whole = i};
    find_full_moments(&joints, problem, best->bound, arena);
    more = more && joints.full_count >= joints.moment_count / 2;
    while (more && best->height > best->bound && !pack_is_late(problem)) {
        Sum stack;
        join_all_sums(&joints, scratch);
        more = find_stack(&joints, &stack);
        if (joints.count <= packed / 2 || !more) {
            packed = joints.count;
            nodes /= 2;
            pack_blocks(&joints, problem, nodes, best, scratch);
        }
        if (more)
            stack_blocks(&joints, joints.by_first, &stack);
    }
    arena_destroy(scratch);
    arena_destroy(arena);
}
