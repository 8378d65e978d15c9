/* Convolution and its gradients on the host device against five nested loops. */
#include "conv_bench.h"
#include "runtime/machine.h"

/* odd sizes, odd channels, every stride and kernel that the models use; the last three are
 * transposed convs seen from the other side, and windows that leave a rest */
static const Case cases[] = {
    {1, 8, 8, 16, 16, 3, 1, 1},   {2, 9, 7, 18, 29, 3, 1, 1},   {1, 16, 16, 3, 64, 3, 2, 1},
    {2, 12, 20, 18, 36, 3, 2, 1}, {1, 7, 9, 29, 1, 1, 1, 0},    {2, 10, 6, 64, 18, 1, 1, 0},
    {1, 10, 10, 8, 16, 1, 2, 0},  {1, 15, 13, 3, 18, 7, 2, 3},  {2, 8, 8, 16, 8, 4, 2, 1},
    {1, 33, 17, 1, 3, 3, 1, 1},   {1, 64, 48, 18, 18, 3, 1, 1}, {2, 11, 11, 5, 7, 3, 2, 1},
    {1, 9, 9, 4, 4, 3, 1, 0},
};

static int32_t a_divisor(int32_t height)
{
    for (int32_t rows = 3; rows < height; rows++)
        if (height % rows == 0)
            return rows;
    return height;
}

/* fp32: sums of at most a few thousand products. bf16: one unit in the last place of the result
 * (2^-8 of the largest, some 4 root mean squares) and flipped roundings of single factors. */
static double tolerance(SnugType type)
{
    return type == SNUG_BF16 ? 0.03 : 2e-5;
}

static void check_twice(Bench *b, SnugType type, const char *what)
{
    int32_t out = b->kernel.output_arg;
    int64_t bytes = arg_elements(&b->args[out]) * host_type_bytes(b->args[out].type);
    void *before = malloc((size_t)bytes), *first = malloc((size_t)bytes);
    memcpy(before, b->data[out], (size_t)bytes);
    b->kernel.args = b->args;
    b->kernel.parts = b->parts;
    reference_run(b);
    bench_run(b, 2);
    bench_check(b, tolerance(type), what);
    memcpy(first, b->data[out], (size_t)bytes);
    memcpy(b->data[out], before, (size_t)bytes);
    bench_run(b, 2);
    assert_memory_equal(first, b->data[out], (size_t)bytes);
    memcpy(b->data[out], before, (size_t)bytes);
    bench_run(b, 1);
    bench_check(b, tolerance(type), what);
    free(before);
    free(first);
    bench_free(b);
}

static void test_forward(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            SnugType type = variant & 1 ? bench_half() : SNUG_F32;
            Bench b = {.random = (uint32_t)(7 * i + 1)};
            char what[64];
            snprintf(what, sizeof what, "conv %zu, variant %d", i, variant);
            b.kernel.kind = SNUG_KERNEL_conv;
            b.kernel.window = window_of(&cases[i]);
            if (variant & 2)
                plain_prologue(&b, 0, type, b.kernel.window.x);
            else
                normal_prologue(&b, 0, type, b.kernel.window.x);
            b.kernel.weight_arg = weight_arg(&b, &cases[i], SNUG_F32);
            identity_epilogue(&b, type, b.kernel.window.y);
            if (!(variant & 2))
                bench_reduction(&b, SNUG_REDUCE_moments, 0, a_divisor(b.kernel.window.y.h),
                                b.kernel.window.y);
            check_twice(&b, type, what);
        }
}

static void test_data_gradient(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int variant = 0; variant < 12; variant++) {
            SnugType type = variant & 1 ? bench_half() : SNUG_F32;
            Bench b = {.random = (uint32_t)(5 * i + 2)};
            char what[64];
            snprintf(what, sizeof what, "dgrad %zu, variant %d", i, variant);
            b.kernel.kind = SNUG_KERNEL_conv_dgrad;
            b.kernel.window = window_of(&cases[i]);
            SnugShape x = b.kernel.window.x;
            if (variant & 2)
                plain_prologue(&b, 0, type, b.kernel.window.y);
            else
                gradient_prologue(&b, 0, type, b.kernel.window.y);
            b.kernel.weight_arg = weight_arg(&b, &cases[i], SNUG_F32);
            if (variant >= 4)
                norm_epilogue(&b, type, x, a_divisor(x.h), variant & 2, variant >= 8);
            else if (variant & 2)
                identity_epilogue(&b, type, x);
            else
                gradient_epilogue(&b, type, x, x.h % 4 == 0 ? 4 : x.h);
            check_twice(&b, type, what);
        }
}

static void test_weight_gradient(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            SnugType type = variant & 1 ? bench_half() : SNUG_F32;
            Bench b = {.random = (uint32_t)(3 * i + 3)};
            char what[64];
            snprintf(what, sizeof what, "wgrad %zu, variant %d", i, variant);
            b.kernel.kind = SNUG_KERNEL_conv_wgrad;
            b.kernel.weight_arg = -1;
            b.kernel.window = window_of(&cases[i]);
            if (variant & 2) {
                plain_prologue(&b, 0, type, b.kernel.window.x);
                plain_prologue(&b, 1, SNUG_F32, b.kernel.window.y);
            } else {
                normal_prologue(&b, 0, type, b.kernel.window.x);
                gradient_prologue(&b, 1, type, b.kernel.window.y);
            }
            b.kernel.output_arg = weight_arg(&b, &cases[i], SNUG_F32);
            check_twice(&b, type, what);
        }
}

/* A picture of bytes, normalised as it is loaded, the channels' constants apart. */
static void test_picture(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        SnugType type = half ? bench_half() : SNUG_F32;
        Case c = {2, 20, 12, 3, 16, 3, 2, 1};
        Bench b = {.random = 11};
        b.kernel.kind = SNUG_KERNEL_conv;
        b.kernel.window = window_of(&c);
        int16_t x = (int16_t)bench_arg(&b, SNUG_U8, b.kernel.window.x, 3, 0.0f);
        SnugPointwise *in = &b.kernel.in[0];
        point(in, b.in_code[0], (SnugPoint){.op = SNUG_POINT_load, .arg = x});
        point(in, b.in_code[0],
              (SnugPoint){.op = SNUG_POINT_constant, .constants = {0.017f, 0.018f, 0.019f, 0.0f}});
        point(in, b.in_code[0],
              (SnugPoint){.op = SNUG_POINT_constant, .constants = {-2.1f, -2.0f, -1.8f, 0.0f}});
        point(in, b.in_code[0], (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2});
        b.kernel.weight_arg = weight_arg(&b, &c, SNUG_F32);
        identity_epilogue(&b, type, b.kernel.window.y);
        check_twice(&b, type, "picture");
    }
}

/* What the device cannot run is said, not tried. */
static void test_refusals(void **state)
{
    (void)state;
    Case c = {1, 8, 8, 8, 8, 3, 1, 1};
    Bench b = {.random = 1};
    b.kernel.kind = SNUG_KERNEL_conv;
    b.kernel.window = window_of(&c);
    plain_prologue(&b, 0, SNUG_F32, b.kernel.window.x);
    b.kernel.weight_arg = weight_arg(&b, &c, SNUG_F32);
    identity_epilogue(&b, SNUG_F32, b.kernel.window.y);
    b.kernel.args = b.args;
    b.kernel.parts = b.parts;
    assert_true(snug_host_workspace(&b.kernel, 2) > 0);
    assert_int_equal(snug_host_workspace(&b.kernel, 0), -1);
    b.args[0].type = SNUG_F16;
    assert_int_equal(snug_host_workspace(&b.kernel, 2), -1);
    b.args[0].type = SNUG_F32;
    b.kernel.window.y.h = 9;
    assert_int_equal(snug_host_workspace(&b.kernel, 2), -1);
    b.kernel.window.y.h = 8;
    b.args[b.kernel.weight_arg].shape.c = 7;
    assert_int_equal(snug_host_workspace(&b.kernel, 2), -1);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),         cmocka_unit_test(test_data_gradient),
        cmocka_unit_test(test_weight_gradient), cmocka_unit_test(test_picture),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
