/* The runner of a compilation in this process: see runner.h. */
#include "runner.h"

#include <stdlib.h>

#include "compiler/check/check_plans.h"
#include "compiler/emit/emit.h"
#include "compiler/fuse/estimate.h"
#include "compiler/fuse/fuse.h"
#include "compiler/plan/plan.h"
#include "compiler/target/target.h"
#include "loose_plan.h"

static void check(bool ok, const Error *error)
{
    if (ok)
        return;
    error_print(error);
    exit(1);
}

Runner runner_open(Compilation *c)
{
    Runner runner = {.c = c, .program = build_program(c)};
    DeviceOptions options = {.poison = true};
    Error error = {0};

    check(device_host.open(&runner.device, runner.program, &options, &error), &error);
    return runner;
}

Runner runner_create(Compilation *c, uint64_t loose_seed)
{
    c->options.device = DEVICE_host;
    bool ok = choose_target(c) && fuse(c);
    for (int s = 0; ok && s < SNUG_SEGMENT_COUNT; s++)
        if (c->kernels[s] != NULL)
            verify_kernels(c->kernels[s], c->model, "fuse");
    ok = ok && estimate_costs(c);
    if (ok && loose_seed != 0)
        make_loose_plans(c, loose_seed);
    else
        ok = ok && plan_memory(c) && check_plans(c);
    if (!ok) {
        diagnostics_print(c->diags, stderr, false);
        exit(1);
    }
    return runner_open(c);
}

void runner_destroy(Runner *runner)
{
    device_host.close(runner->device);
}

void runner_put(Runner *runner, int64_t offset, const double *values, int64_t count)
{
    float *numbers = malloc((size_t)count * sizeof *numbers);
    Error error = {0};

    for (int64_t i = 0; i < count; i++)
        numbers[i] = (float)values[i];
    check(device_host.upload(runner->device, offset, numbers, count * 4, &error), &error);
    free(numbers);
}

void runner_get(Runner *runner, int64_t offset, double *values, int64_t count)
{
    float *numbers = malloc((size_t)count * sizeof *numbers);
    Error error = {0};

    check(device_host.download(runner->device, offset, numbers, count * 4, &error), &error);
    for (int64_t i = 0; i < count; i++)
        values[i] = (double)numbers[i];
    free(numbers);
}

static int64_t buffer_count(const SnugBuffer *buffer)
{
    return (int64_t)buffer->shape.n * buffer->shape.h * buffer->shape.w * buffer->shape.c;
}

void runner_put_buffer(Runner *runner, int32_t index, const double *values)
{
    const SnugBuffer *buffer = &runner->program->buffers[index];
    int64_t count = buffer_count(buffer);
    Error error = {0};

    if (buffer->type == SNUG_F32) {
        runner_put(runner, buffer->offset, values, count);
        return;
    }
    unsigned char *bytes = malloc((size_t)count);
    for (int64_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)values[i];
    check(device_host.upload(runner->device, buffer->offset, bytes, count, &error), &error);
    free(bytes);
}

void runner_get_buffer(Runner *runner, int32_t index, double *values)
{
    const SnugBuffer *buffer = &runner->program->buffers[index];
    int64_t pixels = buffer_count(buffer) / buffer->shape.c;

    if (buffer->type != SNUG_F32)
        BUG("buffer %s is not f32", buffer->name);
    for (int64_t p = 0; p < pixels; p++)
        runner_get(runner, buffer->offset + p * buffer->pitch * 4, values + p * buffer->shape.c,
                   buffer->shape.c);
}

void runner_run(Runner *runner, SnugSegmentId segment)
{
    Error error = {0};

    check(device_host.run(runner->device, segment, &error), &error);
}
