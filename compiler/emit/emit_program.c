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
#include "emit.h"

#include <ctype.h>
#include <string.h>

#include "compiler/floor/system.h"
#include "compiler/fuse/formula.h"

typedef struct Emitter {
    Compilation *c;
    Arena *arena;
    const ProgramTables *tables;
    const SnugProgram *program;
    const char *prefix;   /* of all names of the variant: "", or "b8_512x512_" */
    Interner *interner;   /* one for all variants */
    Map *names;           /* taken: interned name -> int32_t, how often it was asked for */
    const char **buffers; /* names of buffers and kernels, by index */
    const char **kernels;
    FILE *out;
} Emitter;

/* ---- text ------------------------------------------------------------------------------------ */

/* What cannot be the name of an enumerator in this file. */
static const char *const reserved[] = {
    "auto",     "break",   "case",     "char",         "const",    "continue",   "default",
    "do",       "double",  "else",     "enum",         "extern",   "float",      "for",
    "goto",     "if",      "inline",   "int",          "long",     "register",   "restrict",
    "return",   "short",   "signed",   "sizeof",       "static",   "struct",     "switch",
    "typedef",  "union",   "unsigned", "void",         "volatile", "while",      "asm",
    "typeof",   "buffers", "kernels",  "params",       "program",  "micro_step", "update",
    "evaluate", "init",    "main",     "alternatives", "linux",    "unix",       "errno",
    "NULL",
};

/* Whether runtime/program.h or <stdint.h> may define it. */
static bool belongs_to_a_header(const char *name)
{
    size_t length = strlen(name);

    return strncmp(name, "SNUG_", 5) == 0 || strncmp(name, "Snug", 4) == 0
           || strncmp(name, "snug_", 5) == 0 || strncmp(name, "INT", 3) == 0
           || strncmp(name, "UINT", 4) == 0 || (length > 2 && strcmp(name + length - 2, "_t") == 0);
}

/* A C identifier like `name`, unique in the file. */
static const char *unique_name(Emitter *emitter, const char *name)
{
    Text text = {.arena = emitter->arena};
    const char *interned;
    int32_t *asked;

    text_put(&text, emitter->prefix);
    if (text.length == 0 && isdigit((unsigned char)name[0]))
        text_put(&text, "_");
    for (; *name != '\0'; name++)
        text_append(&text, isalnum((unsigned char)*name) ? name : "_", 1);
    if (belongs_to_a_header(text.bytes))
        text_put(&text, "_");
    interned = intern(emitter->interner, text.bytes, text.length);
    asked = map_get(emitter->names, interned);
    while (asked != NULL) {
        const char *other = arena_printf(emitter->arena, "%s_%d", text.bytes, ++*asked);
        interned = intern(emitter->interner, other, strlen(other));
        asked = map_get(emitter->names, interned) == NULL ? NULL : asked;
    }
    int32_t *first = arena_new(emitter->arena, int32_t);
    *first = 1;
    map_set(emitter->names, emitter->arena, interned, first);
    return interned;
}

static void name_everything(Emitter *emitter)
{
    const SnugProgram *program = emitter->program;

    emitter->buffers = arena_array(emitter->arena, const char *, (size_t)program->buffer_count);
    emitter->kernels = arena_array(emitter->arena, const char *, (size_t)program->kernel_count);
    for (int32_t b = 0; b < program->buffer_count; b++)
        emitter->buffers[b] = unique_name(emitter, program->buffers[b].name);
    for (int32_t k = 0; k < program->kernel_count; k++)
        emitter->kernels[k] = unique_name(emitter, program->kernels[k].name);
}

/* "text" as a C string; trigraphs and bytes beyond ASCII are escaped. */
static const char *c_string(const Emitter *emitter, const char *string)
{
    Text text = {.arena = emitter->arena};

    text_put(&text, "\"");
    for (const unsigned char *p = (const unsigned char *)string; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\' || *p == '?')
            text_printf(&text, "\\%c", *p);
        else if (*p < 32 || *p > 126)
            text_printf(&text, "\\%03o", *p);
        else
            text_append(&text, (const char *)p, 1);
    }
    text_put(&text, "\"");
    return text.bytes;
}

/* `string` within a comment: it cannot end it. */
static const char *comment_text(const Emitter *emitter, const char *string)
{
    Text text = {.arena = emitter->arena};

    text_put(&text, "");
    for (; *string != '\0'; string++) {
        bool is_mark = (*string == '*' && string[1] == '/') || (*string == '/' && string[1] == '*')
                       || (unsigned char)*string < 32;
        text_append(&text, is_mark ? "?" : string, 1);
    }
    return text.bytes;
}

/* The shortest decimal that reads back as the same float. */
static const char *c_float(const Emitter *emitter, float number)
{
    const char *text = NULL;
    double back = 0;

    for (int digits = 6; digits <= 9; digits++) {
        text = arena_printf(emitter->arena, "%.*g", digits, (double)number);
        if (parse_number(text, &back) && (float)back == number)
            break;
    }
    return arena_printf(emitter->arena, "%s%sF", text, strpbrk(text, ".en") == NULL ? ".0" : "");
}

static const char *c_shape(const Emitter *emitter, SnugShape shape)
{
    return arena_printf(emitter->arena, "{%d, %d, %d, %d}", shape.n, shape.h, shape.w, shape.c);
}

static const char *shape_text(const Emitter *emitter, SnugShape shape)
{
    return arena_printf(emitter->arena, "%dx%dx%dx%d", shape.n, shape.h, shape.w, shape.c);
}

static const char *c_type(SnugType type)
{
    switch (type) {
    case SNUG_F32: return "SNUG_F32";
    case SNUG_F16: return "SNUG_F16";
    case SNUG_BF16: return "SNUG_BF16";
    case SNUG_U8: return "SNUG_U8";
    default: BUG("a type is unknown in a program");
    }
}

/* "models/hrnet.snug:31", or "" for what has no place. */
static const char *place_text(const Emitter *emitter, Span span)
{
    const Diagnostics *diags = emitter->c->diags;

    if (span.file == 0)
        return "";
    return comment_text(emitter, arena_printf(emitter->arena, "%s:%u",
                                              diagnostics_file(diags, span.file)->path,
                                              span_line_column(diags, span).line));
}

/* ---- buffers --------------------------------------------------------------------------------- */

static void emit_enum(const Emitter *emitter, const char *title, const char *const *names,
                      int32_t count)
{
    FILE *out = emitter->out;

    fprintf(out, "enum { /* %s */\n", title);
    for (int32_t k = 0; k < count; k++)
        fprintf(out, "    %s,\n", names[k]);
    fprintf(out, "};\n\n");
}

static int widest(const char *const *names, int32_t count)
{
    size_t width = 0;

    for (int32_t k = 0; k < count; k++)
        if (strlen(names[k]) > width)
            width = strlen(names[k]);
    return width < 60 ? (int)width : 60;
}

static void emit_buffers(const Emitter *emitter)
{
    const SnugProgram *program = emitter->program;
    int width = widest(emitter->buffers, program->buffer_count);
    FILE *out = emitter->out;

    emit_enum(emitter, "buffers", emitter->buffers, program->buffer_count);
    fprintf(out, "static const SnugBuffer %sbuffers[] = {\n", emitter->prefix);
    for (int32_t b = 0; b < program->buffer_count; b++) {
        const SnugBuffer *buffer = &program->buffers[b];
        const char *name = emitter->buffers[b];
        int padding = width - (int)strlen(name);
        fprintf(out,
                "    [%s]%*s = {.offset = %11lld, .bytes = %10lld, .type = %s, .shape = %s, "
                ".pitch = %d, .line = %d, .name = %s},",
                name, padding > 0 ? padding : 0, "", (long long)buffer->offset,
                (long long)buffer->bytes, c_type(buffer->type), c_shape(emitter, buffer->shape),
                buffer->pitch, buffer->line, c_string(emitter, buffer->name));
        const char *place = place_text(emitter, emitter->tables->buffer_sources[b]);
        fprintf(out, place[0] != '\0' ? " /* %s */\n" : "%s\n", place);
    }
    fprintf(out, "};\n\n");
}

/* ---- kernels --------------------------------------------------------------------------------- */

static const char *const point_names[SNUG_POINT_OP_COUNT] = {
    [SNUG_POINT_core] = "core",
    [SNUG_POINT_load] = "load",
    [SNUG_POINT_load_bilinear] = "load_bilinear",
    [SNUG_POINT_channel] = "channel",
    [SNUG_POINT_constant] = "constant",
    [SNUG_POINT_add] = "add",
    [SNUG_POINT_multiply] = "multiply",
    [SNUG_POINT_fma] = "fma",
    [SNUG_POINT_relu] = "relu",
    [SNUG_POINT_mask] = "mask",
    [SNUG_POINT_sigmoid] = "sigmoid",
    [SNUG_POINT_sigmoid_grad] = "sigmoid_grad",
    [SNUG_POINT_round] = "round",
};

static const char *const kind_names[SNUG_KERNEL_KIND_COUNT] = {
    [SNUG_KERNEL_map] = "map",
    [SNUG_KERNEL_conv] = "conv",
    [SNUG_KERNEL_conv_dgrad] = "conv_dgrad",
    [SNUG_KERNEL_conv_wgrad] = "conv_wgrad",
    [SNUG_KERNEL_max_pool] = "max_pool",
    [SNUG_KERNEL_max_pool_grad] = "max_pool_grad",
    [SNUG_KERNEL_upsample_grad] = "upsample_grad",
    [SNUG_KERNEL_bilinear_grad] = "bilinear_grad",
    [SNUG_KERNEL_bn_combine] = "bn_combine",
    [SNUG_KERNEL_bn_frozen] = "bn_frozen",
    [SNUG_KERNEL_bn_grad_combine] = "bn_grad_combine",
    [SNUG_KERNEL_sum_combine] = "sum_combine",
    [SNUG_KERNEL_heatmap_loss] = "heatmap_loss",
    [SNUG_KERNEL_loss_combine] = "loss_combine",
    [SNUG_KERNEL_heatmap_loss_grad] = "heatmap_loss_grad",
    [SNUG_KERNEL_decode] = "decode",
    [SNUG_KERNEL_grad_norm] = "grad_norm",
    [SNUG_KERNEL_adamw] = "adamw",
    [SNUG_KERNEL_copy_weights] = "copy_weights",
    [SNUG_KERNEL_copy_ema] = "copy_ema",
};

const char *kernel_kind_name(SnugKernelKind kind)
{
    return kind_names[kind];
}

static void emit_point(const Emitter *emitter, const SnugPoint *point, int32_t reg)
{
    FILE *out = emitter->out;

    fprintf(out, "                /* r%-2d */ {.op = SNUG_POINT_%s", reg, point_names[point->op]);
    switch (point->op) {
    case SNUG_POINT_load:
    case SNUG_POINT_load_bilinear:
        fprintf(out, ", .arg = %d, .factor = %d", point->arg, point->factor);
        break;
    case SNUG_POINT_channel: fprintf(out, ", .arg = %d, .row = %d", point->arg, point->row); break;
    case SNUG_POINT_constant:
        fprintf(out, ", .constants = {%s, %s, %s, %s}", c_float(emitter, point->constants[0]),
                c_float(emitter, point->constants[1]), c_float(emitter, point->constants[2]),
                c_float(emitter, point->constants[3]));
        break;
    case SNUG_POINT_core: break;
    case SNUG_POINT_relu:
    case SNUG_POINT_sigmoid: fprintf(out, ", .a = %d", point->a); break;
    case SNUG_POINT_round:
        fprintf(out, ", .a = %d, .row = %s", point->a, c_type((SnugType)point->row));
        break;
    case SNUG_POINT_fma:
        fprintf(out, ", .a = %d, .b = %d, .d = %d", point->a, point->b, point->d);
        break;
    default: fprintf(out, ", .a = %d, .b = %d", point->a, point->b); break;
    }
    if (point->channel != 0)
        fprintf(out, ", .channel = %d", point->channel);
    fprintf(out, "},\n");
}

/* Opens with the formula; args are a0, a1, ... */
static void emit_code(const Emitter *emitter, const SnugKernel *kernel, const SnugPointwise *code,
                      bool reduces)
{
    const char **names = arena_array(emitter->arena, const char *, (size_t)kernel->arg_count);

    for (int32_t a = 0; a < kernel->arg_count; a++)
        names[a] = arena_printf(emitter->arena, "a%d", a);
    fprintf(emitter->out, "(const SnugPoint[]){ /* %s */\n",
            formula_text(emitter->arena, kernel, names, code, reduces));
    for (int32_t r = 0; r < code->count; r++)
        emit_point(emitter, &code->code[r], r);
    fprintf(emitter->out, "            }");
}

static void emit_args(const Emitter *emitter, const SnugKernel *kernel)
{
    static const char *const access[] = {"SNUG_READ", "SNUG_WRITE", "SNUG_ACCUMULATE"};

    fprintf(emitter->out, "        .args = (const SnugArg[]){\n");
    for (int32_t a = 0; a < kernel->arg_count; a++) {
        const SnugArg *arg = &kernel->args[a];
        fprintf(emitter->out,
                "            /* %2d */ {.access = %s, .type = %s, .shape = %s, .pitch = %d},\n", a,
                access[arg->access], c_type(arg->type), c_shape(emitter, arg->shape), arg->pitch);
    }
    fprintf(emitter->out,
            "        },\n        .arg_count = %d, .output_arg = %d, .weight_arg = %d,\n",
            kernel->arg_count, kernel->output_arg, kernel->weight_arg);
}

/* ", .tile = {8, 16}"; nothing on the host. */
static const char *tile_field(const Emitter *emitter, SnugTile tile)
{
    return tile.rows == 0
               ? ""
               : arena_printf(emitter->arena, ", .tile = {%d, %d}", tile.rows, tile.columns);
}

static void emit_parts(const Emitter *emitter, const SnugKernel *kernel)
{
    static const char *const kinds[] = {"sum", "moments", "grad"};
    FILE *out = emitter->out;

    for (int side = 0; side < 2; side++) {
        if (kernel->in[side].count == 0)
            continue;
        fprintf(out, "        .in[%d] = {.count = %d, .code = ", side, kernel->in[side].count);
        emit_code(emitter, kernel, &kernel->in[side], false);
        fprintf(out, "},\n");
    }
    if (kernel->part_count > 0)
        fprintf(out, "        .part_count = %d,\n        .parts = (const SnugPart[]){\n",
                kernel->part_count);
    for (int32_t p = 0; p < kernel->part_count; p++) {
        const SnugPart *part = &kernel->parts[p];
        fprintf(out,
                "            {.channel_begin = %d, .channel_count = %d, .out.count = %d,\n"
                "            .out.code = ",
                part->channel_begin, part->channel_count, part->out.count);
        emit_code(emitter, kernel, &part->out, kernel->part_count == 1);
        fprintf(out, "},\n");
    }
    if (kernel->part_count > 0)
        fprintf(out, "        },\n");
    for (int32_t k = 0; k < kernel->reduction_count; k++) {
        const SnugReduction *reduction = &kernel->reductions[k];
        fprintf(out,
                "        .reductions[%d] = {.kind = SNUG_REDUCE_%s, .with = %d, .arg = %d, "
                ".rows_per_partial = %d%s},\n",
                k, kinds[reduction->kind], reduction->with, reduction->arg,
                reduction->rows_per_partial, tile_field(emitter, reduction->tile));
    }
    if (kernel->reduction_count > 0)
        fprintf(out, "        .reduction_count = %d,\n", kernel->reduction_count);
}

static const char *loss_fields(const Emitter *emitter, const SnugLoss *loss)
{
    static const char *const kinds[] = {"mse", "adaptive_wing", "ohkm"};

    return arena_printf(
        emitter->arena,
        "{.kind = SNUG_LOSS_%s, .sigma = %s, .stride = %s, .omega = %s, .theta = %s, "
        ".epsilon = %s, .alpha = %s, .weighted = %d, .top = %d}",
        kinds[loss->kind], c_float(emitter, loss->sigma), c_float(emitter, loss->stride),
        c_float(emitter, loss->omega), c_float(emitter, loss->theta),
        c_float(emitter, loss->epsilon), c_float(emitter, loss->alpha), loss->weighted, loss->top);
}

static bool is_loss(SnugKernelKind kind)
{
    return kind == SNUG_KERNEL_heatmap_loss || kind == SNUG_KERNEL_loss_combine
           || kind == SNUG_KERNEL_heatmap_loss_grad || kind == SNUG_KERNEL_decode;
}

static bool is_bn(SnugKernelKind kind)
{
    return kind == SNUG_KERNEL_bn_combine || kind == SNUG_KERNEL_bn_frozen
           || kind == SNUG_KERNEL_bn_grad_combine;
}

static void emit_kernel(const Emitter *emitter, int32_t k, int32_t uses)
{
    const SnugKernel *kernel = &emitter->program->kernels[k];
    const SnugWindow *window = &kernel->window;
    FILE *out = emitter->out;

    fprintf(out, "    [%s] = { /* %d %s */\n        .name = %s,\n        .kind = SNUG_KERNEL_%s,\n",
            emitter->kernels[k], uses, uses == 1 ? "launch" : "launches",
            c_string(emitter, kernel->name), kernel_kind_name(kernel->kind));
    emit_args(emitter, kernel);
    if (window->kernel != 0)
        fprintf(out,
                "        .window = {.kernel = %d, .stride = %d, .pad = %d, .x = %s, .y = %s},\n",
                window->kernel, window->stride, window->pad, c_shape(emitter, window->x),
                c_shape(emitter, window->y));
    else if (window->y.n != 0)
        fprintf(out, "        .window.y = %s,\n", c_shape(emitter, window->y));
    emit_parts(emitter, kernel);
    if (is_bn(kernel->kind))
        fprintf(out, "        .bn = {.eps = %s, .momentum = %s, .count = %lld, .frozen = %d%s},\n",
                c_float(emitter, kernel->bn.eps), c_float(emitter, kernel->bn.momentum),
                (long long)kernel->bn.count, kernel->bn.frozen,
                tile_field(emitter, kernel->bn.tile));
    if (is_loss(kernel->kind))
        fprintf(out, "        .loss = %s,\n", loss_fields(emitter, &kernel->loss));
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

/* "3: stem.conv2 -> bf16 1x64x64x64 at 33619968; models/hrnet.snug:15" */
static void emit_launch(const Emitter *emitter, int segment, int32_t index)
{
    const SnugLaunch *launch = &emitter->program->segments[segment].launches[index];
    const SnugKernel *kernel = &emitter->program->kernels[launch->kernel];
    const char *place = place_text(emitter, emitter->tables->launch_sources[segment][index]);
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0 ? 1 : 0);
    FILE *out = emitter->out;
    int column = 22;

    fprintf(out, "    {   /* %d: %s", index, comment_text(emitter, launch->label));
    if (kernel->output_arg >= 0) {
        const SnugBuffer *result = &emitter->program->buffers[launch->buffers[kernel->output_arg]];
        fprintf(out, " %s %s %s at %lld",
                kernel->args[kernel->output_arg].access == SNUG_WRITE ? "->" : "+=",
                type_name(result->type), shape_text(emitter, result->shape),
                (long long)result->offset);
    }
    fprintf(out, "%s%s */\n", place[0] != '\0' ? "; " : "", place);
    fprintf(out, "        .label = %s, .kernel = %s, .line = %d,\n",
            c_string(emitter, launch->label), emitter->kernels[launch->kernel], launch->line);
    fprintf(out, "        .buffers = (const int32_t[]){");
    for (int32_t b = 0; b < count; b++) {
        const char *name = emitter->buffers[launch->buffers[b]];
        int width = (int)strlen(name) + 2;
        if (b > 0 && column + width > 96) {
            fprintf(out, ",\n            %s", name);
            column = 12 + width;
        } else {
            fprintf(out, "%s%s", b > 0 ? ", " : "", name);
            column += width;
        }
    }
    fprintf(out, "},\n    },\n");
}

static void emit_segments(const Emitter *emitter)
{
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        int32_t count = emitter->program->segments[s].launch_count;
        if (count == 0)
            continue;
        fprintf(emitter->out, "static const SnugLaunch %s%s[] = {\n", emitter->prefix,
                segment_names[s]);
        for (int32_t k = 0; k < count; k++)
            emit_launch(emitter, s, k);
        fprintf(emitter->out, "};\n\n");
    }
}

/* ---- parameters and the program -------------------------------------------------------------- */

static void emit_params(const Emitter *emitter)
{
    static const char *const kinds[] = {"conv_weight", "deconv_weight", "bias",       "bn_gamma",
                                        "bn_beta",     "running_mean",  "running_var"};
    FILE *out = emitter->out;

    if (emitter->program->param_count == 0)
        return;
    fprintf(out, "static const SnugParam %sparams[] = {\n", emitter->prefix);
    for (int32_t p = 0; p < emitter->program->param_count; p++) {
        const SnugParam *param = &emitter->program->params[p];
        fprintf(
            out,
            "    {.name = %s, .kind = SNUG_PARAM_%s, .shape = %s,\n"
            "     .weight = %lld, .grad = %lld, .m = %lld, .v = %lld, .ema = %lld, .half = %lld,\n"
            "     .init_scale = %s, .decay = %d},\n",
            c_string(emitter, param->name), kinds[param->kind], c_shape(emitter, param->shape),
            (long long)param->weight, (long long)param->grad, (long long)param->m,
            (long long)param->v, (long long)param->ema, (long long)param->half,
            c_float(emitter, param->init_scale), param->decay);
    }
    fprintf(out, "};\n\n");
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

static void emit_sizes(const Emitter *emitter)
{
    const SnugProgram *p = emitter->program;
    FILE *out = emitter->out;

    fprintf(out, "    .version = %d,\n    .model = %s,\n    .model_path = %s,\n", p->version,
            c_string(emitter, p->model), c_string(emitter, p->model_path));
    fprintf(out, "    .model_hash = %s,\n    .device = %s,\n    .overrides = %s,\n",
            c_string(emitter, p->model_hash), c_string(emitter, p->device),
            c_string(emitter, p->overrides));
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
        fprintf(emitter->out,
                "    {.total_bytes = %lld, .batch_size = %d, .accumulate = %d,\n"
                "     .image_height = %d, .image_width = %d, .picture_ms = %s, .added = %s,\n"
                "     .command = %s},\n",
                (long long)a->total_bytes, a->batch_size, a->accumulate, a->image_height,
                a->image_width, c_float(emitter, a->picture_ms), c_float(emitter, a->added),
                c_string(emitter, a->command));
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
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (p->segments[s].launch_count > 0)
            fprintf(out,
                    "    .segments[SNUG_SEGMENT_%s] = {.launches = %s%s, .launch_count = %d},\n",
                    segment_names[s], prefix, segment_names[s], p->segments[s].launch_count);
    if (p->param_count > 0)
        fprintf(out, "    .params = %sparams, .param_count = %d,\n", prefix, p->param_count);
    emit_buffer_name(emitter, "image_buffer", p->image_buffer);
    emit_buffer_name(emitter, "points_buffer", p->points_buffer);
    emit_buffer_name(emitter, "image_weights_buffer", p->image_weights_buffer);
    fprintf(out, "    .staging_offset = %lld,\n", (long long)p->staging_offset);
    emit_buffer_name(emitter, "scalars_buffer", p->scalars_buffer);
    emit_buffer_name(emitter, "output_buffer", p->output_buffer);
    emit_buffer_name(emitter, "peaks_buffer", p->peaks_buffer);
    fprintf(out, "    .loss = %s,\n", loss_fields(emitter, &p->loss));
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

    fprintf(emitter->out,
            "/* ---- batch %d, image %dx%d, %s in %s: %s, of which the arena is %s ---- */\n\n",
            p->batch_size, p->image_height, p->image_width, p->device, type_name(p->storage),
            format_bytes(emitter->arena, p->total_bytes),
            format_bytes(emitter->arena, p->total_bytes - p->persistent_bytes));
    name_everything(emitter);
    emit_buffers(emitter);
    emit_kernels(emitter);
    emit_segments(emitter);
    emit_params(emitter);
    emit_alternatives(emitter);
    emit_whole(emitter);
}

const char *program_prefix(Arena *arena, const SnugProgram *program, uint32_t variant_count)
{
    if (variant_count < 2)
        return "";
    return arena_printf(arena, "b%d_%dx%d_", program->batch_size, program->image_height,
                        program->image_width);
}

static bool emit_file(FILE *out, void *context)
{
    const Emission *emission = context;
    Compilation *first = emission->variants[0];
    Arena *arena = arena_create();
    Map names = {0};
    Text list = {.arena = arena};

    for (size_t k = 0; k < COUNT_OF(reserved); k++) {
        int32_t *asked = arena_new(arena, int32_t);
        *asked = 1;
        map_set(&names, arena, intern(first->names, reserved[k], strlen(reserved[k])), asked);
    }
    Emitter emitter = {.c = first,
                       .arena = arena,
                       .interner = first->names,
                       .names = &names,
                       .out = out};
    fprintf(out, "/* %s: the program of %s, written by snug %s.\n *\n",
            comment_text(&emitter, first->model->name),
            comment_text(&emitter, first->options.model_path), SNUG_VERSION);
    fprintf(out,
            " * Buffers, kernels, and a list of launches for each segment; runtime/program.h says\n"
            " * what they mean.\n */\n#include \"runtime/program.h\"\n\n");
    fprintf(out, "#include \"%s_plan.h\" /* plan.html */\n\n", first->model->name);
    if (first->target.device == DEVICE_cuda)
        fprintf(out, "#include \"%s_cuda.h\" /* the kernels' texts */\n\n", first->model->name);
    for (uint32_t v = 0; v < emission->count; v++) {
        Compilation *c = emission->variants[v];
        emitter.c = c;
        emitter.tables = build_tables(c);
        emitter.program = &emitter.tables->program;
        emitter.prefix = program_prefix(arena, emitter.program, emission->count);
        emit_variant(&emitter);
        text_printf(&list, "%s&%sprogram", v > 0 ? ", " : "", emitter.prefix);
    }
    fprintf(out, "const SnugProgram *const snug_programs[] = {%s};\n", list.bytes);
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
