/* The runner of a compilation in this process: see runner.h. */
#include "runner.h"

#include <stdlib.h>

/* ---- the naive plan -------------------------------------------------------------------------- */

static int64_t arg_bytes(const SnugArg *arg)
{
    Shape shape = {arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c};

    return align_up(tensor_bytes(shape, arg->type, arg->pitch), SNUG_ALIGNMENT);
}

static BufferId new_buffer(Compilation *c, Plan *plan, ValueId value, const char *name,
                           int64_t bytes)
{
    BufferId id = {plan->buffers.count};

    ARRAY_APPEND(c->arena, &plan->buffers,
                 ((Buffer){.value = value, .name = name, .storage = STORAGE_arena, .bytes = bytes,
                           .in_place_of = id, .offset = plan->arena_bytes}));
    plan->arena_bytes += bytes;
    return id;
}

static Plan *plan_segment(Compilation *c, const KernelSet *set)
{
    Plan *plan = arena_new(c->arena, Plan);
    BufferId *of_value = arena_array(c->arena, BufferId, set->graph->values.count);
    bool *has_buffer = arena_array(c->arena, bool, set->graph->values.count);

    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        uint32_t args = (uint32_t)kernel->code.arg_count;
        Step step = {.kernel = {k}, .buffers = arena_array(c->arena, BufferId, args + 1)};
        for (uint32_t a = 0; a < args; a++) {
            ValueId v = kernel->args[a];
            const Value *value = &set->graph->values.items[v.i];
            if (value->storage == STORAGE_arena && !has_buffer[v.i]) {
                of_value[v.i] =
                    new_buffer(c, plan, v, value->name, arg_bytes(&kernel->code.args[a]));
                has_buffer[v.i] = true;
            }
            step.buffers[a] = of_value[v.i];
        }
        step.buffer_count = args;
        if (kernel->code.workspace_bytes > 0)
            step.buffers[step.buffer_count++] = new_buffer(
                c, plan, (ValueId){0}, "workspace",
                align_up(kernel->code.workspace_bytes, SNUG_ALIGNMENT));
        ARRAY_APPEND(c->arena, &plan->steps, step);
    }
    return plan;
}

static int64_t take_bytes(int64_t *end, Shape shape, SnugType type)
{
    int64_t offset = *end;

    *end += align_up(tensor_bytes(shape, type, shape.c), SNUG_ALIGNMENT);
    return offset;
}

static int64_t take_input(int64_t *end, const Graph *graph, ValueId value)
{
    const Value *input = &graph->values.items[value.i];

    return value.i == 0 ? -1 : take_bytes(end, input->shape, input->type);
}

bool plan_naive(Compilation *c)
{
    enum { UPDATE_BYTES = 1 << 20 };
    const Model *model = c->model;
    Layout *layout = &c->layout;
    int64_t **const tables[] = {&layout->param_weight, &layout->param_grad, &layout->param_m,
                                &layout->param_v, &layout->param_ema};
    int64_t end = 0;

    for (size_t t = 0; t < COUNT_OF(tables); t++) {
        int64_t *offsets = *tables[t] = arena_array(c->arena, int64_t, model->params.count);
        for (uint32_t p = 1; p < model->params.count; p++) {
            const Param *param = &model->params.items[p];
            bool is_state = param->kind >= SNUG_PARAM_running_mean;
            bool is_there = t == 0 || (!is_state && t < 4) || (t == 4 && model->defaults.use_ema);
            offsets[p] = is_there ? take_bytes(&end, param->shape, SNUG_F32) : -1;
        }
    }
    layout->image = take_input(&end, model->train, model->image);
    layout->points = take_input(&end, model->train, model->points);
    layout->image_weights = take_input(&end, model->train, model->image_weights);
    layout->scalars = take_bytes(&end, (Shape){1, 1, 1, SNUG_SCALAR_COUNT}, SNUG_F32);
    layout->persistent_bytes = end;
    layout->arena_bytes = UPDATE_BYTES;
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++) {
        if (c->kernels[s] == NULL)
            continue;
        c->plans[s] = plan_segment(c, c->kernels[s]);
        layout->arena_bytes = max_i64(layout->arena_bytes, c->plans[s]->arena_bytes);
    }
    layout->total_bytes = layout->persistent_bytes + layout->arena_bytes;
    c->fits = true;
    return true;
}

/* ---- running --------------------------------------------------------------------------------- */

static void check(bool ok, const Error *error)
{
    if (ok)
        return;
    error_print(error);
    exit(1);
}

Runner runner_create(Compilation *c, bool (*plan)(Compilation *))
{
    Runner runner = {.c = c};
    Error error = {0};

    c->options.device = DEVICE_host;
    bool ok = choose_target(c) && fuse(c);
    for (int s = 0; ok && s < SNUG_SEGMENT_COUNT; s++)
        if (c->kernels[s] != NULL)
            verify_kernels(c->kernels[s], c->model, "fuse");
    if (!ok || !estimate_costs(c) || !plan(c)) {
        diagnostics_print(c->diags, stderr, false);
        exit(1);
    }
    runner.program = build_program(c);
    DeviceOptions options = {.poison = true};
    check(device_host.open(&runner.device, runner.program, &options, &error), &error);
    return runner;
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
