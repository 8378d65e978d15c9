/* Pointwise code -> device functions on chunks of 8 channels: see kernels/prims.cuh.
 *
 *     r0 = load arg 0                struct Prologue0 : Code<Prologue0, 64, 1> {
 *     r1 = channel arg 1 row 2           struct Channels { float r1[8], r2[8]; };
 *     r2 = channel arg 1 row 3           CODE_CHANNELS  { r1, r2 }
 *     r3 = fma r0 r1 r2         =>       CODE_SOURCE    { where raw[0] lies }
 *     r4 = relu r3                       CODE_APPLY     { r0 = unpack(raw[0]), then in a loop over
 *                                    };                   the chunk r3, r4 -> v }
 *
 * Registers that depend on the channel alone are members of Channels, those that are the same
 * everywhere are literals, all others are locals of the loop.
 */
#include "compiler/fuse/formula.h"
#include "cuda.h"

#include <string.h>

typedef enum Home {
    HOME_literal,  /* a constant */
    HOME_channels, /* k.rN[i] */
    HOME_chunk,    /* rN[i]: loaded before the loop */
    HOME_core,     /* core[i] */
    HOME_loop      /* rN, a local of the loop */
} Home;

typedef struct Writer {
    CudaSource *source;
    Text *text;
    const SnugKernel *kernel;
    const SnugPointwise *code;
    SnugShape domain;
    Home *home; /* by register */
    bool *is_used;
    int32_t *raw; /* by register: which own-element load it is, -1: none */
    int32_t load_count;
} Writer;

/* ---- analysis -------------------------------------------------------------------------------- */

static bool is_uniform(const SnugPoint *point)
{
    const float *c = point->constants;
    return c[0] == c[1] && c[1] == c[2] && c[2] == c[3];
}

/* A half tensor at the very element, by whole vectors. */
static bool is_own_chunk(const Writer *writer, const SnugPoint *point)
{
    const SnugArg *arg = &writer->kernel->args[point->arg];

    return point->op == SNUG_POINT_load && point->factor <= 1 && arg->type == SNUG_F16
           && arg->pitch % 8 == 0 && point->channel % 8 == 0;
}

static Home home_of(const Writer *writer, int32_t r)
{
    const SnugPoint *point = &writer->code->code[r];
    int16_t operands[3];
    int32_t count = point_operands(point, operands);

    switch (point_info[point->op].from) {
    case SNUG_FROM_core: return HOME_core;
    case SNUG_FROM_tensor: return HOME_chunk;
    case SNUG_FROM_vector: return HOME_channels;
    case SNUG_FROM_constant: return is_uniform(point) ? HOME_literal : HOME_channels;
    case SNUG_FROM_registers: break;
    }
    for (int32_t k = 0; k < count; k++)
        if (writer->home[operands[k]] != HOME_literal && writer->home[operands[k]] != HOME_channels)
            return HOME_loop;
    return HOME_channels;
}

static void analyse(Writer *writer, bool with_reductions)
{
    const SnugPointwise *code = writer->code;
    const SnugKernel *kernel = writer->kernel;
    size_t count = (size_t)code->count;

    writer->home = arena_array(writer->source->arena, Home, count);
    writer->is_used = arena_array(writer->source->arena, bool, count);
    writer->raw = arena_array(writer->source->arena, int32_t, count);
    writer->is_used[code->count - 1] = true;
    for (int32_t k = 0; with_reductions && k < kernel->reduction_count; k++)
        if (kernel->reductions[k].kind == SNUG_REDUCE_grad)
            writer->is_used[kernel->reductions[k].with] = true;
    for (int32_t r = code->count; r-- > 0;) {
        int16_t operands[3];
        int32_t operand_count = point_operands(&code->code[r], operands);
        for (int32_t k = 0; writer->is_used[r] && k < operand_count; k++)
            writer->is_used[operands[k]] = true;
    }
    for (int32_t r = 0; r < code->count; r++) {
        writer->home[r] = home_of(writer, r);
        writer->raw[r] = -1;
        if (writer->is_used[r] && is_own_chunk(writer, &code->code[r]))
            writer->raw[r] = writer->load_count++;
    }
}

/* ---- registers and instructions -------------------------------------------------------------- */

/* Register r at element i of the chunk. in_channels: within channels(), where k is being made. */
static const char *operand(const Writer *writer, int32_t r)
{
    Arena *arena = writer->source->arena;

    switch (writer->home[r]) {
    case HOME_literal: return cuda_float(arena, writer->code->code[r].constants[0]);
    case HOME_channels: return arena_printf(arena, "k.r%d[i]", r);
    case HOME_chunk: return arena_printf(arena, "r%d[i]", r);
    case HOME_core: return "core[i]";
    case HOME_loop: return arena_printf(arena, "r%d", r);
    }
    BUG("register %d has no home", r);
}

static const char *expression(const Writer *writer, int32_t r)
{
    const SnugPoint *point = &writer->code->code[r];
    const char *texts[3] = {NULL};
    int16_t operands[3];
    int32_t count = point_operands(point, operands);

    if (count == 0)
        BUG("%s is no arithmetic", point_info[point->op].name);
    for (int32_t k = 0; k < count; k++)
        texts[k] = operand(writer, operands[k]);
    return fill_point_text(writer->source->arena, point_info[point->op].cuda, texts);
}

/* ---- channels(args, c) ----------------------------------------------------------------------- */

static void write_channel_register(const Writer *writer, int32_t r)
{
    const SnugPoint *point = &writer->code->code[r];
    const SnugArg *arg = &writer->kernel->args[point->arg];
    Arena *arena = writer->source->arena;
    const float *c = point->constants;

    if (point_info[point->op].from == SNUG_FROM_vector) {
        text_printf(writer->text, "        load_chunk<%d, %d, %d>(args.a%d", arg->pitch,
                    point->channel, arg->shape.c, point->arg);
        if (point->row != 0)
            text_printf(writer->text, " + %d * %d", point->row, arg->pitch);
        text_printf(writer->text, ", c, k.r%d);\n", r);
    } else if (point_info[point->op].from == SNUG_FROM_constant) {
        text_printf(writer->text, "        EACH(i) k.r%d[i] = of_channel(c + i, %s, %s, %s, %s);\n",
                    r, cuda_float(arena, c[0]), cuda_float(arena, c[1]), cuda_float(arena, c[2]),
                    cuda_float(arena, c[3]));
    } else {
        text_printf(writer->text, "        EACH(i) k.r%d[i] = %s;\n", r, expression(writer, r));
    }
}

static void write_channels(const Writer *writer)
{
    const char *separator = "    struct Channels { float ";
    bool is_empty = true;

    for (int32_t r = 0; r < writer->code->count; r++) {
        if (!writer->is_used[r] || writer->home[r] != HOME_channels)
            continue;
        text_printf(writer->text, "%sr%d[8]", separator, r);
        separator = ", ";
        is_empty = false;
    }
    if (is_empty)
        return;
    text_put(writer->text, "; };\n    CODE_CHANNELS {\n");
    for (int32_t r = 0; r < writer->code->count; r++)
        if (writer->is_used[r] && writer->home[r] == HOME_channels)
            write_channel_register(writer, r);
    text_put(writer->text, "    }\n");
}

/* ---- loads ----------------------------------------------------------------------------------- */

/* "pixel_at<HEIGHT, WIDTH, PITCH>(n, h, w)" of an arg, read at 1 / factor. */
static const char *pixel_text(const Writer *writer, const SnugPoint *point)
{
    const SnugArg *arg = &writer->kernel->args[point->arg];
    Arena *arena = writer->source->arena;

    if (point->factor > 1)
        return arena_printf(arena, "pixel_at<%d, %d, %d>(n, h / %d, w / %d)", arg->shape.h,
                            arg->shape.w, arg->pitch, point->factor, point->factor);
    return arena_printf(arena, "pixel_at<%d, %d, %d>(n, h, w)", arg->shape.h, arg->shape.w,
                        arg->pitch);
}

static void write_source(const Writer *writer)
{
    if (writer->load_count == 0)
        return;
    text_put(writer->text, "    CODE_SOURCE { return ");
    for (int32_t r = 0; r < writer->code->count; r++) {
        const SnugPoint *point = &writer->code->code[r];
        if (writer->raw[r] < 0)
            continue;
        if (writer->raw[r] + 1 < writer->load_count)
            text_printf(writer->text, "load == %d ? ", writer->raw[r]);
        text_printf(writer->text, "args.a%d + %s + c", point->arg, pixel_text(writer, point));
        if (point->channel != 0)
            text_printf(writer->text, " + %d", point->channel);
        text_put(writer->text, writer->raw[r] + 1 < writer->load_count ? " : " : "; }\n");
    }
}

/* A load into a register of the chunk that is no plain copy. */
static void write_load(const Writer *writer, int32_t r)
{
    const SnugPoint *point = &writer->code->code[r];
    const SnugArg *arg = &writer->kernel->args[point->arg];

    if (point->op == SNUG_POINT_load_bilinear)
        text_printf(writer->text,
                    "        load_bilinear<%d, %d, %d, %d, %d, %d>(args.a%d, n, h, w, c, r%d);\n",
                    point->factor, arg->shape.h, arg->shape.w, arg->pitch, point->channel,
                    arg->shape.c, point->arg, r);
    else
        text_printf(writer->text, "        load_chunk<%d, %d, %d>(args.a%d + %s, c, r%d);\n",
                    arg->pitch, point->channel, arg->shape.c, point->arg, pixel_text(writer, point),
                    r);
}

/* ---- apply ----------------------------------------------------------------------------------- */

/* The loads of all chunks. Returns whether there are any. */
static bool write_loads(const Writer *writer)
{
    const char *separator = "        float ";
    bool has_loads = false;

    for (int32_t r = 0; r < writer->code->count; r++)
        if (writer->is_used[r] && writer->home[r] == HOME_chunk) {
            text_printf(writer->text, "%sr%d[8]", separator, r);
            separator = ", ";
            has_loads = true;
        }
    text_put(writer->text, has_loads ? ";\n" : "");
    separator = "        ";
    for (int32_t r = 0; r < writer->code->count; r++)
        if (writer->raw[r] >= 0) {
            text_printf(writer->text, "%sunpack(raw[%d], r%d)", separator, writer->raw[r], r);
            separator = ", ";
        }
    text_put(writer->text, writer->load_count > 0 ? ";\n" : "");
    for (int32_t r = 0; r < writer->code->count; r++)
        if (writer->is_used[r] && writer->home[r] == HOME_chunk && writer->raw[r] < 0)
            write_load(writer, r);
    return has_loads;
}

/* The body of the loop over a chunk, a statement a line, each behind `indent`. Returns how many. */
static int32_t write_loop(const Writer *writer, Text *text, const char *indent, SnugType rounding,
                          bool with_reductions)
{
    const SnugPointwise *code = writer->code;
    const SnugKernel *kernel = writer->kernel;
    int32_t last = code->count - 1, statements = 1;
    bool is_named = writer->home[last] != HOME_loop; /* what v[i] becomes */

    for (int32_t k = 0; with_reductions && k < kernel->reduction_count; k++)
        is_named |=
            kernel->reductions[k].kind == SNUG_REDUCE_grad && kernel->reductions[k].with == last;
    for (int32_t r = 0; r < code->count - !is_named; r++)
        if (writer->is_used[r] && writer->home[r] == HOME_loop) {
            text_printf(text, "%sfloat r%d = %s;\n", indent, r, expression(writer, r));
            statements++;
        }
    text_printf(text, rounding == SNUG_F16 ? "%sv[i] = rounded(%s);\n" : "%sv[i] = %s;\n", indent,
                is_named ? operand(writer, last) : expression(writer, last));
    for (int32_t k = 0; with_reductions && k < kernel->reduction_count; k++)
        if (kernel->reductions[k].kind == SNUG_REDUCE_grad) {
            text_printf(text, "%sxhat[%d][i] = %s;\n", indent, k,
                        operand(writer, kernel->reductions[k].with));
            statements++;
        }
    return statements;
}

static void write_apply(const Writer *writer, bool is_copy, SnugType rounding, bool with_reductions)
{
    Text *text = writer->text, loop = {.arena = text->arena};
    size_t head = text->length;
    bool cuts = writer->domain.c % 8 != 0, has_loads = false;

    if (is_copy) {
        text_put(text, "    CODE_APPLY { unpack(raw[0], v);");
        text_put(text, cuts ? " cut_channels<CHANNELS>(c, v); }\n" : " }\n");
        return;
    }
    text_put(text, "    CODE_APPLY {\n");
    has_loads = write_loads(writer);
    if (write_loop(writer, &loop, "            ", rounding, with_reductions) > 1) {
        text_printf(text, "        EACH(i) {\n%s        }\n", loop.bytes);
    } else if (has_loads || cuts) {
        text_printf(text, "        EACH(i) %s", loop.bytes + 12);
    } else {
        text->length = head;
        text_printf(text, "    CODE_APPLY { EACH(i) %.*s }\n", (int)strcspn(loop.bytes + 12, "\n"),
                    loop.bytes + 12);
        return;
    }
    text_put(text, cuts ? "        cut_channels<CHANNELS>(c, v);\n    }\n" : "    }\n");
}

void cuda_write_code(CudaSource *source, const char *name, const SnugPointwise *code,
                     SnugShape domain, SnugType rounding, bool with_reductions, const char *members)
{
    const SnugKernel *kernel = source->kernel;
    const char **names = arena_array(source->arena, const char *, (size_t)kernel->arg_count);
    Writer writer = {.source = source,
                     .text = &source->text,
                     .kernel = kernel,
                     .code = code,
                     .domain = domain};

    for (int32_t a = 0; a < kernel->arg_count; a++)
        names[a] = arena_printf(source->arena, "a%d", a);
    analyse(&writer, with_reductions);
    bool is_copy = code->count == 1 && writer.load_count == 1;
    text_printf(writer.text, "\n/* %s */\nstruct %s : Code<%s, %d",
                formula_text(source->arena, kernel, names, code, with_reductions), name, name,
                domain.c);
    if (writer.load_count > 0)
        text_printf(writer.text, ", %d%s", writer.load_count, is_copy ? ", true" : "");
    text_printf(writer.text, "> {\n%s", members);
    write_channels(&writer);
    write_source(&writer);
    write_apply(&writer, is_copy && rounding == SNUG_F32 && !with_reductions, rounding,
                with_reductions);
    text_put(writer.text, "};\n");
}
