/* Points from heat maps: a Gaussian drawn at a sub-pixel place is found again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "runtime/host/decode.h"
#include "runtime/system/random.h"

enum { HEIGHT = 40, WIDTH = 56, MAPS = 3 };

static float heat[HEIGHT * WIDTH * MAPS], scratch[2 * HEIGHT * WIDTH];

static void draw(int map, float x, float y, float sigma, float peak)
{
    for (int j = 0; j < HEIGHT; j++)
        for (int i = 0; i < WIDTH; i++) {
            float dx = (float)i - x, dy = (float)j - y;
            heat[(j * WIDTH + i) * MAPS + map] =
                peak * expf(-0.5f * (dx * dx + dy * dy) / (sigma * sigma));
        }
}

static void decode_all(float sigma, Peak *peaks)
{
    for (int map = 0; map < MAPS; map++)
        peaks[map] = decode_map(heat + map, MAPS, HEIGHT, WIDTH, sigma, scratch);
}

static void expect_near(const Peak *peak, float x, float y, float tolerance)
{
    float off = hypotf(peak->x - x, peak->y - y);
    if (!(off <= tolerance))
        fail_msg("(%g, %g) is %g off (%g, %g)", (double)peak->x, (double)peak->y, (double)off,
                 (double)x, (double)y);
}

static void sub_pixel_places(void **state)
{
    RandomKey key = random_key(1, RANDOM_INIT, 0, 0);
    Peak peaks[MAPS];

    (void)state;
    for (uint64_t round = 0; round < 100; round++) {
        float x[MAPS], y[MAPS], sigma = 1.0f + 0.03f * (float)round;
        for (int map = 0; map < MAPS; map++) {
            x[map] = 14 + random_uniform(key, 6 * round + 2 * (uint64_t)map) * (WIDTH - 29);
            y[map] = 14 + random_uniform(key, 6 * round + 2 * (uint64_t)map + 1) * (HEIGHT - 29);
            draw(map, x[map], y[map], sigma, 0.2f + 0.3f * (float)map);
        }
        decode_all(sigma, peaks);
        for (int map = 0; map < MAPS; map++)
            expect_near(&peaks[map], x[map], y[map], 0.05f);
    }
}

static void noise_moves_it_little(void **state)
{
    RandomKey key = random_key(2, RANDOM_INIT, 0, 0);
    Peak peaks[MAPS];

    (void)state;
    for (int map = 0; map < MAPS; map++)
        draw(map, 20.3f, 17.6f, 2, 0.8f);
    for (int k = 0; k < HEIGHT * WIDTH * MAPS; k++)
        heat[k] += 0.02f * random_normal(key, (uint64_t)k);
    decode_all(2, peaks);
    for (int map = 0; map < MAPS; map++)
        expect_near(&peaks[map], 20.3f, 17.6f, 0.25f);
}

static void edges_and_corners(void **state)
{
    static const float places[][2] = {{0, 0},          {WIDTH - 1, 0},
                                      {0, HEIGHT - 1}, {WIDTH - 1, HEIGHT - 1},
                                      {0, 20},         {30, HEIGHT - 1}};
    Peak peaks[MAPS];

    (void)state;
    for (size_t k = 0; k < sizeof places / sizeof places[0]; k++) {
        for (int map = 0; map < MAPS; map++)
            draw(map, places[k][0], places[k][1], 2, 1);
        decode_all(2, peaks);
        expect_near(&peaks[0], places[k][0], places[k][1], 1e-6f);
    }
}

/* Maps of nothing, of one value, and of what is not a number: a place inside, never a crash. */
static void odd_maps(void **state)
{
    static const float fills[] = {0, 1, -3, 1e30f, -1e30f, NAN, INFINITY, -INFINITY};
    Peak peaks[MAPS];

    (void)state;
    for (size_t k = 0; k < sizeof fills / sizeof fills[0]; k++) {
        for (int e = 0; e < HEIGHT * WIDTH * MAPS; e++)
            heat[e] = fills[k];
        decode_all(2, peaks);
        for (int map = 0; map < MAPS; map++) {
            assert_true(peaks[map].x >= -1 && peaks[map].x <= WIDTH);
            assert_true(peaks[map].y >= -1 && peaks[map].y <= HEIGHT);
            assert_true(isfinite(peaks[map].confidence));
        }
    }
    for (int map = 0; map < MAPS; map++)
        draw(map, 20, 20, 2, 1);
    heat[7 * MAPS + 1] = NAN; /* spoils map 1 alone */
    decode_all(2, peaks);
    expect_near(&peaks[0], 20, 20, 0.05f);
    expect_near(&peaks[2], 20, 20, 0.05f);
    assert_float_equal(peaks[1].confidence, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sub_pixel_places),
        cmocka_unit_test(noise_moves_it_little),
        cmocka_unit_test(edges_and_corners),
        cmocka_unit_test(odd_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
