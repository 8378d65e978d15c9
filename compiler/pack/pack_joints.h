/* Shared by pack.c and pack_joints.c; nobody else includes it. */
#ifndef SNUG_PACK_JOINTS_H
#define SNUG_PACK_JOINTS_H

#include "pack_search.h"

/* Packs the problem with items put together first, with at most `nodes` placements; into `best`,
 * which holds a packing of the problem, where that is lower. Another seed joins others. Does
 * nothing where less than half of the moments are full. The items must be in the order of
 * pack_compare. */
void pack_joints(const PackProblem *problem, uint64_t nodes, uint64_t seed, PackResult *best);

/* pack.c: without joints; the items must be in the order of pack_compare. */
PackResult pack_unjoined(const PackProblem *problem, Arena *arena);

#endif
