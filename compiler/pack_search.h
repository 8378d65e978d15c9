/* Shared by pack.c and pack_search.c; nobody else includes it. */
#ifndef SNUG_PACK_SEARCH_H
#define SNUG_PACK_SEARCH_H

#include "pack.h"

enum { PACK_ORDERS = 6 };

/* Looks for a packing no higher than `height`. Returns false where there is none, or where none was
 * found with *nodes placements; *nodes becomes the number made. */
bool pack_search(const PackProblem *problem, int64_t height, uint64_t *nodes, int64_t *offsets);

#endif
