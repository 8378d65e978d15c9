/* The phantoms are a data set like any other: it opens without a warning, every picture loads, the
 * same seed draws the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "runtime/data/data.h"
#include "tests/unit/files.h"

static const char *phantom; /* the program */

static char *draw(const char *options)
{
    char *folder = make_folder(), command[1024];
    snprintf(command, sizeof command, "'%s' --out '%s' %s", phantom, folder, options);
    assert_int_equal(system(command), 0);
    return folder;
}

static void test_opens_and_loads(void **state)
{
    (void)state;
    char *folder = draw("--train 8 --valid 2 --test 1 --size 160 --seed 4");
    static const struct {
        const char *split;
        int32_t count;
    } splits[] = {{"train", 8}, {"valid", 2}, {"test", 1}};
    uint8_t *pixels = malloc(64 * 64 * 3);
    for (int s = 0; s < 3; s++) {
        Dataset set;
        Error error = {0};
        assert_true(dataset_open(
            &set, folder, splits[s].split,
            &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 29, .skip_bad = false},
            &error));
        assert_int_equal(set.item_count, splits[s].count);
        assert_int_equal(set.warning_count, 0);
        for (int32_t i = 0; i < set.item_count; i++) {
            Point points[29];
            Sample sample = {.pixels = pixels, .points = points};
            assert_true(set.items[i].mm_is_known);
            assert_true(sample_load(&set, i, NULL, 0, 0, 64, 64, &sample, &error));
            int valid = 0;
            for (int k = 0; k < 29; k++)
                valid += points[k].weight > 0;
            assert_int_equal(valid, 29);
            float height = set.items[i].mm_per_pixel * (float)sample.original_height;
            assert_true(height > 220 && height < 245);
        }
        dataset_close(&set);
    }
    free(pixels);
    remove_folder(folder);
}

static void test_readers_differ_a_little(void **state)
{
    (void)state;
    char *folder = draw("--train 8 --valid 0 --test 0 --size 160");
    Dataset sets[2];
    Error error = {0};
    assert_true(dataset_open(
        &sets[0], folder, "train",
        &(DataRequest){.annotation = ANNOTATION_senior, .point_count = 29, .skip_bad = false},
        &error));
    assert_true(dataset_open(
        &sets[1], folder, "train",
        &(DataRequest){.annotation = ANNOTATION_junior, .point_count = 29, .skip_bad = false},
        &error));
    double sum = 0;
    for (int32_t i = 0; i < 8; i++) {
        for (int k = 0; k < 29; k++) {
            Point a = sets[0].items[i].points[k], b = sets[1].items[i].points[k];
            sum += hypot(a.x - b.x, a.y - b.y) * (double)sets[0].items[i].mm_per_pixel;
        }
    }
    double mean = sum / (8 * 29);
    assert_true(mean > 0.4 && mean < 0.9);
    dataset_close(&sets[0]);
    dataset_close(&sets[1]);
    remove_folder(folder);
}

static int compare(const char *a, const char *b)
{
    char command[512];
    snprintf(command, sizeof command, "diff -rq '%s' '%s' >/dev/null", a, b);
    return system(command);
}

static void test_seed_decides(void **state)
{
    (void)state;
    char *first = draw("--train 2 --valid 1 --test 1 --size 120 --seed 9");
    char *again = draw("--train 2 --valid 1 --test 1 --size 120 --seed 9");
    char *other = draw("--train 2 --valid 1 --test 1 --size 120 --seed 10");
    assert_int_equal(compare(first, again), 0);
    assert_int_not_equal(compare(first, other), 0);
    remove_folder(first);
    remove_folder(again);
    remove_folder(other);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 2)
        return 2;
    phantom = arguments[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_and_loads),
        cmocka_unit_test(test_readers_differ_a_little),
        cmocka_unit_test(test_seed_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
