/* Diagnostics: places, excerpts, notes, limits, JSON. The golden tests of errors show the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/floor/diag.h"

typedef struct Fixture {
    Arena *arena;
    Diagnostics *diags;
} Fixture;

static Fixture begin(void)
{
    Arena *arena = arena_create();
    return (Fixture){.arena = arena, .diags = diagnostics_create(arena)};
}

static uint32_t add(const Fixture *f, const char *text)
{
    return diagnostics_add_file(f->diags, "m.snug", text, strlen(text));
}

/* What a printing function writes; lives in the arena. */
static char *written(const Fixture *f, bool json, bool color)
{
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);

    assert_non_null(out);
    if (json)
        diagnostics_print_json(f->diags, out);
    else
        diagnostics_print(f->diags, out, color);
    fclose(out);
    char *copy = arena_strdup(f->arena, bytes);
    free(bytes);
    return copy;
}

/* The excerpt of one error on bytes [first, last) of the text. */
static void check_excerpt(const char *text, uint32_t first, uint32_t last, const char *expected)
{
    Fixture f = begin();
    uint32_t file = add(&f, text);

    error_at(f.diags, ERROR_E010, (Span){file, first, last}, "wrong");
    assert_string_equal(written(&f, false, false), expected);
    arena_destroy(f.arena);
}

static void excerpts_underline_what_they_mean(void **state)
{
    (void)state;
    check_excerpt("a = 1\nb = foo(2)\n", 10, 13,
                  "m.snug:2:5: error[E010]: wrong\n"
                  "    2 | b = foo(2)\n"
                  "      |     ^~~\n");
    /* tabs reach to multiples of four columns, as printed */
    check_excerpt("\tx\t= y\n", 3, 4,
                  "m.snug:1:4: error[E010]: wrong\n"
                  "    1 |     x   = y\n"
                  "      |         ^\n");
    check_excerpt("\t\tx", 0, 2,
                  "m.snug:1:1: error[E010]: wrong\n"
                  "    1 |         x\n"
                  "      | ^~~~~~~~\n");
    /* columns are characters; wide characters take two places */
    check_excerpt("# \xC3\xB6\xE6\xBC\xA2 x", 8, 9,
                  "m.snug:1:6: error[E010]: wrong\n"
                  "    1 | # \xC3\xB6\xE6\xBC\xA2 x\n"
                  "      |       ^\n");
    /* the end of a line and of the file */
    check_excerpt("a =\n", 3, 3,
                  "m.snug:1:4: error[E010]: wrong\n"
                  "    1 | a =\n"
                  "      |    ^\n");
    check_excerpt("", 0, 0,
                  "m.snug:1:1: error[E010]: wrong\n"
                  "    1 | \n"
                  "      | ^\n");
    /* over several lines: the first is shown */
    check_excerpt("f(a,\n  b)\n", 2, 8,
                  "m.snug:1:3: error[E010]: wrong\n"
                  "    1 | f(a,\n"
                  "      |   ^~\n");
}

static void line_ends_and_marks_of_windows_are_no_text(void **state)
{
    (void)state;
    check_excerpt("a\r\nb = x\r\nc\r\n", 7, 8,
                  "m.snug:2:5: error[E010]: wrong\n"
                  "    2 | b = x\n"
                  "      |     ^\n");
    check_excerpt("a\rb\rc", 4, 5,
                  "m.snug:3:1: error[E010]: wrong\n"
                  "    3 | c\n"
                  "      | ^\n");
    check_excerpt("\xEF\xBB\xBF"
                  "a b",
                  2, 3,
                  "m.snug:1:3: error[E010]: wrong\n"
                  "    1 | a b\n"
                  "      |   ^\n");
}

static void terminals_see_nothing_that_they_obey(void **state)
{
    (void)state;
    check_excerpt("a\x1b[31m\xff\xE2\x80\xAE b", 1, 2,
                  "m.snug:1:2: error[E010]: wrong\n"
                  "    1 | a\xEF\xBF\xBD[31m\xEF\xBF\xBD\xEF\xBF\xBD b\n"
                  "      |  ^\n");
}

static void long_lines_are_shown_in_part(void **state)
{
    char text[1001];
    Fixture f = begin();

    (void)state;
    memset(text, 'x', 1000);
    text[1000] = '\0';
    text[500] = '@';
    error_at(f.diags, ERROR_E002, (Span){add(&f, text), 500, 501}, "wrong");
    const char *print = written(&f, false, false);
    const char *excerpt = strchr(print, '\n') + 1, *marks = strchr(excerpt, '\n') + 1;
    assert_true(strlen(print) < 400);
    /* the mark stands below the sign; the ellipsis before it has three bytes and one column */
    assert_int_equal(strchr(excerpt, '@') - excerpt, strchr(marks, '^') - marks + 2);
    arena_destroy(f.arena);
}

static void notes_belong_to_the_last_error(void **state)
{
    Fixture f = begin();
    uint32_t file = add(&f, "f(a\ng(b)\n");

    (void)state;
    warning_at(f.diags, ERROR_E010, (Span){file, 5, 7}, "first");
    note(f.diags, "about %s", "it");
    error_at(f.diags, ERROR_E028, (Span){0}, "no place");
    note_at(f.diags, (Span){file, 1, 2}, "opened here");
    assert_string_equal(written(&f, false, false), "m.snug:2:2: warning[E010]: first\n"
                                                   "    2 | g(b)\n"
                                                   "      |  ^~\n"
                                                   "      note: about it\n"
                                                   "snug: error[E028]: no place\n"
                                                   "m.snug:1:2: note: opened here\n"
                                                   "    1 | f(a\n"
                                                   "      |  ^\n");
    assert_int_equal(diagnostics_error_count(f.diags), 1);
    arena_destroy(f.arena);
}

static void the_same_error_is_reported_once(void **state)
{
    Fixture f = begin();
    uint32_t file = add(&f, "abc");

    (void)state;
    for (int k = 0; k < 3; k++) {
        error_at(f.diags, ERROR_E010, (Span){file, 1, 2}, "again %d", k);
        note(f.diags, "note %d", k);
    }
    error_at(f.diags, ERROR_E011, (Span){file, 1, 2}, "other code");
    error_at(f.diags, ERROR_E010, (Span){file, 2, 3}, "other place");
    assert_int_equal(diagnostics_error_count(f.diags), 3);
    const char *print = written(&f, false, false);
    assert_non_null(strstr(print, "again 0"));
    assert_non_null(strstr(print, "note 0"));
    assert_null(strstr(print, "again 1"));
    assert_null(strstr(print, "note 1"));
    arena_destroy(f.arena);
}

static void at_most_20_are_kept(void **state)
{
    Fixture f = begin();
    uint32_t file = add(&f, "0123456789012345678901234567890123456789");
    int printed = 0;

    (void)state;
    for (uint32_t k = 0; k < 25; k++) {
        error_at(f.diags, ERROR_E010, (Span){file, k, k + 1}, "wrong");
        note(f.diags, "to error %u.", k);
    }
    assert_int_equal(diagnostics_error_count(f.diags), 25);
    const char *print = written(&f, false, false);
    for (const char *at = print; (at = strstr(at, "error[")) != NULL; at++)
        printed++;
    assert_int_equal(printed, 20);
    assert_null(strstr(print, "to error 20."));
    assert_non_null(strstr(print, "snug: 5 more errors are not shown\n"));
    arena_destroy(f.arena);
}

static void reports_are_sorted_by_place(void **state)
{
    Fixture f = begin();
    uint32_t file = add(&f, "abcdef");

    (void)state;
    error_at(f.diags, ERROR_E010, (Span){file, 5, 6}, "before");
    uint32_t mark = diagnostics_kept_count(f.diags);
    error_at(f.diags, ERROR_E010, (Span){file, 3, 4}, "third");
    error_at(f.diags, ERROR_E010, (Span){file, 1, 2}, "first");
    error_at(f.diags, ERROR_E011, (Span){file, 1, 2}, "second");
    diagnostics_sort(f.diags, mark);
    const char *print = written(&f, false, false);
    assert_true(strstr(print, "before") < strstr(print, "first"));
    assert_true(strstr(print, "first") < strstr(print, "second"));
    assert_true(strstr(print, "second") < strstr(print, "third"));
    arena_destroy(f.arena);
}

static void color_is_escapes_and_nothing_else(void **state)
{
    Fixture f = begin();
    uint32_t file = add(&f, "abc");

    (void)state;
    error_at(f.diags, ERROR_E010, (Span){file, 1, 2}, "wrong");
    note(f.diags, "hint");
    char *color = written(&f, false, true), *to = color;
    assert_non_null(strstr(color, "\x1b[1;31m"));
    for (const char *from = color; *from != '\0';) {
        if (*from == '\x1b')
            from = strchr(from, 'm') + 1;
        else
            *to++ = *from++;
    }
    *to = '\0';
    assert_string_equal(color, written(&f, false, false));
    arena_destroy(f.arena);
}

static void editors_get_json(void **state)
{
    Fixture f = begin();
    const char *text = "a\n\xC3\xB6 b\n";
    uint32_t file = diagnostics_add_file(f.diags, "m\xff.snug", text, strlen(text));
    json_error_t error;

    (void)state;
    error_at(f.diags, ERROR_E010, (Span){file, 5, 6}, "wrong \"%s\"", "\xC3\xB6");
    note(f.diags, "plain");
    note_at(f.diags, (Span){file, 0, 1}, "placed");
    warning_at(f.diags, ERROR_E011, (Span){0}, "no place");
    json_t *all = json_loads(written(&f, true, false), JSON_REJECT_DUPLICATES, &error);
    assert_non_null(all);
    assert_int_equal(json_array_size(all), 2);

    const char *path, *message, *severity, *code, *note_message;
    int line, column, end_line, end_column, note_line;
    json_t *notes;
    assert_int_equal(json_unpack(json_array_get(all, 0),
                                 "{s:s, s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:o}", "file", &path,
                                 "line", &line, "column", &column, "end_line", &end_line,
                                 "end_column", &end_column, "message", &message, "severity",
                                 &severity, "code", &code, "notes", &notes),
                     0);
    assert_string_equal(path, "m\xEF\xBF\xBD.snug");
    assert_int_equal(line, 2);
    assert_int_equal(column, 3);
    assert_int_equal(end_line, 2);
    assert_int_equal(end_column, 4);
    assert_string_equal(message, "wrong \"\xC3\xB6\"");
    assert_string_equal(severity, "error");
    assert_string_equal(code, "E010");
    assert_int_equal(json_array_size(notes), 2);
    assert_null(json_object_get(json_array_get(notes, 0), "line"));
    assert_int_equal(json_unpack(json_array_get(notes, 1), "{s:s, s:i}", "message", &note_message,
                                 "line", &note_line),
                     0);
    assert_string_equal(note_message, "placed");
    assert_int_equal(note_line, 1);
    assert_null(json_object_get(json_array_get(all, 1), "file"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(all, 1), "severity")),
                        "warning");
    json_decref(all);

    Fixture none = begin();
    assert_string_equal(written(&none, true, false), "[]\n");
    arena_destroy(none.arena);
    arena_destroy(f.arena);
}

static void every_code_is_explained(void **state)
{
    static const char *const names[] = {
#define ERROR(code, title, explanation) #code,
#include "compiler/floor/errors.def"
#undef ERROR
    };
    char *bytes = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&bytes, &length);

    (void)state;
    assert_non_null(out);
    for (size_t k = 0; k < COUNT_OF(names); k++) {
        assert_int_equal(strlen(names[k]), 4);
        for (size_t other = 0; other < k; other++)
            assert_string_not_equal(names[k], names[other]);
        assert_true(explain_error(out, names[k]));
        fflush(out);
        assert_int_equal(bytes[length - 1], '\n');
    }
    assert_non_null(strstr(bytes, "E012: `=` where `==` is meant\n\n"));
    assert_true(explain_error(out, "e012"));
    assert_false(explain_error(out, "E999"));
    assert_false(explain_error(out, ""));
    fclose(out);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(excerpts_underline_what_they_mean),
        cmocka_unit_test(line_ends_and_marks_of_windows_are_no_text),
        cmocka_unit_test(terminals_see_nothing_that_they_obey),
        cmocka_unit_test(long_lines_are_shown_in_part),
        cmocka_unit_test(notes_belong_to_the_last_error),
        cmocka_unit_test(the_same_error_is_reported_once),
        cmocka_unit_test(at_most_20_are_kept),
        cmocka_unit_test(reports_are_sorted_by_place),
        cmocka_unit_test(color_is_escapes_and_nothing_else),
        cmocka_unit_test(editors_get_json),
        cmocka_unit_test(every_code_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
