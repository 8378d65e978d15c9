/* networkx node-link JSON -> tasks.
 *
 *     nodes: [{"id": 0, "name": "conv1", "cost_ram": BYTES, "cost_cpu": TIME}, ...]     Checkmate
 *     links: [{"source": 0, "target": 1}, ...]
 *
 *     nodes: [{"name": 0, "out_cost": BYTES, "duration": TIME}, ...]                    MOCCASIN
 *     links: [{"0": 0, "1": 1}, ...],  graph: {"order": [0, ...]}
 *
 * The given order is graph.order, else the generations of the graph, each in node order. A node's
 * output lives from the step that computes it through the last one that reads it; one that nobody
 * reads lives for its own step. Whatever the file says, its size is limited here.
 */
#include "remat_graph.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_NODES = 100000, MAX_LINKS = 2000000, MAX_ID_BYTES = 200 };
static const double MAX_NUMBER = 9007199254740992.0; /* 2^53: whole numbers are exact below */

typedef struct Link {
    uint32_t from, to; /* nodes by place in the file */
} Link;

typedef struct Reader {
    const char *path;
    Arena *arena, *scratch;
    const char **error;
    json_t *root;
    json_t *by_id; /* id as text -> place in the file */
    uint32_t node_count, link_count;
    const char **names;
    double *bytes, *cost;
    Link *links;     /* sorted, each once */
    uint32_t *order; /* nodes */
} Reader;

PRINTF_LIKE(2, 3) static bool refuse(Reader *reader, const char *fmt, ...)
{
    char what[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    *reader->error = arena_printf(reader->arena, "%s: %s", reader->path, what);
    return false;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* An id as text: a whole number or a string. NULL: neither. */
static const char *id_text(Reader *reader, const json_t *id)
{
    if (json_is_integer(id))
        return arena_printf(reader->arena, "%lld", (long long)json_integer_value(id));
    if (json_is_string(id) && json_string_length(id) > 0 && json_string_length(id) <= MAX_ID_BYTES
        && strlen(json_string_value(id)) == json_string_length(id))
        return arena_strdup(reader->arena, json_string_value(id));
    return NULL;
}

static bool read_number(Reader *reader, uint32_t k, const json_t *node, const char *key,
                        const char *other_key, double *number)
{
    const json_t *value = json_object_get(node, key);

    if (value == NULL) {
        key = other_key;
        value = json_object_get(node, key);
    }
    if (value == NULL)
        return refuse(reader, "nodes[%u]: neither \"%s\" nor \"%s\" is given", k,
                      strcmp(other_key, "out_cost") == 0 ? "cost_ram" : "cost_cpu", other_key);
    *number = json_number_value(value);
    if (!json_is_number(value) || !(*number >= 0) || *number > MAX_NUMBER)
        return refuse(reader, "nodes[%u].%s: a number from 0 to 2^53 is needed", k, key);
    return true;
}

static bool read_node(Reader *reader, uint32_t k)
{
    const json_t *node = json_array_get(json_object_get(reader->root, "nodes"), k);
    const json_t *id = json_object_get(node, "id"), *name = json_object_get(node, "name");
    const char *text;

    if (!json_is_object(node))
        return refuse(reader, "nodes[%u]: an object is needed", k);
    text = id_text(reader, id != NULL ? id : name);
    if (text == NULL)
        return refuse(reader, "nodes[%u]: an \"id\" is needed, a whole number or a short text", k);
    if (json_object_get(reader->by_id, text) != NULL)
        return refuse(reader, "nodes[%u]: id %s is that of nodes[%lld] too", k, text,
                      (long long)json_integer_value(json_object_get(reader->by_id, text)));
    if (json_object_set_new_nocheck(reader->by_id, text, json_integer(k)) != 0)
        BUG("no memory for the id of a node");
    reader->names[k] =
        json_is_string(name) && id_text(reader, name) != NULL ? id_text(reader, name) : text;
    if (!read_number(reader, k, node, "cost_ram", "out_cost", &reader->bytes[k])
        || !read_number(reader, k, node, "cost_cpu", "duration", &reader->cost[k]))
        return false;
    if (reader->bytes[k] != floor(reader->bytes[k]))
        return refuse(reader, "nodes[%u]: its memory is %g, a whole number is needed", k,
                      reader->bytes[k]);
    return true;
}

static bool read_nodes(Reader *reader)
{
    const json_t *nodes = json_object_get(reader->root, "nodes");
    size_t count = json_array_size(nodes);

    if (!json_is_array(nodes) || count == 0)
        return refuse(reader, "nodes: a list of nodes is needed");
    if (count > MAX_NODES)
        return refuse(reader, "nodes: %zu nodes are given, at most %d are taken", count, MAX_NODES);
    reader->node_count = (uint32_t)count;
    reader->names = arena_array(reader->arena, const char *, count);
    reader->bytes = arena_array(reader->scratch, double, count);
    reader->cost = arena_array(reader->scratch, double, count);
    for (uint32_t k = 0; k < count; k++)
        if (!read_node(reader, k))
            return false;
    return true;
}

/* ---- links ----------------------------------------------------------------------------------- */

static bool find_node(Reader *reader, const json_t *id, uint32_t *node)
{
    const char *text = id_text(reader, id);
    const json_t *place = text != NULL ? json_object_get(reader->by_id, text) : NULL;

    *node = (uint32_t)json_integer_value(place);
    return place != NULL;
}

static bool read_link(Reader *reader, const json_t *links, uint32_t k)
{
    const json_t *link = json_array_get(links, k);
    bool is_named = json_object_get(link, "source") != NULL;
    const char *from = is_named ? "source" : "0", *to = is_named ? "target" : "1";

    if (!json_is_object(link))
        return refuse(reader, "links[%u]: an object is needed", k);
    if (!find_node(reader, json_object_get(link, from), &reader->links[k].from))
        return refuse(reader, "links[%u].%s: the id of a node is needed", k, from);
    if (!find_node(reader, json_object_get(link, to), &reader->links[k].to))
        return refuse(reader, "links[%u].%s: the id of a node is needed", k, to);
    if (reader->links[k].from == reader->links[k].to)
        return refuse(reader, "links[%u]: node %s reads itself", k,
                      reader->names[reader->links[k].from]);
    return true;
}

static int by_link(const void *a, const void *b)
{
    const Link *x = a, *y = b;

    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

static bool read_links(Reader *reader)
{
    const char *key = json_object_get(reader->root, "links") != NULL ? "links" : "edges";
    const json_t *links = json_object_get(reader->root, key);
    size_t count = json_array_size(links);
    uint32_t kept = 0;

    if (!json_is_array(links))
        return refuse(reader, "links: a list of links is needed");
    if (count > MAX_LINKS)
        return refuse(reader, "links: %zu links are given, at most %d are taken", count, MAX_LINKS);
    reader->links = arena_array(reader->scratch, Link, count);
    for (uint32_t k = 0; k < count; k++)
        if (!read_link(reader, links, k))
            return false;
    qsort(reader->links, count, sizeof *reader->links, by_link);
    for (uint32_t k = 0; k < count; k++)
        if (kept == 0 || by_link(&reader->links[kept - 1], &reader->links[k]) != 0)
            reader->links[kept++] = reader->links[k];
    reader->link_count = kept;
    return true;
}

/* ---- the given order ------------------------------------------------------------------------- */

static bool read_order(Reader *reader, const json_t *order)
{
    uint32_t *place = arena_array(reader->scratch, uint32_t, reader->node_count);

    if (!json_is_array(order) || json_array_size(order) != reader->node_count)
        return refuse(reader, "graph.order: a list of all %u nodes is needed", reader->node_count);
    for (uint32_t k = 0; k < reader->node_count; k++) {
        uint32_t node;
        if (!find_node(reader, json_array_get(order, k), &node))
            return refuse(reader, "graph.order[%u]: the id of a node is needed", k);
        if (place[node] != 0)
            return refuse(reader, "graph.order[%u]: node %s is there twice", k,
                          reader->names[node]);
        place[node] = k + 1;
        reader->order[k] = node;
    }
    for (uint32_t k = 0; k < reader->link_count; k++)
        if (place[reader->links[k].from] > place[reader->links[k].to])
            return refuse(reader, "graph.order: node %s comes before node %s, which it reads",
                          reader->names[reader->links[k].to], reader->names[reader->links[k].from]);
    return true;
}

/* Generation by generation: the nodes all of whose inputs are in the generations before. */
static bool order_by_generations(Reader *reader)
{
    uint32_t count = reader->node_count, done = 0;
    uint32_t *waiting = arena_array(reader->scratch, uint32_t, count);
    uint32_t *first = arena_array(reader->scratch, uint32_t, (size_t)count + 2);
    uint32_t *users = arena_array(reader->scratch, uint32_t, reader->link_count);
    bool *is_next = arena_array(reader->scratch, bool, count);

    for (uint32_t k = 0; k < reader->link_count; k++) {
        waiting[reader->links[k].to]++;
        first[reader->links[k].from + 2]++;
    }
    for (uint32_t n = 1; n <= count; n++)
        first[n + 1] += first[n];
    for (uint32_t k = 0; k < reader->link_count; k++)
        users[first[reader->links[k].from + 1]++] = reader->links[k].to;
    for (uint32_t n = 0; n < count; n++)
        if (waiting[n] == 0)
            reader->order[done++] = n;
    for (uint32_t begin = 0, end = done; begin < end; begin = end, end = done) {
        for (uint32_t k = begin; k < end; k++)
            for (uint32_t u = first[reader->order[k]]; u < first[reader->order[k] + 1]; u++)
                if (--waiting[users[u]] == 0)
                    is_next[users[u]] = true;
        for (uint32_t n = 0; n < count; n++) {
            if (is_next[n])
                reader->order[done++] = n;
            is_next[n] = false;
        }
    }
    for (uint32_t n = 0; n < count && done < count; n++)
        if (waiting[n] > 0)
            return refuse(reader, "links: node %s is behind a circle of nodes that read each other",
                          reader->names[n]);
    return true;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static void make_tasks(Reader *reader, RematGraph *result)
{
    uint32_t count = reader->node_count;
    Arena *arena = reader->arena;
    TaskGraph *graph = &result->graph;
    uint32_t *value = arena_array(reader->scratch, uint32_t, count); /* by node */
    uint32_t *reads = arena_array(arena, uint32_t, reader->link_count);
    uint32_t *writes = arena_array(arena, uint32_t, count), used = 0;
    uint32_t *first = arena_array(reader->scratch, uint32_t, (size_t)count + 1); /* links, by to */

    *result = (RematGraph){
        .graph = {.tasks = arena_array(arena, Task, count),
                  .task_count = count,
                  .bytes = arena_array(arena, int64_t, (size_t)count + 1),
                  .maker = arena_array(arena, uint32_t, (size_t)count + 1),
                  .is_output = arena_array(arena, bool, (size_t)count + 1),
                  .value_count = count + 1},
        .names = arena_array(arena, const char *, count),
        .link_count = reader->link_count,
    };
    for (uint32_t k = 0; k < count; k++)
        value[reader->order[k]] = k + 1;
    for (uint32_t k = 0; k < reader->link_count; k++)
        first[reader->links[k].to + 1]++;
    for (uint32_t n = 0; n < count; n++)
        first[n + 1] += first[n];
    for (uint32_t k = 0; k < count; k++) {
        uint32_t node = reader->order[k];
        Task *task = &graph->tasks[k];
        task->reads = &reads[used];
        for (uint32_t l = first[node]; l < first[node + 1]; l++)
            reads[used++] = value[reader->links[l].from];
        task->read_count = task->repeat_reads = first[node + 1] - first[node];
        writes[k] = k + 1;
        task->writes = &writes[k];
        task->write_count = 1;
        task->cost = reader->cost[node];
        task->may_repeat = true;
        graph->bytes[k + 1] = (int64_t)reader->bytes[node];
        graph->maker[k + 1] = k;
        result->names[k] = reader->names[node];
        result->cost += task->cost;
    }
}

static bool read_all(Reader *reader, RematGraph *result)
{
    const json_t *about, *order;
    double sum = 0;

    if (!json_is_object(reader->root))
        return refuse(reader, "an object with nodes and links is needed");
    if (!read_nodes(reader) || !read_links(reader))
        return false;
    for (uint32_t k = 0; k < reader->node_count; k++)
        sum += reader->bytes[k];
    if (sum > 4.0e18)
        return refuse(reader, "nodes: all outputs together are over 4e18 bytes");
    reader->order = arena_array(reader->scratch, uint32_t, reader->node_count);
    about = json_object_get(reader->root, "graph");
    order = json_object_get(about, "order");
    if (!(order != NULL ? read_order(reader, order) : order_by_generations(reader)))
        return false;
    make_tasks(reader, result);
    return true;
}

static RematRead finish(Reader *reader, const json_error_t *fault, RematGraph *result)
{
    bool is_read = false;

    if (reader->root == NULL) {
        *reader->error = arena_printf(reader->arena, "%s:%d:%d: not JSON: %s", reader->path,
                                      fault->line, fault->column, fault->text);
        return REMAT_READ_content;
    }
    reader->scratch = arena_create();
    reader->by_id = json_object();
    if (reader->by_id == NULL)
        BUG("no memory for a table of ids");
    is_read = read_all(reader, result);
    json_decref(reader->by_id);
    json_decref(reader->root);
    arena_destroy(reader->scratch);
    return is_read ? REMAT_READ_ok : REMAT_READ_content;
}

RematRead parse_remat_graph(const char *text, size_t length, const char *path, RematGraph *result,
                            const char **error, Arena *arena)
{
    json_error_t fault;
    Reader reader = {.path = path,
                     .arena = arena,
                     .error = error,
                     .root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &fault)};

    return finish(&reader, &fault, result);
}

RematRead read_remat_graph(const char *path, RematGraph *result, const char **error, Arena *arena)
{
    json_error_t fault;
    Reader reader = {.path = path, .arena = arena, .error = error};
    FILE *file = fopen(path, "rb");

    if (file == NULL || fgetc(file) == EOF) {
        int reason = errno;
        bool is_empty = file != NULL && !ferror(file);
        *error = is_empty ? arena_printf(arena, "%s: the file is empty", path)
                          : arena_printf(arena, "%s: cannot be read: %s", path, strerror(reason));
        if (file != NULL)
            fclose(file);
        return is_empty ? REMAT_READ_content : REMAT_READ_file;
    }
    rewind(file);
    reader.root = json_loadf(file, JSON_REJECT_DUPLICATES, &fault);
    fclose(file);
    return finish(&reader, &fault, result);
}
