/* One training step of a compiled program, timed: the twin of torch_step.py.
 *
 *     cc -I . generated/NAME/NAME.c tests/bench/step.c libsnug_runtime.a ... -o step
 *     ./step ACCUMULATE STEPS
 *
 * Weights, pictures and points are random; every number printed is measured here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/device.h"
#include "runtime/os.h"
#include "runtime/random.h"

static int64_t elements(SnugShape shape)
{
    return (int64_t)shape.n * shape.h * shape.w * shape.c;
}

static bool upload_weights(Device *device, const SnugProgram *program, Error *error)
{
    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        int64_t count = elements(param->shape);
        float *data = malloc((size_t)count * sizeof *data);
        RandomKey key = random_key(1, RANDOM_INIT, (uint64_t)p, 0);
        bool is_one = param->kind == SNUG_PARAM_bn_gamma || param->kind == SNUG_PARAM_running_var;
        bool ok = data != NULL;
        for (int64_t k = 0; ok && k < count; k++)
            data[k] = is_one ? 1.0f : param->init_scale * random_normal(key, (uint64_t)k);
        ok = ok && device_host.upload(device, param->weight, data, count * 4, error)
             && (param->ema < 0 || device_host.upload(device, param->ema, data, count * 4, error));
        free(data);
        if (!ok)
            return false;
    }
    return true;
}

static bool upload_batch(Device *device, const SnugProgram *program, int accumulate, Error *error)
{
    const SnugBuffer *buffers = program->buffers;
    int64_t pixels = elements(buffers[program->image_buffer].shape);
    int64_t points = elements(buffers[program->points_buffer].shape);
    uint8_t *image = malloc((size_t)pixels);
    float *point = malloc((size_t)points * sizeof *point);
    float weights[64];
    RandomKey key = random_key(1, RANDOM_PHANTOM, 0, 0);
    bool ok = image != NULL && point != NULL && program->batch_size <= 64;

    for (int64_t k = 0; ok && k < pixels; k++)
        image[k] = (uint8_t)random_bits(key, (uint64_t)k);
    for (int64_t k = 0; ok && k < points; k++)
        point[k] = k % 3 == 2 ? 1.0f
                              : random_uniform(key, (uint64_t)k) * (float)program->image_width;
    for (int32_t n = 0; ok && n < program->batch_size; n++)
        weights[n] = 65536.0f / (float)(accumulate * program->batch_size);
    ok = ok && device_host.upload(device, buffers[program->image_buffer].offset, image, pixels, error)
         && device_host.upload(device, buffers[program->points_buffer].offset, point, points * 4, error)
         && device_host.upload(device, buffers[program->image_weights_buffer].offset, weights,
                               program->batch_size * 4, error);
    free(image);
    free(point);
    return ok;
}

static bool upload_scalars(Device *device, const SnugProgram *program, Error *error)
{
    float scalars[SNUG_SCALAR_COUNT] = {
        [SNUG_SCALAR_loss_scale] = 65536.0f,
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
    return device_host.upload(device, program->buffers[program->scalars_buffer].offset, scalars,
                              sizeof scalars, error);
}

static bool timed_run(Device *device, SnugSegmentId segment, double *seconds, Error *error)
{
    double start = os_seconds();
    bool ok = device_host.run(device, segment, error);
    *seconds = os_seconds() - start;
    return ok;
}

static bool measure(Device *device, const SnugProgram *program, int accumulate, int steps,
                    Error *error)
{
    double micro_step, update;
    float scalars[SNUG_SCALAR_COUNT];

    printf("{\"micro_step_seconds\": [");
    for (int step = 0; step <= steps; step++) {
        for (int k = 0; k < (step ? accumulate : 1); k++) {
            if (!timed_run(device, SNUG_SEGMENT_micro_step, &micro_step, error))
                return false;
            if (step > 0)
                printf("%s%.6f", step == 1 && k == 0 ? "" : ", ", micro_step);
        }
        if (!device_host.download(device, program->buffers[program->scalars_buffer].offset, scalars,
                                  sizeof scalars, error)
            || !timed_run(device, SNUG_SEGMENT_update, &update, error))
            return false;
    }
    printf("], \"update_seconds\": [%.6f], \"loss\": %.6g, \"planned_bytes\": %lld, "
           "\"resident_bytes\": %lld, \"peak_resident_bytes\": %lld, \"allocations\": %lld}\n",
           update, scalars[SNUG_SCALAR_loss], (long long)program->total_bytes,
           (long long)os_resident_bytes(), (long long)os_peak_resident_bytes(),
           (long long)device_host.allocations(device));
    return true;
}

static void print_profile(Device *device, const SnugProgram *program)
{
    const SnugSegment *segment = &program->segments[SNUG_SEGMENT_micro_step];
    double *seconds = calloc((size_t)segment->launch_count, sizeof *seconds);
    int64_t runs = 0;

    if (seconds != NULL) {
        device_host.profile(device, SNUG_SEGMENT_micro_step, seconds, &runs);
        for (int32_t l = 0; l < segment->launch_count; l++)
            fprintf(stderr, "%10.3f ms  kind %2d  %-28s %s\n",
                    runs ? seconds[l] / (double)runs * 1e3 : 0.0,
                    (int)program->kernels[segment->launches[l].kernel].kind,
                    program->kernels[segment->launches[l].kernel].name, segment->launches[l].label);
    }
    free(seconds);
}

int main(int argc, char **argv)
{
    const SnugProgram *program = snug_programs[0];
    int accumulate = argc > 1 ? atoi(argv[1]) : 1, steps = argc > 2 ? atoi(argv[2]) : 1;
    bool profile = argc > 3;
    DeviceOptions options = {.profile = profile};
    Device *device = NULL;
    Error error = {0};

    bool ok = device_host.open(&device, program, &options, &error)
              && upload_weights(device, program, &error)
              && upload_batch(device, program, accumulate, &error)
              && upload_scalars(device, program, &error)
              && measure(device, program, accumulate, steps, &error);
    if (ok && profile)
        print_profile(device, program);
    if (!ok)
        error_print(&error);
    if (device != NULL)
        device_host.close(device);
    return ok ? 0 : 1;
}
