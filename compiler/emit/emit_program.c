/* Program -> C: the tables as a source file that a person can read and a C compiler turns into a
 * trainer.
 *
 *     enum { stem_conv1_weight, image, stem_conv1, ... };      buffers by name
 *     buffers[] = { [stem_conv1] = {.offset = ..., .bytes = ...}, ... };
 *     kernels[] = { [conv3x3_s2_3_64_128x128] = {...}, ... };
 *     micro_step[] = { {.kernel = conv3x3_s2_3_64_128x128, .buffers = {image, ...}}, ... };
 *
 * Names are unique in the file; with several variants each begins with its variant's size. Equal
 * inputs give equal bytes: nothing here depends on time, folder, locale or addresses.
 */
#include <string.h>

#include "compiler/floor/system.h"
#include "compiler/fuse/formula.h"
#include "emit_text.h"

static void emit_enum(const Emitter *emitter, const char *title, const char *const *names,
                      int32_t count)
{
    FILE *out = emitter->out;

    fprintf(out, "enum { /* %s */\n", title);
    Row row = row_open(emitter, 4, "    ");
    for (int32_t k = 0; k < count; k++)
        row_item(&row, "%s", names[k]);
    row_close(&row, ",\n};\n\n");
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* ", .constants = {...}", in a line of its own where the first has no room for it. */
static void emit_constants(const Emitter *emitter, const float *constants, int column)
{
    const char *text = arena_printf(emitter->arena, ".constants = {%s, %s, %s, %s}",
                                    c_float(emitter, constants[0]), c_float(emitter, constants[1]),
                                    c_float(emitter, constants[2]), c_float(emitter, constants[3]));
    bool fits = column + (int)strlen(text) + (int)strlen(", },") <= LINE_COLUMNS;

    fprintf(emitter->out, fits ? ", %s" : ",\n                          %s", text);
}

static void emit_point(const Emitter *emitter, const SnugPoint *point, int32_t reg)
{
    FILE *out = emitter->out;
    int16_t operands[3];
    int32_t count = point_operands(point, operands);

    fprintf(out, "                /* r%-2d */ {.op = SNUG_POINT_%s", reg,
            point_info[point->op].name);
    switch (point_info[point->op].from) {
    case SNUG_FROM_core: break;
    case SNUG_FROM_tensor:
        fprintf(out, ", .arg = %d, .factor = %d", point->arg, point->factor);
        break;
    case SNUG_FROM_vector: fprintf(out, ", .arg = %d, .row = %d", point->arg, point->row); break;
    case SNUG_FROM_constant: emit_constants(emitter, point->constants, 52); break;
    case SNUG_FROM_registers:
        for (int32_t k = 0; k < count; k++)
            fprintf(out, ", .%c = %d", "abd"[k], operands[k]);
        if (point->op == SNUG_POINT_round)
            fprintf(out, ", .row = %s", c_type((SnugType)point->row));
        break;
    }
    if (point->channel != 0)
        fprintf(out, ", .channel = %d", point->channel);
    fprintf(out, "},\n");
}

/* The rest of `.code = `: the formula, in which args are a0, a1, ..., then the code. */
static void emit_code(const Emitter *emitter, const SnugKernel *kernel, const SnugPointwise *code,
                      bool reduces)
{
    const char **names = arena_array(emitter->arena, const char *, (size_t)kernel->arg_count);

    for (int32_t a = 0; a < kernel->arg_count; a++)
        names[a] = arena_printf(emitter->arena, "a%d", a);
    fputs("(const SnugPoint[]){\n", emitter->out);
    emit_comment(emitter, 16, formula_text(emitter->arena, kernel, names, code, reduces));
    for (int32_t r = 0; r < code->count; r++)
        emit_point(emitter, &code->code[r], r);
    fputs("            }", emitter->out);
}

static void emit_args(const Emitter *emitter, const SnugKernel *kernel)
{
    static const char *const access[] = {"SNUG_READ", "SNUG_WRITE", "SNUG_ACCUMULATE"};

    fprintf(emitter->out, "        .arg_count = %d, .output_arg = %d, .weight_arg = %d,\n",
            kernel->arg_count, kernel->output_arg, kernel->weight_arg);
    fprintf(emitter->out, "        .args = (const SnugArg[]){\n");
    for (int32_t a = 0; a < kernel->arg_count; a++) {
        const SnugArg *arg = &kernel->args[a];
        const char *head = arena_printf(emitter->arena, "            [%d] = {", a);
        Row row = row_open(emitter, (int)strlen(head), head);
        row_item(&row, ".access = %s", access[arg->access]);
        row_item(&row, ".type = %s", c_type(arg->type));
        row_item(&row, ".shape = %s", c_shape(emitter, arg->shape));
        row_item(&row, ".pitch = %d", arg->pitch);
        row_close(&row, "},\n");
    }
    fprintf(emitter->out, "        },\n");
}

/* The item `.tile = {8, 16}`; nothing on the host. */
static void tile_item(Row *row, SnugTile tile)
{
    if (tile.rows != 0)
        row_item(row, ".tile = {%d, %d}", tile.rows, tile.columns);
}

static void emit_reduction(const Emitter *emitter, const SnugReduction *reduction, int32_t index)
{
    static const char *const kinds[] = {"sum", "moments", "grad"};
    const char *head = arena_printf(emitter->arena, "        .reductions[%d] = {", index);
    Row row = row_open(emitter, (int)strlen(head), head);

    row_item(&row, ".kind = SNUG_REDUCE_%s", kinds[reduction->kind]);
    if (reduction->kind == SNUG_REDUCE_grad)
        row_item(&row, ".with = %d", reduction->with);
    row_item(&row, ".arg = %d", reduction->arg);
    if (reduction->rows_per_partial != 0)
        row_item(&row, ".rows_per_partial = %d", reduction->rows_per_partial);
    tile_item(&row, reduction->tile);
    row_close(&row, "},\n");
}

static void emit_parts(const Emitter *emitter, const SnugKernel *kernel)
{
    FILE *out = emitter->out;

    for (int side = 0; side < 2; side++) {
        if (kernel->in[side].count == 0)
            continue;
        fprintf(out, "        .in[%d] = {\n            .count = %d,\n            .code = ", side,
                kernel->in[side].count);
        emit_code(emitter, kernel, &kernel->in[side], false);
        fprintf(out, ",\n        },\n");
    }
    if (kernel->part_count > 0)
        fprintf(out, "        .part_count = %d,\n        .parts = (const SnugPart[]){\n",
                kernel->part_count);
    for (int32_t p = 0; p < kernel->part_count; p++) {
        const SnugPart *part = &kernel->parts[p];
        fprintf(out,
                "            {.channel_begin = %d, .channel_count = %d, .out.count = %d,\n"
                "             .out.code = ",
                part->channel_begin, part->channel_count, part->out.count);
        emit_code(emitter, kernel, &part->out, kernel->part_count == 1);
        fprintf(out, "},\n");
    }
    if (kernel->part_count > 0)
        fprintf(out, "        },\n");
    if (kernel->reduction_count > 0)
        fprintf(out, "        .reduction_count = %d,\n", kernel->reduction_count);
    for (int32_t k = 0; k < kernel->reduction_count; k++)
        emit_reduction(emitter, &kernel->reductions[k], k);
}

/* What is zero is left out. */
static void emit_loss(const Emitter *emitter, const SnugLoss *loss, const char *head)
{
    static const char *const kinds[] = {"mse", "adaptive_wing", "ohkm"};
    const struct {
        const char *name;
        float number;
    } numbers[] = {
        {"sigma", loss->sigma}, {"stride", loss->stride},   {"omega", loss->omega},
        {"theta", loss->theta}, {"epsilon", loss->epsilon}, {"alpha", loss->alpha},
    };
    Row row = row_open(emitter, (int)strlen(head), head);

    row_item(&row, ".kind = SNUG_LOSS_%s", kinds[loss->kind]);
    for (size_t k = 0; k < COUNT_OF(numbers); k++)
        if (numbers[k].number != 0)
            row_item(&row, ".%s = %s", numbers[k].name, c_float(emitter, numbers[k].number));
    if (loss->weighted != 0)
        row_item(&row, ".weighted = %d", loss->weighted);
    if (loss->top != 0)
        row_item(&row, ".top = %d", loss->top);
    row_close(&row, "},\n");
}

static void emit_bn(const Emitter *emitter, const SnugBn *bn)
{
    Row row = row_open(emitter, 15, "        .bn = {");

    row_item(&row, ".eps = %s", c_float(emitter, bn->eps));
    row_item(&row, ".momentum = %s", c_float(emitter, bn->momentum));
    row_item(&row, ".count = %lld", (long long)bn->count);
    row_item(&row, ".frozen = %d", bn->frozen);
    tile_item(&row, bn->tile);
    row_close(&row, "},\n");
}

static void emit_window(const Emitter *emitter, const SnugWindow *window)
{
    if (window->kernel == 0) {
        if (window->y.n != 0)
            fprintf(emitter->out, "        .window.y = %s,\n", c_shape(emitter, window->y));
        return;
    }
    Row row = row_open(emitter, 19, "        .window = {");
    row_item(&row, ".kernel = %d", window->kernel);
    row_item(&row, ".stride = %d", window->stride);
    row_item(&row, ".pad = %d", window->pad);
    row_item(&row, ".x = %s", c_shape(emitter, window->x));
    row_item(&row, ".y = %s", c_shape(emitter, window->y));
    row_close(&row, "},\n");
}

static void emit_kernel(const Emitter *emitter, int32_t k, int32_t uses)
{
    const SnugKernel *kernel = &emitter->program->kernels[k];
    FILE *out = emitter->out;

    fprintf(out, "    [%s] = { /* %d %s */\n", emitter->kernels[k], uses,
            uses == 1 ? "launch" : "launches");
    Row row = row_open(emitter, 8, "        ");
    row_string(&row, "name", kernel->name);
    row_item(&row, ".kind = SNUG_KERNEL_%s", kernel_info[kernel->kind].name);
    row_close(&row, ",\n");
    emit_args(emitter, kernel);
    emit_window(emitter, &kernel->window);
    emit_parts(emitter, kernel);
    if (kernel_info[kernel->kind].with == SNUG_WITH_bn)
        emit_bn(emitter, &kernel->bn);
    if (kernel_info[kernel->kind].with == SNUG_WITH_loss)
        emit_loss(emitter, &kernel->loss, "        .loss = {");
    if (kernel->is_gemm != 0)
        fprintf(out, "        .is_gemm = 1,\n");
    if (kernel->workspace_bytes != 0)
        fprintf(out, "        .workspace_bytes = %lld,\n", (long long)kernel->workspace_bytes);
    fprintf(out, "    },\n");
}

static void emit_kernels(const Emitter *emitter)
{
    const SnugProgram *program = emitter->program;
    int32_t *uses = arena_array(emitter->arena, int32_t, (size_t)program->kernel_count);

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t k = 0; k < program->segments[s].launch_count; k++)
            uses[program->segments[s].launches[k].kernel]++;
    emit_enum(emitter, "kernels", emitter->kernels, program->kernel_count);
    fprintf(emitter->out, "static const SnugKernel %skernels[] = {\n", emitter->prefix);
    for (int32_t k = 0; k < program->kernel_count; k++)
        emit_kernel(emitter, k, uses[k]);
    fprintf(emitter->out, "};\n\n");
}

/* ---- launches -------------------------------------------------------------------------------- */

static const char *const segment_names[SNUG_SEGMENT_COUNT] = {"micro_step", "update", "evaluate",
                                                              "init"};

static const char *shape_text(const Emitter *emitter, SnugShape shape)
{
    return arena_printf(emitter->arena, "%dx%dx%dx%d", shape.n, shape.h, shape.w, shape.c);
}

/* What the kernels that go over all parameters do; their buffers are those that params says. */
static const char *const over_params[SNUG_KERNEL_KIND_COUNT] = {
    [SNUG_KERNEL_grad_norm] = "over params: reads gradients",
    [SNUG_KERNEL_adamw] = "over params: updates weights, moments, averages; gradients = 0",
    [SNUG_KERNEL_copy_weights] = "over params: half copies = weights",
    [SNUG_KERNEL_copy_ema] = "over params: half copies = averages",
};

/* "4: f32 1x16x16x16 at 235008", numbered as the steps of the segment's plan. */
static const char *launch_title(const Emitter *emitter, int segment, int32_t index)
{
    const SnugLaunch *launch = &emitter->program->segments[segment].launches[index];
    const SnugKernel *kernel = &emitter->program->kernels[launch->kernel];
    const Plan *plan = emitter->c->plans[segment];
    int32_t step = index - emitter->tables->first_step[segment];
    int32_t result = kernel->output_arg;
    Text text = {.arena = emitter->arena};

    if (over_params[kernel->kind] != NULL)
        return plan == NULL
                   ? arena_printf(emitter->arena, "%d: %s", index, over_params[kernel->kind])
                   : arena_printf(emitter->arena, "%s, %s",
                                  step < 0 ? "before the first step" : "after the last step",
                                  over_params[kernel->kind]);
    text_printf(&text, "%d", step);
    if (result >= 0) {
        const SnugBuffer *buffer = &emitter->program->buffers[launch->buffers[result]];
        text_printf(&text, ": %s%s %s at %lld",
                    kernel->args[result].access == SNUG_WRITE ? "" : "+= ", type_name(buffer->type),
                    shape_text(emitter, buffer->shape), (long long)buffer->offset);
    }
    if (plan->steps.items[step].is_repeat)
        text_put(&text, result >= 0 ? ", computed again" : ": computed again");
    return text.bytes;
}

/* A line, or more, for each run of args that the kernel uses in one way; then the workspace. */
static void emit_launch_buffers(const Emitter *emitter, const SnugLaunch *launch)
{
    static const char *const uses[] = {
        [SNUG_READ] = "            /* reads   */ ",
        [SNUG_WRITE] = "            /* writes  */ ",
        [SNUG_ACCUMULATE] = "            /* updates */ ",
    };
    const SnugKernel *kernel = &emitter->program->kernels[launch->kernel];

    fprintf(emitter->out, "        .buffers = (const int32_t[]){\n");
    for (int32_t a = 0; a < kernel->arg_count;) {
        SnugAccess access = kernel->args[a].access;
        Row row = row_open(emitter, (int)strlen(uses[access]), uses[access]);
        for (; a < kernel->arg_count && kernel->args[a].access == access; a++)
            row_item(&row, "%s", emitter->buffers[launch->buffers[a]]);
        row_close(&row, ",\n");
    }
    if (kernel->workspace_bytes > 0)
        fprintf(emitter->out, "            /* scratch */ %s,\n",
                emitter->buffers[launch->buffers[kernel->arg_count]]);
    fprintf(emitter->out, "        },\n");
}

static void emit_launch(const Emitter *emitter, int segment, int32_t index)
{
    const SnugLaunch *launch = &emitter->program->segments[segment].launches[index];

    fprintf(emitter->out, "    { /* %s */\n", launch_title(emitter, segment, index));
    Row row = row_open(emitter, 8, "        ");
    row_string(&row, "label", launch->label);
    row_item(&row, ".kernel = %s", emitter->kernels[launch->kernel]);
    row_line(&row, emitter->tables->launch_sources[segment][index]);
    row_close(&row, ",\n");
    emit_launch_buffers(emitter, launch);
    fprintf(emitter->out, "    },\n");
}

static void emit_segments(const Emitter *emitter)
{
    static const char *const meanings[SNUG_SEGMENT_COUNT] = {
        [SNUG_SEGMENT_micro_step] = "forward, loss, backward: gradients += those of one batch",
        [SNUG_SEGMENT_update] = "norm, clip, AdamW, averages: gradients = 0",
        [SNUG_SEGMENT_evaluate] = "forward with averaged parameters, where there are any",
        [SNUG_SEGMENT_init] = "after parameters were set from outside",
    };

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        int32_t count = emitter->program->segments[s].launch_count;
        if (count == 0)
            continue;
        fprintf(emitter->out, "/* ---- %s: %s ---- */\nstatic const SnugLaunch %s%s[] = {\n",
                segment_names[s], meanings[s], emitter->prefix, segment_names[s]);
        for (int32_t k = 0; k < count; k++)
            emit_launch(emitter, s, k);
        fprintf(emitter->out, "};\n\n");
    }
}

/* ---- parameters and the program -------------------------------------------------------------- */

static void emit_param(const Emitter *emitter, const SnugParam *param)
{
    static const char *const kinds[] = {"conv_weight", "deconv_weight", "bias",       "bn_gamma",
                                        "bn_beta",     "running_mean",  "running_var"};
    const struct {
        const char *name;
        int64_t offset;
    } forms[] = {
        {"weight", param->weight}, {"grad", param->grad}, {"m", param->m},
        {"v", param->v},           {"ema", param->ema},   {"half", param->half},
    };
    Row row = row_open(emitter, 5, "    {");
    row_string(&row, "name", param->name);
    row_item(&row, ".kind = SNUG_PARAM_%s", kinds[param->kind]);
    row_item(&row, ".shape = %s", c_shape(emitter, param->shape));
    row_close(&row, ",\n");
    row = row_open(emitter, 5, "     ");
    for (size_t f = 0; f < COUNT_OF(forms); f++)
        row_item(&row, ".%s = %lld", forms[f].name, (long long)forms[f].offset);
    row_close(&row, ",\n");
    fprintf(emitter->out, "     .init_scale = %s, .decay = %d},\n",
            c_float(emitter, param->init_scale), param->decay);
}

static void emit_params(const Emitter *emitter)
{
    if (emitter->program->param_count == 0)
        return;
    fprintf(emitter->out, "static const SnugParam %sparams[] = {\n", emitter->prefix);
    for (int32_t p = 0; p < emitter->program->param_count; p++)
        emit_param(emitter, &emitter->program->params[p]);
    fprintf(emitter->out, "};\n\n");
}

static void emit_buffer_name(const Emitter *emitter, const char *field, int32_t buffer)
{
    if (buffer >= 0)
        fprintf(emitter->out, "    .%s = %s,\n", field, emitter->buffers[buffer]);
    else
        fprintf(emitter->out, "    .%s = -1,\n", field);
}

static void emit_defaults(const Emitter *emitter)
{
    const SnugDefaults *d = &emitter->program->defaults;

    fprintf(emitter->out,
            "    .defaults = {.lr = %s, .min_lr = %s, .weight_decay = %s, .beta1 = %s,\n"
            "                 .beta2 = %s, .eps = %s, .clip = %s, .ema_decay = %s,\n"
            "                 .accumulate = %d, .epochs = %d, .warmup_epochs = %d,\n"
            "                 .mixed_precision = %d, .use_ema = %d},\n",
            c_float(emitter, d->lr), c_float(emitter, d->min_lr), c_float(emitter, d->weight_decay),
            c_float(emitter, d->beta1), c_float(emitter, d->beta2), c_float(emitter, d->eps),
            c_float(emitter, d->clip), c_float(emitter, d->ema_decay), d->accumulate, d->epochs,
            d->warmup_epochs, d->mixed_precision, d->use_ema);
}

static void emit_string(const Emitter *emitter, const char *field, const char *string)
{
    Row row = row_open(emitter, 4, "    ");

    row_string(&row, field, string);
    row_close(&row, ",\n");
}

static void emit_sizes(const Emitter *emitter)
{
    const SnugProgram *p = emitter->program;
    FILE *out = emitter->out;

    fprintf(out, "    .version = %d,\n", p->version);
    emit_string(emitter, "model", p->model);
    emit_string(emitter, "model_path", p->model_path);
    emit_string(emitter, "model_hash", p->model_hash);
    emit_string(emitter, "device", p->device);
    emit_string(emitter, "overrides", p->overrides);
    fprintf(out,
            "    .host_threads = %d,\n"
            "    .batch_size = %d, .image_height = %d, .image_width = %d, .image_channels = %d,\n"
            "    .landmarks = %d,\n    .storage = %s,\n",
            p->host_threads, p->batch_size, p->image_height, p->image_width, p->image_channels,
            p->landmarks, c_type(p->storage));
    fprintf(out, "    .total_bytes = %lld, .persistent_bytes = %lld,\n", (long long)p->total_bytes,
            (long long)p->persistent_bytes);
    if (p->budget_bytes == INT64_MAX)
        fprintf(out, "    .budget_bytes = INT64_MAX, /* none was given */\n");
    else
        fprintf(out, "    .budget_bytes = %lld,\n", (long long)p->budget_bytes);
}

/* What the trainer offers where less memory is free. */
static void emit_alternatives(const Emitter *emitter)
{
    const SnugProgram *p = emitter->program;

    if (p->alternative_count == 0)
        return;
    fprintf(emitter->out, "static const SnugAlternative %salternatives[] = {\n", emitter->prefix);
    for (int32_t k = 0; k < p->alternative_count; k++) {
        const SnugAlternative *a = &p->alternatives[k];
        Row row = row_open(emitter, 5, "    {");
        row_item(&row, ".total_bytes = %lld", (long long)a->total_bytes);
        row_item(&row, ".batch_size = %d", a->batch_size);
        row_item(&row, ".accumulate = %d", a->accumulate);
        row_item(&row, ".image_height = %d", a->image_height);
        row_item(&row, ".image_width = %d", a->image_width);
        row_item(&row, ".picture_ms = %s", c_float(emitter, a->picture_ms));
        row_item(&row, ".added = %s", c_float(emitter, a->added));
        row_string(&row, "command", a->command);
        row_close(&row, "},\n");
    }
    fprintf(emitter->out, "};\n\n");
}

static void emit_whole(const Emitter *emitter)
{
    const SnugProgram *p = emitter->program;
    const char *prefix = emitter->prefix;
    FILE *out = emitter->out;

    fprintf(out, "static const SnugProgram %sprogram = {\n", prefix);
    emit_sizes(emitter);
    fprintf(out, "    .plan_page = %splan_page,\n", prefix);
    fprintf(out, "    .buffers = %sbuffers, .buffer_count = %d,\n", prefix, p->buffer_count);
    fprintf(out, "    .kernels = %skernels, .kernel_count = %d,\n", prefix, p->kernel_count);
    if (p->cuda_kernels != NULL)
        fprintf(out,
                "    .cuda_kernels = %scuda_kernels,\n"
                "    .cuda_headers = cuda_headers, .cuda_header_count = %d,\n",
                prefix, p->cuda_header_count);
    if (p->requires_cublas != 0)
        fprintf(out, "    .requires_cublas = 1,\n");
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (p->segments[s].launch_count == 0)
            continue;
        Row row = row_open(emitter, 8, "    ");
        row_item(&row, ".segments[SNUG_SEGMENT_%s] = {.launches = %s%s", segment_names[s], prefix,
                 segment_names[s]);
        row_item(&row, ".launch_count = %d", p->segments[s].launch_count);
        row_close(&row, "},\n");
    }
    if (p->param_count > 0)
        fprintf(out, "    .params = %sparams, .param_count = %d,\n", prefix, p->param_count);
    emit_buffer_name(emitter, "image_buffer", p->image_buffer);
    emit_buffer_name(emitter, "points_buffer", p->points_buffer);
    emit_buffer_name(emitter, "image_weights_buffer", p->image_weights_buffer);
    fprintf(out, "    .staging_offset = %lld,\n", (long long)p->staging_offset);
    emit_buffer_name(emitter, "scalars_buffer", p->scalars_buffer);
    emit_buffer_name(emitter, "output_buffer", p->output_buffer);
    emit_buffer_name(emitter, "peaks_buffer", p->peaks_buffer);
    emit_loss(emitter, &p->loss, "    .loss = {");
    emit_defaults(emitter);
    if (p->alternative_count > 0)
        fprintf(out, "    .alternatives = %salternatives, .alternative_count = %d,\n", prefix,
                p->alternative_count);
    fprintf(out, "};\n\n");
}

/* ---- the file -------------------------------------------------------------------------------- */

typedef struct Emission {
    Compilation *const *variants;
    uint32_t count;
} Emission;

static void emit_variant(Emitter *emitter)
{
    const SnugProgram *p = emitter->program;

    name_everything(emitter);
    emit_memory_map(emitter);
    emit_enum(emitter, "buffers", emitter->buffers, p->buffer_count);
    emit_buffers(emitter);
    emit_kernels(emitter);
    emit_segments(emitter);
    emit_params(emitter);
    emit_alternatives(emitter);
    emit_whole(emitter);
}

static bool is_same_size(const Model *a, const Model *b)
{
    return a->batch_size == b->batch_size && a->image_height == b->image_height
           && a->image_width == b->image_width;
}

const char *variant_name(Compilation *const *variants, uint32_t count, uint32_t v)
{
    const Model *model = variants[v]->model;
    Text name = {.arena = variants[v]->arena};
    bool sizes_differ = false, devices_differ = false;

    for (uint32_t k = 0; k < count; k++) {
        sizes_differ |= !is_same_size(model, variants[k]->model);
        devices_differ |= variants[k]->target.device != variants[v]->target.device;
    }
    text_put(&name, "");
    if (sizes_differ)
        text_printf(&name, "b%lld_%lldx%lld", (long long)model->batch_size,
                    (long long)model->image_height, (long long)model->image_width);
    if (devices_differ)
        text_printf(&name, "%s%s", sizes_differ ? "_" : "",
                    variants[v]->target.device == DEVICE_host ? "host" : "cuda");
    return name.bytes;
}

const char *program_prefix(Compilation *const *variants, uint32_t count, uint32_t v)
{
    const char *name = variant_name(variants, count, v);

    return name[0] == '\0' ? "" : arena_printf(variants[v]->arena, "%s_", name);
}

/* The file that most lines are of: it need not stand beside each of them. */
static uint32_t main_file(const Compilation *c, const ProgramTables *tables, Arena *arena)
{
    uint32_t *lines = arena_array(arena, uint32_t, diagnostics_file_count(c->diags) + 1);
    uint32_t most = 0;

    for (int32_t b = 0; b < tables->program.buffer_count; b++)
        lines[tables->buffer_sources[b].file]++;
    lines[0] = 0;
    for (uint32_t f = 1; f <= diagnostics_file_count(c->diags); f++)
        if (lines[f] > lines[most])
            most = f;
    return most;
}

static void emit_head(const Emitter *emitter)
{
    const Compilation *c = emitter->c;
    FILE *out = emitter->out;

    fprintf(out, "/* %s: the program of %s, written by snug %s.\n",
            comment_text(emitter->arena, c->model->name),
            comment_text(emitter->arena, c->options.model_path), SNUG_VERSION);
    fputs(" *\n"
          " * All memory is one allocation, planned to the byte. These tables say what lies where "
          "in\n"
          " * it and what runs on it; runtime/program.h has their types.\n"
          " *\n"
          " *     buffers      bytes at an offset: by class, and in it in order of address\n"
          " *     kernels      what can run: its args, and as a formula what was fused into it\n"
          " *     micro_step   launches of kernels on buffers, in order; likewise update, "
          "evaluate, init\n"
          " *     params       the parameters: where each of their forms is\n"
          " *     program      all of it, with the defaults of the training\n"
          " *\n"
          " * A buffer of the arena has its life beside it, [first, last): from the step that "
          "writes it\n"
          " * first until just after the step that reads it last. Steps are numbered as by "
          "--dump=plan;\n"
          " * each launch begins with its own. Buffers of a segment that share bytes stand "
          "together, and\n"
          " * no two of them live at once, but where one takes over the bytes of another: the step "
          "that\n"
          " * reads the old one last writes the new one, each element after it was read.\n"
          " *\n"
          " * A launch reads, updates (reads and adds to) and writes buffers, as its kernel's args "
          "say;\n"
          " * scratch is memory for the one launch.\n",
          out);
    if (emitter->file != 0)
        fprintf(out, " *\n * .line is a line of %s where no other file is named.\n",
                file_path(emitter, emitter->file));
    fprintf(out,
            " */\n#include \"runtime/program.h\"\n\n#include \"%s_plan.h\" /* plan.html */\n\n",
            c->model->name);
    if (c->target.device == DEVICE_cuda)
        fprintf(out, "#include \"%s_cuda.h\" /* the kernels' texts */\n\n", c->model->name);
}

static bool emit_file(FILE *out, void *context)
{
    const Emission *emission = context;
    Compilation *first = emission->variants[0];
    Arena *arena = arena_create();
    const ProgramTables **tables = arena_array(arena, const ProgramTables *, emission->count);
    Map names = {0};
    Text list = {.arena = arena};

    for (uint32_t v = 0; v < emission->count; v++)
        tables[v] = build_tables(emission->variants[v]);
    Emitter emitter = {.c = first,
                       .arena = arena,
                       .interner = first->names,
                       .names = &names,
                       .file = main_file(first, tables[0], arena),
                       .out = out};
    reserve_names(&emitter);
    emit_head(&emitter);
    for (uint32_t v = 0; v < emission->count; v++) {
        emitter.c = emission->variants[v];
        emitter.tables = tables[v];
        emitter.program = &tables[v]->program;
        emitter.prefix = program_prefix(emission->variants, emission->count, v);
        emit_variant(&emitter);
        text_printf(&list, "    &%sprogram,\n", emitter.prefix);
    }
    fprintf(out, "const SnugProgram *const snug_programs[] = {\n%s};\n", list.bytes);
    fprintf(out, "const int32_t snug_program_count = %u;\n", emission->count);
    arena_destroy(arena);
    return !ferror(out);
}

bool emit_program(Compilation *const *variants, uint32_t count, const char *folder)
{
    Emission emission = {variants, count};
    Compilation *c = variants[0];
    const char *path = arena_printf(c->arena, "%s/%s.c", folder, c->model->name);

    return emit_pages(variants, count, folder)
           && write_if_changed(c->arena, path, emit_file, &emission);
}
