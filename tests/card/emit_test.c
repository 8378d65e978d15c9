/* What the trainer gives to NVRTC is what people read: each text of NAME_cuda.h stands in NAME.cu
 * from its line on, all of NAME.cu is one unit, and a fault is reported where it is in NAME.cu or
 * in the hand-written file.
 *
 *     emit_test whole FILE.cu        NVRTC compiles the file, with the headers of its folder
 *     emit_test shapes FOLDER        shapes_cuda.h, as built in, against FOLDER/shapes.cu, faults
 *
 * Skipped (77) where NVRTC is absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/floor/arena.h"
#include "compiler/floor/text.h"
#include "runtime/card/kernel_cache.h"
#include "runtime/program.h"

#include "shapes/shapes_cuda.h"

enum { HEADERS = (int)(sizeof cuda_headers / sizeof *cuda_headers) };
enum { KERNELS = (int)(sizeof cuda_kernels / sizeof *cuda_kernels) };

static CudaApi api;
static Arena *arena;
static int faults;

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    Text text = {.arena = arena};
    char part[4096];

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    for (size_t n = fread(part, 1, sizeof part, file); n > 0; n = fread(part, 1, sizeof part, file))
        text_append(&text, part, n);
    fclose(file);
    return text.bytes;
}

/* Whether it compiles; else why has NVRTC's first message. */
static bool compile(const char *source, const char *file, int32_t line, const char *header,
                    const char *header_text, char why[256])
{
    const char *texts[HEADERS], *names[HEADERS];
    KernelImage image = {.name = "kernel", .source = source, .file = file, .line = line};
    KernelCompile options = {.api = &api,
                             .headers = texts,
                             .header_names = names,
                             .header_count = HEADERS,
                             .capability = 86,
                             .is_ptx = true,
                             .is_quick = true,
                             .threads = 1,
                             .is_quiet = true};
    Error error = {0};

    for (int h = 0; h < HEADERS; h++) {
        names[h] = cuda_headers[h].name;
        texts[h] =
            header != NULL && strcmp(header, names[h]) == 0 ? header_text : cuda_headers[h].text;
    }
    bool ok = kernel_cache_compile(&options, &image, 1, &error);
    free(image.image);
    snprintf(why, 256, "%s", ok ? "" : error.why);
    return ok;
}

static int32_t count_lines(const char *text)
{
    int32_t lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* The beginning of line `line`, of 1, 2, ... */
static const char *line_at(const char *text, int32_t line)
{
    while (--line > 0)
        text = strchr(text, '\n') + 1;
    return text;
}

/* The text with line `line` replaced. */
static const char *planted(const char *text, int32_t line, const char *by)
{
    const char *at = line_at(text, line);

    return arena_printf(arena, "%.*s%s%s", (int)(at - text), text, by, at + strcspn(at, "\n"));
}

static void expect_place(const char *why, const char *file, int32_t line, const char *what)
{
    char place[128];

    snprintf(place, sizeof place, "%s(%d): ", file, line);
    if (strncmp(why, place, strlen(place)) == 0 && strstr(why, "error") != NULL)
        return;
    printf("%s: expected %s, but NVRTC says \"%s\"\n", what, place, why);
    faults++;
}

/* The first line at or behind `line` that is code at a statement's end, outside of macros. */
static int32_t next_statement(const char *text, int32_t line)
{
    for (int32_t last = count_lines(text); line <= last; line++) {
        const char *at = line_at(text, line);
        size_t length = strcspn(at, "\n");
        if (length > 8 && strncmp(at, "        ", 8) == 0 && at[length - 1] == ';')
            return line;
    }
    return 0;
}

/* The line, or the first behind it that does not go on a macro's. */
static int32_t line_start(const char *text, int32_t line)
{
    while (line > 1 && line_at(text, line)[-2] == '\\')
        line++;
    return line;
}

/* ---- generated text -------------------------------------------------------------------------- */

static void plant_in_kernel(const char *cu, const SnugCudaKernel *kernel)
{
    int32_t lines = count_lines(kernel->source), middle = next_statement(kernel->source, lines / 2);
    const int32_t at[] = {1, line_start(kernel->source, lines / 2), lines, middle};
    char why[256];

    if (strncmp(line_at(cu, kernel->line), kernel->source, strlen(kernel->source)) != 0) {
        printf("%s is not what stands at line %d\n", kernel->entries[0].name, kernel->line);
        faults++;
    }
    for (int k = 0; k < 4; k++) {
        bool is_statement = k == 3;
        if (at[k] == 0)
            continue;
        const char *by = is_statement ? "        planted_fault;" : "\n#error planted";
        const char *text = planted(kernel->source, at[k], is_statement ? by : by + 1);
        const char *of_cu = line_at(cu, kernel->line + at[k] - 1);
        const char *mine = line_at(kernel->source, at[k]);
        compile(text, "shapes.cu", kernel->line, NULL, NULL, why);
        expect_place(why, "shapes.cu", kernel->line + at[k] - 1, kernel->entries[0].name);
        if (strncmp(of_cu, mine, strcspn(mine, "\n") + 1) != 0) {
            printf("line %d of shapes.cu is another\n", kernel->line + at[k] - 1);
            faults++;
        }
    }
}

/* ---- hand-written files ---------------------------------------------------------------------- */

/* Whether the text includes the file, itself or by others. */
static bool includes(const char *text, const char *name)
{
    for (int h = 0; h < HEADERS; h++) {
        const char *include = arena_printf(arena, "#include \"%s\"\n", cuda_headers[h].name);
        const char *at = strstr(text, include);
        if (at != NULL && (at == text || at[-1] == '\n') /* not in a comment */
            && (strcmp(cuda_headers[h].name, name) == 0 || includes(cuda_headers[h].text, name)))
            return true;
    }
    return false;
}

/* A kernel that NVRTC reads the file for: some of them include it under an #if. */
static const SnugCudaKernel *user_of(const SnugCudaHeader *header)
{
    char why[256];

    for (int n = 0; n < 2 * KERNELS; n++) { /* first those with reductions, which include most */
        int k = n % KERNELS;
        if ((n < KERNELS) == (strstr(cuda_kernels[k].source, "REDUCE(") != NULL)
            && includes(cuda_kernels[k].source, header->name)
            && !compile(cuda_kernels[k].source, "shapes.cu", 1, header->name, "#error planted\n",
                        why))
            return &cuda_kernels[k];
    }
    return NULL;
}

/* At the first line, behind the last, and at the first statement from the middle on that the kernel
 * compiles. */
static void plant_in_header(const SnugCudaHeader *header)
{
    const SnugCudaKernel *kernel = user_of(header);
    int32_t last = count_lines(header->text), line = last / 2;
    char why[256] = "";

    if (kernel == NULL) {
        printf("%s: no kernel of shapes.snug includes it\n", header->name);
        faults += strstr(header->name, "_plain") == NULL; /* full precision, odd strides */
        return;
    }
    compile(kernel->source, "shapes.cu", kernel->line, header->name,
            planted(header->text, 1, "#error planted /*"), why);
    expect_place(why, header->name, 1, "the first line");
    compile(kernel->source, "shapes.cu", kernel->line, header->name,
            arena_printf(arena, "%s#error planted\n", header->text), why);
    expect_place(why, header->name, last + 1, "behind the last line");
    for (line = next_statement(header->text, line); line > 0;
         line = next_statement(header->text, line + 1)) {
        const char *text = planted(header->text, line, "        planted_fault;");
        if (!compile(kernel->source, "shapes.cu", kernel->line, header->name, text, why)) {
            expect_place(why, header->name, line, "in the middle");
            return;
        }
    }
}

/* ---- the parts ------------------------------------------------------------------------------- */

static int check_shapes(const char *folder)
{
    const char *cu = read_file(arena_printf(arena, "%s/shapes.cu", folder));
    const char *header = "";

    for (int k = 0; k < KERNELS; k++) { /* one of each hand-written file */
        const char *include = strstr(strstr(cuda_kernels[k].source, "#include") + 1, "#include");
        if (strstr(header, arena_printf(arena, "%.*s", (int)strcspn(include, "\n"), include))
            != NULL)
            continue;
        header = arena_printf(arena, "%s%.*s\n", header, (int)strcspn(include, "\n"), include);
        plant_in_kernel(cu, &cuda_kernels[k]);
    }
    for (int h = 0; h < HEADERS; h++)
        plant_in_header(&cuda_headers[h]);
    printf("%d kernels, %d files: %d faults reported elsewhere\n", KERNELS, HEADERS, faults);
    return faults > 0;
}

static int check_whole(const char *path)
{
    char why[256];
    const char *name = strrchr(path, '/');

    if (compile(read_file(path), name != NULL ? name + 1 : path, 1, NULL, NULL, why))
        return 0;
    printf("%s\n", why);
    return 1;
}

int main(int argc, char **argv)
{
    Error error = {0};
    int status = 2;

    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("skipped: %s\n", error.what);
        return 77;
    }
    arena = arena_create();
    if (argc == 3 && strcmp(argv[1], "whole") == 0)
        status = check_whole(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "shapes") == 0)
        status = check_shapes(argv[2]);
    arena_destroy(arena);
    return status;
}
