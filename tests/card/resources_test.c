/* What NVRTC's machine code of the kernels needs: registers, spills, shared memory, blocks a
 * multiprocessor. Nothing may spill; the table has the limits, see its head.
 *
 *     resources_test TABLE FOLDER                     the rows that name a kernel
 *     resources_test TABLE FOLDER ARCH MODEL...       every kernel of the models (paths), each text
 *                                                     once: a row must cover it; then a summary
 *
 * FOLDER keeps the machine code between runs. Skipped (77) where NVRTC is absent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/emit/cuda.h"
#include "compiler/emit/emit.h"
#include "compiler/pipeline/pipeline.h"
#include "runtime/card/kernel_cache.h"

enum { MAX_ROWS = 256, MAX_KERNELS = 8192 };
enum { SECTION_HEADER = 64, ATTRIBUTE_FRAME = 0x11, ATTRIBUTE_REGISTERS = 0x2f };

typedef struct Row {
    char model[64], kernel[96]; /* "*": of any model; "conv3x3_*": all that begin so */
    int arch, registers, shared_bytes, blocks;
} Row;

typedef struct Resources {
    int registers;    /* of the entry that needs most */
    int frame_bytes;  /* of a thread: spills and arrays in memory */
    int shared_bytes; /* that the code declares itself */
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
    Resources result = {0};
    uint64_t sections = read_number(elf + 40, 8), count = read_number(elf + 60, 2);
    const unsigned char *names = elf + sections + SECTION_HEADER * read_number(elf + 62, 2);
    uint64_t names_at = read_number(names + 24, 8);

    for (uint64_t k = 0; k < count; k++) {
        const unsigned char *header = elf + sections + SECTION_HEADER * k;
        const char *name = (const char *)elf + names_at + read_number(header, 4);
        int bytes = (int)read_number(header + 32, 8);
        if (strncmp(name, ".nv.shared.", 11) == 0 && strstr(name, "reserved") == NULL
            && bytes > result.shared_bytes)
            result.shared_bytes = bytes;
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

/* Blocks that a multiprocessor holds: CUDA's occupancy rules, for 8.6 and 9.0. */
static int blocks_at_once(int threads, int registers, int shared_bytes, int arch)
{
    int shared = arch >= 90 ? 228 * 1024 : 100 * 1024, most_threads = arch >= 90 ? 2048 : 1536;
    int warps = threads / 32, of_warp = (registers + 7) / 8 * 256, most = arch >= 90 ? 32 : 16;

    return least(least(65536 / (of_warp * warps), shared / (shared_bytes + 1024)),
                 least(most_threads / threads, most));
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* One text, with what it is called where it was met first. */
typedef struct Subject {
    char model[64];
    const SnugCudaKernel *code;
    KernelImage image;
} Subject;

typedef struct Subjects {
    Subject *items;
    Compilation *compilations[MAX_ROWS];
    int count, compilation_count, met;
} Subjects;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static const SnugProgram *plan_model(const char *path, int arch, Subjects *subjects)
{
    CompileOptions options = {.model_path = path,
                              .device = DEVICE_cuda,
                              .card = arch >= 90 ? "H100 SXM" : "RTX 3070 Ti",
                              .vram_bytes = (int64_t)1 << 40,
                              .reserve_bytes = -1};
    Compilation *c = compilation_create(&options);

    if (run_pipeline(c, "check", stdout) != EXIT_STATUS_ok) {
        diagnostics_print(c->diags, stderr, false);
        exit(1);
    }
    if (subjects->compilation_count == MAX_ROWS)
        fail(path, "too many models");
    subjects->compilations[subjects->compilation_count++] = c;
    return build_program(c);
}

static void add_kernel(Subjects *subjects, const SnugProgram *program, int32_t k)
{
    const char *source = program->cuda_kernels[k].source;

    subjects->met++;
    for (int j = 0; j < subjects->count; j++)
        if (strcmp(subjects->items[j].image.source, source) == 0)
            return;
    if (subjects->count == MAX_KERNELS)
        fail(program->model, "too many kernels");
    Subject *subject = &subjects->items[subjects->count++];
    snprintf(subject->model, sizeof subject->model, "%s", program->model);
    subject->code = &program->cuda_kernels[k];
    subject->image = (KernelImage){.name = program->kernels[k].name, .source = source};
}

static void compile_subjects(const CudaApi *api, Subjects *subjects, int arch, const char *folder)
{
    const char *headers[32], *names[32];
    KernelImage *images = calloc((size_t)subjects->count + 1, sizeof *images);
    Error error = {0};

    for (int32_t h = 0; h < cuda_header_count && h < 32; h++) {
        headers[h] = cuda_headers[h].text;
        names[h] = cuda_headers[h].name;
    }
    for (int k = 0; k < subjects->count; k++)
        images[k] = subjects->items[k].image;
    KernelCompile compile = {.api = api,
                             .headers = headers,
                             .header_names = names,
                             .header_count = cuda_header_count,
                             .capability = arch,
                             .folder = folder,
                             .is_quiet = true};
    if (!kernel_cache_compile(&compile, images, subjects->count, &error))
        fail(error.what, error.why);
    for (int k = 0; k < subjects->count; k++)
        subjects->items[k].image = images[k];
    free(images);
}

static void free_subjects(Subjects *subjects)
{
    for (int k = 0; k < subjects->count; k++)
        free(subjects->items[k].image.image);
    for (int k = 0; k < subjects->compilation_count; k++)
        compilation_destroy(subjects->compilations[k]);
    free(subjects->items);
}

/* ---- the table ------------------------------------------------------------------------------- */

static int read_rows(const char *path, Row *rows)
{
    FILE *file = fopen(path, "r");
    char line[256];
    int count = 0;

    if (file == NULL)
        fail(path, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#')
            continue;
        if (count == MAX_ROWS
            || sscanf(line, "%63s %95s %d %d %d %d", rows[count].model, rows[count].kernel,
                      &rows[count].arch, &rows[count].registers, &rows[count].shared_bytes,
                      &rows[count].blocks)
                   != 6)
            fail(path, line);
        count++;
    }
    fclose(file);
    return count;
}

static bool is_pattern(const Row *row)
{
    return row->kernel[strlen(row->kernel) - 1] == '*';
}

static bool covers(const Row *row, const Subject *subject, int arch)
{
    size_t length = strlen(row->kernel);

    if (row->arch != arch)
        return false;
    if (strcmp(row->model, "*") != 0 && strcmp(row->model, subject->model) != 0)
        return false;
    return is_pattern(row) ? strncmp(row->kernel, subject->image.name, length - 1) == 0
                           : strcmp(row->kernel, subject->image.name) == 0;
}

/* The most of all kernels that a row covers. */
typedef struct Most {
    int kernels, registers, shared_bytes, blocks, frame_bytes;
} Most;

/* Returns whether the subject breaks the first row that covers it, or none does. */
static bool check_subject(const Subject *subject, int arch, const Row *rows, int count, Most *most)
{
    Resources r = read_cubin(&subject->image);
    const SnugCudaEntry *entry = &subject->code->entries[0];
    int shared_bytes = entry->shared_bytes + r.shared_bytes, row = 0;
    int blocks = blocks_at_once(entry->threads, r.registers, shared_bytes, arch);

    while (row < count && !covers(&rows[row], subject, arch))
        row++;
    if (row == count) {
        printf("%s %s %d %d %d %d: no row covers it\n", subject->model, subject->image.name, arch,
               r.registers, shared_bytes, blocks);
        return true;
    }
    Most *of = &most[row];
    of->blocks = of->kernels++ == 0 || blocks < of->blocks ? blocks : of->blocks;
    of->registers = r.registers > of->registers ? r.registers : of->registers;
    of->frame_bytes = r.frame_bytes > of->frame_bytes ? r.frame_bytes : of->frame_bytes;
    of->shared_bytes = shared_bytes > of->shared_bytes ? shared_bytes : of->shared_bytes;
    if (r.frame_bytes == 0 && r.registers <= rows[row].registers && blocks >= rows[row].blocks
        && shared_bytes <= rows[row].shared_bytes)
        return false;
    printf("%s %s sm_%d: %d registers (at most %d), %d bytes of shared memory (at most %d), "
           "%d blocks (at least %d), stack %d bytes\n",
           subject->model, subject->image.name, arch, r.registers, rows[row].registers,
           shared_bytes, rows[row].shared_bytes, blocks, rows[row].blocks, r.frame_bytes);
    return true;
}

static int check_subjects(const Subjects *subjects, int arch, const Row *rows, int count)
{
    Most most[MAX_ROWS] = {{0}};
    int broken = 0;

    for (int k = 0; k < subjects->count; k++)
        broken += check_subject(&subjects->items[k], arch, rows, count, most);
    printf("sm_%d: %d kernels, %d different, %d outside their row\n", arch, subjects->met,
           subjects->count, broken);
    printf("| kernels | number | registers, most | shared bytes, most | blocks, least | stack |\n"
           "|---|---|---|---|---|---|\n");
    for (int r = 0; r < count; r++)
        if (most[r].kernels > 0)
            printf("| %s | %d | %d | %d | %d | %d |\n", rows[r].kernel, most[r].kernels,
                   most[r].registers, most[r].shared_bytes, most[r].blocks, most[r].frame_bytes);
    return broken > 0;
}

static int check_models(const CudaApi *api, const Row *rows, int count, const char *folder,
                        int arch, char **models, int model_count)
{
    Subjects subjects = {.items = calloc(MAX_KERNELS, sizeof(Subject))};

    for (int m = 0; m < model_count; m++) {
        const SnugProgram *program = plan_model(models[m], arch, &subjects);
        for (int32_t k = 0; k < program->kernel_count; k++)
            add_kernel(&subjects, program, k);
    }
    compile_subjects(api, &subjects, arch, folder);
    int broken = check_subjects(&subjects, arch, rows, count);
    free_subjects(&subjects);
    return broken;
}

/* ---- the rows that name a kernel ------------------------------------------------------------- */

static int add_row(Subjects *subjects, const SnugProgram *program, const Row *row)
{
    for (int32_t k = 0; k < program->kernel_count; k++) {
        if (strcmp(program->kernels[k].name, row->kernel) != 0)
            continue;
        add_kernel(subjects, program, k);
        return 0;
    }
    printf("%s has no kernel %s for sm_%d\n", row->model, row->kernel, row->arch);
    return 1;
}

static int check_named(const CudaApi *api, const Row *rows, int count, const char *folder, int arch)
{
    Subjects subjects = {.items = calloc(MAX_KERNELS, sizeof(Subject))};
    const SnugProgram *program = NULL;
    int broken = 0;
    char path[4096];

    for (int r = 0; r < count; r++) {
        if (rows[r].arch != arch || is_pattern(&rows[r]))
            continue;
        if (snprintf(path, sizeof path, "%s/models/%s.snug", SOURCE_DIR, rows[r].model)
            >= (int)sizeof path)
            fail(rows[r].model, "its path is too long");
        if (program == NULL || strcmp(program->model, rows[r].model) != 0)
            program = plan_model(path, arch, &subjects);
        broken += add_row(&subjects, program, &rows[r]);
    }
    compile_subjects(api, &subjects, arch, folder);
    broken += check_subjects(&subjects, arch, rows, count) + (subjects.count == 0);
    free_subjects(&subjects);
    return broken > 0;
}

int main(int argc, char **argv)
{
    static Row rows[MAX_ROWS];
    CudaApi api = {0};
    Error error = {0};

    if (argc < 3 || argc == 4) {
        fprintf(stderr, "usage: resources_test TABLE FOLDER [ARCH MODEL...]\n");
        return 2;
    }
    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("skipped: %s\n", error.what);
        return 77;
    }
    int count = read_rows(argv[1], rows);
    if (argc > 4)
        return check_models(&api, rows, count, argv[2], atoi(argv[3]), argv + 4, argc - 4);
    int broken = check_named(&api, rows, count, argv[2], 86);
    return broken + check_named(&api, rows, count, argv[2], 90) > 0;
}
