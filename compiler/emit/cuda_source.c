/* The text of one kernel: what kernels/prims.cuh says it is made of.
 *
 *     #include "prims.cuh"
 *     #define ENTRY map_32_256x256            the kernel's name
 *     struct Args { ... };                    arguments
 *     #define HEIGHT 256 ...                  geometry        by the class of the kernel
 *     struct Part0 { ... };                   pointwise code
 *     #include "map.cuh"                      the class's own file
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
    text_printf(&source->text, "#define %s %lld\n", name, (long long)value);
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
    text_printf(&source->text, "#define %s %s\n", name, cuda_float(source->arena, value));
}

void cuda_define_shape(CudaSource *source, const char *prefix, SnugShape shape)
{
    text_printf(&source->text, "#define %sIMAGES %d\n#define %sHEIGHT %d\n#define %sWIDTH %d\n",
                prefix, shape.n, prefix, shape.h, prefix, shape.w);
    if (prefix[0] != '\0')
        text_printf(&source->text, "#define %sCHANNELS %d\n", prefix, shape.c);
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
    text_printf(&source->text, "#define %s %s\n", macro, name);
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

/* "const half_t *a0" */
static const char *arg_text(const CudaSource *source, int32_t a)
{
    const SnugArg *arg = &source->kernel->args[a];

    return arena_printf(source->arena, "%s%s *a%d", arg->access == SNUG_READ ? "const " : "",
                        element_type(arg->type), a);
}

static void write_args(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    Text *text = &source->text;
    bool has_workspace = kernel->workspace_bytes > 0;

    text_put(text, "\nstruct Args {\n");
    for (int32_t a = 0; a < kernel->arg_count; a++) {
        const SnugArg *arg = &kernel->args[a];
        text_printf(text, "    %s; /* %dx%dx%dx%d, pitch %d */\n", arg_text(source, a),
                    arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c, arg->pitch);
    }
    if (has_workspace)
        text_printf(text, "    char *workspace; /* %lld bytes */\n",
                    (long long)kernel->workspace_bytes);
    text_put(text, "};\n#define PARAMETERS ");
    for (int32_t a = 0; a < kernel->arg_count; a++)
        text_printf(text, "%s%s", a > 0 ? ", " : "", arg_text(source, a));
    text_put(text, has_workspace ? ", char *workspace" : "");
    text_put(text, "\n#define ARGS Args{");
    for (int32_t a = 0; a < kernel->arg_count; a++)
        text_printf(text, "%sa%d", a > 0 ? ", " : "", a);
    text_put(text, has_workspace ? ", workspace}\n\n" : "}\n\n");
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

void cuda_write_reductions(CudaSource *source)
{
    static const char *const kinds[] = {"REDUCE_sum", "REDUCE_moments", "REDUCE_grad"};
    const SnugKernel *kernel = source->kernel;
    Text *text = &source->text;

    cuda_define(source, "REDUCTIONS", kernel->reduction_count);
    if (kernel->reduction_count == 0)
        return;
    cuda_define(source, "REDUCTION_PITCH", kernel->args[kernel->reductions[0].arg].pitch);
    text_put(text, "enum { REDUCE_sum, REDUCE_moments, REDUCE_grad };\n"
                   "DEVICE constexpr int reduction_kind(int r)\n{\n    return ");
    for (int32_t r = 0; r + 1 < kernel->reduction_count; r++)
        text_printf(text, "r == %d ? %s : ", r, kinds[kernel->reductions[r].kind]);
    text_printf(text,
                "%s;\n}\nDEVICE float *reduction_out(const Args &args, int r)\n{\n    return ",
                kinds[kernel->reductions[kernel->reduction_count - 1].kind]);
    for (int32_t r = 0; r + 1 < kernel->reduction_count; r++)
        text_printf(text, "r == %d ? args.a%d : ", r, kernel->reductions[r].arg);
    text_printf(text, "args.a%d;\n}\n", kernel->reductions[kernel->reduction_count - 1].arg);
}

void cuda_write_out(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;

    if (kernel->output_arg < 0)
        return;
    text_printf(&source->text, "#define OUT a%d\n", kernel->output_arg);
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

/* Tools then name the model file. Its path stands in a string: nothing in it is escaped. */
static void write_place(Text *text, const char *path, int32_t line)
{
    text_printf(text, "#line %d \"", line);
    for (; *path != '\0'; path++)
        text_append(text, *path == '\\' || *path == '"' ? "/" : path, 1);
    text_put(text, "\"\n");
}

/* ---- one kernel ------------------------------------------------------------------------------ */

void cuda_kernel_source(Arena *arena, const SnugProgram *program, const Card *card, int32_t kernel,
                        const char *place, int32_t line, SnugCudaKernel *result)
{
    CudaSource source = {.arena = arena,
                         .program = program,
                         .card = card,
                         .kernel = &program->kernels[kernel],
                         .text = {.arena = arena},
                         .threads = 256};
    const CudaClass *class = &classes[source.kernel->kind];

    source.header = class->header;
    text_put(&source.text, "#include \"prims.cuh\"\n");
    if (place != NULL)
        write_place(&source.text, place, line);
    write_args(&source);
    class->describe(&source);
    cuda_define(&source, "THREADS", source.threads);
    text_printf(&source.text, "\n#include \"%s\"\n", source.header);
    *result = (SnugCudaKernel){.source = source.text.bytes,
                               .entries = source.entries.items,
                               .entry_count = (int32_t)source.entries.count};
    if (source.kernel->is_gemm != 0 && !kernel_as_gemm(source.kernel, &result->gemm))
        BUG("%s is no plain matrix product", source.kernel->name);
}
