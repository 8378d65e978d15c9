/* Training steps of a compiled program, timed: the twin of torch_step.py.
 *
 *     cc -I . generated/NAME/NAME.c tests/bench/step.c libsnug_runtime.a ... -o step
 *     ./step [--profile] [--cuda_path FOLDER] ACCUMULATE UPDATES
 *
 * The device is the one that the program was compiled for. One update to warm up, then UPDATES of
 * ACCUMULATE micro-steps each. Weights, pictures and points are random; every number printed is
 * measured here. The host is timed micro-step by micro-step. A card works behind our back, so that
 * the micro-steps of an update are timed together, to the moment when the last is done, and
 * divided.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/card/cuda_api.h"
#include "runtime/device.h"
#include "runtime/system/os.h"
#include "runtime/system/random.h"

static const float LOSS_SCALE = 1024.0f;
enum { MOST_IMAGES = 256 };

typedef struct Bench {
    const DeviceOps *ops;
    Device *device;
    const SnugProgram *program;
    DeviceOptions options;
    int accumulate, updates;
    bool is_card;
    CudaApi api;         /* to ask the driver for the card's memory */
    double open_seconds; /* kernels compiled, memory taken */
    int64_t used_before; /* bytes of the card that somebody holds, with our context made */
    double *micro_steps, *update_seconds;
    int32_t micro_step_count;
} Bench;

static int64_t elements(SnugShape shape)
{
    return (int64_t)shape.n * shape.h * shape.w * shape.c;
}

/* ---- what a step works on -------------------------------------------------------------------- */

static bool upload_buffer(Bench *b, int32_t buffer, const void *data, int64_t bytes, Error *error)
{
    return b->ops->upload(b->device, b->program->buffers[buffer].offset, data, bytes, error);
}

static bool upload_weights(Bench *b, Error *error)
{
    for (int32_t p = 0; p < b->program->param_count; p++) {
        const SnugParam *param = &b->program->params[p];
        int64_t count = elements(param->shape);
        float *data = malloc((size_t)count * sizeof *data);
        RandomKey key = random_key(1, RANDOM_INIT, (uint64_t)p, 0);
        bool is_one = param->kind == SNUG_PARAM_bn_gamma || param->kind == SNUG_PARAM_running_var;
        bool ok = data != NULL;
        for (int64_t k = 0; ok && k < count; k++)
            data[k] = is_one ? 1.0f : param->init_scale * random_normal(key, (uint64_t)k);
        ok = ok && b->ops->upload(b->device, param->weight, data, count * 4, error)
             && (param->ema < 0 || b->ops->upload(b->device, param->ema, data, count * 4, error));
        free(data);
        if (!ok)
            return false;
    }
    return b->program->segments[SNUG_SEGMENT_init].launch_count == 0
           || b->ops->run(b->device, SNUG_SEGMENT_init, error);
}

static bool upload_batch(Bench *b, Error *error)
{
    const SnugProgram *program = b->program;
    int64_t pixels = elements(program->buffers[program->image_buffer].shape);
    int64_t points = elements(program->buffers[program->points_buffer].shape);
    uint8_t *image = malloc((size_t)pixels);
    float *point = malloc((size_t)points * sizeof *point);
    float weights[MOST_IMAGES];
    RandomKey key = random_key(1, RANDOM_PHANTOM, 0, 0);
    bool ok = image != NULL && point != NULL && program->batch_size <= MOST_IMAGES;

    for (int64_t k = 0; ok && k < pixels; k++)
        image[k] = (uint8_t)random_bits(key, (uint64_t)k);
    for (int64_t k = 0; ok && k < points; k++)
        point[k] =
            k % 3 == 2 ? 1.0f : random_uniform(key, (uint64_t)k) * (float)program->image_width;
    for (int32_t n = 0; ok && n < program->batch_size; n++)
        weights[n] = LOSS_SCALE / (float)(b->accumulate * program->batch_size);
    if (!ok)
        error_set(error, ERROR_MEMORY, "no memory for a batch of %d", program->batch_size);
    ok =
        ok && upload_buffer(b, program->image_buffer, image, pixels, error)
        && upload_buffer(b, program->points_buffer, point, points * 4, error)
        && upload_buffer(b, program->image_weights_buffer, weights, program->batch_size * 4, error);
    free(image);
    free(point);
    return ok;
}

static bool upload_scalars(Bench *b, Error *error)
{
    float scalars[SNUG_SCALAR_COUNT] = {
        [SNUG_SCALAR_loss_scale] = LOSS_SCALE,
        [SNUG_SCALAR_lr] = 3e-4f,
        [SNUG_SCALAR_beta1] = 0.9f,
        [SNUG_SCALAR_beta2] = 0.999f,
        [SNUG_SCALAR_eps] = 1e-8f,
        [SNUG_SCALAR_weight_decay] = 1e-4f,
        [SNUG_SCALAR_correction1] = 0.1f,
        [SNUG_SCALAR_correction2] = 0.001f,
        [SNUG_SCALAR_clip] = 1.0f,
        [SNUG_SCALAR_ema_decay] = 0.9999f,
    };
    return upload_buffer(b, b->program->scalars_buffer, scalars, sizeof scalars, error);
}

/* ---- the card's memory ----------------------------------------------------------------------- */

/* Bytes that are not free, of everybody. */
static bool card_bytes_used(Bench *b, int64_t *used, Error *error)
{
    size_t free_bytes = 0, all_bytes = 0;
    CudaResult result = b->api.cuMemGetInfo(&free_bytes, &all_bytes);

    *used = (int64_t)(all_bytes - free_bytes);
    return result == 0 || cuda_failed(&b->api, result, "the card's memory is unknown", error);
}

/* The context is the process's: the device takes the same one, and its own bytes do not count. */
static bool open_driver(Bench *b, Error *error)
{
    CudaContext context;
    CudaDevice card;

    if (!cuda_api_open(&b->api, b->options.cuda_path, error))
        return false;
    CudaResult result = b->api.cuDeviceGet(&card, 0);
    if (result == 0)
        result = b->api.cuDevicePrimaryCtxRetain(&context, card);
    if (result == 0)
        result = b->api.cuCtxSetCurrent(context);
    if (result != 0)
        return cuda_failed(&b->api, result, "the card cannot be used", error);
    return card_bytes_used(b, &b->used_before, error);
}

static bool open_device(Bench *b, Error *error)
{
    if (b->is_card && !open_driver(b, error))
        return false;
    double start = os_seconds();
    bool ok = b->ops->open(&b->device, b->program, &b->options, error);
    b->open_seconds = os_seconds() - start;
    return ok;
}

/* ---- the clock ------------------------------------------------------------------------------- */

/* Reading anything but the batch waits for the work. */
static bool read_scalars(Bench *b, float *scalars, Error *error)
{
    return b->ops->download(b->device, b->program->buffers[b->program->scalars_buffer].offset,
                            scalars, SNUG_SCALAR_COUNT * sizeof *scalars, error);
}

static bool run_micro_steps(Bench *b, int count, bool is_timed, float *scalars, Error *error)
{
    double start = os_seconds();

    for (int k = 0; k < count; k++) {
        if (!b->ops->run(b->device, SNUG_SEGMENT_micro_step, error))
            return false;
        if (!b->is_card && is_timed) {
            b->micro_steps[b->micro_step_count++] = os_seconds() - start;
            start = os_seconds();
        }
    }
    if (!read_scalars(b, scalars, error))
        return false;
    if (b->is_card && is_timed)
        b->micro_steps[b->micro_step_count++] = (os_seconds() - start) / count;
    return true;
}

/* scalars: the loss of the last update's micro-steps; finite: whether all updates were made. */
static bool measure(Bench *b, float *scalars, bool *is_finite, Error *error)
{
    float after[SNUG_SCALAR_COUNT];

    b->micro_steps = calloc((size_t)(b->updates * b->accumulate + 1), sizeof(double));
    b->update_seconds = calloc((size_t)b->updates + 1, sizeof(double));
    if (b->micro_steps == NULL || b->update_seconds == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for the times");
    *is_finite = true;
    for (int u = 0; u <= b->updates; u++) {
        if (!upload_scalars(b, error)
            || !run_micro_steps(b, u > 0 ? b->accumulate : 1, u > 0, scalars, error))
            return false;
        double start = os_seconds();
        if (!b->ops->run(b->device, SNUG_SEGMENT_update, error) || !read_scalars(b, after, error))
            return false;
        b->update_seconds[u] = os_seconds() - start;
        *is_finite &= after[SNUG_SCALAR_finite] == 1.0f;
    }
    return true;
}

/* ---- results --------------------------------------------------------------------------------- */

static void print_list(const char *name, const double *numbers, int32_t count)
{
    printf("\"%s\": [", name);
    for (int32_t k = 0; k < count; k++)
        printf("%s%.6f", k > 0 ? ", " : "", numbers[k]);
    printf("], ");
}

static bool print_results(Bench *b, const float *scalars, bool is_finite, Error *error)
{
    int64_t used_after = 0;

    if (b->is_card && !card_bytes_used(b, &used_after, error))
        return false;
    printf("{\"device\": \"%s\", \"batch\": %d, \"accumulate\": %d, ", b->ops->name,
           b->program->batch_size, b->accumulate);
    print_list("micro_step_seconds", b->micro_steps, b->micro_step_count);
    print_list("update_seconds", b->update_seconds + 1, b->updates);
    printf("\"open_seconds\": %.3f, \"loss\": %.6g, \"is_finite\": %s, \"planned_bytes\": %lld, ",
           b->open_seconds, (double)scalars[SNUG_SCALAR_loss], is_finite ? "true" : "false",
           (long long)b->program->total_bytes);
    if (b->is_card)
        printf("\"card_bytes_before\": %lld, \"card_bytes_after\": %lld, ",
               (long long)b->used_before, (long long)used_after);
    else
        printf("\"allocations\": %lld, ", (long long)b->ops->allocations(b->device));
    printf("\"resident_bytes\": %lld, \"peak_resident_bytes\": %lld}\n",
           (long long)os_resident_bytes(), (long long)os_peak_resident_bytes());
    return true;
}

static void print_profile(Bench *b)
{
    const SnugProgram *program = b->program;
    const SnugSegment *segment = &program->segments[SNUG_SEGMENT_micro_step];
    double *seconds = calloc((size_t)segment->launch_count, sizeof *seconds);
    int64_t runs = 0;

    if (seconds != NULL) {
        b->ops->profile(b->device, SNUG_SEGMENT_micro_step, seconds, &runs);
        for (int32_t l = 0; l < segment->launch_count; l++)
            fprintf(stderr, "%10.3f ms  kind %2d  %-28s %s\n",
                    runs ? seconds[l] / (double)runs * 1e3 : 0.0,
                    (int)program->kernels[segment->launches[l].kernel].kind,
                    program->kernels[segment->launches[l].kernel].name, segment->launches[l].label);
    }
    free(seconds);
}

static bool parse(Bench *b, int argc, char **argv)
{
    int *const numbers[] = {&b->accumulate, &b->updates};
    int count = 0;

    for (int k = 1; k < argc; k++)
        if (strcmp(argv[k], "--profile") == 0)
            b->options.profile = true;
        else if (strcmp(argv[k], "--cuda_path") == 0 && k + 1 < argc)
            b->options.cuda_path = argv[++k];
        else if (count < 2 && atoi(argv[k]) > 0)
            *numbers[count++] = atoi(argv[k]);
        else
            return false;
    return count == 2;
}

int main(int argc, char **argv)
{
    Bench b = {.program = snug_programs[0]};
    float scalars[SNUG_SCALAR_COUNT];
    bool is_finite = false;
    Error error = {0};

    if (!parse(&b, argc, argv)) {
        fprintf(stderr, "usage: step [--profile] [--cuda_path FOLDER] ACCUMULATE UPDATES\n");
        return 2;
    }
    b.is_card = strcmp(b.program->device, "cuda") == 0;
    b.ops = b.is_card ? &device_cuda : &device_host;
    bool ok = open_device(&b, &error) && upload_weights(&b, &error) && upload_batch(&b, &error)
              && measure(&b, scalars, &is_finite, &error)
              && print_results(&b, scalars, is_finite, &error);
    if (ok && b.options.profile)
        print_profile(&b);
    if (!ok)
        error_print(&error);
    if (b.device != NULL)
        b.ops->close(b.device);
    free(b.micro_steps);
    free(b.update_seconds);
    return ok ? 0 : 1;
}
