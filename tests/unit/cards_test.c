/* The table of cards: what the choice by --vram and the time estimates rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/cost.h"

static void sizes_rise_and_names_differ(void **state)
{
    uint32_t count;
    const Card *table = cards(&count);

    (void)state;
    for (uint32_t k = 0; k < count; k++) {
        for (uint32_t j = 0; j < k; j++)
            assert_string_not_equal(table[j].name, table[k].name);
        if (k > 0)
            assert_true(table[k].vram_bytes >= table[k - 1].vram_bytes);
    }
}

/* A typing error in a rate shows: nothing reaches more than these do, and a GeForce's tensor cores
 * do 512 operations a clock and multiprocessor, at 1.2 to 2.8 GHz, of which four fifths count. */
static void rates_are_possible(void **state)
{
    uint32_t count;
    const Card *table = cards(&count);

    (void)state;
    for (uint32_t k = 0; k < count; k++) {
        double ghz = table[k].matrix_tflops * 1e3 / 0.8 / 512 / table[k].multiprocessors;
        assert_true(table[k].bandwidth_gbs > 150 && table[k].bandwidth_gbs < 3350);
        assert_int_equal(strncmp(table[k].arch, "sm_", 3), 0);
        if (strncmp(table[k].name, "RTX", 3) == 0)
            assert_true(ghz > 1.2 && ghz < 2.8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_rise_and_names_differ),
        cmocka_unit_test(rates_are_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
