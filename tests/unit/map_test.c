/* The map: found again, replaced, walked in the order of insertion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "compiler/floor/map.h"
#include "compiler/floor/text.h"

static void an_empty_map_has_nothing(void **state)
{
    Map map = {0};

    (void)state;
    assert_null(map_get(&map, "x"));
}

static void keys_are_found_and_replaced(void **state)
{
    enum { KEYS = 2000 };
    Arena *arena = arena_create();
    Interner *names = interner_create(arena);
    Map map = {0};
    int values[KEYS], other = 0;

    (void)state;
    for (int k = 0; k < KEYS; k++) {
        const char *text = arena_printf(arena, "layer%d", k);
        map_set(&map, arena, intern(names, text, strlen(text)), &values[k]);
    }
    assert_int_equal(map.entries.count, KEYS);
    assert_null(map_get(&map, intern(names, "layer", 5)));
    for (int k = 0; k < KEYS; k++) {
        const char *text = arena_printf(arena, "layer%d", k);
        const char *key = intern(names, text, strlen(text));
        assert_ptr_equal(map_get(&map, key), &values[k]);
        assert_ptr_equal(map.entries.items[k].key, key);
    }
    map_set(&map, arena, intern(names, "layer7", 6), &other);
    assert_int_equal(map.entries.count, KEYS);
    assert_ptr_equal(map_get(&map, intern(names, "layer7", 6)), &other);
    assert_ptr_equal(map.entries.items[7].value, &other);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(keys_are_found_and_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
