/* What a trainer offers where a card has too little memory free: what fits, the cheapest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/device.h"

#define MIB ((int64_t)1 << 20)

static const SnugAlternative alternatives[] = {
    {900 * MIB, 4, 4, 512, 512, 10.0f, 0.0f, "snug compile FOUR"},
    {950 * MIB, 8, 2, 512, 512, 11.0f, 0.042f, "snug compile AGAIN"},
    {500 * MIB, 2, 8, 512, 512, 12.0f, 0.0f, "snug compile TWO"},
    {300 * MIB, 1, 16, 512, 512, 13.0f, 0.0f, "snug compile ONE"},
    {600 * MIB, 8, 2, 384, 384, 6.0f, 0.0f, "snug compile SMALL"},
};
static const SnugProgram program = {
    .model_path = "models/net.snug",
    .overrides = "-Dwidth=48",
    .batch_size = 8,
    .image_height = 512,
    .image_width = 512,
    .total_bytes = 1000 * MIB,
    .alternatives = alternatives,
    .alternative_count = sizeof alternatives / sizeof *alternatives,
};

static const char *advise(Error *error, int64_t mib)
{
    *error = (Error){0};
    error_set(error, ERROR_MEMORY, "too little");
    assert_false(device_advise(&program, mib * MIB, error));
    return error->hint;
}

static void assert_has(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static void three_trainings_and_a_smaller_image(void **state)
{
    Error error;
    const char *text = advise(&error, 999);

    (void)state;
    assert_has(text,
               "\n     900.0      4             4   512x512       10.0\n      snug compile FOUR\n");
    assert_has(text,
               "\n     950.0      8             2   512x512       11.0  +4.2 % computed again\n");
    assert_has(text, "snug compile TWO");
    assert_null(strstr(text, "ONE")); /* three are enough */
    assert_has(text, "   384x384        6.0\n      snug compile SMALL");
}

static void only_what_fits(void **state)
{
    Error error;
    const char *text = advise(&error, 600); /* to the byte */

    (void)state;
    assert_null(strstr(text, "FOUR"));
    assert_null(strstr(text, "AGAIN"));
    assert_has(text, "TWO");
    assert_has(text, "ONE");
    assert_has(text, "SMALL");
}

static void where_nothing_fits_it_says_what_would_be_needed(void **state)
{
    Error error;
    const char *text = advise(&error, 299);

    (void)state;
    assert_null(strstr(text, "snug compile"));
    assert_has(text, "\n    snug fit models/net.snug -Dwidth=48 --vram 299MiB --reserve 0\n");
    assert_has(text, "needs 300.0 MiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_trainings_and_a_smaller_image),
        cmocka_unit_test(only_what_fits),
        cmocka_unit_test(where_nothing_fits_it_says_what_would_be_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
