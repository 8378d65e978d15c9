/* The kernels of a card as files: NAME.cu for people, NAME_cuda.h for the trainer.
 *
 *     NAME.cu       each kernel once, as NVRTC gets it: arguments, geometry, its pointwise code as
 *                   functions, then #include of the hand-written part, which lies beside it
 *     NAME_cuda.h   the same texts as strings, with the headers; NAME.c includes it
 *
 * Every kernel is a translation unit of its own.
 */
#include "compiler/floor/system.h"
#include "cuda.h"
#include "emit.h"

typedef struct CudaEmission {
    Compilation *const *variants;
    const ProgramTables **tables;
    uint32_t count;
    Arena *arena;
} CudaEmission;

/* ---- NAME.cu --------------------------------------------------------------------------------- */

static int32_t count_launches(const SnugProgram *program, int32_t kernel)
{
    int32_t count = 0;

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t k = 0; k < program->segments[s].launch_count; k++)
            count += program->segments[s].launches[k].kernel == kernel;
    return count;
}

static const char *first_label(const SnugProgram *program, int32_t kernel)
{
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (int32_t k = 0; k < program->segments[s].launch_count; k++)
            if (program->segments[s].launches[k].kernel == kernel)
                return program->segments[s].launches[k].label;
    BUG("kernel %s is never launched", program->kernels[kernel].name);
}

static void write_gemm_comment(FILE *out, const SnugGemm *gemm)
{
    fprintf(
        out,
        "/* Made by cuBLAS where it was found, column by column: a%d (%d x %d) %s op(a%d) op(a%d)"
        ", k %d.\n * What follows is for a machine without it. */\n",
        gemm->c, gemm->m, gemm->n, gemm->beta != 0 ? "+=" : "=", gemm->a, gemm->b, gemm->k);
}

static bool write_cu(FILE *out, void *context)
{
    const CudaEmission *emission = context;

    fprintf(out,
            "/* %s: the kernels of %s for a card, written by snug %s.\n"
            " * Each is a translation unit of its own; what it includes lies beside this "
            "file.\n"
            " */\n",
            emission->variants[0]->model->name, emission->variants[0]->options.model_path,
            SNUG_VERSION);
    for (uint32_t v = 0; v < emission->count; v++) {
        const SnugProgram *program = &emission->tables[v]->program;
        if (emission->count > 1)
            fprintf(out, "\n/* ==== batch %d, image %dx%d ==== */\n", program->batch_size,
                    program->image_height, program->image_width);
        for (int32_t k = 0; k < program->kernel_count; k++) {
            const SnugCudaKernel *kernel = &program->cuda_kernels[k];
            int32_t launches = count_launches(program, k);
            fprintf(out, "\n/* ---- %s: %d %s (%s) ---- */\n", program->kernels[k].name, launches,
                    launches == 1 ? "launch" : "launches", first_label(program, k));
            for (int32_t e = 0; e < kernel->entry_count; e++)
                fprintf(out, "/* %s: grid %d x %d x %d, %d threads, %d bytes of shared memory */\n",
                        kernel->entries[e].name, kernel->entries[e].grid[0],
                        kernel->entries[e].grid[1], kernel->entries[e].grid[2],
                        kernel->entries[e].threads, kernel->entries[e].shared_bytes);
            if (kernel->gemm.m > 0)
                write_gemm_comment(out, &kernel->gemm);
            fputs(kernel->source, out);
        }
    }
    return !ferror(out);
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

static void write_kernels(FILE *out, const SnugProgram *program, const char *prefix)
{
    for (int32_t k = 0; k < program->kernel_count; k++) {
        const SnugCudaKernel *kernel = &program->cuda_kernels[k];
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
        fprintf(out,
                "    { /* %s */\n        .entries = %scuda_entries_%d, .entry_count = %d,\n"
                "        .source =",
                program->kernels[k].name, prefix, k, program->cuda_kernels[k].entry_count);
        write_string(out, program->cuda_kernels[k].source, "            ");
        fputs(",\n", out);
        write_gemm(out, &program->cuda_kernels[k].gemm);
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
        write_kernels(
            out, &emission->tables[v]->program,
            program_prefix(emission->arena, &emission->tables[v]->program, emission->count));
    return !ferror(out);
}

/* ---- all files ------------------------------------------------------------------------------- */

static bool write_text(FILE *out, void *context)
{
    const SnugCudaHeader *header = context;
    return fputs(header->text, out) >= 0;
}

bool emit_cuda(Compilation *const *variants, uint32_t count, const char *folder)
{
    Arena *arena = variants[0]->arena;
    const char *name = variants[0]->model->name;
    CudaEmission emission = {variants, arena_array(arena, const ProgramTables *, count), count,
                             arena};
    bool ok = true;

    for (uint32_t v = 0; v < count; v++)
        emission.tables[v] = build_tables(variants[v]);
    ok = write_if_changed(arena, arena_printf(arena, "%s/%s.cu", folder, name), write_cu, &emission)
         && write_if_changed(arena, arena_printf(arena, "%s/%s_cuda.h", folder, name), write_header,
                             &emission);
    for (int32_t h = 0; ok && h < cuda_header_count; h++) {
        SnugCudaHeader header = cuda_headers[h];
        ok = write_if_changed(arena, arena_printf(arena, "%s/%s", folder, header.name), write_text,
                              &header);
    }
    return ok;
}
