/* Building and rewriting graphs.
 *
 * A graph is two arrays, ops and values, that refer to each other by handle:
 *
 *     op 5: conv "stem.conv1"  inputs {v3, v4} ---> outputs {v6}
 *     value 6: "stem.conv1", maker = op 5
 *
 * Ops stand in an order in which makers precede users, and are only ever appended, so that a walk
 * forward sees what an op reads and a walk backward sees all of its readers first.
 */
#include "graph.h"

#include <string.h>

/* ---- names ----------------------------------------------------------------------------------- */

/* `wanted`, or with "_2", "_3", ... where that name is in use. Takes the name. */
static const char *take_name(Graph *graph, const char *wanted)
{
    const char *name = intern(graph->names, wanted, strlen(wanted));
    uint32_t *asked = map_get(&graph->taken, name);
    const char *unique = name;

    if (asked != NULL) {
        do {
            unique = arena_printf(graph->arena, "%s_%u", name, ++*asked);
            unique = intern(graph->names, unique, strlen(unique));
        } while (map_get(&graph->taken, unique) != NULL);
    }
    uint32_t *first = arena_new(graph->arena, uint32_t);
    *first = 1;
    map_set(&graph->taken, graph->arena, unique, first);
    return unique;
}

/* What the second and third result of an op are called, behind the op's own name. */
static const char *output_suffix(OpKind kind, uint32_t k)
{
    if (kind == OP_bn_grad_stats)
        return k == 1 ? ".dgamma" : ".dbeta";
    if (kind == OP_loss_combine)
        return ".map_weight";
    BUG("op %s has no output %u", op_info[kind].name, k);
}

/* ---- building -------------------------------------------------------------------------------- */

Graph *graph_create(Arena *arena, Interner *names)
{
    Graph *graph = arena_new(arena, Graph);

    graph->arena = arena;
    graph->names = names;
    (void)ARRAY_PUSH(arena, &graph->values);
    (void)ARRAY_PUSH(arena, &graph->ops);
    return graph;
}

static Storage storage_of_output(OpKind kind, uint32_t k)
{
    if ((op_info[kind].traits & (SOURCE | ACCUMULATES)) == 0)
        return STORAGE_arena;
    switch (kind) {
    case OP_input: return STORAGE_input;
    case OP_param: return STORAGE_param;
    case OP_conv_wgrad:
    case OP_channel_sum: return STORAGE_grad;
    case OP_bn_grad_stats: return k == 0 ? STORAGE_arena : STORAGE_grad;
    case OP_loss_combine: return k == 0 ? STORAGE_scalars : STORAGE_arena;
    default: BUG("%s: what it adds to is not known", op_info[kind].name);
    }
}

OpId graph_append(Graph *graph, OpKind kind, const ValueId *inputs, uint32_t input_count,
                  const char *name, Span source)
{
    const OpInfo *info = &op_info[kind];
    OpId id = {graph->ops.count};

    if (info->inputs >= 0 && input_count != (uint32_t)info->inputs)
        BUG("%s \"%s\" is given %u inputs", info->name, name, input_count);
    Op *op = ARRAY_PUSH(graph->arena, &graph->ops);
    op->kind = kind;
    op->name = take_name(graph, name);
    op->source = source;
    op->inputs = arena_array(graph->arena, ValueId, input_count);
    op->input_count = input_count;
    op->output_count = (uint32_t)info->outputs;
    for (uint32_t k = 0; k < input_count; k++) {
        if (inputs[k].i == 0 || inputs[k].i >= graph->values.count)
            BUG("%s \"%s\" reads value %u, which does not exist", info->name, name, inputs[k].i);
        op->inputs[k] = inputs[k];
    }
    for (uint32_t k = 0; k < op->output_count; k++) {
        op->outputs[k] = (ValueId){graph->values.count};
        Value *value = ARRAY_PUSH(graph->arena, &graph->values);
        value->name = k == 0 ? op->name
                             : take_name(graph, arena_printf(graph->arena, "%s%s", op->name,
                                                             output_suffix(kind, k)));
        value->storage = storage_of_output(kind, k);
        value->maker = id;
        value->source = source;
    }
    return id;
}

ValueId graph_output(const Graph *graph, OpId op, uint32_t k)
{
    if (op.i == 0 || op.i >= graph->ops.count || k >= graph->ops.items[op.i].output_count)
        BUG("op %u has no output %u", op.i, k);
    return graph->ops.items[op.i].outputs[k];
}

/* ---- rewriting ------------------------------------------------------------------------------- */

Graph *graph_clone(const Graph *graph, Arena *arena)
{
    Graph *clone = arena_new(arena, Graph);

    clone->arena = arena;
    clone->names = graph->names;
    for (uint32_t v = 0; v < graph->values.count; v++)
        ARRAY_APPEND(arena, &clone->values, graph->values.items[v]);
    for (uint32_t o = 0; o < graph->ops.count; o++) {
        Op op = graph->ops.items[o];
        op.inputs = arena_array(arena, ValueId, op.input_count);
        for (uint32_t k = 0; k < op.input_count; k++)
            op.inputs[k] = graph->ops.items[o].inputs[k];
        ARRAY_APPEND(arena, &clone->ops, op);
    }
    for (uint32_t k = 0; k < graph->taken.entries.count; k++) {
        const MapEntry *entry = &graph->taken.entries.items[k];
        uint32_t *asked = arena_new(arena, uint32_t);
        *asked = *(uint32_t *)entry->value;
        map_set(&clone->taken, arena, entry->key, asked);
    }
    return clone;
}

void graph_replace_uses(Graph *graph, ValueId old_value, ValueId new_value)
{
    for (uint32_t o = 1; o < graph->ops.count; o++) {
        Op *op = &graph->ops.items[o];
        for (uint32_t k = 0; k < op->input_count; k++)
            if (op->inputs[k].i == old_value.i)
                op->inputs[k] = new_value;
    }
}

void graph_rename(Graph *graph, ValueId value, const char *name)
{
    graph->values.items[value.i].name = take_name(graph, name);
}

const ValueId *graph_compact(Graph *graph, const bool *keep_op, Arena *arena)
{
    ValueId *moved = arena_array(arena, ValueId, graph->values.count);
    uint32_t op_count = 1, value_count = 1;

    for (uint32_t v = 1; v < graph->values.count; v++) {
        if (!keep_op[graph->values.items[v].maker.i])
            continue;
        moved[v] = (ValueId){value_count};
        graph->values.items[value_count++] = graph->values.items[v];
    }
    for (uint32_t o = 1; o < graph->ops.count; o++) {
        if (!keep_op[o])
            continue;
        Op *op = &graph->ops.items[op_count];
        *op = graph->ops.items[o];
        for (uint32_t k = 0; k < op->input_count; k++) {
            if (moved[op->inputs[k].i].i == 0)
                BUG("\"%s\" reads a value whose maker is dropped", op->name);
            op->inputs[k] = moved[op->inputs[k].i];
        }
        for (uint32_t k = 0; k < op->output_count; k++) {
            op->outputs[k] = moved[op->outputs[k].i];
            graph->values.items[op->outputs[k].i].maker = (OpId){op_count};
        }
        op_count++;
    }
    graph->values.count = value_count;
    graph->ops.count = op_count;
    return moved;
}

bool op_has_effect(const Op *op)
{
    return (op_info[op->kind].traits & ACCUMULATES) != 0 || op->kind == OP_bn_stats;
}
