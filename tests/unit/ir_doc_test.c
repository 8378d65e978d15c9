/* The tables in docs/ir.md are those in compiler/ir/ops.def, runtime/points.def and kernels.def.
 *
 *     ir_doc_test             compares
 *     ir_doc_test --write     writes the tables into the page
 */
#include "compiler/floor/arena.h"
#include "compiler/floor/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct OpRow {
    const char *name;
    int inputs, outputs;
    const char *traits, *synopsis;
} OpRow;

static const OpRow rows[] = {
#define OP(name, inputs, outputs, traits, synopsis) {#name, inputs, outputs, #traits, synopsis},
#include "compiler/ir/ops.def"
#undef OP
};

static void write_ops(Text *text)
{
    text_put(text, "\n| op | in | out | traits | |\n|---|---|---|---|---|\n");
    for (size_t k = 0; k < COUNT_OF(rows); k++) {
        const OpRow *row = &rows[k];
        text_printf(text, "| `%s` | ", row->name);
        if (row->inputs < 0)
            text_put(text, "any");
        else
            text_printf(text, "%d", row->inputs);
        text_printf(text, " | %d | ", row->outputs);
        for (const char *c = row->traits; *c; c++)
            text_append(text, *c == '|' ? "," : c, *c == ' ' && c[1] == '|' ? 0 : 1);
        text_put(text, " | ");
        for (const char *c = row->synopsis; *c; c++)
            text_append(text, c, 1);
        text_put(text, " |\n");
    }
    text_put(text, "\n");
}

typedef struct PointRow {
    const char *name, *from;
    int operands;
    const char *meaning;
} PointRow;

static const PointRow points[] = {
#define POINT(name, from, operands, affine, binds, formula, cuda, meaning)                         \
    {#name, #from, operands, meaning},
#include "runtime/points.def"
#undef POINT
};

static void write_points(Text *text)
{
    static const char *const registers[] = {"", "a", "a, b", "a, b, d"};

    text_put(text, "\n| instruction | reads | value |\n|---|---|---|\n");
    for (size_t k = 0; k < COUNT_OF(points); k++) {
        const PointRow *row = &points[k];
        text_printf(text, "| `%s` | %s | %s |\n", row->name,
                    row->operands > 0 ? registers[row->operands] : row->from, row->meaning);
    }
    text_put(text, "\n");
}

typedef struct KernelRow {
    const char *name, *result, *in[2], *args, *meaning;
} KernelRow;

static const KernelRow kernels[] = {
#define READ(name, rows)  " " #name
#define WRITE(name, rows) " " #name
#define ADD(name, rows)   " " #name " +="
#define KERNEL(name, result, in0, in1, with, host, card, args, meaning)                            \
    {#name, #result, {#in0, #in1}, "" args, meaning},
#include "runtime/kernels.def"
#undef KERNEL
#undef READ
#undef WRITE
#undef ADD
};

static void write_domain(Text *text, const char *domain)
{
    text_printf(text, "%s | ", strcmp(domain, "none") == 0 ? "" : domain);
}

static void write_kernels(Text *text)
{
    text_put(text, "\n| kernel | result | in[0] | in[1] | args | |\n|---|---|---|---|---|---|\n");
    for (size_t k = 0; k < COUNT_OF(kernels); k++) {
        const KernelRow *row = &kernels[k];
        text_printf(text, "| `%s` | ", row->name);
        write_domain(text, row->result);
        write_domain(text, row->in[0]);
        write_domain(text, row->in[1]);
        text_printf(text, "%s | %s |\n", row->args[0] == ' ' ? row->args + 1 : "", row->meaning);
    }
    text_put(text, "\n");
}

typedef struct Table {
    const char *begin, *end;
    void (*write)(Text *text);
} Table;

static const Table tables[] = {
    {"<!-- ops: written by `ninja docs` -->\n", "<!-- end of ops -->", write_ops},
    {"<!-- instructions: written by `ninja docs` -->\n", "<!-- end of instructions -->",
     write_points},
    {"<!-- kernels: written by `ninja docs` -->\n", "<!-- end of kernels -->", write_kernels},
};

/* The page with the table as it should be; false where it has none. */
static bool replace_table(Arena *arena, Text *page, const Table *table)
{
    const char *begin = strstr(page->bytes, table->begin), *end = strstr(page->bytes, table->end);
    Text result = {.arena = arena};

    if (begin == NULL || end == NULL || end < begin)
        return false;
    text_append(&result, page->bytes, (size_t)(begin - page->bytes) + strlen(table->begin));
    table->write(&result);
    text_put(&result, end);
    *page = result;
    return true;
}

static Text read_page(Arena *arena, const char *path)
{
    Text page = {.arena = arena};
    FILE *file = fopen(path, "rb");
    char bytes[4096];
    size_t length;

    while (file != NULL && (length = fread(bytes, 1, sizeof bytes, file)) > 0)
        text_append(&page, bytes, length);
    if (file == NULL || fclose(file) != 0 || page.length == 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    return page;
}

int main(int argc, char **argv)
{
    const char *path = SOURCE_DIR "/docs/ir.md";
    Arena *arena = arena_create();
    Text page = read_page(arena, path), expected = page;
    int status = 1;

    for (size_t k = 0; k < COUNT_OF(tables); k++) {
        if (!replace_table(arena, &expected, &tables[k])) {
            fprintf(stderr, "%s has no line %s", path, tables[k].begin);
            return 1;
        }
    }
    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        FILE *file = fopen(path, "wb");
        bool ok =
            file != NULL && fwrite(expected.bytes, 1, expected.length, file) == expected.length;
        status = file != NULL && fclose(file) == 0 && ok ? 0 : 1;
    } else {
        status = strcmp(page.bytes, expected.bytes) == 0 ? 0 : 1;
        if (status != 0)
            fprintf(stderr, "docs/ir.md is not what the tables say: run `ninja docs`\n");
    }
    arena_destroy(arena);
    return status;
}
