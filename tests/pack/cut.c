#include "cut.h"

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int64_t below(uint64_t *state, int64_t n)
{
    return (int64_t)(next_random(state) % (uint64_t)n);
}

static double area(const PackItem *piece)
{
    return (double)piece->size * (double)(piece->last - piece->first);
}

/* Cuts off the end of the piece's life, or the upper part of its bytes. False where it is one unit
 * long. */
static bool cut_life(PackItem *piece, PackItem *rest, uint64_t *random)
{
    if (piece->last - piece->first < 2)
        return false;
    *rest = *piece;
    rest->first = piece->last = piece->first + 1 + below(random, piece->last - piece->first - 1);
    return true;
}

static bool cut_size(PackItem *piece, PackItem *rest, uint64_t *random)
{
    if (piece->size < 2)
        return false;
    *rest = *piece;
    rest->size = 1 + below(random, piece->size - 1);
    piece->size -= rest->size;
    return true;
}

static uint32_t choose_piece(const PackItem *items, uint32_t pieces, CutShape shape,
                             uint64_t *random)
{
    uint32_t chosen = (uint32_t)below(random, pieces);

    for (int k = 0; k < 2 && shape == CUT_LARGE; k++) {
        uint32_t other = (uint32_t)below(random, pieces);
        if (area(&items[other]) > area(&items[chosen]))
            chosen = other;
    }
    return chosen;
}

/* About sqrt(count) strips first, then each cut only the other way. */
static void cut_strips(PackItem *items, uint32_t count, CutShape shape, uint64_t *random)
{
    uint32_t pieces = 1, strips = 1;

    while (strips * strips < count)
        strips++;
    while (pieces < count) {
        bool across = (shape == CUT_BRICKS) == (pieces >= strips);
        uint32_t p = (uint32_t)below(random, pieces);
        if (across ? cut_life(&items[p], &items[pieces], random)
                   : cut_size(&items[p], &items[pieces], random))
            pieces++;
    }
}

void cut_rectangle(PackItem *items, uint32_t count, CutShape shape, int64_t life, int64_t height,
                   uint64_t seed)
{
    uint64_t random = seed;

    items[0] = (PackItem){height, 0, life, 1};
    if (shape == CUT_BRICKS || shape == CUT_STACKS)
        cut_strips(items, count, shape, &random);
    else
        for (uint32_t pieces = 1; pieces < count;) {
            uint32_t p = choose_piece(items, pieces, shape, &random);
            if (below(&random, 2) == 0 ? cut_life(&items[p], &items[pieces], &random)
                                       : cut_size(&items[p], &items[pieces], &random))
                pieces++;
        }
    for (uint32_t k = count; k > 1; k--) {
        uint32_t other = (uint32_t)below(&random, k);
        PackItem swap = items[k - 1];
        items[k - 1] = items[other];
        items[other] = swap;
    }
}
