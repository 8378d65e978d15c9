/* Packing: offsets for buffers whose lifetimes are known. Knows nothing of tensors and kernels.
 *
 *     offset |  c c c c            height: the highest top of all
 *            |  a a . b b b        bound: the most bytes alive at once; no packing is lower
 *            +-----------------
 *               0 1 2 3 4 5  time
 */
#ifndef SNUG_PACK_H
#define SNUG_PACK_H

#include "compiler/floor/arena.h"

typedef struct PackItem {
    int64_t size;        /* > 0 */
    int64_t first, last; /* alive in [first, last); first < last */
    int64_t align;       /* offset is a multiple of it; > 0 */
} PackItem;

typedef struct PackProblem {
    const PackItem *items;
    uint32_t count;
    int64_t capacity;    /* low enough: the search ends at this height; 0: at the bound */
    uint64_t node_limit; /* placements that the exact search may try; 0: heuristics alone */
    double deadline;     /* by monotonic_seconds(); the search stops there. 0: none */
} PackProblem;

typedef struct PackResult {
    int64_t *offsets; /* by item */
    int64_t height;
    int64_t bound;  /* no packing is lower: most bytes alive at once, or proven by search */
    uint64_t nodes; /* placements that the exact search has tried */
} PackResult;

/* The best packing found; valid in any case. The same set of items, in any order, gives the same
 * height on any machine: limits are counted, not timed, but for the deadline. The total of all
 * sizes must be below 2^60, with each rounded up to the largest alignment. */
PackResult pack(const PackProblem *problem, Arena *arena);

/* Most bytes alive at once. */
int64_t pack_bound(const PackItem *items, uint32_t count);

#endif
