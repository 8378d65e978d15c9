/* Random models, grown by blocks. A block takes a tensor and gives one, so that whatever is drawn,
 * every parameter leads to the loss:
 *
 *     chain      x ---> op ---> y
 *     residual   x ---> op ---> op ---> + ---> y        exchange   x -+-> op ------> + ---> y
 *                 `---------------------^                             `-> s2 -> up --^
 *     concat     x ---> op, op, x itself ---> y
 *     pair       x ---> conv ---> batch norm ---> op ---> resampler ---> y
 *
 * Every op of ops.def that a model can place before a resampler comes there: one or two such pairs
 * a model, as it is the seed's turn.
 */
#include "random_graph.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "hash.h"
#include "maker.h"

/* ---- blocks ---------------------------------------------------------------------------------- */

/* One of the ops of a role. */
static OpKind draw_op(Maker *m, OpRole role)
{
    OpKind kinds[OP_COUNT];
    int64_t count = 0;

    for (int kind = 0; kind < OP_COUNT; kind++)
        if (op_role((OpKind)kind) == role)
            kinds[count++] = (OpKind)kind;
    return kinds[draw(m, 0, count - 1)];
}

/* conv and whatever may stand behind it. Keeps the size where stride is 1. */
static ValueId unit(Maker *m, ValueId x, int64_t channels, int32_t stride)
{
    ValueId y = make_conv(m, x, channels, (int32_t)draw(m, 0, 2) == 0 ? 1 : 3, stride);

    switch (draw(m, 0, 5)) {
    case 0: return y;
    case 1: return make_bias(m, y);
    case 2: return make_unary(m, OP_relu, make_bias(m, y));
    case 3: return make_some_bn(m, y);
    default: return make_unary(m, OP_relu, make_some_bn(m, y));
    }
}

/* An op that keeps the shape. */
static ValueId keep_shape(Maker *m, ValueId x)
{
    if (draw(m, 0, 1) == 0)
        return make_op(m, draw_op(m, ROLE_pointwise), x, x);
    return unit(m, x, shape_of(m, x).c, 1);
}

static ValueId block_residual(Maker *m, ValueId x)
{
    ValueId y = unit(m, keep_shape(m, x), shape_of(m, x).c, 1);
    ValueId shortcut = draw(m, 0, 2) == 0 ? unit(m, x, shape_of(m, x).c, 1) : x;

    y = make_add(m, (ValueId[]){y, shortcut, x}, draw(m, 0, 3) == 0 ? 3 : 2);
    return draw(m, 0, 2) == 0 ? y : make_unary(m, OP_relu, y);
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
        low = make_unary(m, OP_relu, make_add(m, (ValueId[]){down, low}, 2));
        high = make_add(m, (ValueId[]){high, up}, 2);
        if (draw(m, 0, 1) == 0)
            high = make_unary(m, OP_relu, high);
    }
    ValueId up = make_resample(m, OP_upsample, make_conv(m, low, c, 1, 1), 2);
    return make_add(m, (ValueId[]){high, up}, 2);
}

static ValueId block_concat(Maker *m, ValueId x)
{
    ValueId parts[3] = {unit(m, x, draw(m, 1, 4), 1), keep_shape(m, x), x};
    uint32_t count = (uint32_t)draw(m, 2, 3);

    return make_concat(m, parts, count);
}

/* Behind a batch norm, so that no core claims the op: it is stored or computed by who reads it. */
static ValueId block_pair(Maker *m, RandomPair pair, ValueId x)
{
    Shape s = shape_of(m, x);
    ValueId y = make_conv(m, x, draw(m, 1, 5), 3, s.h > 8 || s.w > 8 ? 2 : 1);

    y = make_bn(m, y, s.n * s.h * s.w < 32);
    y = make_op(m, pair.op, y, y);
    return make_op(m, pair.resampler, y, y);
}

static ValueId block_resize(Maker *m, ValueId x)
{
    Shape s = shape_of(m, x);
    int64_t what = s.h > 14 || s.w > 14 ? draw(m, 0, 2) : draw(m, 0, 6);

    switch (what) {
    case 0: return unit(m, x, draw(m, 1, 6), 2);
    case 1:
    case 2: return make_window(m, draw_op(m, ROLE_window), x);
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

static ValueId make_image(Maker *m, const RandomOptions *options, bool is_picture)
{
    Model *model = m->model;
    Shape s = {draw(m, 1, 3), draw(m, 3, 12), draw(m, 3, 12), draw(m, 1, 5)};

    if (options->only_picture || draw(m, 0, 1) == 0) {
        s.h = 4 + s.h / 2 * 2;
        s.w = 4 + s.w / 2 * 2;
    }
    s.c = is_picture ? 3 : s.c;
    model->batch_size = s.n;
    model->image_height = s.h;
    model->image_width = s.w;
    model->image = make_batch_input(m, is_picture ? INPUT_picture : INPUT_tensor, s,
                                    is_picture ? SNUG_U8 : SNUG_F32, "image");
    return is_picture ? make_normalize(m, model->image) : model->image;
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

uint32_t random_pairs(RandomPair pairs[MAX_RANDOM_PAIRS])
{
    uint32_t count = 0;

    for (int op = 0; op < OP_COUNT; op++)
        for (int resampler = 0; resampler < OP_COUNT; resampler++) {
            bool is_first = op_role((OpKind)op) == ROLE_picture;
            if ((is_first || is_placeable((OpKind)op)) && op_role((OpKind)op) != ROLE_gradient
                && op_role((OpKind)resampler) == ROLE_resampler)
                pairs[count++] = (RandomPair){(OpKind)op, (OpKind)resampler};
        }
    return count;
}

Compilation *random_model(const RandomOptions *options)
{
    Maker m = maker_create("random", options->seed, options->mixed);
    RandomPair pairs[MAX_RANDOM_PAIRS];
    uint32_t pair_count = random_pairs(pairs);
    RandomPair pair = pairs[options->seed % pair_count];
    bool pair_is_first = op_role(pair.op) == ROLE_picture && !options->no_picture;
    bool is_picture =
        options->only_picture || pair_is_first || (!options->no_picture && draw(&m, 0, 1) == 0);
    ValueId x = make_image(&m, options, is_picture);

    if (pair_is_first)
        x = make_op(&m, pair.resampler, x, x);
    int64_t blocks = options->blocks > 0 ? options->blocks : draw(&m, 1, 5);
    int64_t turn = draw(&m, 0, blocks - 1);
    for (int64_t k = 0; k < blocks; k++) {
        RandomPair own = k == turn ? pair : pairs[(options->seed + pair_count / 2) % pair_count];
        bool is_pair = k == turn || k == (turn + 1) % blocks;
        x = is_pair && is_placeable(own.op) ? block_pair(&m, own, x) : block(&m, x);
    }
    x = make_conv(&m, x, draw(&m, 1, 4), 1, 1);
    x = draw(&m, 0, 1) == 0 ? make_bias(&m, x) : keep_shape(&m, x);
    SnugLoss loss = draw_loss(&m, shape_of(&m, x).c);
    make_loss(&m, x, &loss);
    if (!infer_shapes(m.c))
        BUG("random model %llu is wrong", (unsigned long long)options->seed);
    return m.c;
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
