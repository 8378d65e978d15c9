/* Invariants of a kernel set. A breach is a bug of fusion, never of the model file.
 *
 *   - an arg has the shape and type of its value, and a pitch that holds it
 *   - a stored value is written by exactly one kernel, before its readers
 *   - only gradients, running statistics and scalars are added to; sources are never written
 *   - registers are defined before they are used, args and channels exist, resampling is only where
 *     it may be, and a core's own result only in an epilogue
 *   - a result has its domain's shape; parts cover its channels once; partials cover its rows
 *   - what is given to cuBLAS is nothing but a product of halves, with a workspace
 */
#include "fuse.h"
#include "fuse_repeat.h"

typedef struct Check {
    const Graph *graph;
    const Model *model;
    const Kernel *kernel;
    const char *stage;
} Check;

#define REQUIRE(check, condition, ...)                                                             \
    do {                                                                                           \
        if (!(condition))                                                                          \
            broken((check), __VA_ARGS__);                                                          \
    } while (0)

NORETURN static void broken(const Check *check, const char *what, int64_t a, int64_t b)
{
    BUG("after %s: kernel %s of %s: %s (%lld, %lld)", check->stage, check->kernel->code.name,
        check->kernel->label, what, (long long)a, (long long)b);
}

static const Value *arg_value(const Check *check, int32_t arg)
{
    return &check->graph->values.items[check->kernel->args[arg].i];
}

/* ---- args ------------------------------------------------------------------------------------ */

static bool may_accumulate(const Check *check, const Value *value)
{
    if (value->storage == STORAGE_grad || value->storage == STORAGE_scalars)
        return true;
    if (value->storage != STORAGE_param)
        return false; /* half copies follow their weights, in the update */
    SnugParamKind kind = check->model->params.items[value->param.i].kind;
    return kind == SNUG_PARAM_running_mean || kind == SNUG_PARAM_running_var;
}

static void check_arg(const Check *check, int32_t a)
{
    const SnugArg *arg = &check->kernel->code.args[a];
    const Value *value = arg_value(check, a);

    REQUIRE(check,
            check->kernel->args[a].i > 0 && check->kernel->args[a].i < check->graph->values.count,
            "arg without a value", a, check->kernel->args[a].i);
    REQUIRE(check,
            arg->shape.n == value->shape.n && arg->shape.h == value->shape.h
                && arg->shape.w == value->shape.w && arg->shape.c == value->shape.c,
            "arg's shape is not its value's", a, check->kernel->args[a].i);
    REQUIRE(check, arg->type == value->type && arg->type != SNUG_UNKNOWN,
            "arg's type is not its value's", a, arg->type);
    REQUIRE(check, arg->pitch >= arg->shape.c, "pitch is less than the channels", a, arg->pitch);
    if (arg->access == SNUG_WRITE)
        REQUIRE(check, value->storage == STORAGE_arena, "a persistent value is written", a,
                value->storage);
    if (arg->access == SNUG_ACCUMULATE) {
        REQUIRE(check, may_accumulate(check, value), "added to what is no sum", a, value->storage);
        REQUIRE(check, !check->kernel->may_repeat, "what adds may not repeat", a, 0);
    }
}

/* ---- code ------------------------------------------------------------------------------------ */

typedef enum CodePlace { IN_PROLOGUE, IN_EPILOGUE, IN_MAP } CodePlace;

static bool covers(int32_t size, int32_t factor, int32_t domain)
{
    return factor >= 1 && (int64_t)size * factor == domain;
}

static void check_load(const Check *check, const SnugPoint *point, SnugShape domain,
                       CodePlace place)
{
    const SnugArg *arg = &check->kernel->code.args[point->arg];

    REQUIRE(check, arg->access == SNUG_READ, "load of a result", point->arg, 0);
    REQUIRE(check, point->channel >= 0 && point->channel + domain.c <= arg->shape.c,
            "load beyond the channels", point->arg, point->channel);
    if (point_info[point->op].from == SNUG_FROM_vector) {
        REQUIRE(check,
                arg->shape.n == 1 && arg->shape.h == 1 && arg->type == SNUG_F32 && point->row >= 0
                    && point->row < arg->shape.w,
                "no such row of a vector", point->arg, point->row);
        return;
    }
    REQUIRE(check,
            arg->shape.n == domain.n && covers(arg->shape.h, point->factor, domain.h)
                && covers(arg->shape.w, point->factor, domain.w),
            "load does not cover the domain", point->arg, point->factor);
    REQUIRE(check, place != IN_PROLOGUE || point->factor == 1, "a prologue resamples", point->arg,
            point->factor);
}

static void check_code(const Check *check, const SnugPointwise *pointwise, SnugShape domain,
                       CodePlace place)
{
    REQUIRE(check, pointwise->count > 0 && pointwise->code != NULL, "no code", place, 0);
    for (int32_t r = 0; r < pointwise->count; r++) {
        const SnugPoint *point = &pointwise->code[r];
        int16_t operands[3];
        REQUIRE(check, (uint32_t)point->op < SNUG_POINT_OP_COUNT, "no such instruction", r,
                point->op);
        int32_t operand_count = point_operands(point, operands);
        for (int32_t k = 0; k < operand_count; k++)
            REQUIRE(check, operands[k] >= 0 && operands[k] < r, "undefined register", r,
                    operands[k]);
        REQUIRE(check, point_info[point->op].from != SNUG_FROM_core || place == IN_EPILOGUE,
                "there is no core", r, 0);
        if (point_reads_arg(point)) {
            REQUIRE(check, point->arg >= 0 && point->arg < check->kernel->code.arg_count,
                    "no such arg", r, point->arg);
            check_load(check, point, domain, place);
        }
    }
}

/* ---- kernels --------------------------------------------------------------------------------- */

static void check_parts(const Check *check)
{
    const SnugKernel *code = &check->kernel->code;
    SnugShape domain = result_domain(code);
    CodePlace place = code->kind == SNUG_KERNEL_map ? IN_MAP : IN_EPILOGUE;
    int32_t covered = 0;

    for (int32_t p = 0; p < code->part_count; p++) {
        const SnugPart *part = &code->parts[p];
        SnugShape part_domain = domain;
        REQUIRE(check, part->channel_begin == covered && part->channel_count > 0,
                "parts leave a gap", p, part->channel_begin);
        covered += part->channel_count;
        part_domain.c = part->channel_count;
        check_code(check, &part->out, part_domain, place);
    }
    REQUIRE(check, covered == domain.c, "parts do not cover the channels", covered, domain.c);
    if (code->output_arg >= 0) {
        SnugShape shape = code->args[code->output_arg].shape;
        REQUIRE(check,
                shape.n == domain.n && shape.h == domain.h && shape.w == domain.w
                    && shape.c == domain.c,
                "the result has not its domain's shape", shape.h, domain.h);
    }
}

static int64_t partial_count(const Check *check, const SnugReduction *reduction, SnugShape domain)
{
    int32_t rows = reduction->rows_per_partial;
    SnugTile tile = reduction->tile;

    if (tile.rows == 0) {
        REQUIRE(check, rows > 0 && domain.h % rows == 0, "partials do not divide the rows", rows,
                domain.h);
        return (int64_t)domain.n * (domain.h / rows);
    }
    REQUIRE(check, rows == 0 && tile.columns > 0, "tiles and rows of partials do not agree",
            tile.rows, rows);
    int64_t down = ((int64_t)domain.h + tile.rows - 1) / tile.rows;
    int64_t across = ((int64_t)domain.w + tile.columns - 1) / tile.columns;
    return domain.n * down * across;
}

static void check_reductions(const Check *check)
{
    const SnugKernel *code = &check->kernel->code;
    SnugShape domain = result_domain(code);

    REQUIRE(check,
            code->reduction_count <= SNUG_MAX_REDUCTIONS
                && (code->reduction_count == 0 || code->part_count == 1),
            "too many reductions", code->reduction_count, code->part_count);
    for (int32_t k = 0; k < code->reduction_count; k++) {
        const SnugReduction *reduction = &code->reductions[k];
        const SnugArg *arg = &code->args[reduction->arg];
        int64_t parts = partial_count(check, reduction, domain);
        REQUIRE(check,
                arg->access == SNUG_WRITE && arg->shape.c == domain.c && arg->shape.h == parts
                    && arg->shape.w == (reduction->kind == SNUG_REDUCE_sum ? 1 : 2),
                "partials have another shape", arg->shape.h, arg->shape.w);
        REQUIRE(check, reduction->with >= 0 && reduction->with < code->parts[0].out.count,
                "no such register", k, reduction->with);
    }
}

/* cublasGemmEx reads tensors as they are stored and writes sums as they are. */
static void check_gemm(const Check *check)
{
    const SnugKernel *code = &check->kernel->code;
    const SnugWindow *window = &code->window;

    REQUIRE(check, window->kernel == 1 && window->stride == 1 && window->pad == 0,
            "a library's product has a window", window->kernel, window->stride);
    for (int side = 0; side < 2; side++)
        REQUIRE(check, code->in[side].count <= 1, "a library's product has a prologue", side,
                code->in[side].count);
    REQUIRE(check,
            code->reduction_count == 0 && (code->part_count == 0 || code->parts[0].out.count == 1),
            "a library's product has an epilogue", code->reduction_count, code->part_count);
    for (int32_t a = 0; a < code->arg_count; a++)
        REQUIRE(check, a == code->output_arg || code->args[a].type == SNUG_F16,
                "a library's product reads no halves", a, code->args[a].type);
    REQUIRE(check, code->workspace_bytes > 0, "a library's product has no workspace", 0, 0);
}

/* Kinds with fixed args have them as kernels.def lists them. */
static void check_fixed_args(const Check *check)
{
    const SnugKernel *code = &check->kernel->code;
    const FixedArg *fixed = kernel_info[code->kind].args;
    int32_t count = 0;

    while (fixed[count].name != NULL)
        count++;
    if (count == 0)
        return;
    REQUIRE(check, code->arg_count == count && code->output_arg == count - 1, "not its args",
            code->arg_count, count);
    for (int32_t a = 0; a < count; a++) {
        const SnugArg *arg = &code->args[a];
        REQUIRE(check, arg->access == fixed[a].access, "an arg of another access", a, arg->access);
        REQUIRE(check,
                fixed[a].rows == 0
                    || (arg->type == SNUG_F32 && arg->shape.w == fixed[a].rows
                        && arg->shape.c == code->args[0].shape.c),
                "an arg is no such vector", a, arg->shape.w);
    }
}

static void check_kernel(const Check *check)
{
    const SnugKernel *code = &check->kernel->code;

    REQUIRE(check, (uint32_t)code->kind < SNUG_KERNEL_KIND_COUNT, "no such kind", code->kind, 0);
    for (int32_t a = 0; a < code->arg_count; a++)
        check_arg(check, a);
    check_fixed_args(check);
    REQUIRE(check, code->output_arg >= -1 && code->output_arg < code->arg_count, "no such result",
            code->output_arg, code->arg_count);
    for (int side = 0; side < 2; side++) {
        if (kernel_info[code->kind].in[side] != SNUG_DOMAIN_none)
            check_code(check, &code->in[side], prologue_domain(code, side), IN_PROLOGUE);
        else
            REQUIRE(check, code->in[side].count == 0, "a prologue without a core", side, 0);
    }
    if (code->kind == SNUG_KERNEL_conv || code->kind == SNUG_KERNEL_conv_dgrad) {
        const SnugArg *weight = &code->args[code->weight_arg];
        REQUIRE(check,
                weight->shape.n == code->window.y.c && weight->shape.c == code->window.x.c
                    && weight->shape.h == code->window.kernel
                    && weight->shape.w == code->window.kernel,
                "the weights have another shape", weight->shape.n, weight->shape.c);
    }
    REQUIRE(check, (code->part_count > 0) == (kernel_info[code->kind].result != SNUG_DOMAIN_none),
            "an epilogue is missing, or too many", code->part_count, code->kind);
    if (code->part_count > 0)
        check_parts(check);
    check_reductions(check);
    if (code->is_gemm != 0)
        check_gemm(check);
    for (int32_t a = 0; a < code->arg_count && a < 32; a++)
        if ((check->kernel->in_place >> a & 1) != 0)
            REQUIRE(check,
                    code->args[a].access == SNUG_READ && code->output_arg >= 0
                        && code->args[code->output_arg].access == SNUG_WRITE,
                    "in place of what is not read", a, 0);
}

void verify_kernels(const KernelSet *kernels, const Model *model, const char *stage)
{
    Arena *arena = arena_create();
    bool *is_written = arena_array(arena, bool, kernels->graph->values.count);
    Check check = {.graph = kernels->graph, .model = model, .stage = stage};

    for (uint32_t k = 0; k < kernels->kernels.count; k++) {
        const SnugKernel *code = &kernels->kernels.items[k].code;
        check.kernel = &kernels->kernels.items[k];
        check_kernel(&check);
        for (int32_t a = 0; a < code->arg_count; a++) {
            bool is_made = arg_value(&check, a)->storage != STORAGE_arena
                           || is_written[check.kernel->args[a].i];
            if (code->args[a].access == SNUG_READ)
                REQUIRE(&check, is_made, "reads what no kernel before it makes", a,
                        check.kernel->args[a].i);
        }
        for (int32_t a = 0; a < code->arg_count; a++) {
            uint32_t value = check.kernel->args[a].i;
            if (code->args[a].access != SNUG_WRITE)
                continue;
            REQUIRE(&check, !is_written[value], "value is written twice", a, value);
            is_written[value] = true;
        }
    }
    for (uint32_t v = 1; v < kernels->graph->values.count; v++)
        if (kernels->graph->values.items[v].is_output && !is_written[v]
            && kernels->graph->values.items[v].storage == STORAGE_arena)
            BUG("after %s: no kernel makes the output %s", stage,
                kernels->graph->values.items[v].name);
    arena_destroy(arena);
}
