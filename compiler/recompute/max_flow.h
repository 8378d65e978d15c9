/* Maximum flow and minimum cut. Knows nothing of what the network stands for. */
#ifndef SNUG_MAX_FLOW_H
#define SNUG_MAX_FLOW_H

#include "compiler/floor/arena.h"

enum { FLOW_NONE = UINT32_MAX };

/* Larger than all flow there is; sums of a few do not overflow. */
#define FLOW_UNLIMITED (INT64_MAX / 8)

typedef struct FlowEdge {
    uint32_t to, next; /* next edge of the same node */
    int64_t capacity;  /* what is left of it */
} FlowEdge;

typedef struct FlowNetwork {
    FlowEdge *edges; /* edge e and its reverse e ^ 1 */
    uint32_t edge_count, node_count;
    uint32_t *first; /* by node */
    uint32_t *level, *next, *queue;
} FlowNetwork;

void flow_begin(FlowNetwork *network, uint32_t node_count, uint32_t edge_capacity, Arena *arena);
/* Returns the edge, for flow_set_capacity. Requires: fewer edges so far than edge_capacity. */
uint32_t flow_edge(FlowNetwork *network, uint32_t from, uint32_t to, int64_t capacity);
/* Also takes back what flows along the edge; before a new max_flow every edge must be set. */
void flow_set_capacity(FlowNetwork *network, uint32_t edge, int64_t capacity);
/* Requires: no path of unlimited edges from source to sink. */
int64_t max_flow(FlowNetwork *network, uint32_t source, uint32_t sink);
/* After max_flow: the node is on the source's side of a minimum cut. */
bool flow_reaches(const FlowNetwork *network, uint32_t node);

#endif
