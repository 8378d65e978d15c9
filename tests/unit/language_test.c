/* docs/language.md says what the language is: its example is the golden test
 * tests/golden/graph/example.snug, and every builtin function stands there with its defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/front/elaborate.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void test_example(void **state)
{
    char *page = read_file(SOURCE_DIR "/docs/language.md");
    char *golden = read_file(SOURCE_DIR "/tests/golden/graph/example.snug");
    char *example = strstr(page, "```\n"), *end;
    (void)state;

    assert_non_null(example);
    example += 4;
    end = strstr(example, "```");
    assert_non_null(end);
    *end = '\0';
    char *body = strstr(golden, "# end\n\n");
    assert_non_null(body);
    assert_string_equal(body + strlen("# end\n\n"), example);
    free(page);
    free(golden);
}

/* "`conv(x, channels, kernel = 3, stride = 1, bias = 0)`" */
static void put_signature(Text *text, const Builtin *builtin)
{
    text_printf(text, "`%s(", builtin->name);
    for (const BuiltinParameter *p = builtin->parameters; p->kind != ARGUMENT_none; p++) {
        text_printf(text, "%s%s", p == builtin->parameters ? "" : ", ", p->name);
        if (p->is_optional && p->kind == ARGUMENT_list)
            text_put(text, " = [...]");
        else if (p->is_optional)
            text_printf(text, " = %g", p->preset);
    }
    text_put(text, ")`");
}

static void test_builtins(void **state)
{
    char *page = read_file(SOURCE_DIR "/docs/language.md");
    Arena *arena = arena_create();
    (void)state;

    for (uint32_t k = 0; k < builtin_count; k++) {
        Text text = {.arena = arena};
        put_signature(&text, &builtins[k]);
        if (strstr(page, text.bytes) == NULL)
            fail_msg("docs/language.md does not have %s", text.bytes);
    }
    arena_destroy(arena);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_builtins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
