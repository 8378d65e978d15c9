/* Random models, fused, planned and run on the host device, against the interpreter.
 *
 *     program_test [COUNT [FIRST_SEED]]
 *
 * Loss, every gradient, running statistics and the heat maps of evaluation must agree: in full
 * precision to 1e-4 of the norm of each, or where rounding does more (the gradient of a bias that a
 * batch norm takes away again is rounding only), to a multiple of what it does to the interpreter
 * when that rounds the result of each op to fp32, or to a unit in the last place of all gradients.
 *
 * Each model runs with a loose plan (loose_plan.h), which shows what the kernels compute whatever
 * the planner is like, and with the planner's; and with fusion off, where each op is a kernel of
 * its own. The arena is full of NaN before each segment, so that
 * whatever reads bytes that nobody has written shows. Two micro-steps are run, so that what
 * accumulates does. Every other model has averaged weights for its evaluation.
 *
 * The same in mixed precision, where rounding to 8 bits of mantissa allows no such comparison:
 * there all gradients together must agree with the interpreter's to 3 percent in the median model,
 * and no number may be NaN.
 *
 * With the default number of models every pair of random_pairs occurs in several of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "random_graph.h"
#include "runner.h"

static const double TOLERANCE = 1e-4, KINK_DISTANCE = 1e-4, MIXED_TOLERANCE = 0.03;
enum { MAX_MODELS = 100000, ROUNDINGS = 64, DEFAULT_MODELS = 200, LEAST_PAIRS = 3 };

typedef struct Tally {
    int64_t models, skipped, tensors, ill_conditioned, kernels, absorbed;
    double worst;          /* error by norm, of the tensors that are not ill-conditioned */
    double most_roundings; /* error by what rounding does, of the others */
    double *mixed_errors;  /* of each model */
    int32_t pairs[OP_COUNT][OP_COUNT]; /* models with an op read by a resampler */
    int failures;
} Tally;

typedef struct Subject {
    Compilation *c;
    Interpreter *in;      /* of the training graph */
    Interpreter *rounded; /* the same, each result rounded to fp32 */
    Interpreter *evaluate;
    Runner runner;
    uint64_t seed;
    bool mixed;
    Tally *tally;
    double gradient_norm; /* of all gradients together */
    double squares[2];    /* mixed: of all gradients' differences, of all gradients */
} Subject;

static double norm_of(const double *x, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* |is - expected| below the tolerance times the norm, or below what rounding may do: `rounded` are
 * the expected numbers with results rounded to fp32. */
static void compare(Subject *subject, const char *what, const char *name, const double *is,
                    const double *expected, const double *rounded, int64_t count)
{
    double difference = 0, rounding = 0, norm = norm_of(expected, count) + 1e-6;

    for (int64_t i = 0; i < count; i++) {
        difference += pow(is[i] - expected[i], 2);
        rounding += pow(rounded[i] - expected[i], 2);
    }
    if (subject->mixed) {
        bool is_gradient = strcmp(what, "gradient") == 0;
        subject->squares[0] += is_gradient ? difference : 0;
        subject->squares[1] += is_gradient ? norm * norm : 0;
        if (!isfinite(difference)) {
            subject->tally->failures++;
            fprintf(stderr, "seed %llu, mixed: %s %s has numbers that are not finite\n",
                    (unsigned long long)subject->seed, what, name);
        }
        return;
    }
    double error = sqrt(difference);
    bool is_zero = strcmp(what, "gradient") == 0 && error < 0x1p-23 * subject->gradient_norm;
    subject->tally->tensors++;
    if (error < TOLERANCE * norm) {
        subject->tally->worst = fmax(subject->tally->worst, error / norm);
        return;
    }
    if (is_zero)
        return;
    subject->tally->ill_conditioned++;
    subject->tally->most_roundings = fmax(subject->tally->most_roundings, error / sqrt(rounding));
    if (error < ROUNDINGS * sqrt(rounding))
        return;
    subject->tally->failures++;
    fprintf(stderr, "seed %llu: %s %s is off by %.3g, its norm is %.3g, rounding does %.3g\n",
            (unsigned long long)subject->seed, what, name, error, norm, sqrt(rounding));
}

/* The same numbers into the device and, from there on, into both interpreters. */
static void fill_device(Subject *subject)
{
    const Model *model = subject->c->model;
    const SnugProgram *program = subject->runner.program;
    double scalars[SNUG_SCALAR_COUNT] = {[SNUG_SCALAR_loss_scale] = 1};

    for (uint32_t p = 1; p < model->params.count; p++)
        runner_put(&subject->runner, program->params[p - 1].weight,
                   interpreter_param(subject->in, (ParamId){p}),
                   shape_count(model->params.items[p].shape));
    runner_put_buffer(&subject->runner, program->image_buffer,
                      interpreter_value(subject->in, model->image));
    runner_put_buffer(&subject->runner, program->points_buffer,
                      interpreter_value(subject->in, model->points));
    runner_put_buffer(&subject->runner, program->image_weights_buffer,
                      interpreter_value(subject->in, model->image_weights));
    runner_put_buffer(&subject->runner, program->scalars_buffer, scalars);
}

static void compare_training(Subject *subject)
{
    const Model *model = subject->c->model;
    const SnugProgram *program = subject->runner.program;
    double scalars[SNUG_SCALAR_COUNT], sum = 0;

    for (uint32_t p = 1; p < model->params.count; p++)
        sum += pow(norm_of(interpreter_gradient(subject->in, (ParamId){p}),
                           shape_count(model->params.items[p].shape)),
                   2);
    subject->gradient_norm = sqrt(sum);
    runner_get_buffer(&subject->runner, program->scalars_buffer, scalars);
    compare(subject, "the", "loss", &scalars[SNUG_SCALAR_loss],
            &interpreter_scalars(subject->in)[SNUG_SCALAR_loss],
            &interpreter_scalars(subject->rounded)[SNUG_SCALAR_loss], 1);
    for (uint32_t p = 1; p < model->params.count; p++) {
        const SnugParam *param = &program->params[p - 1];
        int64_t count = shape_count(model->params.items[p].shape);
        double *is = calloc((size_t)count, sizeof *is);
        if (param->kind >= SNUG_PARAM_running_mean) {
            runner_get(&subject->runner, param->weight, is, count);
            compare(subject, "state", param->name, is, interpreter_param(subject->in, (ParamId){p}),
                    interpreter_param(subject->rounded, (ParamId){p}), count);
        } else {
            runner_get(&subject->runner, param->grad, is, count);
            compare(subject, "gradient", param->name, is,
                    interpreter_gradient(subject->in, (ParamId){p}),
                    interpreter_gradient(subject->rounded, (ParamId){p}), count);
        }
        free(is);
    }
}

/* The graph for evaluation with the parameters and running statistics that training has left. */
static void evaluate_with(Subject *subject, Interpreter *trained)
{
    const Model *model = subject->c->model;

    random_fill(subject->evaluate, model->evaluate, model, subject->seed);
    for (uint32_t p = 1; p < model->params.count; p++)
        memcpy(interpreter_param(subject->evaluate, (ParamId){p}),
               interpreter_param(trained, (ParamId){p}),
               (size_t)shape_count(model->params.items[p].shape) * sizeof(double));
    interpreter_run(subject->evaluate);
}

static void compare_evaluation(Subject *subject)
{
    const Model *model = subject->c->model;
    const Value *heat = &model->evaluate->values.items[model->evaluate_heat.i];
    int64_t count = shape_count(heat->shape);
    double *is = calloc((size_t)count, sizeof *is);
    double *rounded = calloc((size_t)count, sizeof *rounded);

    evaluate_with(subject, subject->rounded);
    memcpy(rounded, interpreter_value(subject->evaluate, model->evaluate_heat),
           (size_t)count * sizeof *rounded);
    evaluate_with(subject, subject->in);
    for (uint32_t p = 1; p < model->params.count; p++)
        if (subject->runner.program->params[p - 1].ema >= 0)
            runner_put(&subject->runner, subject->runner.program->params[p - 1].ema,
                       interpreter_param(subject->in, (ParamId){p}),
                       shape_count(model->params.items[p].shape));
    runner_run(&subject->runner, SNUG_SEGMENT_evaluate);
    runner_get_buffer(&subject->runner, subject->runner.program->output_buffer, is);
    compare(subject, "evaluated", "heat", is,
            interpreter_value(subject->evaluate, model->evaluate_heat), rounded, count);
    free(is);
    free(rounded);
}

/* Two micro-steps and an evaluation with one plan. */
static void check_plan(Subject *subject, uint64_t loose_seed)
{
    const Model *model = subject->c->model;

    subject->runner = runner_create(subject->c, loose_seed);
    random_fill(subject->in, model->train, model, subject->seed);
    random_fill(subject->rounded, model->train, model, subject->seed);
    interpreter_round(subject->rounded);
    fill_device(subject);
    for (int step = 0; step < 2; step++) {
        interpreter_run(subject->in);
        interpreter_run(subject->rounded);
        runner_run(&subject->runner, SNUG_SEGMENT_micro_step);
    }
    compare_training(subject);
    compare_evaluation(subject);
    runner_destroy(&subject->runner);
    subject->tally->kernels += subject->c->kernels[SNUG_SEGMENT_micro_step]->kernels.count;
    subject->tally->absorbed += subject->c->kernels[SNUG_SEGMENT_micro_step]->absorbed;
}

static void check_unfused(Subject *subject)
{
    uint32_t fused = subject->c->kernels[SNUG_SEGMENT_micro_step]->kernels.count;

    subject->c->options.no_fusion = true;
    check_plan(subject, 0);
    const KernelSet *set = subject->c->kernels[SNUG_SEGMENT_micro_step];
    if (set->absorbed == 0 && set->kernels.count > fused)
        return;
    subject->tally->failures++;
    fprintf(stderr, "seed %llu: with fusion off %u ops were absorbed, %u kernels instead of %u\n",
            (unsigned long long)subject->seed, set->absorbed, set->kernels.count, fused);
}

static bool is_pair_at(const Graph *graph, const Op *reader, RandomPair pair)
{
    if (reader->kind != pair.resampler)
        return false;
    for (uint32_t k = 0; k < reader->input_count; k++) {
        const Op *op = &graph->ops.items[graph->values.items[reader->inputs[k].i].maker.i];
        const Op *before = &graph->ops.items[graph->values.items[op->inputs[0].i].maker.i];
        if (op->kind == pair.op && (before->kind == OP_bn_apply || before->kind == OP_input))
            return true;
    }
    return false;
}

/* Behind a batch norm or the picture, where no core claims the op. */
static void count_pairs(const Graph *graph, Tally *tally)
{
    RandomPair pairs[MAX_RANDOM_PAIRS];
    uint32_t count = random_pairs(pairs);

    for (uint32_t p = 0; p < count; p++)
        for (uint32_t o = 1; o < graph->ops.count; o++)
            if (is_pair_at(graph, &graph->ops.items[o], pairs[p])) {
                tally->pairs[pairs[p].op][pairs[p].resampler]++;
                break;
            }
}

static void check_pairs(Tally *tally)
{
    RandomPair pairs[MAX_RANDOM_PAIRS];
    uint32_t count = random_pairs(pairs);

    for (uint32_t p = 0; p < count; p++) {
        int32_t models = tally->pairs[pairs[p].op][pairs[p].resampler];
        printf("%s before %s: %d%s", op_info[pairs[p].op].name, op_info[pairs[p].resampler].name,
               models, p % 6 < 5 && p + 1 < count ? ", " : "\n");
        if (models >= LEAST_PAIRS)
            continue;
        fprintf(stderr, "%s occurs too rarely before %s: in %d models\n", op_info[pairs[p].op].name,
                op_info[pairs[p].resampler].name, models);
        tally->failures++;
    }
}

/* Returns whether the model was run: it is not where it comes close to a kink. */
static bool check_model(uint64_t seed, bool mixed, Tally *tally)
{
    Compilation *c = random_model(&(RandomOptions){.seed = seed, .mixed = mixed});
    Subject subject = {.c = c, .seed = seed, .mixed = mixed, .tally = tally};

    c->model->defaults.use_ema = seed % 2 == 0;
    if (!differentiate(c) || !simplify(c))
        BUG("seed %llu cannot be differentiated", (unsigned long long)seed);
    subject.in = interpreter_create(c->model->train, c->model);
    subject.rounded = interpreter_create(c->model->train, c->model);
    subject.evaluate = interpreter_create(c->model->evaluate, c->model);
    random_fill(subject.in, c->model->train, c->model, seed);
    interpreter_run(subject.in);
    bool is_clear = interpreter_kink_distance(subject.in) >= KINK_DISTANCE;
    if (is_clear) {
        if (!mixed)
            count_pairs(c->model->train, tally);
        check_plan(&subject, seed);
        check_plan(&subject, 0);
        check_unfused(&subject);
    }
    if (is_clear && mixed)
        tally->mixed_errors[tally->models] =
            sqrt(subject.squares[0] / (subject.squares[1] + 1e-12));
    interpreter_destroy(subject.in);
    interpreter_destroy(subject.rounded);
    interpreter_destroy(subject.evaluate);
    random_model_destroy(c);
    return is_clear;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void check_mixed(Tally *tally)
{
    double *errors = tally->mixed_errors;

    qsort(errors, (size_t)tally->models, sizeof *errors, compare_numbers);
    double median = errors[tally->models / 2];
    printf("mixed precision: gradients off by %.2g in the median model, %.2g in one of ten\n",
           median, errors[tally->models * 9 / 10]);
    if (median < MIXED_TOLERANCE || tally->models < 20)
        return;
    fprintf(stderr, "that is too much for rounding\n");
    tally->failures++;
}

int main(int argc, char **argv)
{
    int64_t count = argc > 1 ? atoll(argv[1]) : DEFAULT_MODELS;
    uint64_t seed = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    Tally tally = {0};

    if (count < 1 || count > MAX_MODELS) {
        fprintf(stderr, "usage: program_test [COUNT [FIRST_SEED]]\n");
        return 2;
    }
    tally.mixed_errors = calloc((size_t)count, sizeof(double));
    for (; tally.models < count && tally.skipped < 4 * count; seed++) {
        if (check_model(seed, false, &tally) && check_model(seed, true, &tally))
            tally.models++;
        else
            tally.skipped++;
    }
    printf("%lld models (%lld passed over), %lld tensors, worst relative error %.2g; "
           "%lld are ill-conditioned: worst error %.2g roundings\n",
           (long long)tally.models, (long long)tally.skipped, (long long)tally.tensors, tally.worst,
           (long long)tally.ill_conditioned, tally.most_roundings);
    printf("%lld kernels, %lld ops absorbed\n", (long long)tally.kernels,
           (long long)tally.absorbed);
    if (tally.absorbed == 0) {
        fprintf(stderr, "nothing was fused\n");
        tally.failures++;
    }
    check_mixed(&tally);
    if (count >= DEFAULT_MODELS)
        check_pairs(&tally);
    free(tally.mixed_errors);
    if (tally.models < count) {
        fprintf(stderr, "too many models come close to a kink\n");
        tally.failures++;
    }
    return tally.failures == 0 ? 0 : 1;
}
