/* Arenas: zeroed and aligned memory, reset, growing arrays, and the end of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/floor/arena.h"

static void memory_is_zeroed_and_aligned(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 16, 17, 1000, 20000, 3 << 20, 5};
    static const char zeros[3 << 20];
    Arena *arena = arena_create();

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            char *memory = arena_alloc(arena, sizes[k]);
            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
            assert_memory_equal(memory, zeros, sizes[k]);
            memset(memory, 0xFF, sizes[k]); /* what a reset must not hand out again */
        }
        arena_reset(arena);
    }
    arena_destroy(arena);
    arena_destroy(NULL);
}

static void pieces_do_not_overlap(void **state)
{
    enum { PIECES = 500 };
    unsigned char *pieces[PIECES];
    Arena *arena = arena_create();

    (void)state;
    for (int k = 0; k < PIECES; k++) {
        pieces[k] = arena_alloc(arena, (size_t)k * 3);
        memset(pieces[k], k % 251, (size_t)k * 3);
    }
    for (int k = 0; k < PIECES; k++)
        for (int byte = 0; byte < k * 3; byte++)
            assert_int_equal(pieces[k][byte], k % 251);
    arena_destroy(arena);
}

static void a_reset_keeps_the_largest_block(void **state)
{
    Arena *arena = arena_create();

    (void)state;
    arena_alloc(arena, 10);
    arena_alloc(arena, 4 << 20);
    arena_alloc(arena, 10);
    arena_reset(arena);
    uint64_t before = arena_allocation_count();
    arena_alloc(arena, 4 << 20);
    assert_int_equal(arena_allocation_count(), before);
    arena_destroy(arena);
}

static void strings_are_copied_and_printed(void **state)
{
    Arena *arena = arena_create();
    char original[] = "stage2";
    char *copy = arena_strdup(arena, original);

    (void)state;
    original[0] = 'X';
    assert_string_equal(copy, "stage2");
    assert_string_equal(arena_printf(arena, "%s.%d", copy, 3), "stage2.3");
    assert_string_equal(arena_printf(arena, "%200d", 7) + 199, "7");
    arena_destroy(arena);
}

static void arrays_keep_their_items(void **state)
{
    typedef struct Item {
        int64_t value;
        char rest[24];
    } Item;
    enum { ITEMS = 3000 };
    ARRAY(Item) array = {0};
    Arena *arena = arena_create();

    (void)state;
    for (int k = 0; k < ITEMS; k++) {
        Item *item = ARRAY_PUSH(arena, &array);
        assert_int_equal(item->value, 0);
        item->value = k;
    }
    assert_int_equal(array.count, ITEMS);
    for (int k = 0; k < ITEMS; k++)
        assert_int_equal(array.items[k].value, k);
    array.count = 1; /* shortened by hand: pushed items are zeroed again */
    assert_int_equal(ARRAY_PUSH(arena, &array)->value, 0);
    assert_int_equal(array.items[0].value, 0);
    arena_destroy(arena);
}

static void debug_builds_move_arrays_at_each_append(void **state)
{
    ARRAY(int) array = {0};
    Arena *arena = arena_create();

    (void)state;
    ARRAY_APPEND(arena, &array, 1);
    uintptr_t before = (uintptr_t)array.items;
    ARRAY_APPEND(arena, &array, 2);
#ifdef NDEBUG
    assert_true((uintptr_t)array.items == before);
#else
    assert_true((uintptr_t)array.items != before);
#endif
    assert_int_equal(array.items[0], 1);
    assert_int_equal(array.items[1], 2);
    arena_destroy(arena);
}

/* Runs `work` in a child whose n-th request for memory fails; returns its exit status and what it
 * said on stderr. */
static int run_without_memory(void (*work)(void), uint64_t n, char *said, size_t said_bytes)
{
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        arena_fail_at(n);
        work();
        _exit(0);
    }
    close(ends[1]);
    ssize_t got = read(ends[0], said, said_bytes - 1);
    said[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static Arena *in_child; /* of the child: in sight of leak checkers when it exits */

static void use_memory(void)
{
    in_child = arena_create();
    ARRAY(int) array = {0};

    for (int k = 0; k < 20000; k++)
        ARRAY_APPEND(in_child, &array, k);
    arena_alloc(in_child, 1 << 20);
    arena_destroy(in_child);
}

static void use_too_much(void)
{
    in_child = arena_create();
    arena_alloc_array(in_child, SIZE_MAX / 2, 8);
}

static void every_lack_of_memory_ends_with_70(void **state)
{
    char said[256];
    uint64_t n = 1;

    (void)state;
    while (n < 100000 && run_without_memory(use_memory, n, said, sizeof said) != 0) {
        assert_non_null(strstr(said, "out of memory"));
        n = n < 10 ? n + 1 : n * 3 / 2;
    }
    assert_true(n > 3);
    assert_int_equal(run_without_memory(use_memory, 0, said, sizeof said), 0);
    assert_int_equal(run_without_memory(use_too_much, 0, said, sizeof said), 70);
    assert_non_null(strstr(said, "out of memory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(a_reset_keeps_the_largest_block),
        cmocka_unit_test(strings_are_copied_and_printed),
        cmocka_unit_test(arrays_keep_their_items),
        cmocka_unit_test(debug_builds_move_arrays_at_each_append),
        cmocka_unit_test(every_lack_of_memory_ends_with_70),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
