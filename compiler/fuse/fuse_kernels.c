/* Kernels: one for each stored value, and the small ones.
 *
 * Order of args: what the prologues load, in the order of the code; the weights; what the epilogue
 * loads; the result; the partials. Small kernels have theirs as listed at SnugKernelKind; the
 * accumulated arg of sum_combine and conv_wgrad is their output_arg.
 */

#include <string.h>

#include "compiler/target/tiles.h"
#include "fusion.h"

enum { MAX_PARTS_AN_IMAGE = 64, MIN_PIXELS_A_PARTIAL = 128, MAX_IN_PLACE_ARG = 32 };

/* What a reducing op's kernel has collected; value 0: nothing yet. */
typedef struct Partials {
    ValueId value;
    SnugTile tile;
} Partials;

/* ---- finishing ------------------------------------------------------------------------------- */

/* Moves what the builder has collected into a kernel of the set. */
static Kernel *push_kernel(KernelBuilder *builder, const Op *op, SnugKernel code)
{
    Fusion *fusion = builder->fusion;
    Kernel kernel = {
        .code = code,
        .args = builder->values.items,
        .label = op->name,
        .source = op->source,
        .is_backward = op->is_backward,
        .may_repeat = code.output_arg >= 0,
    };

    kernel.code.args = builder->args.items;
    kernel.code.arg_count = (int32_t)builder->args.count;
    for (uint32_t a = 0; a < builder->args.count; a++)
        if (builder->args.items[a].access == SNUG_ACCUMULATE)
            kernel.may_repeat = false;
    ARRAY_APPEND(fusion->arena, &fusion->set->kernels, kernel);
    return &fusion->set->kernels.items[fusion->set->kernels.count - 1];
}

static SnugShape small_shape(Shape shape)
{
    return (SnugShape){(int32_t)shape.n, (int32_t)shape.h, (int32_t)shape.w, (int32_t)shape.c};
}

static SnugShape shape_of(const Fusion *fusion, ValueId value)
{
    return small_shape(value_at(fusion, value)->shape);
}

/* "conv3x3_s2_64_128_256x256": what it is, for people; emission makes it unique. */
static const char *kernel_name(const Fusion *fusion, const char *kind, const SnugWindow *window,
                               SnugShape result)
{
    if (window->kernel == 0)
        return arena_printf(fusion->arena, "%s_%d_%dx%d", kind, result.c, result.h, result.w);
    return arena_printf(fusion->arena, "%s%dx%d_s%d_%d_%d_%dx%d", kind, window->kernel,
                        window->kernel, window->stride, window->x.c, window->y.c, window->y.h,
                        window->y.w);
}

/* Read arg a may die into the result where each element is read, in the epilogue, just before it is
 * written, and by nothing else. */
static uint32_t in_place_args(const Fusion *fusion, const Kernel *kernel)
{
    const SnugKernel *code = &kernel->code;
    const SnugArg *out = &code->args[code->output_arg];
    uint32_t mask = 0;

    if (code->part_count != 1)
        return 0;
    for (int32_t a = 0; a < code->arg_count && a < MAX_IN_PLACE_ARG; a++) {
        const SnugArg *arg = &code->args[a];
        if (arg->access == SNUG_READ && a != code->weight_arg && arg->type == out->type
            && arg->pitch == out->pitch && memcmp(&arg->shape, &out->shape, sizeof arg->shape) == 0
            && value_at(fusion, kernel->args[a])->storage == STORAGE_arena)
            mask |= (uint32_t)1 << a;
    }
    for (int side = 0; side < 2; side++)
        for (int32_t r = 0; r < code->in[side].count; r++)
            if (code->in[side].code[r].arg < MAX_IN_PLACE_ARG)
                mask &= ~((uint32_t)1 << code->in[side].code[r].arg);
    for (int32_t r = 0; r < code->parts[0].out.count; r++) {
        const SnugPoint *point = &code->parts[0].out.code[r];
        bool is_here = point->op == SNUG_POINT_load && point->factor == 1 && point->channel == 0;
        if (point_reads_arg(point) && !is_here && point->arg < MAX_IN_PLACE_ARG)
            mask &= ~((uint32_t)1 << point->arg);
    }
    return mask;
}

/* ---- reductions ------------------------------------------------------------------------------ */

/* On a card: what a block of the kernel makes. */
static SnugTile reduction_tile(const KernelBuilder *builder, const SnugKernel *kernel)
{
    const Target *target = builder->fusion->target;
    SnugKernel so_far = *kernel;
    ConvTile tile;

    so_far.args = builder->args.items;
    if ((kernel->kind == SNUG_KERNEL_conv || kernel->kind == SNUG_KERNEL_conv_dgrad)
        && target->tile.rows > 0 && choose_conv_tile(target->card, &so_far, &tile))
        return tile.block;
    return target->tile;
}

static int64_t tile_parts(Shape shape, SnugTile tile)
{
    int64_t down = (shape.h + tile.rows - 1) / tile.rows;
    int64_t across = (shape.w + tile.columns - 1) / tile.columns;

    return shape.n * down * across;
}

/* Picture rows a partial covers: a function of the shape alone, so that sums are the same for any
 * number of threads. The least divisor of the height that gives at most 64 partials an image, each
 * of at least 128 pixels where there are as many. */
static int32_t rows_per_partial(Shape shape)
{
    for (int64_t rows = 1; rows < shape.h; rows++)
        if (shape.h % rows == 0 && shape.h / rows <= MAX_PARTS_AN_IMAGE
            && rows * shape.w >= MIN_PIXELS_A_PARTIAL)
            return (int32_t)rows;
    return (int32_t)shape.h;
}

static SnugReductionKind reduction_kind(OpKind kind)
{
    if (kind == OP_bn_stats)
        return SNUG_REDUCE_moments;
    return kind == OP_channel_sum ? SNUG_REDUCE_sum : SNUG_REDUCE_grad;
}

/* The value for the partials of a reducing op: f32 {1, P, rows, c}. */
static ValueId append_partials(Fusion *fusion, const Op *op, SnugTile tile)
{
    Graph *graph = fusion->graph;
    Shape x = value_at(fusion, op->inputs[0])->shape;
    int64_t parts = tile.rows > 0 ? tile_parts(x, tile) : x.n * (x.h / rows_per_partial(x));
    Value partials = {
        .name = arena_printf(fusion->arena, "%s.partials", op->name),
        .shape = {1, parts, op->kind == OP_channel_sum ? 1 : 2, x.c},
        .type = SNUG_F32,
        .storage = STORAGE_arena,
        .maker = value_at(fusion, op->outputs[0])->maker,
        .source = op->source,
    };

    ARRAY_APPEND(graph->arena, &graph->values, partials);
    return (ValueId){graph->values.count - 1};
}

/* Reductions [first, first + count) of `list` into a kernel that is being built. The x-hats are
 * computed before the result, which must be last. */
static void emit_reductions(KernelBuilder *builder, Code *code, SnugKernel *kernel,
                            const OpList *list, uint32_t first, uint32_t count, SnugTile tile)
{
    for (uint32_t k = 0; k < count; k++) {
        const Op *op = op_at(builder->fusion, list->items[first + k]);
        SnugReduction *reduction = &kernel->reductions[k];
        *reduction = (SnugReduction){
            .kind = reduction_kind(op->kind),
            .rows_per_partial = rows_per_partial(value_at(builder->fusion, op->inputs[0])->shape),
            .tile = tile,
        };
        if (tile.rows > 0)
            reduction->rows_per_partial = 0;
        if (reduction->kind == SNUG_REDUCE_grad)
            reduction->with = emit_xhat(builder, code, op->inputs[1], op->inputs[2]);
    }
    kernel->reduction_count = (int32_t)count;
}

/* The args for the partials come last. */
static void add_partial_args(KernelBuilder *builder, SnugKernel *kernel, const OpList *list,
                             uint32_t first, Partials *partials)
{
    for (int32_t k = 0; k < kernel->reduction_count; k++) {
        OpId op = list->items[first + (uint32_t)k];
        SnugTile tile = kernel->reductions[k].tile;
        partials[op.i].value = append_partials(builder->fusion, op_at(builder->fusion, op), tile);
        partials[op.i].tile = tile;
        kernel->reductions[k].arg = builder_arg(builder, partials[op.i].value, SNUG_WRITE);
    }
}

/* ---- kernels of stored values ---------------------------------------------------------------- */

static SnugKernelKind core_kind(OpKind kind)
{
    switch (kind) {
    case OP_conv: return SNUG_KERNEL_conv;
    case OP_deconv: return SNUG_KERNEL_conv_dgrad;
    case OP_conv_dgrad: return SNUG_KERNEL_conv_dgrad;
    case OP_conv_wgrad: return SNUG_KERNEL_conv_wgrad;
    case OP_max_pool: return SNUG_KERNEL_max_pool;
    case OP_max_pool_grad: return SNUG_KERNEL_max_pool_grad;
    case OP_upsample_grad: return SNUG_KERNEL_upsample_grad;
    case OP_bilinear_grad: return SNUG_KERNEL_bilinear_grad;
    default: BUG("%s is no core", op_info[kind].name);
    }
}

/* Geometry in the sense of the forward op: x large, y small, but for resampling. */
static SnugWindow core_window(const Fusion *fusion, const Op *op)
{
    SnugWindow window = {.kernel = op->kernel, .stride = op->stride, .pad = op->pad};
    const KernelInfo *info = &kernel_info[core_kind(op->kind)];
    SnugShape out = shape_of(fusion, op->outputs[0]);

    if (info->result != SNUG_DOMAIN_none)
        *(info->result == SNUG_DOMAIN_x ? &window.x : &window.y) = out;
    for (int side = 0; side < 2; side++)
        if (info->in[side] != SNUG_DOMAIN_none)
            *(info->in[side] == SNUG_DOMAIN_x ? &window.x : &window.y) =
                shape_of(fusion, op->inputs[side]);
    if (op->kind == OP_upsample_grad || op->kind == OP_bilinear_grad)
        window.kernel = window.stride = op->factor;
    return window;
}

static const char *core_name(const Op *op)
{
    return op->kind == OP_conv_dgrad   ? "dgrad"
           : op->kind == OP_conv_wgrad ? "wgrad"
                                       : op_info[op->kind].name;
}

/* The weights as the matrix product reads them: on a card in half precision the half copy. */
static ValueId product_weight(Fusion *fusion, ValueId weight)
{
    Graph *graph = fusion->graph;
    Value half = *value_at(fusion, weight);

    if (fusion->target->device != DEVICE_cuda || fusion->target->half != SNUG_F16)
        return weight;
    for (uint32_t v = 1; v < graph->values.count; v++)
        if (graph->values.items[v].storage == STORAGE_half
            && graph->values.items[v].param.i == half.param.i)
            return (ValueId){v};
    half.name = arena_printf(fusion->arena, "%s.half", half.name);
    half.storage = STORAGE_half;
    half.type = SNUG_F16;
    ARRAY_APPEND(graph->arena, &graph->values, half);
    return (ValueId){graph->values.count - 1};
}

/* Prologues, weights, geometry: what a core needs before its epilogue. */
static SnugKernel begin_core(KernelBuilder *builder, const Op *op)
{
    Fusion *fusion = builder->fusion;
    SnugKernel kernel = {
        .kind = core_kind(op->kind),
        .output_arg = -1,
        .weight_arg = -1,
        .window = core_window(fusion, op),
    };
    ValueId weight = {0};
    int side = 0;

    for (uint32_t k = 0; k < op->input_count; k++) {
        if (value_at(fusion, op->inputs[k])->storage == STORAGE_param) {
            weight = product_weight(fusion, op->inputs[k]);
            continue;
        }
        Code code = {0};
        int16_t result = emit_value(builder, &code, op->inputs[k]);
        kernel.in[side++] = finish_code(builder, &code, result);
    }
    if (weight.i != 0)
        kernel.weight_arg = builder_arg(builder, weight, SNUG_READ);
    kernel.name = kernel_name(fusion, core_name(op), &kernel.window, kernel.window.y);
    return kernel;
}

/* conv_wgrad: no epilogue, adds to the gradient. */
static void build_wgrad(Fusion *fusion, const Op *op)
{
    KernelBuilder builder = {.fusion = fusion, .is_backward = op->is_backward};
    SnugKernel kernel = begin_core(&builder, op);

    kernel.output_arg = builder_arg(&builder, op->outputs[0], SNUG_ACCUMULATE);
    push_kernel(&builder, op, kernel);
}

/* The kernel that stores `value`: a core with an epilogue, or a map of one part.
 *
 *     core ->  epilogue: ops up to value's maker  ->  value, and partials of its reductions      */
static void build_stored(Fusion *fusion, ValueId value, Partials *partials)
{
    KernelBuilder builder = {.fusion = fusion};
    OpId core = fusion->core[value.i];
    const Op *op = core.i != 0 ? op_at(fusion, core) : maker_of(fusion, value);
    const OpList *list = &fusion->reductions[value.i];
    uint32_t collected = fusion->is_off ? 0 : list->count;
    SnugKernel kernel;
    Code code = {0};
    SnugPart *part = arena_new(fusion->arena, SnugPart);
    SnugShape shape = shape_of(fusion, value);

    builder.is_backward = op->is_backward;
    if (core.i != 0) {
        kernel = begin_core(&builder, op);
        builder.core = op->outputs[0];
    } else {
        kernel = (SnugKernel){.kind = SNUG_KERNEL_map, .weight_arg = -1, .window.y = shape};
        kernel.name = kernel_name(fusion, "map", &kernel.window, shape);
    }
    emit_reductions(&builder, &code, &kernel, list, 0,
                    collected < SNUG_MAX_REDUCTIONS ? collected : SNUG_MAX_REDUCTIONS,
                    reduction_tile(&builder, &kernel));
    part->channel_count = shape.c;
    part->out = emit_result(&builder, &code, value);
    kernel.parts = part;
    kernel.part_count = 1;
    kernel.output_arg = builder_arg(&builder, value, SNUG_WRITE);
    add_partial_args(&builder, &kernel, list, 0, partials);
    Kernel *done = push_kernel(&builder, op, kernel);
    done->in_place = in_place_args(fusion, done);
}

/* concat: a map with one part an input.
 *
 *     channels   0 ......... a ...... a + b
 *                relu(bn(z)) | up(y)              each part's code is its input's expression     */
static void build_concat(Fusion *fusion, const Op *op)
{
    KernelBuilder builder = {.fusion = fusion};
    SnugPart *parts = arena_array(fusion->arena, SnugPart, op->input_count);
    SnugKernel kernel = {.kind = SNUG_KERNEL_map, .weight_arg = -1, .parts = parts};
    int32_t begin = 0;

    kernel.window.y = shape_of(fusion, op->outputs[0]);
    kernel.part_count = (int32_t)op->input_count;
    kernel.name = kernel_name(fusion, "concat", &kernel.window, kernel.window.y);
    for (uint32_t k = 0; k < op->input_count; k++) {
        Code code = {0};
        int16_t result = emit_value(&builder, &code, op->inputs[k]);
        parts[k].channel_begin = begin;
        parts[k].channel_count = (int32_t)value_at(fusion, op->inputs[k])->shape.c;
        parts[k].out = finish_code(&builder, &code, result);
        begin += parts[k].channel_count;
    }
    kernel.output_arg = builder_arg(&builder, op->outputs[0], SNUG_WRITE);
    push_kernel(&builder, op, kernel);
}

/* Reductions [first, ...) of a value, at most as many as one kernel takes, by a map that stores
 * nothing else. Returns how many. */
static uint32_t build_reduce(Fusion *fusion, ValueId value, const OpList *list, uint32_t first,
                             Partials *partials)
{
    KernelBuilder builder = {.fusion = fusion};
    const Op *op = op_at(fusion, list->items[first]);
    SnugPart *part = arena_new(fusion->arena, SnugPart);
    SnugKernel kernel = {.kind = SNUG_KERNEL_map,
                         .output_arg = -1,
                         .weight_arg = -1,
                         .parts = part,
                         .part_count = 1};
    uint32_t count = list->count - first;
    Code code = {0};

    builder.is_backward = op->is_backward;
    if (count > SNUG_MAX_REDUCTIONS)
        count = SNUG_MAX_REDUCTIONS;
    kernel.window.y = shape_of(fusion, value);
    kernel.name = kernel_name(fusion, "reduce", &kernel.window, kernel.window.y);
    emit_reductions(&builder, &code, &kernel, list, first, count,
                    reduction_tile(&builder, &kernel));
    part->channel_count = kernel.window.y.c;
    part->out = finish_code(&builder, &code, emit_value(&builder, &code, value));
    add_partial_args(&builder, &kernel, list, first, partials);
    push_kernel(&builder, op, kernel);
    return count;
}

/* ---- small kernels --------------------------------------------------------------------------- */

typedef enum FixedFrom { FROM_nothing, FROM_partials, FROM_input, FROM_output } FixedFrom;

typedef struct FixedSource {
    FixedFrom from;
    uint32_t k;
} FixedSource;

/* The values of the args that kernels.def lists for a kind, by the op that it is made of. */
typedef struct SmallKernel {
    SnugKernelKind kind;
    FixedSource sources[SNUG_MAX_FIXED_ARGS];
} SmallKernel;

#define PARTIALS                                                                                   \
    {                                                                                              \
        FROM_partials, 0                                                                           \
    }
#define IN(k)                                                                                      \
    {                                                                                              \
        FROM_input, k                                                                              \
    }
#define OUT(k)                                                                                     \
    {                                                                                              \
        FROM_output, k                                                                             \
    }
static const SmallKernel small_kernels[OP_COUNT] = {
    [OP_bn_stats] = {SNUG_KERNEL_bn_combine, {PARTIALS, IN(1), IN(2), IN(3), IN(4), OUT(0)}},
    [OP_bn_frozen] = {SNUG_KERNEL_bn_frozen, {IN(0), IN(1), IN(2), IN(3), OUT(0)}},
    [OP_bn_grad_stats] = {SNUG_KERNEL_bn_grad_combine,
                          {PARTIALS, IN(2), IN(3), OUT(1), OUT(2), OUT(0)}},
    [OP_channel_sum] = {SNUG_KERNEL_sum_combine, {PARTIALS, OUT(0)}},
    [OP_heatmap_loss] = {SNUG_KERNEL_heatmap_loss, {IN(0), IN(1), OUT(0)}},
    [OP_loss_combine] = {SNUG_KERNEL_loss_combine, {IN(0), IN(1), IN(2), OUT(0), OUT(1)}},
    [OP_heatmap_loss_grad] = {SNUG_KERNEL_heatmap_loss_grad, {IN(0), IN(1), IN(2), OUT(0)}},
    [OP_decode] = {SNUG_KERNEL_decode, {IN(0), OUT(0)}},
};
#undef PARTIALS
#undef IN
#undef OUT

bool small_kernel_reads(OpKind kind, uint32_t k)
{
    const FixedSource *sources = small_kernels[kind].sources;

    for (int a = 0; a < SNUG_MAX_FIXED_ARGS; a++)
        if (sources[a].from == FROM_input && sources[a].k == k)
            return true;
    return false;
}

static ValueId fixed_value(const Op *op, const Partials *partials, FixedSource source)
{
    switch (source.from) {
    case FROM_nothing: break;
    case FROM_partials: return partials->value;
    case FROM_input: return op->inputs[source.k];
    case FROM_output: return op->outputs[source.k];
    }
    BUG("%s: no kernel for %s", op->name, op_info[op->kind].name);
}

static void build_small(Fusion *fusion, const Op *op, Partials partials)
{
    KernelBuilder builder = {.fusion = fusion};
    const SmallKernel *small = &small_kernels[op->kind];
    const KernelInfo *info = &kernel_info[small->kind];
    SnugKernel kernel = {.kind = small->kind, .weight_arg = -1, .bn = op->bn, .loss = op->loss};
    Shape x = value_at(fusion, op->inputs[0])->shape;

    kernel.bn.count = op->kind == OP_bn_stats || op->kind == OP_bn_grad_stats ? x.n * x.h * x.w : 0;
    kernel.bn.tile = partials.tile;
    if (partials.tile.rows > 0)
        kernel.window.y = small_shape(x);
    if (small->sources[0].from == FROM_nothing)
        BUG("%s: no kernel for %s", op->name, op_info[op->kind].name);
    for (int32_t a = 0; info->args[a].name != NULL; a++)
        kernel.output_arg = builder_arg(&builder, fixed_value(op, &partials, small->sources[a]),
                                        info->args[a].access);
    kernel.name = kernel_name(fusion, info->name, &kernel.window, builder.args.items[0].shape);
    push_kernel(&builder, op, kernel);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool is_reducing(OpKind kind)
{
    return kind == OP_bn_stats || kind == OP_bn_grad_stats || kind == OP_channel_sum;
}

/* Some kernel with one part stores the value: its epilogue can collect. */
static bool can_collect(const Fusion *fusion, ValueId value)
{
    OpKind maker = maker_of(fusion, value)->kind;

    return !fusion->is_off && fusion->place[value.i] == PLACE_memory
           && (fusion->core[value.i].i != 0 || (op_info[maker].traits & POINTWISE) != 0);
}

static void list_reductions(Fusion *fusion)
{
    fusion->reductions = arena_array(fusion->scratch, OpList, fusion->graph->values.count);
    for (uint32_t j = 0; j < fusion->order.count; j++) {
        OpId op = fusion->order.items[j];
        if (is_reducing(op_at(fusion, op)->kind))
            ARRAY_APPEND(fusion->scratch, &fusion->reductions[op_at(fusion, op)->inputs[0].i], op);
    }
}

/* The partials of a reducing op that no kernel collects yet, with those of its fellows. */
static void collect_late(Fusion *fusion, OpId op, Partials *partials)
{
    ValueId value = op_at(fusion, op)->inputs[0];
    const OpList *list = &fusion->reductions[value.i];
    uint32_t first = can_collect(fusion, value) ? SNUG_MAX_REDUCTIONS : 0;

    while (partials[op.i].value.i == 0)
        first += build_reduce(fusion, value, list, first, partials);
}

/* Ensures: kernels in an order in which makers precede users: each stands where the op stood that
 * makes its result, and all that its other ops read was made before that. */
void build_kernels(Fusion *fusion)
{
    Partials *partials = arena_array(fusion->scratch, Partials, fusion->graph->ops.count);

    list_reductions(fusion);
    for (uint32_t j = 0; j < fusion->order.count; j++) {
        OpId id = fusion->order.items[j];
        const Op *op = op_at(fusion, id);
        bool is_pointwise = (op_info[op->kind].traits & POINTWISE) != 0;

        if (is_reducing(op->kind))
            collect_late(fusion, id, partials);
        if (op->kind == OP_conv_wgrad)
            build_wgrad(fusion, op);
        else if (op->kind == OP_concat)
            build_concat(fusion, op);
        else if (!is_pointwise && !has_epilogue(op->kind))
            build_small(fusion, op, partials[id.i]);
        else if (fusion->place[op->outputs[0].i] == PLACE_memory)
            build_stored(fusion, op->outputs[0], partials);
        else
            fusion->set->absorbed++;
    }
}
