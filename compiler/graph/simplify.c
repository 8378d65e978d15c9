/* Simplification: what is computed twice is computed once, what nobody needs is dropped.
 *
 *     a = relu(x)                      a = relu(x)
 *     b = relu(x)           --->       y = a + a
 *     c = sigmoid(x)
 *     y = a + b                        (c was read by nobody)
 *
 * Ops that do nothing (a sum of one, a factor of one) give way to their input. Ops with an effect
 * (gradients, running statistics, the loss) stay and are never merged.
 */
#include <string.h>

#include "graph.h"

/* ---- ops that do nothing --------------------------------------------------------------------- */

static bool is_identity(const Op *op)
{
    OpKind kind = op->kind;

    if (kind == OP_add || kind == OP_concat)
        return op->input_count == 1;
    if (kind == OP_scale)
        return op->number == 1.0f;
    bool is_resampling = kind == OP_upsample || kind == OP_bilinear || kind == OP_upsample_grad
                         || kind == OP_bilinear_grad;
    return is_resampling && op->factor == 1;
}

/* ---- common subexpressions ------------------------------------------------------------------- */

/* Everything that distinguishes two ops of one kind; compared as bytes, so it starts from zeros. */
typedef struct Key {
    OpKind kind;
    uint32_t param, input_kind, input_count;
    int32_t kernel, stride, pad, output_pad, factor;
    int64_t channel;
    Shape like;
    float number, mean[3], std[3];
    float eps, momentum;
    int32_t is_frozen;
    SnugLoss loss;
    SnugType type;
} Key;

static void fill_key(Key *key, const Graph *graph, const Op *op)
{
    const Value *y = &graph->values.items[op->outputs[0].i];

    memset(key, 0, sizeof *key);
    key->kind = op->kind;
    key->param = y->param.i;
    key->input_kind = y->input;
    key->input_count = op->input_count;
    key->kernel = op->kernel;
    key->stride = op->stride;
    key->pad = op->pad;
    key->output_pad = op->output_pad;
    key->factor = op->factor;
    key->channel = op->channel;
    key->like = op->like;
    key->number = op->number;
    memcpy(key->mean, op->mean, sizeof key->mean);
    memcpy(key->std, op->std, sizeof key->std);
    key->eps = op->bn.eps;
    key->momentum = op->bn.momentum;
    key->is_frozen = op->bn.frozen;
    key->loss = op->loss;
    key->type = y->type;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t length)
{
    const unsigned char *bytes = data;

    for (size_t k = 0; k < length; k++)
        hash = (hash ^ bytes[k]) * 0x100000001b3u; /* FNV-1a */
    return hash;
}

static bool is_same_op(const Graph *graph, const Op *a, const Op *b)
{
    Key x, y;

    fill_key(&x, graph, a);
    fill_key(&y, graph, b);
    return memcmp(&x, &y, sizeof x) == 0
           && memcmp(a->inputs, b->inputs, a->input_count * sizeof a->inputs[0]) == 0;
}

static bool may_merge(const Graph *graph, const Op *op)
{
    if (op_has_effect(op) || op->kind == OP_input)
        return false;
    for (uint32_t k = 0; k < op->output_count; k++)
        if (graph->values.items[op->outputs[k].i].is_output)
            return false;
    return true;
}

typedef struct Merger {
    Graph *graph;
    ValueId *instead; /* by ValueId: what is read in its place */
    uint32_t *slots;  /* ops seen, by hash; 0 = free */
    uint32_t slot_count;
} Merger;

/* An earlier op that computes the same, or {0} after having remembered this one. */
static OpId find_same(Merger *merger, OpId id)
{
    const Graph *graph = merger->graph;
    const Op *op = &graph->ops.items[id.i];
    Key key;

    fill_key(&key, graph, op);
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, &key, sizeof key);
    hash = hash_bytes(hash, op->inputs, op->input_count * sizeof op->inputs[0]);
    uint32_t slot = (uint32_t)hash & (merger->slot_count - 1);
    while (merger->slots[slot] != 0) {
        if (is_same_op(graph, &graph->ops.items[merger->slots[slot]], op))
            return (OpId){merger->slots[slot]};
        slot = (slot + 1) & (merger->slot_count - 1);
    }
    merger->slots[slot] = id.i;
    return (OpId){0};
}

static void merge_op(Merger *merger, OpId id)
{
    Graph *graph = merger->graph;
    Op *op = &graph->ops.items[id.i];

    for (uint32_t k = 0; k < op->input_count; k++)
        op->inputs[k] = merger->instead[op->inputs[k].i];
    for (uint32_t k = 0; k < op->output_count; k++)
        merger->instead[op->outputs[k].i] = op->outputs[k];
    if (!may_merge(graph, op))
        return;
    ValueId x = op->input_count > 0 ? op->inputs[0] : (ValueId){0}, y = op->outputs[0];
    if (is_identity(op) && graph->values.items[x.i].type == graph->values.items[y.i].type) {
        merger->instead[y.i] = x;
        return;
    }
    OpId same = find_same(merger, id);
    for (uint32_t k = 0; same.i != 0 && k < op->output_count; k++)
        merger->instead[op->outputs[k].i] = graph->ops.items[same.i].outputs[k];
}

/* Returns by ValueId what is read in its place. */
static const ValueId *merge_same(Graph *graph, Arena *scratch)
{
    Merger merger = {.graph = graph, .slot_count = 64};

    while (merger.slot_count < 2 * graph->ops.count)
        merger.slot_count *= 2;
    merger.slots = arena_array(scratch, uint32_t, merger.slot_count);
    merger.instead = arena_array(scratch, ValueId, graph->values.count);
    for (uint32_t o = 1; o < graph->ops.count; o++)
        merge_op(&merger, (OpId){o});
    return merger.instead;
}

/* ---- dead code ------------------------------------------------------------------------------- */

/* Keeps what has an effect, what is an output, and what these are computed from. */
static const ValueId *drop_dead(Graph *graph, Arena *scratch)
{
    bool *keep = arena_array(scratch, bool, graph->ops.count);

    for (uint32_t o = graph->ops.count - 1; o > 0; o--) {
        const Op *op = &graph->ops.items[o];
        keep[o] |= op_has_effect(op);
        for (uint32_t k = 0; k < op->output_count; k++)
            keep[o] |= graph->values.items[op->outputs[k].i].is_output;
        for (uint32_t k = 0; keep[o] && k < op->input_count; k++)
            keep[graph->values.items[op->inputs[k].i].maker.i] = true;
    }
    return graph_compact(graph, keep, scratch);
}

/* Both rewrites; follows the model's handles, which become 0 where their value is gone. */
static void simplify_graph(Graph *graph, ValueId *const *handles, size_t handle_count,
                           Arena *scratch)
{
    const ValueId *instead = merge_same(graph, scratch);
    const ValueId *moved = drop_dead(graph, scratch);

    for (size_t k = 0; k < handle_count; k++)
        *handles[k] = moved[instead[handles[k]->i].i];
}

/* Requires: differentiate. Ensures: every op left has an effect or leads to one, or to an output. A
 * model without a loss keeps its train graph as it is: nothing of it would run. */
bool simplify(Compilation *c)
{
    Model *model = c->model;

    if (model->loss.i != 0) {
        ValueId *const handles[] = {&model->image, &model->points, &model->image_weights,
                                    &model->heat, &model->loss};
        simplify_graph(model->train, handles, COUNT_OF(handles), c->scratch);
    }
    if (model->evaluate != NULL) {
        ValueId *const handles[] = {&model->evaluate_heat, &model->evaluate_image};
        simplify_graph(model->evaluate, handles, COUNT_OF(handles), c->scratch);
    }
    return true;
}
