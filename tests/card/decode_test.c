/* Peaks on a card against the host's: Gaussians at sub-pixel places under noise, at odd sizes, at
 * the border, more maps than a warp has lanes, a map that is not finite. */
#include "card_bench.h"

#include "runtime/host/decode.h"

typedef struct Maps {
    int32_t n, h, w, k, pitch;
    float sigma;
} Maps;

static const Maps cases[] = {
    {1, 16, 16, 1, 1, 1.0f},   {2, 17, 31, 5, 5, 1.5f},   {1, 64, 48, 29, 32, 2.0f},
    {3, 40, 40, 33, 33, 2.0f}, {1, 96, 96, 70, 72, 3.0f}, {1, 3, 50, 2, 2, 9.0f},
};

/* Map k of image n: somewhere, every third at the border; the last of all is not finite. */
static void draw(Bench *b, const Maps *maps)
{
    float *heat = b->data[0];

    for (int32_t n = 0; n < maps->n; n++)
        for (int32_t k = 0; k < maps->k; k++) {
            float x = (bench_uniform(b) + 1) * 0.5f * (float)(maps->w - 1);
            float y = (bench_uniform(b) + 1) * 0.5f * (float)(maps->h - 1);
            x = k % 3 == 2 ? 0 : x;
            for (int32_t p = 0; p < maps->h * maps->w; p++) {
                float dx = (float)(p % maps->w) - x, dy = (float)(p / maps->w) - y;
                float peak = expf(-0.5f * (dx * dx + dy * dy) / (maps->sigma * maps->sigma));
                heat[((int64_t)n * maps->h * maps->w + p) * maps->pitch + k] =
                    0.8f * peak + 0.01f * bench_uniform(b);
            }
        }
    if (maps->k > 4)
        heat[maps->k - 1] = maps->k % 2 == 0 ? INFINITY : NAN;
}

static void expect_host(Bench *b, const Maps *maps)
{
    float *scratch = malloc(2 * (size_t)maps->h * (size_t)maps->w * sizeof *scratch);
    const float *heat = b->data[0];
    float *peaks = b->expected[1];

    for (int32_t n = 0; n < maps->n; n++)
        for (int32_t k = 0; k < maps->k; k++) {
            Peak peak = decode_map(heat + (int64_t)n * maps->h * maps->w * maps->pitch + k,
                                   maps->pitch, maps->h, maps->w, maps->sigma, scratch);
            float *to = peaks + ((int64_t)n * maps->k + k) * b->args[1].pitch;
            to[0] = peak.x * b->kernel.loss.stride;
            to[1] = peak.y * b->kernel.loss.stride;
            to[2] = peak.confidence;
        }
    free(scratch);
}

/* Places within a thousandth of a heat-map pixel, confidence to the bit. */
static void expect_near(const Bench *b, const char *name)
{
    const SnugArg *arg = &b->args[1];
    const float *have = b->data[1], *want = b->expected[1];

    for (int64_t p = 0; p < (int64_t)arg->shape.h * arg->shape.w;
         p++, have += arg->pitch, want += arg->pitch) {
        float off = fmaxf(fabsf(have[0] - want[0]), fabsf(have[1] - want[1]));
        if (!(off <= 1e-3f * b->kernel.loss.stride) || have[2] != want[2])
            fail_msg("%s, map %d: (%g, %g) %g, on the host (%g, %g) %g", name, (int)p,
                     (double)have[0], (double)have[1], (double)have[2], (double)want[0],
                     (double)want[1], (double)want[2]);
    }
}

static void peaks_are_the_hosts(void **state)
{
    CardSuite *suite = card_open();
    (void)state;

    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        const Maps *maps = &cases[c];
        Bench *b = card_add(suite, &large_card, "decode");
        b->kernel.kind = SNUG_KERNEL_decode;
        b->kernel.loss = (SnugLoss){.sigma = maps->sigma, .stride = 4};
        bench_arg(b, SNUG_F32, (SnugShape){maps->n, maps->h, maps->w, maps->k}, maps->pitch, 0.0f);
        b->kernel.output_arg = bench_arg(b, SNUG_F32, (SnugShape){1, maps->n, maps->k, 3}, 3, 0.0f);
        b->kernel.args = b->args;
        b->kernel.workspace_bytes = card_workspace_bytes(&large_card, &b->kernel);
        draw(b, maps);
        expect_host(b, maps);
    }
    card_compile(suite);
    for (int32_t k = 0; k < suite->count; k++) {
        card_run(suite, k, suite->images[k].image);
        expect_near(suite->benches[k], suite->names[k]);
    }
    card_close(suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(peaks_are_the_hosts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
