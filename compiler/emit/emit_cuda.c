/* The kernels of a card as files: NAME.cu for people, NAME_cuda.h for the trainer.
 *
 *     NAME.cu       an index, then each kernel once: arguments, geometry, its pointwise code as
 *                   functions, then #include of the hand-written part, which lies beside it. It is
 *                   a translation unit: a kernel is a namespace of its own, which leaves no macro
 *     NAME_cuda.h   the same texts as strings, with the headers and the line of NAME.cu where each
 *                   begins; NAME.c includes it
 *
 * The trainer compiles each kernel alone, so that NVRTC works on several at once and those that did
 * not change come from the cache.
 */
#include <string.h>

#include "compiler/floor/system.h"
#include "compiler/target/cost.h"
#include "cuda.h"
#include "emit.h"
#include "emit_text.h"

/* One kernel of one variant as it is written. */
typedef struct Written {
    SnugCudaKernel code;
    bool is_again; /* an earlier variant has the same text */
} Written;

typedef struct CudaEmission {
    Compilation *const *variants;
    const ProgramTables **tables;
    Written **kernels;             /* by variant and kernel */
    uint32_t count, variant_count; /* those for a card stand first */
    Arena *arena;
} CudaEmission;

/* ---- names ----------------------------------------------------------------------------------- */

/* The first kernel of an earlier variant that has this name, or NULL. */
static const Written *find_written(const CudaEmission *emission, uint32_t variant, const char *name)
{
    for (uint32_t v = 0; v < variant; v++)
        for (int32_t k = 0; k < emission->tables[v]->program.kernel_count; k++)
            if (strcmp(emission->kernels[v][k].code.entries[0].name, name) == 0)
                return &emission->kernels[v][k];
    return NULL;
}

/* Kernel k under another name. */
static SnugCudaKernel renamed(const CudaEmission *emission, uint32_t v, int32_t k)
{
    SnugProgram program = emission->tables[v]->program;
    SnugKernel *kernels = arena_array(emission->arena, SnugKernel, (size_t)program.kernel_count);
    SnugCudaKernel result = {0};

    memcpy(kernels, program.kernels, (size_t)program.kernel_count * sizeof *kernels);
    kernels[k].name = arena_printf(emission->arena, "%s%s",
                                   program_prefix(emission->variants, emission->variant_count, v),
                                   kernels[k].name);
    program.kernels = kernels;
    cuda_kernel_source(emission->arena, &program, emission->variants[v]->target.card, k, &result);
    return result;
}

/* Kernels of several variants that are equal are written once; of those that only have one name,
 * the later gets another. */
static void name_kernels(CudaEmission *emission, uint32_t v)
{
    const SnugProgram *program = &emission->tables[v]->program;

    emission->kernels[v] = arena_array(emission->arena, Written, (size_t)program->kernel_count);
    for (int32_t k = 0; k < program->kernel_count; k++) {
        Written *written = &emission->kernels[v][k];
        written->code = program->cuda_kernels[k];
        const Written *other = find_written(emission, v, written->code.entries[0].name);
        written->is_again = other != NULL && strcmp(other->code.source, written->code.source) == 0;
        if (other != NULL && !written->is_again)
            written->code = renamed(emission, v, k);
    }
}

/* ---- the index ------------------------------------------------------------------------------- */

/* Names that differ in numbers alone, as one: "stage*.*.branches.*.*.conv*". */
typedef struct Pattern {
    const char *text, *first; /* the pattern; the name, while there is one only */
} Pattern;

typedef struct Patterns {
    Arena *arena;
    ARRAY(Pattern) items;
} Patterns;

/* The name with an asterisk for each number. */
static const char *pattern_text(Arena *arena, const char *name)
{
    Text text = {.arena = arena};

    while (*name != '\0') {
        size_t digits = strspn(name, "0123456789"), other = strcspn(name, "0123456789");
        text_put(&text, digits > 0 ? "*" : "");
        text_append(&text, name, digits > 0 ? 0 : other);
        name += digits > 0 ? digits : other;
    }
    return text.length > 0 ? text.bytes : "";
}

static void add_name(Patterns *patterns, const char *name)
{
    const char *text = pattern_text(patterns->arena, name);

    for (uint32_t k = 0; k < patterns->items.count; k++) {
        Pattern *pattern = &patterns->items.items[k];
        if (strcmp(pattern->text, text) == 0) {
            pattern->first = strcmp(pattern->first, name) == 0 ? pattern->first : text;
            return;
        }
    }
    Pattern pattern = {text, name};
    ARRAY_APPEND(patterns->arena, &patterns->items, pattern);
}

/* What all launches of a kernel read and write: tensors' names, and of results the launches'. */
static int32_t collect_names(const SnugProgram *program, int32_t kernel, Patterns *made,
                             Patterns *read)
{
    const SnugKernel *code = &program->kernels[kernel];
    int32_t count = 0;

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t k = 0; k < program->segments[s].launch_count; k++) {
            const SnugLaunch *launch = &program->segments[s].launches[k];
            if (launch->kernel != kernel)
                continue;
            count++;
            add_name(made, launch->label);
            for (int32_t a = 0; a < code->arg_count; a++)
                add_name(code->args[a].access == SNUG_READ ? read : made,
                         program->buffers[launch->buffers[a]].name);
        }
    return count;
}

/* Appends the word to the comment's line, or begins the next line with it. */
static void put_word(Text *text, size_t *line, const char *word)
{
    enum { LINE = 99 };

    if (text->length - *line + strlen(word) > LINE) {
        text_put(text, "\n *    ");
        *line = text->length - strlen(" *    ");
    }
    text_printf(text, " %s", word);
}

static void put_patterns(Text *text, size_t *line, const Patterns *patterns)
{
    for (uint32_t k = 0; k < patterns->items.count; k++)
        put_word(text, line,
                 arena_printf(text->arena, "%s%s", patterns->items.items[k].first,
                              k + 1 < patterns->items.count ? "," : ""));
}

/* "8x256x256x32": the shape of an arg. */
static const char *shape_text(Arena *arena, const SnugArg *arg)
{
    return arena_printf(arena, "%dx%dx%dx%d", arg->shape.n, arg->shape.h, arg->shape.w,
                        arg->shape.c);
}

/* "96 x 181.2 us": launches and estimate, as far as there is one: what goes over all parameters is
 * estimated together, where AdamW is. */
static const char *time_text(const Compilation *c, Arena *arena, const SnugKernel *kernel,
                             int32_t launches)
{
    double us = kernel_time_us(&c->target, kernel);

    if (kernel->kind == SNUG_KERNEL_adamw)
        us = update_time_us(&c->target, &c->layout);
    else if (kernel->part_count == 0 && kernel->arg_count == 1)
        return arena_printf(arena, "%d x", launches);
    return arena_printf(arena, "%d x %.1f us", launches, us);
}

/* NAME  1234  96 x 181.2 us  1x64x64x32 -> 1x64x64x32
 *     results <- what is read */
static void put_index_entry(const CudaEmission *emission, uint32_t v, int32_t k, Text *text)
{
    const SnugProgram *program = &emission->tables[v]->program;
    const SnugKernel *kernel = &program->kernels[k];
    const SnugCudaKernel *code = &emission->kernels[v][k].code;
    const SnugArg *last = &kernel->args[kernel->arg_count - 1];
    Patterns made = {.arena = emission->arena}, read = {.arena = emission->arena};
    int32_t launches = collect_names(program, k, &made, &read);

    if (kernel->output_arg >= 0)
        last = &kernel->args[kernel->output_arg];
    text_printf(text, " * %-40s %6d  %s  %s -> %s\n *    ", code->entries[0].name, code->line,
                time_text(emission->variants[v], emission->arena, kernel, launches),
                shape_text(emission->arena, &kernel->args[0]), shape_text(emission->arena, last));
    size_t line = text->length - strlen(" *    ");
    put_patterns(text, &line, &made);
    if (read.items.count > 0)
        put_word(text, &line, "<-");
    put_patterns(text, &line, &read);
    text_put(text, "\n");
}

/* The head of NAME.cu. With the same kernels it has as many lines, whatever theirs are. */
static const char *index_text(const CudaEmission *emission)
{
    Text text = {.arena = emission->arena};

    text_printf(
        &text,
        "/* %s: the kernels of %s for a card, written by snug %s.\n"
        " *\n"
        " * This file is one translation unit, and so is each kernel alone; what they include "
        "lies beside it.\n"
        " * name, line here, launches x estimated time, shapes of the first arg -> of the "
        "result;\n"
        " *     tensors and launches that it makes <- those that it reads; an asterisk is "
        "any number\n"
        " *\n",
        comment_text(emission->arena, emission->variants[0]->model->name),
        comment_text(emission->arena, emission->variants[0]->options.model_path), SNUG_VERSION);
    for (uint32_t v = 0; v < emission->count; v++) {
        const SnugProgram *program = &emission->tables[v]->program;
        if (emission->count > 1)
            text_printf(&text, " * ==== batch %d, image %dx%d ====\n", program->batch_size,
                        program->image_height, program->image_width);
        for (int32_t k = 0; k < program->kernel_count; k++)
            put_index_entry(emission, v, k, &text);
    }
    text_put(&text, " */\n");
    return text.bytes;
}

/* ---- NAME.cu --------------------------------------------------------------------------------- */

/* A line for each entry, and one for what cuBLAS does instead. */
static void put_banner(Text *text, const SnugCudaKernel *kernel)
{
    const SnugGemm *gemm = &kernel->gemm;

    text_put(text, "\n");
    for (int32_t e = 0; e < kernel->entry_count; e++) {
        const SnugCudaEntry *entry = &kernel->entries[e];
        text_printf(text, "/* ---- %s: %d x %d x %d blocks, %d threads", entry->name,
                    entry->grid[0], entry->grid[1], entry->grid[2], entry->threads);
        if (entry->shared_bytes > 0)
            text_printf(text, ", %d bytes shared", entry->shared_bytes);
        text_put(text, " ---- */\n");
    }
    if (gemm->m > 0)
        text_printf(text,
                    "/* Made by cuBLAS where it was found, column by column: a%d (%d x %d) %s "
                    "op(a%d) op(a%d), k %d.\n * What follows is for a machine without it. */\n",
                    gemm->c, gemm->m, gemm->n, gemm->beta != 0 ? "+=" : "=", gemm->a, gemm->b,
                    gemm->k);
}

static int32_t count_lines(const char *text)
{
    int32_t lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* All kernels; their lines are set as those of a file that has `head` lines in front. */
static const char *body_text(CudaEmission *emission, int32_t head)
{
    Text text = {.arena = emission->arena};
    int32_t lines = head;

    for (uint32_t v = 0; v < emission->count; v++)
        for (int32_t k = 0; k < emission->tables[v]->program.kernel_count; k++) {
            Written *written = &emission->kernels[v][k];
            size_t from = text.length;
            if (written->is_again) {
                written->code.line =
                    find_written(emission, v, written->code.entries[0].name)->code.line;
                continue;
            }
            put_banner(&text, &written->code);
            lines += count_lines(text.bytes + from);
            written->code.line = lines + 1;
            text_put(&text, written->code.source);
            lines += count_lines(written->code.source);
        }
    return text.bytes;
}

/* Head and body, which need each other's number of lines. */
static const char *cu_text(CudaEmission *emission)
{
    const char *body = body_text(emission, count_lines(index_text(emission)));

    return arena_printf(emission->arena, "%s%s", index_text(emission), body);
}

/* ---- NAME_cuda.h ----------------------------------------------------------------------------- */

/* `text` as C strings, a line each. */
static void write_string(FILE *out, const char *text, const char *indent)
{
    bool is_open = false;

    for (; *text != '\0'; text++) {
        if (!is_open)
            fprintf(out, "\n%s\"", indent);
        is_open = true;
        if (*text == '\n') {
            fputs("\\n\"", out);
            is_open = false;
        } else if (*text == '"' || *text == '\\') {
            fprintf(out, "\\%c", *text);
        } else if (*text == '?' || (unsigned char)*text < 32 || (unsigned char)*text > 126) {
            fprintf(out, "\\%03o", (unsigned char)*text);
        } else {
            fputc(*text, out);
        }
    }
    if (is_open)
        fputc('"', out);
}

static void write_gemm(FILE *out, const SnugGemm *gemm)
{
    if (gemm->m == 0)
        return;
    fprintf(out,
            "        .gemm = {.m = %d, .n = %d, .k = %d, .a = %d, .b = %d, .c = %d,\n"
            "                 .transposes_a = %d, .transposes_b = %d, .beta = %d},\n",
            gemm->m, gemm->n, gemm->k, gemm->a, gemm->b, gemm->c, gemm->transposes_a,
            gemm->transposes_b, gemm->beta);
}

static void write_kernels(FILE *out, const SnugProgram *program, const Written *kernels,
                          const char *prefix)
{
    for (int32_t k = 0; k < program->kernel_count; k++) {
        const SnugCudaKernel *kernel = &kernels[k].code;
        fprintf(out, "static const SnugCudaEntry %scuda_entries_%d[] = {\n", prefix, k);
        for (int32_t e = 0; e < kernel->entry_count; e++) {
            const SnugCudaEntry *entry = &kernel->entries[e];
            fprintf(out,
                    "    {.name = \"%s\", .grid = {%d, %d, %d}, .threads = %d, .shared_bytes = "
                    "%d},\n",
                    entry->name, entry->grid[0], entry->grid[1], entry->grid[2], entry->threads,
                    entry->shared_bytes);
        }
        fputs("};\n", out);
    }
    fprintf(out, "\nstatic const SnugCudaKernel %scuda_kernels[] = {\n", prefix);
    for (int32_t k = 0; k < program->kernel_count; k++) {
        const SnugCudaKernel *kernel = &kernels[k].code;
        fprintf(
            out,
            "    { /* %s */\n        .entries = %scuda_entries_%d, .entry_count = %d, .line = %d,"
            "\n        .source =",
            kernel->entries[0].name, prefix, k, kernel->entry_count, kernel->line);
        write_string(out, kernel->source, "            ");
        fputs(",\n", out);
        write_gemm(out, &kernel->gemm);
        fputs("    },\n", out);
    }
    fputs("};\n\n", out);
}

static bool write_header(FILE *out, void *context)
{
    const CudaEmission *emission = context;

    fprintf(out, "/* The kernels of %s as text, for NVRTC; %s.cu is the same for people. */\n",
            emission->variants[0]->model->name, emission->variants[0]->model->name);
    fputs("static const SnugCudaHeader cuda_headers[] = {\n", out);
    for (int32_t h = 0; h < cuda_header_count; h++) {
        fprintf(out, "    {.name = \"%s\", .text =", cuda_headers[h].name);
        write_string(out, cuda_headers[h].text, "        ");
        fputs("},\n", out);
    }
    fputs("};\n\n", out);
    for (uint32_t v = 0; v < emission->count; v++)
        write_kernels(out, &emission->tables[v]->program, emission->kernels[v],
                      program_prefix(emission->variants, emission->variant_count, v));
    return !ferror(out);
}

/* ---- all files ------------------------------------------------------------------------------- */

static bool write_text(FILE *out, void *context)
{
    const char *const *text = context;

    return fputs(*text, out) >= 0;
}

bool emit_cuda(Compilation *const *variants, uint32_t count, const char *folder)
{
    Arena *arena = variants[0]->arena;
    const char *name = variants[0]->model->name;
    CudaEmission emission = {.variants = variants,
                             .tables = arena_array(arena, const ProgramTables *, count),
                             .kernels = arena_array(arena, Written *, count),
                             .variant_count = count,
                             .arena = arena};
    bool ok = true;

    for (uint32_t v = 0; v < count && variants[v]->target.device == DEVICE_cuda; v++) {
        emission.count++;
        emission.tables[v] = build_tables(variants[v]);
        name_kernels(&emission, v);
    }
    const char *cu = cu_text(&emission);
    ok = write_if_changed(arena, arena_printf(arena, "%s/%s.cu", folder, name), write_text, &cu)
         && write_if_changed(arena, arena_printf(arena, "%s/%s_cuda.h", folder, name), write_header,
                             &emission);
    for (int32_t h = 0; ok && h < cuda_header_count; h++) {
        const char *text = cuda_headers[h].text;
        ok = write_if_changed(arena, arena_printf(arena, "%s/%s", folder, cuda_headers[h].name),
                              write_text, &text);
    }
    return ok;
}
