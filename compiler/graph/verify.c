/* Invariants of the graph, checked after each stage that makes or changes one.
 *
 * A broken invariant is our own bug: the message names the stage, the op and its line in the model.
 */
#include "graph.h"

typedef struct Verifier {
    const Graph *graph;
    const Model *model;
    const char *stage;
} Verifier;

NORETURN static void broken(const Verifier *verifier, const Op *op, const char *what)
{
    BUG("after stage %s: %s \"%s\" (file %u, byte %u): %s", verifier->stage, op_info[op->kind].name,
        op->name, op->source.file, op->source.begin, what);
}

/* Makers precede users; every value is the output of exactly the op that it names. */
static void verify_edges(const Verifier *verifier, OpId id)
{
    const Graph *graph = verifier->graph;
    const Op *op = &graph->ops.items[id.i];
    const OpInfo *info = &op_info[op->kind];

    if (info->inputs >= 0 ? op->input_count != (uint32_t)info->inputs : op->input_count == 0)
        broken(verifier, op, "wrong number of inputs");
    if (op->output_count != (uint32_t)info->outputs)
        broken(verifier, op, "wrong number of outputs");
    for (uint32_t k = 0; k < op->input_count; k++) {
        if (op->inputs[k].i == 0 || op->inputs[k].i >= graph->values.count)
            broken(verifier, op, "reads a value that does not exist");
        if (graph->values.items[op->inputs[k].i].maker.i >= id.i)
            broken(verifier, op, "reads a value that is made later");
        Storage storage = graph->values.items[op->inputs[k].i].storage;
        if (storage == STORAGE_grad || storage == STORAGE_scalars)
            broken(verifier, op, "reads what may only be added to");
    }
    for (uint32_t k = 0; k < op->output_count; k++) {
        if (op->outputs[k].i == 0 || op->outputs[k].i >= graph->values.count)
            broken(verifier, op, "makes a value that does not exist");
        if (graph->values.items[op->outputs[k].i].maker.i != id.i)
            broken(verifier, op, "its output names another maker");
    }
}

/* The storage of an output follows from the op; parameters and their gradients agree in shape. */
static void verify_storage(const Verifier *verifier, const Op *op)
{
    const Model *model = verifier->model;

    for (uint32_t k = 0; k < op->output_count; k++) {
        const Value *value = &verifier->graph->values.items[op->outputs[k].i];
        bool is_param = value->storage == STORAGE_param, is_grad = value->storage == STORAGE_grad;

        if (is_param != (op->kind == OP_param))
            broken(verifier, op, "only param makes parameters");
        if ((value->storage == STORAGE_input) != (op->kind == OP_input))
            broken(verifier, op, "only input makes inputs");
        if ((is_grad || value->storage == STORAGE_scalars)
            && (op_info[op->kind].traits & ACCUMULATES) == 0)
            broken(verifier, op, "adds to memory without saying so");
        if (!is_param && !is_grad)
            continue;
        if (value->param.i == 0 || value->param.i >= model->params.count)
            broken(verifier, op, "its parameter does not exist");
        Shape is = value->shape, param = model->params.items[value->param.i].shape;
        if (is.n != param.n || is.h != param.h || is.w != param.w || is.c != param.c)
            broken(verifier, op, "its shape is not its parameter's");
        if (value->type != SNUG_F32)
            broken(verifier, op, "parameters and gradients are f32");
    }
}

/* Values have distinct names. */
static void verify_names(const Verifier *verifier, Arena *scratch)
{
    Map seen = {0};

    for (uint32_t v = 1; v < verifier->graph->values.count; v++) {
        const Value *value = &verifier->graph->values.items[v];
        if (map_get(&seen, value->name) != NULL)
            broken(verifier, &verifier->graph->ops.items[value->maker.i],
                   "another value has its name");
        map_set(&seen, scratch, value->name, (void *)value);
    }
}

/* Shapes and types are what shapes.c makes of the inputs. The heat maps are f32 in any case. */
static void verify_shapes(const Verifier *verifier, Arena *scratch)
{
    Graph *again = graph_clone(verifier->graph, scratch);
    Diagnostics *diags = diagnostics_create(scratch);

    for (uint32_t o = 1; o < again->ops.count; o++) {
        const Op *op = &verifier->graph->ops.items[o];
        for (uint32_t k = 0; op->input_count > 0 && k < op->output_count; k++)
            again->values.items[op->outputs[k].i].shape = (Shape){0};
        if (!infer_op(again, (OpId){o}, diags, verifier->model->defaults.mixed_precision != 0))
            broken(verifier, op, "its shape is an error");
        for (uint32_t k = 0; k < op->output_count; k++) {
            const Value *was = &verifier->graph->values.items[op->outputs[k].i];
            const Value *is = &again->values.items[op->outputs[k].i];
            if (was->shape.n != is->shape.n || was->shape.h != is->shape.h
                || was->shape.w != is->shape.w || was->shape.c != is->shape.c)
                broken(verifier, op, "its shape does not follow from its inputs");
            if (was->type != is->type && was->type != SNUG_F32)
                broken(verifier, op, "its type does not follow from its inputs");
        }
    }
}

void verify_graph(const Graph *graph, const Model *model, const char *stage)
{
    Verifier verifier = {graph, model, stage};
    Arena *scratch = arena_create();

    for (uint32_t o = 1; o < graph->ops.count; o++) {
        verify_edges(&verifier, (OpId){o});
        verify_storage(&verifier, &graph->ops.items[o]);
    }
    verify_names(&verifier, scratch);
    verify_shapes(&verifier, scratch);
    arena_destroy(scratch);
}
