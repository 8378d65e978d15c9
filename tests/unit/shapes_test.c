/* Points that are wrong are found among pictures of one shape at any place, size and angle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/data/outliers.h"
#include "runtime/system/random.h"

enum { ITEMS = 20, POINTS = 9 };

static Point points[2][ITEMS][POINTS];
static Item items[2][ITEMS];
static Dataset sets[2];
static const Dataset *const both[2] = {&sets[0], &sets[1]};

/* Nine places, each picture turned, scaled and moved as it likes, with noise of a hundredth. */
static int set_up(void **state)
{
    RandomKey key = random_key(3, RANDOM_INIT, 0, 0);
    uint64_t at = 0;

    (void)state;
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < ITEMS; i++) {
            float angle = 6 * random_uniform(key, at),
                  size = 50 + 200 * random_uniform(key, at + 1);
            float left = 500 * random_uniform(key, at + 2), top = 500 * random_uniform(key, at + 3);
            at += 4;
            for (int k = 0; k < POINTS; k++) {
                float x =
                    cosf(2.4f * (float)k) * sqrtf((float)k + 1) + 0.01f * random_normal(key, at++);
                float y =
                    sinf(2.4f * (float)k) * sqrtf((float)k + 1) + 0.01f * random_normal(key, at++);
                points[s][i][k] = (Point){left + size * (cosf(angle) * x - sinf(angle) * y),
                                          top + size * (sinf(angle) * x + cosf(angle) * y), 1};
            }
            items[s][i] = (Item){.points = points[s][i]};
        }
        sets[s] = (Dataset){.items = items[s], .item_count = ITEMS, .point_count = POINTS};
    }
    return 0;
}

static void nothing_wrong(void **state)
{
    ShapeFault faults[4];

    (void)state;
    points[0][4][2].weight = 0; /* a missing point is no fault */
    points[0][4][3].weight = 0;
    assert_int_equal(shapes_check(both, 2, faults, 4), 0);
}

static void swapped_and_far(void **state)
{
    ShapeFault faults[4];

    (void)state;
    Point keep = points[0][7][2];
    points[0][7][2] = points[0][7][6];
    points[0][7][6] = keep;
    points[1][12][5].x += 300;
    assert_int_equal(shapes_check(both, 2, faults, 4), 2);
    assert_int_equal(faults[0].set, 0);
    assert_int_equal(faults[0].item, 7);
    assert_int_equal(faults[0].point, 2);
    assert_int_equal(faults[0].other, 6);
    assert_int_equal(faults[1].set, 1);
    assert_int_equal(faults[1].item, 12);
    assert_int_equal(faults[1].point, 5);
    assert_int_equal(faults[1].other, -1);
    assert_true(faults[1].times > SHAPE_LIMIT);
    assert_int_equal(shapes_check(both, 2, faults, 1), 2); /* all are counted */
}

static void odd_sets(void **state)
{
    ShapeFault faults[4];
    Dataset few = sets[0];
    const Dataset *const one[] = {&few};

    (void)state;
    few.item_count = SHAPE_LEAST_ITEMS - 1;
    assert_int_equal(shapes_check(one, 1, faults, 4), 0);
    for (int i = 0; i < ITEMS; i++) /* nobody has all points */
        points[0][i][i % POINTS].weight = 0;
    few.item_count = ITEMS;
    assert_int_equal(shapes_check(one, 1, faults, 4), 0);
    for (int i = 0; i < ITEMS; i++) /* all in one place, and a picture without points */
        for (int k = 0; k < POINTS; k++)
            points[0][i][k] = (Point){5, 5, i != 3};
    assert_int_equal(shapes_check(one, 1, faults, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_wrong, set_up),
        cmocka_unit_test_setup(swapped_and_far, set_up),
        cmocka_unit_test_setup(odd_sets, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
