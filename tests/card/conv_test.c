/* Convolutions and their gradients on the software GPU, against five nested loops in double. */
#include "card_bench.h"
#include "compiler/ir/ir.h"

/* odd sizes and channels, every kernel and stride of the models; transposed convs are the gradients
 * of those with kernel 2 and 4 */
static const Case cases[] = {
    {1, 8, 8, 16, 16, 3, 1, 1},   {2, 9, 7, 18, 29, 3, 1, 1},    {1, 40, 33, 36, 72, 3, 1, 1},
    {2, 12, 20, 18, 36, 3, 2, 1}, {1, 33, 35, 40, 48, 3, 2, 1},  {1, 7, 9, 29, 1, 1, 1, 0},
    {2, 10, 6, 64, 18, 1, 1, 0},  {1, 17, 19, 144, 40, 1, 1, 0}, {1, 12, 12, 270, 29, 1, 1, 0},
    {1, 10, 10, 8, 16, 1, 2, 0},  {1, 15, 13, 3, 18, 7, 2, 3},   {2, 8, 10, 16, 8, 4, 2, 1},
    {1, 9, 9, 4, 4, 3, 1, 0},     {1, 12, 8, 24, 40, 2, 2, 0},   {1, 6, 70, 48, 96, 3, 1, 1},
};

static int64_t bytes_of(const SnugArg *arg)
{
    return arg_elements(arg) * host_type_bytes(arg->type);
}

/* A copy of all tensors of the kernel, one after the other. */
static char *copy_tensors(const Bench *b)
{
    int64_t bytes = 0, at = 0;
    for (int32_t a = 0; a < b->kernel.arg_count; a++)
        bytes += bytes_of(&b->args[a]);
    char *copy = malloc((size_t)bytes);
    for (int32_t a = 0; a < b->kernel.arg_count; at += bytes_of(&b->args[a++]))
        memcpy(copy + at, b->data[a], (size_t)bytes_of(&b->args[a]));
    return copy;
}

/* Blocks and warps in another order: the same bits. */
static void check_order(CardSuite *suite, int32_t k, const char *before)
{
    Bench *b = suite->benches[k];
    SoftGpu *first = suite->gpu;
    char *result = copy_tensors(b);
    int64_t at = 0;

    for (int32_t a = 0; a < b->kernel.arg_count; at += bytes_of(&b->args[a++]))
        memcpy(b->data[a], before + at, (size_t)bytes_of(&b->args[a]));
    suite->gpu = softgpu_create(
        &(SoftGpuOptions){.memory_bytes = (int64_t)1 << 28, .seed = 99, .skip_races = true});
    card_run(suite, k, suite->images[k].image);
    char *again = copy_tensors(b);
    if (memcmp(result, again, (size_t)at) != 0)
        fail_msg("%s: other bits in another order", suite->names[k]);
    softgpu_destroy(suite->gpu);
    suite->gpu = first;
    free(result);
    free(again);
}

static void run_all(CardSuite *suite, double tolerance)
{
    card_compile(suite);
    for (int32_t k = 0; k < suite->count; k++) {
        char *before = copy_tensors(suite->benches[k]);
        reference_run(suite->benches[k]);
        card_run(suite, k, suite->images[k].image);
        if (softgpu_status(suite->gpu) != SOFTGPU_OK)
            fail_msg("%s: %s", suite->names[k], softgpu_report(suite->gpu));
        card_check(suite, k, tolerance);
        if (k % 4 == 0)
            check_order(suite, k, before);
        free(before);
    }
    print_message("%d kernels, worst error %.2g of %.2g\n", suite->count, suite->worst, tolerance);
    card_close(suite);
}

static void describe(char name[64], const char *what, size_t i)
{
    const Case *c = &cases[i];
    snprintf(name, 64, "%s%dx%d_s%d_%d_%d_%dx%d", what, c->kernel, c->kernel, c->stride, c->ci,
             c->co, c->h, c->w);
}

static void forward(void **state)
{
    CardSuite *suite = card_open();
    char name[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const Card *card = i % 2 ? &large_card : &small_card;
        describe(name, "conv", i);
        Bench *b = card_add(suite, card, name);
        b->kernel.kind = SNUG_KERNEL_conv;
        b->kernel.window = window_of(&cases[i]);
        if (i % 4 == 3)
            plain_prologue(b, 0, SNUG_F16, b->kernel.window.x);
        else
            normal_prologue(b, 0, SNUG_F16, b->kernel.window.x);
        b->kernel.weight_arg = weight_arg(b, &cases[i], SNUG_F16);
        card_choose_block(b, card);
        identity_epilogue(b, i % 5 == 4 ? SNUG_F32 : SNUG_F16, b->kernel.window.y);
        if (i % 5 != 4)
            bench_reduction(b, SNUG_REDUCE_moments, 0, 0, b->kernel.window.y);
    }
    run_all(suite, CARD_TOLERANCE);
}

static void data_gradient(void **state)
{
    CardSuite *suite = card_open();
    char name[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const Card *card = i % 2 ? &large_card : &small_card;
        describe(name, "dgrad", i);
        Bench *b = card_add(suite, card, name);
        b->kernel.kind = SNUG_KERNEL_conv_dgrad;
        b->kernel.window = window_of(&cases[i]);
        if (i % 3 == 2)
            plain_prologue(b, 0, SNUG_F16, b->kernel.window.y);
        else
            gradient_prologue(b, 0, SNUG_F16, b->kernel.window.y);
        b->kernel.weight_arg = weight_arg(b, &cases[i], SNUG_F16);
        card_choose_block(b, card);
        if (i % 4 == 0)
            gradient_epilogue(b, SNUG_F16, b->kernel.window.x, 0);
        else if (i % 4 == 1)
            identity_epilogue(b, SNUG_F16, b->kernel.window.x);
        else
            norm_epilogue(b, SNUG_F16, b->kernel.window.x, 0, i % 4 == 2, i % 4 == 3);
    }
    run_all(suite, CARD_TOLERANCE);
}

static void weight_gradient(void **state)
{
    CardSuite *suite = card_open();
    char name[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        describe(name, "wgrad", i);
        Bench *b = card_add(suite, i % 2 ? &large_card : &small_card, name);
        b->kernel.kind = SNUG_KERNEL_conv_wgrad;
        b->kernel.window = window_of(&cases[i]);
        if (i % 3 == 2) {
            plain_prologue(b, 0, SNUG_F16, b->kernel.window.x);
            plain_prologue(b, 1, SNUG_F16, b->kernel.window.y);
        } else {
            normal_prologue(b, 0, SNUG_F16, b->kernel.window.x);
            gradient_prologue(b, 1, SNUG_F16, b->kernel.window.y);
        }
        b->kernel.output_arg = weight_arg(b, &cases[i], SNUG_F32);
    }
    run_all(suite, CARD_TOLERANCE);
}

/* A picture of bytes, normalised as it is loaded, the channels' constants apart; both products of
 * the network's first conv. */
static void picture(void **state)
{
    static const Case c = {2, 20, 28, 3, 40, 3, 2, 1};
    CardSuite *suite = card_open();

    (void)state;
    for (int is_gradient = 0; is_gradient < 2; is_gradient++) {
        Bench *b = card_add(suite, &large_card, is_gradient ? "wgrad of a picture" : "picture");
        b->kernel.kind = is_gradient ? SNUG_KERNEL_conv_wgrad : SNUG_KERNEL_conv;
        b->kernel.window = window_of(&c);
        int16_t x = bench_tensor(b, SNUG_U8, b->kernel.window.x, 0.0f);
        SnugPointwise *in = &b->kernel.in[0];
        point(in, b->in_code[0], (SnugPoint){.op = SNUG_POINT_load, .arg = x});
        point(in, b->in_code[0],
              (SnugPoint){.op = SNUG_POINT_constant, .constants = {0.017f, 0.018f, 0.019f, 0.0f}});
        point(in, b->in_code[0],
              (SnugPoint){.op = SNUG_POINT_constant, .constants = {-2.1f, -2.0f, -1.8f, 0.0f}});
        point(in, b->in_code[0], (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2});
        if (is_gradient) {
            gradient_prologue(b, 1, SNUG_F16, b->kernel.window.y);
            b->kernel.output_arg = weight_arg(b, &c, SNUG_F32);
            continue;
        }
        b->kernel.weight_arg = weight_arg(b, &c, SNUG_F16);
        card_choose_block(b, &large_card);
        identity_epilogue(b, SNUG_F16, b->kernel.window.y);
        bench_reduction(b, SNUG_REDUCE_moments, 0, 0, b->kernel.window.y);
    }
    run_all(suite, CARD_TOLERANCE);
}

/* Without tensor cores: full precision, and a data gradient of stride 4. */
static void plain(void **state)
{
    static const Case plain_cases[] = {
        {2, 9, 7, 18, 29, 3, 1, 1},
        {1, 11, 18, 5, 12, 3, 2, 1},
        {1, 21, 13, 12, 7, 5, 4, 2},
    };
    CardSuite *suite = card_open();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(plain_cases); i++)
        for (int kind = 0; kind < 3; kind++) {
            static const SnugKernelKind kinds[] = {SNUG_KERNEL_conv, SNUG_KERNEL_conv_dgrad,
                                                   SNUG_KERNEL_conv_wgrad};
            Bench *b = card_add(suite, &small_card, "plain");
            b->kernel.kind = kinds[kind];
            b->kernel.window = window_of(&plain_cases[i]);
            SnugShape x = b->kernel.window.x, y = b->kernel.window.y;
            normal_prologue(b, 0, SNUG_F32, kind == 1 ? y : x);
            if (kind == 2) {
                gradient_prologue(b, 1, SNUG_F32, y);
                b->kernel.output_arg = weight_arg(b, &plain_cases[i], SNUG_F32);
                continue;
            }
            b->kernel.weight_arg = weight_arg(b, &plain_cases[i], SNUG_F32);
            card_choose_block(b, &small_card);
            gradient_epilogue(b, SNUG_F32, kind == 1 ? x : y, 0);
        }
    run_all(suite, 2e-5);

    static const Case strided = {1, 21, 13, 12, 16, 5, 4, 2};
    suite = card_open();
    Bench *b = card_add(suite, &small_card, "dgrad of stride 4");
    b->kernel.kind = SNUG_KERNEL_conv_dgrad;
    b->kernel.window = window_of(&strided);
    gradient_prologue(b, 0, SNUG_F16, b->kernel.window.y);
    b->kernel.weight_arg = weight_arg(b, &strided, SNUG_F16);
    card_choose_block(b, &small_card);
    identity_epilogue(b, SNUG_F16, b->kernel.window.x);
    bench_reduction(b, SNUG_REDUCE_moments, 0, 0, b->kernel.window.x);
    run_all(suite, CARD_TOLERANCE);
}

/* ---- random shapes --------------------------------------------------------------------------- */

static int random_count = 8;

static int32_t pick(uint32_t *random, int32_t first, int32_t last)
{
    *random = *random * 1664525u + 1013904223u;
    return first + (int32_t)(*random >> 8) % (last - first + 1);
}

static Case random_case(uint32_t *random)
{
    static const int32_t kernels[] = {1, 1, 2, 3, 3, 3, 4, 5, 7};
    Case c = {.kernel = kernels[pick(random, 0, COUNT_OF(kernels) - 1)]};

    c.n = pick(random, 1, 3);
    c.stride = pick(random, 1, 3);
    c.pad = pick(random, 0, c.kernel / 2);
    c.h = c.kernel + pick(random, 0, 24);
    c.w = c.kernel + pick(random, 0, 40);
    c.ci = pick(random, 1, pick(random, 0, 3) == 0 ? 160 : 40);
    c.co = pick(random, 1, pick(random, 0, 3) == 0 ? 160 : 40);
    return c;
}

static void add_random(CardSuite *suite, uint32_t *random)
{
    Card card = large_card, *kept = arena_new(suite->arena, Card);
    Case c = random_case(random);
    int kind = pick(random, 0, 2);
    char name[64];

    card.multiprocessors = pick(random, 1, 60);
    *kept = card;
    snprintf(name, sizeof name, "%d: %dx %dx%d %d->%d, %dx%d/%d pad %d", kind, c.n, c.h, c.w, c.ci,
             c.co, c.kernel, c.kernel, c.stride, c.pad);
    Bench *b = card_add(suite, kept, name);
    b->random = *random;
    b->kernel.kind = kind == 0   ? SNUG_KERNEL_conv
                     : kind == 1 ? SNUG_KERNEL_conv_dgrad
                                 : SNUG_KERNEL_conv_wgrad;
    b->kernel.window = window_of(&c);
    SnugShape x = b->kernel.window.x, y = b->kernel.window.y, result = kind == 0 ? y : x;
    SnugShape sources[2] = {kind == 1 ? y : x, y};
    for (int side = 0; side <= (kind == 2); side++)
        switch (pick(random, 0, 2)) {
        case 0: plain_prologue(b, side, SNUG_F16, sources[side]); break;
        case 1: normal_prologue(b, side, SNUG_F16, sources[side]); break;
        default: gradient_prologue(b, side, SNUG_F16, sources[side]); break;
        }
    if (kind == 2) {
        b->kernel.output_arg = weight_arg(b, &c, SNUG_F32);
        return;
    }
    b->kernel.weight_arg = weight_arg(b, &c, SNUG_F16);
    card_choose_block(b, kept);
    switch (pick(random, 0, 3)) {
    case 0: identity_epilogue(b, SNUG_F32, result); break;
    case 1: gradient_epilogue(b, SNUG_F16, result, 0); break;
    case 2: norm_epilogue(b, SNUG_F16, result, 0, true, pick(random, 0, 1)); break;
    default:
        identity_epilogue(b, SNUG_F16, result);
        bench_reduction(b, SNUG_REDUCE_moments, 0, 0, result);
        bench_reduction(b, SNUG_REDUCE_sum, 0, 0, result);
        break;
    }
}

static void random_shapes(void **state)
{
    uint32_t random = 17;

    (void)state;
    for (int done = 0; done < random_count; done += 8) {
        CardSuite *suite = card_open();
        for (int k = 0; k < 8; k++)
            add_random(suite, &random);
        run_all(suite, CARD_TOLERANCE);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward),         cmocka_unit_test(data_gradient),
        cmocka_unit_test(weight_gradient), cmocka_unit_test(picture),
        cmocka_unit_test(plain),           cmocka_unit_test(random_shapes),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    if (argc > 2) /* random_shapes N */
        random_count = atoi(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
