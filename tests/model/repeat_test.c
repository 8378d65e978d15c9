/* Recomputation changes no bit: the same training with kernels that run again and without.
 *
 *     repeat_test                              random models and files of models/, but for HRNet
 *     repeat_test hrnet_w18                    that file alone, in full precision, too
 *     repeat_test RANDOM_MODELS [FIRST_SEED]   random models alone
 *
 * Two micro-steps, the update, and the evaluation after it, on the host device. What is compared,
 * by bytes: loss and scalars, every gradient before the update, every weight and running statistic
 * after it, and the heat maps. A running statistic that moves twice, or a statistic that is taken
 * of other bytes than the first time, shows.
 *
 * The plans: everything kept, by the planner; then loose plans (loose_plan.h), which repeat kernels
 * at random and in places that no planner would choose; kernels that rebuild residual sums; and the
 * planner's with less and less memory. The arena is full of NaN before each segment.
 */
#include <stdlib.h>
#include <string.h>

#include "compiler/check/check_plans.h"
#include "compiler/fuse/estimate.h"
#include "compiler/fuse/fuse.h"
#include "compiler/graph/graph.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/plan/plan.h"
#include "compiler/target/target.h"
#include "loose_plan.h"
#include "random_graph.h"
#include "runner.h"

enum { MICRO_STEPS = 2, MAX_PIECES = 4096, SEARCH_EFFORT = 5000 };

/* Every parameter before the first step, as the device holds it: made once for all plans. */
typedef struct Start {
    float **params;
    float *zeros;
    uint64_t seed;
} Start;

/* Named stretches of bytes, in the same order from every plan of a model. */
typedef struct Outcome {
    Arena *arena;
    const char *names[MAX_PIECES];
    const char *bytes[MAX_PIECES];
    int64_t sizes[MAX_PIECES];
    int32_t count;
} Outcome;

typedef struct Tally {
    int64_t plans, repeats, pieces;
    int64_t budgets, rebuilding; /* plans within a budget; of kernels that rebuild */
    int failures;
} Tally;

/* ---- one run --------------------------------------------------------------------------------- */

static void require(bool ok, const Error *error)
{
    if (ok)
        return;
    error_print(error);
    exit(1);
}

static void take_piece(Outcome *outcome, const Runner *runner, const char *kind, const char *name,
                       int64_t offset, int64_t bytes)
{
    char *copy = arena_alloc(outcome->arena, (size_t)bytes);
    Error error = {0};

    if (outcome->count == MAX_PIECES)
        BUG("more than %d tensors", MAX_PIECES);
    require(device_host.download(runner->device, offset, copy, bytes, &error), &error);
    outcome->names[outcome->count] = arena_printf(outcome->arena, "%s %s", kind, name);
    outcome->bytes[outcome->count] = copy;
    outcome->sizes[outcome->count++] = bytes;
}

static void take_params(Outcome *outcome, const Runner *runner, const char *kind, bool gradients)
{
    for (int32_t p = 0; p < runner->program->param_count; p++) {
        const SnugParam *param = &runner->program->params[p];
        int64_t count = (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
        int64_t offset = gradients ? param->grad : param->weight;
        if (param->kind >= SNUG_PARAM_running_mean && gradients)
            continue;
        take_piece(outcome, runner, kind, param->name, offset, count * 4);
    }
}

static void take_buffer(Outcome *outcome, const Runner *runner, const char *kind, int32_t index)
{
    const SnugBuffer *buffer = &runner->program->buffers[index];

    take_piece(outcome, runner, kind, buffer->name, buffer->offset,
               (int64_t)buffer->shape.n * buffer->shape.h * buffer->shape.w * buffer->pitch * 4);
}

static void put_input(Runner *runner, int32_t index, ValueId id, uint64_t seed)
{
    const Model *model = runner->c->model;
    const Value *value = &model->train->values.items[id.i];
    int64_t count = value->shape.n * value->shape.h * value->shape.w * value->shape.c;
    double *numbers;

    if (index < 0)
        return;
    numbers = malloc((size_t)count * sizeof *numbers);
    for (int64_t i = 0; i < count; i++)
        numbers[i] = random_input_value(model, value, seed, i);
    runner_put_buffer(runner, index, numbers);
    free(numbers);
}

static int64_t param_count(const Param *param)
{
    return param->shape.n * param->shape.h * param->shape.w * param->shape.c;
}

static Start make_start(const Compilation *c, uint64_t seed, Arena *arena)
{
    Start start = {.params = arena_array(arena, float *, c->model->params.count), .seed = seed};
    int64_t most = 0;

    for (uint32_t p = 1; p < c->model->params.count; p++) {
        int64_t count = param_count(&c->model->params.items[p]);
        start.params[p] = arena_array(arena, float, (size_t)count);
        for (int64_t i = 0; i < count; i++)
            start.params[p][i] = (float)random_param_value(c->model, (ParamId){p}, seed, i);
        most = max_i64(most, count);
    }
    start.zeros = arena_array(arena, float, (size_t)most);
    return start;
}

static void put_floats(Runner *runner, int64_t offset, const float *numbers, int64_t count)
{
    Error error = {0};

    require(device_host.upload(runner->device, offset, numbers, count * 4, &error), &error);
}

/* Parameters, moments, averages, gradients and scalars as before the first step. */
static void put_state(Runner *runner, const Start *start)
{
    const SnugProgram *program = runner->program;
    double scalars[SNUG_SCALAR_COUNT] = {
        [SNUG_SCALAR_loss_scale] = 1,    [SNUG_SCALAR_lr] = 1e-2,
        [SNUG_SCALAR_beta1] = 0.9,       [SNUG_SCALAR_beta2] = 0.999,
        [SNUG_SCALAR_eps] = 1e-8,        [SNUG_SCALAR_weight_decay] = 1e-2,
        [SNUG_SCALAR_correction1] = 0.1, [SNUG_SCALAR_correction2] = 1e-3,
        [SNUG_SCALAR_ema_decay] = 0.5,
    };

    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        int64_t count = param_count(&runner->c->model->params.items[p + 1]);
        const int64_t zeroed[] = {param->grad, param->m, param->v};
        for (size_t k = 0; k < COUNT_OF(zeroed); k++)
            if (zeroed[k] >= 0)
                put_floats(runner, zeroed[k], start->zeros, count);
        put_floats(runner, param->weight, start->params[p + 1], count);
        if (param->ema >= 0)
            put_floats(runner, param->ema, start->params[p + 1], count);
    }
    runner_put_buffer(runner, program->scalars_buffer, scalars);
}

/* Two micro-steps, the update, the evaluation, with the plans that c has. */
static Outcome train(Compilation *c, const Start *start, Arena *arena)
{
    Outcome outcome = {.arena = arena};
    Runner runner = runner_open(c);
    const SnugProgram *program = runner.program;

    put_state(&runner, start);
    put_input(&runner, program->image_buffer, c->model->image, start->seed);
    put_input(&runner, program->points_buffer, c->model->points, start->seed);
    put_input(&runner, program->image_weights_buffer, c->model->image_weights, start->seed);
    for (int step = 0; step < MICRO_STEPS; step++)
        runner_run(&runner, SNUG_SEGMENT_micro_step);
    take_params(&outcome, &runner, "gradient of", true);
    take_buffer(&outcome, &runner, "after the micro-steps:", program->scalars_buffer);
    runner_run(&runner, SNUG_SEGMENT_update);
    take_params(&outcome, &runner, "after the update:", false);
    take_buffer(&outcome, &runner, "after the update:", program->scalars_buffer);
    runner_run(&runner, SNUG_SEGMENT_evaluate);
    take_buffer(&outcome, &runner, "evaluated:", program->output_buffer);
    runner_destroy(&runner);
    return outcome;
}

/* ---- comparison ------------------------------------------------------------------------------ */

static void compare(Tally *tally, const char *what, const Outcome *is, const Outcome *expected)
{
    int32_t different = 0;

    if (is->count != expected->count)
        BUG("%s: %d tensors, %d expected", what, is->count, expected->count);
    for (int32_t k = 0; k < is->count; k++) {
        tally->pieces++;
        if (is->sizes[k] == expected->sizes[k]
            && memcmp(is->bytes[k], expected->bytes[k], (size_t)is->sizes[k]) == 0)
            continue;
        different++;
        if (different == 1)
            fprintf(stderr, "%s: %s differs\n", what, is->names[k]);
    }
    if (different == 0)
        return;
    fprintf(stderr, "%s: %d of %d tensors differ\n", what, different, is->count);
    tally->failures++;
}

static int64_t count_repeats(const Compilation *c)
{
    int64_t repeats = 0;

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        for (uint32_t k = 0; c->plans[s] != NULL && k < c->plans[s]->steps.count; k++)
            repeats += c->plans[s]->steps.items[k].is_repeat;
    return repeats;
}

/* Random numbers reach every output; NaN would make all comparisons pass. */
static bool is_finite(const Outcome *outcome)
{
    for (int32_t k = 0; k < outcome->count; k++)
        for (int64_t i = 0; i < outcome->sizes[k]; i += 4) {
            uint32_t bits;
            memcpy(&bits, outcome->bytes[k] + i, 4);
            if ((bits & 0x7f800000) == 0x7f800000)
                return false;
        }
    return true;
}

/* rebuilds: tensors that kernels of the backward pass rebuild a residual sum from. */
static void fuse_for_host(Compilation *c, uint32_t rebuilds)
{
    c->options.device = DEVICE_host;
    c->options.threads = 2;
    if (choose_target(c) && fuse(c)) {
        if (rebuilds > 0)
            c->kernels[SNUG_SEGMENT_micro_step] = fuse_training(c, rebuilds);
        if (estimate_costs(c))
            return;
    }
    diagnostics_print(c->diags, stderr, false);
    exit(1);
}

static void check_rebuilding(Tally *tally, Compilation *c, const char *name, const Start *start,
                             const Outcome *kept, Arena *arena)
{
    for (uint32_t leaves = 2; leaves <= 3; leaves++) {
        fuse_for_host(c, leaves);
        make_plans(c);
        check_plans(c);
        Outcome rebuilt = train(c, start, arena);
        compare(tally, arena_printf(arena, "%s, rebuilding from %u", name, leaves), &rebuilt, kept);
    }
}

/* Plans within shares of the arena that keeps everything. */
static void check_budgets(Tally *tally, Compilation *c, const char *name, size_t count,
                          const Start *start, const Outcome *kept, Arena *arena)
{
    static const double shares[] = {0.7, 0.95, 0.85, 0.5};
    int64_t arena_bytes;

    fuse_for_host(c, 0);
    make_plans(c);
    arena_bytes = c->plans[SNUG_SEGMENT_micro_step]->arena_bytes;
    for (size_t k = 0; k < count && k < COUNT_OF(shares); k++) {
        fuse_for_host(c, 0);
        c->target.budget_bytes =
            c->layout.persistent_bytes + (int64_t)(shares[k] * (double)arena_bytes);
        c->options.planner_effort = SEARCH_EFFORT;
        make_plans(c);
        check_plans(c);
        if (!c->fits)
            continue;
        tally->budgets++;
        tally->rebuilding += c->plans[SNUG_SEGMENT_micro_step]->certificate.rebuild_us > 0;
        tally->repeats += count_repeats(c);
        Outcome within = train(c, start, arena);
        compare(tally, arena_printf(arena, "%s, %.0f %%", name, 100 * shares[k]), &within, kept);
    }
}

/* Requires: simplified. */
static void check_model(Tally *tally, Compilation *c, const char *name, uint64_t seed,
                        int loose_plans, size_t budgets)
{
    Arena *arena = arena_create();
    Start start = make_start(c, seed, arena);

    fuse_for_host(c, 0);
    make_plans(c);
    check_plans(c);
    if (count_repeats(c) != 0)
        BUG("%s: without a budget something is computed again", name);
    Outcome kept = train(c, &start, arena);
    if (!is_finite(&kept)) {
        fprintf(stderr, "%s: numbers are not finite\n", name);
        tally->failures++;
    }
    for (int k = 1; k <= loose_plans; k++) {
        make_loose_plans(c, seed * 100 + (uint64_t)k);
        tally->repeats += count_repeats(c);
        tally->plans++;
        Outcome repeated = train(c, &start, arena);
        compare(tally, arena_printf(arena, "%s, loose plan %d", name, k), &repeated, &kept);
    }
    check_rebuilding(tally, c, name, &start, &kept, arena);
    check_budgets(tally, c, name, budgets, &start, &kept, arena);
    arena_destroy(arena);
}

/* ---- models ---------------------------------------------------------------------------------- */

static void check_random(Tally *tally, uint64_t seed, bool mixed)
{
    Compilation *c = random_model(&(RandomOptions){.seed = seed, .mixed = mixed});
    char name[64];

    snprintf(name, sizeof name, "random model %llu%s", (unsigned long long)seed,
             mixed ? ", mixed" : "");
    c->model->defaults.use_ema = 1; /* as loose plans have it */
    if (!differentiate(c) || !simplify(c))
        BUG("%s cannot be differentiated", name);
    check_model(tally, c, name, seed, 2, 4);
    random_model_destroy(c);
}

/* width: of the model's first convs, 0: as it has it. */
static void check_file(Tally *tally, const char *file, int64_t size, double width, bool mixed)
{
    Arena *arena = arena_create();
    Override override = {.name = "width", .value = width};
    CompileOptions options = {
        .model_path = arena_printf(arena, "%s/models/%s.snug", SOURCE_DIR, file),
        .overrides = &override,
        .override_count = width > 0,
        .batch_size = 1,
        .image_height = size,
        .image_width = size,
        .reserve_bytes = -1,
        .full_precision = !mixed,
    };
    Compilation *c = compilation_create(&options);

    if (run_pipeline(c, "simplify", stdout) != EXIT_STATUS_ok) {
        diagnostics_print(c->diags, stderr, false);
        exit(1);
    }
    check_model(tally, c, arena_printf(arena, "%s%s", file, mixed ? ", mixed" : ""), 7, mixed, 1);
    compilation_destroy(c);
    arena_destroy(arena);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int64_t size;
        double width;
    } files[] = {
        {"guide_8gb", 64, 0},
        {"unet", 32, 16},
        {"resnet50_deconv", 64, 0},
        {"hrnetv2_w18", 64, 0},
    };
    bool is_hrnet = argc > 1 && strcmp(argv[1], "hrnet_w18") == 0;
    int64_t count = is_hrnet ? 0 : argc > 1 ? atoll(argv[1]) : 12;
    uint64_t first = argc > 2 ? (uint64_t)atoll(argv[2]) : 1;
    Tally tally = {0};

    for (uint64_t seed = first; seed < first + (uint64_t)count; seed++)
        for (int mixed = 0; mixed < 2; mixed++)
            check_random(&tally, seed, mixed == 1);
    for (size_t k = 0; argc == 1 && k < COUNT_OF(files); k++)
        check_file(&tally, files[k].name, files[k].size, files[k].width, true);
    for (int mixed = 0; is_hrnet && mixed < 2; mixed++)
        check_file(&tally, "hrnet_w18", 64, 0, mixed == 1);
    printf("%lld loose plans, %lld within a budget, %lld of them rebuild; %lld steps computed "
           "again, %lld tensors compared\n",
           (long long)tally.plans, (long long)tally.budgets, (long long)tally.rebuilding,
           (long long)tally.repeats, (long long)tally.pieces);
    if (tally.repeats == 0 || tally.budgets == 0 || (argc == 1 && tally.rebuilding == 0)) {
        fprintf(stderr, "not every kind of plan was seen\n");
        tally.failures++;
    }
    return tally.failures == 0 ? 0 : 1;
}
