/* Pointwise code, reductions, pooling and resampling of the host device against plain loops. */
#include "host_reference.h"

enum { ARG_X, ARG_Y, ARG_SMALL, ARG_VECTOR };

static void check(Bench *b, double tolerance, const char *what)
{
    b->kernel.args = b->args;
    b->kernel.parts = b->parts;
    void *before[MAX_ARGS];
    for (int32_t a = 0; a < b->kernel.arg_count; a++) {
        size_t bytes = (size_t)(arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type));
        before[a] = malloc(bytes);
        memcpy(before[a], b->data[a], bytes);
    }
    reference_run(b);
    for (int32_t threads = 1; threads <= 3; threads++) {
        for (int32_t a = 0; a < b->kernel.arg_count; a++)
            memcpy(b->data[a], before[a],
                   (size_t)(arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type)));
        bench_run(b, threads);
        bench_check(b, tolerance, what);
    }
    for (int32_t a = 0; a < b->kernel.arg_count; a++)
        free(before[a]);
    bench_free(b);
}

static Bench map_of(SnugShape domain, uint32_t seed)
{
    Bench b = {.random = seed};
    b.kernel.kind = SNUG_KERNEL_map;
    b.kernel.weight_arg = b.kernel.output_arg = -1;
    b.kernel.window.y = domain;
    b.kernel.part_count = 1;
    b.parts[0].channel_count = domain.c;
    return b;
}

static int16_t code(Bench *b, SnugPoint instruction)
{
    return point(&b->parts[0].out, b->out_code[0], instruction);
}

/* Every instruction at once, tensors dense or padded, channels from one to more than a block. */
static void test_all_instructions(void **state)
{
    (void)state;
    const int32_t channels[] = {1, 3, 18, 29, 64, 600};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            SnugType type = variant & 1 ? bench_half() : SNUG_F32;
            int32_t c = channels[i], pitch = variant & 2 ? c + 5 : c;
            SnugShape shape = {2, 6, 10, c};
            Bench b = map_of(shape, (uint32_t)i + 1);
            bench_arg(&b, type, shape, pitch, 0.0f);                       /* ARG_X */
            bench_arg(&b, type, shape, c, 0.2f);                           /* ARG_Y */
            bench_arg(&b, type, (SnugShape){2, 3, 5, c + 2}, c + 2, 0.0f); /* ARG_SMALL */
            bench_vector(&b, 3, c, 0.5f);                                  /* ARG_VECTOR */
            int16_t x = code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = ARG_X});
            int16_t y = code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = ARG_Y, .factor = 1});
            int16_t v =
                code(&b, (SnugPoint){.op = SNUG_POINT_channel, .arg = ARG_VECTOR, .row = 2});
            int16_t k = code(&b, (SnugPoint){.op = SNUG_POINT_constant,
                                             .constants = {0.5f, 0.25f, -0.5f, 1.5f}});
            int16_t vk = code(&b, (SnugPoint){.op = SNUG_POINT_multiply, .a = v, .b = k});
            int16_t f = code(&b, (SnugPoint){.op = SNUG_POINT_fma, .a = x, .b = vk, .d = k});
            int16_t r = code(&b, (SnugPoint){.op = SNUG_POINT_relu, .a = f});
            int16_t up = code(
                &b,
                (SnugPoint){.op = SNUG_POINT_load, .arg = ARG_SMALL, .factor = 2, .channel = 2});
            int16_t line = code(&b, (SnugPoint){.op = SNUG_POINT_load_bilinear,
                                                .arg = ARG_SMALL,
                                                .factor = 2,
                                                .channel = 1});
            int16_t s = code(&b, (SnugPoint){.op = SNUG_POINT_add, .a = up, .b = line});
            s = code(&b, (SnugPoint){.op = SNUG_POINT_round, .a = s, .row = SNUG_BF16});
            int16_t g = code(&b, (SnugPoint){.op = SNUG_POINT_sigmoid, .a = s});
            int16_t dg = code(&b, (SnugPoint){.op = SNUG_POINT_sigmoid_grad, .a = y, .b = g});
            int16_t m = code(&b, (SnugPoint){.op = SNUG_POINT_mask, .a = dg, .b = y});
            int16_t all = code(&b, (SnugPoint){.op = SNUG_POINT_add, .a = m, .b = r});
            code(&b, (SnugPoint){.op = SNUG_POINT_multiply, .a = all, .b = g});
            b.kernel.output_arg = bench_arg(&b, type, shape, pitch, 0.0f);
            check(&b, type == SNUG_BF16 ? 0.03 : 1e-5, "all instructions");
        }
}

/* The forms that the device has shorter instructions for, alone and where a value is used twice and
 * they must not apply. */
static void test_absorbed_loads(void **state)
{
    (void)state;
    for (int variant = 0; variant < 6; variant++) {
        SnugShape shape = {1, 5, 13, 18};
        Bench b = map_of(shape, (uint32_t)variant + 40);
        bench_arg(&b, SNUG_BF16, shape, 18, 0.0f);
        bench_arg(&b, SNUG_BF16, shape, 18, 0.0f);
        bench_vector(&b, 2, 18, 0.4f);
        int16_t x = code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = 0});
        int16_t scale = code(&b, (SnugPoint){.op = SNUG_POINT_channel, .arg = 2, .row = 0});
        int16_t shift = code(&b, (SnugPoint){.op = SNUG_POINT_channel, .arg = 2, .row = 1});
        int16_t y = code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = 1});
        int16_t f = code(&b, (SnugPoint){.op = SNUG_POINT_fma,
                                         .a = variant == 1 ? scale : x,
                                         .b = variant == 1 ? x : scale,
                                         .d = shift});
        if (variant == 0 || variant == 1)
            code(&b, (SnugPoint){.op = SNUG_POINT_relu, .a = f});
        int16_t r = (int16_t)(b.parts[0].out.count - 1);
        if (variant == 2)
            r = code(&b, (SnugPoint){.op = SNUG_POINT_add, .a = y, .b = y});
        if (variant == 3)
            r = code(&b, (SnugPoint){.op = SNUG_POINT_mask, .a = f, .b = y});
        if (variant == 4)
            r = code(&b, (SnugPoint){.op = SNUG_POINT_mask, .a = y, .b = y});
        if (variant == 5)
            r = code(&b, (SnugPoint){.op = SNUG_POINT_multiply, .a = f, .b = x});
        code(&b, (SnugPoint){.op = SNUG_POINT_add, .a = r, .b = variant == 3 ? scale : y});
        b.kernel.output_arg = bench_arg(&b, SNUG_BF16, shape, 18, 0.0f);
        check(&b, 0.02, "absorbed loads");
    }
}

/* concat: parts of 18, 7 and 3 channels, a slice among them, the result padded to 32. */
static void test_parts(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        SnugType type = half ? bench_half() : SNUG_F32;
        Bench b = map_of((SnugShape){2, 8, 6, 28}, 3);
        bench_arg(&b, type, (SnugShape){2, 8, 6, 18}, 18, 0.0f);
        bench_arg(&b, type, (SnugShape){2, 4, 3, 7}, 8, 0.0f);
        bench_arg(&b, type, (SnugShape){2, 8, 6, 9}, 9, 0.0f);
        const SnugPoint loads[3] = {
            {.op = SNUG_POINT_load, .arg = 0},
            {.op = SNUG_POINT_load_bilinear, .arg = 1, .factor = 2},
            {.op = SNUG_POINT_load, .arg = 2, .channel = 6},
        };
        const int32_t counts[3] = {18, 7, 3};
        int32_t begin = 0;
        b.kernel.part_count = 3;
        for (int p = 0; p < 3; p++) {
            b.parts[p] = (SnugPart){.channel_begin = begin, .channel_count = counts[p]};
            point(&b.parts[p].out, b.out_code[p], loads[p]);
            point(&b.parts[p].out, b.out_code[p], (SnugPoint){.op = SNUG_POINT_relu, .a = 0});
            begin += counts[p];
        }
        b.kernel.output_arg = bench_arg(&b, type, b.kernel.window.y, 32, 0.0f);
        check(&b, type == SNUG_BF16 ? 0.02 : 1e-6, "parts");
    }
}

/* All reductions at once, with and without a stored result; far from zero, where E[x^2] - E[x]^2
 * would lose everything. */
static void test_reductions(void **state)
{
    (void)state;
    const SnugShape shapes[] = {{1, 12, 9, 18}, {2, 8, 16, 3}, {1, 40, 50, 64}, {1, 6, 6, 700}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int variant = 0; variant < 4; variant++) {
            SnugType type = variant & 1 ? bench_half() : SNUG_F32;
            SnugShape d = shapes[i];
            Bench b = map_of(d, (uint32_t)i + 9);
            bench_arg(&b, type, d, d.c, type == SNUG_BF16 ? 3.0f : 100.0f);
            bench_arg(&b, type, d, d.c, 0.3f);
            int16_t hat = code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = 1});
            code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = 0});
            if (variant & 2)
                b.kernel.output_arg = bench_arg(&b, type, d, d.c, 0.0f);
            int32_t rows = d.h % 4 == 0 ? 4 : 3;
            bench_reduction(&b, SNUG_REDUCE_moments, 0, rows, d);
            bench_reduction(&b, SNUG_REDUCE_grad, hat, rows, d);
            bench_reduction(&b, SNUG_REDUCE_sum, 0, rows, d);
            check(&b, 3e-5, "reductions");
        }
}

static void prologue(Bench *b, int32_t which, SnugType type, SnugShape shape)
{
    int16_t x = (int16_t)bench_arg(b, type, shape, shape.c, 0.0f);
    int16_t v = (int16_t)bench_vector(b, 2, shape.c, 1.0f);
    SnugPointwise *in = &b->kernel.in[which];
    point(in, b->in_code[which], (SnugPoint){.op = SNUG_POINT_load, .arg = x});
    point(in, b->in_code[which], (SnugPoint){.op = SNUG_POINT_channel, .arg = v, .row = 0});
    point(in, b->in_code[which], (SnugPoint){.op = SNUG_POINT_channel, .arg = v, .row = 1});
    point(in, b->in_code[which], (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2});
}

static void test_windows(void **state)
{
    (void)state;
    static const struct {
        SnugKernelKind kind;
        int32_t n, h, w, c, kernel, stride, pad; /* h, w: of x */
    } cases[] = {
        {SNUG_KERNEL_max_pool, 2, 8, 12, 18, 2, 2, 0},
        {SNUG_KERNEL_max_pool, 1, 15, 9, 3, 3, 2, 1},
        {SNUG_KERNEL_max_pool_grad, 2, 8, 12, 18, 2, 2, 0},
        {SNUG_KERNEL_max_pool_grad, 1, 15, 9, 3, 3, 2, 1},
        {SNUG_KERNEL_max_pool_grad, 1, 16, 16, 29, 3, 1, 1},
        {SNUG_KERNEL_upsample_grad, 2, 5, 3, 18, 2, 2, 0},
        {SNUG_KERNEL_upsample_grad, 1, 4, 4, 7, 8, 8, 0},
        {SNUG_KERNEL_bilinear_grad, 2, 5, 3, 18, 2, 2, 0},
        {SNUG_KERNEL_bilinear_grad, 1, 1, 6, 4, 4, 4, 0},
        {SNUG_KERNEL_bilinear_grad, 1, 9, 4, 7, 8, 8, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int half = 0; half < 2; half++) {
            SnugType type = half ? bench_half() : SNUG_F32;
            SnugKernelKind kind = cases[i].kind;
            int32_t k = cases[i].kernel, s = cases[i].stride, p = cases[i].pad;
            bool resample = kind == SNUG_KERNEL_upsample_grad || kind == SNUG_KERNEL_bilinear_grad;
            SnugShape x = {cases[i].n, cases[i].h, cases[i].w, cases[i].c}, y = x;
            y.h = resample ? x.h * k : (x.h + 2 * p - k) / s + 1;
            y.w = resample ? x.w * k : (x.w + 2 * p - k) / s + 1;
            Bench b = {.random = (uint32_t)i + 77};
            b.kernel.kind = kind;
            b.kernel.weight_arg = -1;
            b.kernel.window = (SnugWindow){.kernel = k, .stride = s, .pad = p, .x = x, .y = y};
            prologue(&b, 0, type, kind == SNUG_KERNEL_max_pool ? x : y);
            if (kind == SNUG_KERNEL_max_pool_grad)
                prologue(&b, 1, type, x);
            SnugShape d = kind == SNUG_KERNEL_max_pool ? y : x;
            b.kernel.part_count = 1;
            b.parts[0] = (SnugPart){.channel_count = d.c};
            code(&b, (SnugPoint){.op = SNUG_POINT_core});
            code(&b, (SnugPoint){.op = SNUG_POINT_add, .a = 0, .b = 0});
            b.kernel.output_arg = bench_arg(&b, type, d, d.c, 0.0f);
            bench_reduction(&b, SNUG_REDUCE_sum, 0, d.h, d);
            check(&b, type == SNUG_BF16 ? 0.03 : 2e-5, "windows");
        }
}

/* A result that takes the bytes of what it adds to. */
static void test_in_place(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        SnugType type = half ? bench_half() : SNUG_F32;
        SnugShape d = {1, 31, 37, 18};
        Bench b = map_of(d, 5);
        bench_arg(&b, type, d, d.c, 0.0f);
        bench_arg(&b, type, d, d.c, 0.0f);
        code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = 0});
        code(&b, (SnugPoint){.op = SNUG_POINT_load, .arg = 1});
        code(&b, (SnugPoint){.op = SNUG_POINT_add, .a = 0, .b = 1});
        b.kernel.output_arg = 0;
        check(&b, type == SNUG_BF16 ? 0.01 : 1e-6, "in place");
    }
}

/* NaN goes through relu and wins a maximum: an overflow is never hidden. */
static void test_nan(void **state)
{
    (void)state;
    SnugShape x = {1, 4, 4, 3};
    Bench b = {.random = 3};
    b.kernel.kind = SNUG_KERNEL_max_pool;
    b.kernel.weight_arg = -1;
    b.kernel.window = (SnugWindow){.kernel = 2, .stride = 2, .x = x, .y = {1, 2, 2, 3}};
    bench_arg(&b, SNUG_F32, x, 3, 0.0f);
    ((float *)b.data[0])[(2 * 4 + 3) * 3 + 1] = NAN;
    point(&b.kernel.in[0], b.in_code[0], (SnugPoint){.op = SNUG_POINT_load});
    point(&b.kernel.in[0], b.in_code[0], (SnugPoint){.op = SNUG_POINT_relu});
    b.kernel.part_count = 1;
    b.parts[0] = (SnugPart){.channel_count = 3};
    code(&b, (SnugPoint){.op = SNUG_POINT_core});
    b.kernel.output_arg = bench_arg(&b, SNUG_F32, b.kernel.window.y, 3, 0.0f);
    bench_run(&b, 2);
    for (int i = 0; i < 12; i++)
        assert_int_equal(isnan(((float *)b.data[1])[i]), i == 10);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_instructions),
        cmocka_unit_test(test_absorbed_loads),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
