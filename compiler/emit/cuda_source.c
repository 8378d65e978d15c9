/* The text of one kernel: what kernels/prims.cuh says it is made of.
 *
 *     #include "prims.cuh"                    or tensor.cuh
 *     namespace map_32_256x256 {              the kernel's name
 *     struct Args { ... };                    arguments
 *     enum { HEIGHT = 256, ... };             geometry        by the class of the kernel
 *     #define OUT a3 ...                      the same, for what is no int
 *     struct Part0 ...;                       pointwise code
 *     #include "map.cuh"                      the class's own file
 *     }
 */
#include "cuda.h"

#include <ctype.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/target/gemm.h"

typedef struct CudaClass {
    CudaDescribe *describe;
    const char *header;
} CudaClass;

static const CudaClass classes[SNUG_KERNEL_KIND_COUNT] = {
#define KERNEL(name, result, in0, in1, with, host, card, args, meaning)                            \
    [SNUG_KERNEL_##name] = {cuda_describe_##card, #card ".cuh"},
#include "runtime/kernels.def"
#undef KERNEL
};

/* ---- defines and entries --------------------------------------------------------------------- */

void cuda_define(CudaSource *source, const char *name, int64_t value)
{
    Text *text = value == (int32_t)value ? &source->constants : &source->large;

    text_printf(text, "%s%s = %lld", text->length > 0 ? ", " : "", name, (long long)value);
}

void cuda_define_flag(CudaSource *source, const char *name, int64_t value)
{
    text_printf(&source->macros, "#define %s %lld\n", name, (long long)value);
}

void cuda_define_name(CudaSource *source, const char *macro, const char *name)
{
    text_printf(&source->macros, "#define %s %s\n", macro, name);
}

const char *cuda_float(Arena *arena, float number)
{
    const char *text = NULL;
    double back = 0;

    for (int digits = 6; digits <= 9; digits++) {
        text = arena_printf(arena, "%.*g", digits, (double)number);
        if (parse_number(text, &back) && (float)back == number)
            break;
    }
    return arena_printf(arena, "%s%sf", text, strpbrk(text, ".en") == NULL ? ".0" : "");
}

void cuda_define_float(CudaSource *source, const char *name, float value)
{
    cuda_define_name(source, name, cuda_float(source->arena, value));
}

void cuda_define_shape(CudaSource *source, const char *prefix, SnugShape shape)
{
    const int32_t sizes[] = {shape.n, shape.h, shape.w, shape.c};
    static const char *const names[] = {"IMAGES", "HEIGHT", "WIDTH", "CHANNELS"};

    for (int k = 0; k < (prefix[0] != '\0' ? 4 : 3); k++)
        cuda_define(source, arena_printf(source->arena, "%s%s", prefix, names[k]), sizes[k]);
}

void cuda_entry(CudaSource *source, const char *suffix, int64_t x, int64_t y, int64_t z,
                int64_t shared_bytes)
{
    Arena *arena = source->arena;
    bool is_first = suffix[0] == '\0';
    const char *name = is_first ? source->kernel->name
                                : arena_printf(arena, "%s_%s", source->kernel->name, suffix);
    char *macro = arena_strdup(arena, is_first ? "ENTRY" : arena_printf(arena, "ENTRY_%s", suffix));

    for (char *at = macro; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    if (x < 1 || y < 1 || z < 1 || x > INT32_MAX || y > 65535 || z > 65535)
        BUG("%s: a grid of %lld x %lld x %lld", name, (long long)x, (long long)y, (long long)z);
    cuda_define_name(source, macro, name);
    SnugCudaEntry entry = {.name = name,
                           .grid = {(int32_t)x, (int32_t)y, (int32_t)z},
                           .threads = source->threads,
                           .shared_bytes = (int32_t)shared_bytes};
    ARRAY_APPEND(arena, &source->entries, entry);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static const char *element_type(SnugType type)
{
    switch (type) {
    case SNUG_F16: return "half_t";
    case SNUG_U8: return "byte_t";
    case SNUG_F32: return "float";
    default: BUG("type %d has no name on a card", (int)type);
    }
}

/* "const half_t *", and of a parameter that is_constant: what it points at stays as it is while the
 * kernel runs. */
static const char *pointer_text(const CudaSource *source, int32_t a, bool is_constant)
{
    const SnugArg *arg = &source->kernel->args[a];

    return arena_printf(source->arena, "%s%s *%s", arg->access == SNUG_READ ? "const " : "",
                        element_type(arg->type), is_constant ? "__restrict__ " : "");
}

static bool share_bytes(const SnugBuffer *a, const SnugBuffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* Whether the launch writes nothing into the bytes of its arg a. */
static bool leaves_arg(const SnugProgram *program, const SnugLaunch *launch, int32_t a)
{
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    const SnugBuffer *read = &program->buffers[launch->buffers[a]];
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0);

    for (int32_t other = 0; other < count; other++)
        if ((other == kernel->arg_count || kernel->args[other].access != SNUG_READ)
            && share_bytes(read, &program->buffers[launch->buffers[other]]))
            return false;
    return true;
}

/* Kinds of which a multiprocessor has fewer blocks where the compiler may move loads about. */
static bool is_short_of_registers(SnugKernelKind kind)
{
    return kind == SNUG_KERNEL_conv_wgrad || kind == SNUG_KERNEL_upsample_grad
           || kind == SNUG_KERNEL_loss_combine;
}

/* Whether an arg is only read, and by every launch from bytes that the launch does not write: then
 * it may be loaded past the coherent cache (__restrict__, ld.global.nc). A result in place of an
 * arg is what forbids it. */
static bool is_constant(const CudaSource *source, int32_t a)
{
    const SnugProgram *program = source->program;
    bool is_launched = false;

    if (source->kernel->args[a].access != SNUG_READ || is_short_of_registers(source->kernel->kind))
        return false;
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t k = 0; k < program->segments[s].launch_count; k++) {
            const SnugLaunch *launch = &program->segments[s].launches[k];
            if (launch->kernel != source->index)
                continue;
            is_launched = true;
            if (!leaves_arg(program, launch, a))
                return false;
        }
    return is_launched;
}

static bool are_alike(const SnugArg *a, const SnugArg *b)
{
    return (a->access == SNUG_READ) == (b->access == SNUG_READ) && a->type == b->type
           && a->pitch == b->pitch && a->shape.n == b->shape.n && a->shape.h == b->shape.h
           && a->shape.w == b->shape.w && a->shape.c == b->shape.c;
}

static void write_args(const CudaSource *source, Text *text)
{
    const SnugKernel *kernel = source->kernel;
    bool has_workspace = kernel->workspace_bytes > 0;

    text_put(text, "struct Args {\n");
    for (int32_t a = 0; a < kernel->arg_count; a++) {
        const SnugArg *arg = &kernel->args[a];
        text_printf(text, "    %sa%d", pointer_text(source, a, false), a);
        while (a + 1 < kernel->arg_count && are_alike(arg, &kernel->args[a + 1]))
            text_printf(text, ", *a%d", ++a);
        text_printf(text, "; /* %dx%dx%dx%d, pitch %d */\n", arg->shape.n, arg->shape.h,
                    arg->shape.w, arg->shape.c, arg->pitch);
    }
    if (has_workspace)
        text_printf(text, "    char *workspace; /* %lld bytes */\n",
                    (long long)kernel->workspace_bytes);
    text_put(text, "};\n#define PARAMETERS ");
    for (int32_t a = 0; a < kernel->arg_count; a++)
        text_printf(text, "%s%sa%d", a > 0 ? ", " : "",
                    pointer_text(source, a, is_constant(source, a)), a);
    text_put(text, has_workspace ? ", char *workspace" : "");
    text_put(text, "\n#define ARGS Args{");
    for (int32_t a = 0; a < kernel->arg_count; a++)
        text_printf(text, "%sa%d", a > 0 ? ", " : "", a);
    text_put(text, has_workspace ? ", workspace}\n" : "}\n");
}

/* ---- code ------------------------------------------------------------------------------------ */

void cuda_write_prologues(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    for (int side = 0; side < 2; side++)
        if (kernel->in[side].count > 0)
            cuda_write_code(source, side == 0 ? "Prologue0" : "Prologue1", &kernel->in[side],
                            prologue_domain(kernel, side), SNUG_F32, false, "");
}

/* "r == 0 ? of[0] : r == 1 ? of[1] : of[2]" */
static const char *choice_text(Arena *arena, const char *const *of, int32_t count)
{
    Text text = {.arena = arena};

    for (int32_t r = 0; r + 1 < count; r++)
        text_printf(&text, "r == %d ? %s : ", r, of[r]);
    text_put(&text, of[count - 1]);
    return text.bytes;
}

void cuda_write_reductions(CudaSource *source)
{
    static const char *const kinds[] = {"REDUCE_sum", "REDUCE_moments", "REDUCE_grad"};
    const SnugKernel *kernel = source->kernel;
    const char *kind[SNUG_MAX_REDUCTIONS], *out[SNUG_MAX_REDUCTIONS];
    int32_t count = kernel->reduction_count;

    cuda_define_flag(source, "REDUCTIONS", count);
    if (count == 0)
        return;
    cuda_define(source, "REDUCTION_PITCH", kernel->args[kernel->reductions[0].arg].pitch);
    for (int32_t r = 0; r < count; r++) {
        kind[r] = kinds[kernel->reductions[r].kind];
        out[r] = arena_printf(source->arena, "args.a%d", kernel->reductions[r].arg);
    }
    text_printf(&source->text, "REDUCE(%s, %s)\n", choice_text(source->arena, kind, count),
                choice_text(source->arena, out, count));
}

void cuda_write_out(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;

    if (kernel->output_arg < 0)
        return;
    cuda_define_name(source, "OUT", arena_printf(source->arena, "a%d", kernel->output_arg));
    cuda_define(source, "OUT_PITCH", kernel->args[kernel->output_arg].pitch);
}

void cuda_write_epilogue(CudaSource *source, const char *members)
{
    const SnugKernel *kernel = source->kernel;
    SnugType rounding = kernel->output_arg >= 0 ? kernel->args[kernel->output_arg].type : SNUG_F32;

    cuda_write_out(source);
    cuda_write_reductions(source);
    cuda_write_code(source, "Epilogue", &kernel->parts[0].out, result_domain(kernel), rounding,
                    true, members);
}

/* ---- one kernel ------------------------------------------------------------------------------ */

/* Where a line is broken so that at most `most` columns are before: the last blank behind a comma
 * in the last third, or the last one at all; 0: there is none. */
static size_t fold_at(const char *line, size_t most)
{
    size_t indent = strspn(line, " "), last = 0;

    for (size_t at = most; at > indent; at--) {
        if (line[at] != ' ')
            continue;
        if (line[at - 1] == ',')
            return at;
        last = last == 0 ? at : last;
        if (at < most * 2 / 3)
            break;
    }
    return last;
}

/* Appends the line, and breaks it at blanks where it is longer than 100 columns: an indentation
 * deeper, a comment's with an asterisk, a macro's behind a backslash. */
static void put_folded(Text *out, const char *line, size_t length)
{
    size_t indent = strspn(line, " "), most = 100;
    bool is_macro = line[0] == '#', is_comment = strncmp(line + indent, "/*", 2) == 0;

    most -= is_macro ? 2 : 0;
    while (length > most) {
        size_t at = fold_at(line, most);
        if (at == 0)
            break;
        text_printf(out, "%.*s%s\n%*s%s", (int)at, line, is_macro ? " \\" : "", (int)indent, "",
                    is_comment ? " * " : "    ");
        line += at + 1, length -= at + 1;
        most = (is_macro ? 98 : 100) - indent - (is_comment ? 3 : 4);
    }
    text_append(out, line, length);
    text_put(out, "\n");
}

static char *folded(Arena *arena, const char *text)
{
    Text out = {.arena = arena};

    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        put_folded(&out, line, length);
        line += length + (line[length] == '\n');
    }
    return out.bytes;
}

static const char *whole_text(const CudaSource *source)
{
    Text text = {.arena = source->arena};

    text_printf(&text, "#include \"%s\"\nnamespace %s {\n", source->base, source->kernel->name);
    write_args(source, &text);
    text_printf(&text, "enum { %s };\n", source->constants.bytes);
    if (source->large.length > 0)
        text_printf(&text, "enum : long long { %s };\n", source->large.bytes);
    text_printf(&text, "%s%s", source->macros.bytes,
                source->text.length > 0 ? source->text.bytes : "");
    text_printf(&text, "#include \"%s\"\n", source->header);
    if (source->kind_macro != NULL)
        text_printf(&text, "#undef %s\n", source->kind_macro);
    text_put(&text, "}\n");
    return folded(source->arena, text.bytes);
}

void cuda_kernel_source(Arena *arena, const SnugProgram *program, const Card *card, int32_t kernel,
                        SnugCudaKernel *result)
{
    CudaSource source = {.arena = arena,
                         .program = program,
                         .card = card,
                         .kernel = &program->kernels[kernel],
                         .index = kernel,
                         .constants = {.arena = arena},
                         .large = {.arena = arena},
                         .macros = {.arena = arena},
                         .text = {.arena = arena},
                         .threads = 256};
    const CudaClass *class = &classes[source.kernel->kind];

    source.header = class->header;
    source.base = "prims.cuh";
    class->describe(&source);
    cuda_define(&source, "THREADS", source.threads);
    *result = (SnugCudaKernel){.source = whole_text(&source),
                               .entries = source.entries.items,
                               .entry_count = (int32_t)source.entries.count};
    if (source.kernel->is_gemm != 0 && !kernel_as_gemm(source.kernel, &result->gemm))
        BUG("%s is no plain matrix product", source.kernel->name);
}
