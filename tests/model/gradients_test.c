/* Every gradient against central differences, in double precision, on random models.
 *
 *     gradients_test [COUNT [FIRST_SEED]]
 *
 * The graph is taken as simplify leaves it, and before that it must compute the same to the bit.
 * A model whose forward pass comes close to a kink (a relu at 0, two equal candidates of a maximum)
 * is passed over: there the difference quotient says nothing. All ops must occur all the same.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "hash.h"
#include "random_graph.h"

static const double STEP = 1e-6, KINK_DISTANCE = 1e-4;
enum { SAMPLES = 8 };

typedef struct Tally {
    int64_t models, skipped, numbers;
    int64_t ops[OP_COUNT];
    double worst;           /* relative error of one derivative that matters */
    double worst_direction; /* of the derivative along a random direction of all parameters */
    int failures;
} Tally;

typedef struct Subject {
    Compilation *c;
    Interpreter *in;
    uint64_t seed;
    double **gradients; /* by ParamId, of the first run */
} Subject;

static double run(Subject *subject)
{
    double *loss = &interpreter_scalars(subject->in)[SNUG_SCALAR_loss];

    *loss = 0;
    interpreter_run(subject->in);
    return *loss;
}

static int64_t param_count(const Subject *subject, uint32_t p)
{
    return shape_count(subject->c->model->params.items[p].shape);
}

static bool is_trained(const Subject *subject, uint32_t p)
{
    SnugParamKind kind = subject->c->model->params.items[p].kind;

    return kind != SNUG_PARAM_running_mean && kind != SNUG_PARAM_running_var;
}

/* Central difference of the loss when all parameters move by `step` along `direction`. */
static double slope_along(Subject *subject, double *const *direction)
{
    double losses[2];

    for (int side = 0; side < 2; side++) {
        for (int move = 1; move >= -1; move -= 2) { /* there, and back after the run */
            double step = STEP * move * (side == 0 ? 1 : -1);
            for (uint32_t p = 1; p < subject->c->model->params.count; p++)
                for (int64_t i = 0; is_trained(subject, p) && i < param_count(subject, p); i++)
                    interpreter_param(subject->in, (ParamId){p})[i] += step * direction[p][i];
            if (move == 1)
                losses[side] = run(subject);
        }
    }
    return (losses[0] - losses[1]) / (2 * STEP);
}

static double slope_at(Subject *subject, uint32_t p, int64_t i)
{
    double *x = &interpreter_param(subject->in, (ParamId){p})[i], was = *x, losses[2];

    *x = was + STEP;
    losses[0] = run(subject);
    *x = was - STEP;
    losses[1] = run(subject);
    *x = was;
    return (losses[0] - losses[1]) / (2 * STEP);
}

static void check_param(Subject *subject, Tally *tally, uint32_t p)
{
    int64_t count = param_count(subject, p);
    double largest = 0;

    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(subject->gradients[p][i]));
    for (int64_t sample = 0; sample < SAMPLES && sample < count; sample++) {
        int64_t i =
            count <= SAMPLES
                ? sample
                : (int64_t)(hash_number(subject->seed + p, (uint64_t)sample) % (uint64_t)count);
        double expected = slope_at(subject, p, i), is = subject->gradients[p][i];
        double error = fabs(expected - is);
        tally->numbers++;
        tally->worst = fmax(tally->worst, error / fmax(largest, 1e-2));
        if (error > 1e-5 + 1e-3 * fabs(expected)) {
            tally->failures++;
            fprintf(stderr, "seed %llu: d loss / d %s[%lld] is %.9g, the difference says %.9g\n",
                    (unsigned long long)subject->seed, subject->c->model->params.items[p].name,
                    (long long)i, is, expected);
        }
    }
}

static void check_direction(Subject *subject, Tally *tally)
{
    uint32_t count = subject->c->model->params.count;
    double **direction = arena_array(subject->c->arena, double *, count);
    double is = 0, norm = 0;

    for (uint32_t p = 1; p < count; p++) {
        direction[p] = arena_array(subject->c->arena, double, (size_t)param_count(subject, p));
        for (int64_t i = 0; is_trained(subject, p) && i < param_count(subject, p); i++) {
            direction[p][i] = hash_number(subject->seed * 77 + p, (uint64_t)i) >> 63 ? 1 : -1;
            is += direction[p][i] * subject->gradients[p][i];
            norm += pow(subject->gradients[p][i], 2);
        }
    }
    double error = fabs(slope_along(subject, direction) - is);
    tally->worst_direction = fmax(tally->worst_direction, error / fmax(sqrt(norm), 1e-2));
    if (error > 1e-5 + 1e-3 * sqrt(norm)) {
        tally->failures++;
        fprintf(stderr, "seed %llu: the slope along a random direction is off by %g\n",
                (unsigned long long)subject->seed, error);
    }
}

/* The graph as it was before simplify gives the same gradients to the bit. */
static void check_simplified(Subject *subject, const Graph *before, Tally *tally)
{
    const Model *model = subject->c->model;
    Interpreter *in = interpreter_create(before, model);

    random_fill(in, before, model, subject->seed);
    interpreter_run(in);
    for (uint32_t p = 1; p < model->params.count; p++) {
        if (memcmp(interpreter_gradient(in, (ParamId){p}),
                   interpreter_gradient(subject->in, (ParamId){p}),
                   (size_t)param_count(subject, p) * sizeof(double))
            == 0)
            continue;
        tally->failures++;
        fprintf(stderr, "seed %llu: simplify changes the gradient of %s\n",
                (unsigned long long)subject->seed, model->params.items[p].name);
    }
    interpreter_destroy(in);
}

static void check_model(uint64_t seed, Tally *tally)
{
    Subject subject = {.seed = seed, .c = random_model(&(RandomOptions){.seed = seed})};
    Compilation *c = subject.c;

    verify_graph(c->model->train, c->model, "shapes");
    if (!differentiate(c))
        BUG("seed %llu cannot be differentiated", (unsigned long long)seed);
    verify_graph(c->model->train, c->model, "autodiff");
    Graph *before = graph_clone(c->model->train, c->arena);
    simplify(c);
    verify_graph(c->model->train, c->model, "simplify");
    verify_graph(c->model->evaluate, c->model, "simplify");

    subject.in = interpreter_create(c->model->train, c->model);
    random_fill(subject.in, c->model->train, c->model, seed);
    run(&subject);
    check_simplified(&subject, before, tally);
    if (interpreter_kink_distance(subject.in) < KINK_DISTANCE) {
        tally->skipped++;
    } else {
        subject.gradients = arena_array(c->arena, double *, c->model->params.count);
        for (uint32_t p = 1; p < c->model->params.count; p++) {
            size_t count = (size_t)param_count(&subject, p);
            subject.gradients[p] = arena_array(c->arena, double, count);
            memcpy(subject.gradients[p], interpreter_gradient(subject.in, (ParamId){p}),
                   count * sizeof(double));
        }
        for (uint32_t p = 1; p < c->model->params.count; p++)
            if (is_trained(&subject, p))
                check_param(&subject, tally, p);
        check_direction(&subject, tally);
        for (uint32_t o = 1; o < c->model->train->ops.count; o++)
            tally->ops[c->model->train->ops.items[o].kind]++;
        tally->models++;
    }
    interpreter_destroy(subject.in);
    random_model_destroy(c);
}

static void print_op_counts(const Tally *tally)
{
    for (int kind = 0; kind < OP_COUNT; kind++)
        printf("%s %lld%s", op_info[kind].name, (long long)tally->ops[kind],
               kind + 1 < OP_COUNT ? ", " : "\n");
}

int main(int argc, char **argv)
{
    int64_t count = argc > 1 ? atoll(argv[1]) : 400;
    uint64_t seed = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    Tally tally = {0};

    while (tally.models < count && tally.skipped < 4 * count)
        check_model(seed++, &tally);
    printf("%lld models (%lld passed over), %lld derivatives, worst relative error %.2g, "
           "along a direction %.2g\n",
           (long long)tally.models, (long long)tally.skipped, (long long)tally.numbers, tally.worst,
           tally.worst_direction);
    if (tally.models < count) {
        fprintf(stderr, "too many models come close to a kink\n");
        tally.failures++;
    }
    print_op_counts(&tally);
    for (int kind = 0; kind < OP_COUNT && count >= 300; kind++) {
        if (kind != OP_decode && tally.ops[kind] < 40) { /* decode: of the evaluation alone */
            fprintf(stderr, "%s occurs too rarely\n", op_info[kind].name);
            tally.failures++;
        }
    }
    return tally.failures == 0 ? 0 : 1;
}
