/* Fusion: which values are stored, which code goes before and after a core. Graphs are built by
 * hand; `net` below is the smallest thing that reads like a model file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/fuse/fuse.h"
#include "compiler/fuse/fuse_repeat.h"
#include "compiler/graph/graph.h"

/* ---- a small language ------------------------------------------------------------------------ */

typedef struct Net {
    Compilation *c;
    Graph *graph;
    int params;
} Net;

static Net net_create(bool mixed)
{
    Arena *arena = arena_create();
    Compilation *c = arena_new(arena, Compilation);

    c->arena = arena;
    c->scratch = arena_create();
    c->names = interner_create(arena);
    c->diags = diagnostics_create(arena);
    c->model = arena_new(arena, Model);
    c->model->name = "net";
    c->model->defaults.mixed_precision = mixed;
    c->model->train = graph_create(arena, c->names);
    (void)ARRAY_PUSH(arena, &c->model->params);
    c->target = (Target){.half = mixed ? SNUG_BF16 : SNUG_F32, .pitch_multiple = 1, .threads = 2};
    return (Net){.c = c, .graph = c->model->train};
}

static void net_destroy(Net *net)
{
    Arena *arena = net->c->arena;

    arena_destroy(net->c->scratch);
    arena_destroy(arena);
}

static OpId append(Net *net, OpKind kind, const ValueId *inputs, uint32_t count)
{
    return graph_append(net->graph, kind, inputs, count, op_info[kind].name, (Span){0});
}

static Op *op_of(Net *net, OpId op)
{
    return &net->graph->ops.items[op.i];
}

static ValueId finish(Net *net, OpId op)
{
    assert_true(infer_op(net->graph, op, net->c->diags, net->c->model->defaults.mixed_precision));
    return graph_output(net->graph, op, 0);
}

static ValueId source(Net *net, OpKind kind, Shape shape, SnugType type)
{
    ValueId value = graph_output(net->graph, append(net, kind, NULL, 0), 0);

    net->graph->values.items[value.i].shape = shape;
    net->graph->values.items[value.i].type = type;
    return value;
}

static ValueId input(Net *net, InputKind kind, Shape shape, SnugType type)
{
    ValueId value = source(net, OP_input, shape, type);

    net->graph->values.items[value.i].input = kind;
    return value;
}

static ValueId param(Net *net, SnugParamKind kind, Shape shape)
{
    ValueId value = source(net, OP_param, shape, SNUG_F32);
    Param *added = ARRAY_PUSH(net->c->arena, &net->c->model->params);

    added->name = arena_printf(net->c->arena, "param%d", net->params++);
    added->kind = kind;
    added->shape = shape;
    net->graph->values.items[value.i].param.i = net->c->model->params.count - 1;
    return value;
}

static int64_t channels(const Net *net, ValueId x)
{
    return net->graph->values.items[x.i].shape.c;
}

static ValueId conv(Net *net, ValueId x, int64_t out, int kernel, int stride)
{
    Shape shape = {out, kernel, kernel, channels(net, x)};
    ValueId w = param(net, SNUG_PARAM_conv_weight, shape);
    OpId op = append(net, OP_conv, (ValueId[]){x, w}, 2);

    op_of(net, op)->kernel = kernel;
    op_of(net, op)->stride = stride;
    op_of(net, op)->pad = (kernel - 1) / 2;
    return finish(net, op);
}

static ValueId bias(Net *net, ValueId x)
{
    ValueId b = param(net, SNUG_PARAM_bias, (Shape){1, 1, 1, channels(net, x)});
    return finish(net, append(net, OP_bias, (ValueId[]){x, b}, 2));
}

static ValueId bn(Net *net, ValueId x)
{
    Shape shape = {1, 1, 1, channels(net, x)};
    ValueId inputs[5] = {
        x, param(net, SNUG_PARAM_bn_gamma, shape), param(net, SNUG_PARAM_bn_beta, shape),
        param(net, SNUG_PARAM_running_mean, shape), param(net, SNUG_PARAM_running_var, shape)};
    ValueId stats = finish(net, append(net, OP_bn_stats, inputs, 5));
    return finish(net, append(net, OP_bn_apply, (ValueId[]){x, stats}, 2));
}

static ValueId unary(Net *net, OpKind kind, ValueId x)
{
    return finish(net, append(net, kind, &x, 1));
}

static ValueId relu(Net *net, ValueId x)
{
    return unary(net, OP_relu, x);
}

static ValueId resize(Net *net, OpKind kind, ValueId x, int factor)
{
    OpId op = append(net, kind, &x, 1);
    op_of(net, op)->factor = factor;
    return finish(net, op);
}

static ValueId add(Net *net, const ValueId *inputs, uint32_t count)
{
    return finish(net, append(net, OP_add, inputs, count));
}

static ValueId unit(Net *net, ValueId x, int64_t out, int kernel, int stride)
{
    return bn(net, conv(net, x, out, kernel, stride));
}

/* relu(bn(conv(relu(bn(conv(x))))) + x): the residual block. */
static ValueId basic(Net *net, ValueId x)
{
    ValueId y = relu(net, unit(net, x, channels(net, x), 3, 1));
    y = unit(net, y, channels(net, x), 3, 1);
    return relu(net, add(net, (ValueId[]){y, x}, 2));
}

static ValueId picture(Net *net, int64_t n, int64_t side)
{
    ValueId image = input(net, INPUT_picture, (Shape){n, side, side, 3}, SNUG_U8);
    OpId op = append(net, OP_normalize, &image, 1);

    for (int c = 0; c < 3; c++)
        op_of(net, op)->std[c] = 1;
    net->c->model->image = image;
    return finish(net, op);
}

/* Loss, gradients, fusion. Returns the kernels of the micro-step. */
static const KernelSet *train(Net *net, ValueId heat)
{
    Model *model = net->c->model;
    Shape shape = net->graph->values.items[heat.i].shape;

    model->heat = heat;
    model->points = input(net, INPUT_landmarks, (Shape){1, shape.n, shape.c, 3}, SNUG_F32);
    model->image_weights = input(net, INPUT_image_weights, (Shape){1, 1, 1, shape.n}, SNUG_F32);
    ValueId maps = finish(net, append(net, OP_heatmap_loss, (ValueId[]){heat, model->points}, 2));
    model->loss = finish(net, append(net, OP_loss_combine,
                                     (ValueId[]){maps, model->points, model->image_weights}, 3));
    assert_true(differentiate(net->c));
    assert_true(simplify(net->c));
    verify_graph(model->train, model, "test");
    assert_true(fuse(net->c));
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (net->c->kernels[s] != NULL)
            verify_kernels(net->c->kernels[s], model, "test");
    return net->c->kernels[SNUG_SEGMENT_micro_step];
}

/* ---- questions ------------------------------------------------------------------------------- */

static uint32_t count_kind(const KernelSet *set, SnugKernelKind kind)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++)
        count += set->kernels.items[k].code.kind == kind;
    return count;
}

/* Tensors that forward kernels with code store. */
static uint32_t count_stored(const KernelSet *set, bool backward)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        count += kernel->is_backward == backward && kernel->code.part_count > 0
                 && kernel->code.output_arg >= 0;
    }
    return count;
}

static const Kernel *nth_of_kind(const KernelSet *set, SnugKernelKind kind, uint32_t n)
{
    for (uint32_t k = 0; k < set->kernels.count; k++)
        if (set->kernels.items[k].code.kind == kind && n-- == 0)
            return &set->kernels.items[k];
    fail_msg("no such kernel");
    return NULL;
}

static bool has_point(const SnugPointwise *code, SnugPointOp op)
{
    for (int32_t r = 0; r < code->count; r++)
        if (code->code[r].op == op)
            return true;
    return false;
}

static ValueId head(Net *net, ValueId x)
{
    return bias(net, conv(net, x, 2, 1, 1));
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* z1 -> relu(bn) -> conv: the normalised tensor is never stored. */
static void batch_norm_goes_into_the_prologue(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 2, 16), 8, 3, 1));
    const KernelSet *set = train(&net, head(&net, relu(&net, unit(&net, x, 8, 3, 1))));

    assert_int_equal(count_kind(set, SNUG_KERNEL_conv), 3);
    assert_int_equal(count_stored(set, false), 3); /* two raw convs and the heat maps */
    assert_int_equal(count_kind(set, SNUG_KERNEL_bn_combine), 2);
    const SnugKernel *second = &nth_of_kind(set, SNUG_KERNEL_conv, 1)->code;
    assert_true(has_point(&second->in[0], SNUG_POINT_relu));
    assert_int_equal(second->reduction_count, 1);
    assert_int_equal(second->reductions[0].kind, SNUG_REDUCE_moments);
    /* the head: bias in the epilogue, f32 out */
    const SnugKernel *last = &nth_of_kind(set, SNUG_KERNEL_conv, 2)->code;
    assert_int_equal(last->parts[0].out.count, 3);
    assert_int_equal(last->args[last->output_arg].type, SNUG_F32);

    /* backward: three wgrads; two dgrads, each with mask and sums; no map but the bias's sum */
    assert_int_equal(count_kind(set, SNUG_KERNEL_conv_wgrad), 3);
    assert_int_equal(count_kind(set, SNUG_KERNEL_conv_dgrad), 2);
    assert_int_equal(count_kind(set, SNUG_KERNEL_map), 1);
    const SnugKernel *dgrad = &nth_of_kind(set, SNUG_KERNEL_conv_dgrad, 1)->code;
    assert_true(has_point(&dgrad->parts[0].out, SNUG_POINT_mask));
    assert_int_equal(dgrad->reductions[0].kind, SNUG_REDUCE_grad);
    assert_true(has_point(&dgrad->in[0], SNUG_POINT_fma));
    net_destroy(&net);
}

/* The residual stream is stored by one map a block; its gradient is one chain. */
static void residual_blocks_store_conv_outputs_and_the_stream(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 32), 8, 3, 1));
    x = basic(&net, basic(&net, basic(&net, x)));
    const KernelSet *set = train(&net, head(&net, x));

    /* convs: 1 + 6 + head; streams: 3. The first block's x is relu(bn(z)): never stored */
    assert_int_equal(count_kind(set, SNUG_KERNEL_conv), 8);
    assert_int_equal(count_stored(set, false), 8 + 3);
    /* gradients: 6 block dgrads and the head's; nothing between them */
    assert_int_equal(count_kind(set, SNUG_KERNEL_conv_dgrad), 7);
    assert_int_equal(count_stored(set, true), 7);
    const Kernel *last = nth_of_kind(set, SNUG_KERNEL_conv_dgrad, 6);
    assert_true(last->in_place != 0); /* dx = dgrad + g, where g lay */
    net_destroy(&net);
}

/* In evaluate everything pointwise is an epilogue: what is stored is what a conv reads. */
static void evaluate_folds_batch_norm_into_epilogues(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 32), 8, 3, 1));
    train(&net, head(&net, basic(&net, basic(&net, x))));
    const KernelSet *set = net.c->kernels[SNUG_SEGMENT_evaluate];

    assert_int_equal(count_kind(set, SNUG_KERNEL_conv), 6);
    assert_int_equal(count_stored(set, false), 6);
    assert_int_equal(count_kind(set, SNUG_KERNEL_map), 0);
    assert_int_equal(count_kind(set, SNUG_KERNEL_bn_frozen), 5);
    const SnugKernel *conv2 = &nth_of_kind(set, SNUG_KERNEL_conv, 2)->code;
    assert_int_equal(conv2->in[0].count, 1);
    assert_true(has_point(&conv2->parts[0].out, SNUG_POINT_add));
    assert_true(has_point(&conv2->parts[0].out, SNUG_POINT_relu));
    net_destroy(&net);
}

/* relu(x + up2(bn(z1)) + up4(bn(z2))): the fuse row is one map, with loads by factor. */
static void a_fuse_row_is_one_map(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 32), 8, 3, 1));
    ValueId a = relu(&net, unit(&net, x, 16, 3, 2)), b = relu(&net, unit(&net, a, 32, 3, 2));
    ValueId row[3] = {x, resize(&net, OP_upsample, unit(&net, a, 8, 1, 1), 2),
                      resize(&net, OP_upsample, unit(&net, b, 8, 1, 1), 4)};
    ValueId y = relu(&net, add(&net, row, 3));
    const KernelSet *set = train(&net, head(&net, y));

    assert_int_equal(count_stored(set, false), 5 + 1 + 1);
    const SnugKernel *map = &nth_of_kind(set, SNUG_KERNEL_map, 0)->code;
    int factors = 0;
    for (int32_t r = 0; r < map->parts[0].out.count; r++)
        if (map->parts[0].out.code[r].op == SNUG_POINT_load)
            factors = factors * 10 + map->parts[0].out.code[r].factor;
    assert_int_equal(factors, 124);
    assert_int_equal(count_kind(set, SNUG_KERNEL_upsample_grad), 2);
    net_destroy(&net);
}

/* A conv cannot read through an upsampling: it is stored. */
static void a_prologue_never_resamples(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 16), 8, 3, 1));
    const KernelSet *set = train(&net, head(&net, resize(&net, OP_upsample, x, 2)));

    assert_int_equal(count_stored(set, false), 3);
    assert_int_equal(nth_of_kind(set, SNUG_KERNEL_map, 0)->code.parts[0].out.code[0].factor, 2);
    net_destroy(&net);
}

/* Interpolation commutes with bn, not with relu. */
static void bilinear_is_pushed_through_affine_code_only(void **state)
{
    for (int with_relu = 0; with_relu < 2; with_relu++) {
        Net net = net_create(true);
        (void)state;
        ValueId x = unit(&net, picture(&net, 1, 16), 8, 3, 1);
        if (with_relu)
            x = relu(&net, x);
        const KernelSet *set = train(&net, head(&net, resize(&net, OP_bilinear, x, 2)));
        assert_int_equal(count_stored(set, false), 3 + with_relu);
        net_destroy(&net);
    }
}

/* Gradients of concat are slices: loads at a channel, no kernels. */
static void concat_is_one_map_and_its_gradient_none(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 16), 8, 3, 1));
    ValueId y = relu(&net, bias(&net, conv(&net, x, 4, 3, 1)));
    ValueId both = finish(&net, append(&net, OP_concat, (ValueId[]){x, y}, 2));
    const KernelSet *set = train(&net, head(&net, both));
    const SnugKernel *map = &nth_of_kind(set, SNUG_KERNEL_map, 0)->code;

    assert_int_equal(map->part_count, 2);
    assert_int_equal(map->parts[1].channel_begin, 8);
    assert_int_equal(map->parts[1].channel_count, 4);
    assert_int_equal(count_stored(set, false), 4);
    net_destroy(&net);
}

/* d = dgrad1 + dgrad2 + dgrad3: each adds to what is there, in place. */
static void gradients_of_several_readers_are_a_chain(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, bias(&net, conv(&net, picture(&net, 1, 16), 8, 3, 1)));
    ValueId ys[3];
    for (int k = 0; k < 3; k++)
        ys[k] = relu(&net, unit(&net, x, 8, 3, 1));
    const KernelSet *set = train(&net, head(&net, add(&net, ys, 3)));
    uint32_t adding = 0, in_place = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        if (kernel->code.kind != SNUG_KERNEL_conv_dgrad)
            continue;
        adding += has_point(&kernel->code.parts[0].out, SNUG_POINT_add);
        in_place += kernel->in_place != 0;
    }
    assert_int_equal(adding, 2);
    assert_true(in_place >= 2);
    net_destroy(&net);
}

/* A repeat of a dgrad computes the same without its sums, and without what only they read. */
static void repeats_have_no_reductions(void **state)
{
    Net net = net_create(true);
    (void)state;
    ValueId x = unit(&net, picture(&net, 1, 16), 8, 3, 1); /* no relu: only the sums read z */
    const KernelSet *set = train(&net, head(&net, x));
    const SnugKernel *dgrad = &nth_of_kind(set, SNUG_KERNEL_conv_dgrad, 0)->code;
    const int32_t *kept;
    SnugKernel repeat = repeat_kernel(dgrad, net.c->arena, &kept);

    assert_int_equal(dgrad->reduction_count, 1);
    assert_int_equal(repeat.reduction_count, 0);
    assert_int_equal(repeat.parts[0].out.count, 1);
    assert_int_equal(repeat.arg_count, 3); /* dheat, weights, result */
    for (int32_t a = 0; a < repeat.arg_count; a++)
        assert_true(repeat_needs(dgrad, kept[a]));
    assert_false(repeat_needs(dgrad, dgrad->reductions[0].arg));
    assert_int_equal(kept[repeat.output_arg], dgrad->output_arg);
    net_destroy(&net);
}

/* x = x + x, many times over, is straight-line code, not a tree of 2^n loads. */
static void shared_values_are_computed_once(void **state)
{
    Net net = net_create(false);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 16), 4, 3, 1));
    for (int k = 0; k < 100; k++)
        x = add(&net, (ValueId[]){x, x}, 2);
    const KernelSet *set = train(&net, head(&net, x));

    for (uint32_t k = 0; k < set->kernels.count; k++)
        for (int32_t p = 0; p < set->kernels.items[k].code.part_count; p++)
            assert_true(set->kernels.items[k].code.parts[p].out.count < 150);
    net_destroy(&net);
}

/* However many tensors are added, a kernel stays small: the host takes 64 args. */
static void wide_sums_are_split(void **state)
{
    enum { TERMS = 100 };
    Net net = net_create(true);
    (void)state;
    ValueId x = relu(&net, unit(&net, picture(&net, 1, 16), 4, 3, 1));
    ValueId normalised[TERMS], raw[TERMS];
    for (int k = 0; k < TERMS; k++) {
        normalised[k] = relu(&net, unit(&net, x, 4, 1, 1));
        raw[k] = conv(&net, x, 4, 1, 1);
    }
    ValueId sums[2] = {add(&net, normalised, TERMS), add(&net, raw, TERMS)};
    const KernelSet *set = train(&net, head(&net, add(&net, sums, 2)));

    for (uint32_t k = 0; k < set->kernels.count; k++)
        assert_true(set->kernels.items[k].code.arg_count <= 64);
    net_destroy(&net);
}

/* ---- the verifier ---------------------------------------------------------------------------- */

typedef enum Damage {
    DAMAGE_none,
    DAMAGE_shape,
    DAMAGE_type,
    DAMAGE_pitch,
    DAMAGE_written_twice,
    DAMAGE_read_too_early,
    DAMAGE_register,
    DAMAGE_channel,
    DAMAGE_row,
    DAMAGE_factor,
    DAMAGE_core_in_prologue,
    DAMAGE_gap,
    DAMAGE_partials,
    DAMAGE_repeats,
    DAMAGE_adds_to_activation,
    DAMAGE_COUNT
} Damage;

/* One thing wrong with the second conv (prologue relu(bn), epilogue with sums) or around it. */
static void do_damage(KernelSet *set, Damage damage)
{
    Kernel *kernel = NULL;
    uint32_t convs = 0;

    for (uint32_t k = 0; k < set->kernels.count && convs < 2; k++) {
        kernel = &set->kernels.items[k];
        convs += kernel->code.kind == SNUG_KERNEL_conv;
    }
    SnugArg *args = (SnugArg *)kernel->code.args;
    SnugPoint *in = (SnugPoint *)kernel->code.in[0].code;
    SnugPart *part = (SnugPart *)kernel->code.parts;
    Kernel saved = *kernel;

    switch (damage) {
    case DAMAGE_shape: args[0].shape.h--; break;
    case DAMAGE_type: args[kernel->code.output_arg].type = SNUG_F32; break;
    case DAMAGE_pitch: args[kernel->code.output_arg].pitch--; break;
    case DAMAGE_written_twice: kernel[1] = kernel[0]; break;
    case DAMAGE_read_too_early:
        kernel[0] = kernel[-1];
        kernel[-1] = saved;
        break;
    case DAMAGE_register: in[kernel->code.in[0].count - 1].a = 99; break;
    case DAMAGE_channel: in[0].channel = 1; break;
    case DAMAGE_row: in[1].row = 4; break;
    case DAMAGE_factor: in[0].factor = 2; break;
    case DAMAGE_core_in_prologue: in[0].op = SNUG_POINT_core; break;
    case DAMAGE_gap: part->channel_count--; break;
    case DAMAGE_partials: kernel->code.reductions[0].rows_per_partial = 7; break;
    case DAMAGE_repeats: kernel[1].may_repeat = true; break;
    case DAMAGE_adds_to_activation:
        args[kernel->code.output_arg].access = SNUG_ACCUMULATE;
        kernel->may_repeat = false;
        break;
    default: break;
    }
}

static int verify_damaged(Damage damage)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        Net net = net_create(true);
        ValueId x = relu(&net, unit(&net, picture(&net, 2, 16), 8, 3, 1));
        train(&net, head(&net, relu(&net, unit(&net, x, 8, 3, 1))));
        KernelSet *set = net.c->kernels[SNUG_SEGMENT_micro_step];
        fclose(stderr);
        do_damage(set, damage);
        verify_kernels(set, net.c->model, "test");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void damaged_kernels_are_found(void **state)
{
    (void)state;
    assert_int_equal(verify_damaged(DAMAGE_none), 0);
    for (int damage = 1; damage < DAMAGE_COUNT; damage++)
        if (verify_damaged((Damage)damage) != EXIT_STATUS_internal)
            fail_msg("damage %d was not found", damage);
}

/* ---- HRNet ----------------------------------------------------------------------------------- */

static ValueId bottleneck(Net *net, ValueId x)
{
    ValueId y = relu(net, unit(net, x, 64, 1, 1));
    y = unit(net, relu(net, unit(net, y, 64, 3, 1)), 256, 1, 1);
    ValueId shortcut = channels(net, x) == 256 ? x : unit(net, x, 256, 1, 1);
    return relu(net, add(net, (ValueId[]){y, shortcut}, 2));
}

/* Branch `from` at the size and width of branch `to`. */
static ValueId bring(Net *net, ValueId x, int from, int to, int64_t width)
{
    if (from > to)
        return resize(net, OP_upsample, unit(net, x, width << to, 1, 1), 1 << (from - to));
    for (int k = from; k < to; k++) {
        x = unit(net, x, k + 1 == to ? width << to : channels(net, x), 3, 2);
        if (k + 1 < to)
            x = relu(net, x);
    }
    return x;
}

static void module(Net *net, ValueId *branches, int count, int rows, int64_t width)
{
    ValueId ys[4], out[4];

    for (int b = 0; b < count; b++) {
        ys[b] = branches[b];
        for (int k = 0; k < 4; k++)
            ys[b] = basic(net, ys[b]);
    }
    for (int i = 0; i < rows; i++) {
        ValueId terms[4];
        for (int j = 0; j < count; j++)
            terms[j] = bring(net, ys[j], j, i, width);
        out[i] = relu(net, add(net, terms, (uint32_t)count));
    }
    memcpy(branches, out, (size_t)rows * sizeof *out);
}

/* The pose net, as in "Deep High-Resolution Representation Learning", Sun et al., CVPR 2019. */
static ValueId hrnet(Net *net, int64_t width, int64_t side, int64_t landmarks)
{
    ValueId x = relu(net, unit(net, picture(net, 1, side), 64, 3, 2));
    x = relu(net, unit(net, x, 64, 3, 2));
    for (int k = 0; k < 4; k++)
        x = bottleneck(net, x);
    ValueId branches[4] = {relu(net, unit(net, x, width, 3, 1)),
                           relu(net, unit(net, x, width << 1, 3, 2))};
    module(net, branches, 2, 2, width);
    branches[2] = relu(net, unit(net, branches[1], width << 2, 3, 2));
    for (int k = 0; k < 4; k++)
        module(net, branches, 3, 3, width);
    branches[3] = relu(net, unit(net, branches[2], width << 3, 3, 2));
    for (int k = 0; k < 3; k++)
        module(net, branches, 4, k < 2 ? 4 : 1, width);
    return bias(net, conv(net, branches[0], landmarks, 1, 1));
}

static int64_t stored_bytes(const KernelSet *set, bool backward)
{
    int64_t bytes = 0;

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const SnugKernel *code = &set->kernels.items[k].code;
        if (set->kernels.items[k].is_backward != backward || code->part_count == 0
            || code->output_arg < 0)
            continue;
        SnugShape shape = code->args[code->output_arg].shape;
        bytes +=
            tensor_bytes((Shape){shape.n, shape.h, shape.w, shape.c},
                         code->args[code->output_arg].type, code->args[code->output_arg].pitch);
    }
    return bytes;
}

/* 293 convs; 4 bottlenecks and 104 basic blocks, each with its sum; 2 + 4 x 3 + 2 x 4 + 1 fuse
 * rows. That and nothing else is stored: no normalised tensor, no upsampled one. */
static void hrnet_stores_conv_outputs_residuals_and_rows(void **state)
{
    Net net = net_create(true);
    (void)state;
    const KernelSet *set = train(&net, hrnet(&net, 32, 1024, 29));

    assert_int_equal(count_kind(set, SNUG_KERNEL_conv), 293);
    assert_int_equal(count_stored(set, false), 293 + 4 + 104 + 23);
    assert_int_equal(count_kind(set, SNUG_KERNEL_bn_combine), 292);
    assert_true(stored_bytes(set, false) < (int64_t)(1.17 * (1 << 30)));
    /* backward: a dgrad for each conv but the first, whose input is the picture; the rest of what
     * is stored are the gradients of what was upsampled, and of the rows */
    assert_int_equal(count_kind(set, SNUG_KERNEL_conv_wgrad), 293);
    assert_int_equal(count_kind(set, SNUG_KERNEL_conv_dgrad), 292);
    print_message("%u kernels, stored %lld bytes forward, %u and %lld backward, %u maps\n",
                  set->kernels.count, (long long)stored_bytes(set, false), count_stored(set, true),
                  (long long)stored_bytes(set, true), count_kind(set, SNUG_KERNEL_map));
    net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_goes_into_the_prologue),
        cmocka_unit_test(residual_blocks_store_conv_outputs_and_the_stream),
        cmocka_unit_test(evaluate_folds_batch_norm_into_epilogues),
        cmocka_unit_test(a_fuse_row_is_one_map),
        cmocka_unit_test(a_prologue_never_resamples),
        cmocka_unit_test(bilinear_is_pushed_through_affine_code_only),
        cmocka_unit_test(concat_is_one_map_and_its_gradient_none),
        cmocka_unit_test(gradients_of_several_readers_are_a_chain),
        cmocka_unit_test(repeats_have_no_reductions),
        cmocka_unit_test(shared_values_are_computed_once),
        cmocka_unit_test(wide_sums_are_split),
        cmocka_unit_test(damaged_kernels_are_found),
        cmocka_unit_test(hrnet_stores_conv_outputs_residuals_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
