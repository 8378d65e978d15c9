/* Text: the builder, interned names, sizes and numbers, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <string.h>

#include "compiler/floor/text.h"

static void a_builder_grows(void **state)
{
    Arena *arena = arena_create();
    Text text = {.arena = arena};

    (void)state;
    text_append(&text, NULL, 0);
    assert_string_equal(text.bytes, "");
    text_put(&text, "conv");
    text_printf(&text, "%d x %d", 3, 3);
    assert_string_equal(text.bytes, "conv3 x 3");
    for (int k = 0; k < 1000; k++)
        text_printf(&text, "%03d", k);
    assert_int_equal(text.length, 9 + 3000);
    assert_string_equal(text.bytes + 9 + 2997, "999");
    text_append(&text, "a\0b", 3);
    assert_memory_equal(text.bytes + 3009, "a\0b", 4);
    arena_destroy(arena);
}

static void interned_names_are_equal_by_pointer(void **state)
{
    Arena *arena = arena_create();
    Interner *names = interner_create(arena);
    const char *relu = intern(names, "relu", 4);

    (void)state;
    assert_ptr_equal(intern(names, "reluctant", 4), relu);
    assert_ptr_not_equal(intern(names, "rel", 3), relu);
    assert_ptr_not_equal(intern(names, "a\0b", 3), intern(names, "a\0c", 3));
    assert_string_equal(intern(names, "", 0), "");
    for (int k = 0; k < 3000; k++) {
        const char *name = arena_printf(arena, "%d", k);
        intern(names, name, strlen(name));
    }
    assert_ptr_equal(intern(names, "relu", 4), relu);
    assert_string_equal(relu, "relu");
    arena_destroy(arena);
}

static void sizes_are_printed_for_people(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text, *mib;
    } cases[] = {
        {0, "0 B", "0.0"},
        {512, "512 B", "0.0"},
        {1023, "1023 B", "0.0"},
        {1024, "1.0 KiB", "0.0"},
        {1024 * 1024 - 1, "1024.0 KiB", "1.0"},
        {1215614157, "1159.3 MiB", "1159.3"},
        {((int64_t)2 << 30) - 1, "2048.0 MiB", "2048.0"},
        {(int64_t)2 << 30, "2.00 GiB", "2048.0"},
        {7967164334, "7.42 GiB", "7598.1"},
        {INT64_MAX, "8589934592.00 GiB", "8796093022208.0"},
        {-512, "-512 B", "-0.0"},
        {-((int64_t)3 << 30), "-3.00 GiB", "-3072.0"},
    };
    Arena *arena = arena_create();

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        assert_string_equal(format_bytes(arena, cases[k].bytes), cases[k].text);
        assert_string_equal(format_mib(arena, cases[k].bytes), cases[k].mib);
    }
    arena_destroy(arena);
}

static void sizes_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: no size */
    } cases[] = {
        {"8GiB", (int64_t)8 << 30},
        {"8 gib", (int64_t)8 << 30},
        {"8G", (int64_t)8 << 30},
        {"7.5 GB", 7500000000},
        {"512MiB", 512 << 20},
        {"123456", 123456},
        {"0", 0},
        {"1.5KiB", 1536},
        {"100 B", 100},
        {"4503599627370497", 4503599627370497},
        {"4611686018427387903", ((int64_t)1 << 62) - 1},
        {"4194303TiB", (int64_t)4194303 << 40},
        {"", -1},
        {"GiB", -1},
        {"8GiBs", -1},
        {"8 Gi B", -1},
        {"-1", -1},
        {"1.5", -1},
        {"1.GiB", -1},
        {".5GiB", -1},
        {"1e9", -1},
        {"9223372036854775808", -1},
        {"99999999999999999999", -1},
        {"4194305TiB", -1},
        {" 8GiB", -1},
        {"8GiB ", -1},
    };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        int64_t bytes = -1;
        assert_int_equal(parse_bytes(cases[k].text, &bytes), cases[k].bytes >= 0);
        assert_int_equal(bytes, cases[k].bytes);
    }
}

static void check_numbers(void)
{
    static const struct {
        const char *text;
        bool is_number;
        double value;
    } cases[] = {
        {"0", true, 0},      {"32", true, 32},       {"0.5", true, 0.5},  {"1e-3", true, 1e-3},
        {"3E+4", true, 3e4}, {"-2.25", true, -2.25}, {"+7", true, 7},     {".5", true, 0.5},
        {"5.", true, 5},     {"0.1", true, 0.1},     {"", false, 0},      {".", false, 0},
        {"-", false, 0},     {"1e", false, 0},       {"1e+", false, 0},   {"0x10", false, 0},
        {"inf", false, 0},   {"nan", false, 0},      {"1,5", false, 0},   {"1 ", false, 0},
        {" 1", false, 0},    {"1e999", false, 0},    {"1.2.3", false, 0}, {"48px", false, 0},
    };

    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        double value = 0;
        assert_int_equal(parse_number(cases[k].text, &value), cases[k].is_number);
        assert_true(value == cases[k].value);
    }
}

static void numbers_are_read_in_every_locale(void **state)
{
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "de_DE.utf8"};

    (void)state;
    check_numbers();
    for (size_t k = 0; k < COUNT_OF(commas); k++) /* those that are installed */
        if (setlocale(LC_ALL, commas[k]) != NULL)
            check_numbers();
    setlocale(LC_ALL, "C");
}

static void the_nearest_name_is_suggested(void **state)
{
    static const char *const known[] = {"relu",     "conv", "deconv", "bilinear",
                                        "minimize", "mse",  "for",    "if"};
    static const struct {
        const char *name, *nearest;
    } cases[] = {
        {"rleu", "relu"},  {"ReLU", "relu"},         {"conf", "conv"},
        {"dconv", "conv"}, {"bilinaer", "bilinear"}, {"minimise", "minimize"},
        {"MSE", "mse"},    {"fro", "for"},           {"of", NULL},
        {"IF", "if"},      {"batch", NULL},          {"", NULL},
        {"x", NULL},
    };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        const char *nearest = nearest_name(cases[k].name, known, COUNT_OF(known));
        if (cases[k].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[k].nearest);
    }
    char long_name[200];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    assert_null(nearest_name(long_name, known, COUNT_OF(known)));
    assert_null(nearest_name("relu", known, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_builder_grows),
        cmocka_unit_test(interned_names_are_equal_by_pointer),
        cmocka_unit_test(sizes_are_printed_for_people),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(numbers_are_read_in_every_locale),
        cmocka_unit_test(the_nearest_name_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
