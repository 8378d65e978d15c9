/* The scalars of learning against values computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "runtime/train/learn.h"

static void near(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%.17g, expected %.17g", value, expected);
}

/* 4 warm-up updates, then 9 on the cosine: lr at the first of them, min_lr at the last. */
static void rate_curve(void **state)
{
    static const double expected[13] = {
        0.25,         0.5,  0.75,         1.0,          1.0,          0.9657457896, 0.8681980515,
        0.7222075446, 0.55, 0.3777924554, 0.2318019485, 0.1342542104, 0.1};

    (void)state;
    for (int64_t update = 0; update < 13; update++) {
        double lr = learning_rate(update, 4, 13, 1.0, 0.1);
        if (fabs(lr - expected[update]) > 1e-9)
            fail_msg("update %d: %.12g, expected %.12g", (int)update, lr, expected[update]);
    }
    near(learning_rate(0, 0, 1, 3e-4, 1e-6), 1e-6);   /* nothing to anneal over */
    near(learning_rate(100, 4, 13, 1.0, 0.1), 0.1);   /* beyond the plan */
    near(learning_rate(0, 0, 10, 3e-4, 1e-6), 3e-4);  /* no warm-up */
    near(learning_rate(9, 10, 10, 3e-4, 1e-6), 3e-4); /* warm-up alone */

    /* by share: the same curve, whatever an update is */
    near(learning_rate_at(0, 0.25, 2, 10, 1.0, 0.1), 0.125);
    near(learning_rate_at(1.75, 0.25, 2, 10, 1.0, 0.1), 1.0);
    near(learning_rate_at(1.9, 0.25, 2, 10, 1.0, 0.1), 1.0);
    near(learning_rate_at(2, 0.25, 2, 10, 1.0, 0.1), 1.0);
    near(learning_rate_at(6, 0.25, 2, 10, 1.0, 0.1), 0.55);
    near(learning_rate_at(10, 0.25, 2, 10, 1.0, 0.1), 0.1);
    near(learning_rate_at(1, 0.25, 1, 1, 1.0, 0.1), 0.1);
}

static void rate_never_rises_after_warm_up(void **state)
{
    double before = 1;

    (void)state;
    for (int64_t update = 10; update < 1000; update++) {
        double lr = learning_rate(update, 10, 1000, 1, 0);
        assert_true(lr <= before && lr >= 0);
        before = lr;
    }
    near(before, 0);
}

static void scale_doubles_after_2000_good_updates(void **state)
{
    LossScale scale = loss_scale_start(true);

    (void)state;
    near(scale.scale, 65536);
    near(loss_scale_start(false).scale, 1);
    for (int k = 0; k < 1999; k++)
        assert_true(loss_scale_update(&scale, true));
    near(scale.scale, 65536);
    assert_true(loss_scale_update(&scale, true));
    near(scale.scale, 131072);
    assert_int_equal(scale.good_updates, 0);
}

static void scale_halves_and_the_count_starts_again(void **state)
{
    LossScale scale = loss_scale_start(true);

    (void)state;
    for (int k = 0; k < 1999; k++)
        loss_scale_update(&scale, true);
    assert_true(loss_scale_update(&scale, false));
    near(scale.scale, 32768);
    for (int k = 0; k < 1999; k++)
        loss_scale_update(&scale, true);
    near(scale.scale, 32768);
    loss_scale_update(&scale, true);
    near(scale.scale, 65536);
}

static void scale_has_a_floor_and_a_ceiling(void **state)
{
    LossScale low = loss_scale_start(true), high = loss_scale_start(true);

    (void)state;
    for (int k = 0; k < 200; k++) {
        loss_scale_update(&low, false);
        low.bad_updates = 0;
    }
    near(low.scale, ldexp(1, -14));
    for (int k = 0; k < 2000 * 30; k++)
        loss_scale_update(&high, true);
    near(high.scale, ldexp(1, 24));
}

static void diverged_after_25_in_a_row(void **state)
{
    LossScale scale = loss_scale_start(true);

    (void)state;
    for (int k = 0; k < 24; k++)
        assert_true(loss_scale_update(&scale, false));
    assert_true(loss_scale_update(&scale, true)); /* one good one forgives */
    for (int k = 0; k < 24; k++)
        assert_true(loss_scale_update(&scale, false));
    assert_false(loss_scale_update(&scale, false));
}

static void ema_starts_fast(void **state)
{
    (void)state;
    near(ema_decay_at(0, 0.9999), 0.1);
    near(ema_decay_at(8, 0.9999), 0.5);
    near(ema_decay_at(90, 0.9999), 0.91);
    near(ema_decay_at(1000000, 0.9999), 0.9999);
    near(ema_decay_at(0, 0.05), 0.05);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_curve),
        cmocka_unit_test(rate_never_rises_after_warm_up),
        cmocka_unit_test(scale_doubles_after_2000_good_updates),
        cmocka_unit_test(scale_halves_and_the_count_starts_again),
        cmocka_unit_test(scale_has_a_floor_and_a_ceiling),
        cmocka_unit_test(diverged_after_25_in_a_row),
        cmocka_unit_test(ema_starts_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
