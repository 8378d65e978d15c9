/* Every model at two image sizes, on both devices, and one within less and less memory: the plan
 * passes the checker and its arena is the most that is alive at once, not a byte more; where it is
 * not, the gap is printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/pipeline/pipeline.h"

static const char *const models[] = {"hrnet_w18",   "hrnet_w32", "hrnet_w48",
                                     "hrnetv2_w18", "unet",      "resnet50_deconv"};

/* vram: bytes, all for the plan; 0: without a limit. Returns how many segments have a gap. */
static int plan_model(const char *name, int64_t size, int64_t batch, DeviceKind device,
                      int64_t vram)
{
    Arena *arena = arena_create();
    int gaps = 0;
    Compilation *c = compilation_create(
        &(CompileOptions){.model_path = arena_printf(arena, "%s/models/%s.snug", SOURCE_DIR, name),
                          .batch_size = batch,
                          .image_height = size,
                          .image_width = size,
                          .device = device,
                          .vram_bytes = vram,
                          .reserve_bytes = vram > 0 ? 0 : -1,
                          .threads = 2});
    ExitStatus status = run_pipeline(c, "check", stdout);

    diagnostics_print(c->diags, stderr, false);
    assert_int_equal(status, EXIT_STATUS_ok);
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        const Plan *plan = c->plans[s];
        if (plan == NULL)
            continue;
        assert_true(plan->arena_bytes >= plan->certificate.live_bound);
        assert_true(plan->certificate.live_bound >= plan->certificate.feasibility_floor);
        int64_t gap = plan->arena_bytes - plan->certificate.live_bound;
        if (gap == 0)
            continue;
        gaps++;
        print_message("%s, batch %lld, %lld x %lld: %lld bytes (%.4f %%) above the bound\n", name,
                      (long long)batch, (long long)size, (long long)size, (long long)gap,
                      100.0 * (double)gap / (double)plan->certificate.live_bound);
    }
    compilation_destroy(c);
    arena_destroy(arena);
    return gaps;
}

static void plan_all(int64_t size)
{
    int gaps = 0;

    for (size_t m = 0; m < COUNT_OF(models); m++) {
        gaps += plan_model(models[m], size, 1, DEVICE_host, 0);
        gaps += plan_model(models[m], size, 2, DEVICE_cuda, 0);
    }
    assert_int_equal(gaps, 0);
}

static void packs_256_without_gap(void **state)
{
    (void)state;
    plan_all(256);
}

static void packs_1024_without_gap(void **state)
{
    (void)state;
    plan_all(1024);
}

/* Everything kept needs 3.9 GiB. */
static void packs_within_budgets_without_gap(void **state)
{
    int gaps = 0;
    (void)state;

    for (int64_t mib = 3200; mib >= 1400; mib -= 600)
        gaps += plan_model("hrnet_w18", 512, 16, DEVICE_cuda, mib << 20);
    assert_int_equal(gaps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_256_without_gap),
        cmocka_unit_test(packs_1024_without_gap),
        cmocka_unit_test(packs_within_budgets_without_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
