/* Maximum flow after Dinic: levels by breadth first search from the source, then flow along edges
 * that rise one level, until the sink cannot be reached. What can still be reached is the source's
 * side of a minimum cut.
 *
 * E. A. Dinic, Algorithm for solution of a problem of maximum flow in networks with power
 * estimation, 1970. The augmenting walk is a loop with a path, not a recursion: paths are as long
 * as a network is deep.
 */
#include "max_flow.h"

void flow_begin(FlowNetwork *network, uint32_t node_count, uint32_t edge_capacity, Arena *arena)
{
    *network = (FlowNetwork){
        .node_count = node_count,
        .edges = arena_array(arena, FlowEdge, (size_t)edge_capacity * 2),
        .first = arena_array(arena, uint32_t, node_count),
        .level = arena_array(arena, uint32_t, node_count),
        .next = arena_array(arena, uint32_t, node_count),
        .queue = arena_array(arena, uint32_t, node_count),
    };
    for (uint32_t n = 0; n < node_count; n++)
        network->first[n] = FLOW_NONE;
}

uint32_t flow_edge(FlowNetwork *network, uint32_t from, uint32_t to, int64_t capacity)
{
    uint32_t edge = network->edge_count;

    network->edges[edge] = (FlowEdge){to, network->first[from], capacity};
    network->edges[edge + 1] = (FlowEdge){from, network->first[to], 0};
    network->first[from] = edge;
    network->first[to] = edge + 1;
    network->edge_count += 2;
    return edge;
}

void flow_set_capacity(FlowNetwork *network, uint32_t edge, int64_t capacity)
{
    network->edges[edge].capacity = capacity;
    network->edges[edge ^ 1].capacity = 0;
}

static bool find_levels(FlowNetwork *network, uint32_t source, uint32_t sink)
{
    uint32_t head = 0, tail = 0;

    for (uint32_t n = 0; n < network->node_count; n++)
        network->level[n] = FLOW_NONE;
    network->level[source] = 0;
    network->queue[tail++] = source;
    while (head < tail) {
        uint32_t node = network->queue[head++];
        for (uint32_t e = network->first[node]; e != FLOW_NONE; e = network->edges[e].next) {
            uint32_t to = network->edges[e].to;
            if (network->edges[e].capacity > 0 && network->level[to] == FLOW_NONE) {
                network->level[to] = network->level[node] + 1;
                network->queue[tail++] = to;
            }
        }
    }
    return network->level[sink] != FLOW_NONE;
}

/* The next edge of the node that leads one level up with room, from network->next on. */
static uint32_t rising_edge(FlowNetwork *network, uint32_t node)
{
    for (; network->next[node] != FLOW_NONE;
         network->next[node] = network->edges[network->next[node]].next) {
        const FlowEdge *edge = &network->edges[network->next[node]];
        if (edge->capacity > 0 && network->level[edge->to] == network->level[node] + 1)
            return network->next[node];
    }
    return FLOW_NONE;
}

/* All flow along the levels. network->queue holds the path's edges. */
static int64_t block_flow(FlowNetwork *network, uint32_t source, uint32_t sink)
{
    uint32_t *path = network->queue, length = 0, node = source;
    int64_t total = 0;

    for (;;) {
        if (node == sink) {
            int64_t amount = INT64_MAX;
            for (uint32_t k = 0; k < length; k++)
                amount = min_i64(amount, network->edges[path[k]].capacity);
            uint32_t saturated = length;
            for (uint32_t k = length; k-- > 0;) {
                network->edges[path[k]].capacity -= amount;
                network->edges[path[k] ^ 1].capacity += amount;
                if (network->edges[path[k]].capacity == 0)
                    saturated = k;
            }
            total += amount;
            length = saturated;
            node = network->edges[path[saturated] ^ 1].to;
            continue;
        }
        uint32_t edge = rising_edge(network, node);
        if (edge != FLOW_NONE) {
            path[length++] = edge;
            node = network->edges[edge].to;
        } else if (node == source) {
            return total;
        } else {
            network->level[node] = FLOW_NONE; /* leads nowhere */
            node = network->edges[path[--length] ^ 1].to;
        }
    }
}

int64_t max_flow(FlowNetwork *network, uint32_t source, uint32_t sink)
{
    int64_t total = 0;

    while (find_levels(network, source, sink)) {
        for (uint32_t n = 0; n < network->node_count; n++)
            network->next[n] = network->first[n];
        total += block_flow(network, source, sink);
    }
    return total;
}

bool flow_reaches(const FlowNetwork *network, uint32_t node)
{
    return network->level[node] != FLOW_NONE;
}
