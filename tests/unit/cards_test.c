/* The table of cards: what the choice by --vram and the time estimates rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "compiler/target/cards.h"

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
        assert_true(table[k].bandwidth_gbs > 150 && table[k].bandwidth_gbs < 4800);
        assert_int_equal(strncmp(table[k].arch, "sm_", 3), 0);
        if (strncmp(table[k].name, "RTX", 3) == 0)
            assert_true(ghz > 1.2 && ghz < 2.8);
    }
}

/* As printed: what clocks, multiprocessors and the bus give, rounded as sheets round. */
static void rates_follow_from_the_hardware(void **state)
{
    static const struct {
        const char *name, *arch;
        double multiprocessors, tflops, gbs, bits, gbits, mhz;
    } rows[] = {
#define CARD(name, arch, sm, gib, tflops, tflops_percent, gbs, gbs_percent, bits, gbits, mhz)      \
    {name, arch, sm, tflops, gbs, bits, gbits, mhz},
#include "compiler/target/cards.def"

#undef CARD
    };

    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        double a_clock = strcmp(rows[k].arch, "sm_80") == 0   ? 2048
                         : strcmp(rows[k].arch, "sm_90") == 0 ? 4096
                                                              : 512;
        double tflops = rows[k].multiprocessors * rows[k].mhz * a_clock / 1e6;
        double gbs = rows[k].bits / 8 * rows[k].gbits;
        if (fabs(tflops - rows[k].tflops) > 0.06 + 5e-4 * tflops || fabs(gbs - rows[k].gbs) > 0.6)
            fail_msg("%s: %.2f TFLOP/s and %.1f GB/s follow, the row has %.2f and %.1f",
                     rows[k].name, tflops, gbs, rows[k].tflops, rows[k].gbs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_rise_and_names_differ),
        cmocka_unit_test(rates_are_possible),
        cmocka_unit_test(rates_follow_from_the_hardware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
