/* Where a landmark is painted, there it is found: fit, rotation, scale and shift move points and
 * pixels alike, to a fraction of a pixel; and the picture keeps its greys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "files.h"
#include "runtime/data/augment.h"
#include "runtime/system/random.h"

/* ---- maps ------------------------------------------------------------------------------------ */

static void expect_at(Affine map, float x, float y, float to_x, float to_y)
{
    Point point = affine_apply(map, (Point){x, y, 1});
    if (fabsf(point.x - to_x) > 1e-3f || fabsf(point.y - to_y) > 1e-3f || point.weight != 1)
        fail_msg("(%g, %g) goes to (%g, %g), not (%g, %g)", (double)x, (double)y, (double)point.x,
                 (double)point.y, (double)to_x, (double)to_y);
}

/* Edges of the longer side meet the edges of the network's picture, the rest is centred. */
static void test_fit(void **state)
{
    (void)state;
    Affine map = affine_fit(200, 100, 50, 50);
    expect_at(map, -0.5f, -0.5f, -0.5f, 12);
    expect_at(map, 199.5f, 99.5f, 49.5f, 37);
    map = affine_fit(1968, 2225, 256, 128);
    expect_at(map, 983.5f, 1112, 127.5f, 63.5f);
    map = affine_fit(64, 64, 64, 64);
    expect_at(map, 13.25f, 7, 13.25f, 7);
    map = affine_fit(16, 16, 64, 64);
    expect_at(map, 0, 0, 1.5f, 1.5f);
}

static void test_compose_and_invert(void **state)
{
    (void)state;
    RandomKey key = random_key(5, RANDOM_AUGMENT, 0, 0);
    for (uint64_t i = 0; i < 200; i++) {
        Affine maps[2];
        for (uint64_t k = 0; k < 12; k++)
            maps[k / 6].m[k % 6] = 4 * random_uniform(key, 100 * i + k) - 2;
        maps[0].m[0] += 3, maps[0].m[4] += 3;
        Point point = {9 * random_uniform(key, 100 * i + 20), 9 * random_uniform(key, 100 * i + 21),
                       1};
        Point steps = affine_apply(maps[1], affine_apply(maps[0], point));
        Point at_once = affine_apply(affine_compose(maps[1], maps[0]), point);
        assert_true(hypotf(steps.x - at_once.x, steps.y - at_once.y) < 1e-3f);
        float determinant = maps[0].m[0] * maps[0].m[4] - maps[0].m[1] * maps[0].m[3];
        if (fabsf(determinant) < 0.1f)
            continue;
        Point back = affine_apply(affine_invert(maps[0]), affine_apply(maps[0], point));
        assert_true(hypotf(back.x - point.x, back.y - point.y) < 1e-2f);
    }
}

/* ---- samples --------------------------------------------------------------------------------- */

/* A data set of one picture that is never read, with one point. */
static Point one_point;
static Item one_item = {.id = "a", .image_path = "none", .points = &one_point};
static const Dataset one_set = {.items = &one_item, .item_count = 1, .point_count = 1};

/* Grey 40 with a bright Gaussian spot of this sigma. */
static Image paint(int32_t width, int32_t height, double x, double y, double sigma)
{
    Image image = {.pixels = malloc((size_t)width * (size_t)height),
                   .width = width,
                   .height = height,
                   .channels = 1};
    for (int32_t v = 0; v < height; v++)
        for (int32_t u = 0; u < width; u++) {
            double d2 = (u - x) * (u - x) + (v - y) * (v - y);
            image.pixels[v * width + u] =
                (uint8_t)(40 + 200 * exp(-d2 / (2 * sigma * sigma)) + 0.5);
        }
    return image;
}

static void make(const Image *image, const Augmentation *augmentation, uint64_t seed,
                 int32_t height, int32_t width, Sample *sample, Point *point)
{
    Fitted fitted;
    Error error = {0};
    assert_true(fitted_make(&fitted, image, height, width, &error));
    sample->pixels = malloc((size_t)(3 * height * width));
    sample->points = point;
    assert_true(
        sample_make(&one_set, 0, &fitted, augmentation, seed, 0, height, width, sample, &error));
    fitted_free(&fitted);
}

/* The centre of what is brighter than the ground, within `radius` of (x, y). */
static Point centroid(const Sample *sample, int32_t height, int32_t width, Point near,
                      int32_t radius)
{
    double sum = 0, x = 0, y = 0;
    for (int32_t v = 0; v < height; v++)
        for (int32_t u = 0; u < width; u++) {
            double bright = sample->pixels[3 * (v * width + u)] - 46.0;
            if (bright <= 0 || hypot(u - (double)near.x, v - (double)near.y) > radius)
                continue;
            sum += bright;
            x += bright * u;
            y += bright * v;
        }
    return (Point){(float)(x / sum), (float)(y / sum), 1};
}

/* Pictures much larger, a little larger, equal to and smaller than the network's, with and without
 * motion: the spot is where the point says, to 0.1 pixels. */
static void test_spot_is_at_point(void **state)
{
    (void)state;
    static const int32_t sizes[][2] = {{640, 500}, {300, 400}, {150, 130}, {128, 128}, {90, 60}};
    static const Augmentation motion = {.rotation_degrees = 30,
                                        .scale = 0.25f,
                                        .shift = 0.1f,
                                        .shift_y = 0.1f};
    enum { H = 128, W = 128 };
    for (int s = 0; s < 5; s++) {
        int32_t width = sizes[s][0], height = sizes[s][1];
        double scale = (double)W / (width > height ? width : height);
        for (uint64_t seed = 0; seed < 12; seed++) {
            RandomKey key = random_key(seed, RANDOM_AUGMENT, 77, (uint64_t)s);
            double x = width * (0.35 + 0.3 * random_uniform(key, 0));
            double y = height * (0.35 + 0.3 * random_uniform(key, 1));
            Image image = paint(width, height, x, y, 2.5 / scale);
            one_point = (Point){(float)x, (float)y, 1};
            Sample sample;
            Point placed;
            make(&image, seed % 4 == 0 ? NULL : &motion, seed, H, W, &sample, &placed);
            assert_true(placed.weight == 1);
            Point found = centroid(&sample, H, W, placed, 10);
            if (hypotf(found.x - placed.x, found.y - placed.y) > 0.1f)
                fail_msg("%d x %d, seed %d: spot at (%g, %g), point at (%g, %g)", width, height,
                         (int)seed, (double)found.x, (double)found.y, (double)placed.x,
                         (double)placed.y);
            Point back = affine_apply(affine_invert(sample.to_network), placed);
            assert_true(hypot(back.x - x, back.y - y) < 0.01);
            free(sample.pixels);
            image_free(&image);
        }
    }
}

static void test_motion_is_drawn(void **state)
{
    (void)state;
    static const Augmentation motion = {.rotation_degrees = 20,
                                        .scale = 0.2f,
                                        .shift = 0.3f,
                                        .shift_y = 0.1f};
    Image image = paint(64, 64, 32, 32, 3);
    one_point = (Point){32, 32, 1};
    double largest_angle = 0, smallest_scale = 9, largest_scale = 0, right = 0, down = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        Sample sample;
        Point placed;
        make(&image, &motion, seed, 64, 64, &sample, &placed);
        const float *m = sample.to_network.m;
        double scale = hypot(m[0], m[1]), angle = atan2(m[3], m[0]) * 180 / 3.14159265;
        assert_true(scale > 0.7999 && scale < 1.2001 && fabs(angle) < 20.01);
        largest_angle = fmax(largest_angle, fabs(angle));
        smallest_scale = fmin(smallest_scale, scale);
        largest_scale = fmax(largest_scale, scale);
        Point centre = affine_apply(sample.to_network, (Point){31.5f, 31.5f, 1});
        right = fmax(right, fabs((double)centre.x - 31.5));
        down = fmax(down, fabs((double)centre.y - 31.5));
        free(sample.pixels);
    }
    assert_true(largest_angle > 17 && smallest_scale < 0.85 && largest_scale > 1.15);
    assert_true(right > 0.27 * 64 && right < 0.301 * 64 && down > 0.09 * 64 && down < 0.101 * 64);
    image_free(&image);
}

/* Detail that the network's grid cannot hold becomes its mean, not another pattern. */
static void test_no_aliasing(void **state)
{
    (void)state;
    static const int32_t sides[] = {1024, 900, 450, 257, 130};
    for (int s = 0; s < 5; s++) {
        int32_t side = sides[s];
        Image image = {.pixels = malloc((size_t)(side * side)),
                       .width = side,
                       .height = side,
                       .channels = 1};
        for (int32_t i = 0; i < side * side; i++)
            image.pixels[i] = (uint8_t)((i % side + i / side) % 2 * 200);
        Sample sample;
        Point placed;
        make(&image, NULL, 0, 128, 128, &sample, &placed);
        double sum = 0, squares = 0;
        int count = 0;
        for (int32_t y = 4; y < 124; y++)
            for (int32_t x = 4; x < 124; x++, count++) {
                double v = sample.pixels[3 * (y * 128 + x)];
                sum += v;
                squares += v * v;
            }
        double mean = sum / count, deviation = sqrt(squares / count - mean * mean);
        if (fabs(mean - 100) > 2 || (side > 200 && deviation > 30))
            fail_msg("side %d: mean %g, deviation %g", side, mean, deviation);
        free(sample.pixels);
        image_free(&image);
    }
}

static void test_constant_stays(void **state)
{
    (void)state;
    static const Augmentation motion = {.rotation_degrees = 15, .scale = 0.1f};
    for (int32_t side = 100; side < 700; side += 97) {
        Image image = {.pixels = malloc((size_t)(side * side * 3)),
                       .width = side,
                       .height = side,
                       .channels = 3};
        for (int32_t i = 0; i < side * side * 3; i++)
            image.pixels[i] = (uint8_t)(90 + 50 * (i % 3));
        Sample sample;
        Point placed;
        make(&image, &motion, 3, 96, 96, &sample, &placed);
        for (int32_t y = 24; y < 72; y++)
            for (int32_t x = 24; x < 72; x++)
                for (int c = 0; c < 3; c++)
                    assert_in_range(sample.pixels[3 * (y * 96 + x) + c], 90 + 50 * c, 90 + 50 * c);
        free(sample.pixels);
        image_free(&image);
    }
}

/* A wide picture in a square: black above and below, whatever the brightness. */
static void test_padding_is_black(void **state)
{
    (void)state;
    static const Augmentation bright = {.brightness = 0.5f, .contrast = 0.5f, .gamma = 0.5f};
    Image image = {.pixels = malloc(200 * 100), .width = 200, .height = 100, .channels = 1};
    memset(image.pixels, 150, 200 * 100);
    for (uint64_t seed = 0; seed < 8; seed++) {
        Sample sample;
        Point placed;
        make(&image, &bright, seed, 64, 64, &sample, &placed);
        for (int32_t i = 0; i < 64 * 64; i++) {
            int32_t y = i / 64;
            if (y < 15 || y > 48)
                assert_int_equal(sample.pixels[3 * i], 0);
            else if (y > 16 && y < 47)
                assert_int_equal(sample.pixels[3 * i + 2], sample.pixels[3 * (20 * 64 + 20)]);
        }
        free(sample.pixels);
    }
    image_free(&image);
}

/* Mean and deviation over the middle of a flat grey 120. */
static void measure_flat(const Augmentation *augmentation, uint64_t seed, double *mean,
                         double *deviation)
{
    Image image = {.pixels = malloc(96 * 96), .width = 96, .height = 96, .channels = 1};
    memset(image.pixels, 120, 96 * 96);
    Sample sample;
    Point placed;
    make(&image, augmentation, seed, 96, 96, &sample, &placed);
    double sum = 0, squares = 0;
    for (int32_t i = 0; i < 96 * 96; i++) {
        assert_int_equal(sample.pixels[3 * i], sample.pixels[3 * i + 1]);
        sum += sample.pixels[3 * i];
        squares += sample.pixels[3 * i] * sample.pixels[3 * i];
    }
    *mean = sum / (96 * 96);
    *deviation = sqrt(squares / (96 * 96) - *mean * *mean);
    free(sample.pixels);
    image_free(&image);
}

static void test_strengths(void **state)
{
    (void)state;
    static const Augmentation none = {0}, brightness = {.brightness = 0.2f},
                              noise = {.noise = 0.1f};
    double mean, deviation, lowest = 255, highest = 0, grainiest = 0;
    measure_flat(&none, 1, &mean, &deviation);
    assert_true(mean == 120 && deviation == 0);
    for (uint64_t seed = 0; seed < 40; seed++) {
        measure_flat(&brightness, seed, &mean, &deviation);
        lowest = fmin(lowest, mean);
        highest = fmax(highest, mean);
        measure_flat(&noise, seed, &mean, &deviation);
        assert_true(fabs(mean - 120) < 2 && deviation < 26);
        grainiest = fmax(grainiest, deviation);
    }
    assert_true(lowest > 68 && lowest < 76 && highest < 172 && highest > 164 && grainiest > 22);
}

/* Blur widens a spot by its sigma and keeps its place and its light. */
static void test_blur(void **state)
{
    (void)state;
    static const Augmentation none = {0}, blur = {.blur = 4};
    Image image = paint(96, 96, 47.3, 50.6, 2);
    one_point = (Point){47.3f, 50.6f, 1};
    double widest = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        Sample sharp, soft;
        Point placed;
        make(&image, &none, seed, 96, 96, &sharp, &placed);
        make(&image, &blur, seed, 96, 96, &soft, &placed);
        long light = 0;
        for (int32_t i = 0; i < 96 * 96; i++)
            light += soft.pixels[3 * i] - sharp.pixels[3 * i];
        assert_true(labs(light) < 400);
        Point found = centroid(&soft, 96, 96, placed, 20);
        assert_true(hypotf(found.x - placed.x, found.y - placed.y) < 0.1f);
        widest = fmax(widest, sharp.pixels[3 * (51 * 96 + 47)] - soft.pixels[3 * (51 * 96 + 47)]);
        free(sharp.pixels);
        free(soft.pixels);
    }
    assert_true(widest > 100);
    image_free(&image);
}

static void test_points_outside(void **state)
{
    (void)state;
    Image image = paint(100, 50, 20, 20, 2);
    static const struct {
        Point point;
        float weight;
    } cases[] = {
        {{0, 0, 1}, 1},    {{99, 49, 1}, 1}, {{99.4f, 20, 1}, 1},
        {{20, 20, 0}, 0},  {{20, 60, 1}, 0}, /* in the padding: on the network's picture, not on the
                                                original */
        {{130, 20, 1}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        one_point = cases[i].point;
        Sample sample;
        Point placed;
        make(&image, NULL, 0, 64, 64, &sample, &placed);
        assert_true(placed.weight == cases[i].weight);
        free(sample.pixels);
    }
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_compose_and_invert),
        cmocka_unit_test(test_spot_is_at_point),
        cmocka_unit_test(test_motion_is_drawn),
        cmocka_unit_test(test_no_aliasing),
        cmocka_unit_test(test_constant_stays),
        cmocka_unit_test(test_padding_is_black),
        cmocka_unit_test(test_strengths),
        cmocka_unit_test(test_blur),
        cmocka_unit_test(test_points_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
