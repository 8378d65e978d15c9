/* Tables of buffers: what is read, and what each wrong file is told, with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "compiler/command/pack_file.h"

static bool parse(PackFile *file, Arena *arena, const char *text, const char **message)
{
    *message = "";
    return pack_file_parse(file, arena, "p.csv", text, strlen(text), message);
}

static void reads_what_minimalloc_writes(void **state)
{
    static const char *const same[] = {
        "id,lower,upper,size\nb1,0,3,4\nb2,3,9,8\n",
        "\xEF\xBB\xBFid,lower,upper,size\r\nb1,0,3,4\r\n\r\nb2,3,9,8",
        "size , upper,id,lower\n 4,3,b1,0\n8 , 9 ,\tb2,3\n\n",
        "buffer,start,end,size\nb1,0,2,4\nb2,3,8,8\n",
        "buffer_id,begin,upper,size,colour\nb1,0,3,4,red\nb2,3,9,8,\n",
        "id,lower,upper,size,alignment,offset,gaps,hint\nb1,0,3,4,,,,-1\nb2,3,9,8,1,,,7\n",
    };
    (void)state;

    for (size_t k = 0; k < sizeof same / sizeof *same; k++) {
        Arena *arena = arena_create();
        PackFile file;
        const char *message;
        assert_true(parse(&file, arena, same[k], &message));
        assert_int_equal(file.count, 2);
        assert_string_equal(file.ids[0], "b1");
        assert_string_equal(file.ids[1], "b2");
        PackItem first = {4, 0, 3, 1}, second = {8, 3, 9, 1};
        assert_memory_equal(&file.items[0], &first, sizeof first);
        assert_memory_equal(&file.items[1], &second, sizeof second);
        arena_destroy(arena);
    }
}

static void reads_extremes(void **state)
{
    Arena *arena = arena_create();
    PackFile file;
    const char *message;
    (void)state;

    assert_true(parse(&file, arena, "id,lower,upper,size\n", &message));
    assert_int_equal(file.count, 0);
    assert_true(parse(&file, arena,
                      "id,lower,upper,size,alignment\n"
                      "\"a\",-2305843009213693952,2305843009213693952,0,1\n"
                      "b,-1,+1,100000000000000000,512\n",
                      &message));
    assert_int_equal(file.items[0].size, 0);
    assert_int_equal(file.items[0].last - file.items[0].first, (int64_t)1 << 62);
    assert_int_equal(file.items[1].align, 512);
    arena_destroy(arena);
}

static void wrong_files_are_told_why(void **state)
{
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"", "p.csv:1: error: ", "empty"},
        {"\n\n", "p.csv:1: error: ", "empty"},
        {"1,2,3,4\n", "p.csv:1: error: ", "no column id"},
        {"id,lower,upper\n", "p.csv:1: error: ", "no column size"},
        {"id,lower,start,upper,size\n", "p.csv:1: error: ", "two columns for lower"},
        {"id,lower,upper,size\nb,0,3\n", "p.csv:2: error: ", "3 cells, but the first line names 4"},
        {"id,lower,upper,size\n\nb,0,3,4,5\n", "p.csv:3: error: ", "5 cells"},
        {"id,lower,upper,size\nb,0,3,four\n", "p.csv:2: error: ", "column size has \"four\""},
        {"id,lower,upper,size\nb,0,3,4.5\n", "p.csv:2: error: ", "column size has \"4.5\""},
        {"id,lower,upper,size\nb,0,3,-4\n", "p.csv:2: error: ", "a whole number from 0"},
        {"id,lower,upper,size\nb,0,3,\n", "p.csv:2: error: ", "column size has \"\""},
        {"id,lower,upper,size\nb,0x1,3,4\n", "p.csv:2: error: ", "column lower"},
        {"id,lower,upper,size\nb,0,99999999999999999999999,4\n",
         "p.csv:2: error: ", "column upper"},
        {"id,lower,upper,size\nb,3,3,4\n", "p.csv:2: error: ", "upper must be greater"},
        {"id,lower,upper,size\nb,0,3,4\nc,0,3,4\nb,0,3,4\n",
         "p.csv:4: error: ", "id b stands in line 2 already"},
        {"id,lower,upper,size\n,0,3,4\n", "p.csv:2: error: ", "no id"},
        {"id,lower,upper,size\n\xFF,0,3,4\n", "p.csv:2: error: ", "UTF-8"},
        {"id,lower,upper,size,alignment\nb,0,3,4,0\n", "p.csv:2: error: ", "column alignment"},
        {"id,lower,upper,size,gaps\nb,0,3,4,1-2\n", "p.csv:2: error: ", "gaps"},
        {"id,lower,upper,size,offset\nb,0,3,4,0\n", "p.csv:2: error: ", "offset"},
        {"id,lower,upper,size\nb,0,3,288230376151711744\n", "p.csv:2: error: ", "2^58"},
    };
    (void)state;

    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Arena *arena = arena_create();
        PackFile file;
        const char *message;
        assert_false(parse(&file, arena, cases[k].text, &message));
        if (strstr(message, cases[k].where) != message || !strstr(message, cases[k].what)
            || !strstr(message, "note: "))
            fail_msg("case %zu: expected \"%s\" and \"%s\", got \"%s\"", k, cases[k].where,
                     cases[k].what, message);
        arena_destroy(arena);
    }
}

static void nul_bytes_are_refused(void **state)
{
    static const char text[] = "id,lower,upper,size\nb,0,3,4\0\n";
    Arena *arena = arena_create();
    PackFile file;
    const char *message = "";
    (void)state;

    assert_false(pack_file_parse(&file, arena, "p.csv", text, sizeof text - 1, &message));
    assert_non_null(strstr(message, "NUL"));
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_minimalloc_writes),
        cmocka_unit_test(reads_extremes),
        cmocka_unit_test(wrong_files_are_told_why),
        cmocka_unit_test(nul_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
