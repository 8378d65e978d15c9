/* The table of ops in docs/ir.md is the one in compiler/ir/ops.def.
 *
 *     ir_doc_test             compares
 *     ir_doc_test --write     writes the table into the page
 */
#include "compiler/floor/arena.h"
#include "compiler/floor/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BEGIN[] = "<!-- ops: written by `ninja docs` -->\n",
                  END[] = "<!-- end of ops -->";

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

static void write_table(Text *text)
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
    Text page = read_page(arena, path), expected = {.arena = arena};
    const char *begin = strstr(page.bytes, BEGIN), *end = strstr(page.bytes, END);
    int status = 1;

    if (begin == NULL || end == NULL || end < begin) {
        fprintf(stderr, "%s has no table of ops\n", path);
        return 1;
    }
    text_append(&expected, page.bytes, (size_t)(begin - page.bytes) + strlen(BEGIN));
    write_table(&expected);
    text_put(&expected, end);
    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        FILE *file = fopen(path, "wb");
        bool ok =
            file != NULL && fwrite(expected.bytes, 1, expected.length, file) == expected.length;
        status = file != NULL && fclose(file) == 0 && ok ? 0 : 1;
    } else {
        status = strcmp(page.bytes, expected.bytes) == 0 ? 0 : 1;
        if (status != 0)
            fprintf(stderr, "docs/ir.md is not what compiler/ir/ops.def says: run `ninja docs`\n");
    }
    arena_destroy(arena);
    return status;
}
