/* Models, compiled for a card and run launch by launch on the software GPU.
 *
 *     programs_test FOLDER random COUNT FIRST_SEED     random models
 *     programs_test FOLDER model PATH SIZE [FORM]      a model file at that image size; FORM
 *                                                      "unfused": each op a kernel of its own;
 *                                                      "quick": optimised less, as random models
 *
 * Every launch gets what the launch before it left, and must leave what the reference makes of the
 * same bytes (in double, element by element), within 2e-3: then errors do not add up, and the
 * tolerance is that of one rounding. Each buffer is an allocation of its own, between guard pages,
 * and what a kernel only writes starts as NaN. Two micro-steps, an update, an evaluation, with the
 * planner's plan. FOLDER keeps NVRTC's output. Skipped (77) where NVRTC is absent.
 */
#include "kernel_pool.h"
#include "small_reference.h"

#include "compiler/check/check_plans.h"
#include "compiler/emit/cuda.h"
#include "compiler/emit/emit.h"
#include "compiler/fuse/estimate.h"
#include "compiler/fuse/fuse.h"
#include "compiler/graph/graph.h"
#include "compiler/pipeline/pipeline.h"
#include "compiler/plan/plan.h"
#include "compiler/target/cost.h"
#include "compiler/target/target.h"
#include "tests/model/random_graph.h"
#include "tests/softgpu/softgpu.h"

static const double TOLERANCE = 2e-3, LOSS_SCALE = 256;
static const double TRAFFIC_TOLERANCE = 0.03;

/* Sums that cancel have no relative error to speak of: what rounding does to them is a share of the
 * sum of their terms' sizes. fp32 sums: 16 units in the last place; sums of what is rounded to half
 * first: one such rounding that falls the other way in each 64 terms. */
static const double SUM_ROUNDING = 0x1p-20, COLLECT_ROUNDING = 0x1p-17;

/* Bytes of global memory that kernels moved. */
typedef struct Traffic {
    int64_t planned; /* each operand once, as the cost model counts */
    int64_t touched; /* each byte once a launch, as a perfect cache would have it */
    int64_t asked;   /* by the threads */
} Traffic;

typedef struct Machine {
    SoftGpu *gpu;
    KernelPool *pool;
    const SnugProgram *program;
    const Target *target;
    const char *model;       /* for messages */
    SoftGpuModule **modules; /* by kernel */
    unsigned char *memory;   /* the program's one allocation, as it is between launches */
    int64_t models, launches, products; /* products: launches by the library */
    double worst[SNUG_KERNEL_KIND_COUNT];
    Traffic traffic[SNUG_KERNEL_KIND_COUNT]; /* of kernels with args of their own */
    int failures;
} Machine;

/* ---- launches -------------------------------------------------------------------------------- */

static void fail_launch(Machine *machine, const SnugLaunch *launch, const char *what)
{
    machine->failures++;
    fprintf(stderr, "%s: %s (%s): %s\n", machine->model, launch->label,
            machine->program->kernels[launch->kernel].name, what);
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void count_traffic(Machine *machine, const SnugLaunch *launch)
{
    SnugKernelKind kind = machine->program->kernels[launch->kernel].kind;
    SoftGpuCounters did = softgpu_last_counters(machine->gpu);

    machine->traffic[kind].touched += did.touched_read_bytes + did.touched_written_bytes;
    machine->traffic[kind].asked += did.global_read_bytes + did.global_written_bytes;
}

/* Runs all entries of the launch's kernel; false after a fault, which is reported. */
static bool run_entries(Machine *machine, const SnugLaunch *launch, uint64_t *addresses,
                        int32_t count)
{
    const SnugCudaKernel *kernel = &machine->program->cuda_kernels[launch->kernel];
    void *pointers[MAX_ARGS + 1];

    for (int32_t a = 0; a < count; a++)
        pointers[a] = &addresses[a];
    for (int32_t e = 0; e < kernel->entry_count; e++) {
        const SnugCudaEntry *entry = &kernel->entries[e];
        SoftGpuKernel *function = softgpu_kernel(machine->modules[launch->kernel], entry->name);
        require(function != NULL && softgpu_allow_shared(function, entry->shared_bytes),
                "an entry is missing");
        SoftGpuLaunch grid = {
            .grid = {(uint32_t)entry->grid[0], (uint32_t)entry->grid[1], (uint32_t)entry->grid[2]},
            .block = {(uint32_t)entry->threads, 1, 1},
            .shared_bytes = (uint32_t)entry->shared_bytes,
        };
        if (softgpu_launch(machine->gpu, function, &grid, pointers) != SOFTGPU_OK) {
            fail_launch(machine, launch, softgpu_report(machine->gpu));
            return false;
        }
        count_traffic(machine, launch);
    }
    return true;
}

/* The same by the library's product. */
static bool run_product(Machine *machine, const SnugLaunch *launch, const uint64_t *addresses)
{
    const SnugKernel *kernel = &machine->program->kernels[launch->kernel];
    const SnugGemm *gemm = &machine->program->cuda_kernels[launch->kernel].gemm;
    const int32_t args[] = {gemm->a, gemm->b, gemm->c};
    SoftGpuProduct p = {.m = gemm->m,
                        .n = gemm->n,
                        .k = gemm->k,
                        .alpha = 1,
                        .beta = (float)gemm->beta,
                        .workspace = addresses[kernel->arg_count],
                        .workspace_bytes = kernel->workspace_bytes};
    SoftGpuMatrix *matrices[] = {&p.a, &p.b, &p.c};

    for (int i = 0; i < 3; i++)
        *matrices[i] = (SoftGpuMatrix){
            .at = addresses[args[i]],
            .type = kernel->args[args[i]].type == SNUG_F16 ? SOFTGPU_TYPE_f16 : SOFTGPU_TYPE_f32,
            .leading = kernel->args[args[i]].pitch,
        };
    p.a.transposed = gemm->transposes_a;
    p.b.transposed = gemm->transposes_b;
    if (softgpu_multiply(machine->gpu, &p) == SOFTGPU_OK)
        return true;
    fail_launch(machine, launch, softgpu_report(machine->gpu));
    return false;
}

/* The largest |have - want| / (|want| + root mean square) over every `rows`-th row of channels from
 * `row` on, of what `slack` times the number in sizes (NULL: none) does not explain; INFINITY where
 * padding is not zero, or a number is not finite that should be. */
static double error_of(const SnugArg *arg, const void *have_data, const void *want_data,
                       const void *sizes, double slack, int32_t row, int32_t rows)
{
    int64_t pixels = (int64_t)arg->shape.n * arg->shape.h * arg->shape.w, count = 0;
    double square = 0, largest = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t p = row; p < pixels; p += rows)
            for (int32_t c = 0; c < arg->pitch; c++) {
                double want = read_element(arg, want_data, p * arg->pitch + c);
                double have = read_element(arg, have_data, p * arg->pitch + c);
                bool overflows = !isfinite(want) && (have == want || (isnan(have) && isnan(want)));
                if (overflows) /* of half, as it should: a scaled gradient may */
                    continue;
                if ((c >= arg->shape.c && have != 0) || !isfinite(have) || !isfinite(want))
                    return INFINITY;
                square += pass == 0 ? want * want : 0;
                count += pass == 0 && c < arg->shape.c;
                if (pass == 0)
                    continue;
                double off = fabs(have - want);
                if (sizes != NULL)
                    off = fmax(0, off - slack * read_element(arg, sizes, p * arg->pitch + c));
                largest = fmax(largest, off / (fabs(want) + sqrt(square / (double)count) + 1e-30));
            }
    return largest;
}

/* Vectors of statistics have rows of different sizes: each is compared by itself. */
static int32_t rows_of(const SnugArg *arg)
{
    return arg->type == SNUG_F32 && arg->shape.n == 1 && arg->shape.w <= 4 ? arg->shape.w : 1;
}

/* Whether arg a holds sums, and how well they can be known. */
static double slack_of(const SnugKernel *kernel, int32_t a)
{
    for (int32_t r = 0; r < kernel->reduction_count; r++)
        if (kernel->reductions[r].arg == a && kernel->reductions[r].kind != SNUG_REDUCE_moments)
            return COLLECT_ROUNDING;
    switch (kernel->kind) {
    case SNUG_KERNEL_conv_wgrad:
    case SNUG_KERNEL_bn_grad_combine:
    case SNUG_KERNEL_sum_combine: return SUM_ROUNDING;
    case SNUG_KERNEL_decode: return 1; /* its reference says how unsure a place is */
    default: return 0;
    }
}

/* The kernel's results with the sizes of all terms in place of the terms. */
static Bench sizes_of(const Bench *b, void *const *before)
{
    Bench sizes = *b;

    sizes.takes_sizes = true;
    for (int32_t a = 0; a < b->kernel.arg_count; a++) {
        size_t bytes = (size_t)(arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type));
        sizes.expected[a] = malloc(bytes);
        memcpy(sizes.expected[a], before[a], bytes);
        if (b->args[a].access == SNUG_ACCUMULATE)
            memset(sizes.expected[a], 0, bytes);
    }
    reference_any(&sizes);
    return sizes;
}

static void check_args(Machine *machine, const SnugLaunch *launch, const Bench *b,
                       const Bench *sizes)
{
    for (int32_t a = 0; a < b->kernel.arg_count; a++) {
        int32_t rows = rows_of(&b->args[a]);
        double slack = slack_of(&b->kernel, a);
        for (int32_t row = 0; row < rows && b->args[a].access != SNUG_READ; row++) {
            double error = error_of(&b->args[a], b->data[a], b->expected[a],
                                    slack > 0 ? sizes->expected[a] : NULL, slack, row, rows);
            double *worst = &machine->worst[b->kernel.kind];
            *worst = fmax(*worst, error);
            if (error <= TOLERANCE)
                continue;
            char what[128];
            snprintf(what, sizeof what, "arg %d, row %d is off by %.3g, allowed %.3g", a, row,
                     error, TOLERANCE);
            fail_launch(machine, launch, what);
        }
    }
}

/* A kernel with args of its own: each in its own allocation, but for a result in place of what it
 * is made from. By the library: a kernel that is given to it; else by its entries. */
static void check_form(Machine *machine, const SnugLaunch *launch, bool by_library, bool keeps)
{
    const SnugProgram *program = machine->program;
    Bench *b = calloc(1, sizeof *b);
    uint64_t addresses[MAX_ARGS + 1] = {0};
    int32_t count;

    b->kernel = program->kernels[launch->kernel];
    b->is_single = true;
    count = b->kernel.arg_count;
    require(count <= MAX_ARGS, "a kernel has too many args for the reference");
    for (int32_t a = 0; a < count; a++) {
        const SnugBuffer *buffer = &program->buffers[launch->buffers[a]];
        b->args[a] = b->kernel.args[a];
        int64_t bytes = arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type);
        b->data[a] = malloc((size_t)bytes);
        b->expected[a] = malloc((size_t)bytes);
        memcpy(b->expected[a], machine->memory + buffer->offset, (size_t)bytes);
        for (int32_t i = 0; i < a; i++)
            if (program->buffers[launch->buffers[i]].offset == buffer->offset)
                addresses[a] = addresses[i];
        if (addresses[a] == 0)
            addresses[a] = softgpu_allocate(machine->gpu, bytes);
        require(addresses[a] != 0, "the software GPU's memory is full");
        if (b->args[a].access != SNUG_WRITE)
            softgpu_upload(machine->gpu, addresses[a], b->expected[a], bytes);
    }
    if (b->kernel.workspace_bytes > 0)
        addresses[count] = softgpu_allocate(machine->gpu, b->kernel.workspace_bytes);
    SnugKernel own = b->kernel;
    own.is_gemm = 0;
    if (!by_library)
        machine->traffic[own.kind].planned += kernel_bytes(machine->target, &own);
    Bench sizes = sizes_of(b, b->expected);
    reference_any(b);
    if (by_library
            ? run_product(machine, launch, addresses)
            : run_entries(machine, launch, addresses, count + (b->kernel.workspace_bytes > 0))) {
        for (int32_t a = 0; a < count; a++) {
            int64_t bytes = arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type);
            softgpu_download(machine->gpu, b->data[a], addresses[a], bytes);
            if (keeps && b->args[a].access != SNUG_READ)
                memcpy(machine->memory + program->buffers[launch->buffers[a]].offset, b->data[a],
                       (size_t)bytes);
        }
        check_args(machine, launch, b, &sizes);
    }
    for (int32_t a = 0; a <= count; a++) {
        bool is_first = addresses[a] != 0;
        for (int32_t i = 0; i < a; i++)
            is_first &= addresses[i] != addresses[a];
        if (is_first)
            softgpu_free(machine->gpu, addresses[a]);
        if (a < count) {
            free(b->data[a]);
            free(b->expected[a]);
            free(sizes.expected[a]);
        }
    }
    machine->launches++;
    free(b);
}

static void check_launch(Machine *machine, const SnugLaunch *launch)
{
    bool is_gemm = machine->program->kernels[launch->kernel].is_gemm != 0;

    check_form(machine, launch, false, !is_gemm);
    if (is_gemm)
        check_form(machine, launch, true, true);
    machine->products += is_gemm;
}

/* ---- kernels over all parameters ------------------------------------------------------------- */

static float *floats_at(unsigned char *memory, int64_t offset)
{
    return (float *)(void *)(memory + offset);
}

static int64_t param_elements(const SnugParam *param)
{
    return (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
}

static void reference_halves(const SnugProgram *program, unsigned char *memory, bool averaged)
{
    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        int64_t columns = param->shape.c, pitch = (columns + 7) / 8 * 8;
        if (param->half < 0)
            continue;
        const float *from = floats_at(memory, averaged ? param->ema : param->weight);
        uint16_t *to = (uint16_t *)(void *)(memory + param->half);
        for (int64_t i = 0; i < param_elements(param) / columns * pitch; i++)
            to[i] = i % pitch < columns
                        ? double_to_half((double)from[i / pitch * columns + i % pitch])
                        : 0;
    }
}

static void reference_norm(const SnugProgram *program, unsigned char *memory, float *scalars)
{
    double sum = 0;

    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        for (int64_t i = 0; param->grad >= 0 && i < param_elements(param); i++)
            sum += pow((double)floats_at(memory, param->grad)[i]
                           / (double)scalars[SNUG_SCALAR_loss_scale],
                       2);
    }
    scalars[SNUG_SCALAR_grad_norm] = (float)sqrt(sum);
    scalars[SNUG_SCALAR_finite] = isfinite(sum) ? 1.0f : 0.0f;
}

static void reference_adamw(const SnugProgram *program, unsigned char *memory, const float *scalars)
{
    double norm = (double)scalars[SNUG_SCALAR_grad_norm], clip = (double)scalars[SNUG_SCALAR_clip];
    double shrink = clip > 0 && norm > clip ? clip / (norm + 1e-6) : 1;
    double b1 = (double)scalars[SNUG_SCALAR_beta1], b2 = (double)scalars[SNUG_SCALAR_beta2];
    double lr = (double)scalars[SNUG_SCALAR_lr], keep = (double)scalars[SNUG_SCALAR_ema_decay];

    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        for (int64_t i = 0; i < param_elements(param); i++) {
            float *w = floats_at(memory, param->weight) + i;
            if (param->grad >= 0) {
                float *m = floats_at(memory, param->m) + i, *v = floats_at(memory, param->v) + i;
                float *g = floats_at(memory, param->grad) + i;
                double grad = (double)*g * shrink / (double)scalars[SNUG_SCALAR_loss_scale];
                *m = (float)(b1 * (double)*m + (1 - b1) * grad);
                *v = (float)(b2 * (double)*v + (1 - b2) * grad * grad);
                double decay = param->decay ? lr * (double)scalars[SNUG_SCALAR_weight_decay] : 0;
                *w = (float)((double)*w * (1 - decay)
                             - lr * (double)*m / (double)scalars[SNUG_SCALAR_correction1]
                                   / (sqrt((double)*v / (double)scalars[SNUG_SCALAR_correction2])
                                      + (double)scalars[SNUG_SCALAR_eps]));
                *g = 0;
            }
            if (param->ema >= 0) {
                float *mean = floats_at(memory, param->ema) + i;
                *mean = (float)(keep * (double)*mean + (1 - keep) * (double)*w);
            }
        }
    }
}

/* Offsets of the arrays of `count` elements that a parameter has, with their names. */
static void check_params(Machine *machine, const SnugLaunch *launch, const unsigned char *have,
                         const unsigned char *want)
{
    const SnugProgram *program = machine->program;
    double *worst = &machine->worst[program->kernels[launch->kernel].kind];

    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        const int64_t offsets[] = {param->weight, param->grad, param->m,
                                   param->v,      param->ema,  param->half};
        static const char *const names[] = {"weight", "grad", "m", "v", "ema", "half"};
        for (size_t k = 0; k < sizeof offsets / sizeof *offsets; k++) {
            bool is_half = k == 5;
            SnugArg arg = {.type = is_half ? SNUG_F16 : SNUG_F32,
                           .shape = param->shape,
                           .pitch = is_half ? (param->shape.c + 7) / 8 * 8 : param->shape.c};
            if (offsets[k] < 0)
                continue;
            double error = error_of(&arg, have + offsets[k], want + offsets[k], NULL, 0, 0, 1);
            *worst = fmax(*worst, error);
            if (error <= TOLERANCE)
                continue;
            char what[256];
            snprintf(what, sizeof what, "%s of %s is off by %.3g", names[k], param->name, error);
            fail_launch(machine, launch, what);
        }
    }
}

static void check_update(Machine *machine, const SnugLaunch *launch)
{
    const SnugProgram *program = machine->program;
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    int64_t total = program->total_bytes;
    int64_t scalars_at = program->buffers[program->scalars_buffer].offset;
    uint64_t base = softgpu_allocate(machine->gpu, total);
    uint64_t addresses[2] = {base + (uint64_t)scalars_at, 0};
    unsigned char *want = malloc((size_t)total);

    require(base != 0, "the software GPU's memory is full");
    memcpy(want, machine->memory, (size_t)total);
    softgpu_upload(machine->gpu, base, machine->memory, total);
    if (kernel->workspace_bytes > 0)
        addresses[1] = base + (uint64_t)program->buffers[launch->buffers[1]].offset;
    float *scalars = floats_at(want, scalars_at);
    switch (kernel->kind) {
    case SNUG_KERNEL_grad_norm: reference_norm(program, want, scalars); break;
    case SNUG_KERNEL_adamw: reference_adamw(program, want, scalars); break;
    default: break;
    }
    if (kernel->kind != SNUG_KERNEL_grad_norm)
        reference_halves(program, want, kernel->kind == SNUG_KERNEL_copy_ema);
    if (run_entries(machine, launch, addresses, kernel->workspace_bytes > 0 ? 2 : 1)) {
        softgpu_download(machine->gpu, machine->memory, base, total);
        check_params(machine, launch, machine->memory, want);
        SnugArg arg = {.type = SNUG_F32,
                       .shape = {1, 1, 1, SNUG_SCALAR_COUNT},
                       .pitch = SNUG_SCALAR_COUNT};
        if (!(error_of(&arg, machine->memory + scalars_at, scalars, NULL, 0, 0, 1) <= TOLERANCE))
            fail_launch(machine, launch, "the scalars are off");
    }
    softgpu_free(machine->gpu, base);
    free(want);
    machine->launches++;
}

static void run_segment(Machine *machine, SnugSegmentId id)
{
    const SnugSegment *segment = &machine->program->segments[id];

    for (int32_t k = 0; k < segment->launch_count && machine->failures == 0; k++) {
        SnugKernelKind kind = machine->program->kernels[segment->launches[k].kernel].kind;
        if (kind >= SNUG_KERNEL_grad_norm)
            check_update(machine, &segment->launches[k]);
        else
            check_launch(machine, &segment->launches[k]);
    }
}

/* ---- models ---------------------------------------------------------------------------------- */

/* Parameters, their averages, inputs and scalars; all else is zeros, the arena NaN. */
static void fill_memory(Machine *machine, const Model *model, uint64_t seed)
{
    const SnugProgram *program = machine->program;
    float *scalars = floats_at(machine->memory, program->buffers[program->scalars_buffer].offset);
    const int32_t inputs[] = {program->image_buffer, program->points_buffer,
                              program->image_weights_buffer};
    const ValueId values[] = {model->image, model->points, model->image_weights};

    memset(machine->memory, 0, (size_t)program->persistent_bytes);
    memset(machine->memory + program->persistent_bytes, 0xff,
           (size_t)(program->total_bytes - program->persistent_bytes));
    for (uint32_t p = 1; p < model->params.count; p++) {
        const SnugParam *param = &program->params[p - 1];
        for (int64_t i = 0; i < param_elements(param); i++) {
            float number = (float)random_param_value(model, (ParamId){p}, seed, i);
            floats_at(machine->memory, param->weight)[i] = number;
            if (param->ema >= 0)
                floats_at(machine->memory, param->ema)[i] = 0.75f * number;
        }
    }
    for (size_t k = 0; k < 3; k++) {
        const Value *value = &model->train->values.items[values[k].i];
        int64_t count = value->shape.n * value->shape.h * value->shape.w * value->shape.c;
        for (int64_t i = 0; inputs[k] >= 0 && i < count; i++) {
            double number = random_input_value(model, value, seed, i);
            unsigned char *at = machine->memory + program->buffers[inputs[k]].offset;
            if (program->buffers[inputs[k]].type == SNUG_U8)
                at[i] = (unsigned char)number;
            else
                floats_at(at, 0)[i] =
                    (float)(values[k].i == model->image_weights.i ? LOSS_SCALE * number : number);
        }
    }
    scalars[SNUG_SCALAR_loss_scale] = (float)LOSS_SCALE;
    scalars[SNUG_SCALAR_lr] = 1e-3f;
    scalars[SNUG_SCALAR_beta1] = 0.9f;
    scalars[SNUG_SCALAR_beta2] = 0.999f;
    scalars[SNUG_SCALAR_eps] = 1e-8f;
    scalars[SNUG_SCALAR_weight_decay] = 1e-2f;
    scalars[SNUG_SCALAR_correction1] = 0.1f;
    scalars[SNUG_SCALAR_correction2] = 0.001f;
    scalars[SNUG_SCALAR_clip] = seed % 3 == 0 ? 0.0f : 1.0f;
    scalars[SNUG_SCALAR_ema_decay] = 0.9f;
}

/* A simplified compilation for the card, from its plan to the last launch: of all segments, or of
 * two micro-steps. */
static void check_model(Machine *machine, Compilation *c, uint64_t seed, bool is_whole)
{
    uint32_t segments = is_whole ? (1u << SNUG_SEGMENT_COUNT) - 1 : 1u << SNUG_SEGMENT_micro_step;

    require(choose_target(c) && fuse(c) && estimate_costs(c) && plan_memory(c) && check_plans(c),
            "a model cannot be planned");
    machine->program = build_program(c);
    machine->target = &c->target;
    machine->memory = malloc((size_t)machine->program->total_bytes);
    machine->modules = kernel_pool_load(machine->pool, machine->program, segments);
    require(machine->modules != NULL, machine->model);
    fill_memory(machine, c->model, seed);
    if (is_whole)
        run_segment(machine, SNUG_SEGMENT_init);
    else
        reference_halves(machine->program, machine->memory, false);
    run_segment(machine, SNUG_SEGMENT_micro_step);
    run_segment(machine, SNUG_SEGMENT_micro_step);
    if (is_whole) {
        run_segment(machine, SNUG_SEGMENT_update);
        run_segment(machine, SNUG_SEGMENT_evaluate);
    }
    free(machine->modules);
    free(machine->memory);
    machine->models++;
}

/* NVRTC takes most of the time: models are small, but for every tenth, and what an update and an
 * evaluation add is compiled for every fourth. Every eighth is not fused. */
static void check_random(Machine *machine, uint64_t seed)
{
    Compilation *c =
        random_model(&(RandomOptions){.seed = seed,
                                      .blocks = seed % 10 == 0 ? 0 : 1 + (int32_t)(seed / 2 % 2),
                                      .mixed = true});
    char name[32];

    snprintf(name, sizeof name, "seed %llu", (unsigned long long)seed);
    machine->model = name;
    c->options.device = DEVICE_cuda;
    c->options.card = "RTX 3070 Ti";
    c->options.no_fusion = seed % 8 == 5;
    c->model->defaults.use_ema = seed / 4 % 2 == 0;
    c->options.gemm = GEMM_cublas;
    require(differentiate(c) && simplify(c), "a random model cannot be differentiated");
    check_model(machine, c, seed, seed % 4 == 0);
    random_model_destroy(c);
}

static void check_file(Machine *machine, const char *path, int64_t size, bool unfused)
{
    CompileOptions options = {.model_path = path,
                              .device = DEVICE_cuda,
                              .card = "RTX 3070 Ti",
                              .image_height = size,
                              .image_width = size + size / 4 / 32 * 32,
                              .no_fusion = unfused,
                              .gemm = GEMM_cublas};
    Compilation *c = compilation_create(&options);

    machine->model = path;
    if (run_pipeline(c, "simplify", stdout) != EXIT_STATUS_ok) {
        diagnostics_print(c->diags, stderr, false);
        exit(1);
    }
    check_model(machine, c, 1, true);
    compilation_destroy(c);
}

static void print_kind_traffic(const char *name, const Traffic *of)
{
    if (of->planned > 0)
        printf("    %-18s %12lld %12lld %12lld  %.3f\n", name, (long long)of->planned,
               (long long)of->touched, (long long)of->asked,
               (double)of->touched / (double)of->planned);
}

/* What the cost model counts must be what a perfect cache would move; in models so small that most
 * tensors end within a granule of the counters it need not. */
static void check_traffic(Machine *machine, bool is_large)
{
    Traffic all = {0};

    printf("bytes of global memory: planned, touched, asked for; touched of planned:\n");
    for (int k = 0; k < SNUG_KERNEL_KIND_COUNT; k++) {
        const Traffic *of = &machine->traffic[k];
        print_kind_traffic(kernel_info[k].name, of);
        all.planned += of->planned;
        all.touched += of->planned > 0 ? of->touched : 0;
        all.asked += of->planned > 0 ? of->asked : 0;
    }
    print_kind_traffic("all", &all);
    double ratio = (double)all.touched / (double)all.planned;
    if (!is_large || all.touched == 0 || fabs(ratio - 1) <= TRAFFIC_TOLERANCE)
        return; /* a real card counts nothing */
    machine->failures++;
    fprintf(stderr, "kernels touched %.3f of the planned bytes\n", ratio);
}

static void print_worst(const Machine *machine)
{
    printf(
        "%lld models, %lld kernels and %lld again, %lld launches, %lld of them by the library too; "
        "worst error by kind:\n",
        (long long)machine->models, (long long)kernel_pool_compiled(machine->pool),
        (long long)kernel_pool_shared(machine->pool), (long long)machine->launches,
        (long long)machine->products);
    for (int k = 0; k < SNUG_KERNEL_KIND_COUNT; k++)
        if (machine->worst[k] > 0)
            printf("    %-18s %.2g\n", kernel_info[k].name, machine->worst[k]);
}

int main(int argc, char **argv)
{
    bool is_random = argc == 5 && strcmp(argv[2], "random") == 0;
    bool is_unfused = argc == 6 && strcmp(argv[5], "unfused") == 0;
    bool is_quick = is_random || (argc == 6 && strcmp(argv[5], "quick") == 0);
    bool is_file =
        argc >= 5 && strcmp(argv[2], "model") == 0 && (argc == 5 || is_unfused || is_quick);
    Machine machine = {0};
    CudaApi api = {0};
    Error error = {0};

    if (!is_random && !is_file) {
        fprintf(stderr, "usage: programs_test FOLDER random COUNT FIRST_SEED\n"
                        "       programs_test FOLDER model PATH SIZE [unfused|quick]\n");
        return 2;
    }
    if (!cuda_api_open_nvrtc(&api, NULL, 0, &error)) {
        printf("skipped: %s\n", error.what);
        return 77;
    }
    machine.gpu = softgpu_create(&(SoftGpuOptions){.memory_bytes = (int64_t)1 << 31, .seed = 3});
    require(machine.gpu != NULL, "no memory for the software GPU");
    machine.pool = kernel_pool_create(&(KernelPoolOptions){.api = &api,
                                                           .gpu = machine.gpu,
                                                           .folder = argv[1],
                                                           .is_quick = is_quick,
                                                           .threads = 1});
    for (int64_t k = 0; is_random && k < atoll(argv[3]) && machine.failures == 0; k++)
        check_random(&machine, (uint64_t)(atoll(argv[4]) + k));
    if (is_file)
        check_file(&machine, argv[3], atoll(argv[4]), is_unfused);
    print_worst(&machine);
    check_traffic(&machine, is_file && !is_quick);
    kernel_pool_destroy(machine.pool);
    softgpu_destroy(machine.gpu);
    return machine.failures == 0 && machine.models > 0 ? 0 : 1;
}
