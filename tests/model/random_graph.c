/* Random models, grown by blocks. A block takes a tensor and gives one, so that whatever is drawn,
 * every parameter leads to the loss:
 *
 *     chain      x ---> op ---> y
 *     residual   x ---> op ---> op ---> + ---> y        exchange   x -+-> op ------> + ---> y
 *                 `---------------------^                             `-> s2 -> up --^
 *     concat     x ---> op, op, x itself ---> y
 */
#include "random_graph.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "hash.h"

typedef struct Maker {
    Compilation *c;
    Model *model;
    Graph *graph;
    const RandomOptions *options;
    uint64_t draws;
} Maker;

/* A number in [first, last]. */
static int64_t draw(Maker *m, int64_t first, int64_t last)
{
    uint64_t number = hash_number(m->options->seed, m->draws++) >> 16;

    return first + (int64_t)(number % (uint64_t)(last - first + 1));
}

static Shape shape_of(const Maker *m, ValueId x)
{
    return m->graph->values.items[x.i].shape;
}

/* ---- ops ------------------------------------------------------------------------------------- */

static void infer(Maker *m, OpId id)
{
    if (!infer_op(m->graph, id, m->c->diags, m->options->mixed)) {
        diagnostics_print(m->c->diags, stderr, false);
        BUG("random model %llu is wrong", (unsigned long long)m->options->seed);
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

static ValueId unary(Maker *m, OpKind kind, ValueId x)
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

static ValueId make_conv(Maker *m, ValueId x, int64_t channels, int32_t kernel, int32_t stride)
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
static ValueId make_deconv(Maker *m, ValueId x, int64_t channels)
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

static ValueId make_bias(Maker *m, ValueId x)
{
    ValueId b = make_vector(m, SNUG_PARAM_bias, shape_of(m, x).c, "bias");

    return finish(m, append(m, OP_bias, (ValueId[]){x, b}, 2));
}

/* Batch statistics where there are enough values for them to be well conditioned. */
static ValueId make_bn(Maker *m, ValueId x)
{
    Shape s = shape_of(m, x);
    bool is_frozen = s.n * s.h * s.w < 8 || draw(m, 0, 3) == 0;
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

static ValueId make_scale(Maker *m, ValueId x)
{
    OpId id = append(m, OP_scale, &x, 1);

    m->graph->ops.items[id.i].number = (float)draw(m, -4, 4) * 0.25f + 0.125f;
    return finish(m, id);
}

static ValueId make_pool(Maker *m, ValueId x)
{
    bool halves = draw(m, 0, 1) == 0 && shape_of(m, x).h >= 2 && shape_of(m, x).w >= 2;
    OpId id = append(m, OP_max_pool, &x, 1);
    Op *op = &m->graph->ops.items[id.i];

    op->kernel = halves ? 2 : 3;
    op->stride = halves ? 2 : (int32_t)draw(m, 1, 2);
    op->pad = (op->kernel - 1) / 2;
    return finish(m, id);
}

static ValueId make_resample(Maker *m, OpKind kind, ValueId x, int32_t factor)
{
    OpId id = append(m, kind, &x, 1);

    m->graph->ops.items[id.i].factor = factor;
    return finish(m, id);
}

static ValueId make_add(Maker *m, const ValueId *xs, uint32_t count)
{
    return finish(m, append(m, OP_add, xs, count));
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* conv and whatever may stand behind it. Keeps the size where stride is 1. */
static ValueId unit(Maker *m, ValueId x, int64_t channels, int32_t stride)
{
    ValueId y = make_conv(m, x, channels, (int32_t)draw(m, 0, 2) == 0 ? 1 : 3, stride);

    switch (draw(m, 0, 5)) {
    case 0: return y;
    case 1: return make_bias(m, y);
    case 2: return unary(m, OP_relu, make_bias(m, y));
    case 3: return make_bn(m, y);
    default: return unary(m, OP_relu, make_bn(m, y));
    }
}

/* An op that keeps the shape. */
static ValueId keep_shape(Maker *m, ValueId x)
{
    switch (draw(m, 0, 6)) {
    case 0: return unary(m, OP_relu, x);
    case 1: return unary(m, OP_sigmoid, x);
    case 2: return make_scale(m, x);
    case 3: return make_bn(m, x);
    default: return unit(m, x, shape_of(m, x).c, 1);
    }
}

static ValueId block_residual(Maker *m, ValueId x)
{
    ValueId y = unit(m, keep_shape(m, x), shape_of(m, x).c, 1);
    ValueId shortcut = draw(m, 0, 2) == 0 ? unit(m, x, shape_of(m, x).c, 1) : x;

    y = make_add(m, (ValueId[]){y, shortcut, x}, draw(m, 0, 3) == 0 ? 3 : 2);
    return draw(m, 0, 2) == 0 ? y : unary(m, OP_relu, y);
}

/* Two resolutions that exchange, as in HRNet; the sides of x are even. */
static ValueId block_exchange(Maker *m, ValueId x)
{
    int64_t c = shape_of(m, x).c, low_c = draw(m, 1, 5);
    ValueId high = keep_shape(m, x), low = unit(m, x, low_c, 2);

    for (int64_t rounds = draw(m, 1, 2); rounds > 0; rounds--) {
        OpKind kind = draw(m, 0, 1) == 0 ? OP_upsample : OP_bilinear;
        ValueId up = make_resample(m, kind, unit(m, low, c, 1), 2);
        ValueId down = unit(m, high, low_c, 2);
        low = unary(m, OP_relu, make_add(m, (ValueId[]){down, low}, 2));
        high = make_add(m, (ValueId[]){high, up}, 2);
        if (draw(m, 0, 1) == 0)
            high = unary(m, OP_relu, high);
    }
    ValueId up = make_resample(m, OP_upsample, make_conv(m, low, c, 1, 1), 2);
    return make_add(m, (ValueId[]){high, up}, 2);
}

static ValueId block_concat(Maker *m, ValueId x)
{
    ValueId parts[3] = {unit(m, x, draw(m, 1, 4), 1), keep_shape(m, x), x};
    uint32_t count = (uint32_t)draw(m, 2, 3);

    return finish(m, append(m, OP_concat, parts, count));
}

static ValueId block_resize(Maker *m, ValueId x)
{
    Shape s = shape_of(m, x);
    int64_t what = s.h > 14 || s.w > 14 ? draw(m, 0, 2) : draw(m, 0, 6);

    switch (what) {
    case 0: return unit(m, x, draw(m, 1, 6), 2);
    case 1:
    case 2: return make_pool(m, x);
    case 3:
    case 4: return make_deconv(m, x, draw(m, 1, 5));
    case 5: return make_resample(m, OP_upsample, x, (int32_t)draw(m, 2, 3));
    default: return make_resample(m, OP_bilinear, x, (int32_t)draw(m, 2, 3));
    }
}

static ValueId block(Maker *m, ValueId x)
{
    Shape s = shape_of(m, x);

    switch (draw(m, 0, 9)) {
    case 0: return keep_shape(m, x);
    case 1: return unit(m, x, draw(m, 1, 7), 1);
    case 2: return block_residual(m, x);
    case 3: return block_concat(m, x);
    case 4:
    case 5:
    case 6: return block_resize(m, x);
    default: return s.h % 2 == 0 && s.w % 2 == 0 ? block_exchange(m, x) : block_resize(m, x);
    }
}

/* ---- inputs and loss ------------------------------------------------------------------------- */

static ValueId make_input(Maker *m, InputKind kind, Shape shape, SnugType type, const char *name)
{
    OpId id = graph_append(m->graph, OP_input, NULL, 0, name, (Span){0});
    Value *value = &m->graph->values.items[graph_output(m->graph, id, 0).i];

    value->input = kind;
    value->shape = shape;
    value->type = type;
    return finish(m, id);
}

static ValueId make_image(Maker *m)
{
    Model *model = m->model;
    bool is_picture = m->options->only_picture || (!m->options->no_picture && draw(m, 0, 1) == 0);
    Shape s = {draw(m, 1, 3), draw(m, 3, 12), draw(m, 3, 12), draw(m, 1, 5)};

    if (m->options->only_picture || draw(m, 0, 1) == 0) {
        s.h = 4 + s.h / 2 * 2;
        s.w = 4 + s.w / 2 * 2;
    }
    s.c = is_picture ? 3 : s.c;
    model->batch_size = s.n;
    model->image_height = s.h;
    model->image_width = s.w;
    model->image = make_input(m, is_picture ? INPUT_picture : INPUT_tensor, s,
                              is_picture ? SNUG_U8 : SNUG_F32, "image");
    if (!is_picture)
        return model->image;
    OpId id = append(m, OP_normalize, &model->image, 1);
    Op *op = &m->graph->ops.items[id.i];
    memcpy(op->mean, (float[]){0.485f, 0.456f, 0.406f}, sizeof op->mean);
    memcpy(op->std, (float[]){0.229f, 0.224f, 0.225f}, sizeof op->std);
    return finish(m, id);
}

static SnugLoss draw_loss(Maker *m, int64_t landmarks)
{
    return (SnugLoss){
        .kind = (SnugLossKind)draw(m, 0, 2),
        .sigma = 1.5f,
        .stride = (float)draw(m, 1, 4),
        .omega = 14,
        .theta = 0.5f,
        .epsilon = 1,
        .alpha = 2.125f,
        .weighted = (int32_t)draw(m, 0, 1),
        .top = (int32_t)draw(m, 1, landmarks),
    };
}

static void make_loss(Maker *m, ValueId heat)
{
    Model *model = m->model;
    Shape s = shape_of(m, heat);
    SnugLoss loss = draw_loss(m, s.c);

    model->heat = heat;
    model->landmarks = s.c;
    model->loss_attributes = loss;
    model->points = make_input(m, INPUT_landmarks, (Shape){1, s.n, s.c, 3}, SNUG_F32, "points");
    model->image_weights =
        make_input(m, INPUT_image_weights, (Shape){1, 1, 1, s.n}, SNUG_F32, "image_weights");
    OpId id = append(m, OP_heatmap_loss, (ValueId[]){heat, model->points}, 2);
    m->graph->ops.items[id.i].loss = loss;
    ValueId map_loss = finish(m, id);
    id = append(m, OP_loss_combine, (ValueId[]){map_loss, model->points, model->image_weights}, 3);
    m->graph->ops.items[id.i].loss = loss;
    model->loss = finish(m, id);
}

Compilation *random_model(const RandomOptions *options)
{
    Arena *arena = arena_create();
    Compilation *c = arena_new(arena, Compilation);
    Model *model = arena_new(arena, Model);
    Maker m = {.c = c, .model = model, .options = options};

    c->arena = arena;
    c->scratch = arena_create();
    c->names = interner_create(arena);
    c->diags = diagnostics_create(arena);
    c->model = model;
    c->options.model_path = "random.snug";
    (void)ARRAY_PUSH(arena, &model->params);
    model->name = arena_printf(arena, "random_%llu", (unsigned long long)options->seed);
    model->defaults.mixed_precision = options->mixed;
    m.graph = model->train = graph_create(arena, c->names);

    ValueId x = make_image(&m);
    int64_t blocks = options->blocks > 0 ? options->blocks : draw(&m, 1, 5);
    for (int64_t k = 0; k < blocks; k++)
        x = block(&m, x);
    x = make_conv(&m, x, draw(&m, 1, 4), 1, 1);
    make_loss(&m, draw(&m, 0, 1) == 0 ? make_bias(&m, x) : keep_shape(&m, x));
    if (!infer_shapes(c))
        BUG("random model %llu is wrong", (unsigned long long)options->seed);
    return c;
}

void random_model_destroy(Compilation *c)
{
    arena_destroy(c->scratch);
    arena_destroy(c->arena); /* c itself lies in it */
}

/* ---- numbers --------------------------------------------------------------------------------- */

double random_param_value(const Model *model, ParamId param, uint64_t seed, int64_t index)
{
    const Param *p = &model->params.items[param.i];
    double u = hash_uniform(seed * 1000 + param.i, (uint64_t)index), scale = 0.25;

    switch (p->kind) {
    case SNUG_PARAM_conv_weight:
    case SNUG_PARAM_deconv_weight: /* about one over the root of the fan-in, a power of two */
        for (int64_t fan = p->shape.h * p->shape.w * p->shape.c; scale * scale * (double)fan < 3;)
            scale *= 2;
        while (scale * scale * (double)(p->shape.h * p->shape.w * p->shape.c) > 6)
            scale /= 2;
        return (2 * u - 1) * scale;
    case SNUG_PARAM_bn_gamma: return index % 5 == 4 ? -u - 0.25 : u + 0.25;
    case SNUG_PARAM_running_var: return u + 0.5;
    default: return u - 0.5;
    }
}

double random_input_value(const Model *model, const Value *input, uint64_t seed, int64_t index)
{
    double u = hash_uniform(seed * 1000 + 999 - input->input, (uint64_t)index);
    static const double weights[] = {1, 0.5, 1, 0};

    switch (input->input) {
    case INPUT_picture: return (double)(int)(u * 256);
    case INPUT_image_weights: return index % 2 == 0 ? 1 : 0.5;
    case INPUT_landmarks: {
        const Value *heat = &model->train->values.items[model->heat.i];
        double side = (double)(index % 3 == 0 ? heat->shape.w : heat->shape.h);
        if (index % 3 == 2)
            return weights[index / 3 % 4];
        return (float)((u * (side + 2) - 1) * (double)model->loss_attributes.stride);
    }
    case INPUT_tensor: break;
    }
    return 2 * u - 1;
}

void random_fill(Interpreter *interpreter, const Graph *graph, const Model *model, uint64_t seed)
{
    for (uint32_t p = 1; p < model->params.count; p++) {
        int64_t count = shape_count(model->params.items[p].shape);
        for (int64_t i = 0; i < count; i++) {
            interpreter_param(interpreter, (ParamId){p})[i] =
                random_param_value(model, (ParamId){p}, seed, i);
            interpreter_gradient(interpreter, (ParamId){p})[i] = 0;
        }
    }
    for (uint32_t v = 1; v < graph->values.count; v++) {
        const Value *value = &graph->values.items[v];
        for (int64_t i = 0; value->storage == STORAGE_input && i < shape_count(value->shape); i++)
            interpreter_value(interpreter, (ValueId){v})[i] =
                random_input_value(model, value, seed, i);
    }
    interpreter_scalars(interpreter)[SNUG_SCALAR_loss] = 0;
}
