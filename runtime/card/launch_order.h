/* Which launches of a segment must wait for which: those alone, so that the others may run at the
 * same time. */
#ifndef SNUG_LAUNCH_ORDER_H
#define SNUG_LAUNCH_ORDER_H

#include <stdbool.h>

#include "runtime/program.h"

typedef struct LaunchOrder {
    int32_t
        *after; /* launches that launch l waits for: after[begin[l]] .. after[begin[l + 1] - 1] */
    int32_t *begin; /* launch_count + 1 */
} LaunchOrder;

/* Launch l waits for an earlier one when one of the two writes bytes that the other uses, unless it
 * waits for that one through others already: no edge can be left out. The plan's bytes decide, not
 * its tensors, so that a buffer that takes over another one's place waits for its readers. Returns
 * false where there is no memory. */
bool launch_order_find(LaunchOrder *order, const SnugProgram *program, SnugSegmentId segment);
void launch_order_free(LaunchOrder *order);

#endif
