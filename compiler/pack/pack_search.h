/* Shared by the files of the packer; nobody else includes it. */
#ifndef SNUG_PACK_SEARCH_H
#define SNUG_PACK_SEARCH_H

#include "pack.h"

typedef enum PackOutcome {
    PACK_FOUND,
    PACK_NONE,   /* proven: there is no packing of this height */
    PACK_UNKNOWN /* out of placements or of time */
} PackOutcome;

/* Looks for a packing no higher than `height` with at most *nodes placements, which becomes the
 * number made. The items must be in the order of pack_compare. offsets: by item, where FOUND. */
PackOutcome pack_search(const PackProblem *problem, int64_t height, uint64_t *nodes,
                        int64_t *offsets);

/* The wall clock has passed problem->deadline. */
bool pack_is_late(const PackProblem *problem);

/* By first, last, size, align: equal items are interchangeable, so that the packer's result depends
 * on the set of items alone. */
int pack_compare(const PackItem *a, const PackItem *b);

static inline int64_t pack_round_up(int64_t value, int64_t align)
{
    return align == 1 ? value : (value + align - 1) / align * align;
}

#endif
