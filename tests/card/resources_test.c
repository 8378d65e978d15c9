/* What NVRTC's machine code of the kernels needs: registers, spills, blocks a multiprocessor.
 *
 *     resources_test TABLE FOLDER      each row of the table holds, and nothing spills: rows are
 *                                      MODEL KERNEL ARCH, at most so many registers, at least so
 *                                      many blocks a multiprocessor
 *     resources_test --all ARCH MODEL...   prints such rows for every kernel of the models
 *
 * FOLDER keeps the machine code between runs. Skipped (77) where NVRTC is absent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/cuda.h"
#include "compiler/pipeline.h"
#include "runtime/kernel_cache.h"

enum { MAX_ROWS = 256, SECTION_HEADER = 64, ATTRIBUTE_FRAME = 0x11, ATTRIBUTE_REGISTERS = 0x2f };

typedef struct Row {
    char model[64], kernel[96];
    int arch, registers, blocks;
} Row;

typedef struct Resources {
    int registers; /* of the entry that needs most */
    int frame_bytes; /* of a thread: spills and arrays in memory */
} Resources;

/* ---- cubins: ELF, with the figures in section .nv.info --------------------------------------- */

static uint64_t read_number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int k = bytes; k-- > 0;)
        value = value << 8 | at[k];
    return value;
}

/* .nv.info is records: format, attribute, 16-bit size or value; format 4 has `size` bytes more,
 * here a symbol and a number. */
static void read_info(const unsigned char *info, uint64_t bytes, Resources *result)
{
    for (uint64_t at = 0; at + 4 <= bytes;) {
        uint64_t size = info[at] == 4 ? read_number(info + at + 2, 2) : 0;
        if (info[at] == 4 && size == 8 && at + 12 <= bytes) {
            int number = (int)read_number(info + at + 8, 4);
            if (info[at + 1] == ATTRIBUTE_REGISTERS && number > result->registers)
                result->registers = number;
            if (info[at + 1] == ATTRIBUTE_FRAME && number > result->frame_bytes)
                result->frame_bytes = number;
        }
        at += 4 + size;
    }
}

static Resources read_cubin(const KernelImage *image)
{
    const unsigned char *elf = image->image;
    Resources result = {0, 0};
    uint64_t sections = read_number(elf + 40, 8), count = read_number(elf + 60, 2);
    const unsigned char *names = elf + sections + SECTION_HEADER * read_number(elf + 62, 2);
    uint64_t names_at = read_number(names + 24, 8);

    for (uint64_t k = 0; k < count; k++) {
        const unsigned char *header = elf + sections + SECTION_HEADER * k;
        const char *name = (const char *)elf + names_at + read_number(header, 4);
        if (strcmp(name, ".nv.info") == 0)
            read_info(elf + read_number(header + 24, 8), read_number(header + 32, 8), &result);
    }
    return result;
}

/* ---- occupancy ------------------------------------------------------------------------------- */

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Blocks of the first entry that a multiprocessor holds: CUDA's occupancy rules, for 8.x and 9.0.
 * */
static int blocks_at_once(const SnugCudaEntry *entry, int registers, int arch)
{
    int shared = arch >= 90 ? 228 * 1024 : 100 * 1024, threads = arch >= 90 ? 2048 : 1536;
    int warps = entry->threads / 32, of_warp = (registers + 7) / 8 * 256;

    return least(least(65536 / (of_warp * warps), shared / (entry->shared_bytes + 1024)),
                 threads / entry->threads);
}

/* ---- kernels --------------------------------------------------------------------------------- */

static const SnugProgram *plan_model(const char *path, Compilation **compilation)
{
    CompileOptions options = {.model_path = path, .device = DEVICE_cuda, .card = "RTX 3070 Ti",
                              .vram_bytes = (int64_t)1 << 40, .reserve_bytes = -1};

    *compilation = compilation_create(&options);
    if (run_pipeline(*compilation, "check", stdout) != EXIT_STATUS_ok) {
        diagnostics_print((*compilation)->diags, stderr, false);
        exit(1);
    }
    return build_program(*compilation);
}

static Resources compile_kernel(const CudaApi *api, const SnugProgram *program, int32_t kernel,
                                int arch, const char *folder)
{
    const char *headers[32], *names[32];
    KernelImage image = {.name = program->kernels[kernel].name,
                         .source = program->cuda_kernels[kernel].source};
    Error error = {0};

    for (int32_t h = 0; h < cuda_header_count; h++) {
        headers[h] = cuda_headers[h].text;
        names[h] = cuda_headers[h].name;
    }
    KernelCompile compile = {.api = api, .headers = headers, .header_names = names,
                             .header_count = cuda_header_count, .capability = arch,
                             .folder = folder, .threads = 1, .is_quiet = true};
    if (!kernel_cache_compile(&compile, &image, 1, &error)) {
        fprintf(stderr, "%s: %s\n", error.what, error.why);
        exit(1);
    }
    Resources result = read_cubin(&image);
    free(image.image);
    return result;
}

static int print_all(const CudaApi *api, int arch, char **models, int count)
{
    int broken = 0;

    for (int m = 0; m < count; m++) {
        Compilation *compilation;
        const SnugProgram *program = plan_model(models[m], &compilation);
        for (int32_t k = 0; k < program->kernel_count; k++) {
            Resources r = compile_kernel(api, program, k, arch, NULL);
            const SnugCudaEntry *entry = &program->cuda_kernels[k].entries[0];
            printf("%s %s %d %d %d%s\n", program->model, program->kernels[k].name, arch,
                   r.registers, blocks_at_once(entry, r.registers, arch),
                   r.frame_bytes > 0 ? " spills" : "");
            fflush(stdout);
            broken |= r.frame_bytes > 0;
        }
        compilation_destroy(compilation);
    }
    return broken;
}

/* ---- the table ------------------------------------------------------------------------------- */

static int read_rows(const char *path, Row *rows)
{
    FILE *file = fopen(path, "r");
    char line[256];
    int count = 0;

    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    while (fgets(line, sizeof line, file) != NULL && count < MAX_ROWS)
        count += line[0] != '#'
                 && sscanf(line, "%63s %95s %d %d %d", rows[count].model, rows[count].kernel,
                           &rows[count].arch, &rows[count].registers, &rows[count].blocks) == 5;
    fclose(file);
    return count;
}

static int check_row(const CudaApi *api, const SnugProgram *program, const Row *row,
                     const char *folder)
{
    for (int32_t k = 0; k < program->kernel_count; k++) {
        if (strcmp(program->kernels[k].name, row->kernel) != 0)
            continue;
        Resources r = compile_kernel(api, program, k, row->arch, folder);
        int blocks = blocks_at_once(&program->cuda_kernels[k].entries[0], r.registers, row->arch);
        bool holds = r.frame_bytes == 0 && r.registers <= row->registers && blocks >= row->blocks;
        if (!holds)
            printf("%s sm_%d: %d registers (at most %d), %d blocks (at least %d), stack %d bytes\n",
                   row->kernel, row->arch, r.registers, row->registers, blocks, row->blocks,
                   r.frame_bytes);
        return !holds;
    }
    printf("%s has no kernel %s\n", row->model, row->kernel);
    return 1;
}

static int check_table(const CudaApi *api, const char *path, const char *folder)
{
    static Row rows[MAX_ROWS];
    Compilation *compilation = NULL;
    const SnugProgram *program = NULL;
    int count = read_rows(path, rows), broken = count == 0;
    char model[4096];

    for (int k = 0; k < count; k++) {
        if (program == NULL || strcmp(program->model, rows[k].model) != 0) {
            if (compilation != NULL)
                compilation_destroy(compilation);
            if (snprintf(model, sizeof model, "%s/models/%s.snug", SOURCE_DIR, rows[k].model)
                >= (int)sizeof model)
                return 1;
            program = plan_model(model, &compilation);
        }
        broken |= check_row(api, program, &rows[k], folder);
    }
    if (compilation != NULL)
        compilation_destroy(compilation);
    return broken;
}

int main(int argc, char **argv)
{
    CudaApi api = {0};
    Error error = {0};

    if (argc < 3 || (strcmp(argv[1], "--all") == 0 && argc < 4)) {
        fprintf(stderr, "usage: resources_test TABLE FOLDER | --all ARCH MODEL...\n");
        return 2;
    }
    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("skipped: %s\n", error.what);
        return 77;
    }
    if (strcmp(argv[1], "--all") == 0)
        return print_all(&api, atoi(argv[2]), argv + 3, argc - 3);
    return check_table(&api, argv[1], argv[2]);
}
