/* Fused programs on the host device against the interpreter, on random models: loss, gradients,
 * running statistics of a micro-step, heat maps of evaluate. Each model runs twice: with a loose plan
 * (loose_plan.h), with results in place and repeated kernels, which tests fusion without the planner,
 * and with the planner's.
 *
 *     fused_test [COUNT [FIRST_SEED]]
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loose_plan.h"
#include "random_graph.h"
#include "runtime/device.h"

/* fp32 against double. A model whose forward pass comes close to a kink may take the other side:
 * its gradients are passed over. */
static const double TOLERANCE = 2e-4, KINK_DISTANCE = 1e-4;

typedef struct Subject {
    uint64_t seed;
    Compilation *c;
    const SnugProgram *program;
    Interpreter *train;
    Device *device;
    int failures;
} Subject;

static void must(bool ok, const Error *error)
{
    if (ok)
        return;
    error_print(error);
    exit(1);
}

static void upload(Subject *subject, int64_t offset, const double *numbers, int64_t count,
                   SnugType type)
{
    Error error = {0};
    size_t item = type == SNUG_U8 ? 1 : 4;
    unsigned char *bytes = malloc((size_t)count * item);

    for (int64_t i = 0; i < count; i++) {
        float number = (float)numbers[i];
        if (type == SNUG_U8)
            bytes[i] = (unsigned char)numbers[i];
        else
            memcpy(bytes + i * 4, &number, 4);
    }
    must(device_host.upload(subject->device, offset, bytes, count * (int64_t)item, &error), &error);
    free(bytes);
}

/* |device - expected| and |expected|, Euclidean. */
static double distance(Subject *subject, int64_t offset, const double *expected, int64_t count,
                       double *norm)
{
    Error error = {0};
    float *is = malloc((size_t)count * sizeof *is);
    double squares = 0, difference = 0;

    must(device_host.download(subject->device, offset, is, count * 4, &error), &error);
    for (int64_t i = 0; i < count; i++) {
        difference += pow((double)is[i] - expected[i], 2);
        squares += expected[i] * expected[i];
    }
    free(is);
    *norm = sqrt(squares);
    return sqrt(difference);
}

static void expect_near(Subject *subject, const char *what, double off, double norm)
{
    if (off <= TOLERANCE * norm)
        return;
    subject->failures++;
    fprintf(stderr, "seed %llu: %s is off by %g, its norm is %g\n",
            (unsigned long long)subject->seed, what, off, norm);
}

static bool is_statistic(const Param *param)
{
    return param->kind == SNUG_PARAM_running_mean || param->kind == SNUG_PARAM_running_var;
}

static void upload_model(Subject *subject, Interpreter *from, const Graph *graph,
                         const int64_t *param_offsets)
{
    const Model *model = subject->c->model;
    const Layout *layout = &subject->c->layout;

    for (uint32_t p = 1; p < model->params.count; p++)
        upload(subject, param_offsets[p], interpreter_param(from, (ParamId){p}),
               shape_count(model->params.items[p].shape), SNUG_F32);
    for (uint32_t v = 1; v < graph->values.count; v++) {
        const Value *value = &graph->values.items[v];
        if (value->storage != STORAGE_input)
            continue;
        int64_t offset = value->input == INPUT_landmarks       ? layout->points
                         : value->input == INPUT_image_weights ? layout->image_weights
                                                               : layout->image;
        upload(subject, offset, interpreter_value(from, (ValueId){v}), shape_count(value->shape),
               value->type);
    }
    upload(subject, layout->scalars, interpreter_scalars(from), SNUG_SCALAR_COUNT, SNUG_F32);
}

/* Gradients are measured against the largest of the model: that of a bias below a batch norm is
 * nothing but rounding. */
static void check_params(Subject *subject, bool with_gradients)
{
    const Model *model = subject->c->model;
    const Layout *layout = &subject->c->layout;
    double largest = 0, norm;

    for (uint32_t p = 1; p < model->params.count; p++) {
        const double *gradient = interpreter_gradient(subject->train, (ParamId){p});
        double squares = 0;
        for (int64_t i = 0; i < shape_count(model->params.items[p].shape); i++)
            squares += gradient[i] * gradient[i];
        largest = fmax(largest, sqrt(squares));
    }
    for (uint32_t p = 1; p < model->params.count; p++) {
        const Param *param = &model->params.items[p];
        bool statistic = is_statistic(param);
        if (!statistic && !with_gradients)
            continue;
        double *expected = statistic ? interpreter_param(subject->train, (ParamId){p})
                                     : interpreter_gradient(subject->train, (ParamId){p});
        int64_t offset = statistic ? layout->param_weight[p] : layout->param_grad[p];
        double off = distance(subject, offset, expected, shape_count(param->shape), &norm);
        expect_near(subject, param->name, off, statistic ? norm : fmax(norm, 0.1 * largest));
    }
}

static void check_micro_step(Subject *subject)
{
    const Graph *graph = subject->c->model->train;
    Error error = {0};
    float loss;

    random_fill(subject->train, graph, subject->c->model, subject->seed);
    upload_model(subject, subject->train, graph, subject->c->layout.param_weight);
    interpreter_run(subject->train);
    must(device_host.run(subject->device, SNUG_SEGMENT_micro_step, &error), &error);
    must(device_host.download(subject->device, subject->c->layout.scalars + SNUG_SCALAR_loss * 4,
                              &loss, 4, &error), &error);
    double expected = interpreter_scalars(subject->train)[SNUG_SCALAR_loss];
    expect_near(subject, "the loss", fabs((double)loss - expected), fabs(expected) + 1e-3);
    check_params(subject, interpreter_kink_distance(subject->train) > KINK_DISTANCE);
}

/* Evaluate reads what the program calls the average: the parameters after the micro-step. */
static void check_evaluate(Subject *subject)
{
    const Model *model = subject->c->model;
    const Value *heat = &model->evaluate->values.items[model->evaluate_heat.i];
    Interpreter *evaluate = interpreter_create(model->evaluate, model);
    Error error = {0};
    double norm;

    random_fill(evaluate, model->evaluate, model, subject->seed);
    for (uint32_t p = 1; p < model->params.count; p++)
        memcpy(interpreter_param(evaluate, (ParamId){p}),
               interpreter_param(subject->train, (ParamId){p}),
               (size_t)shape_count(model->params.items[p].shape) * sizeof(double));
    upload_model(subject, evaluate, model->evaluate, subject->c->layout.param_ema);
    interpreter_run(evaluate);
    must(device_host.run(subject->device, SNUG_SEGMENT_evaluate, &error), &error);
    double off = distance(subject,
                          subject->program->buffers[subject->program->output_buffer].offset,
                          interpreter_value(evaluate, model->evaluate_heat),
                          shape_count(heat->shape), &norm);
    expect_near(subject, "the heat maps", off, norm + 1e-3);
    interpreter_destroy(evaluate);
}

/* is_planned: with the planner's plan, which shares bytes; else with a loose one, which repeats. */
static bool check_model(uint64_t seed, bool is_planned, int64_t *kernels, int64_t *absorbed)
{
    Subject subject = {.seed = seed, .c = random_model(&(RandomOptions){.seed = seed})};
    Compilation *c = subject.c;
    Error error = {0};

    if (!differentiate(c) || !simplify(c))
        BUG("seed %llu cannot be differentiated", (unsigned long long)seed);
    arena_reset(c->scratch);
    c->target = (Target){.device = DEVICE_host, .half = SNUG_F32, .pitch_multiple = 1,
                         .threads = 2, .budget_bytes = INT64_MAX};
    c->options.model_path = "random";
    if (!fuse(c) || !estimate_costs(c))
        BUG("seed %llu cannot be fused", (unsigned long long)seed);
    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->kernels[s] != NULL)
            verify_kernels(c->kernels[s], c->model, "fuse");
    *kernels += c->kernels[SNUG_SEGMENT_micro_step]->kernels.count;
    *absorbed += c->kernels[SNUG_SEGMENT_micro_step]->absorbed;
    c->model->defaults.use_ema = 1;
    if (!is_planned)
        make_loose_plans(c, seed);
    else if (!plan_memory(c) || !check_plans(c))
        BUG("seed %llu cannot be planned", (unsigned long long)seed);
    subject.program = build_program(c);
    subject.train = interpreter_create(c->model->train, c->model);
    must(device_host.open(&subject.device, subject.program, &(DeviceOptions){.poison = true},
                          &error), &error);
    check_micro_step(&subject);
    check_evaluate(&subject);
    device_host.close(subject.device);
    interpreter_destroy(subject.train);
    random_model_destroy(c);
    return subject.failures == 0;
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 150;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, wrong = 0;
    int64_t kernels = 0, absorbed = 0;

    for (uint64_t seed = first; seed < first + count; seed++)
        for (int planned = 0; planned < 2; planned++)
            wrong += !check_model(seed, planned == 1, &kernels, &absorbed);
    printf("%llu models, each planned twice, %llu wrong; %lld kernels, %lld ops absorbed\n",
           (unsigned long long)count, (unsigned long long)wrong, (long long)kernels,
           (long long)absorbed);
    return wrong > 0;
}
