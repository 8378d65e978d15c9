/* Plans -> program: the tables that a device executes.
 *
 *     buffers   | weights | gradients | image, points | arena of micro_step | of evaluate |
 *     kernels   each distinct one once; a launch says which, and on what
 *     segments  micro_step and evaluate from their plans, update from two fixed kernels
 */
#include "emit.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "compiler/fuse/fuse_repeat.h"
#include "compiler/target/workspace.h"
#include "cuda.h"

typedef struct Tables {
    Compilation *c;
    Arena *arena;
    SnugProgram *program;
    ARRAY(SnugBuffer) buffers;
    ARRAY(Span) buffer_sources;
    ARRAY(BufferLife) buffer_lives;
    ARRAY(SnugKernel) kernels;
    Map kernel_names;                    /* interned name -> int32_t: kernels that wanted it */
    int32_t *weight, *ema, *grad, *half; /* buffers by ParamId, -1: none yet */
    int32_t image, points, image_weights, scalars;
} Tables;

/* ---- kernels --------------------------------------------------------------------------------- */

static bool same_code(const SnugPointwise *a, const SnugPointwise *b)
{
    if (a->count != b->count)
        return false;
    for (int32_t r = 0; r < a->count; r++) {
        const SnugPoint *p = &a->code[r], *q = &b->code[r];
        if (p->op != q->op || p->a != q->a || p->b != q->b || p->d != q->d || p->arg != q->arg
            || p->factor != q->factor || p->row != q->row || p->channel != q->channel
            || memcmp(p->constants, q->constants, sizeof p->constants) != 0)
            return false;
    }
    return true;
}

static bool same_shape(SnugShape a, SnugShape b)
{
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

static bool same_args(const SnugKernel *a, const SnugKernel *b)
{
    if (a->arg_count != b->arg_count)
        return false;
    for (int32_t k = 0; k < a->arg_count; k++) {
        const SnugArg *p = &a->args[k], *q = &b->args[k];
        if (p->access != q->access || p->type != q->type || p->pitch != q->pitch
            || !same_shape(p->shape, q->shape))
            return false;
    }
    return true;
}

static bool same_tile(SnugTile a, SnugTile b)
{
    return a.rows == b.rows && a.columns == b.columns;
}

static bool same_parts(const SnugKernel *a, const SnugKernel *b)
{
    if (a->part_count != b->part_count || a->reduction_count != b->reduction_count)
        return false;
    for (int32_t k = 0; k < a->part_count; k++)
        if (a->parts[k].channel_begin != b->parts[k].channel_begin
            || a->parts[k].channel_count != b->parts[k].channel_count
            || !same_code(&a->parts[k].out, &b->parts[k].out))
            return false;
    for (int32_t k = 0; k < a->reduction_count; k++) {
        const SnugReduction *p = &a->reductions[k], *q = &b->reductions[k];
        if (p->kind != q->kind || p->with != q->with || p->arg != q->arg
            || p->rows_per_partial != q->rows_per_partial || !same_tile(p->tile, q->tile))
            return false;
    }
    return true;
}

static bool same_loss(const SnugLoss *a, const SnugLoss *b)
{
    return a->kind == b->kind && a->sigma == b->sigma && a->stride == b->stride
           && a->omega == b->omega && a->theta == b->theta && a->epsilon == b->epsilon
           && a->alpha == b->alpha && a->weighted == b->weighted && a->top == b->top;
}

bool same_kernel(const SnugKernel *a, const SnugKernel *b)
{
    return a->kind == b->kind && a->output_arg == b->output_arg && a->weight_arg == b->weight_arg
           && a->window.kernel == b->window.kernel && a->window.stride == b->window.stride
           && a->window.pad == b->window.pad && same_shape(a->window.x, b->window.x)
           && same_shape(a->window.y, b->window.y) && same_args(a, b)
           && same_code(&a->in[0], &b->in[0]) && same_code(&a->in[1], &b->in[1]) && same_parts(a, b)
           && a->bn.eps == b->bn.eps && a->bn.momentum == b->bn.momentum
           && a->bn.count == b->bn.count && a->bn.frozen == b->bn.frozen
           && same_tile(a->bn.tile, b->bn.tile) && same_loss(&a->loss, &b->loss)
           && a->is_gemm == b->is_gemm && a->workspace_bytes == b->workspace_bytes;
}

/* "name", "name_b", "name_c", ... */
static const char *unique_kernel_name(Tables *tables, const char *wanted)
{
    const char *name = intern(tables->c->names, wanted, strlen(wanted));
    int32_t *used = map_get(&tables->kernel_names, name);

    if (used == NULL) {
        used = arena_new(tables->arena, int32_t);
        map_set(&tables->kernel_names, tables->arena, name, used);
    }
    if ((*used)++ == 0)
        return name;
    return *used <= 26 ? arena_printf(tables->arena, "%s_%c", name, 'a' + *used - 1)
                       : arena_printf(tables->arena, "%s_%d", name, *used);
}

static int32_t add_kernel(Tables *tables, SnugKernel kernel)
{
    for (uint32_t k = 0; k < tables->kernels.count; k++)
        if (same_kernel(&tables->kernels.items[k], &kernel))
            return (int32_t)k;
    kernel.name = unique_kernel_name(tables, kernel.name);
    ARRAY_APPEND(tables->arena, &tables->kernels, kernel);
    return (int32_t)(tables->kernels.count - 1);
}

/* ---- buffers --------------------------------------------------------------------------------- */

static int32_t line_of(const Tables *tables, Span span)
{
    return (int32_t)span_line_column(tables->c->diags, span).line;
}

static int32_t add_living_buffer(Tables *tables, SnugBuffer buffer, Span source, BufferLife life)
{
    buffer.line = line_of(tables, source);
    ARRAY_APPEND(tables->arena, &tables->buffers, buffer);
    ARRAY_APPEND(tables->arena, &tables->buffer_sources, source);
    ARRAY_APPEND(tables->arena, &tables->buffer_lives, life);
    return (int32_t)(tables->buffers.count - 1);
}

static int32_t add_buffer(Tables *tables, SnugBuffer buffer, Span source)
{
    return add_living_buffer(tables, buffer, source, (BufferLife){.takes_over = -1});
}

static SnugShape small_shape(Shape shape)
{
    return (SnugShape){(int32_t)shape.n, (int32_t)shape.h, (int32_t)shape.w, (int32_t)shape.c};
}

static SnugBuffer persistent_buffer(const char *name, int64_t offset, SnugType type, Shape shape)
{
    return (SnugBuffer){
        .name = name,
        .offset = offset,
        .bytes = align_up(tensor_bytes(shape, type, shape.c), SNUG_ALIGNMENT),
        .type = type,
        .shape = small_shape(shape),
        .pitch = (int32_t)shape.c,
    };
}

/* The buffer of a parameter in one of its forms, made when it is first asked for. */
static int32_t param_buffer(Tables *tables, ParamId id, int32_t *table, const int64_t *offsets,
                            const char *suffix)
{
    const Param *param = &tables->c->model->params.items[id.i];

    if (table[id.i] < 0) {
        if (offsets[id.i] < 0)
            BUG("parameter %s has no bytes for its%s", param->name, suffix);
        const char *name = arena_printf(tables->arena, "%s%s", param->name, suffix);
        table[id.i] = add_buffer(
            tables, persistent_buffer(name, offsets[id.i], SNUG_F32, param->shape), param->source);
    }
    return table[id.i];
}

/* The half copy of a weight: its rows are padded. */
static int32_t half_buffer(Tables *tables, const Value *value, const SnugArg *arg)
{
    int32_t *buffer = &tables->half[value->param.i];

    if (*buffer < 0)
        *buffer =
            add_buffer(tables,
                       (SnugBuffer){
                           .name = value->name,
                           .offset = tables->c->layout.param_half[value->param.i],
                           .bytes = align_up(tensor_bytes(value->shape, arg->type, arg->pitch),
                                             SNUG_ALIGNMENT),
                           .type = arg->type,
                           .shape = arg->shape,
                           .pitch = arg->pitch,
                       },
                       value->source);
    return *buffer;
}

static int32_t input_buffer(Tables *tables, const Value *value)
{
    const Layout *layout = &tables->c->layout;
    int32_t *buffer = NULL;
    int64_t offset = -1;

    switch (value->input) {
    case INPUT_landmarks:
        buffer = &tables->points;
        offset = layout->points;
        break;
    case INPUT_image_weights:
        buffer = &tables->image_weights;
        offset = layout->image_weights;
        break;
    case INPUT_picture:
    case INPUT_tensor:
        buffer = &tables->image;
        offset = layout->image;
        break;
    }
    if (offset < 0)
        BUG("input %s has no bytes", value->name);
    if (*buffer < 0)
        *buffer =
            add_buffer(tables, persistent_buffer(value->name, offset, value->type, value->shape),
                       value->source);
    return *buffer;
}

static int32_t scalars_buffer(Tables *tables)
{
    Shape shape = {1, 1, 1, SNUG_SCALAR_COUNT};

    if (tables->scalars < 0)
        tables->scalars = add_buffer(
            tables, persistent_buffer("scalars", tables->c->layout.scalars, SNUG_F32, shape),
            (Span){0});
    return tables->scalars;
}

/* The buffer of a persistent value as seen by a segment: `evaluate` reads averaged parameters. */
static int32_t value_buffer(Tables *tables, const Value *value, const SnugArg *arg,
                            SnugSegmentId segment)
{
    const Layout *layout = &tables->c->layout;

    switch (value->storage) {
    case STORAGE_param:
        if (segment == SNUG_SEGMENT_evaluate && layout->param_ema[value->param.i] >= 0)
            return param_buffer(tables, value->param, tables->ema, layout->param_ema, ".ema");
        return param_buffer(tables, value->param, tables->weight, layout->param_weight, "");
    case STORAGE_half: return half_buffer(tables, value, arg);
    case STORAGE_grad:
        return param_buffer(tables, value->param, tables->grad, layout->param_grad, ".grad");
    case STORAGE_input: return input_buffer(tables, value);
    case STORAGE_scalars: return scalars_buffer(tables);
    default: BUG("%s is no persistent value", value->name);
    }
}

static int32_t arena_buffer(Tables *tables, const Buffer *planned, const SnugArg *arg,
                            BufferLife life)
{
    SnugBuffer buffer = {
        .name = planned->name,
        .offset = tables->c->layout.persistent_bytes + planned->offset,
        .bytes = planned->bytes,
        .type = arg != NULL ? arg->type : SNUG_U8,
        .shape = arg != NULL ? arg->shape : (SnugShape){0},
        .pitch = arg != NULL ? arg->pitch : 0,
    };
    return add_living_buffer(tables, buffer, planned->source, life);
}

/* Our buffer for one of a plan; by_plan maps those that there are, -1: not yet. arg NULL: a
 * workspace. */
static int32_t planned_buffer(Tables *tables, SnugSegmentId segment, BufferId id,
                              const SnugArg *arg, int32_t *by_plan)
{
    const Buffer *planned = &tables->c->plans[segment]->buffers.items[id.i];
    bool takes_over = planned->in_place_of.i != id.i;

    if (by_plan[id.i] < 0)
        by_plan[id.i] = arena_buffer(
            tables, planned, arg,
            (BufferLife){.segment = segment,
                         .life = planned->life,
                         .takes_over = takes_over ? by_plan[planned->in_place_of.i] : -1});
    return by_plan[id.i];
}

/* ---- segments -------------------------------------------------------------------------------- */

/* One step of a plan as a launch. */
static SnugLaunch build_launch(Tables *tables, SnugSegmentId segment, const Step *step,
                               int32_t *by_plan)
{
    const KernelSet *set = tables->c->kernels[segment];
    const Plan *plan = tables->c->plans[segment];
    const Kernel *kernel = &set->kernels.items[step->kernel.i];
    SnugKernel code = kernel->code;
    const int32_t *kept = NULL;
    int32_t count = 0;

    if (step->is_repeat && code.reduction_count > 0) {
        code = repeat_kernel(&kernel->code, tables->arena, &kept);
        code.workspace_bytes = kernel_workspace(&tables->c->target, &code);
        if (code.workspace_bytes < 0 || code.workspace_bytes > kernel->code.workspace_bytes)
            BUG("%s needs more workspace without reductions", kernel->label);
    }
    int32_t *buffers = arena_array(tables->arena, int32_t, (size_t)code.arg_count + 1);
    for (int32_t a = 0; a < code.arg_count; a++) {
        int32_t from = kept != NULL ? kept[a] : a;
        BufferId id = step->buffers[from];
        const Value *value = &set->graph->values.items[kernel->args[from].i];
        if (value->storage != STORAGE_arena) {
            buffers[count++] = value_buffer(tables, value, &code.args[a], segment);
            continue;
        }
        if (id.i >= plan->buffers.count)
            BUG("step of %s has no buffer for %s", kernel->label, value->name);
        buffers[count++] = planned_buffer(tables, segment, id, &code.args[a], by_plan);
    }
    if (code.workspace_bytes > 0) {
        BufferId id = step->buffers[kernel->code.arg_count];
        buffers[count++] = planned_buffer(tables, segment, id, NULL, by_plan);
    }
    return (SnugLaunch){
        .label = step->is_repeat ? arena_printf(tables->arena, "%s (again)", kernel->label)
                                 : kernel->label,
        .kernel = add_kernel(tables, code),
        .buffers = buffers,
        .line = line_of(tables, kernel->source),
    };
}

/* A kernel that goes over all parameters: its one arg is the scalars buffer. A workspace is at the
 * beginning of the arena, which holds nothing between segments, for the one step. */
static SnugLaunch build_fixed(Tables *tables, SnugKernelKind kind, const char *name,
                              SnugSegmentId segment, uint32_t step)
{
    SnugArg *arg = arena_new(tables->arena, SnugArg);
    int32_t *buffers = arena_array(tables->arena, int32_t, 2);

    *arg = (SnugArg){.access = SNUG_ACCUMULATE,
                     .type = SNUG_F32,
                     .shape = {1, 1, 1, SNUG_SCALAR_COUNT},
                     .pitch = SNUG_SCALAR_COUNT};
    SnugKernel kernel = {.name = name,
                         .kind = kind,
                         .args = arg,
                         .arg_count = 1,
                         .output_arg = -1,
                         .weight_arg = -1};
    kernel.workspace_bytes = kernel_workspace(&tables->c->target, &kernel);
    if (kernel.workspace_bytes < 0 || kernel.workspace_bytes > tables->c->layout.arena_bytes)
        BUG("%s needs %lld bytes of workspace", name, (long long)kernel.workspace_bytes);
    buffers[0] = scalars_buffer(tables);
    if (kernel.workspace_bytes > 0) {
        Buffer workspace = {.name = arena_printf(tables->arena, "%s.workspace", name),
                            .bytes = kernel.workspace_bytes};
        BufferLife life = {.segment = segment, .life = {step, step + 1}, .takes_over = -1};
        buffers[1] = arena_buffer(tables, &workspace, NULL, life);
    }
    return (SnugLaunch){.label = name, .kernel = add_kernel(tables, kernel), .buffers = buffers};
}

/* Half copies follow the weights; evaluation with averaged weights has them follow those, and puts
 * them back afterwards. */
static bool has_halves(const Tables *tables)
{
    return tables->c->layout.halves > 0;
}

static void build_segment(Tables *tables, SnugSegmentId segment, ProgramTables *result)
{
    const Plan *plan = tables->c->plans[segment];
    const KernelSet *set = tables->c->kernels[segment];
    bool swaps =
        segment == SNUG_SEGMENT_evaluate && has_halves(tables) && tables->c->layout.ema > 0;
    SnugLaunch *launches = arena_array(tables->arena, SnugLaunch, plan->steps.count + 2);
    Span *sources = arena_array(tables->arena, Span, plan->steps.count + 2);
    int32_t *by_plan = arena_array(tables->arena, int32_t, plan->buffers.count);
    uint32_t count = 0;

    for (uint32_t b = 0; b < plan->buffers.count; b++)
        by_plan[b] = -1;
    if (swaps)
        launches[count++] = build_fixed(tables, SNUG_KERNEL_copy_ema, "copy_ema", segment, 0);
    result->first_step[segment] = (int32_t)count;
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        sources[count] = set->kernels.items[plan->steps.items[s].kernel.i].source;
        launches[count++] = build_launch(tables, segment, &plan->steps.items[s], by_plan);
    }
    if (swaps)
        launches[count++] = build_fixed(tables, SNUG_KERNEL_copy_weights, "copy_weights", segment,
                                        plan->steps.count);
    tables->program->segments[segment] =
        (SnugSegment){.launches = launches, .launch_count = (int32_t)count};
    result->launch_sources[segment] = sources;
    if (segment != SNUG_SEGMENT_evaluate)
        return;
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        uint32_t value = plan->buffers.items[b].value.i;
        if (value == tables->c->model->evaluate_heat.i && by_plan[b] >= 0)
            tables->program->output_buffer = by_plan[b];
        if (value == tables->c->model->evaluate_peaks.i && by_plan[b] >= 0)
            tables->program->peaks_buffer = by_plan[b];
    }
}

static void build_list(Tables *tables, SnugSegmentId segment, const SnugLaunch *launches,
                       int32_t count, ProgramTables *result)
{
    SnugLaunch *own = arena_array(tables->arena, SnugLaunch, (size_t)count);

    for (int32_t k = 0; k < count; k++)
        own[k] = launches[k];
    tables->program->segments[segment] = (SnugSegment){.launches = own, .launch_count = count};
    result->launch_sources[segment] = arena_array(tables->arena, Span, (size_t)count);
}

static void build_update(Tables *tables, ProgramTables *result)
{
    const SnugLaunch launches[] = {
        build_fixed(tables, SNUG_KERNEL_grad_norm, "grad_norm", SNUG_SEGMENT_update, 0),
        build_fixed(tables, SNUG_KERNEL_adamw, "adamw", SNUG_SEGMENT_update, 1)};

    build_list(tables, SNUG_SEGMENT_update, launches, COUNT_OF(launches), result);
}

static void build_init(Tables *tables, ProgramTables *result)
{
    const SnugLaunch launches[] = {
        build_fixed(tables, SNUG_KERNEL_copy_weights, "copy_weights", SNUG_SEGMENT_init, 0)};

    build_list(tables, SNUG_SEGMENT_init, launches, COUNT_OF(launches), result);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void build_params(Tables *tables)
{
    const Model *model = tables->c->model;
    const Layout *layout = &tables->c->layout;
    SnugParam *params = arena_array(tables->arena, SnugParam, model->params.count);

    for (uint32_t p = 1; p < model->params.count; p++) {
        const Param *param = &model->params.items[p];
        params[p - 1] = (SnugParam){
            .name = param->name,
            .kind = param->kind,
            .shape = small_shape(param->shape),
            .weight = layout->param_weight[p],
            .grad = layout->param_grad[p],
            .m = layout->param_m[p],
            .v = layout->param_v[p],
            .ema = layout->param_ema[p],
            .half = layout->param_half[p],
            .init_scale = param->init_scale,
            .decay = param->decay,
        };
    }
    tables->program->params = params;
    tables->program->param_count = (int32_t)model->params.count - 1;
}

/* "-D width=48 -D depth=2" */
static const char *overrides_text(const Compilation *c)
{
    Text text = {.arena = c->arena};

    text_put(&text, "");
    for (uint32_t k = 0; k < c->options.override_count; k++) {
        const Override *override = &c->options.overrides[k];
        const char *number = arena_printf(c->arena, "%.15g", override->value);
        double back;
        if (!parse_number(number, &back) || back != override->value)
            number = arena_printf(c->arena, "%.17g", override->value);
        text_printf(&text, "%s-D %s=%s", k == 0 ? "" : " ", override->name, number);
    }
    return text.bytes;
}

/* XXH3 of every source file's text, in the order of reading, and of the overrides. */
static const char *model_hash(const Compilation *c, const char *overrides)
{
    XXH3_state_t *state = XXH3_createState();

    if (state == NULL || XXH3_128bits_reset(state) == XXH_ERROR)
        BUG("no memory for a hash");
    for (uint32_t f = 1; f <= diagnostics_file_count(c->diags); f++) {
        const SourceFile *file = diagnostics_file(c->diags, f);
        uint64_t length = file->length;
        uint8_t bytes[8];
        for (int k = 0; k < 8; k++)
            bytes[k] = (uint8_t)(length >> (8 * k));
        XXH3_128bits_update(state, bytes, sizeof bytes);
        XXH3_128bits_update(state, file->text, file->length);
    }
    XXH3_128bits_update(state, overrides, strlen(overrides));
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    return arena_printf(c->arena, "%016llx%016llx", (unsigned long long)hash.high64,
                        (unsigned long long)hash.low64);
}

static void describe(Tables *tables)
{
    const Compilation *c = tables->c;
    const Model *model = c->model;
    SnugProgram *program = tables->program;

    program->version = SNUG_PROGRAM_VERSION;
    program->model = model->name;
    program->model_path = c->options.model_path;
    program->overrides = overrides_text(c);
    program->model_hash = model_hash(c, program->overrides);
    program->device = c->target.device == DEVICE_host ? "host" : "cuda";
    program->host_threads = c->target.threads;
    program->batch_size = (int32_t)model->batch_size;
    program->image_height = (int32_t)model->image_height;
    program->image_width = (int32_t)model->image_width;
    program->image_channels = 3;
    program->landmarks = (int32_t)model->landmarks;
    program->storage = c->target.half;
    program->total_bytes = c->layout.total_bytes;
    program->persistent_bytes = c->layout.persistent_bytes;
    program->budget_bytes = c->target.budget_bytes;
    program->image_buffer = tables->image;
    program->points_buffer = tables->points;
    program->image_weights_buffer = tables->image_weights;
    program->staging_offset = c->layout.staging;
    program->scalars_buffer = tables->scalars;
    program->loss = model->loss_attributes;
    program->defaults = model->defaults;
    program->alternatives = c->alternatives;
    program->alternative_count = (int32_t)c->alternative_count;
}

static int32_t *no_buffers(Tables *tables)
{
    uint32_t count = tables->c->model->params.count;
    int32_t *table = arena_array(tables->arena, int32_t, count);

    for (uint32_t p = 0; p < count; p++)
        table[p] = -1;
    return table;
}

/* The texts of all kernels; those that the card's device does not have yet stay NULL. */
static void build_cuda_kernels(const Compilation *c, ProgramTables *result)
{
    SnugProgram *program = &result->program;
    SnugCudaKernel *kernels = arena_array(c->arena, SnugCudaKernel, (size_t)program->kernel_count);

    for (int32_t k = 0; k < program->kernel_count; k++) {
        cuda_kernel_source(c->arena, program, c->target.card, k, &kernels[k]);
        program->requires_cublas |= c->target.gemm == GEMM_cublas && kernels[k].gemm.m > 0;
    }
    program->cuda_kernels = kernels;
    program->cuda_headers = cuda_headers;
    program->cuda_header_count = cuda_header_count;
}

const ProgramTables *build_tables(Compilation *c)
{
    ProgramTables *result = arena_new(c->arena, ProgramTables);
    Tables tables = {.c = c, .arena = c->arena, .program = &result->program};

    tables.weight = no_buffers(&tables);
    tables.ema = no_buffers(&tables);
    tables.grad = no_buffers(&tables);
    tables.half = no_buffers(&tables);
    tables.image = tables.points = tables.image_weights = tables.scalars = -1;
    tables.program->output_buffer = tables.program->peaks_buffer = -1;
    if (c->plans[SNUG_SEGMENT_micro_step] != NULL) {
        build_segment(&tables, SNUG_SEGMENT_micro_step, result);
        build_update(&tables, result);
    }
    build_segment(&tables, SNUG_SEGMENT_evaluate, result);
    if (has_halves(&tables))
        build_init(&tables, result);
    build_params(&tables);
    describe(&tables);
    result->program.buffers = tables.buffers.items;
    result->program.buffer_count = (int32_t)tables.buffers.count;
    result->program.kernels = tables.kernels.items;
    result->program.kernel_count = (int32_t)tables.kernels.count;
    result->buffer_sources = tables.buffer_sources.items;
    result->buffer_lives = tables.buffer_lives.items;
    if (c->target.device == DEVICE_cuda)
        build_cuda_kernels(c, result);
    return result;
}

const SnugProgram *build_program(Compilation *c)
{
    return &build_tables(c)->program;
}
