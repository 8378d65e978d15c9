/* Shapes and types: what each op makes of what it reads.
 *
 * One function a kind of op. What a user can get wrong is reported with both numbers and where they
 * come from; what only the compiler can get wrong (the length of a batch norm's gamma, say) is a
 * BUG. After a report the outputs stay unknown, and ops that read something unknown are silent, so
 * that one mistake gives one message.
 *
 * Types: pictures are u8; activations and their gradients f16 where precision is mixed, else f32;
 * vectors, parameters, losses and the heat maps that a loss reads are always f32.
 */
#include "graph.h"

enum { MAX_FACTOR = 64 };
static const int64_t MAX_DIMENSION = INT32_MAX;
static const int64_t MAX_BYTES = (int64_t)1 << 48;

typedef struct Inference {
    Graph *graph;
    const Op *op;
    Diagnostics *diags;
    SnugType activation; /* f16 or f32 */
} Inference;

static const Value *input_value(const Inference *in, uint32_t k)
{
    return &in->graph->values.items[in->op->inputs[k].i];
}

static Shape input_shape(const Inference *in, uint32_t k)
{
    return input_value(in, k)->shape;
}

static bool is_known(Shape shape)
{
    return shape.n != 0;
}

static bool is_equal(Shape a, Shape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

static const char *shape_text(const Inference *in, Shape s)
{
    return arena_printf(in->graph->arena, "%lldx%lldx%lldx%lld", (long long)s.n, (long long)s.h,
                        (long long)s.w, (long long)s.c);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* Each dimension in [1, 2^31), bytes below 2^48 even where channels are padded to 64 in f32. */
static bool is_within_limits(Shape s)
{
    int64_t bytes = 4;

    return s.n >= 1 && s.n <= MAX_DIMENSION && s.h >= 1 && s.h <= MAX_DIMENSION && s.w >= 1
           && s.w <= MAX_DIMENSION && s.c >= 1 && s.c <= MAX_DIMENSION
           && checked_mul(bytes, s.n, &bytes) && checked_mul(bytes, s.h, &bytes)
           && checked_mul(bytes, s.w, &bytes) && checked_mul(bytes, align_up(s.c, 64), &bytes)
           && bytes < MAX_BYTES;
}

static bool check_limits(const Inference *in, Shape shape)
{
    if (is_within_limits(shape))
        return true;
    error_at(in->diags, ERROR_E100, in->op->source, "\"%s\" would be a tensor of %s", in->op->name,
             shape_text(in, shape));
    note(in->diags, "each size must be at least 1 and below 2^31, and a tensor below 2^48 bytes");
    return false;
}

static bool set_output(const Inference *in, uint32_t k, Shape shape, SnugType type)
{
    if (!check_limits(in, shape))
        return false;
    Value *value = &in->graph->values.items[in->op->outputs[k].i];
    value->shape = shape;
    value->type = type;
    return true;
}

static bool set_activation(const Inference *in, Shape shape)
{
    return set_output(in, 0, shape, in->activation);
}

/* ---- what an input must be ------------------------------------------------------------------- */

/* Pictures and landmarks have their own readers; every other op reads activations. */
static bool check_activation(const Inference *in, uint32_t k)
{
    const Value *value = input_value(in, k);
    const char *name = op_info[in->op->kind].name;

    if (value->storage != STORAGE_input || value->input == INPUT_tensor)
        return true;
    if (value->input == INPUT_picture) {
        error_at(in->diags, ERROR_E101, in->op->source, "%s reads the picture \"%s\" as it is",
                 name, value->name);
        note(in->diags, "its values are bytes: write normalize(%s)", value->name);
    } else {
        error_at(in->diags, ERROR_E102, in->op->source, "%s reads the landmarks \"%s\"", name,
                 value->name);
        note(in->diags, "landmarks go into a loss: mse(heat, gaussian(%s, sigma = 2))",
             value->name);
    }
    return false;
}

/* A vector that the compiler itself made to go with another tensor. */
static void expect_shape(const Inference *in, uint32_t k, Shape expected)
{
    if (!is_equal(input_shape(in, k), expected))
        BUG("%s \"%s\": input %u is %s, not %s", op_info[in->op->kind].name, in->op->name, k,
            shape_text(in, input_shape(in, k)), shape_text(in, expected));
}

static Shape vector(int64_t rows, int64_t channels)
{
    return (Shape){1, 1, rows, channels};
}

/* ---- why two sizes differ -------------------------------------------------------------------- */

/* Follows the first inputs back from `value` to the op that lost a remainder: 33 rows by stride 2
 * give 17, which come back as 34. Returns 0 where no op did. */
static OpId find_uneven(const Graph *graph, ValueId value)
{
    OpId found = {0};

    for (OpId id = graph->values.items[value.i].maker; id.i != 0;) {
        const Op *op = &graph->ops.items[id.i];
        if (op->input_count == 0)
            break;
        const Value *x = &graph->values.items[op->inputs[0].i];
        if ((op->kind == OP_conv || op->kind == OP_max_pool) && op->stride > 1
            && (x->shape.h % op->stride != 0 || x->shape.w % op->stride != 0))
            found = id;
        id = x->maker;
    }
    return found;
}

/* The notes below "a and b have different sizes": where each comes from, and what lost a row. */
static void note_sizes(const Inference *in, uint32_t a, uint32_t b)
{
    const Graph *graph = in->graph;
    uint32_t sides[2] = {a, b};

    for (int side = 0; side < 2; side++) {
        const Value *value = input_value(in, sides[side]);
        note_at(in->diags, value->source, "\"%s\" is %s", value->name,
                shape_text(in, value->shape));
    }
    for (int side = 0; side < 2; side++) {
        OpId id = find_uneven(graph, in->op->inputs[sides[side]]);
        if (id.i == 0)
            continue;
        const Op *op = &graph->ops.items[id.i];
        Shape x = graph->values.items[op->inputs[0].i].shape;
        Shape y = graph->values.items[op->outputs[0].i].shape;
        note_at(in->diags, op->source,
                "\"%s\" makes %lldx%lld of %lldx%lld, which %d does not divide: choose an image "
                "size that stays even down to here",
                op->name, (long long)y.h, (long long)y.w, (long long)x.h, (long long)x.w,
                op->stride);
        return;
    }
}

/* ---- forward --------------------------------------------------------------------------------- */

static bool infer_source(const Inference *in)
{
    const Value *value = &in->graph->values.items[in->op->outputs[0].i];

    return check_limits(in, value->shape);
}

static bool infer_normalize(const Inference *in)
{
    const Value *x = input_value(in, 0);

    if (x->type != SNUG_U8) {
        error_at(in->diags, ERROR_E103, in->op->source,
                 "normalize reads \"%s\", which is no picture", x->name);
        note(in->diags, "normalize maps the bytes of a picture to numbers; declare one in `train`: "
                        "image : picture[batch_size, image_size, image_size, 3]");
        return false;
    }
    if (x->shape.c != 3) {
        error_at(in->diags, ERROR_E104, x->source, "the picture \"%s\" has %lld channel%s", x->name,
                 (long long)x->shape.c, x->shape.c == 1 ? "" : "s");
        note(in->diags, "pictures are read as red, green, blue: write 3");
        return false;
    }
    return set_activation(in, x->shape);
}

/* The output of a window along one side, or 0 where the window does not fit. */
static int64_t windows_along(const Op *op, int64_t size)
{
    int64_t room = size + 2 * (int64_t)op->pad - op->kernel;

    return room < 0 ? 0 : room / op->stride + 1;
}

static bool check_window(const Inference *in)
{
    const Op *op = in->op;
    const char *name = op_info[op->kind].name;

    if (op->kernel < 1 || op->stride < 1 || op->pad < 0 || op->kernel > 255 || op->stride > 255) {
        error_at(in->diags, ERROR_E105, op->source, "%s has kernel %d and stride %d", name,
                 op->kernel, op->stride);
        note(in->diags, "both must be between 1 and 255");
        return false;
    }
    return true;
}

static bool infer_windowed(const Inference *in, int64_t channels)
{
    const Op *op = in->op;
    Shape x = input_shape(in, 0);
    Shape y = {x.n, windows_along(op, x.h), windows_along(op, x.w), channels};

    if (y.h == 0 || y.w == 0) {
        error_at(in->diags, ERROR_E106, op->source,
                 "%s has a window of %dx%d but \"%s\" has %lldx%lld pixels", op_info[op->kind].name,
                 op->kernel, op->kernel, input_value(in, 0)->name, (long long)x.h, (long long)x.w);
        note(in->diags, "with padding %d a side must be at least %d", op->pad,
             op->kernel - 2 * op->pad);
        return false;
    }
    return set_activation(in, y);
}

static bool infer_conv(const Inference *in)
{
    Shape x = input_shape(in, 0), w = input_shape(in, 1);

    if (!check_window(in))
        return false;
    expect_shape(in, 1, (Shape){w.n, in->op->kernel, in->op->kernel, x.c});
    return infer_windowed(in, w.n);
}

static bool infer_max_pool(const Inference *in)
{
    if (!check_window(in))
        return false;
    if (2 * in->op->pad > in->op->kernel)
        BUG("max_pool \"%s\" has windows of padding alone", in->op->name);
    return infer_windowed(in, input_shape(in, 0).c);
}

static int64_t deconv_side(const Op *op, int64_t size)
{
    return (size - 1) * op->stride - 2 * (int64_t)op->pad + op->kernel + op->output_pad;
}

static bool infer_deconv(const Inference *in)
{
    const Op *op = in->op;
    Shape x = input_shape(in, 0), w = input_shape(in, 1);

    if (!check_window(in))
        return false;
    expect_shape(in, 1, (Shape){x.c, op->kernel, op->kernel, w.c});
    Shape y = {x.n, deconv_side(op, x.h), deconv_side(op, x.w), w.c};
    if (y.h < 1 || y.w < 1 || op->output_pad < 0 || op->output_pad >= op->stride) {
        error_at(in->diags, ERROR_E105, op->source,
                 "deconv with kernel %d, stride %d and output padding %d makes %lldx%lld of "
                 "%lldx%lld",
                 op->kernel, op->stride, op->output_pad, (long long)y.h, (long long)y.w,
                 (long long)x.h, (long long)x.w);
        note(in->diags, "the result needs at least one pixel; kernel 4 and stride 2 double a side");
        return false;
    }
    return set_activation(in, y);
}

static bool infer_bias(const Inference *in)
{
    Shape x = input_shape(in, 0);

    expect_shape(in, 1, vector(1, x.c));
    return set_activation(in, x);
}

static bool infer_bn_stats(const Inference *in)
{
    Shape x = input_shape(in, 0);
    int64_t count = x.n * x.h * x.w; /* below MAX_BYTES */

    for (uint32_t k = 1; k < 5; k++)
        expect_shape(in, k, vector(1, x.c));
    if (count < 2) {
        error_at(in->diags, ERROR_E107, in->op->source,
                 "bn has one value a channel to normalise: \"%s\" is %s", input_value(in, 0)->name,
                 shape_text(in, x));
        note(in->diags, "a variance needs at least two: a larger image or batch, or frozen = 1");
        return false;
    }
    in->graph->ops.items[in->graph->values.items[in->op->outputs[0].i].maker.i].bn.count = count;
    return set_output(in, 0, vector(4, x.c), SNUG_F32);
}

static bool infer_bn_frozen(const Inference *in)
{
    Shape gamma = input_shape(in, 0);

    for (uint32_t k = 0; k < 4; k++)
        expect_shape(in, k, vector(1, gamma.c));
    return set_output(in, 0, vector(4, gamma.c), SNUG_F32);
}

static bool infer_bn_apply(const Inference *in)
{
    Shape x = input_shape(in, 0);

    expect_shape(in, 1, vector(4, x.c));
    return set_activation(in, x);
}

static bool infer_add(const Inference *in)
{
    Shape first = input_shape(in, 0);

    for (uint32_t k = 1; k < in->op->input_count; k++) {
        if (is_equal(input_shape(in, k), first))
            continue;
        error_at(in->diags, ERROR_E108, in->op->source,
                 "a sum of tensors of different shapes: %s and %s", shape_text(in, first),
                 shape_text(in, input_shape(in, k)));
        note_sizes(in, 0, k);
        return false;
    }
    return set_activation(in, first);
}

static bool infer_concat(const Inference *in)
{
    Shape y = input_shape(in, 0);

    for (uint32_t k = 1; k < in->op->input_count; k++) {
        Shape x = input_shape(in, k);
        if (x.n != y.n || x.h != y.h || x.w != y.w) {
            error_at(in->diags, ERROR_E109, in->op->source,
                     "a concat of tensors of different sizes: %lldx%lldx%lld and %lldx%lldx%lld",
                     (long long)y.n, (long long)y.h, (long long)y.w, (long long)x.n, (long long)x.h,
                     (long long)x.w);
            note_sizes(in, 0, k);
            return false;
        }
        if (!checked_add(y.c, x.c, &y.c))
            y.c = INT64_MAX;
    }
    return set_activation(in, y);
}

static bool infer_resample(const Inference *in)
{
    Shape x = input_shape(in, 0);
    int32_t factor = in->op->factor;

    if (factor < 1 || factor > MAX_FACTOR) {
        error_at(in->diags, ERROR_E110, in->op->source, "%s by a factor of %d",
                 op_info[in->op->kind].name, factor);
        note(in->diags, "the factor must be between 1 and %d", MAX_FACTOR);
        return false;
    }
    return set_activation(in, (Shape){x.n, x.h * factor, x.w * factor, x.c});
}

/* ---- losses ---------------------------------------------------------------------------------- */

static bool infer_heatmap_loss(const Inference *in)
{
    Value *heat = &in->graph->values.items[in->op->inputs[0].i];
    const Value *points = input_value(in, 1);
    const SnugLoss *loss = &in->op->loss;

    if (points->storage != STORAGE_input || points->input != INPUT_landmarks) {
        error_at(in->diags, ERROR_E113, in->op->source, "the loss takes its target from \"%s\"",
                 points->name);
        note(in->diags, "a target is drawn from landmarks: declare points : landmarks[batch_size, "
                        "landmarks] and write gaussian(points, sigma = 2)");
        return false;
    }
    if (heat->shape.c != points->shape.w) {
        error_at(in->diags, ERROR_E112, in->op->source,
                 "the heat maps have %lld channels but there are %lld landmarks",
                 (long long)heat->shape.c, (long long)points->shape.w);
        note_at(in->diags, heat->source, "\"%s\" is %s: give it one channel a landmark", heat->name,
                shape_text(in, heat->shape));
        return false;
    }
    if (heat->shape.n != points->shape.h) {
        error_at(in->diags, ERROR_E111, in->op->source,
                 "the batch size of the heat maps is %lld but that of the landmarks %lld",
                 (long long)heat->shape.n, (long long)points->shape.h);
        note_at(in->diags, points->source, "declare both with the same batch size");
        return false;
    }
    if (loss->kind == SNUG_LOSS_ohkm && (loss->top < 1 || loss->top > heat->shape.c)) {
        error_at(in->diags, ERROR_E114, in->op->source, "ohkm keeps the worst %d of %lld landmarks",
                 loss->top, (long long)heat->shape.c);
        note(in->diags, "top must be between 1 and the number of landmarks");
        return false;
    }
    heat->type = SNUG_F32;
    return set_output(in, 0, vector(heat->shape.n, heat->shape.c), SNUG_F32);
}

static bool infer_loss_combine(const Inference *in)
{
    Shape map_loss = input_shape(in, 0);

    expect_shape(in, 1, (Shape){1, map_loss.w, map_loss.c, 3});
    expect_shape(in, 2, vector(1, map_loss.w));
    return set_output(in, 0, vector(1, SNUG_SCALAR_COUNT), SNUG_F32)
           && set_output(in, 1, map_loss, SNUG_F32);
}

/* ---- backward: made by autodiff, so nothing here is the user's fault ------------------------- */

static bool infer_bn_grad_stats(const Inference *in)
{
    Shape dy = input_shape(in, 0);

    expect_shape(in, 1, dy);
    expect_shape(in, 2, vector(4, dy.c));
    expect_shape(in, 3, vector(1, dy.c));
    in->graph->ops.items[in->graph->values.items[in->op->outputs[0].i].maker.i].bn.count =
        dy.n * dy.h * dy.w;
    return set_output(in, 0, vector(3, dy.c), SNUG_F32)
           && set_output(in, 1, vector(1, dy.c), SNUG_F32)
           && set_output(in, 2, vector(1, dy.c), SNUG_F32);
}

static bool infer_backward(const Inference *in)
{
    const Op *op = in->op;
    Shape dy = input_shape(in, 0);

    switch (op->kind) {
    case OP_conv_dgrad:
    case OP_upsample_grad:
    case OP_bilinear_grad: return set_activation(in, op->like);
    case OP_conv_wgrad: {
        Shape x = dy, y = input_shape(in, 1);
        return set_output(in, 0, (Shape){y.c, op->kernel, op->kernel, x.c}, SNUG_F32);
    }
    case OP_channel_sum: return set_output(in, 0, vector(1, dy.c), SNUG_F32);
    case OP_bn_grad_stats: return infer_bn_grad_stats(in);
    case OP_bn_grad_apply:
        expect_shape(in, 1, dy);
        expect_shape(in, 2, vector(3, dy.c));
        return set_activation(in, dy);
    case OP_relu_grad:
    case OP_sigmoid_grad: expect_shape(in, 1, dy); return set_activation(in, dy);
    case OP_max_pool_grad: return set_activation(in, input_shape(in, 1));
    case OP_slice: return set_activation(in, (Shape){dy.n, dy.h, dy.w, op->like.c});
    case OP_heatmap_loss_grad:
        expect_shape(in, 2, vector(dy.n, dy.c));
        return set_activation(in, dy); /* dy is the heat map here */
    default: BUG("no shape rule for \"%s\"", op->name);
    }
}

/* ---- the rules together ---------------------------------------------------------------------- */

static bool infer_forward(const Inference *in)
{
    switch (in->op->kind) {
    case OP_input:
    case OP_param: return infer_source(in);
    case OP_normalize: return infer_normalize(in);
    case OP_conv: return infer_conv(in);
    case OP_deconv: return infer_deconv(in);
    case OP_bias: return infer_bias(in);
    case OP_bn_stats: return infer_bn_stats(in);
    case OP_bn_frozen: return infer_bn_frozen(in);
    case OP_bn_apply: return infer_bn_apply(in);
    case OP_relu:
    case OP_sigmoid:
    case OP_scale: return set_activation(in, input_shape(in, 0));
    case OP_add: return infer_add(in);
    case OP_max_pool: return infer_max_pool(in);
    case OP_upsample:
    case OP_bilinear: return infer_resample(in);
    case OP_concat: return infer_concat(in);
    case OP_heatmap_loss: return infer_heatmap_loss(in);
    case OP_loss_combine: return infer_loss_combine(in);
    case OP_decode:
        return set_output(in, 0, (Shape){1, input_shape(in, 0).n, input_shape(in, 0).c, 3},
                          SNUG_F32);
    default: return infer_backward(in);
    }
}

static bool reads_activations(OpKind kind)
{
    return kind != OP_normalize && kind != OP_loss_combine && kind != OP_heatmap_loss_grad;
}

bool infer_op(Graph *graph, OpId id, Diagnostics *diags, bool mixed)
{
    const Op *op = &graph->ops.items[id.i];
    Inference in = {graph, op, diags, mixed ? SNUG_F16 : SNUG_F32};

    if (op->input_count == 0 && op_info[op->kind].inputs != 0)
        BUG("%s \"%s\" reads nothing", op_info[op->kind].name, op->name);
    for (uint32_t k = 0; k < op->input_count; k++)
        if (!is_known(input_shape(&in, k)))
            return true;
    uint32_t activations = op->kind == OP_heatmap_loss ? 1 : op->input_count;
    for (uint32_t k = 0; reads_activations(op->kind) && k < activations; k++)
        if (!check_activation(&in, k))
            return false;
    return infer_forward(&in);
}

/* Requires: elaborate's model. Ensures: every shape and type known and within the limits; the heat
 * maps f32. */
bool infer_shapes(Compilation *c)
{
    Model *model = c->model;
    Graph *graph = model->train;
    bool ok = true;

    if (c->options.full_precision)
        model->defaults.mixed_precision = 0;
    for (uint32_t o = 1; o < graph->ops.count; o++)
        ok &= infer_op(graph, (OpId){o}, c->diags, model->defaults.mixed_precision != 0);
    if (ok && model->heat.i != 0)
        graph->values.items[model->heat.i].type = SNUG_F32;
    return ok;
}
