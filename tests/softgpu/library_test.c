/* The stand-in library as a trainer opens it: by folder, through the runtime's own table of
 * functions, with PTX from NVRTC. Skipped where there is no NVRTC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/card/cuda_api.h"

enum { COUNT = 1000 };

static CudaApi api;

static char *compile(const char *source)
{
    const char *options[] = {"--gpu-architecture=compute_86"};
    NvrtcProgram program;
    size_t size = 0;

    assert_int_equal(api.nvrtcCreateProgram(&program, source, "axpy.cu", 0, NULL, NULL), 0);
    assert_int_equal(api.nvrtcCompileProgram(program, 1, options), 0);
    assert_int_equal(api.nvrtcGetPTXSize(program, &size), 0);
    char *ptx = calloc(1, size + 1);
    assert_int_equal(api.nvrtcGetPTX(program, ptx), 0);
    assert_int_equal(api.nvrtcDestroyProgram(&program), 0);
    return ptx;
}

static void a_program_finds_its_card(void **state)
{
    char name[64];
    int major, minor, count;
    size_t bytes;

    (void)state;
    assert_non_null(strstr(api.driver_path, LIBRARY_FOLDER));
    assert_int_equal(api.cuInit(0), 0);
    assert_int_equal(api.cuDeviceGetCount(&count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(api.cuDeviceGetName(name, sizeof name, 0), 0);
    assert_string_equal(name, "snug software GPU");
    assert_int_equal(api.cuDeviceGetAttribute(&major, CUDA_ATTRIBUTE_CAPABILITY_MAJOR, 0), 0);
    assert_int_equal(api.cuDeviceGetAttribute(&minor, CUDA_ATTRIBUTE_CAPABILITY_MINOR, 0), 0);
    assert_int_equal(10 * major + minor, 86);
    assert_int_equal(api.cuDeviceTotalMem(&bytes, 0), 0);
    assert_int_equal(bytes, 1 << 22);
}

static void it_runs_what_nvrtc_made(void **state)
{
    char *ptx =
        compile("extern \"C\" __global__ void axpy(float a, const float *x, float *y, int n)\n"
                "{ int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
                "  if (i < n) y[i] = a * x[i] + y[i]; }\n");
    float *x, *y, a = 3;
    int n = COUNT;
    CudaContext context;
    CudaStream stream;
    CudaModule module;
    CudaFunction axpy;
    CudaAddress x_at, y_at;
    size_t bytes = COUNT * sizeof(float);

    (void)state;
    assert_int_equal(api.cuDevicePrimaryCtxRetain(&context, 0), 0);
    assert_int_equal(api.cuCtxSetCurrent(context), 0);
    assert_int_equal(api.cuModuleLoadDataEx(&module, ptx, 0, NULL, NULL), 0);
    assert_int_equal(api.cuModuleGetFunction(&axpy, module, "axpy"), 0);
    assert_int_equal(api.cuStreamCreate(&stream, CUDA_STREAM_NON_BLOCKING), 0);
    assert_int_equal(api.cuMemAlloc(&x_at, bytes), 0);
    assert_int_equal(api.cuMemAlloc(&y_at, bytes), 0);
    assert_int_equal(api.cuMemHostAlloc((void **)&x, bytes, 0), 0);
    assert_int_equal(api.cuMemHostAlloc((void **)&y, bytes, 0), 0);
    for (int i = 0; i < COUNT; i++)
        x[i] = (float)i, y[i] = 7;
    assert_int_equal(api.cuMemcpyHtoDAsync(x_at, x, bytes, stream), 0);
    assert_int_equal(api.cuMemcpyHtoDAsync(y_at, y, bytes, stream), 0);
    void *args[] = {&a, &x_at, &y_at, &n};
    assert_int_equal(
        api.cuLaunchKernel(axpy, (COUNT + 127) / 128, 1, 1, 128, 1, 1, 0, stream, args, NULL), 0);
    assert_int_equal(api.cuStreamSynchronize(stream), 0);
    assert_int_equal(api.cuMemcpyDtoH(y, y_at, bytes), 0);
    for (int i = 0; i < COUNT; i++)
        assert_true(y[i] == 3 * (float)i + 7);
    assert_int_equal(api.cuMemFreeHost(x), 0);
    assert_int_equal(api.cuMemFreeHost(y), 0);
    assert_int_equal(api.cuDevicePrimaryCtxRelease(0), 0);
    free(ptx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_finds_its_card),
        cmocka_unit_test(it_runs_what_nvrtc_made),
    };
    Error error;

    setenv("SOFTGPU_MEMORY", "4194304", 1);
    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("softgpu/library: skipped, there is no NVRTC\n");
        return 77;
    }
    if (!cuda_api_open(&api, LIBRARY_FOLDER, &error)) {
        printf("%s: %s\n", error.what, error.why);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
