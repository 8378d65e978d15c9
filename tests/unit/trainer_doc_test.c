/* docs/trainer.md lists the flags of runtime/train/run_options.def; --help begins with examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/os.h"
#include "runtime/train/run_options.h"

static const char *const names[] = {
#define OPTION(name, kind, argument, least, most, initial, scope, commands, help) #name,
#include "runtime/train/run_options.def"
#undef OPTION
};

static void table_of_flags(void **state)
{
    char *expected = NULL;
    size_t size = 0;
    uint8_t *page;
    int64_t page_size;
    Error error = {0};
    FILE *out = open_memstream(&expected, &size);

    (void)state;
    options_print_table(out);
    fclose(out);
    assert_true(os_read_file(SOURCE_DIR "/docs/trainer.md", 1 << 20, &page, &page_size, &error));
    if (strstr((char *)page, expected) == NULL)
        fail_msg("docs/trainer.md: the table of flags should read\n%s", expected);
    free(page);
    free(expected);
}

static void help(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    options_print_help(out, "trainer");
    fclose(out);
    assert_int_equal(strncmp(text, "examples:", 9), 0);
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        if (strstr(text, names[k]) == NULL)
            fail_msg("--help does not know --%s", names[k]);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table_of_flags), cmocka_unit_test(help)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
