/* The checker: runs a plan with bytes that know who wrote them.
 *
 * The arena is a row of spans, each with the buffer whose value its bytes hold. A step must find
 * every byte of what it reads held by the very buffer that it names; then its results take their
 * bytes over and its workspace spoils its own.
 *
 *     arena    | conv1 ............ | sums | nobody .....|
 *     step 3     reads conv1: all its bytes are conv1's: good; writes conv2 at the hole
 *     arena    | conv1 ............ | sums | conv2 ......|
 *
 * Shares no code with the planner: what is wrong there is not wrong here in the same way.
 */
#include "check_plan.h"

#include <stdarg.h>
#include <stdlib.h>

#include "compiler/ir/ir.h"

static const uint32_t nobody = UINT32_MAX;

typedef struct ByteSpan {
    int64_t begin, end;
    uint32_t holder; /* buffer, or nobody */
} ByteSpan;

typedef struct Checker {
    const Plan *plan;
    const KernelSet *kernels;
    const Layout *layout;
    SnugSegmentId segment;
    Arena *arena, *scratch;
    ByteSpan *spans; /* the whole arena, without gaps */
    uint32_t span_count;
    bool *is_made;       /* by buffer */
    bool *has_run;       /* by kernel */
    int64_t *changed_by; /* by persistent tensor: the last kernel that added to it, -1 */
    int64_t *seen_by;    /* by persistent tensor: the last kernel that read it, -1 */
    uint32_t param_count;
    uint32_t step;
    PlanCheck found;
} Checker;

static bool fail(Checker *checker, PlanFault fault, const char *fmt, ...) PRINTF_LIKE(3, 4);

static bool fail(Checker *checker, PlanFault fault, const char *fmt, ...)
{
    Text text = {.arena = checker->arena};
    char words[512];
    va_list arguments;

    va_start(arguments, fmt);
    vsnprintf(words, sizeof words, fmt, arguments);
    va_end(arguments);
    text_printf(&text, "step %u: %s", checker->step, words);
    checker->found = (PlanCheck){fault, checker->step, text.bytes};
    return false;
}

/* ---- the arena ------------------------------------------------------------------------------- */

/* The span that holds `byte`. */
static uint32_t find_span(const Checker *checker, int64_t byte)
{
    uint32_t low = 0, high = checker->span_count - 1;

    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (checker->spans[middle].begin <= byte)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* The first byte of [begin, end) that `holder` does not hold, or end. */
static int64_t first_foreign(const Checker *checker, int64_t begin, int64_t end, uint32_t holder)
{
    for (uint32_t k = find_span(checker, begin);
         k < checker->span_count && checker->spans[k].begin < end; k++)
        if (checker->spans[k].holder != holder)
            return max_i64(checker->spans[k].begin, begin);
    return end;
}

/* Makes a span start at `byte`. */
static void split(Checker *checker, int64_t byte)
{
    uint32_t k = find_span(checker, byte);

    if (checker->spans[k].begin == byte || byte >= checker->spans[k].end)
        return;
    for (uint32_t j = checker->span_count++; j > k + 1; j--)
        checker->spans[j] = checker->spans[j - 1];
    checker->spans[k + 1] = checker->spans[k];
    checker->spans[k].end = checker->spans[k + 1].begin = byte;
}

static void hold(Checker *checker, const Buffer *buffer, uint32_t holder)
{
    int64_t end = buffer->offset + buffer->bytes;

    split(checker, buffer->offset);
    split(checker, end);
    for (uint32_t k = find_span(checker, buffer->offset);
         k < checker->span_count && checker->spans[k].begin < end; k++)
        checker->spans[k].holder = holder;
}

/* ---- one arg --------------------------------------------------------------------------------- */

static const Value *value_of(const Checker *checker, ValueId value)
{
    return &checker->kernels->graph->values.items[value.i];
}

static int64_t needed_bytes(const SnugArg *arg)
{
    int64_t element = arg->type == SNUG_F32 ? 4 : arg->type == SNUG_U8 ? 1 : 2;

    return (int64_t)arg->shape.n * arg->shape.h * arg->shape.w * arg->pitch * element;
}

/* Where the layout has a persistent value for this segment. */
static int64_t layout_offset(const Checker *checker, const Value *value)
{
    const Layout *layout = checker->layout;

    switch (value->storage) {
    case STORAGE_param: {
        int64_t averaged = layout->param_ema[value->param.i];
        bool is_averaged = checker->segment == SNUG_SEGMENT_evaluate && averaged >= 0;
        return is_averaged ? averaged : layout->param_weight[value->param.i];
    }
    case STORAGE_half: return layout->param_half[value->param.i];
    case STORAGE_grad: return layout->param_grad[value->param.i];
    case STORAGE_input:
        return value->input == INPUT_landmarks       ? layout->points
               : value->input == INPUT_image_weights ? layout->image_weights
                                                     : layout->image;
    case STORAGE_scalars: return layout->scalars;
    case STORAGE_arena: break;
    }
    BUG("%s is no persistent value", value->name);
}

/* Bytes outside of the arena: where the layout says, added to in the kernels' own order. */
static bool check_persistent(Checker *checker, uint32_t kernel, const SnugArg *arg,
                             const Value *value, const Buffer *buffer)
{
    uint32_t count = checker->param_count;
    uint32_t which = value->storage == STORAGE_param   ? value->param.i
                     : value->storage == STORAGE_grad  ? count + value->param.i
                     : value->storage == STORAGE_half  ? 2 * count + value->param.i
                     : value->storage == STORAGE_input ? 3 * count + (uint32_t)value->input
                                                       : 3 * count + 8;

    if (arg->access == SNUG_WRITE)
        return fail(checker, PLAN_persistent, "%s is written over", value->name);
    if (buffer->storage != value->storage || buffer->offset != layout_offset(checker, value))
        return fail(checker, PLAN_persistent, "%s is said to be at %lld, the layout has it at %lld",
                    value->name, (long long)buffer->offset,
                    (long long)layout_offset(checker, value));
    if (buffer->offset < 0 || buffer->offset + buffer->bytes > checker->layout->persistent_bytes)
        return fail(checker, PLAN_bounds, "%s is outside of the persistent part", value->name);
    if (checker->changed_by[which] > (int64_t)kernel
        || (arg->access != SNUG_READ && checker->seen_by[which] > (int64_t)kernel))
        return fail(checker, PLAN_order, "%s is used after a later kernel has changed it",
                    value->name);
    int64_t *mark = arg->access == SNUG_READ ? checker->seen_by : checker->changed_by;
    mark[which] = max_i64(mark[which], (int64_t)kernel);
    return true;
}

/* Alignment, place, size and life of a buffer in the arena, used by this step. */
static bool check_buffer(Checker *checker, const Buffer *buffer, int64_t needed, bool is_made)
{
    if (buffer->storage != STORAGE_arena)
        return fail(checker, PLAN_no_buffer, "%s is not in the arena", buffer->name);
    if (buffer->offset % SNUG_ALIGNMENT != 0 || buffer->bytes % SNUG_ALIGNMENT != 0)
        return fail(checker, PLAN_alignment, "%s at %lld, %lld bytes, is not aligned to %d",
                    buffer->name, (long long)buffer->offset, (long long)buffer->bytes,
                    SNUG_ALIGNMENT);
    if (buffer->bytes < needed)
        return fail(checker, PLAN_small_buffer, "%s needs %lld bytes and has %lld", buffer->name,
                    (long long)needed, (long long)buffer->bytes);
    if (buffer->offset < 0 || buffer->offset + buffer->bytes > checker->plan->arena_bytes)
        return fail(checker, PLAN_bounds, "%s ends at %lld, the arena at %lld", buffer->name,
                    (long long)(buffer->offset + buffer->bytes),
                    (long long)checker->plan->arena_bytes);
    if (checker->step < buffer->life.first || checker->step >= buffer->life.last
        || (is_made && buffer->life.first != checker->step))
        return fail(checker, PLAN_lifetime, "%s is used, its life is [%u, %u)", buffer->name,
                    buffer->life.first, buffer->life.last);
    return true;
}

static bool check_read(Checker *checker, uint32_t b, int64_t needed)
{
    const Buffer *buffer = &checker->plan->buffers.items[b];
    int64_t end = buffer->offset + needed;

    if (!check_buffer(checker, buffer, needed, false))
        return false;
    if (!checker->is_made[b])
        return fail(checker, PLAN_unmade, "%s is read before it is made", buffer->name);
    int64_t foreign = first_foreign(checker, buffer->offset, end, b);
    if (foreign < end) {
        uint32_t holder = checker->spans[find_span(checker, foreign)].holder;
        return fail(checker, PLAN_overwritten, "byte %lld of %s was written last by %s",
                    (long long)(foreign - buffer->offset), buffer->name,
                    holder == nobody ? "a workspace" : checker->plan->buffers.items[holder].name);
    }
    return true;
}

/* ---- one step -------------------------------------------------------------------------------- */

/* is_used[a]: a repeat, which collects nothing, still touches arg a. */
static void find_repeat_args(const SnugKernel *code, bool *is_used, Arena *scratch)
{
    bool collects = code->reduction_count > 0;
    const SnugPointwise *out = code->part_count > 0 ? &code->parts[0].out : NULL;

    for (int32_t a = 0; a < code->arg_count; a++)
        is_used[a] = !collects || a == code->output_arg || a == code->weight_arg;
    if (!collects || out == NULL)
        return;
    for (int side = 0; side < 2; side++)
        for (int32_t r = 0; r < code->in[side].count; r++)
            if (point_reads_arg(&code->in[side].code[r]))
                is_used[code->in[side].code[r].arg] = true;
    bool *is_live = arena_array(scratch, bool, (size_t)out->count);
    is_live[out->count - 1] = true;
    for (int32_t r = out->count; r-- > 0;) {
        const SnugPoint *point = &out->code[r];
        int16_t operands[3];
        int32_t count = point_operands(point, operands);
        if (!is_live[r])
            continue;
        if (point_reads_arg(point))
            is_used[point->arg] = true;
        for (int32_t k = 0; k < count; k++)
            is_live[operands[k]] = true;
    }
}

static bool overlap(const Buffer *a, const Buffer *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* Results and workspace against everything else that the step touches. */
static bool check_collisions(Checker *checker, const Step *step, const Kernel *kernel,
                             const bool *is_used)
{
    const Buffer *buffers = checker->plan->buffers.items;
    uint32_t arg_count = (uint32_t)kernel->code.arg_count;

    for (uint32_t a = 0; a < step->buffer_count; a++) {
        bool is_made = a >= arg_count || kernel->code.args[a].access == SNUG_WRITE;
        if (!is_made || (a < arg_count && !is_used[a]))
            continue;
        const Buffer *made = &buffers[step->buffers[a].i];
        bool takes = made->in_place_of.i != step->buffers[a].i;
        for (uint32_t b = 0; b < step->buffer_count; b++) {
            if (b == a || (b < arg_count && !is_used[b]))
                continue;
            const Buffer *other = &buffers[step->buffers[b].i];
            if (other->storage != STORAGE_arena || !overlap(made, other))
                continue;
            bool allowed = (int32_t)a == kernel->code.output_arg && b < arg_count && b < 32
                           && (kernel->in_place >> b & 1) != 0;
            bool meant = takes && made->in_place_of.i == step->buffers[b].i
                         && made->offset == other->offset && made->bytes == other->bytes;
            if (allowed && meant)
                continue;
            bool is_read = b < arg_count && kernel->code.args[b].access != SNUG_WRITE;
            return fail(checker, is_read && (takes || allowed) ? PLAN_in_place : PLAN_collision,
                        "%s and %s lie on each other", made->name, other->name);
        }
    }
    return true;
}

/* Whether the step may run at all, and if again then as a repeat. */
static bool check_turn(Checker *checker, const Step *step, const Kernel *kernel)
{
    if (step->is_repeat && (!checker->has_run[step->kernel.i] || !kernel->may_repeat))
        return fail(checker, PLAN_double_step, "%s may not be a repeat", kernel->label);
    if (!step->is_repeat && checker->has_run[step->kernel.i])
        return fail(checker, PLAN_double_step, "%s has run before", kernel->label);
    checker->has_run[step->kernel.i] = true;
    uint32_t expected =
        (uint32_t)kernel->code.arg_count + (kernel->code.workspace_bytes > 0 ? 1 : 0);
    if (step->buffer_count != expected)
        return fail(checker, PLAN_no_buffer, "%s has %u buffers for %u operands", kernel->label,
                    step->buffer_count, expected);
    return true;
}

static bool check_arg(Checker *checker, const Step *step, const Kernel *kernel, uint32_t a)
{
    const SnugArg *arg = &kernel->code.args[a];
    const Value *value = value_of(checker, kernel->args[a]);
    uint32_t b = step->buffers[a].i;

    if (b >= checker->plan->buffers.count
        || checker->plan->buffers.items[b].value.i != kernel->args[a].i)
        return fail(checker, PLAN_no_buffer, "%s has no buffer for %s", kernel->label, value->name);
    const Buffer *buffer = &checker->plan->buffers.items[b];
    if (step->is_repeat && arg->access == SNUG_ACCUMULATE)
        return fail(checker, PLAN_double_step, "%s is repeated and adds to %s a second time",
                    kernel->label, value->name);
    if (value->storage != STORAGE_arena)
        return check_persistent(checker, step->kernel.i, arg, value, buffer);
    if (arg->access == SNUG_READ)
        return check_read(checker, b, needed_bytes(arg));
    if (arg->access != SNUG_WRITE)
        return fail(checker, PLAN_persistent, "%s is added to and lies in the arena", value->name);
    if (checker->is_made[b])
        return fail(checker, PLAN_no_buffer, "%s is made twice", buffer->name);
    return check_buffer(checker, buffer, needed_bytes(arg), true);
}

static bool run_step(Checker *checker, const Step *step)
{
    const Kernel *kernel = &checker->kernels->kernels.items[step->kernel.i];
    uint32_t arg_count = (uint32_t)kernel->code.arg_count;
    bool *is_used = arena_array(checker->scratch, bool, arg_count);

    if (!check_turn(checker, step, kernel))
        return false;
    for (uint32_t a = 0; a < arg_count; a++)
        is_used[a] = true;
    if (step->is_repeat)
        find_repeat_args(&kernel->code, is_used, checker->scratch);
    for (uint32_t a = 0; a < arg_count; a++)
        if (is_used[a] && !check_arg(checker, step, kernel, a))
            return false;
    if (step->buffer_count > arg_count) {
        uint32_t b = step->buffers[arg_count].i;
        if (b >= checker->plan->buffers.count || checker->plan->buffers.items[b].value.i != 0)
            return fail(checker, PLAN_no_buffer, "%s has no workspace", kernel->label);
        if (!check_buffer(checker, &checker->plan->buffers.items[b], kernel->code.workspace_bytes,
                          true))
            return false;
    }
    if (!check_collisions(checker, step, kernel, is_used))
        return false;
    for (uint32_t a = 0; a < step->buffer_count; a++) {
        bool is_workspace = a >= arg_count;
        if (!is_workspace && (!is_used[a] || kernel->code.args[a].access != SNUG_WRITE))
            continue;
        hold(checker, &checker->plan->buffers.items[step->buffers[a].i],
             is_workspace ? nobody : step->buffers[a].i);
        checker->is_made[step->buffers[a].i] = true;
    }
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Every kernel has run, every output is whole in the buffer that was made last. */
static bool check_end(Checker *checker)
{
    const Plan *plan = checker->plan;
    uint32_t *latest =
        arena_array(checker->scratch, uint32_t, checker->kernels->graph->values.count);

    for (uint32_t k = 0; k < checker->kernels->kernels.count; k++)
        if (!checker->has_run[k])
            return fail(checker, PLAN_missing_step, "%s never runs",
                        checker->kernels->kernels.items[k].label);
    for (uint32_t b = 0; b < plan->buffers.count; b++)
        if (checker->is_made[b] && plan->buffers.items[b].value.i != 0)
            latest[plan->buffers.items[b].value.i] = b + 1;
    for (uint32_t v = 1; v < checker->kernels->graph->values.count; v++) {
        const Value *value = value_of(checker, (ValueId){v});
        if (!value->is_output || value->storage != STORAGE_arena)
            continue;
        const Buffer *buffer = latest[v] != 0 ? &plan->buffers.items[latest[v] - 1] : NULL;
        if (buffer == NULL)
            return fail(checker, PLAN_output, "the output %s is not made", value->name);
        int64_t end = buffer->offset + buffer->bytes;
        if (first_foreign(checker, buffer->offset, end, latest[v] - 1) < end)
            return fail(checker, PLAN_output, "the output %s is written over", value->name);
    }
    return true;
}

/* The load that the plan states is that of its buffers. */
static bool check_certificate(Checker *checker)
{
    const Plan *plan = checker->plan;
    int64_t *change = arena_array(checker->scratch, int64_t, (size_t)plan->steps.count + 1);
    int64_t load = 0, most = 0;
    uint32_t peak = 0;

    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        if (buffer->storage != STORAGE_arena)
            continue;
        if (buffer->life.first >= buffer->life.last || buffer->life.last > plan->steps.count)
            return fail(checker, PLAN_lifetime, "%s lives in [%u, %u)", buffer->name,
                        buffer->life.first, buffer->life.last);
        bool takes = buffer->in_place_of.i != b;
        change[buffer->life.first + (takes ? 1 : 0)] += buffer->bytes;
        change[buffer->life.last] -= buffer->bytes;
        if (takes && plan->buffers.items[buffer->in_place_of.i].life.last != buffer->life.first + 1)
            return fail(checker, PLAN_in_place, "%s takes over %s, which lives on", buffer->name,
                        plan->buffers.items[buffer->in_place_of.i].name);
    }
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        load += change[s];
        if (load > most) {
            most = load;
            peak = s;
        }
    }
    if (most != plan->certificate.live_bound || peak != plan->certificate.peak_step)
        return fail(checker, PLAN_certificate,
                    "%lld bytes are alive at step %u, the plan says %lld at step %u",
                    (long long)most, peak, (long long)plan->certificate.live_bound,
                    plan->certificate.peak_step);
    if (plan->arena_bytes < most || plan->arena_bytes > checker->layout->arena_bytes)
        return fail(checker, PLAN_certificate, "the arena has %lld bytes, of %lld planned",
                    (long long)plan->arena_bytes, (long long)checker->layout->arena_bytes);
    return true;
}

static uint32_t count_params(const Graph *graph)
{
    uint32_t count = 1;

    for (uint32_t v = 0; v < graph->values.count; v++)
        if (graph->values.items[v].param.i >= count)
            count = graph->values.items[v].param.i + 1;
    return count;
}

PlanCheck check_plan(const Plan *plan, const KernelSet *kernels, const Layout *layout,
                     SnugSegmentId segment, Arena *arena)
{
    Arena *scratch = arena_create();
    Checker checker = {
        .plan = plan,
        .kernels = kernels,
        .layout = layout,
        .segment = segment,
        .arena = arena,
        .scratch = scratch,
        .spans = arena_array(scratch, ByteSpan, 2 * (size_t)plan->buffers.count + 2),
        .span_count = 1,
        .is_made = arena_array(scratch, bool, plan->buffers.count),
        .has_run = arena_array(scratch, bool, kernels->kernels.count),
        .param_count = count_params(kernels->graph),
    };
    uint32_t persistent_count = 3 * checker.param_count + 9;

    checker.changed_by = arena_array(scratch, int64_t, persistent_count);
    checker.seen_by = arena_array(scratch, int64_t, persistent_count);
    for (uint32_t k = 0; k < persistent_count; k++)
        checker.changed_by[k] = checker.seen_by[k] = -1;
    checker.spans[0] = (ByteSpan){0, INT64_MAX, nobody};
    bool ok = true;
    for (uint32_t s = 0; ok && s < plan->steps.count; s++) {
        checker.step = s;
        ok = run_step(&checker, &plan->steps.items[s]);
    }
    ok = ok && check_end(&checker);
    if (ok)
        check_certificate(&checker);
    arena_destroy(scratch);
    return checker.found;
}

/* ---- the persistent part --------------------------------------------------------------------- */

typedef struct Extent {
    int64_t begin, end;
    const char *name;
} Extent;

typedef ARRAY(Extent) Extents;

/* f32 tensors; half copies have rows padded to 16 bytes, pictures a byte an element. */
static void add_extent(Extents *extents, Arena *scratch, int64_t begin, Shape shape,
                       int64_t element, const char *name)
{
    if (begin >= 0)
        ARRAY_APPEND(
            scratch, extents,
            ((Extent){begin, begin + shape.n * shape.h * shape.w * shape.c * element, name}));
}

static int compare_extents(const void *left, const void *right)
{
    const Extent *a = left, *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

PlanCheck check_layout(const Layout *layout, const Model *model, Arena *arena)
{
    Arena *scratch = arena_create();
    Checker checker = {.arena = arena};
    Extents extents = {0};
    const int64_t *tables[] = {layout->param_weight, layout->param_grad, layout->param_m,
                               layout->param_v, layout->param_ema};
    const ValueId inputs[] = {model->image, model->points, model->image_weights};
    const int64_t offsets[] = {layout->image, layout->points, layout->image_weights};
    int64_t first = INT64_MAX, end = 0; /* of the batch's inputs */
    bool ok = true;

    for (size_t t = 0; t < COUNT_OF(tables); t++)
        for (uint32_t p = 1; p < model->params.count; p++)
            add_extent(&extents, scratch, tables[t][p], model->params.items[p].shape, 4,
                       model->params.items[p].name);
    for (uint32_t p = 1; p < model->params.count && layout->param_half != NULL; p++) {
        Shape shape = model->params.items[p].shape;
        shape.c = (shape.c + 7) / 8 * 8;
        add_extent(&extents, scratch, layout->param_half[p], shape, 2, model->params.items[p].name);
    }
    for (size_t k = 0; k < COUNT_OF(inputs); k++) {
        const Value *value = &model->train->values.items[inputs[k].i];
        add_extent(&extents, scratch, offsets[k], value->shape, value->type == SNUG_U8 ? 1 : 4,
                   value->name);
        if (offsets[k] < 0)
            continue;
        first = min_i64(first, offsets[k]);
        end = max_i64(end, extents.items[extents.count - 1].end);
    }
    if (layout->staging >= 0)
        add_extent(&extents, scratch, layout->staging, (Shape){1, 1, 1, end - first}, 1, "staging");
    add_extent(&extents, scratch, layout->scalars, (Shape){1, 1, 1, SNUG_SCALAR_COUNT}, 4,
               "scalars");
    qsort(extents.items, extents.count, sizeof *extents.items, compare_extents);
    for (uint32_t k = 0; ok && k < extents.count; k++) {
        const Extent *extent = &extents.items[k];
        if (extent->begin % SNUG_ALIGNMENT != 0)
            ok = fail(&checker, PLAN_alignment, "%s is at %lld", extent->name,
                      (long long)extent->begin);
        else if (extent->end > layout->persistent_bytes)
            ok = fail(&checker, PLAN_bounds, "%s ends at %lld, the persistent part at %lld",
                      extent->name, (long long)extent->end, (long long)layout->persistent_bytes);
        else if (k > 0 && extent->begin < extents.items[k - 1].end)
            ok = fail(&checker, PLAN_collision, "%s and %s lie on each other", extent->name,
                      extents.items[k - 1].name);
    }
    if (ok && layout->total_bytes != layout->persistent_bytes + layout->arena_bytes)
        fail(&checker, PLAN_certificate, "the total is not the sum of its parts");
    arena_destroy(scratch);
    return checker.found;
}
