/* Every pointwise op of ops.def where fusion might move it, fused, against the interpreter.
 *
 *     image --> conv --> z --> batch norm --> x --+---------------> op --> after --> y
 *                        |                        `--> x + conv ----^
 *                        |
 *                        `--> conv --> (upsample) --> + conv(y) = heat
 *
 * after: each resampler, or a conv. z is read twice, so no core's epilogue takes the op: whether it
 * is stored is for the rules to decide, by its traits. An op of several tensors reads x for all of
 * them, too, which makes it one load like the others. Forward, gradients, running statistics and
 * evaluation; the gradients' own ops, which have no gradient, in evaluation alone.
 *
 * Ops are taken from ops.def: a new one is in as soon as op_role (maker.c) has it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "maker.h"
#include "random_graph.h"
#include "runner.h"

static const double TOLERANCE = 1e-4, KINK_DISTANCE = 1e-3, NOTHING = 1e-5;
enum { CHANNELS = 4, MOST_TRIES = 200 };

typedef struct Case {
    OpKind op, after;
    bool behind_sum, one_tensor;
} Case;

typedef struct Subject {
    Case what;
    Compilation *c;
    Interpreter *in, *evaluate;
    const char *name; /* of the op in the graph */
    uint64_t seed;
    double gradient_norm;
} Subject;

static int cases, stored, failures;

static void fail(const Subject *subject, const char *what, const char *name, double error,
                 double norm)
{
    const Case *k = &subject->what;

    failures++;
    fprintf(stderr, "%s behind a %s%s before %s: %s %s is off by %.3g, its norm is %.3g\n",
            op_info[k->op].name, k->behind_sum ? "residual sum" : "batch norm",
            k->one_tensor ? ", of one tensor" : "", op_info[k->after].name, what, name, error,
            norm);
    if ((op_info[k->op].traits & AFFINE) != 0)
        fprintf(stderr, "    compiler/ir/ops.def says that it is AFFINE: is that so?\n");
}

/* ---- models ---------------------------------------------------------------------------------- */

/* Reads at least two tensors. */
static bool is_joint(OpKind kind)
{
    return kind == OP_bn_grad_apply
           || ((op_role(kind) == ROLE_pointwise || op_role(kind) == ROLE_gradient)
               && op_info[kind].inputs != 1 && kind != OP_bias && kind != OP_bn_apply);
}

static ValueId make_place(Maker *m, const Case *what, ValueId image, ValueId *z)
{
    *z = make_conv(m, image, CHANNELS, 3, 1);
    if (op_role(what->op) == ROLE_picture)
        return make_op(m, what->after, image, image);
    ValueId x = make_bn(m, *z, false);
    ValueId other = x;
    if (what->behind_sum)
        x = make_add(m, (ValueId[]){x, make_conv(m, image, CHANNELS, 1, 1)}, 2);
    if (what->one_tensor)
        other = x;
    else if (is_joint(what->op))
        other = make_bn(m, make_conv(m, image, CHANNELS, 3, 1), false);
    ValueId y = make_op(m, what->op, x, other);
    m->c->model->name = m->graph->values.items[y.i].name;
    return make_op(m, what->after, y, y);
}

static Compilation *make_model(const Case *what, uint64_t seed, const char **name)
{
    Maker m = maker_create("pointwise", seed, false);
    Model *model = m.model;
    bool is_picture = op_role(what->op) == ROLE_picture;
    Shape s = {2, 5, 6, 3};
    ValueId z;

    model->image = make_batch_input(&m, is_picture ? INPUT_picture : INPUT_tensor, s,
                                    is_picture ? SNUG_U8 : SNUG_F32, "image");
    model->batch_size = s.n;
    model->image_height = s.h;
    model->image_width = s.w;
    ValueId image = is_picture ? make_normalize(&m, model->image) : model->image;
    if (is_picture)
        model->name = m.graph->values.items[image.i].name;
    ValueId y = make_place(&m, what, image, &z);
    *name = model->name;
    model->name = "pointwise";
    int32_t factor = (int32_t)(shape_of(&m, y).h / shape_of(&m, z).h);
    ValueId side = make_conv(&m, z, 2, 1, 1);
    if (factor > 1)
        side = make_resample(&m, OP_upsample, side, factor);
    ValueId heat = make_add(&m, (ValueId[]){make_conv(&m, y, 2, 1, 1), side}, 2);
    SnugLoss loss = {.kind = SNUG_LOSS_mse, .sigma = 1.5f, .stride = 1};
    if (op_role(what->op) != ROLE_gradient)
        make_loss(&m, heat, &loss);
    model->heat = heat;
    model->landmarks = 2;
    if (!infer_shapes(m.c) || !differentiate(m.c) || !simplify(m.c))
        BUG("no model of %s", op_info[what->op].name);
    return m.c;
}

/* ---- comparison ------------------------------------------------------------------------------ */

static double norm_of(const double *x, int64_t count)
{
    double sum = 0;

    for (int64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* What a batch norm takes away again has a gradient of roundings only: `scale` is that of all. */
static void compare(const Subject *subject, const char *what, const char *name, const double *is,
                    const double *expected, int64_t count, double scale)
{
    double difference = 0, norm = norm_of(expected, count);

    for (int64_t i = 0; i < count; i++)
        difference += pow(is[i] - expected[i], 2);
    if (!(sqrt(difference) <= TOLERANCE * norm + NOTHING * scale))
        fail(subject, what, name, sqrt(difference), norm);
}

static void compare_param(const Subject *subject, Runner *runner, ParamId id)
{
    const Param *param = &subject->c->model->params.items[id.i];
    const SnugParam *place = &runner->program->params[id.i - 1];
    int64_t count = shape_count(param->shape);
    double *is = calloc((size_t)count, sizeof *is);

    if (param->kind >= SNUG_PARAM_running_mean) {
        runner_get(runner, place->weight, is, count);
        compare(subject, "state", param->name, is, interpreter_param(subject->in, id), count, 0);
    } else {
        runner_get(runner, place->grad, is, count);
        compare(subject, "gradient", param->name, is, interpreter_gradient(subject->in, id), count,
                subject->gradient_norm);
    }
    free(is);
}

static void train(Subject *subject, Runner *runner)
{
    const Model *model = subject->c->model;
    double scalars[SNUG_SCALAR_COUNT] = {[SNUG_SCALAR_loss_scale] = 1}, squares = 0;

    runner_put_buffer(runner, runner->program->points_buffer,
                      interpreter_value(subject->in, model->points));
    runner_put_buffer(runner, runner->program->image_weights_buffer,
                      interpreter_value(subject->in, model->image_weights));
    runner_put_buffer(runner, runner->program->scalars_buffer, scalars);
    random_fill(subject->in, model->train, model, subject->seed);
    interpreter_run(subject->in);
    runner_run(runner, SNUG_SEGMENT_micro_step);
    runner_get_buffer(runner, runner->program->scalars_buffer, scalars);
    compare(subject, "the", "loss", &scalars[SNUG_SCALAR_loss],
            &interpreter_scalars(subject->in)[SNUG_SCALAR_loss], 1, 0);
    for (uint32_t p = 1; p < model->params.count; p++)
        squares += pow(norm_of(interpreter_gradient(subject->in, (ParamId){p}),
                               shape_count(model->params.items[p].shape)),
                       2);
    subject->gradient_norm = sqrt(squares);
    for (uint32_t p = 1; p < model->params.count; p++)
        compare_param(subject, runner, (ParamId){p});
}

/* With the running statistics that training has left. */
static void evaluate(Subject *subject, Runner *runner)
{
    const Model *model = subject->c->model;
    int64_t count = shape_count(model->evaluate->values.items[model->evaluate_heat.i].shape);
    double *is = calloc((size_t)count, sizeof *is);

    random_fill(subject->evaluate, model->evaluate, model, subject->seed);
    for (uint32_t p = 1; p < model->params.count; p++)
        memcpy(interpreter_param(subject->evaluate, (ParamId){p}),
               interpreter_param(subject->in, (ParamId){p}),
               (size_t)shape_count(model->params.items[p].shape) * sizeof(double));
    interpreter_run(subject->evaluate);
    runner_run(runner, SNUG_SEGMENT_evaluate);
    runner_get_buffer(runner, runner->program->output_buffer, is);
    compare(subject, "evaluated", "heat", is,
            interpreter_value(subject->evaluate, model->evaluate_heat), count, 0);
    free(is);
}

/* ---- what was fused -------------------------------------------------------------------------- */

static bool is_stored(const Subject *subject, SnugSegmentId segment)
{
    const KernelSet *set = subject->c->kernels[segment];

    for (uint32_t k = 0; k < set->kernels.count; k++)
        if (strcmp(set->kernels.items[k].label, subject->name) == 0)
            return true;
    return false;
}

/* Between one load and bilinear an op is stored exactly where it is not AFFINE. */
static void check_fused(const Subject *subject)
{
    const Case *k = &subject->what;
    bool trains = subject->c->model->loss.i != 0;
    bool is_affine = (op_info[k->op].traits & AFFINE) != 0;
    bool is = is_stored(subject, trains ? SNUG_SEGMENT_micro_step : SNUG_SEGMENT_evaluate);

    stored += is;
    if (k->after != OP_bilinear || k->behind_sum || (is_joint(k->op) && !k->one_tensor)
        || is == !is_affine)
        return;
    failures++;
    fprintf(stderr, "%s before bilinear is %s, though it is %sAFFINE\n", op_info[k->op].name,
            is ? "stored" : "not stored", is_affine ? "" : "not ");
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void run_case(Subject *subject)
{
    const Model *model = subject->c->model;
    Runner runner = runner_create(subject->c, 0);

    for (uint32_t p = 1; p < model->params.count; p++)
        runner_put(&runner, runner.program->params[p - 1].weight,
                   interpreter_param(subject->in, (ParamId){p}),
                   shape_count(model->params.items[p].shape));
    runner_put_buffer(&runner, runner.program->image_buffer,
                      interpreter_value(subject->in, model->image));
    if (model->loss.i != 0)
        train(subject, &runner);
    evaluate(subject, &runner);
    check_fused(subject);
    runner_destroy(&runner);
}

/* With the first numbers that are far from where a gradient jumps. */
static void check_case(const Case *what)
{
    bool is_clear = false;

    cases++;
    for (uint64_t seed = 1; seed <= MOST_TRIES && !is_clear; seed++) {
        Subject subject = {.what = *what, .seed = seed};
        subject.c = make_model(what, seed, &subject.name);
        const Model *model = subject.c->model;
        subject.in = interpreter_create(model->train, model);
        subject.evaluate = interpreter_create(model->evaluate, model);
        random_fill(subject.in, model->train, model, seed);
        interpreter_run(subject.in);
        is_clear = interpreter_kink_distance(subject.in) >= KINK_DISTANCE;
        random_fill(subject.in, model->train, model, seed);
        if (is_clear)
            run_case(&subject);
        interpreter_destroy(subject.in);
        interpreter_destroy(subject.evaluate);
        random_model_destroy(subject.c);
    }
    if (is_clear)
        return;
    failures++;
    fprintf(stderr, "%s comes close to a kink with all seeds\n", op_info[what->op].name);
}

static void check_op(OpKind op, OpKind after)
{
    bool is_picture = op_role(op) == ROLE_picture;

    for (int behind_sum = 0; behind_sum <= !is_picture; behind_sum++)
        for (int one_tensor = 0; one_tensor <= is_joint(op); one_tensor++)
            check_case(&(Case){op, after, behind_sum != 0, one_tensor != 0});
}

int main(void)
{
    for (int op = 0; op < OP_COUNT; op++) {
        if ((op_info[op].traits & POINTWISE) == 0)
            continue;
        if (op_role((OpKind)op) == ROLE_none) {
            fprintf(stderr, "tests/model/maker.c: op_role does not say what %s is\n",
                    op_info[op].name);
            failures++;
            continue;
        }
        for (int after = 0; after < OP_COUNT; after++)
            if (op_role((OpKind)after) == ROLE_resampler || after == OP_conv)
                check_op((OpKind)op, (OpKind)after);
    }
    printf("%d cases, in %d of them the op's result is stored\n", cases, stored);
    return failures == 0 ? 0 : 1;
}
