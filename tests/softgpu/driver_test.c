/* The stand-in driver: errors as the real one gives them, order of work, graphs, cuBLAS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_subset.h"
#include "half.h"

enum { COUNT = 256, BYTES = COUNT * 4, CARD = 1 << 20 };

/* y[i] = x[i] + 1, one thread each */
static const char add_one[] =
    ".version 8.0\n.target sm_86\n.address_size 64\n"
    ".visible .entry add_one(.param .u64 x, .param .u64 y)\n{\n.reg .b32 %r<6>;\n.reg .b64 %d<6>;\n"
    "ld.param.u64 %d1, [x];\nld.param.u64 %d2, [y];\nmov.u32 %r1, %tid.x;\nmul.wide.u32 %d3, %r1, "
    "4;\n"
    "add.s64 %d1, %d1, %d3;\nadd.s64 %d2, %d2, %d3;\nld.global.u32 %r2, [%d1];\n"
    "add.s32 %r2, %r2, 1;\nst.global.u32 [%d2], %r2;\nret;\n}\n"
    ".visible .entry bad(.param .u64 x)\n{\n.reg .b32 %r<3>;\n.reg .b64 %d<3>;\n"
    "ld.param.u64 %d1, [x];\nst.global.u32 [%d1+1024], 7;\nret;\n}\n";

typedef struct Card {
    CUcontext context;
    CUmodule module;
    CUfunction kernel, bad;
    CUdeviceptr x, y, z;
} Card;

static int open_card(void **state)
{
    static Card card;

    setenv("SOFTGPU_MEMORY", "1048576", 1);
    assert_int_equal(cuInit(0), CUDA_SUCCESS);
    assert_int_equal(cuDevicePrimaryCtxRetain(&card.context, 0), CUDA_SUCCESS);
    assert_int_equal(cuCtxSetCurrent(card.context), CUDA_SUCCESS);
    assert_int_equal(cuModuleLoadDataEx(&card.module, add_one, 0, NULL, NULL), CUDA_SUCCESS);
    assert_int_equal(cuModuleGetFunction(&card.kernel, card.module, "add_one"), CUDA_SUCCESS);
    assert_int_equal(cuModuleGetFunction(&card.bad, card.module, "bad"), CUDA_SUCCESS);
    assert_int_equal(cuMemAlloc_v2(&card.x, BYTES), CUDA_SUCCESS);
    assert_int_equal(cuMemAlloc_v2(&card.y, BYTES), CUDA_SUCCESS);
    assert_int_equal(cuMemAlloc_v2(&card.z, BYTES), CUDA_SUCCESS);
    assert_int_equal(cuMemsetD32_v2(card.x, 0, COUNT), CUDA_SUCCESS);
    assert_int_equal(cuMemsetD32_v2(card.y, 0, COUNT), CUDA_SUCCESS);
    assert_int_equal(cuMemsetD32_v2(card.z, 0, COUNT), CUDA_SUCCESS);
    assert_int_equal(cuCtxSynchronize(), CUDA_SUCCESS);
    *state = &card;
    return 0;
}

static int close_card(void **state)
{
    (void)state;
    assert_int_equal(cuDevicePrimaryCtxRelease_v2(0), CUDA_SUCCESS);
    assert_int_equal(cuCtxSetCurrent(NULL), CUDA_SUCCESS);
    return 0;
}

static CUresult launch(const Card *card, CUdeviceptr x, CUdeviceptr y, CUstream stream)
{
    void *args[] = {&x, &y};

    return cuLaunchKernel(card->kernel, 1, 1, 1, COUNT, 1, 1, 0, stream, args, NULL);
}

static uint32_t first_of(CUdeviceptr at)
{
    uint32_t values[COUNT];

    assert_int_equal(cuMemcpyDtoH_v2(values, at, sizeof values), CUDA_SUCCESS);
    for (int i = 1; i < COUNT; i++)
        assert_int_equal(values[i], values[0]);
    return values[0];
}

/* After a fault every call gives its error. */
static void check_race(void)
{
    const char *text;
    CUresult result = cuCtxSynchronize();

    assert_int_equal(result, CUDA_ERROR_LAUNCH_FAILED);
    assert_int_equal(cuGetErrorString(result, &text), CUDA_SUCCESS);
    assert_non_null(strstr(text, "nothing orders the two"));
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void a_context_comes_first(void **state)
{
    CUdeviceptr at;
    CUcontext context;
    const char *name;
    int count;

    (void)state;
    assert_int_equal(cuMemAlloc_v2(&at, 16), CUDA_ERROR_NOT_INITIALIZED);
    assert_int_equal(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
    assert_int_equal(cuInit(0), CUDA_SUCCESS);
    assert_int_equal(cuMemAlloc_v2(&at, 16), CUDA_ERROR_INVALID_CONTEXT);
    assert_int_equal(cuDevicePrimaryCtxRetain(&context, 1), CUDA_ERROR_INVALID_DEVICE);
    assert_int_equal(cuGetErrorName(CUDA_ERROR_INVALID_CONTEXT, &name), CUDA_SUCCESS);
    assert_string_equal(name, "CUDA_ERROR_INVALID_CONTEXT");
    assert_int_equal(cuGetErrorName((CUresult)12345, &name), CUDA_ERROR_INVALID_VALUE);
}

static void the_card_holds_what_it_holds(void **state)
{
    size_t free_bytes, total;
    CUdeviceptr at;

    (void)state;
    assert_int_equal(cuMemGetInfo_v2(&free_bytes, &total), CUDA_SUCCESS);
    assert_int_equal(total, CARD);
    assert_int_equal(free_bytes, CARD - 3 * BYTES);
    assert_int_equal(cuMemAlloc_v2(&at, free_bytes + 1), CUDA_ERROR_OUT_OF_MEMORY);
    assert_int_equal(cuMemAlloc_v2(&at, 0), CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(cuMemAlloc_v2(&at, free_bytes), CUDA_SUCCESS);
    assert_int_equal(cuMemFree_v2(at + 8), CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(cuMemFree_v2(at), CUDA_SUCCESS);
}

static void modules_are_ptx(void **state)
{
    char log[256] = "";
    int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {log, (void *)(uintptr_t)sizeof log};
    CUmodule module;
    CUfunction function;
    Card *card = *state;

    assert_int_equal(cuModuleLoadData(&module, "\177ELF...."), CUDA_ERROR_NO_BINARY_FOR_GPU);
    assert_int_equal(cuModuleLoadData(&module, "hello"), CUDA_ERROR_INVALID_IMAGE);
    assert_int_equal(
        cuModuleLoadDataEx(&module, ".version 8.0\n.entry k() { wgmma.x; }", 2, options, values),
        CUDA_ERROR_INVALID_PTX);
    assert_non_null(strstr(log, "'wgmma.x' is not executed"));
    assert_int_equal(cuModuleGetFunction(&function, card->module, "none"), CUDA_ERROR_NOT_FOUND);
}

static void launches_are_checked_when_they_are_made(void **state)
{
    Card *card = *state;
    void *args[] = {&card->x, &card->y};
    int value;

    assert_int_equal(cuLaunchKernel(card->kernel, 1, 1, 1, 1025, 1, 1, 0, NULL, args, NULL),
                     CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(cuLaunchKernel(card->kernel, 1, 1, 1, 32, 1, 1, 49153, NULL, args, NULL),
                     CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(cuFuncSetAttribute(card->kernel,
                                        CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                        99 * 1024 + 1),
                     CUDA_ERROR_INVALID_VALUE);
    assert_int_equal(cuFuncSetAttribute(card->kernel,
                                        CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 99 * 1024),
                     CUDA_SUCCESS);
    assert_int_equal(
        cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, card->kernel),
        CUDA_SUCCESS);
    assert_int_equal(value, 99 * 1024);
    assert_int_equal(cuLaunchKernel(card->kernel, 1, 1, 1, 32, 1, 1, 49153, NULL, args, NULL),
                     CUDA_SUCCESS);
    assert_int_equal(cuCtxSynchronize(), CUDA_SUCCESS);
}

static void a_fault_stays(void **state)
{
    Card *card = *state;
    void *args[] = {&card->z};
    const char *text;
    CUdeviceptr at;

    assert_int_equal(cuLaunchKernel(card->bad, 1, 1, 1, 1, 1, 1, 0, NULL, args, NULL),
                     CUDA_SUCCESS);
    assert_int_equal(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(cuMemAlloc_v2(&at, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_int_equal(cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text), CUDA_SUCCESS);
    assert_non_null(strstr(text, "bad, PTX line"));
}

/* The file has a line a kernel that ran, launches and bytes added up. */
static void counters_go_to_a_file(void **state)
{
    const char *path = "softgpu_counters.csv";
    char text[1024] = "";
    Card *card;

    setenv("SOFTGPU_COUNTERS", path, 1);
    open_card(state);
    card = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(launch(card, card->x, card->y, NULL), CUDA_SUCCESS);
    assert_int_equal(cuModuleUnload(card->module), CUDA_SUCCESS);
    close_card(state);
    unsetenv("SOFTGPU_COUNTERS");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    remove(path);
    assert_non_null(strstr(text, "\nadd_one,3,"));
    assert_non_null(strstr(text, ",0,3072,3072,3072,3072\n"));
    assert_null(strstr(text, "\nbad,"));
}

/* ---- order ----------------------------------------------------------------------------------- */

static void a_stream_keeps_its_order(void **state)
{
    Card *card = *state;
    CUstream stream;

    assert_int_equal(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    for (int i = 0; i < 10; i++)
        assert_int_equal(launch(card, i % 2 ? card->y : card->x, i % 2 ? card->x : card->y, stream),
                         CUDA_SUCCESS);
    assert_int_equal(cuStreamSynchronize(stream), CUDA_SUCCESS);
    assert_int_equal(first_of(card->x), 10);
    assert_int_equal(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
}

/* Stream 2 reads what stream 1 wrote, with and without the event. */
static CUresult across_streams(Card *card, bool waits)
{
    CUstream one, two;
    CUevent event;

    cuStreamCreate(&one, CU_STREAM_NON_BLOCKING);
    cuStreamCreate(&two, CU_STREAM_NON_BLOCKING);
    cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
    assert_int_equal(launch(card, card->x, card->y, one), CUDA_SUCCESS);
    assert_int_equal(cuEventRecord(event, one), CUDA_SUCCESS);
    if (waits)
        assert_int_equal(cuStreamWaitEvent(two, event, 0), CUDA_SUCCESS);
    assert_int_equal(launch(card, card->y, card->z, two), CUDA_SUCCESS);
    CUresult result = cuCtxSynchronize();
    cuEventDestroy_v2(event);
    cuStreamDestroy_v2(one);
    cuStreamDestroy_v2(two);
    return result;
}

static void an_event_orders_two_streams(void **state)
{
    Card *card = *state;

    assert_int_equal(across_streams(card, true), CUDA_SUCCESS);
    assert_int_equal(first_of(card->z), 2);
}

static void a_missing_event_is_a_race(void **state)
{
    assert_int_equal(across_streams(*state, false), CUDA_ERROR_LAUNCH_FAILED);
    check_race();
}

/* A buffer placed over one that another stream still reads. */
static void a_buffer_over_a_live_one_is_a_race(void **state)
{
    Card *card = *state;
    CUstream one, two;

    cuStreamCreate(&one, CU_STREAM_NON_BLOCKING);
    cuStreamCreate(&two, CU_STREAM_NON_BLOCKING);
    assert_int_equal(launch(card, card->x, card->y, one), CUDA_SUCCESS);
    assert_int_equal(launch(card, card->z, card->x, two), CUDA_SUCCESS);
    check_race();
}

/* What the host has waited for is before what it asks for next. */
static void the_host_orders_too(void **state)
{
    Card *card = *state;
    CUstream one, two;

    cuStreamCreate(&one, CU_STREAM_NON_BLOCKING);
    cuStreamCreate(&two, CU_STREAM_NON_BLOCKING);
    assert_int_equal(launch(card, card->x, card->y, one), CUDA_SUCCESS);
    assert_int_equal(cuStreamSynchronize(one), CUDA_SUCCESS);
    assert_int_equal(launch(card, card->y, card->z, two), CUDA_SUCCESS);
    assert_int_equal(cuCtxSynchronize(), CUDA_SUCCESS);
    assert_int_equal(first_of(card->z), 2);
}

static void copies_from_pinned_memory_are_late(void **state)
{
    Card *card = *state;
    uint32_t *pinned, pageable[COUNT];
    CUstream stream;

    cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
    assert_int_equal(cuMemHostAlloc((void **)&pinned, BYTES, 0), CUDA_SUCCESS);
    for (int i = 0; i < COUNT; i++)
        pinned[i] = pageable[i] = 5;
    assert_int_equal(cuMemcpyHtoDAsync_v2(card->x, pinned, BYTES, stream), CUDA_SUCCESS);
    assert_int_equal(cuMemcpyHtoDAsync_v2(card->y, pageable, BYTES, stream), CUDA_SUCCESS);
    for (int i = 0; i < COUNT; i++)
        pinned[i] = pageable[i] = 6;
    assert_int_equal(cuStreamSynchronize(stream), CUDA_SUCCESS);
    assert_int_equal(first_of(card->x), 6);
    assert_int_equal(first_of(card->y), 5);
    assert_int_equal(cuMemFreeHost(pinned), CUDA_SUCCESS);
    assert_int_equal(cuMemFreeHost(pageable), CUDA_ERROR_INVALID_VALUE);
}

/* ---- graphs ---------------------------------------------------------------------------------- */

/* x -> y on one branch, x -> z on the other, joined, y -> x; `joins`: what a mistake leaves out. */
static CUresult capture(Card *card, CUstream one, CUstream two, bool forks, bool joins,
                        CUgraph *graph)
{
    CUevent fork, join;

    cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING);
    cuEventCreate(&join, CU_EVENT_DISABLE_TIMING);
    assert_int_equal(cuStreamBeginCapture_v2(one, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    assert_int_equal(launch(card, card->x, card->x, one), CUDA_SUCCESS);
    assert_int_equal(cuEventRecord(fork, one), CUDA_SUCCESS);
    if (forks)
        assert_int_equal(cuStreamWaitEvent(two, fork, 0), CUDA_SUCCESS);
    assert_int_equal(launch(card, card->x, card->y, one), CUDA_SUCCESS);
    if (forks) {
        assert_int_equal(launch(card, card->x, card->z, two), CUDA_SUCCESS);
        assert_int_equal(cuEventRecord(join, two), CUDA_SUCCESS);
    }
    if (joins)
        assert_int_equal(cuStreamWaitEvent(one, join, 0), CUDA_SUCCESS);
    assert_int_equal(launch(card, card->y, card->x, one), CUDA_SUCCESS);
    CUresult result = cuStreamEndCapture(one, graph);
    cuEventDestroy_v2(fork);
    cuEventDestroy_v2(join);
    return result;
}

static void a_captured_graph_runs_as_often_as_launched(void **state)
{
    Card *card = *state;
    CUstream one, two;
    CUgraph graph;
    CUgraphExec exec;
    size_t count = 0;

    cuStreamCreate(&one, CU_STREAM_NON_BLOCKING);
    cuStreamCreate(&two, CU_STREAM_NON_BLOCKING);
    assert_int_equal(capture(card, one, two, true, true, &graph), CUDA_SUCCESS);
    assert_int_equal(cuGraphGetNodes(graph, NULL, &count), CUDA_SUCCESS);
    assert_int_equal(count, 4);
    assert_int_equal(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
    assert_int_equal(cuGraphDestroy(graph), CUDA_SUCCESS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cuGraphLaunch(exec, one), CUDA_SUCCESS);
    assert_int_equal(cuStreamSynchronize(one), CUDA_SUCCESS);
    assert_int_equal(first_of(card->x), 9);
    assert_int_equal(first_of(card->z), 8);
    assert_int_equal(cuGraphExecDestroy(exec), CUDA_SUCCESS);
}

static void a_branch_must_come_back(void **state)
{
    CUstream one, two;
    CUgraph graph;

    cuStreamCreate(&one, CU_STREAM_NON_BLOCKING);
    cuStreamCreate(&two, CU_STREAM_NON_BLOCKING);
    assert_int_equal(capture(*state, one, two, true, false, &graph),
                     CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    assert_null(graph);
}

static void calls_that_wait_are_refused_in_a_capture(void **state)
{
    Card *card = *state;
    CUstream stream;
    CUdeviceptr at;
    CUgraph graph;
    CUevent event;

    cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
    cuEventCreate(&event, 0);
    assert_int_equal(cuEventRecord(event, NULL), CUDA_SUCCESS);
    for (int call = 0; call < 4; call++) {
        assert_int_equal(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL),
                         CUDA_SUCCESS);
        CUresult result = call == 0   ? cuMemAlloc_v2(&at, 16)
                          : call == 1 ? cuStreamSynchronize(stream)
                          : call == 2 ? cuCtxSynchronize()
                                      : cuMemFree_v2(card->x);
        assert_int_equal(result, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
        assert_int_equal(launch(card, card->x, card->y, stream),
                         CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        assert_int_equal(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    }
    assert_int_equal(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
    assert_int_equal(cuStreamWaitEvent(stream, event, 0), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    assert_int_equal(cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    assert_int_equal(cuStreamBeginCapture_v2(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL),
                     CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    assert_int_equal(cuCtxSynchronize(), CUDA_SUCCESS);
}

/* Node 1 writes y, node 2 reads it. */
static void launch_pair(Card *card, bool edge)
{
    CUdeviceptr args[2][2] = {{card->x, card->y}, {card->y, card->z}};
    CUgraph graph;
    CUgraphExec exec;
    CUgraphNode nodes[2];

    assert_int_equal(cuGraphCreate(&graph, 0), CUDA_SUCCESS);
    for (int i = 0; i < 2; i++) {
        void *parameters[] = {&args[i][0], &args[i][1]};
        CUDA_KERNEL_NODE_PARAMS kernel = {.func = card->kernel,
                                          .gridDimX = 1,
                                          .gridDimY = 1,
                                          .gridDimZ = 1,
                                          .blockDimX = COUNT,
                                          .blockDimY = 1,
                                          .blockDimZ = 1,
                                          .kernelParams = parameters};
        assert_int_equal(
            cuGraphAddKernelNode_v2(&nodes[i], graph, nodes, i && edge ? 1 : 0, &kernel),
            CUDA_SUCCESS);
    }
    assert_int_equal(cuGraphInstantiateWithFlags(&exec, graph, 0), CUDA_SUCCESS);
    assert_int_equal(cuGraphLaunch(exec, NULL), CUDA_SUCCESS);
    cuCtxSynchronize();
    cuGraphExecDestroy(exec);
    cuGraphDestroy(graph);
}

static void a_graphs_edge_orders(void **state)
{
    Card *card = *state;

    launch_pair(card, true);
    assert_int_equal(first_of(card->z), 2);
}

static void a_missing_edge_is_a_race(void **state)
{
    launch_pair(*state, false);
    check_race();
}

/* ---- cuBLAS ---------------------------------------------------------------------------------- */

typedef struct cublasContext *cublasHandle_t;
int cublasCreate_v2(cublasHandle_t *handle);
int cublasDestroy_v2(cublasHandle_t handle);
int cublasSetStream_v2(cublasHandle_t handle, CUstream stream);
int cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes);
int cublasGemmEx(cublasHandle_t handle, int transposed_a, int transposed_b, int m, int n, int k,
                 const void *alpha, const void *a, int a_type, int lda, const void *b, int b_type,
                 int ldb, const void *beta, void *c, int c_type, int ldc, int compute,
                 int algorithm);

/* Column-major 4 x 3 = (4 x 5) (5 x 3), A stored transposed; fp16 in, f32 out. */
static void gemm_multiplies_columns(void **state)
{
    Card *card = *state;
    enum { M = 4, N = 3, K = 5, R_16F = 2, R_32F = 0, COMPUTE_32F = 68 };
    uint16_t a[M * K], b[K * N];
    float c[M * N], alpha = 2, beta = 0;
    cublasHandle_t handle;
    CUstream stream;

    for (int i = 0; i < M * K; i++)
        a[i] = half_from_double(i - 7, ROUND_nearest_even);
    for (int i = 0; i < K * N; i++)
        b[i] = half_from_double(0.5 * i, ROUND_nearest_even);
    cuMemcpyHtoD_v2(card->x, a, sizeof a);
    cuMemcpyHtoD_v2(card->y, b, sizeof b);
    cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING);
    assert_int_equal(cublasCreate_v2(&handle), 0);
    assert_int_equal(cublasSetStream_v2(handle, stream), 0);
    assert_int_equal(cublasSetWorkspace_v2(handle, (void *)(uintptr_t)card->z, BYTES + 1), 7);
    assert_int_equal(cublasGemmEx(handle, 1, 0, M, N, K, &alpha, (void *)(uintptr_t)card->x, R_16F,
                                  K, (void *)(uintptr_t)card->y, R_16F, K, &beta,
                                  (void *)(uintptr_t)card->z, R_32F, M, COMPUTE_32F, -1),
                     0);
    assert_int_equal(cuStreamSynchronize(stream), CUDA_SUCCESS);
    assert_int_equal(cuMemcpyDtoH_v2(c, card->z, sizeof c), CUDA_SUCCESS);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += (float)(i * K + k - 7) * 0.5f * (float)(j * K + k);
            assert_true(c[j * M + i] == 2 * sum);
        }
    assert_int_equal(cublasDestroy_v2(handle), 0);
}

#define ON_A_CARD(test) cmocka_unit_test_setup_teardown(test, open_card, close_card)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_comes_first),
        ON_A_CARD(the_card_holds_what_it_holds),
        ON_A_CARD(modules_are_ptx),
        ON_A_CARD(launches_are_checked_when_they_are_made),
        ON_A_CARD(a_fault_stays),
        cmocka_unit_test(counters_go_to_a_file),
        ON_A_CARD(a_stream_keeps_its_order),
        ON_A_CARD(an_event_orders_two_streams),
        ON_A_CARD(a_missing_event_is_a_race),
        ON_A_CARD(a_buffer_over_a_live_one_is_a_race),
        ON_A_CARD(the_host_orders_too),
        ON_A_CARD(copies_from_pinned_memory_are_late),
        ON_A_CARD(a_captured_graph_runs_as_often_as_launched),
        ON_A_CARD(a_branch_must_come_back),
        ON_A_CARD(calls_that_wait_are_refused_in_a_capture),
        ON_A_CARD(a_graphs_edge_orders),
        ON_A_CARD(a_missing_edge_is_a_race),
        ON_A_CARD(gemm_multiplies_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
