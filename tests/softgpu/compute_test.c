/* compute.cu on the software GPU, as NVRTC compiled it with and without optimisation of its own,
 * against the same text compiled for the host. Skipped where there is no NVRTC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nvrtc_text.h"
#include "softgpu.h"

typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
#include "compute.cu"

enum { COUNT = 3000 };

static CudaApi api;
static u32 a[COUNT], b[COUNT], out[COUNT];
static float x[COUNT], y[COUNT];

static const struct {
    const char *name;
    u32 (*host)(u32 a, u32 b, float x, float y);
} programs[] = {
#define ROW(name) {"run_" #name, name},
    PROGRAMS(ROW)
#undef ROW
};

static char *compile(const char *option)
{
    const char *options[] = {"--gpu-architecture=compute_86", "--fmad=false", option};
    char *source = read_cuda_text(SOURCE_DIR "/compute.cu");
    char *ptx = compile_cuda_text(&api, source, "compute.cu", options, 3);

    free(source);
    return ptx;
}

/* Small and large numbers, signs, some powers of two; floats of moderate size. */
static void make_numbers(void)
{
    u32 random = 12345;

    for (int i = 0; i < COUNT; i++) {
        random = random * 1664525 + 1013904223;
        a[i] = i % 3 == 0 ? random >> 20 : i % 7 == 0 ? 1u << random % 32 : random;
        random = random * 1664525 + 1013904223;
        b[i] = i % 5 == 0 ? random >> 22 : random;
        random = random * 1664525 + 1013904223;
        x[i] = (float)(s32)random / (float)(1 << (10 + i % 12));
        y[i] = i % 11 == 0 ? x[i] : (float)(s32)(random * 77) / 65536.0f;
    }
}

static uint64_t upload(SoftGpu *gpu, const void *from, int64_t bytes)
{
    uint64_t at = softgpu_allocate(gpu, bytes);

    assert_true(softgpu_upload(gpu, at, from, bytes));
    return at;
}

static void check_programs(const char *option)
{
    char *ptx = compile(option);
    SoftGpu *gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = 1 << 20});
    SoftGpuModule *module = softgpu_load(gpu, ptx, "compute.ptx");
    int n = COUNT, wrong = 0;

    if (!module)
        fail_msg("%s: %s", option, softgpu_report(gpu));
    uint64_t a_at = upload(gpu, a, sizeof a), b_at = upload(gpu, b, sizeof b);
    uint64_t x_at = upload(gpu, x, sizeof x), y_at = upload(gpu, y, sizeof y);
    uint64_t out_at = upload(gpu, out, sizeof out);
    void *args[] = {&a_at, &b_at, &x_at, &y_at, &out_at, &n};
    SoftGpuLaunch launch = {.grid = {(COUNT + 95) / 96, 1, 1}, .block = {96, 1, 1}};
    for (size_t p = 0; p < sizeof programs / sizeof programs[0]; p++) {
        if (softgpu_launch(gpu, softgpu_kernel(module, programs[p].name), &launch, args))
            fail_msg("%s: %s: %s", option, programs[p].name, softgpu_report(gpu));
        assert_true(softgpu_download(gpu, out, out_at, sizeof out));
        for (int i = 0; i < COUNT; i++) {
            u32 expected = programs[p].host(a[i], b[i], x[i], y[i]);
            if (out[i] != expected && wrong++ < 5)
                print_error("%s %s(%u, %u, %a, %a) = 0x%x, expected 0x%x\n", option,
                            programs[p].name, a[i], b[i], (double)x[i], (double)y[i], out[i],
                            expected);
        }
    }
    softgpu_destroy(gpu);
    free(ptx);
    assert_int_equal(wrong, 0);
}

static void programs_give_the_hosts_bits(void **state)
{
    (void)state;
    check_programs("--generate-line-info");
}

static void programs_for_debuggers_do_too(void **state)
{
    (void)state;
    check_programs("--device-debug");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_give_the_hosts_bits),
        cmocka_unit_test(programs_for_debuggers_do_too),
    };
    Error error;

    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("softgpu/compute: skipped, there is no NVRTC\n");
        return 77;
    }
    make_numbers();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
