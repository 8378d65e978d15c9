/* A pipelined tensor-core GEMM through NVRTC: right as it is, and with each of its mistakes
 * reported by the name of what is wrong. Skipped where there is no NVRTC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "half.h"
#include "nvrtc_text.h"
#include "softgpu.h"

enum { M = 150, N = 128, K = 160 };

static CudaApi api;
static char *source;

/* PTX of gemm.cu with this mistake ("": none); free it. */
static char *compile(const char *mistake)
{
    char define[64];
    const char *options[] = {"--gpu-architecture=compute_86", "--generate-line-info", define};

    snprintf(define, sizeof define, "-DFAULT_%s", mistake);
    return compile_cuda_text(&api, source, "gemm.cu", options, 3);
}

/* Numbers of a few bits, so that sums are exact in f32 and in any order. */
static uint16_t small_half(uint32_t i)
{
    return half_from_double(((int)(i * 2654435761u >> 28) - 8) * 0.25, ROUND_nearest_even);
}

typedef struct Problem {
    uint16_t a[M * K], b[K * N];
    float scales[N], c[M * N], expected[M * N];
} Problem;

static void make_problem(Problem *p)
{
    for (uint32_t i = 0; i < M * K; i++)
        p->a[i] = small_half(i);
    for (uint32_t i = 0; i < K * N; i++)
        p->b[i] = small_half(i + 12345);
    for (int i = 0; i < N; i++)
        p->scales[i] = (float)(1 << i % 3);
    for (int row = 0; row < M; row++)
        for (int column = 0; column < N; column++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += float_from_half(p->a[row * K + k]) * float_from_half(p->b[k * N + column]);
            p->expected[row * N + column] = p->scales[column] * sum;
        }
}

static uint64_t upload(SoftGpu *gpu, const void *from, int64_t bytes)
{
    uint64_t at = softgpu_allocate(gpu, bytes);

    assert_int_not_equal(at, 0);
    assert_true(softgpu_upload(gpu, at, from, bytes));
    return at;
}

/* Runs the kernel; the device is the caller's to ask and to destroy. */
static SoftGpu *run(const char *ptx, Problem *p)
{
    SoftGpu *gpu =
        softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 24, .seed = 3, .check_blocks = true});
    SoftGpuModule *module = softgpu_load(gpu, ptx, "gemm.ptx");
    int m = M, n = N, k = K;

    if (!module)
        fail_msg("%s", softgpu_report(gpu));
    SoftGpuKernel *kernel = softgpu_kernel(module, "gemm");
    uint64_t a = upload(gpu, p->a, sizeof p->a), b = upload(gpu, p->b, sizeof p->b);
    uint64_t scales = upload(gpu, p->scales, sizeof p->scales);
    uint64_t c = softgpu_allocate(gpu, sizeof p->c);
    void *args[] = {&a, &b, &scales, &c, &m, &n, &k};
    SoftGpuLaunch launch = {.grid = {N / 64, (M + 63) / 64, 1},
                            .block = {128, 1, 1},
                            .shared_bytes = 3 * (64 * 40 + 32 * 72) * 2};
    softgpu_launch(gpu, kernel, &launch, args);
    softgpu_download(gpu, p->c, c, sizeof p->c);
    return gpu;
}

static void it_multiplies(void **state)
{
    Problem *p = *state;
    char *ptx = compile("none");
    SoftGpu *gpu = run(ptx, p);

    assert_string_equal(softgpu_report(gpu), "");
    for (int i = 0; i < M * N; i++)
        assert_true(p->c[i] == p->expected[i]);
    softgpu_destroy(gpu);
    free(ptx);
}

static void it_counts_its_work(void **state)
{
    Problem *p = *state;
    char *ptx = compile("none");
    SoftGpu *gpu = run(ptx, p);
    SoftGpuCounters counters = softgpu_last_counters(gpu);
    assert_int_equal(counters.macs, (int64_t)192 * N * K);
    assert_int_equal(counters.touched_written_bytes, sizeof p->c);
    softgpu_destroy(gpu);
    free(ptx);
}

static void each_mistake_is_named(void **state)
{
    static const struct {
        const char *mistake, *says;
        SoftGpuFault fault, or_fault;
    } mistakes[] = {
        {"weak_wait", "has not been waited for", SOFTGPU_FAULT_async_pending, 0},
        {"no_loop_barrier", "gemm.cu:", SOFTGPU_FAULT_shared_race, SOFTGPU_FAULT_async_pending},
        {"no_scale_barrier", "no barrier between", SOFTGPU_FAULT_shared_race, 0},
        {"no_reuse_barrier", "no barrier between", SOFTGPU_FAULT_shared_race, 0},
        {"no_store_barrier", "no barrier between", SOFTGPU_FAULT_shared_race, 0},
        {"slot_off_by_one", "gemm.cu:", SOFTGPU_FAULT_shared_race, SOFTGPU_FAULT_async_pending},
        {"row_outside", "behind the end", SOFTGPU_FAULT_out_of_bounds, 0},
        {"misaligned", "no multiple of", SOFTGPU_FAULT_misaligned, 0},
    };
    Problem *p = *state;

    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        char *ptx = compile(mistakes[i].mistake);
        SoftGpu *gpu = run(ptx, p);
        SoftGpuFault fault = softgpu_fault(gpu);
        bool expected =
            fault == mistakes[i].fault || (mistakes[i].or_fault && fault == mistakes[i].or_fault);
        if (!expected || !strstr(softgpu_report(gpu), mistakes[i].says))
            fail_msg("%s: fault %d, the report is: %s", mistakes[i].mistake, fault,
                     softgpu_report(gpu));
        softgpu_destroy(gpu);
        free(ptx);
    }
}

static int set_up(void **state)
{
    Problem *p = calloc(1, sizeof *p);

    make_problem(p);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_multiplies),
        cmocka_unit_test(it_counts_its_work),
        cmocka_unit_test(each_mistake_is_named),
    };
    Error error;

    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("softgpu/gemm: skipped, there is no NVRTC\n");
        return 77;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    source = read_cuda_text(SOURCE_DIR "/gemm.cu");
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    free(source);
    return failed;
}
