/* The builtin functions: what a model file can call, and what each appends to the graph.
 *
 * One row of the table a function: its parameters with kinds, defaults and limits; the arguments
 * arrive checked. An op with parameters makes them below its path:
 *
 *     bn(z) as layer1[0].bn1      layer1.0.bn1.weight  .bias  .running_mean  .running_var
 */
#include <math.h>

#include "compiler/graph/graph.h"
#include "elaborate.h"

enum { MAX_OPS = 100 * 1000 };
static const int64_t MAX_TOTAL_BYTES = (int64_t)1 << 55;
static const int64_t MAX_KERNEL = 255; /* the limit of shapes.c */

static const Op no_attributes;

/* ---- appending ------------------------------------------------------------------------------- */

static bool check_op_count(Elaborator *e, Span at)
{
    if (e->graph->ops.count <= MAX_OPS)
        return true;
    error_at(e->diags, ERROR_E073, at, "the model has more than %d ops", MAX_OPS);
    note_calls(e);
    e->is_exhausted = true;
    return false;
}

/* A shape of [1, 2^31) and 2^48 bytes has passed infer_op; the sum of many must stay small too. */
static bool add_bytes(Elaborator *e, Shape s, Span at)
{
    e->total_bytes += 4 * s.n * s.h * s.w * s.c;
    if (e->total_bytes <= MAX_TOTAL_BYTES)
        return true;
    error_at(e->diags, ERROR_E076, at,
             "the tensors of the model have more than 2^55 bytes together");
    note_calls(e);
    e->is_exhausted = true;
    return false;
}

static void copy_attributes(Op *op, const Op *from)
{
    op->kernel = from->kernel;
    op->stride = from->stride;
    op->pad = from->pad;
    op->output_pad = from->output_pad;
    op->factor = from->factor;
    op->number = from->number;
    op->bn = from->bn;
    op->loss = from->loss;
    for (int c = 0; c < 3; c++) {
        op->mean[c] = from->mean[c];
        op->std[c] = from->std[c];
    }
}

/* Below "tensors of different shapes": what brings them together. */
static void note_remedy(Elaborator *e, const ValueId *inputs, uint32_t count)
{
    Shape first = e->graph->values.items[inputs[0].i].shape;

    for (uint32_t k = 1; k < count; k++) {
        Shape other = e->graph->values.items[inputs[k].i].shape;
        if (other.h != first.h || other.w != first.w) {
            note_sizes_that_work(e);
            return;
        }
    }
    note(e->diags, "conv(x, %lld, 1) gives a tensor %lld channels", (long long)first.c,
         (long long)first.c);
}

Datum append_op(Elaborator *e, const Node *node, OpKind kind, const ValueId *inputs,
                uint32_t input_count, const char *name, const Op *attributes)
{
    if (!check_op_count(e, node->span))
        return unknown_datum();
    OpId id = graph_append(e->graph, kind, inputs, input_count, name, node->span);
    copy_attributes(&e->graph->ops.items[id.i], attributes);
    ValueId output = graph_output(e->graph, id, 0);
    if (!infer_op(e->graph, id, e->diags, e->model->defaults.mixed_precision != 0)) {
        if (kind == OP_add || kind == OP_concat)
            note_remedy(e, inputs, input_count);
        note_calls(e);
        e->is_exhausted |= e->trial_height != 0;
        return unknown_datum();
    }
    Shape shape = e->graph->values.items[output.i].shape;
    if (shape.n == 0 || !add_bytes(e, shape, node->span))
        return unknown_datum();
    return (Datum){.kind = DATUM_tensor, .tensor = output};
}

static Datum append_unary(Elaborator *e, const BuiltinCall *call, OpKind kind, const Op *attributes)
{
    return append_op(e, call->node, kind, &call->arguments[0].tensor, 1, call->path, attributes);
}

static Shape shape_of(const Elaborator *e, Datum tensor)
{
    return e->graph->values.items[tensor.tensor.i].shape;
}

/* The parameter "path.suffix", as a value of the graph. Returns value 0 after an error. */
static ValueId append_param(Elaborator *e, const BuiltinCall *call, const char *suffix,
                            const Param *form)
{
    const char *name = join_path(e, call->path, suffix);
    const Param *other = map_get(&e->params, name);

    if (!check_op_count(e, call->node->span))
        return (ValueId){0};
    if (other != NULL) {
        error_at(e->diags, ERROR_E061, call->node->span, "two parameters are called \"%s\"", name);
        note_at(e->diags, other->source, "the other is made here");
        note(e->diags, "a path names one op: in a loop give it a number, as in `%s as block[k]`",
             call->node->name);
        note_calls(e);
        return (ValueId){0};
    }
    OpId id = graph_append(e->graph, OP_param, NULL, 0, name, call->node->span);
    ValueId value = graph_output(e->graph, id, 0);
    e->graph->values.items[value.i].shape = form->shape;
    e->graph->values.items[value.i].type = SNUG_F32;
    e->graph->values.items[value.i].param = (ParamId){e->model->params.count};
    if (!infer_op(e->graph, id, e->diags, true)) {
        note_calls(e);
        return (ValueId){0};
    }
    if (!add_bytes(e, form->shape, call->node->span))
        return (ValueId){0};
    Param *param = arena_new(e->arena, Param);
    *param = *form;
    param->name = name;
    param->source = call->node->span;
    ARRAY_APPEND(e->arena, &e->model->params, *param);
    map_set(&e->params, e->arena, name, param);
    return value;
}

static ValueId append_vector(Elaborator *e, const BuiltinCall *call, const char *suffix,
                             SnugParamKind kind, int64_t channels)
{
    return append_param(e, call, suffix, &(Param){.kind = kind, .shape = {1, 1, 1, channels}});
}

/* ---- convolutions ---------------------------------------------------------------------------- */

static int32_t whole_argument(const BuiltinCall *call, uint32_t k)
{
    return (int32_t)call->arguments[k].number;
}

/* Adds the bias of a conv or deconv. */
static Datum append_bias(Elaborator *e, const BuiltinCall *call, Datum y)
{
    if (y.kind == DATUM_unknown)
        return y;
    ValueId bias = append_vector(e, call, "bias", SNUG_PARAM_bias, shape_of(e, y).c);
    if (bias.i == 0)
        return unknown_datum();
    return append_op(e, call->node, OP_bias, (ValueId[]){y.tensor, bias}, 2, call->path,
                     &no_attributes);
}

/* Standard deviation of the normal that weights start from: `init`, or Kaiming's by fan-out,
 * sqrt(2 / (out k k)), with which signals keep their size through convolutions and ReLUs. */
static float initial_scale(int64_t out, int64_t kernel, double init)
{
    return init > 0 ? (float)init
                    : (float)sqrt(2.0 / ((double)out * (double)kernel * (double)kernel));
}

/* conv(x, channels, kernel, stride, bias, init): padding keeps the size of an odd kernel with
 * stride 1. The weight of a kernel that infer_op will refuse is kept small, so that the message is
 * about the kernel. */
static Datum build_conv(Elaborator *e, const BuiltinCall *call)
{
    Datum x = call->arguments[0];
    int64_t channels = whole_argument(call, 1);
    Op op = {.kernel = whole_argument(call, 2), .stride = whole_argument(call, 3)};
    int64_t side = max_i64(1, min_i64(op.kernel, MAX_KERNEL));
    bool has_bias = call->arguments[4].number != 0;
    Param form = {.kind = SNUG_PARAM_conv_weight,
                  .shape = {channels, side, side, shape_of(e, x).c},
                  .init_scale = initial_scale(channels, side, call->arguments[5].number),
                  .decay = true};

    op.pad = (op.kernel - 1) / 2;
    ValueId weight = append_param(e, call, "weight", &form);
    if (weight.i == 0)
        return unknown_datum();
    const char *name = has_bias ? join_path(e, call->path, "conv") : call->path;
    Datum y = append_op(e, call->node, OP_conv, (ValueId[]){x.tensor, weight}, 2, name, &op);
    return has_bias ? append_bias(e, call, y) : y;
}

/* deconv(x, channels, kernel, stride, bias, init): each side becomes `stride` times as long:
 *     (x - 1) stride - 2 pad + kernel + output_pad = x stride */
static Datum build_deconv(Elaborator *e, const BuiltinCall *call)
{
    Datum x = call->arguments[0];
    int64_t channels = whole_argument(call, 1);
    Op op = {.kernel = whole_argument(call, 2), .stride = whole_argument(call, 3)};
    int32_t excess = op.kernel - op.stride;
    int64_t side = max_i64(1, min_i64(op.kernel, MAX_KERNEL));
    bool has_bias = call->arguments[4].number != 0;
    Param form = {.kind = SNUG_PARAM_deconv_weight,
                  .shape = {shape_of(e, x).c, side, side, channels},
                  .init_scale = initial_scale(channels, side, call->arguments[5].number),
                  .decay = true};

    op.output_pad = excess < 0 ? -excess : excess % 2;
    op.pad = excess < 0 ? 0 : (excess + op.output_pad) / 2;
    ValueId weight = append_param(e, call, "weight", &form);
    if (weight.i == 0)
        return unknown_datum();
    const char *name = has_bias ? join_path(e, call->path, "deconv") : call->path;
    Datum y = append_op(e, call->node, OP_deconv, (ValueId[]){x.tensor, weight}, 2, name, &op);
    return has_bias ? append_bias(e, call, y) : y;
}

/* ---- batch norm ------------------------------------------------------------------------------ */

static Datum build_bn(Elaborator *e, const BuiltinCall *call)
{
    Datum x = call->arguments[0];
    bool is_frozen = call->arguments[3].number != 0;
    Op op = {.bn = {.eps = (float)call->arguments[1].number,
                    .momentum = (float)call->arguments[2].number,
                    .frozen = is_frozen}};
    static const struct {
        const char *suffix;
        SnugParamKind kind;
    } vectors[] = {{"weight", SNUG_PARAM_bn_gamma},
                   {"bias", SNUG_PARAM_bn_beta},
                   {"running_mean", SNUG_PARAM_running_mean},
                   {"running_var", SNUG_PARAM_running_var}};
    ValueId inputs[1 + COUNT_OF(vectors)] = {x.tensor};

    for (uint32_t k = 0; k < COUNT_OF(vectors); k++) {
        inputs[1 + k] =
            append_vector(e, call, vectors[k].suffix, vectors[k].kind, shape_of(e, x).c);
        if (inputs[1 + k].i == 0)
            return unknown_datum();
    }
    const char *name = join_path(e, call->path, "stats");
    Datum stats = is_frozen ? append_op(e, call->node, OP_bn_frozen, inputs + 1, 4, name, &op)
                            : append_op(e, call->node, OP_bn_stats, inputs, 5, name, &op);
    if (stats.kind == DATUM_unknown)
        return stats;
    return append_op(e, call->node, OP_bn_apply, (ValueId[]){x.tensor, stats.tensor}, 2, call->path,
                     &no_attributes);
}

/* ---- pointwise, pooling, resampling ---------------------------------------------------------- */

static Datum build_relu(Elaborator *e, const BuiltinCall *call)
{
    return append_unary(e, call, OP_relu, &no_attributes);
}

static Datum build_sigmoid(Elaborator *e, const BuiltinCall *call)
{
    return append_unary(e, call, OP_sigmoid, &no_attributes);
}

static Datum build_max_pool(Elaborator *e, const BuiltinCall *call)
{
    int32_t kernel = whole_argument(call, 1);
    Op op = {.kernel = kernel, .stride = whole_argument(call, 2), .pad = (kernel - 1) / 2};

    return append_unary(e, call, OP_max_pool, &op);
}

static Datum build_upsample(Elaborator *e, const BuiltinCall *call)
{
    return append_unary(e, call, OP_upsample, &(Op){.factor = whole_argument(call, 1)});
}

static Datum build_bilinear(Elaborator *e, const BuiltinCall *call)
{
    return append_unary(e, call, OP_bilinear, &(Op){.factor = whole_argument(call, 1)});
}

/* Three numbers from a list, or their defaults where it was not given. */
static bool read_rgb(Elaborator *e, const BuiltinCall *call, uint32_t k, const double *preset,
                     float *rgb)
{
    const Datum *list = &call->arguments[k];
    const char *name = k == 1 ? "mean" : "std";
    bool fits = list->count == 3 || list->items == NULL;

    for (uint32_t c = 0; c < list->count; c++) {
        if (list->items[c].kind == DATUM_unknown)
            return false;
        fits &= list->items[c].kind == DATUM_number && (k == 1 || list->items[c].number > 0);
    }
    if (!fits) {
        error_at(e->diags, ERROR_E058, call->node->span, "%s of normalize is not three numbers%s",
                 name, k == 1 ? "" : " above 0");
        note(e->diags, "one for red, green and blue, with 1 for white: %s = [%s, %s, %s]", name,
             number_text(e, preset[0]), number_text(e, preset[1]), number_text(e, preset[2]));
        note_calls(e);
        return false;
    }
    for (uint32_t c = 0; c < 3; c++)
        rgb[c] = (float)(list->items == NULL ? preset[c] : list->items[c].number);
    return true;
}

/* Mean and standard deviation of ImageNet, as in torchvision. */
static Datum build_normalize(Elaborator *e, const BuiltinCall *call)
{
    static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
    Op op = {0};

    if (!read_rgb(e, call, 1, mean, op.mean) || !read_rgb(e, call, 2, std, op.std))
        return unknown_datum();
    return append_unary(e, call, OP_normalize, &op);
}

/* ---- several tensors ------------------------------------------------------------------------- */

/* Whether the list has items, all of one kind; unknown items say nothing. */
static bool check_items(Elaborator *e, const BuiltinCall *call, const Datum *list, DatumKind kind)
{
    if (list->count == 0) {
        error_at(e->diags, ERROR_E060, call->node->span, "%s of an empty list", call->node->name);
        note(e->diags, "a range a .. b is empty where b is smaller than a");
        note_calls(e);
        return false;
    }
    for (uint32_t k = 0; k < list->count; k++) {
        if (list->items[k].kind == DATUM_unknown)
            return false;
        if (list->items[k].kind == kind)
            continue;
        error_at(e->diags, ERROR_E051, call->node->span, "item %u of the list that %s takes is %s",
                 k, call->node->name, describe(e, list->items[k]));
        if (k > 0)
            note(e->diags, "item 0 is %s", describe(e, list->items[0]));
        note_calls(e);
        return false;
    }
    return true;
}

static Datum append_nary(Elaborator *e, const BuiltinCall *call, OpKind kind)
{
    const Datum *list = &call->arguments[0];

    if (!check_items(e, call, list, DATUM_tensor))
        return unknown_datum();
    if (list->count == 1)
        return list->items[0];
    ValueId *inputs = arena_array(e->arena, ValueId, list->count);
    for (uint32_t k = 0; k < list->count; k++)
        inputs[k] = list->items[k].tensor;
    const char *path = call->path != NULL ? call->path : count_unnamed(e, call->node->name);
    return append_op(e, call->node, kind, inputs, list->count, path, &no_attributes);
}

static Datum build_concat(Elaborator *e, const BuiltinCall *call)
{
    return append_nary(e, call, OP_concat);
}

static Datum build_sum(Elaborator *e, const BuiltinCall *call)
{
    const Datum *list = &call->arguments[0];
    double total = 0;

    if (list->count == 0 || list->items[0].kind != DATUM_number)
        return append_nary(e, call, OP_add);
    if (!check_items(e, call, list, DATUM_number))
        return unknown_datum();
    for (uint32_t k = 0; k < list->count; k++)
        total += list->items[k].number;
    return number_datum(total);
}

/* "add_2", as for ops that no `as` names. */
Datum add_tensors(Elaborator *e, const Node *node, Datum a, Datum b)
{
    return append_op(e, node, OP_add, (ValueId[]){a.tensor, b.tensor}, 2, count_unnamed(e, "add"),
                     &no_attributes);
}

Datum scale_tensor(Elaborator *e, const Node *node, Datum x, double factor)
{
    return append_op(e, node, OP_scale, &x.tensor, 1, count_unnamed(e, "scale"),
                     &(Op){.number = (float)factor});
}

/* ---- losses ---------------------------------------------------------------------------------- */

static Datum build_gaussian(Elaborator *e, const BuiltinCall *call)
{
    const Value *points = &e->graph->values.items[call->arguments[0].tensor.i];

    if (points->storage != STORAGE_input || points->input != INPUT_landmarks) {
        error_at(e->diags, ERROR_E113, call->node->span,
                 "gaussian draws around \"%s\", which is no set of landmarks", points->name);
        note(e->diags, "declare points : landmarks[batch_size, landmarks] in `train` and write "
                       "gaussian(points, sigma = 2)");
        note_calls(e);
        return unknown_datum();
    }
    return (Datum){.kind = DATUM_target,
                   .tensor = call->arguments[0].tensor,
                   .number = call->arguments[1].number};
}

/* Input pixels a heat-map pixel, the same along both sides and whole; 0 after an error. */
static float heat_stride(Elaborator *e, const BuiltinCall *call, Shape heat)
{
    int64_t height = e->model->image_height, width = e->model->image_width;

    if (height % heat.h == 0 && width % heat.w == 0 && height / heat.h == width / heat.w)
        return (float)(height / heat.h);
    error_at(e->diags, ERROR_E090, call->node->span,
             "heat maps of %lldx%lld do not divide an image of %lldx%lld", (long long)heat.h,
             (long long)heat.w, (long long)height, (long long)width);
    note(e->diags, "a pixel of a heat map stands for a square of whole pixels of the image");
    note_sizes_that_work(e);
    note_calls(e);
    e->is_exhausted |= e->trial_height != 0;
    return 0;
}

static Datum append_loss(Elaborator *e, const BuiltinCall *call, SnugLoss loss)
{
    Datum heat = call->arguments[0], target = call->arguments[1];

    loss.sigma = (float)target.number;
    loss.stride = heat_stride(e, call, shape_of(e, heat));
    if (loss.stride == 0)
        return unknown_datum();
    Datum maps = append_op(e, call->node, OP_heatmap_loss, (ValueId[]){heat.tensor, target.tensor},
                           2, call->path, &(Op){.loss = loss});
    if (maps.kind == DATUM_tensor)
        maps.kind = DATUM_loss;
    return maps;
}

static Datum build_mse(Elaborator *e, const BuiltinCall *call)
{
    return append_loss(e, call, (SnugLoss){.kind = SNUG_LOSS_mse});
}

static Datum build_adaptive_wing(Elaborator *e, const BuiltinCall *call)
{
    return append_loss(e, call,
                       (SnugLoss){.kind = SNUG_LOSS_adaptive_wing,
                                  .omega = (float)call->arguments[2].number,
                                  .theta = (float)call->arguments[3].number,
                                  .epsilon = (float)call->arguments[4].number,
                                  .alpha = (float)call->arguments[5].number,
                                  .weighted = call->arguments[6].number != 0});
}

static Datum build_ohkm(Elaborator *e, const BuiltinCall *call)
{
    return append_loss(e, call, (SnugLoss){.kind = SNUG_LOSS_ohkm, .top = whole_argument(call, 2)});
}

/* ---- numbers and lists ----------------------------------------------------------------------- */

static Datum build_indices(Elaborator *e, const BuiltinCall *call)
{
    uint32_t count = call->arguments[0].count;
    Datum *items = arena_array(e->arena, Datum, count);

    for (uint32_t k = 0; k < count; k++)
        items[k] = number_datum(k);
    e->steps += count;
    return (Datum){.kind = DATUM_list, .count = count, .items = items};
}

static Datum build_length(Elaborator *e, const BuiltinCall *call)
{
    (void)e;
    return number_datum(call->arguments[0].count);
}

static Datum build_min(Elaborator *e, const BuiltinCall *call)
{
    (void)e;
    return number_datum(fmin(call->arguments[0].number, call->arguments[1].number));
}

static Datum build_max(Elaborator *e, const BuiltinCall *call)
{
    (void)e;
    return number_datum(fmax(call->arguments[0].number, call->arguments[1].number));
}

static Datum build_floor(Elaborator *e, const BuiltinCall *call)
{
    (void)e;
    return number_datum(floor(call->arguments[0].number));
}

static Datum build_sqrt(Elaborator *e, const BuiltinCall *call)
{
    (void)e;
    return number_datum(sqrt(call->arguments[0].number));
}

static Datum build_log2(Elaborator *e, const BuiltinCall *call)
{
    (void)e;
    return number_datum(log2(call->arguments[0].number));
}

/* ---- the table ------------------------------------------------------------------------------- */

/* clang-format off */
#define TENSOR(name)              {name, ARGUMENT_tensor, false, 0, 0, 0}
#define LIST(name)                {name, ARGUMENT_list, false, 0, 0, 0}
#define LIST_OR_DEFAULT(name)     {name, ARGUMENT_list, true, 0, 0, 0}
#define TARGET(name)              {name, ARGUMENT_target, false, 0, 0, 0}
#define NUMBER(name, least, most) {name, ARGUMENT_number, false, 0, least, most}
#define WHOLE(name, least, most)  {name, ARGUMENT_whole, false, 0, least, most}
#define OPTION(name, preset, least, most)       {name, ARGUMENT_number, true, preset, least, most}
#define WHOLE_OPTION(name, preset, least, most) {name, ARGUMENT_whole, true, preset, least, most}
#define FLAG(name, preset)                      {name, ARGUMENT_flag, true, preset, 0, 1}
/* clang-format on */

/* shapes.c narrows what geometry can do; here a number only has to fit its type. */
#define MOST  2147483647
#define LARGE 1e300

const Builtin builtins[] = {
    {"conv",
     build_conv,
     true,
     {TENSOR("x"), WHOLE("channels", 1, MOST), WHOLE_OPTION("kernel", 3, -MOST, MOST),
      WHOLE_OPTION("stride", 1, -MOST, MOST), FLAG("bias", 0), OPTION("init", 0, 0, 100)}},
    {"deconv",
     build_deconv,
     true,
     {TENSOR("x"), WHOLE("channels", 1, MOST), WHOLE_OPTION("kernel", 4, 0, 65535),
      WHOLE_OPTION("stride", 2, 0, 65535), FLAG("bias", 0), OPTION("init", 0, 0, 100)}},
    {"bn",
     build_bn,
     true,
     {TENSOR("x"), OPTION("eps", 1e-5, 1e-12, 1), OPTION("momentum", 0.1, 0, 1),
      FLAG("frozen", 0)}},
    {"relu", build_relu, true, {TENSOR("x")}},
    {"sigmoid", build_sigmoid, true, {TENSOR("x")}},
    {"max_pool",
     build_max_pool,
     true,
     {TENSOR("x"), WHOLE_OPTION("kernel", 2, -MOST, MOST), WHOLE_OPTION("stride", 2, -MOST, MOST)}},
    {"upsample", build_upsample, true, {TENSOR("x"), WHOLE("factor", -MOST, MOST)}},
    {"bilinear", build_bilinear, true, {TENSOR("x"), WHOLE("factor", -MOST, MOST)}},
    {"concat", build_concat, false, {LIST("tensors")}},
    {"sum", build_sum, false, {LIST("items")}},
    {"normalize",
     build_normalize,
     true,
     {TENSOR("image"), LIST_OR_DEFAULT("mean"), LIST_OR_DEFAULT("std")}},
    {"gaussian", build_gaussian, false, {TENSOR("points"), NUMBER("sigma", 0.1, 1000)}},
    {"mse", build_mse, true, {TENSOR("heat"), TARGET("target")}},
    {"adaptive_wing",
     build_adaptive_wing,
     true,
     {TENSOR("heat"), TARGET("target"), OPTION("omega", 14, 1e-6, 1e6),
      OPTION("theta", 0.5, 1e-6, 1e6), OPTION("epsilon", 1, 1e-6, 1e6),
      OPTION("alpha", 2.1, 1.000001, 100), FLAG("weighted", 1)}},
    {"ohkm",
     build_ohkm,
     true,
     {TENSOR("heat"), TARGET("target"), WHOLE_OPTION("top", 8, -MOST, MOST)}},
    {"indices", build_indices, false, {LIST("items")}},
    {"length", build_length, false, {LIST("items")}},
    {"min", build_min, false, {NUMBER("a", -LARGE, LARGE), NUMBER("b", -LARGE, LARGE)}},
    {"max", build_max, false, {NUMBER("a", -LARGE, LARGE), NUMBER("b", -LARGE, LARGE)}},
    {"floor", build_floor, false, {NUMBER("x", -LARGE, LARGE)}},
    {"sqrt", build_sqrt, false, {NUMBER("x", 0, LARGE)}},
    {"log2", build_log2, false, {NUMBER("x", 1e-300, LARGE)}},
};
const uint32_t builtin_count = COUNT_OF(builtins);
