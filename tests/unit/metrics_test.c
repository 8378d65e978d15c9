/* MRE, SD, median, SDR and the bootstrap interval by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/metrics.h"

enum { ITEMS = 3, POINTS = 2 };

/* Errors in pixels:   item 0 (0.5 mm a pixel, device A): 3, 4     1.5 mm, 2 mm
 *                     item 1 (1 mm, device B):           5, none  5 mm
 *                     item 2 (0.1 mm, device A):         0, 30    0 mm, 3 mm               */
static Point truth[ITEMS][POINTS] = {
    {{10, 10, 1}, {20, 20, 1}}, {{0, 0, 1}, {50, 50, 0}}, {{7, 7, 1}, {100, 100, 1}}};
static Item items[ITEMS] = {
    {.id = "a", .device = "A", .mm_per_pixel = 0.5f, .points = truth[0]},
    {.id = "b", .device = "B", .mm_per_pixel = 1.0f, .points = truth[1]},
    {.id = "c", .device = "A", .mm_per_pixel = 0.1f, .points = truth[2]},
};
static char *symbols[POINTS] = {"S", "N"};
static const Dataset dataset = {.items = items,
                                .item_count = ITEMS,
                                .symbols = symbols,
                                .point_count = POINTS,
                                .split = "test"};
static Prediction guesses[ITEMS * POINTS] = {{10, 13, 1}, {24, 20, 1}, {3, 4, 1},
                                             {0, 0, 1},   {7, 7, 1},   {82, 76, 1}};
static bool done[ITEMS] = {true, true, true};
static const Predictions predictions = {.dataset = &dataset, .points = guesses, .is_done = done};

static void near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-6))
        fail_msg("%.9g, expected %.9g", value, expected);
}

static void all_points(void **state)
{
    ErrorSummary s;

    (void)state;
    assert_true(summarize(&predictions, (ErrorFilter){.point = -1}, &s));
    assert_int_equal(s.count, 5);
    near(s.mean_px, (3 + 4 + 5 + 0 + 30) / 5.0);
    near(s.median_px, 4);
    near(s.mean_mm, (1.5 + 2 + 5 + 0 + 3) / 5.0);
    near(s.median_mm, 2);
    near(s.sd_mm, sqrt((0.8 * 0.8 + 0.3 * 0.3 + 2.7 * 2.7 + 2.3 * 2.3 + 0.7 * 0.7) / 4));
    near(s.sdr[0], 0.6); /* 2 mm: the limit itself counts */
    near(s.sdr[1], 0.6);
    near(s.sdr[2], 0.8);
    near(s.sdr[3], 0.8);
}

static void one_landmark_one_device(void **state)
{
    ErrorSummary s;

    (void)state;
    assert_true(summarize(&predictions, (ErrorFilter){.point = 1}, &s));
    assert_int_equal(s.count, 2);
    near(s.mean_mm, 2.5);
    near(s.median_mm, 2.5);
    assert_true(summarize(&predictions, (ErrorFilter){.point = -1, .device = "B"}, &s));
    assert_int_equal(s.count, 1);
    near(s.mean_mm, 5);
    near(s.sd_mm, 0);
    assert_true(summarize(&predictions, (ErrorFilter){.point = -1, .device = "C"}, &s));
    assert_int_equal(s.count, 0);
}

static void pictures_that_were_left_out(void **state)
{
    ErrorSummary s;

    (void)state;
    done[0] = false;
    assert_true(summarize(&predictions, (ErrorFilter){.point = -1}, &s));
    assert_int_equal(s.count, 3);
    near(s.mean_mm, 8 / 3.0);
    assert_true(radial_error(&predictions, 0, 0) < 0);
    done[0] = true;
}

/* The interval holds the mean, stays within the pictures' own means, and is the same each time. */
static void interval(void **state)
{
    ErrorSummary one, two;

    (void)state;
    assert_true(summarize_all(&predictions, 1, &one));
    assert_true(summarize_all(&predictions, 1, &two));
    near(one.low_mm, two.low_mm);
    near(one.high_mm, two.high_mm);
    assert_true(one.low_mm <= one.mean_mm && one.mean_mm <= one.high_mm);
    assert_true(one.low_mm >= 1.5 - 1e-6 && one.high_mm <= 5 + 1e-6);
    assert_true(one.high_mm > one.low_mm);
}

/* One picture: every resample is that picture. */
static void interval_of_one_picture(void **state)
{
    Dataset one = dataset;
    Predictions few = predictions;
    ErrorSummary s;

    (void)state;
    one.item_count = 1;
    few.dataset = &one;
    assert_true(summarize_all(&few, 1, &s));
    near(s.low_mm, 1.75);
    near(s.high_mm, 1.75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_points),
        cmocka_unit_test(one_landmark_one_device),
        cmocka_unit_test(pictures_that_were_left_out),
        cmocka_unit_test(interval),
        cmocka_unit_test(interval_of_one_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
