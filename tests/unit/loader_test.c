/* The loader gives the same bytes for any number of workers, in order, and stops at any time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "files.h"
#include "runtime/data/image.h"
#include "runtime/data/loader.h"

enum { ITEMS = 11, POINTS = 3, BATCH = 4, BATCHES = 3, SIDE = 32 };

static char *root;
static Item items[ITEMS];
static Point points[ITEMS][POINTS];
static const Dataset dataset = {.items = items, .item_count = ITEMS, .point_count = POINTS};
static const Augmentation strong = {.rotation_degrees = 20,
                                    .scale = 0.2f,
                                    .shift = 0.1f,
                                    .shift_y = 0.1f,
                                    .brightness = 0.2f,
                                    .contrast = 0.2f,
                                    .gamma = 0.2f,
                                    .noise = 0.05f,
                                    .blur = 1};

static void write_picture(int i)
{
    uint8_t rows[40 * 50];
    for (int k = 0; k < 40 * 50; k++)
        rows[k] = (uint8_t)(k * (i + 3) % 256);
    Buffer png = make_png(40, 50, 8, 0, rows, 40, 50);
    char name[16];
    snprintf(name, sizeof name, "%02d.png", i);
    write_file(root, name, png.bytes, png.size);
    free(png.bytes);
}

static int set_up(void **state)
{
    (void)state;
    root = make_folder();
    for (int i = 0; i < ITEMS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%02d.png", i);
        for (int k = 0; k < POINTS; k++)
            points[i][k] = (Point){(float)(5 * k + i), (float)(40 - 2 * i), 1};
        items[i] = (Item){.id = "x", .image_path = os_join(root, name), .points = points[i]};
        write_picture(i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < ITEMS; i++)
        free(items[i].image_path);
    remove_folder(root);
    return 0;
}

static Loader *create(int workers, int ahead, bool cache, bool skip_bad)
{
    LoaderOptions options = {.batch_size = BATCH,
                             .height = SIDE,
                             .width = SIDE,
                             .workers = workers,
                             .batches_ahead = ahead,
                             .shuffle = true,
                             .skip_bad = skip_bad,
                             .augmentation = &strong,
                             .seed = 5,
                             .cache = cache};
    Loader *loader;
    Error error = {0};
    assert_true(loader_create(&loader, &dataset, &options, &error));
    return loader;
}

static const Batch *next(Loader *loader)
{
    const Batch *batch;
    double waited = 0;
    Error error = {0};
    if (!loader_next(loader, &batch, &waited, &error))
        fail_msg("%s: %s", error.what, error.why);
    assert_true(waited >= 0);
    return batch;
}

typedef struct Epoch {
    uint8_t pixels[BATCHES][BATCH * SIDE * SIDE * 3];
    float points[BATCHES][BATCH * POINTS * 3];
    int32_t items[BATCHES][BATCH];
} Epoch;

static void read_epoch(Loader *loader, int32_t number, int32_t first_batch, Epoch *epoch)
{
    memset(epoch, 0, sizeof *epoch);
    loader_start(loader, number, first_batch);
    for (int32_t b = first_batch; b < BATCHES; b++) {
        const Batch *batch = next(loader);
        assert_non_null(batch);
        assert_int_equal(batch->filled, b == BATCHES - 1 ? ITEMS % BATCH : BATCH);
        memcpy(epoch->pixels[b], batch->pixels, sizeof epoch->pixels[b]);
        memcpy(epoch->points[b], batch->points, sizeof epoch->points[b]);
        for (int i = 0; i < BATCH; i++) {
            epoch->items[b][i] = batch->samples[i].item;
            assert_ptr_equal(batch->samples[i].pixels, batch->pixels + i * SIDE * SIDE * 3);
            assert_ptr_equal(batch->samples[i].points, batch->points + i * POINTS * 3);
        }
    }
    assert_null(next(loader));
    assert_null(next(loader));
}

static void test_workers_make_no_difference(void **state)
{
    (void)state;
    Epoch *first = malloc(sizeof *first), *other = malloc(sizeof *other);
    Loader *loader = create(1, 1, false, false);
    assert_int_equal(loader_batch_count(loader), BATCHES);
    read_epoch(loader, 3, 0, first);
    loader_destroy(loader);
    for (int workers = 1; workers <= 8; workers *= 2) {
        for (int way = 0; way < 4; way++) {
            loader = create(workers, 1 + way, way % 2 == 1, false);
            if (way > 0)
                read_epoch(loader, 2, 0, other); /* fills the cache */
            read_epoch(loader, 3, 0, other);
            assert_memory_equal(first, other, sizeof *first);
            loader_destroy(loader);
        }
    }
    free(first);
    free(other);
}

static void test_epoch_holds_each_item_once(void **state)
{
    (void)state;
    Epoch *epochs = malloc(2 * sizeof *epochs);
    Loader *loader = create(2, 2, true, false);
    for (int e = 0; e < 2; e++) {
        int seen[ITEMS] = {0};
        read_epoch(loader, e, 0, &epochs[e]);
        for (int i = 0; i < BATCHES * BATCH; i++) {
            int32_t item = epochs[e].items[i / BATCH][i % BATCH];
            assert_int_equal(item < 0, i >= ITEMS);
            if (item >= 0)
                assert_int_equal(seen[item]++, 0);
        }
        const uint8_t *last = epochs[e].pixels[BATCHES - 1]; /* its filler repeats its first */
        assert_memory_equal(last + 3 * SIDE * SIDE * 3, last, SIDE * SIDE * 3);
        for (int k = 0; k < POINTS * 3; k++)
            assert_true(epochs[e].points[BATCHES - 1][3 * POINTS * 3 + k] == 0);
    }
    assert_memory_not_equal(epochs[0].items, epochs[1].items, sizeof epochs[0].items);
    loader_destroy(loader);
    free(epochs);
}

/* A resumed run goes on in the middle of an epoch with the same batches. */
static void test_start_in_the_middle(void **state)
{
    (void)state;
    Epoch *whole = malloc(sizeof *whole), *part = malloc(sizeof *part);
    Loader *loader = create(2, 2, false, false);
    read_epoch(loader, 4, 0, whole);
    for (int32_t first = 1; first < BATCHES; first++) {
        read_epoch(loader, 4, first, part);
        assert_memory_equal(whole->pixels[first], part->pixels[first],
                            (size_t)(BATCHES - first) * sizeof whole->pixels[0]);
    }
    loader_start(loader, 4, BATCHES);
    assert_null(next(loader));
    loader_destroy(loader);
    free(whole);
    free(part);
}

/* Stopped before it starts, while it works, with a batch in hand; started anew while it works. */
static void test_stop_at_any_time(void **state)
{
    (void)state;
    for (int taken = -1; taken <= BATCHES + 1; taken++) {
        Loader *loader = create(4, 3, true, false);
        if (taken >= 0)
            loader_start(loader, 0, 0);
        for (int i = 0; i < taken; i++)
            next(loader);
        loader_destroy(loader);
    }
    Loader *loader = create(4, 3, true, false);
    for (int32_t epoch = 0; epoch < 20; epoch++) {
        loader_start(loader, epoch, 0);
        for (int i = 0; i < epoch % 3; i++)
            assert_non_null(next(loader));
    }
    Epoch *after = malloc(sizeof *after), *fresh = malloc(sizeof *fresh);
    read_epoch(loader, 7, 0, after);
    loader_destroy(loader);
    loader = create(1, 1, false, false);
    read_epoch(loader, 7, 0, fresh);
    assert_memory_equal(after, fresh, sizeof *after);
    loader_destroy(loader);
    free(after);
    free(fresh);
}

/* Two broken pictures: the error is that of the first in the epoch's order, for any workers. */
static void test_errors_come_in_order(void **state)
{
    (void)state;
    write_text(root, "02.png", "broken");
    write_text(root, "06.png", "");
    char first[512] = "";
    for (int workers = 1; workers <= 8; workers *= 2) {
        Loader *loader = create(workers, 3, false, false);
        loader_start(loader, 0, 0);
        Error error = {0};
        const Batch *batch;
        double waited = 0;
        bool ok = true;
        for (int b = 0; ok && b < BATCHES; b++)
            ok = loader_next(loader, &batch, &waited, &error);
        assert_false(ok);
        assert_null(batch);
        assert_int_equal(error.status, ERROR_FILES);
        assert_true(strstr(error.what, "02.png") != NULL || strstr(error.what, "06.png") != NULL);
        if (first[0] == '\0')
            strcpy(first, error.what);
        assert_string_equal(error.what, first);
        loader_destroy(loader);
    }
    write_picture(2);
    write_picture(6);
}

/* With skip_bad the others move up, the place becomes a filler, and a warning names the file once.
 */
static void test_skip_bad(void **state)
{
    (void)state;
    write_text(root, "02.png", "broken");
    write_text(root, "06.png", "");
    Loader *loader = create(3, 2, true, true);
    int warnings = 0;
    for (int32_t e = 0; e < 3; e++) {
        loader_start(loader, e, 0);
        int seen = 0;
        for (const Batch *batch; (batch = next(loader)) != NULL;) {
            for (int i = 0; i < BATCH; i++) {
                assert_int_equal(batch->samples[i].item >= 0, i < batch->filled);
                assert_int_not_equal(batch->samples[i].item, 2);
                assert_int_not_equal(batch->samples[i].item, 6);
                if (i < batch->filled)
                    continue;
                assert_true(batch->points[i * POINTS * 3 + 2] == 0);
                assert_true(batch->filled > 0);
                assert_memory_equal(batch->samples[i].pixels,
                                    batch->samples[i % batch->filled].pixels, SIDE * SIDE * 3);
            }
            seen += batch->filled;
        }
        assert_int_equal(seen, ITEMS - 2);
        for (const char *line; (line = loader_next_warning(loader)) != NULL; warnings++)
            assert_non_null(strstr(line, ".png"));
    }
    assert_int_equal(warnings, 2);
    loader_destroy(loader);
    write_picture(2);
    write_picture(6);
}

/* sample_load gives what the loader gives. */
static void test_sample_load(void **state)
{
    (void)state;
    Loader *loader = create(2, 1, false, false);
    loader_start(loader, 9, 0);
    const Batch *batch = next(loader);
    uint8_t *pixels = malloc(SIDE * SIDE * 3);
    Point placed[POINTS];
    for (int i = 0; i < BATCH; i++) {
        Sample sample = {.pixels = pixels, .points = placed};
        Error error = {0};
        assert_true(sample_load(&dataset, batch->samples[i].item, &strong, 5, 9, SIDE, SIDE,
                                &sample, &error));
        assert_memory_equal(pixels, batch->samples[i].pixels, SIDE * SIDE * 3);
        assert_memory_equal(placed, batch->samples[i].points, sizeof placed);
        assert_memory_equal(&sample.to_network, &batch->samples[i].to_network, sizeof(Affine));
    }
    free(pixels);
    loader_destroy(loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_make_no_difference),
        cmocka_unit_test(test_epoch_holds_each_item_once),
        cmocka_unit_test(test_start_in_the_middle),
        cmocka_unit_test(test_stop_at_any_time),
        cmocka_unit_test(test_errors_come_in_order),
        cmocka_unit_test(test_skip_bad),
        cmocka_unit_test(test_sample_load),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
