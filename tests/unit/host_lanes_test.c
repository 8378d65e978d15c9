/* Every instruction set's loops against plain C in double, for all lengths around a vector's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/host/host_lanes.h"

enum { MOST = 67 };

typedef struct Data {
    float a[MOST], b[MOST], c[MOST], d[MOST], to[MOST], sum[MOST], second[MOST];
    uint16_t h[MOST], k[MOST], half[MOST];
    uint8_t bytes[MOST];
    int32_t taps[MOST];
} Data;

static double wide(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static uint16_t narrow(double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static void fill(Data *data)
{
    uint32_t state = 7;
    float *floats[] = {data->a, data->b, data->c, data->d, data->to, data->sum, data->second};
    for (int i = 0; i < MOST; i++) {
        for (int k = 0; k < 7; k++) {
            state = state * 1664525u + 1013904223u;
            floats[k][i] = ((float)(state >> 8) / 8388608.0f - 1.0f) * 3.0f;
        }
        data->h[i] = narrow((double)data->a[i] * 0.7 + 0.1);
        data->k[i] = narrow((double)data->b[i] * 0.9 - 0.2);
        data->half[i] = 0x4242;
        data->bytes[i] = (uint8_t)(state >> 24);
        data->taps[i] = i % 3;
    }
}

/* Within a few units in the last place of a single. */
static void near(float have, double want)
{
    if (!(fabs((double)have - want) <= 4e-6 * fmax(1.0, fabs(want))))
        print_error("%.9g, expected %.9g\n", (double)have, want);
    assert_true(fabs((double)have - want) <= 4e-6 * fmax(1.0, fabs(want)));
}

/* One unit of bf16: the value may lie on either side of a tie. */
static void near_half(uint16_t have, double want)
{
    assert_true(fabs(wide(have) - want) <= 0.00391 * fmax(1e-3, fabs(want)));
}

static double relu(double x)
{
    return x < 0.0 ? 0.0 : x;
}

static void check_elementwise(const HostLanes *lanes, int n)
{
    static Data x, o;
    fill(&x);
#define EACH(call, want)                                                                           \
    do {                                                                                           \
        o = x;                                                                                     \
        call;                                                                                      \
        for (int i = 0; i < n; i++)                                                                \
            near(o.to[i], want);                                                                   \
        for (int i = n; i < MOST; i++)                                                             \
            assert_true(o.to[i] == x.to[i]);                                                       \
    } while (0)
    EACH(lanes->load_bf16(o.to, o.h, n), wide(x.h[i]));
    EACH(lanes->load_u8(o.to, o.bytes, n), (double)x.bytes[i]);
    EACH(lanes->round(o.to, o.a, n), wide(narrow((double)x.a[i])));
    EACH(lanes->add(o.to, o.a, o.b, n), (double)x.a[i] + (double)x.b[i]);
    EACH(lanes->multiply(o.to, o.a, o.b, n), (double)x.a[i] * (double)x.b[i]);
    EACH(lanes->fma(o.to, o.a, o.b, o.c, n), (double)x.a[i] * (double)x.b[i] + (double)x.c[i]);
    EACH(lanes->relu(o.to, o.a, n), relu((double)x.a[i]));
    EACH(lanes->mask(o.to, o.a, o.b, n), x.b[i] > 0.0f ? (double)x.a[i] : 0.0);
    EACH(lanes->sigmoid(o.to, o.a, n), 1.0 / (1.0 + exp(-(double)x.a[i])));
    EACH(lanes->sigmoid_grad(o.to, o.a, o.b, n),
         (double)x.a[i] * (double)x.b[i] * (1.0 - (double)x.b[i]));
    EACH(lanes->affine_bf16(o.to, o.h, o.b, o.c, n),
         wide(x.h[i]) * (double)x.b[i] + (double)x.c[i]);
    EACH(lanes->affine_relu_bf16(o.to, o.h, o.b, o.c, n),
         relu(wide(x.h[i]) * (double)x.b[i] + (double)x.c[i]));
    EACH(lanes->add_bf16(o.to, o.a, o.h, n), (double)x.a[i] + wide(x.h[i]));
    EACH(lanes->mask_bf16(o.to, o.a, o.h, n), wide(x.h[i]) > 0.0 ? (double)x.a[i] : 0.0);
    EACH(lanes->add_scaled(o.to, o.a, 0.3f, n), (double)x.to[i] + (double)0.3f * (double)x.a[i]);
    EACH(lanes->add_scaled_bf16(o.to, o.h, 0.3f, n), (double)x.to[i] + (double)0.3f * wide(x.h[i]));
    EACH(lanes->add_at_tap(o.to, o.a, o.taps, 1, n),
         (double)x.to[i] + (i % 3 == 1 ? (double)x.a[i] : 0.0));
    EACH(lanes->average(o.to, o.a, 0.9f, n),
         (double)x.to[i] * (double)0.9f + (double)x.a[i] * (1.0 - (double)0.9f));
#undef EACH
}

static void check_halves(const HostLanes *lanes, int n)
{
    static Data x, o;
    fill(&x);
    o = x;
    lanes->store_bf16(o.half, o.a, n);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(o.half[i], i < n ? narrow((double)x.a[i]) : 0x4242);
    lanes->normal_bf16(o.half, o.h, o.b, o.c, n);
    for (int i = 0; i < n; i++)
        near_half(o.half[i], relu(wide(x.h[i]) * (double)x.b[i] + (double)x.c[i]));
    lanes->gradient_bf16(o.half, o.h, o.k, o.a, o.b, o.c, n);
    for (int i = 0; i < n; i++)
        near_half(o.half[i],
                  wide(x.h[i]) * (double)x.a[i] + wide(x.k[i]) * (double)x.b[i] + (double)x.c[i]);
    for (int i = n; i < MOST; i++)
        assert_int_equal(o.half[i], 0x4242);
}

static void check_grad_epilogue(const HostLanes *lanes, int n)
{
    static Data x, o;
    fill(&x);
    for (int form = 0; form < 6; form++) {
        bool adds = form & 1, masks = form >= 2, scales = form >= 4;
        o = x;
        HostGradBlock block = {
            .core = o.a,
            .add = adds ? o.h : NULL,
            .mask = masks ? o.k : NULL,
            .z = o.h,
            .scale = scales ? o.b : NULL,
            .shift = scales ? o.c : NULL,
            .offset = o.c,
            .rstd = o.d,
            .sum = o.sum,
            .product = o.second,
        };
        lanes->grad_epilogue(o.half, &block, n);
        for (int i = 0; i < MOST; i++) {
            double v = (double)x.a[i] + (adds ? wide(x.h[i]) : 0.0), y = 1.0;
            if (masks)
                y = wide(x.k[i]);
            if (scales)
                y = y * (double)x.b[i] + (double)x.c[i];
            v = y > 0.0 ? v : 0.0;
            if (i >= n) {
                assert_int_equal(o.half[i], 0x4242);
                assert_true(o.sum[i] == x.sum[i] && o.second[i] == x.second[i]);
                continue;
            }
            near_half(o.half[i], v);
            v = wide(o.half[i]);
            near(o.sum[i], (double)x.sum[i] + v);
            near(o.second[i],
                 (double)x.second[i] + v * (wide(x.h[i]) + (double)x.c[i]) * (double)x.d[i]);
        }
    }
}

static void check_reductions(const HostLanes *lanes, int n)
{
    static Data x, o;
    double squares = 0.0;
    fill(&x);
    o = x;
    lanes->sum(o.sum, o.a, n);
    for (int i = 0; i < n; i++)
        near(o.sum[i], (double)x.sum[i] + (double)x.a[i]);
    o = x;
    lanes->moments(o.sum, o.second, o.a, o.b, n);
    for (int i = 0; i < n; i++) {
        double d = (double)x.a[i] - (double)x.b[i];
        near(o.sum[i], (double)x.sum[i] + d);
        near(o.second[i], (double)x.second[i] + d * d);
    }
    o = x;
    lanes->moments_bf16(o.sum, o.second, o.h, o.b, n);
    for (int i = 0; i < n; i++) {
        double d = wide(x.h[i]) - (double)x.b[i];
        near(o.sum[i], (double)x.sum[i] + d);
        near(o.second[i], (double)x.second[i] + d * d);
    }
    o = x;
    lanes->grad(o.sum, o.second, o.a, o.b, n);
    for (int i = 0; i < n; i++) {
        near(o.sum[i], (double)x.sum[i] + (double)x.a[i]);
        near(o.second[i], (double)x.second[i] + (double)x.a[i] * (double)x.b[i]);
    }
    for (int i = 0; i < n; i++)
        squares += (double)x.a[i] * (double)x.a[i];
    assert_true(fabs(lanes->sum_of_squares(x.a, n) - squares) <= 1e-12 * squares);
    o = x;
    lanes->max_tap(o.to, o.taps, o.a, 7, n);
    for (int i = 0; i < n; i++) {
        assert_true(o.to[i] == fmaxf(x.to[i], x.a[i]));
        assert_int_equal(o.taps[i], x.a[i] > x.to[i] ? 7 : x.taps[i]);
    }
}

static void test_all_sets(void **state)
{
    (void)state;
    static const char *const names[] = {"generic", "avx2", "avx512", "avx512_bf16"};
    for (int s = 0; s < 4; s++) {
        const HostLanes *lanes = host_lanes_named(names[s]);
        for (int n = 0; lanes && n <= MOST; n++) {
            check_elementwise(lanes, n);
            check_halves(lanes, n);
            check_grad_epilogue(lanes, n);
            check_reductions(lanes, n);
        }
    }
}

/* NaN and infinity pass through; ties go to even. */
static void test_odd_numbers(void **state)
{
    (void)state;
    static const char *const names[] = {"generic", "avx2", "avx512", "avx512_bf16"};
    const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, 1.00390625f, 1.01171875f, 3.4e38f, -0.0f};
    const uint16_t want[] = {0, 0, 0x7f80, 0xff80, 0x3f80, 0x3f82, 0x7f80, 0x8000};
    for (int s = 0; s < 4; s++) {
        const HostLanes *lanes = host_lanes_named(names[s]);
        uint16_t half[8];
        float to[8];
        if (lanes == NULL)
            continue;
        lanes->store_bf16(half, odd, 8);
        lanes->relu(to, odd, 8);
        for (int i = 0; i < 8; i++) {
            if (i < 2)
                assert_true(isnan(wide(half[i])) && isnan(to[i]));
            else
                assert_int_equal(half[i], want[i]);
        }
        assert_true(isinf(to[2]) && to[3] == 0.0f);
        float zero[8] = {0}, one[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        lanes->normal_bf16(half, half, one, zero, 8);
        assert_true(isnan(wide(half[0])) && half[3] == 0);
        assert_true(isinf(lanes->sum_of_squares(odd + 2, 1)));
        assert_true(isnan(lanes->sum_of_squares(odd, 8)));
    }
}

/* exp and log inside sigmoid, over their whole range. */
static void test_sigmoid_range(void **state)
{
    (void)state;
    const HostLanes *lanes = host_lanes();
    for (int i = -1000; i <= 1000; i++) {
        float x = (float)i * 0.12f, y;
        lanes->sigmoid(&y, &x, 1);
        double want = 1.0 / (1.0 + exp(-(double)x));
        assert_true(fabs((double)y - want) <= 4e-7 * fmax(want, 1e-37) + 2e-38);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_sets),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_sigmoid_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
