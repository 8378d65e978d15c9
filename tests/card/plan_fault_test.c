/* Each way in which a plan or the graph made of it can be wrong, planted into a small net's program
 * one at a time, is found by name: by the compile-time checker, by the device before it runs
 * anything, and, past both, by the software GPU or by other results.
 *
 *     compiler    plan  ->  check_plan                     step, buffer, who lies on it
 *     runtime     tables -> device_check_program           the same, from the tables alone
 *     card        graph -> race between launches, access   the two kernels; the line of PTX
 *
 * The device is the real one (device_cuda.c): the linker hands three of its calls to this file
 * (--wrap), which lets an edge out of the graph, or lets tables pass unchecked. Skipped (77) where
 * NVRTC is absent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/check/check_plan.h"
#include "compiler/emit/emit.h"
#include "compiler/pipeline/pipeline.h"
#include "runtime/card/cuda_api.h"
#include "runtime/card/launch_order.h"
#include "runtime/device.h"
#include "runtime/system/random.h"

enum { MOST_NAMES = 1024, MOST_NODES = 4096, SIZE = 32, EACH_PLACEMENT = 8 };

/* ---- between the device and the driver ------------------------------------------------------- */

typedef struct Named {
    void *handle;
    const char *kernel;
} Named;

static struct Watch {
    CudaApi api;
    Named functions[MOST_NAMES], nodes[MOST_NODES];
    int32_t function_count, node_count;
    int32_t edges;                 /* of all graphs so far */
    int32_t left_out;              /* the edge that the driver is not told of, -1: none */
    const char *before, *after;    /* it is between these */
    bool is_unchecked;             /* tables pass as they are */
    const SnugProgram *ordered_by; /* edges are those of this program, NULL: of its own */
} watch;

bool __real_cuda_api_open(CudaApi *api, const char *folder, Error *error);
bool __wrap_cuda_api_open(CudaApi *api, const char *folder, Error *error);
bool __real_device_check_program(const SnugProgram *program, Error *error);
bool __wrap_device_check_program(const SnugProgram *program, Error *error);
bool __real_launch_order_find(LaunchOrder *order, const SnugProgram *program,
                              SnugSegmentId segment);
bool __wrap_launch_order_find(LaunchOrder *order, const SnugProgram *program,
                              SnugSegmentId segment);

static const char *name_of(const Named *named, int32_t count, const void *handle)
{
    for (int32_t k = count - 1; k >= 0; k--) /* a handle may be used again: the latest counts */
        if (named[k].handle == handle)
            return named[k].kernel;
    fail_msg("a handle that the driver has not given out");
    return NULL;
}

static CudaResult get_function(CudaFunction *function, CudaModule module, const char *name)
{
    CudaResult result = watch.api.cuModuleGetFunction(function, module, name);

    assert_true(watch.function_count < MOST_NAMES);
    watch.functions[watch.function_count++] = (Named){*function, name};
    return result;
}

static CudaResult add_node(CudaGraphNode *node, CudaGraph graph, const CudaGraphNode *after,
                           size_t count, const CudaKernelNode *kernel)
{
    const char *name = name_of(watch.functions, watch.function_count, kernel->function);
    CudaGraphNode kept[MOST_NAMES];
    size_t kept_count = 0;

    for (size_t k = 0; k < count; k++) {
        if (watch.edges++ != watch.left_out) {
            kept[kept_count++] = after[k];
            continue;
        }
        watch.before = name_of(watch.nodes, watch.node_count, after[k]);
        watch.after = name;
    }
    CudaResult result = watch.api.cuGraphAddKernelNode(node, graph, kept, kept_count, kernel);
    assert_true(watch.node_count < MOST_NODES);
    watch.nodes[watch.node_count++] = (Named){*node, name};
    return result;
}

bool __wrap_cuda_api_open(CudaApi *api, const char *folder, Error *error)
{
    bool ok = __real_cuda_api_open(api, folder, error);

    watch.api = *api;
    watch.function_count = watch.node_count = watch.edges = 0;
    api->cuModuleGetFunction = get_function;
    api->cuGraphAddKernelNode = add_node;
    return ok;
}

bool __wrap_device_check_program(const SnugProgram *program, Error *error)
{
    return watch.is_unchecked || __real_device_check_program(program, error);
}

bool __wrap_launch_order_find(LaunchOrder *order, const SnugProgram *program, SnugSegmentId segment)
{
    return __real_launch_order_find(order, watch.ordered_by ? watch.ordered_by : program, segment);
}

/* ---- a training of one update ---------------------------------------------------------------- */

typedef struct Results {
    unsigned char *bytes; /* all that persists, then the heat map */
    int64_t count;
} Results;

static Device *device;

static bool put_floats(int64_t offset, uint32_t key, int64_t count, float scale, float middle,
                       Error *error)
{
    float *values = malloc((size_t)count * sizeof *values);

    for (int64_t k = 0; k < count; k++)
        values[k] = middle + scale * random_normal(random_key(7, key, 0, 0), (uint64_t)k);
    bool ok = device_cuda.upload(device, offset, values, count * 4, error);
    free(values);
    return ok;
}

static bool put_params(const SnugProgram *program, Error *error)
{
    bool ok = true;

    for (int32_t p = 0; ok && p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        int64_t count = (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
        bool is_one = param->kind == SNUG_PARAM_bn_gamma || param->kind == SNUG_PARAM_running_var;
        float scale = param->init_scale > 0 ? param->init_scale : 0.05f;
        ok = put_floats(param->weight, (uint32_t)p, count, scale, is_one ? 1.0f : 0.0f, error)
             && (param->ema < 0
                 || put_floats(param->ema, (uint32_t)p, count, scale, is_one ? 1.1f : 0.1f, error));
    }
    return ok;
}

static bool put_batch(const SnugProgram *program, Error *error)
{
    const SnugBuffer *image = &program->buffers[program->image_buffer];
    int64_t pixels = (int64_t)program->batch_size * SIZE * SIZE * 3;
    int64_t points = (int64_t)program->batch_size * program->landmarks * 3;
    unsigned char *picture = malloc((size_t)pixels);

    for (int64_t k = 0; k < pixels; k++)
        picture[k] = (unsigned char)random_bits(random_key(9, 0, 0, 0), (uint64_t)k);
    bool ok = device_cuda.upload(device, image->offset, picture, pixels, error);
    free(picture);
    return ok
           && put_floats(program->buffers[program->points_buffer].offset, 1000, points, 0.2f, 9.0f,
                         error)
           && put_floats(program->buffers[program->image_weights_buffer].offset, 1001,
                         program->batch_size, 0.0f, 64.0f, error);
}

static bool put_scalars(const SnugProgram *program, Error *error)
{
    const float scalars[SNUG_SCALAR_COUNT] = {
        [SNUG_SCALAR_loss_scale] = 256,   [SNUG_SCALAR_lr] = 1e-3f,
        [SNUG_SCALAR_beta1] = 0.9f,       [SNUG_SCALAR_beta2] = 0.999f,
        [SNUG_SCALAR_eps] = 1e-8f,        [SNUG_SCALAR_weight_decay] = 1e-2f,
        [SNUG_SCALAR_correction1] = 0.1f, [SNUG_SCALAR_correction2] = 0.001f,
        [SNUG_SCALAR_ema_decay] = 0.9f,
    };

    return device_cuda.upload(device, program->buffers[program->scalars_buffer].offset, scalars,
                              sizeof scalars, error);
}

static bool run_segments(const SnugProgram *program, Error *error)
{
    static const SnugSegmentId segments[] = {SNUG_SEGMENT_init, SNUG_SEGMENT_micro_step,
                                             SNUG_SEGMENT_micro_step, SNUG_SEGMENT_update,
                                             SNUG_SEGMENT_evaluate};
    bool ok =
        put_params(program, error) && put_batch(program, error) && put_scalars(program, error);

    for (size_t k = 0; ok && k < sizeof segments / sizeof *segments; k++)
        ok = device_cuda.run(device, segments[k], error);
    return ok;
}

/* Two micro-steps, an update, an evaluation; results: NULL, or what they leave. */
static bool train(const SnugProgram *program, Results *results, Error *error)
{
    DeviceOptions options = {.poison = true, .cuda_path = LIBRARY_FOLDER};
    const SnugBuffer *heat = &program->buffers[program->output_buffer];
    Results made = {.count = program->persistent_bytes + heat->bytes};

    *error = (Error){0};
    if (!device_cuda.open(&device, program, &options, error))
        return false;
    made.bytes = malloc((size_t)made.count);
    bool ok = run_segments(program, error)
              && device_cuda.download(device, heat->offset, made.bytes + program->persistent_bytes,
                                      heat->bytes, error)
              && device_cuda.download(device, 0, made.bytes, program->persistent_bytes, error);
    device_cuda.close(device);
    if (ok && results != NULL)
        *results = made;
    else
        free(made.bytes);
    return ok;
}

static bool same_results(const Results *a, const Results *b)
{
    return a->count == b->count && memcmp(a->bytes, b->bytes, (size_t)a->count) == 0;
}

/* ---- the program ----------------------------------------------------------------------------- */

static Compilation *compilation;
static const SnugProgram *good;
static Results good_results;

static Compilation *compile(void)
{
    CompileOptions options = {.model_path = SOURCE_DIR "/tests/resume/tiny.snug",
                              .device = DEVICE_cuda,
                              .card = "RTX 3070 Ti",
                              .image_height = SIZE,
                              .image_width = SIZE};
    Compilation *c = compilation_create(&options);

    assert_int_equal(run_pipeline(c, "check", stdout), EXIT_STATUS_ok);
    return c;
}

/* Before each test: nothing is planted. */
static int plant_nothing(void **state)
{
    (void)state;
    watch.left_out = -1;
    watch.is_unchecked = false;
    watch.ordered_by = NULL;
    unsetenv("SOFTGPU_SEED");
    return 0;
}

static int set_up(void **state)
{
    Error error;

    compilation = compile();
    good = build_program(compilation);
    plant_nothing(state);
    if (!train(good, &good_results, &error))
        fail_msg("%s: %s", error.what, error.why);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(good_results.bytes);
    compilation_destroy(compilation);
    return 0;
}

/* ---- what is found --------------------------------------------------------------------------- */

/* Any order that the graph allows gives the same bits: what the faults below are compared with. */
static void a_good_program_gives_the_same_bits(void **state)
{
    Results again = {0};
    Error error;

    (void)state;
    setenv("SOFTGPU_SEED", "77", 1);
    if (!train(good, &again, &error))
        fail_msg("%s: %s", error.what, error.why);
    assert_true(same_results(&good_results, &again));
    free(again.bytes);
}

/* Whether the report says that the two kernels race. */
static bool names_both(const char *report, const char *one, const char *other)
{
    char words[2][160];

    snprintf(words[0], sizeof words[0], "race between launches: %s ", one);
    snprintf(words[1], sizeof words[1], " what %s ", other);
    return strstr(report, words[0]) != NULL && strstr(report, words[1]) != NULL;
}

/* A copy of all averaged weights is said to use everything that persists; what it is ordered with
 * may use other bytes. */
static bool is_cautious(const char *kernel)
{
    return strcmp(kernel, "copy_ema") == 0 || strcmp(kernel, "copy_weights") == 0;
}

/* In the order of queueing: the race is between the very two that lack their edge. */
static void each_missing_edge_is_named(void **state)
{
    int32_t edges = watch.edges, cautious = 0;
    Results results = {0};
    Error error;

    (void)state;
    setenv("SOFTGPU_SEED", "0", 1);
    for (watch.left_out = 0; watch.left_out < edges; watch.left_out++) {
        if (train(good, &results, &error)) {
            bool is_needless = is_cautious(watch.before) || is_cautious(watch.after);
            bool is_same = same_results(&good_results, &results);
            free(results.bytes);
            if (!is_needless || !is_same)
                fail_msg("%s does not wait for %s", watch.after, watch.before);
            cautious++;
        } else if (!names_both(error.why, watch.after, watch.before)
                   && !is_cautious(watch.before)) {
            fail_msg("%s does not wait for %s: %s", watch.after, watch.before, error.why);
        }
    }
    assert_in_range(edges, 20, 100);
    assert_true(cautious <= 2);
}

/* In any other order there is a race, too: of what else that edge keeps apart, maybe. */
static void a_missing_edge_is_found_in_any_order(void **state)
{
    int32_t edges = watch.edges;
    Error error;

    (void)state;
    for (watch.left_out = 1; watch.left_out < edges; watch.left_out += 9) {
        bool ok = train(good, NULL, &error);
        if (ok && !is_cautious(watch.before) && !is_cautious(watch.after))
            fail_msg("%s does not wait for %s", watch.after, watch.before);
        assert_true(ok || strstr(error.why, "race between launches") != NULL);
    }
}

/* ---- a buffer over a live one ---------------------------------------------------------------- */

static bool live_together(const Buffer *a, const Buffer *b)
{
    return a->life.first < b->life.last && b->life.first < a->life.last;
}

/* Whether buffer `moved`, where `victim` is, lies on that alone of what is alive with it, and is
 * made before a later step reads the victim. */
static bool meets_only(const Plan *plan, uint32_t moved, uint32_t victim)
{
    const Buffer *buffers = plan->buffers.items;
    int64_t begin = buffers[victim].offset, end = begin + buffers[moved].bytes;
    bool only = buffers[victim].life.first < buffers[moved].life.first
                && buffers[victim].life.last > buffers[moved].life.first + 1
                && begin != buffers[moved].offset && end <= plan->arena_bytes;

    for (uint32_t k = 0; only && k < plan->buffers.count; k++)
        only = k == moved || k == victim || buffers[k].storage != STORAGE_arena
               || !live_together(&buffers[moved], &buffers[k]) || buffers[k].offset >= end
               || buffers[k].offset + buffers[k].bytes <= begin;
    return only;
}

/* A buffer of the arena that nothing takes over and that takes over nothing. */
static bool stands_alone(const Plan *plan, uint32_t b)
{
    bool alone = plan->buffers.items[b].storage == STORAGE_arena
                 && plan->buffers.items[b].in_place_of.i == b;

    for (uint32_t k = 0; alone && k < plan->buffers.count; k++)
        alone = k == b || plan->buffers.items[k].in_place_of.i != b;
    return alone;
}

/* The plan with buffer `moved` where `victim` is: the checker, the device, and the results of a
 * device that does not check. Returns whether a graph with the good plan's edges races. */
static bool place_over(Plan *plan, uint32_t moved, uint32_t victim)
{
    Buffer *buffers = plan->buffers.items;
    int64_t offset = buffers[moved].offset;
    Results results = {0};
    Error error;

    buffers[moved].offset = buffers[victim].offset;
    PlanCheck check =
        check_plan(plan, compilation->kernels[SNUG_SEGMENT_micro_step], &compilation->layout,
                   SNUG_SEGMENT_micro_step, compilation->scratch);
    const SnugProgram *bad = build_program(compilation);
    buffers[moved].offset = offset;
    assert_true(check.fault == PLAN_overwritten || check.fault == PLAN_collision
                || check.fault == PLAN_in_place);
    assert_true(strstr(check.text, buffers[moved].name) != NULL || buffers[moved].value.i == 0);
    assert_non_null(strstr(check.text, buffers[victim].name));

    assert_false(train(bad, NULL, &error));
    assert_string_equal(error.what, "the program's tables do not fit this runtime");
    assert_non_null(strstr(error.why, buffers[victim].name));
    assert_non_null(strstr(error.why, buffers[moved].name));

    watch.is_unchecked = true;
    if (!train(bad, &results, &error))
        fail_msg("%s on %s: %s: %s", buffers[moved].name, buffers[victim].name, error.what,
                 error.why);
    if (same_results(&good_results, &results))
        fail_msg("%s on %s changes nothing", buffers[moved].name, buffers[victim].name);
    free(results.bytes);
    watch.ordered_by = good;
    bool races = !train(bad, NULL, &error);
    if (races)
        assert_non_null(strstr(error.why, "race between launches"));
    watch.ordered_by = NULL;
    watch.is_unchecked = false;
    return races;
}

static void a_buffer_over_a_live_one(void **state)
{
    Plan *plan = compilation->plans[SNUG_SEGMENT_micro_step];
    int32_t possible = 0, placed = 0, races = 0;

    (void)state;
    for (uint32_t b = 0; b < plan->buffers.count; b++)
        for (uint32_t v = 0; v < plan->buffers.count; v++) {
            if (b == v || !stands_alone(plan, b) || !stands_alone(plan, v)
                || !meets_only(plan, b, v) || possible++ % EACH_PLACEMENT != 0)
                continue;
            races += place_over(plan, b, v);
            placed++;
        }
    printf("%d placements of %d, %d of them races in a graph of the plan as it was\n", placed,
           possible, races);
    assert_true(placed >= 5);
    assert_true(races > 0); /* the others are in kernels that other bytes keep apart */
}

/* ---- an offset that is not aligned, an arena that is too short ------------------------------- */

/* The good program with buffer b elsewhere, and with other bytes in all. */
static SnugProgram *damaged(int32_t b, int64_t shift, int64_t total_bytes)
{
    SnugProgram *program = arena_new(compilation->arena, SnugProgram);
    SnugBuffer *buffers = arena_array(compilation->arena, SnugBuffer, (size_t)good->buffer_count);

    *program = *good;
    memcpy(buffers, good->buffers, (size_t)good->buffer_count * sizeof *buffers);
    buffers[b].offset += shift;
    program->buffers = buffers;
    program->total_bytes = total_bytes;
    return program;
}

/* What a kernel of the micro-step writes and, as it uses its bytes to the end, needs whole: of all
 * such buffers the one that ends last. */
static int32_t last_result(int64_t *end)
{
    const SnugSegment *segment = &good->segments[SNUG_SEGMENT_micro_step];
    int32_t last = -1;

    *end = 0;
    for (int32_t l = 0; l < segment->launch_count; l++) {
        const SnugLaunch *launch = &segment->launches[l];
        const SnugKernel *kernel = &good->kernels[launch->kernel];
        for (int32_t a = 0; a < kernel->arg_count; a++) {
            const SnugArg *arg = &kernel->args[a];
            const SnugBuffer *buffer = &good->buffers[launch->buffers[a]];
            int64_t bytes = (int64_t)arg->shape.n * arg->shape.h * arg->shape.w * arg->pitch
                            * (arg->type == SNUG_F32 ? 4 : 2);
            if (arg->access != SNUG_WRITE || buffer->offset + bytes <= *end)
                continue;
            *end = buffer->offset + bytes;
            last = launch->buffers[a];
        }
    }
    return last;
}

static void an_offset_that_is_not_aligned(void **state)
{
    Plan *plan = compilation->plans[SNUG_SEGMENT_micro_step];
    int64_t end;
    int32_t b = last_result(&end);
    Error error;

    (void)state;
    for (uint32_t k = 0; k < plan->buffers.count; k++) {
        Buffer *buffer = &plan->buffers.items[k];
        if (buffer->storage != STORAGE_arena)
            continue;
        buffer->offset += 8;
        PlanCheck check =
            check_plan(plan, compilation->kernels[SNUG_SEGMENT_micro_step], &compilation->layout,
                       SNUG_SEGMENT_micro_step, compilation->scratch);
        buffer->offset -= 8;
        assert_int_equal(check.fault, PLAN_alignment);
        assert_true(buffer->name == NULL || strstr(check.text, buffer->name) != NULL);
    }
    const SnugProgram *bad = damaged(b, -2, good->total_bytes);
    assert_false(train(bad, NULL, &error));
    assert_non_null(strstr(error.why, good->buffers[b].name));
    assert_non_null(strstr(error.why, "no multiple of 256"));
    watch.is_unchecked = true;
    assert_false(train(bad, NULL, &error));
    watch.is_unchecked = false;
    assert_non_null(strstr(error.what, "CUDA_ERROR_MISALIGNED_ADDRESS"));
    assert_non_null(strstr(error.why, "misaligned"));
}

static void an_arena_a_byte_short(void **state)
{
    Plan *plan = compilation->plans[SNUG_SEGMENT_micro_step];
    int64_t end, arena_bytes = plan->arena_bytes;
    int32_t b = last_result(&end);
    Error error;

    (void)state;
    plan->arena_bytes--;
    PlanCheck check =
        check_plan(plan, compilation->kernels[SNUG_SEGMENT_micro_step], &compilation->layout,
                   SNUG_SEGMENT_micro_step, compilation->scratch);
    plan->arena_bytes = arena_bytes;
    assert_int_equal(check.fault, PLAN_bounds);
    assert_non_null(strstr(check.text, "ends at"));

    assert_false(train(damaged(0, 0, good->total_bytes - 1), NULL, &error));
    assert_non_null(strstr(error.why, "the plan at"));
    watch.is_unchecked = true; /* a byte less than what the last tensor needs */
    assert_false(train(damaged(b, 0, end - 1), NULL, &error));
    watch.is_unchecked = false;
    assert_non_null(strstr(error.what, "CUDA_ERROR_ILLEGAL_ADDRESS"));
    assert_non_null(strstr(error.why, "out of bounds"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_good_program_gives_the_same_bits, plant_nothing),
        cmocka_unit_test_setup(each_missing_edge_is_named, plant_nothing),
        cmocka_unit_test_setup(a_missing_edge_is_found_in_any_order, plant_nothing),
        cmocka_unit_test_setup(a_buffer_over_a_live_one, plant_nothing),
        cmocka_unit_test_setup(an_offset_that_is_not_aligned, plant_nothing),
        cmocka_unit_test_setup(an_arena_a_byte_short, plant_nothing),
    };
    CudaApi api = {0};
    Error error = {0};

    setenv("SOFTGPU_RACES", "0", 1); /* within blocks: fault_test.c */
    setenv("XDG_CACHE_HOME", KERNEL_FOLDER, 1);
    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("skipped: %s\n", error.what);
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
