/* The host device with a program written by hand: a conv of the picture, relu, a sum; an update.
 *
 *     picture --conv--> z --relu, sum--> y, partials --combine--> gradient       micro_step
 *     gradient, weight ...                                                        update
 *
 * What it promises: tables that do not fit are refused with a command, the same bits every time, no
 * allocation in a step, poison and guards that hold.
 */
#include "host_reference.h"

#include "runtime/device.h"
#include "runtime/machine.h"
#include "runtime/system/os.h"

/* ---- every allocation of the process passes here --------------------------------------------- */

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static volatile int watching;
static volatile size_t largest;

static void watch(size_t size)
{
    if (watching && size > largest)
        largest = size;
}

void *malloc(size_t size)
{
    watch(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    watch(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    watch(size);
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    watch(size);
    return __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    watch(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    watch(size);
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : 12;
}
#endif

/* ---- the program ----------------------------------------------------------------------------- */

enum { SIDE = 64, CHANNELS = 18, TAPS = CHANNELS * 9 * 3, ROWS = 8, PARTIALS = SIDE / ROWS };
enum { IMAGE, WEIGHT, BIAS, SCALARS, Z, Y, SUMS, BIAS_GRAD, WORK_CONV, WORK_MAP, BUFFERS };
enum { CONV, RELU, COMBINE, NORM, ADAMW, KERNELS };

typedef struct Model {
    SnugArg conv_args[3], relu_args[3], combine_args[2], scalar_args[1];
    SnugPoint image[1], core[1], relu[2];
    SnugPart parts[2];
    SnugKernel kernels[KERNELS];
    SnugBuffer buffers[BUFFERS];
    int32_t conv_buffers[4], relu_buffers[4], combine_buffers[2], scalar_buffers[1];
    SnugLaunch step[3], update[2];
    SnugParam params[2];
    SnugProgram program;
} Model;

static void place(Model *m, int32_t buffer, int64_t bytes)
{
    int64_t aligned = (bytes + SNUG_ALIGNMENT - 1) / SNUG_ALIGNMENT * SNUG_ALIGNMENT;
    m->buffers[buffer] = (SnugBuffer){.offset = m->program.total_bytes, .bytes = aligned};
    m->program.total_bytes += aligned;
}

static void make_kernels(Model *m, SnugType type)
{
    SnugShape picture = {1, SIDE, SIDE, 3}, z = {1, SIDE, SIDE, CHANNELS};
    m->conv_args[0] = (SnugArg){SNUG_READ, SNUG_U8, picture, 3};
    m->conv_args[1] = (SnugArg){SNUG_READ, SNUG_F32, {CHANNELS, 3, 3, 3}, 3};
    m->conv_args[2] = (SnugArg){SNUG_WRITE, type, z, CHANNELS};
    m->relu_args[0] = (SnugArg){SNUG_READ, type, z, CHANNELS};
    m->relu_args[1] = (SnugArg){SNUG_WRITE, type, z, CHANNELS};
    m->relu_args[2] = (SnugArg){SNUG_WRITE, SNUG_F32, {1, PARTIALS, 1, CHANNELS}, CHANNELS};
    m->combine_args[0] = m->relu_args[2];
    m->combine_args[0].access = SNUG_READ;
    m->combine_args[1] = (SnugArg){SNUG_ACCUMULATE, SNUG_F32, {1, 1, 1, CHANNELS}, CHANNELS};
    m->scalar_args[0] =
        (SnugArg){SNUG_ACCUMULATE, SNUG_F32, {1, 1, 1, SNUG_SCALAR_COUNT}, SNUG_SCALAR_COUNT};
    m->image[0] = (SnugPoint){.op = SNUG_POINT_load, .arg = 0};
    m->core[0] = (SnugPoint){.op = SNUG_POINT_core};
    m->relu[0] = (SnugPoint){.op = SNUG_POINT_load, .arg = 0};
    m->relu[1] = (SnugPoint){.op = SNUG_POINT_relu, .a = 0};
    m->parts[0] = (SnugPart){0, CHANNELS, {m->core, 1}};
    m->parts[1] = (SnugPart){0, CHANNELS, {m->relu, 2}};
    m->kernels[CONV] = (SnugKernel){
        .name = "conv",
        .kind = SNUG_KERNEL_conv,
        .args = m->conv_args,
        .arg_count = 3,
        .output_arg = 2,
        .weight_arg = 1,
        .in = {{m->image, 1}},
        .parts = &m->parts[0],
        .part_count = 1,
        .window = {.kernel = 3, .stride = 1, .pad = 1, .x = picture, .y = z},
    };
    m->kernels[RELU] = (SnugKernel){
        .name = "relu",
        .kind = SNUG_KERNEL_map,
        .args = m->relu_args,
        .arg_count = 3,
        .output_arg = 1,
        .weight_arg = -1,
        .parts = &m->parts[1],
        .part_count = 1,
        .window = {.y = z},
        .reduction_count = 1,
        .reductions = {{.kind = SNUG_REDUCE_sum, .arg = 2, .rows_per_partial = ROWS}},
    };
    m->kernels[COMBINE] = (SnugKernel){.name = "combine",
                                       .kind = SNUG_KERNEL_sum_combine,
                                       .args = m->combine_args,
                                       .arg_count = 2,
                                       .output_arg = 1,
                                       .weight_arg = -1};
    m->kernels[NORM] = (SnugKernel){.name = "norm",
                                    .kind = SNUG_KERNEL_grad_norm,
                                    .args = m->scalar_args,
                                    .arg_count = 1,
                                    .output_arg = -1};
    m->kernels[ADAMW] = m->kernels[NORM];
    m->kernels[ADAMW].name = "adamw";
    m->kernels[ADAMW].kind = SNUG_KERNEL_adamw;
    for (int k = 0; k < KERNELS; k++)
        m->kernels[k].workspace_bytes = snug_host_workspace(&m->kernels[k], 2);
}

static void make_buffers(Model *m, SnugType type)
{
    int64_t z = (int64_t)SIDE * SIDE * CHANNELS * host_type_bytes(type);
    place(m, IMAGE, SIDE * SIDE * 3);
    place(m, WEIGHT, TAPS * 4);
    place(m, BIAS, CHANNELS * 4 * 4);
    place(m, SCALARS, SNUG_SCALAR_COUNT * 4);
    place(m, BIAS_GRAD, CHANNELS * 4);
    m->program.persistent_bytes = m->program.total_bytes;
    place(m, Z, z);
    place(m, Y, z);
    place(m, SUMS, PARTIALS * CHANNELS * 4);
    place(m, WORK_CONV, m->kernels[CONV].workspace_bytes);
    place(m, WORK_MAP, m->kernels[RELU].workspace_bytes);
}

static void make_launches(Model *m)
{
    const int32_t conv[] = {IMAGE, WEIGHT, Z, WORK_CONV}, relu[] = {Z, Y, SUMS, WORK_MAP};
    memcpy(m->conv_buffers, conv, sizeof conv);
    memcpy(m->relu_buffers, relu, sizeof relu);
    m->combine_buffers[0] = SUMS;
    m->combine_buffers[1] = BIAS_GRAD;
    m->scalar_buffers[0] = SCALARS;
    m->step[0] = (SnugLaunch){.label = "conv", .kernel = CONV, .buffers = m->conv_buffers};
    m->step[1] = (SnugLaunch){.label = "relu", .kernel = RELU, .buffers = m->relu_buffers};
    m->step[2] = (SnugLaunch){.label = "combine", .kernel = COMBINE, .buffers = m->combine_buffers};
    m->update[0] = (SnugLaunch){.label = "norm", .kernel = NORM, .buffers = m->scalar_buffers};
    m->update[1] = (SnugLaunch){.label = "adamw", .kernel = ADAMW, .buffers = m->scalar_buffers};
    int64_t bias = m->buffers[BIAS].offset;
    m->params[0] = (SnugParam){.name = "bias",
                               .shape = {1, 1, 1, CHANNELS},
                               .weight = bias,
                               .grad = m->buffers[BIAS_GRAD].offset,
                               .m = bias + CHANNELS * 4,
                               .v = bias + CHANNELS * 8,
                               .ema = bias + CHANNELS * 12};
}

static Model *make_model(SnugType type)
{
    Model *m = calloc(1, sizeof *m);
    make_kernels(m, type);
    make_buffers(m, type);
    make_launches(m);
    m->program.version = SNUG_PROGRAM_VERSION;
    m->program.model_path = "models/tiny.snug";
    m->program.device = "host";
    m->program.overrides = "-D width=18";
    m->program.batch_size = 1;
    m->program.image_height = m->program.image_width = SIDE;
    m->program.host_threads = 2;
    m->program.buffers = m->buffers;
    m->program.buffer_count = BUFFERS;
    m->program.kernels = m->kernels;
    m->program.kernel_count = KERNELS;
    m->program.segments[SNUG_SEGMENT_micro_step] = (SnugSegment){m->step, 3};
    m->program.segments[SNUG_SEGMENT_update] = (SnugSegment){m->update, 2};
    m->program.params = m->params;
    m->program.param_count = 1;
    return m;
}

static void fill_inputs(Device *device, const Model *m)
{
    Bench b = {.random = 5};
    uint8_t image[SIDE * SIDE * 3];
    float weight[TAPS], scalars[SNUG_SCALAR_COUNT] = {0}, bias[4 * CHANNELS] = {0};
    Error error = {0};
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(127.0f + 127.0f * bench_uniform(&b));
    for (int i = 0; i < TAPS; i++)
        weight[i] = bench_uniform(&b);
    scalars[SNUG_SCALAR_loss_scale] = 1.0f;
    scalars[SNUG_SCALAR_lr] = 0.5f;
    scalars[SNUG_SCALAR_correction1] = scalars[SNUG_SCALAR_correction2] = 1.0f;
    assert_true(device_host.upload(device, m->buffers[IMAGE].offset, image, sizeof image, &error));
    assert_true(
        device_host.upload(device, m->buffers[WEIGHT].offset, weight, sizeof weight, &error));
    assert_true(
        device_host.upload(device, m->buffers[SCALARS].offset, scalars, sizeof scalars, &error));
    assert_true(device_host.upload(device, m->buffers[BIAS].offset, bias, sizeof bias, &error));
}

static Device *open_model(const Model *m, bool poison)
{
    Device *device = NULL;
    Error error = {0};
    DeviceOptions options = {.poison = poison, .profile = true};
    if (!device_host.open(&device, &m->program, &options, &error))
        error_print(&error);
    assert_non_null(device);
    fill_inputs(device, m);
    return device;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_runs_the_same(void **state)
{
    (void)state;
    for (int half = 0; half < 2; half++) {
        Model *m = make_model(half ? bench_half() : SNUG_F32);
        float gradient[3][CHANNELS], want[CHANNELS] = {0};
        Error error = {0};
        for (int run = 0; run < 3; run++) {
            Device *device = open_model(m, run == 2);
            assert_true(device_host.run(device, SNUG_SEGMENT_micro_step, &error));
            assert_true(device_host.download(device, m->buffers[BIAS_GRAD].offset, gradient[run],
                                             sizeof gradient[run], &error));
            if (run == 0) {
                char *y = malloc((size_t)m->buffers[Y].bytes);
                assert_true(device_host.download(device, m->buffers[Y].offset, y,
                                                 m->buffers[Y].bytes, &error));
                for (int i = 0; i < SIDE * SIDE * CHANNELS; i++)
                    want[i % CHANNELS] += (float)read_element(&m->relu_args[1], y, i);
                free(y);
            }
            assert_int_equal(device_host.allocations(device), 0);
            device_host.close(device);
        }
        for (int c = 0; c < CHANNELS; c++)
            assert_true(fabsf(gradient[0][c] - want[c]) <= 1e-4f * fabsf(want[c]));
        assert_memory_equal(gradient[0], gradient[1], sizeof gradient[0]);
        /* poison changes nothing */
        assert_memory_equal(gradient[0], gradient[2], sizeof gradient[0]);
        free(m);
    }
}

static void test_update_moves_against_the_gradient(void **state)
{
    (void)state;
    Model *m = make_model(SNUG_F32);
    Device *device = open_model(m, true);
    Error error = {0};
    float bias[CHANNELS], gradient[CHANNELS];
    double seconds[3];
    int64_t runs = 0;
    for (int step = 0; step < 2; step++)
        assert_true(device_host.run(device, SNUG_SEGMENT_micro_step, &error));
    assert_true(device_host.run(device, SNUG_SEGMENT_update, &error));
    assert_true(device_host.download(device, m->buffers[BIAS].offset, bias, sizeof bias, &error));
    assert_true(device_host.download(device, m->buffers[BIAS_GRAD].offset, gradient,
                                     sizeof gradient, &error));
    for (int c = 0; c < CHANNELS; c++) {
        assert_true(fabsf(bias[c] + 0.5f) < 1e-3f); /* every gradient is positive: lr to the left */
        assert_true(gradient[c] == 0.0f);
    }
    device_host.profile(device, SNUG_SEGMENT_micro_step, seconds, &runs);
    assert_int_equal(runs, 2);
    assert_true(seconds[0] > 0.0);
    device_host.close(device);
    free(m);
}

static void test_nothing_is_allocated(void **state)
{
    (void)state;
#ifdef WATCHED
    Model *m = make_model(bench_half());
    Device *device = open_model(m, false);
    Error error = {0};
    for (int round = 0; round < 2; round++) { /* the first may start the threads */
        largest = 0;
        watching = 1;
        bool ok = device_host.run(device, SNUG_SEGMENT_micro_step, &error)
                  && device_host.run(device, SNUG_SEGMENT_update, &error);
        watching = 0;
        assert_true(ok);
    }
    assert_true(largest > 0);        /* the watch works */
    assert_true(largest < 64 << 10); /* what oneDNN takes for a call; no tensor, no scratchpad */
    assert_int_equal(device_host.allocations(device), 0);
    device_host.close(device);
    free(m);
#else
    skip();
#endif
}

/* part: of what is wrong or of why */
static void expect_refusal(const Model *m, const char *part, const char *hint)
{
    Device *device = NULL;
    Error error = {0};
    assert_false(device_host.open(&device, &m->program, NULL, &error));
    assert_null(device);
    assert_int_equal(error.status, ERROR_DEVICE);
    if (strstr(error.what, part) == NULL && strstr(error.why, part) == NULL)
        fail_msg("%s: %s", error.what, error.why);
    assert_non_null(strstr(error.hint, hint));
}

static void test_refusals(void **state)
{
    (void)state;
    const char *command = "snug compile models/tiny.snug --batch_size 1 --image_size 64 64"
                          " --device host -D width=18";
    Model *m = make_model(SNUG_F32);
    m->kernels[CONV].workspace_bytes -= 64;
    expect_refusal(m, "kernel conv needs", command);
    free(m);
    m = make_model(SNUG_F32);
    m->buffers[Y].name = "y";
    m->buffers[Y].bytes -= SNUG_ALIGNMENT;
    expect_refusal(m, "relu needs", command);
    free(m);
    m = make_model(SNUG_F32);
    m->buffers[WORK_MAP].name = "scratch";
    m->buffers[WORK_MAP].offset += SNUG_ALIGNMENT;
    expect_refusal(m, "scratch ends at byte", command);
    m->buffers[WORK_MAP].offset -= SNUG_ALIGNMENT + 4;
    expect_refusal(m, "which is no multiple of 256", command);
    free(m);
    m = make_model(SNUG_F32);
    m->program.version++;
    expect_refusal(m, "they are version", command);
    free(m);
    m = make_model(SNUG_F32);
    m->relu_args[0].type = SNUG_F16;
    expect_refusal(m, "relu", command);
    free(m);
    m = make_model(SNUG_F32);
    m->program.total_bytes = (int64_t)1 << 52;
    Device *device = NULL;
    Error error = {0};
    assert_false(device_host.open(&device, &m->program, NULL, &error));
    assert_int_equal(error.status, ERROR_MEMORY);
    free(m);
}

/* A buffer over one that is still needed; a step that is left out. */
static void test_bytes_that_are_gone(void **state)
{
    const char *command = "snug compile";
    Model *m = make_model(SNUG_F32);
    (void)state;

    m->buffers[Z].name = "z";
    m->buffers[SUMS].name = "sums";
    m->buffers[WORK_MAP].name = "scratch";
    m->buffers[SUMS].offset = m->buffers[Z].offset;
    expect_refusal(m, "relu writes sums where it uses z", command);
    free(m);
    m = make_model(SNUG_F32);
    m->buffers[Z].name = "z";
    m->program.segments[SNUG_SEGMENT_micro_step] = (SnugSegment){m->step + 1, 2};
    expect_refusal(m, "relu reads z, which nothing has written", command);
    free(m);
    m = make_model(SNUG_F32);
    m->buffers[SUMS].name = "sums";
    m->buffers[WORK_CONV].name = "scratch";
    m->buffers[WORK_CONV].offset = m->buffers[SUMS].offset / SNUG_ALIGNMENT * SNUG_ALIGNMENT;
    SnugLaunch order[] = {m->step[0], m->step[1], m->step[0], m->step[2]};
    m->program.segments[SNUG_SEGMENT_micro_step] = (SnugSegment){order, 4};
    m->program.total_bytes += m->buffers[WORK_CONV].bytes;
    expect_refusal(m, "combine reads sums, on whose bytes lies by then scratch", command);
    free(m);
}

static void test_ranges(void **state)
{
    (void)state;
    Model *m = make_model(SNUG_F32);
    Device *device = open_model(m, false);
    Error error = {0};
    char byte = 0;
    assert_false(device_host.upload(device, m->program.total_bytes, &byte, 1, &error));
    assert_false(device_host.download(device, -1, &byte, 1, &error));
    assert_true(device_host.download(device, m->program.total_bytes - 1, &byte, 1, &error));
    device_host.close(device);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_the_same),
        cmocka_unit_test(test_update_moves_against_the_gradient),
        cmocka_unit_test(test_nothing_is_allocated),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bytes_that_are_gone),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
