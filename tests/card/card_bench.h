/* Kernels of a card on the software GPU, compared with the reference in double: the source that the
 * compiler emits, the PTX that the real NVRTC makes of it. Skipped (77) where NVRTC is absent.
 */
#ifndef SNUG_CARD_BENCH_H
#define SNUG_CARD_BENCH_H

#include "compiler/emit/cuda.h"
#include "compiler/ir/ir.h"
#include "compiler/target/tiles.h"
#include "compiler/target/workspace.h"
#include "runtime/card/kernel_cache.h"
#include "tests/softgpu/softgpu.h"
#include "tests/unit/conv_bench.h"

enum { CARD_MAX_KERNELS = 64, CARD_MAX_HEADERS = 32, CARD_PITCH = 8 };

/* fp16 results: half a unit in the last place, and factors that are rounded the other way. */
#define CARD_TOLERANCE 2e-3

/* Few multiprocessors: blocks then make several tiles of small pictures, too. */
static const Card small_card = {.name = "small",
                                .arch = "sm_86",
                                .multiprocessors = 2,
                                .matrix_tflops = 1,
                                .bandwidth_gbs = 10,
                                .launch_us = 3};
static const Card large_card = {.name = "large",
                                .arch = "sm_86",
                                .multiprocessors = 48,
                                .matrix_tflops = 35,
                                .bandwidth_gbs = 500,
                                .launch_us = 3};

/* Kernels to be compiled at once. */
typedef struct CardSuite {
    CudaApi api;
    Arena *arena;
    SoftGpu *gpu;
    Bench *benches[CARD_MAX_KERNELS];
    const Card *cards[CARD_MAX_KERNELS];
    char names[CARD_MAX_KERNELS][64];
    SnugCudaKernel texts[CARD_MAX_KERNELS];
    KernelImage images[CARD_MAX_KERNELS];
    int32_t count;
    const char *headers[CARD_MAX_HEADERS]; /* the texts that are compiled: a test may damage one */
    double worst;                          /* error that card_check has seen */
} CardSuite;

/* Exits with 77 where there is no NVRTC. */
static inline CardSuite *card_open(void)
{
    CardSuite *suite = calloc(1, sizeof *suite);
    Error error = {0};

    if (!cuda_api_open_nvrtc(&suite->api, NULL, 0, &error)) {
        print_message("skipped: %s\n", error.what);
        exit(77);
    }
    suite->arena = arena_create();
    assert_true(cuda_header_count <= CARD_MAX_HEADERS);
    for (int32_t h = 0; h < cuda_header_count; h++)
        suite->headers[h] = cuda_headers[h].text;
    suite->gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = (int64_t)1 << 28, .seed = 5});
    assert_non_null(suite->gpu);
    return suite;
}

static inline void card_close(CardSuite *suite)
{
    for (int32_t k = 0; k < suite->count; k++) {
        free(suite->images[k].image);
        bench_free(suite->benches[k]);
        free(suite->benches[k]);
    }
    softgpu_destroy(suite->gpu);
    arena_destroy(suite->arena);
    free(suite);
}

/* A kernel to fill in; its name is for messages. */
static inline Bench *card_add(CardSuite *suite, const Card *card, const char *name)
{
    int32_t k = suite->count++;
    assert_true(k < CARD_MAX_KERNELS);
    suite->benches[k] = calloc(1, sizeof(Bench));
    suite->cards[k] = card;
    snprintf(suite->names[k], sizeof suite->names[k], "%s", name);
    suite->benches[k]->random = (uint32_t)(7 * k + 3);
    suite->benches[k]->pitch_multiple = CARD_PITCH;
    suite->benches[k]->kernel.weight_arg = -1;
    suite->benches[k]->kernel.output_arg = -1;
    return suite->benches[k];
}

static inline int64_t card_workspace_bytes(const Card *card, const SnugKernel *kernel)
{
    return kernel_workspace(&(Target){.device = DEVICE_cuda, .card = card}, kernel);
}

/* What a block of the kernel will make, once its prologues and weights are there. */
static inline void card_choose_block(Bench *b, const Card *card)
{
    ConvTile tile = {.block = {.rows = 8, .columns = 16}}; /* where there is none */
    b->kernel.args = b->args;
    choose_conv_tile(card, &b->kernel, &tile);
    b->tile = tile.block;
}

/* The source of kernel k, with the args' accesses as fusion has them. */
static inline void card_write_source(CardSuite *suite, int32_t k)
{
    Bench *b = suite->benches[k];
    bool adds = b->kernel.kind == SNUG_KERNEL_conv_wgrad;

    b->kernel.name = "kernel";
    b->kernel.args = b->args;
    b->kernel.parts = b->parts;
    b->args[b->kernel.output_arg].access = adds ? SNUG_ACCUMULATE : SNUG_WRITE;
    for (int32_t r = 0; r < b->kernel.reduction_count; r++)
        b->args[b->kernel.reductions[r].arg].access = SNUG_WRITE;
    if (adds)
        b->kernel.workspace_bytes = card_workspace_bytes(suite->cards[k], &b->kernel);
    SnugProgram program = {.kernels = &b->kernel, .kernel_count = 1};
    cuda_kernel_source(suite->arena, &program, suite->cards[k], 0, &suite->texts[k]);
    suite->images[k] = (KernelImage){.name = suite->names[k], .source = suite->texts[k].source};
}

/* Sources, then code, of all. */
static inline void card_compile(CardSuite *suite)
{
    const char *header_names[CARD_MAX_HEADERS];
    Error error = {0};

    for (int32_t h = 0; h < cuda_header_count; h++)
        header_names[h] = cuda_headers[h].name;
    for (int32_t k = 0; k < suite->count; k++)
        card_write_source(suite, k);
    KernelCompile compile = {.api = &suite->api,
                             .headers = suite->headers,
                             .header_names = header_names,
                             .header_count = cuda_header_count,
                             .is_quiet = true};
    compile.capability = softgpu_capability(suite->gpu, &compile.is_ptx);
    if (!kernel_cache_compile(&compile, suite->images, suite->count, &error))
        fail_msg("%s: %s", error.what, error.why);
}

/* Runs kernel k once on its tensors. What is only written starts as NaN. */
static inline void card_run(CardSuite *suite, int32_t k, const char *ptx)
{
    Bench *b = suite->benches[k];
    uint64_t addresses[MAX_ARGS + 1];
    void *pointers[MAX_ARGS + 1];
    int32_t count = b->kernel.arg_count;
    SoftGpuModule *module = softgpu_load(suite->gpu, ptx, suite->names[k]);

    if (module == NULL)
        fail_msg("%s", softgpu_report(suite->gpu));
    for (int32_t a = 0; a < count; a++) {
        bool is_made = a == b->kernel.output_arg && b->kernel.kind != SNUG_KERNEL_conv_wgrad;
        int64_t bytes = arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type);
        for (int32_t r = 0; r < b->kernel.reduction_count; r++)
            is_made |= b->kernel.reductions[r].arg == a;
        for (int32_t r = 0; is_made && b->kernel.part_count > 0 && r < b->parts[0].out.count; r++)
            is_made &= b->out_code[0][r].op != SNUG_POINT_load || b->out_code[0][r].arg != a;
        addresses[a] = softgpu_allocate(suite->gpu, bytes);
        assert_true(addresses[a] != 0);
        if (!is_made)
            assert_true(softgpu_upload(suite->gpu, addresses[a], b->data[a], bytes));
    }
    if (b->kernel.workspace_bytes > 0)
        addresses[count] = softgpu_allocate(suite->gpu, b->kernel.workspace_bytes);
    for (int32_t a = 0; a <= count; a++)
        pointers[a] = &addresses[a];
    for (int32_t e = 0; e < suite->texts[k].entry_count; e++) {
        const SnugCudaEntry *entry = &suite->texts[k].entries[e];
        SoftGpuKernel *kernel = softgpu_kernel(module, entry->name);
        assert_non_null(kernel);
        assert_true(softgpu_allow_shared(kernel, entry->shared_bytes));
        SoftGpuLaunch launch = {
            .grid = {(uint32_t)entry->grid[0], (uint32_t)entry->grid[1], (uint32_t)entry->grid[2]},
            .block = {(uint32_t)entry->threads, 1, 1},
            .shared_bytes = (uint32_t)entry->shared_bytes,
        };
        if (softgpu_launch(suite->gpu, kernel, &launch, pointers) != SOFTGPU_OK)
            return;
    }
    for (int32_t a = 0; a < count; a++) {
        int64_t bytes = arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type);
        assert_true(softgpu_download(suite->gpu, b->data[a], addresses[a], bytes));
        assert_true(softgpu_free(suite->gpu, addresses[a]));
    }
    if (b->kernel.workspace_bytes > 0)
        assert_true(softgpu_free(suite->gpu, addresses[count]));
    softgpu_unload(suite->gpu, module);
}

/* Elements first, first + step, ... of an arg: the largest |have - want| / (|want| + root mean
 * square). Padding must be zero. */
static inline double card_error(const Bench *b, int32_t a, int64_t first_pixel, int64_t step)
{
    const SnugArg *arg = &b->args[a];
    int64_t pixels = (int64_t)arg->shape.n * arg->shape.h * arg->shape.w, count = 0;
    double square = 0.0, largest = 0.0;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t p = first_pixel; p < pixels; p += step)
            for (int32_t c = 0; c < arg->pitch; c++) {
                double want = read_element(arg, b->expected[a], p * arg->pitch + c);
                double have = read_element(arg, b->data[a], p * arg->pitch + c);
                if (c >= arg->shape.c && have != 0.0)
                    return INFINITY;
                if (!isfinite(have) || !isfinite(want))
                    return INFINITY;
                square += pass == 0 ? want * want : 0.0;
                count += pass == 0;
                double size = fabs(want) + sqrt(square / (double)count) + 1e-30;
                if (pass == 1)
                    largest = fmax(largest, fabs(have - want) / size);
            }
    return largest;
}

/* Every arg is as expected; the rows of partials are compared each by itself. */
static inline void card_check(CardSuite *suite, int32_t k, double tolerance)
{
    const Bench *b = suite->benches[k];

    for (int32_t a = 0; a < b->kernel.arg_count; a++) {
        int32_t rows = 1;
        for (int32_t r = 0; r < b->kernel.reduction_count; r++)
            if (b->kernel.reductions[r].arg == a)
                rows = b->args[a].shape.w;
        for (int32_t row = 0; row < rows; row++) {
            double error = card_error(b, a, row, rows);
            suite->worst = fmax(suite->worst, error);
            if (!(error <= tolerance))
                fail_msg("%s: arg %d, row %d differs by %g, allowed %g", suite->names[k], a, row,
                         error, tolerance);
        }
    }
}

#endif
