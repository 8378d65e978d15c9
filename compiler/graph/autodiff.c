/* Automatic differentiation: appends the backward pass to the training graph.
 *
 * Ops are walked in reverse. When the walk meets an op, every reader of its output has been met
 * already and has sent its share of the gradient; the shares are added, and the op sends gradients
 * on to its own inputs:
 *
 *     forward      x ---> conv ---> relu ---> loss
 *     backward    dx <--- dgrad <-- mask <--- seed: d loss / d l[n, k] (loss_combine)
 *
 * Only values below a trained parameter get a gradient: there is none towards the picture. The
 * order of the shares is that of the walk, so the sum is the same each time.
 *
 * The graph for evaluation is the forward pass up to the heat maps, with the running statistics in
 * place of the batch's.
 */
#include "gradients.h"
#include "graph.h"

/* ---- the tape -------------------------------------------------------------------------------- */

OpId tape_append(Tape *tape, OpKind kind, const ValueId *inputs, uint32_t input_count,
                 ValueId gradient_of)
{
    const Value *value = &tape->graph->values.items[gradient_of.i];
    const char *name = arena_printf(tape->graph->arena, "d_%s", value->name);
    OpId id = graph_append(tape->graph, kind, inputs, input_count, name, value->source);

    tape->graph->ops.items[id.i].is_backward = true;
    return id;
}

void tape_send(Tape *tape, ValueId value, ValueId gradient)
{
    if (tape->needs_grad[value.i])
        ARRAY_APPEND(tape->arena, &tape->of[value.i], gradient);
}

/* The whole gradient of a value: its readers' shares in one sum. {0}: nobody sent one. */
static ValueId collect(Tape *tape, ValueId value)
{
    const Contributions *shares = &tape->of[value.i];

    if (shares->count == 0)
        return (ValueId){0};
    if (shares->count == 1)
        return shares->items[0];
    OpId id = tape_append(tape, OP_add, shares->items, shares->count, value);
    return graph_output(tape->graph, id, 0);
}

/* ---- backward -------------------------------------------------------------------------------- */

static bool is_trained(SnugParamKind kind)
{
    return kind != SNUG_PARAM_running_mean && kind != SNUG_PARAM_running_var;
}

static bool *find_trained(const Graph *graph, const Model *model, Arena *arena)
{
    bool *needs = arena_array(arena, bool, graph->values.count);

    for (uint32_t o = 1; o < graph->ops.count; o++) {
        const Op *op = &graph->ops.items[o];
        bool any = false;
        for (uint32_t k = 0; k < op->input_count; k++)
            any |= needs[op->inputs[k].i];
        for (uint32_t k = 0; k < op->output_count; k++) {
            const Value *value = &graph->values.items[op->outputs[k].i];
            needs[op->outputs[k].i] =
                op->kind == OP_param ? is_trained(model->params.items[value->param.i].kind) : any;
        }
    }
    return needs;
}

static void append_backward(Compilation *c)
{
    Model *model = c->model;
    Graph *graph = model->train;
    uint32_t forward_count = graph->ops.count;
    Tape tape = {
        .graph = graph,
        .arena = c->scratch,
        .needs_grad = find_trained(graph, model, c->scratch),
        .of = arena_array(c->scratch, Contributions, graph->values.count),
    };
    const Op *combine = &graph->ops.items[graph->values.items[model->loss.i].maker.i];

    if (combine->kind != OP_loss_combine)
        BUG("the loss is made by %s", op_info[combine->kind].name);
    tape_send(&tape, combine->inputs[0], combine->outputs[1]);
    for (uint32_t o = forward_count - 1; o > 0; o--) {
        const Op *op = &graph->ops.items[o];
        /* sources end the walk; the statistics of a batch norm are part of its bn_apply */
        if (op->output_count != 1 || op->input_count == 0)
            continue;
        ValueId dy = collect(&tape, op->outputs[0]);
        if (dy.i != 0)
            append_gradients(&tape, (OpId){o}, dy);
    }
    for (uint32_t o = forward_count; o < graph->ops.count; o++)
        if (!infer_op(graph, (OpId){o}, c->diags, model->defaults.mixed_precision != 0))
            BUG("the shape of backward op %u cannot be inferred", o);
}

/* ---- what cannot be trained ------------------------------------------------------------------ */

/* For each value that the forward pass makes, the value at the end of what is computed from it:
 * itself where nobody reads it. */
static ValueId *find_ends(const Graph *graph, Arena *arena)
{
    ValueId *ends = arena_array(arena, ValueId, graph->values.count);

    for (uint32_t o = graph->ops.count - 1; o > 0; o--) {
        const Op *op = &graph->ops.items[o];
        ValueId result = op->outputs[0];
        if (op->is_backward)
            continue;
        if (ends[result.i].i == 0)
            ends[result.i] = result;
        for (uint32_t k = 0; k < op->input_count; k++)
            ends[op->inputs[k].i] = ends[result.i];
    }
    return ends;
}

/* One message for all parameters that a result which goes nowhere has. */
static void report_unread(const Compilation *c, ValueId end, const uint32_t *counts)
{
    const Value *value = &c->model->train->values.items[end.i];

    error_at(c->diags, ERROR_E150, value->source, "the loss does not depend on \"%s\"",
             value->name);
    if (counts[end.i] == 1)
        note(c->diags,
             "its parameter would never be trained: use the result in the loss, or remove it");
    else
        note(c->diags,
             "%u parameters before it would never be trained: use the result in the loss, or "
             "remove it",
             counts[end.i]);
}

static void check_gradients(const Compilation *c)
{
    const Model *model = c->model;
    const Graph *graph = model->train;
    bool *has_gradient = arena_array(c->scratch, bool, model->params.count);
    uint32_t *unread = arena_array(c->scratch, uint32_t, graph->values.count); /* by end */
    const ValueId *ends = find_ends(graph, c->scratch);
    uint32_t trained = 0;

    for (uint32_t v = 1; v < graph->values.count; v++)
        if (graph->values.items[v].storage == STORAGE_grad)
            has_gradient[graph->values.items[v].param.i] = true;
    for (uint32_t v = 1; v < graph->values.count; v++) {
        const Value *value = &graph->values.items[v];
        if (value->storage != STORAGE_param
            || !is_trained(model->params.items[value->param.i].kind))
            continue;
        trained++;
        unread[ends[v].i] += !has_gradient[value->param.i];
    }
    for (uint32_t v = 1; v < graph->values.count; v++)
        if (unread[v] > 0)
            report_unread(c, (ValueId){v}, unread);
    if (trained == 0) {
        error_at(c->diags, ERROR_E151, graph->values.items[model->loss.i].source,
                 "there is nothing to train: the model has no parameters");
        note(c->diags, "conv, deconv and bn have parameters");
    }
}

/* ---- evaluation ------------------------------------------------------------------------------ */

/* Marks the makers of everything that `value` is computed from. */
static void mark_needed(const Graph *graph, ValueId value, bool *is_needed)
{
    is_needed[graph->values.items[value.i].maker.i] = true;
    for (uint32_t o = graph->ops.count - 1; o > 0; o--) {
        const Op *op = &graph->ops.items[o];
        for (uint32_t k = 0; is_needed[o] && k < op->input_count; k++)
            is_needed[graph->values.items[op->inputs[k].i].maker.i] = true;
    }
}

/* Without a loss nothing says how wide a peak is: that of the usual target. */
enum { USUAL_SIGMA = 2 };

static void append_decode(Compilation *c, Graph *graph)
{
    Model *model = c->model;
    const Value *heat = &graph->values.items[model->evaluate_heat.i];
    SnugLoss loss = model->loss_attributes;

    if (model->loss.i == 0)
        loss = (SnugLoss){.sigma = USUAL_SIGMA,
                          .stride = (float)model->image_height / (float)heat->shape.h};
    OpId id = graph_append(graph, OP_decode, &model->evaluate_heat, 1, "peaks", heat->source);
    Op *op = &graph->ops.items[id.i];
    op->loss = (SnugLoss){.sigma = loss.sigma, .stride = loss.stride};
    if (!infer_op(graph, id, c->diags, true))
        BUG("the peaks of \"%s\" have no shape", heat->name);
    model->evaluate_peaks = op->outputs[0];
    graph->values.items[model->evaluate_peaks.i].is_output = true;
}

/* The same heat maps from running statistics, and their peaks. Requires: the forward pass alone. */
static void make_evaluate(Compilation *c)
{
    Model *model = c->model;
    Graph *graph = graph_clone(model->train, c->arena);

    for (uint32_t o = 1; o < graph->ops.count; o++) {
        Op *op = &graph->ops.items[o];
        if (op->kind != OP_bn_stats)
            continue;
        op->kind = OP_bn_frozen;
        op->inputs++; /* gamma, beta, running mean, running variance */
        op->input_count--;
        op->bn.frozen = 1;
    }
    bool *is_needed = arena_array(c->scratch, bool, graph->ops.count);
    mark_needed(graph, model->heat, is_needed);
    const ValueId *moved = graph_compact(graph, is_needed, c->scratch);
    model->evaluate = graph;
    model->evaluate_heat = moved[model->heat.i];
    model->evaluate_image = moved[model->image.i];
    graph->values.items[model->evaluate_heat.i].is_output = true;
    append_decode(c, graph);
}

/* Requires: infer_shapes. Ensures: model->evaluate; and where there is a loss, a train graph with a
 * gradient of every trained parameter, made by ops that add to it. */
bool differentiate(Compilation *c)
{
    uint32_t errors = diagnostics_error_count(c->diags);

    if (c->model->heat.i != 0)
        make_evaluate(c);
    if (c->model->loss.i != 0) {
        append_backward(c);
        check_gradients(c);
    }
    return diagnostics_error_count(c->diags) == errors;
}
