/* Any bytes as a model file: no crash, no endless run, places inside of the file; and what parses
 * without errors is printed as source that parses again and prints the same.
 *
 *     cmake -DSNUG_FUZZ=ON -DCMAKE_C_COMPILER=clang ...
 *     fuzz_model -dict=tests/fuzz/model.dict WORK_FOLDER tests/fuzz/corpus_model models
 *
 * replay.c runs the same function on the files of the corpus in every test run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/ast.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

typedef struct Print {
    char *bytes;
    size_t length;
} Print;

static FILE *open_print(Print *print)
{
    FILE *out = open_memstream(&print->bytes, &print->length);

    if (out == NULL)
        abort();
    return out;
}

static void fail(const char *what, const Print *once, const Print *twice)
{
    fprintf(stderr, "%s\n---- printed\n%s", what, once->bytes);
    if (twice != NULL)
        fprintf(stderr, "---- printed again\n%s", twice->bytes);
    abort();
}

/* Parses and prints; returns whether there were no errors. Errors are printed in every form. */
static bool parse_and_print(const char *text, size_t length, Print *print)
{
    Arena *arena = arena_create();
    Diagnostics *diags = diagnostics_create(arena);
    uint32_t file = diagnostics_add_file(diags, "m.snug", text, length);
    const Node *tree = parse_file(arena, interner_create(arena), diags, file);
    bool is_valid = diagnostics_error_count(diags) == 0;
    FILE *out = open_print(print);

    if (is_valid) {
        print_tree(out, tree);
    } else {
        diagnostics_print(diags, out, true);
        diagnostics_print_json(diags, out);
    }
    fclose(out);
    arena_destroy(arena);
    return is_valid;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Print once, twice;
    char *text = malloc(length + 1);

    if (text == NULL)
        abort();
    if (length > 0)
        memcpy(text, bytes, length);
    text[length] = '\0';
    if (parse_and_print(text, length, &once)) {
        if (!parse_and_print(once.bytes, once.length, &twice))
            fail("the print of a valid file has errors", &once, &twice);
        if (once.length != twice.length || memcmp(once.bytes, twice.bytes, once.length) != 0)
            fail("the print of a print differs", &once, &twice);
        free(twice.bytes);
    }
    free(once.bytes);
    free(text);
    return 0;
}
