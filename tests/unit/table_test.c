/* JSON and CSV: what is accepted, and that each refusal says where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "files.h"
#include "runtime/system/csv.h"
#include "runtime/system/json.h"

static json_t *parse(const char *text, Error *error)
{
    /* A copy of the exact size, so that ASan sees a read beyond the end. */
    size_t size = strlen(text);
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, text, size);
    json_t *root = json_read_text(copy, (int64_t)size, "dir/a.json", error);
    free(copy);
    return root;
}

static void test_json(void **state)
{
    (void)state;
    Error error = {0};
    json_t *root = parse(
        "\xEF\xBB\xBF{\"a\": [1, 2.5, NaN, -Infinity, Infinity], \"NaN\": \"NaN\\\"\"}", &error);
    assert_non_null(root);
    const json_t *list = json_object_get(root, "a");
    assert_true(json_real_value(json_array_get(list, 1)) == 2.5);
    for (size_t i = 2; i < 5; i++)
        assert_true(json_is_null(json_array_get(list, i)));
    assert_string_equal(json_string_value(json_object_get(root, "NaN")), "NaN\"");
    json_decref(root);
}

static void test_json_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 1"},
        {"{\"a\": 1,\n \"b\": }", "line 2, column 7"},
        {"{\"a\": 1, \"a\": 2}", "duplicate"},
        {"{\"a\": \"\xff\xfe\"}", "line 1"},
        {"[1, 2", "line 1"},
        {"[1] 2", "line 1"},
        {"[\"", "line 1"},
        {"[\"\\", "line 1"},
        {"NaN", "line 1"},
        {"[1e999]", "overflow"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
         "nested 73 deep"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Error error = {0};
        json_t *root = parse(cases[i].text, &error);
        assert_null(root);
        assert_int_equal(error.status, ERROR_FILES);
        assert_non_null(strstr(error.what, "dir/a.json"));
        if (strstr(error.why, cases[i].why) == NULL)
            fail_msg("%s: says \"%s\", not \"%s\"", cases[i].text, error.why, cases[i].why);
    }
}

static void test_json_file(void **state)
{
    (void)state;
    char *folder = make_folder();
    write_text(folder, "empty", "");
    write_text(folder, "large", "[1, 2, 3, 4, 5, 6, 7, 8, 9]");
    char *empty = os_join(folder, "empty"), *large = os_join(folder, "large");
    Error error = {0};
    assert_null(json_read_file(empty, 100, &error));
    assert_non_null(strstr(error.what, "is empty"));
    error = (Error){0};
    assert_null(json_read_file(large, 10, &error));
    assert_non_null(strstr(error.why, "larger than 10 bytes"));
    error = (Error){0};
    json_t *root = json_read_file(large, 100, &error);
    assert_non_null(root);
    json_decref(root);
    assert_null(json_read_file(folder, 100, &error));
    free(empty), free(large);
    remove_folder(folder);
}

/* Rows are shown as cells in brackets, each followed by its line number. */
static const struct {
    const char *text, *rows;
} tables[] = {
    {"", ""},
    {"\n\r\n\n", ""},
    {"a", "1[a]"},
    {"a,b\n", "1[a][b]"},
    {"a,b\r\nc,d\r\n", "1[a][b]2[c][d]"},
    {"a,b\rc,d", "1[a][b]2[c][d]"},
    {"\xEF\xBB\xBFid,x\n1,2", "1[id][x]2[1][2]"},
    {",\n", "1[][]"},
    {"a,\n,b", "1[a][]2[][b]"},
    {"\"a,b\",\"c\"\"d\"\n", "1[a,b][c\"d]"},
    {"\"two\nlines\",x\ny", "1[two\nlines][x]3[y]"},
    {" a , \"b c\" \t, d e \n", "1[a][b c][d e]"},
    {"\"\",\"\"", "1[][]"},
    {"a\n\n\nb", "1[a]4[b]"},
    {"a\n\"b\"\r\n\"c\"", "1[a]2[b]3[c]"},
};

static void test_csv(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        Csv csv;
        Error error = {0};
        assert_true(csv_read_text(&csv, (const uint8_t *)tables[i].text,
                                  (int64_t)strlen(tables[i].text), "name", &error));
        char shown[256] = "";
        for (int64_t row = 0; row < csv.row_count; row++) {
            sprintf(shown + strlen(shown), "%d", (int)csv.lines[row]);
            for (int64_t column = 0; column < csv.rows[row + 1] - csv.rows[row]; column++)
                sprintf(shown + strlen(shown), "[%s]", csv_cell(&csv, row, column));
        }
        assert_string_equal(shown, tables[i].rows);
        assert_string_equal(csv_cell(&csv, csv.row_count, 0), "");
        assert_string_equal(csv_cell(&csv, -1, 0), "");
        assert_string_equal(csv_cell(&csv, 0, 1000), "");
        csv_free(&csv);
    }
}

static void test_csv_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t size;
        const char *why;
    } cases[] = {
        {"a\nb,\"c", 6, "line 2: a quote does not end"},
        {"\"a\"b,c", 6, "line 1: text behind a quoted cell"},
        {"a\0b", 3, "a 0 byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Csv csv;
        Error error = {0};
        assert_false(csv_read_text(&csv, (const uint8_t *)cases[i].text, cases[i].size, "dir/a.csv",
                                   &error));
        assert_non_null(strstr(error.what, "dir/a.csv"));
        assert_non_null(strstr(error.why, cases[i].why));
        assert_null(csv.text);
    }
    size_t size = CSV_MAX_CELLS + 1;
    uint8_t *commas = malloc(size);
    memset(commas, ',', size);
    Csv csv;
    Error error = {0};
    assert_false(csv_read_text(&csv, commas, (int64_t)size, "many", &error));
    assert_non_null(strstr(error.why, "too many cells"));
    free(commas);
}

static void test_csv_columns_and_numbers(void **state)
{
    (void)state;
    Csv csv;
    Error error = {0};
    const char *text = "id,pixel_size\na,0.125\n";
    assert_true(csv_read_text(&csv, (const uint8_t *)text, (int64_t)strlen(text), "name", &error));
    assert_int_equal(csv_find_column(&csv, "pixel_size"), 1);
    assert_int_equal(csv_find_column(&csv, "mode"), -1);
    double number;
    assert_true(csv_number(csv_cell(&csv, 1, 1), &number));
    assert_true(number == 0.125);
    csv_free(&csv);
    static const char *const bad[] = {"", "x", "1x", "nan", "inf", "1,5", "1e999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(csv_number(bad[i], &number));
    assert_true(csv_number("-3e-2", &number) && number == -0.03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),         cmocka_unit_test(test_json_refusals),
        cmocka_unit_test(test_json_file),    cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_refusals), cmocka_unit_test(test_csv_columns_and_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
