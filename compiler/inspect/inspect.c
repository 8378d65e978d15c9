/* The inspection: classes, readers, loads and costs of a plan, for every form of the report.
 *
 *     step          0    1    2    3   ...  90   91   92
 *     conv1         [---------)                              transient: first instance
 *     conv2              [------------------------)          kept: forward -> backward
 *     conv1 (again)                         [---------)      recomputed
 *
 * Where a buffer takes over the bytes of another, the older one ends a step earlier: so no two
 * share a byte at a step, and the rows alive at a step add up to its load.
 */
#include "inspect.h"

#include <stdlib.h>

#include "compiler/fuse/fuse_repeat.h"
#include "compiler/target/cost.h"

const char *const class_names[CLASS_COUNT] = {"kept", "transient", "recomputed", "workspace"};

SnugSegmentId main_segment(const Compilation *c)
{
    return c->plans[SNUG_SEGMENT_micro_step] != NULL ? SNUG_SEGMENT_micro_step
                                                     : SNUG_SEGMENT_evaluate;
}

const Kernel *kernel_of(const Inspection *inspection, uint32_t step)
{
    return &inspection->set->kernels.items[inspection->plan->steps.items[step].kernel.i];
}

const char *source_place(const Compilation *c, Span source, Arena *arena)
{
    if (source.file == 0)
        return "";
    return arena_printf(arena, "%s:%u", diagnostics_file(c->diags, source.file)->path,
                        span_line_column(c->diags, source).line);
}

const char *target_words(const Compilation *c, Arena *arena)
{
    const Target *target = &c->target;

    if (target->device == DEVICE_host)
        return arena_printf(arena, "host, %d thread%s", (int)target->threads,
                            target->threads == 1 ? "" : "s");
    return c->options.card_reason == NULL
               ? target->card->name
               : arena_printf(arena, "%s (%s)", target->card->name, c->options.card_reason);
}

int64_t trained_numbers(const Model *model)
{
    int64_t count = 0;

    for (uint32_t p = 1; p < model->params.count; p++) {
        const Param *param = &model->params.items[p];
        if (param->kind != SNUG_PARAM_running_mean && param->kind != SNUG_PARAM_running_var)
            count += param->shape.n * param->shape.h * param->shape.w * param->shape.c;
    }
    return count;
}

/* ---- buffers --------------------------------------------------------------------------------- */

static bool in_arena(const Plan *plan, uint32_t buffer)
{
    return buffer < plan->buffers.count && plan->buffers.items[buffer].storage == STORAGE_arena;
}

static void add_reader(BufferFacts *facts, uint32_t step, Arena *arena)
{
    /* a kernel may read one buffer by several args */
    if (facts->reader_count > 0 && facts->readers[facts->reader_count - 1] == step)
        return;
    if ((facts->reader_count & (facts->reader_count - 1)) == 0) {
        uint32_t *wider = arena_array(arena, uint32_t, 2 * (size_t)facts->reader_count + 1);
        for (uint32_t k = 0; k < facts->reader_count; k++)
            wider[k] = facts->readers[k];
        facts->readers = wider;
    }
    facts->readers[facts->reader_count++] = step;
}

static int64_t used_bytes(const SnugArg *tensor)
{
    return (int64_t)tensor->shape.n * tensor->shape.h * tensor->shape.w * tensor->shape.c
           * type_bytes(tensor->type);
}

/* Makers, readers and tensors, from what the steps do with their buffers. */
static void find_uses(Inspection *inspection)
{
    const Plan *plan = inspection->plan;

    for (uint32_t s = 0; s < plan->steps.count; s++) {
        const Step *step = &plan->steps.items[s];
        const SnugKernel *code = &kernel_of(inspection, s)->code;
        for (uint32_t a = 0; a < step->buffer_count; a++) {
            uint32_t b = step->buffers[a].i;
            bool is_arg = a < (uint32_t)code->arg_count;
            bool is_read = is_arg && code->args[a].access != SNUG_WRITE;
            if (b >= plan->buffers.count)
                continue;
            inspection->reads += is_read;
            inspection->writes += is_arg && code->args[a].access != SNUG_READ;
            if (!in_arena(plan, b))
                continue;
            BufferFacts *facts = &inspection->facts[b];
            if (is_read) {
                add_reader(facts, s, inspection->arena);
                continue;
            }
            facts->maker = s;
            if (is_arg) {
                facts->tensor = code->args[a];
                facts->padding = plan->buffers.items[b].bytes - used_bytes(&facts->tensor);
            }
        }
    }
}

static BufferClass classify(const Inspection *inspection, uint32_t b)
{
    const BufferFacts *facts = &inspection->facts[b];

    if (inspection->plan->buffers.items[b].value.i == 0)
        return CLASS_workspace;
    if (inspection->plan->steps.items[facts->maker].is_repeat)
        return CLASS_recomputed;
    if (kernel_of(inspection, facts->maker)->is_backward)
        return CLASS_transient;
    for (uint32_t r = 0; r < facts->reader_count; r++)
        if (kernel_of(inspection, facts->readers[r])->is_backward)
            return CLASS_kept;
    return CLASS_transient;
}

/* Which kernel makes a value, and which buffers are it, in order. */
static void index_values(Inspection *inspection)
{
    const Plan *plan = inspection->plan;
    const KernelSet *set = inspection->set;
    uint32_t value_count = set->graph->values.count;

    inspection->first_buffer = arena_array(inspection->arena, uint32_t, value_count);
    inspection->next_buffer = arena_array(inspection->arena, uint32_t, plan->buffers.count);
    inspection->made_by = arena_array(inspection->arena, uint32_t, value_count);
    for (uint32_t v = 0; v < value_count; v++) {
        inspection->first_buffer[v] = NO_BUFFER;
        inspection->made_by[v] = set->kernels.count;
    }
    for (uint32_t b = plan->buffers.count; b-- > 0;) {
        uint32_t *first = &inspection->first_buffer[plan->buffers.items[b].value.i];
        inspection->next_buffer[b] = *first;
        *first = b;
    }
    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        for (int32_t a = 0; a < kernel->code.arg_count; a++)
            if (kernel->code.args[a].access == SNUG_WRITE)
                inspection->made_by[kernel->args[a].i] = k;
    }
}

static void find_facts(Inspection *inspection)
{
    const Plan *plan = inspection->plan;

    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        inspection->facts[b].taken_by = NO_BUFFER;
        inspection->facts[b].end = plan->buffers.items[b].life.last;
    }
    for (uint32_t v = 1; v < inspection->set->graph->values.count; v++) {
        uint32_t instance = 0;
        for (uint32_t b = inspection->first_buffer[v]; b != NO_BUFFER;
             b = inspection->next_buffer[b])
            inspection->facts[b].instance = instance++;
    }
    find_uses(inspection);
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        if (!in_arena(plan, b))
            continue;
        inspection->facts[b].class = classify(inspection, b);
        if (buffer->in_place_of.i == b)
            continue;
        inspection->facts[buffer->in_place_of.i].end = buffer->life.first;
        inspection->facts[buffer->in_place_of.i].taken_by = b;
    }
}

/* ---- loads ----------------------------------------------------------------------------------- */

static void find_loads(Inspection *inspection)
{
    const Plan *plan = inspection->plan;
    int64_t sum[CLASS_COUNT] = {0};

    inspection->load = arena_alloc_array(inspection->arena, (size_t)plan->steps.count + 1,
                                         sizeof *inspection->load);
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const BufferFacts *facts = &inspection->facts[b];
        if (!in_arena(plan, b))
            continue;
        inspection->load[plan->buffers.items[b].life.first][facts->class] +=
            plan->buffers.items[b].bytes;
        inspection->load[facts->end][facts->class] -= plan->buffers.items[b].bytes;
    }
    for (uint32_t s = 0; s < plan->steps.count; s++)
        for (int k = 0; k < CLASS_COUNT; k++)
            inspection->load[s][k] = sum[k] += inspection->load[s][k];
}

int64_t load_at(const Inspection *inspection, uint32_t step)
{
    int64_t sum = 0;

    for (int k = 0; k < CLASS_COUNT; k++)
        sum += inspection->load[step][k];
    return sum;
}

typedef struct Ranked {
    double rank;
    uint32_t index;
} Ranked;

/* The larger rank first, equal ones in order. */
static int compare_ranked(const void *left, const void *right)
{
    const Ranked *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static void find_alive(Inspection *inspection)
{
    const Plan *plan = inspection->plan;
    uint32_t peak = plan->certificate.peak_step, count = 0;
    Ranked *ranked = arena_array(inspection->arena, Ranked, plan->buffers.count);

    for (uint32_t b = 0; b < plan->buffers.count; b++)
        if (in_arena(plan, b) && plan->buffers.items[b].life.first <= peak
            && peak < inspection->facts[b].end)
            ranked[count++] = (Ranked){(double)plan->buffers.items[b].bytes, b};
    qsort(ranked, count, sizeof *ranked, compare_ranked);
    inspection->alive = arena_array(inspection->arena, uint32_t, count);
    inspection->alive_count = count;
    for (uint32_t k = 0; k < count; k++)
        inspection->alive[k] = ranked[k].index;
}

/* ---- work ------------------------------------------------------------------------------------ */

/* The buffer of an arena tensor that the step makes; a repeat makes one. */
static uint32_t made_by(const Inspection *inspection, uint32_t s)
{
    const Step *step = &inspection->plan->steps.items[s];
    const SnugKernel *code = &kernel_of(inspection, s)->code;

    return code->output_arg >= 0 ? step->buffers[code->output_arg].i : (uint32_t)NO_BUFFER;
}

static Repeat describe_repeat(const Inspection *inspection, uint32_t s)
{
    const Plan *plan = inspection->plan;
    const Kernel *kernel = kernel_of(inspection, s);
    const int32_t *kept;
    SnugKernel code = repeat_kernel(&kernel->code, inspection->arena, &kept);
    Repeat repeat = {
        .step = s,
        .buffer = made_by(inspection, s),
        .dropped_at = s,
        .time_us = kernel->time_us,
        .flops = kernel_flops(&code),
        .bytes = kernel_bytes(&inspection->c->target, &code),
    };

    if (!in_arena(plan, repeat.buffer))
        return repeat;
    uint32_t value = plan->buffers.items[repeat.buffer].value.i;
    for (uint32_t b = inspection->first_buffer[value]; b != repeat.buffer && b != NO_BUFFER;
         b = inspection->next_buffer[b])
        repeat.dropped_at = inspection->facts[b].end;
    uint32_t peak = plan->certificate.peak_step;
    repeat.frees_peak = repeat.dropped_at <= peak && peak < s;
    return repeat;
}

static void find_repeats(Inspection *inspection)
{
    const Plan *plan = inspection->plan;
    Ranked *ranked = arena_array(inspection->arena, Ranked, plan->steps.count);
    uint32_t count = 0;

    for (uint32_t s = 0; s < plan->steps.count; s++) {
        const Kernel *kernel = kernel_of(inspection, s);
        bool again = plan->steps.items[s].is_repeat;
        if (again)
            ranked[count++] = (Ranked){kernel->time_us, s};
        Work *work = again ? &inspection->again : &inspection->once;
        work->time_us += kernel->time_us;
        work->flops += again ? 0 : kernel->flops;
        work->bytes += again ? 0 : kernel->bytes;
        if (!kernel->is_backward || inspection->backward_begin < plan->steps.count)
            continue;
        inspection->backward_begin = s;
    }
    qsort(ranked, count, sizeof *ranked, compare_ranked);
    inspection->repeats = arena_array(inspection->arena, Repeat, count);
    inspection->repeat_count = count;
    for (uint32_t k = 0; k < count; k++) {
        inspection->repeats[k] = describe_repeat(inspection, ranked[k].index);
        inspection->again.flops += inspection->repeats[k].flops;
        inspection->again.bytes += inspection->repeats[k].bytes;
    }
}

const Inspection *inspect_plan(const Compilation *c, SnugSegmentId segment, Arena *arena)
{
    Inspection *inspection = arena_new(arena, Inspection);

    *inspection = (Inspection){
        .c = c,
        .segment = segment,
        .plan = c->plans[segment],
        .set = c->kernels[segment],
        .arena = arena,
        .facts = arena_array(arena, BufferFacts, c->plans[segment]->buffers.count),
        .backward_begin = c->plans[segment]->steps.count,
    };
    index_values(inspection);
    find_facts(inspection);
    find_loads(inspection);
    find_alive(inspection);
    find_repeats(inspection);
    return inspection;
}
