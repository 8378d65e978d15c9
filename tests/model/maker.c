/* Ops of small models: see maker.h. */
#include "maker.h"

#include <string.h>

#include "compiler/graph/graph.h"
#include "hash.h"

int64_t draw(Maker *m, int64_t first, int64_t last)
{
    uint64_t number = hash_number(m->seed, m->draws++) >> 16;

    return first + (int64_t)(number % (uint64_t)(last - first + 1));
}

Shape shape_of(const Maker *m, ValueId x)
{
    return m->graph->values.items[x.i].shape;
}

Maker maker_create(const char *name, uint64_t seed, bool mixed)
{
    Arena *arena = arena_create();
    Compilation *c = arena_new(arena, Compilation);
    Model *model = arena_new(arena, Model);

    c->arena = arena;
    c->scratch = arena_create();
    c->names = interner_create(arena);
    c->diags = diagnostics_create(arena);
    c->model = model;
    c->options.model_path = "random.snug";
    (void)ARRAY_PUSH(arena, &model->params);
    model->name = arena_printf(arena, "%s_%llu", name, (unsigned long long)seed);
    model->defaults.mixed_precision = mixed;
    model->train = graph_create(arena, c->names);
    return (Maker){.c = c, .model = model, .graph = model->train, .seed = seed};
}

/* ---- ops ------------------------------------------------------------------------------------- */

static void infer(Maker *m, OpId id)
{
    if (!infer_op(m->graph, id, m->c->diags, m->model->defaults.mixed_precision != 0)) {
        diagnostics_print(m->c->diags, stderr, false);
        BUG("model %s is wrong", m->model->name);
    }
}

static OpId append(Maker *m, OpKind kind, const ValueId *inputs, uint32_t count)
{
    return graph_append(m->graph, kind, inputs, count, op_info[kind].name, (Span){0});
}

static ValueId finish(Maker *m, OpId id)
{
    infer(m, id);
    return graph_output(m->graph, id, 0);
}

ValueId make_unary(Maker *m, OpKind kind, ValueId x)
{
    return finish(m, append(m, kind, &x, 1));
}

static ValueId make_param(Maker *m, SnugParamKind kind, Shape shape, const char *what)
{
    ParamId param = {m->model->params.count};
    const char *name = arena_printf(m->c->arena, "%s%u", what, param.i);

    ARRAY_APPEND(m->c->arena, &m->model->params,
                 ((Param){.name = name,
                          .kind = kind,
                          .shape = shape,
                          .init_scale = 0.1f,
                          .decay = kind <= SNUG_PARAM_deconv_weight}));
    OpId id = graph_append(m->graph, OP_param, NULL, 0, name, (Span){0});
    Value *value = &m->graph->values.items[graph_output(m->graph, id, 0).i];
    value->param = param;
    value->shape = shape;
    value->type = SNUG_F32;
    return finish(m, id);
}

static ValueId make_vector(Maker *m, SnugParamKind kind, int64_t c, const char *what)
{
    return make_param(m, kind, (Shape){1, 1, 1, c}, what);
}

ValueId make_conv(Maker *m, ValueId x, int64_t channels, int32_t kernel, int32_t stride)
{
    Shape shape = {channels, kernel, kernel, shape_of(m, x).c};
    ValueId w = make_param(m, SNUG_PARAM_conv_weight, shape, "conv_weight");
    OpId id = append(m, OP_conv, (ValueId[]){x, w}, 2);
    Op *op = &m->graph->ops.items[id.i];

    op->kernel = kernel;
    op->stride = stride;
    op->pad = (kernel - 1) / 2;
    return finish(m, id);
}

/* A side of x grows to stride * x + (0 .. stride - 1), or a little less or more. */
ValueId make_deconv(Maker *m, ValueId x, int64_t channels)
{
    int32_t kernel = (int32_t)draw(m, 2, 4), stride = (int32_t)draw(m, 1, 2);
    Shape shape = {shape_of(m, x).c, kernel, kernel, channels};
    ValueId w = make_param(m, SNUG_PARAM_deconv_weight, shape, "deconv_weight");
    OpId id = append(m, OP_deconv, (ValueId[]){x, w}, 2);
    Op *op = &m->graph->ops.items[id.i];

    op->kernel = kernel;
    op->stride = stride;
    op->pad = (kernel - 1) / 2;
    op->output_pad = (int32_t)draw(m, 0, stride - 1);
    return finish(m, id);
}

ValueId make_bias(Maker *m, ValueId x)
{
    ValueId b = make_vector(m, SNUG_PARAM_bias, shape_of(m, x).c, "bias");

    return finish(m, append(m, OP_bias, (ValueId[]){x, b}, 2));
}

ValueId make_bn(Maker *m, ValueId x, bool is_frozen)
{
    Shape s = shape_of(m, x);
    ValueId inputs[] = {
        x,
        make_vector(m, SNUG_PARAM_bn_gamma, s.c, "gamma"),
        make_vector(m, SNUG_PARAM_bn_beta, s.c, "beta"),
        make_vector(m, SNUG_PARAM_running_mean, s.c, "mean"),
        make_vector(m, SNUG_PARAM_running_var, s.c, "var"),
    };
    OpId id =
        is_frozen ? append(m, OP_bn_frozen, inputs + 1, 4) : append(m, OP_bn_stats, inputs, 5);
    Op *op = &m->graph->ops.items[id.i];

    op->bn = (SnugBn){.eps = 1e-5f, .momentum = 0.125f, .frozen = is_frozen};
    ValueId stats = finish(m, id);
    return finish(m, append(m, OP_bn_apply, (ValueId[]){x, stats}, 2));
}

ValueId make_some_bn(Maker *m, ValueId x)
{
    Shape s = shape_of(m, x);
    bool is_frozen = s.n * s.h * s.w < 8 || draw(m, 0, 3) == 0;

    return make_bn(m, x, is_frozen);
}

static ValueId make_scale(Maker *m, ValueId x)
{
    OpId id = append(m, OP_scale, &x, 1);

    m->graph->ops.items[id.i].number = (float)draw(m, -4, 4) * 0.25f + 0.125f;
    return finish(m, id);
}

ValueId make_window(Maker *m, OpKind kind, ValueId x)
{
    bool halves = draw(m, 0, 1) == 0 && shape_of(m, x).h >= 2 && shape_of(m, x).w >= 2;
    OpId id = append(m, kind, &x, 1);
    Op *op = &m->graph->ops.items[id.i];

    op->kernel = halves ? 2 : 3;
    op->stride = halves ? 2 : (int32_t)draw(m, 1, 2);
    op->pad = (op->kernel - 1) / 2;
    return finish(m, id);
}

ValueId make_resample(Maker *m, OpKind kind, ValueId x, int32_t factor)
{
    OpId id = append(m, kind, &x, 1);

    m->graph->ops.items[id.i].factor = factor;
    return finish(m, id);
}

ValueId make_add(Maker *m, const ValueId *xs, uint32_t count)
{
    return finish(m, append(m, OP_add, xs, count));
}

ValueId make_concat(Maker *m, const ValueId *xs, uint32_t count)
{
    return finish(m, append(m, OP_concat, xs, count));
}

ValueId make_batch_input(Maker *m, InputKind kind, Shape shape, SnugType type, const char *name)
{
    OpId id = graph_append(m->graph, OP_input, NULL, 0, name, (Span){0});
    Value *value = &m->graph->values.items[graph_output(m->graph, id, 0).i];

    value->input = kind;
    value->shape = shape;
    value->type = type;
    return finish(m, id);
}

ValueId make_normalize(Maker *m, ValueId picture)
{
    OpId id = append(m, OP_normalize, &picture, 1);
    Op *op = &m->graph->ops.items[id.i];

    memcpy(op->mean, (float[]){0.485f, 0.456f, 0.406f}, sizeof op->mean);
    memcpy(op->std, (float[]){0.229f, 0.224f, 0.225f}, sizeof op->std);
    return finish(m, id);
}

void make_loss(Maker *m, ValueId heat, const SnugLoss *loss)
{
    Model *model = m->model;
    Shape s = shape_of(m, heat);

    model->heat = heat;
    model->landmarks = s.c;
    model->loss_attributes = *loss;
    model->points =
        make_batch_input(m, INPUT_landmarks, (Shape){1, s.n, s.c, 3}, SNUG_F32, "points");
    model->image_weights =
        make_batch_input(m, INPUT_image_weights, (Shape){1, 1, 1, s.n}, SNUG_F32, "image_weights");
    OpId id = append(m, OP_heatmap_loss, (ValueId[]){heat, model->points}, 2);
    m->graph->ops.items[id.i].loss = *loss;
    ValueId map_loss = finish(m, id);
    id = append(m, OP_loss_combine, (ValueId[]){map_loss, model->points, model->image_weights}, 3);
    m->graph->ops.items[id.i].loss = *loss;
    model->loss = finish(m, id);
}

/* ---- every op -------------------------------------------------------------------------------- */

OpRole op_role(OpKind kind)
{
    switch (kind) {
    case OP_normalize: return ROLE_picture;
    case OP_conv:
    case OP_deconv: return ROLE_product;
    case OP_max_pool: return ROLE_window;
    case OP_bias:
    case OP_bn_apply:
    case OP_relu:
    case OP_sigmoid:
    case OP_scale:
    case OP_add: return ROLE_pointwise;
    case OP_upsample:
    case OP_bilinear:
    case OP_concat: return ROLE_resampler;
    case OP_bn_grad_apply:
    case OP_relu_grad:
    case OP_sigmoid_grad:
    case OP_slice: return ROLE_gradient;
    case OP_input:
    case OP_param:
    case OP_bn_stats:
    case OP_bn_frozen:
    case OP_heatmap_loss:
    case OP_loss_combine:
    case OP_decode:
    case OP_conv_dgrad:
    case OP_conv_wgrad:
    case OP_channel_sum:
    case OP_bn_grad_stats:
    case OP_max_pool_grad:
    case OP_upsample_grad:
    case OP_bilinear_grad:
    case OP_heatmap_loss_grad:
    case OP_COUNT: return ROLE_none;
    }
    BUG("op %d is none", (int)kind);
}

bool is_placeable(OpKind kind)
{
    return op_role(kind) != ROLE_none && op_role(kind) != ROLE_picture;
}

/* dx = A dy + B x + C with numbers of its own for A, B and C. */
static ValueId make_bn_grad_apply(Maker *m, ValueId dy, ValueId x)
{
    Shape rows = {1, 1, 3, shape_of(m, dy).c};
    ValueId coefficients = make_param(m, SNUG_PARAM_bias, rows, "coefficients");

    return finish(m, append(m, OP_bn_grad_apply, (ValueId[]){dy, x, coefficients}, 3));
}

/* All channels but the first, and as many of x, so that the channels stay as many. */
static ValueId make_slice(Maker *m, ValueId x)
{
    int64_t channels = shape_of(m, x).c;
    ValueId twice = make_concat(m, (ValueId[]){x, x}, 2);
    OpId id = append(m, OP_slice, &twice, 1);
    Op *op = &m->graph->ops.items[id.i];

    op->channel = 1;
    op->like = (Shape){.c = channels};
    return finish(m, id);
}

/* An op that reads tensors alone and has no attributes. */
static ValueId make_plain(Maker *m, OpKind kind, ValueId x, ValueId other)
{
    ValueId inputs[] = {x, other, other};
    uint32_t count = op_info[kind].inputs < 0 ? 2 : (uint32_t)op_info[kind].inputs;

    if (count > COUNT_OF(inputs))
        BUG("tests/model/maker.c: make_op does not know how to make %s", op_info[kind].name);
    return finish(m, append(m, kind, inputs, count));
}

ValueId make_op(Maker *m, OpKind kind, ValueId x, ValueId other)
{
    if (kind == OP_conv)
        return make_conv(m, x, shape_of(m, x).c, 3, 1);
    if (kind == OP_deconv)
        return make_deconv(m, x, shape_of(m, x).c);
    if (kind == OP_bias)
        return make_bias(m, x);
    if (kind == OP_bn_apply)
        return make_some_bn(m, x);
    if (kind == OP_scale)
        return make_scale(m, x);
    if (kind == OP_upsample || kind == OP_bilinear)
        return make_resample(m, kind, x, 2);
    if (kind == OP_bn_grad_apply)
        return make_bn_grad_apply(m, x, other);
    if (kind == OP_slice)
        return make_slice(m, x);
    if (op_role(kind) == ROLE_window)
        return make_window(m, kind, x);
    return make_plain(m, kind, x, other);
}
