/* Public graphs for rematerialisation, as tasks. */
#ifndef SNUG_REMAT_GRAPH_H
#define SNUG_REMAT_GRAPH_H

#include "compiler/recompute/tasks.h"

typedef struct RematGraph {
    TaskGraph graph;    /* task k is step k of the given order and makes value k + 1 */
    const char **names; /* by task */
    uint32_t link_count;
    double cost; /* of all tasks once */
} RematGraph;

typedef enum RematRead {
    REMAT_READ_ok,
    REMAT_READ_file, /* the file cannot be read */
    REMAT_READ_content
} RematRead;

/* Reads networkx node-link JSON in the forms of Checkmate's graphs (cost_ram, cost_cpu, source,
 * target) and of MOCCASIN's random layered ones (out_cost, duration, "0", "1", graph.order). Where
 * it fails, *error says in which file and where, what is wrong, and is in the arena. */
RematRead read_remat_graph(const char *path, RematGraph *result, const char **error, Arena *arena);
/* The same from memory; `path` is for messages. */
RematRead parse_remat_graph(const char *text, size_t length, const char *path, RematGraph *result,
                            const char **error, Arena *arena);

#endif
