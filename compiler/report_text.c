/* `snug plan`: the plan for people, 80 columns.
 *
 *     does it fit; where the bytes go; what is alive at the worst moment; what is proven
 */
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

enum { ALIVE_SHOWN = 12, NAME_WIDTH = 44 };

typedef struct Report {
    FILE *out;
    const Compilation *c;
    Arena *arena;
    bool color;
    SnugSegmentId segment; /* the one that is told about */
} Report;

static const char *paint(const Report *report, const char *code)
{
    return report->color ? code : "";
}

/* "  weights                        108.8   note" */
static void print_row(const Report *report, int indent, const char *name, int64_t bytes,
                      const char *remark)
{
    int width = 34 - indent;

    fprintf(report->out, "%*s%-*s %9s", indent, "", width, name,
            bytes < 0 ? arena_printf(report->arena, "-%s", format_mib(report->arena, -bytes))
                      : format_mib(report->arena, bytes));
    fprintf(report->out, remark[0] != '\0' ? "   %s\n" : "%s\n", remark);
}

static const char *place_of(const Report *report, Span source)
{
    if (source.file == 0)
        return "";
    return arena_printf(report->arena, "%s:%u",
                        diagnostics_file(report->c->diags, source.file)->path,
                        span_line_column(report->c->diags, source).line);
}

/* A name that fits its column: the end is what tells names apart. */
static const char *fit_name(const Report *report, const char *name, size_t width)
{
    size_t length = strlen(name);

    return length <= width ? name
                           : arena_printf(report->arena, "..%s", name + length - width + 2);
}

/* ---- verdict, budget ------------------------------------------------------------------------- */

static void print_verdict(const Report *report)
{
    const Compilation *c = report->c;
    const Model *model = c->model;
    int64_t left = c->target.budget_bytes - c->layout.total_bytes;

    fprintf(report->out, "%s  batch %lld, %lld x %lld, %s, %s\n", model->name,
            (long long)model->batch_size, (long long)model->image_height,
            (long long)model->image_width, type_name(c->target.half),
            c->target.device == DEVICE_host
                ? arena_printf(report->arena, "host, %d thread%s", (int)c->target.threads,
                               c->target.threads == 1 ? "" : "s")
                : c->target.card->name);
    if (c->target.vram_bytes == 0)
        fprintf(report->out, "needs %s; --vram SIZE says what there is\n",
                format_bytes(report->arena, c->layout.total_bytes));
    else if (c->fits)
        fprintf(report->out, "%sfits%s: needs %s of %s, %s left\n", paint(report, "\033[1;32m"),
                paint(report, "\033[0m"), format_bytes(report->arena, c->layout.total_bytes),
                format_bytes(report->arena, c->target.budget_bytes),
                format_bytes(report->arena, left));
    else
        fprintf(report->out, "%sdoes not fit%s: needs %s, the budget is %s\n",
                paint(report, "\033[1;31m"), paint(report, "\033[0m"),
                format_bytes(report->arena, c->layout.total_bytes),
                format_bytes(report->arena, c->target.budget_bytes));
}

static const char *parameters_text(const Report *report)
{
    const Model *model = report->c->model;
    int64_t count = 0;

    for (uint32_t p = 1; p < model->params.count; p++) {
        const Param *param = &model->params.items[p];
        if (param->kind != SNUG_PARAM_running_mean && param->kind != SNUG_PARAM_running_var)
            count += param->shape.n * param->shape.h * param->shape.w * param->shape.c;
    }
    return arena_printf(report->arena, "%.2f M parameters, f32", (double)count / 1e6);
}

static void print_budget(const Report *report)
{
    const Compilation *c = report->c;
    const Layout *layout = &c->layout;
    const Plan *evaluate = c->plans[SNUG_SEGMENT_evaluate];

    fprintf(report->out, "\n%-34s %9s\n", "budget", "MiB");
    if (c->target.vram_bytes > 0) {
        print_row(report, 2, c->target.device == DEVICE_host ? "memory" : "card",
                  c->target.vram_bytes, "--vram");
        print_row(report, 2, "reserve", -c->target.reserve_bytes,
                  "driver, display, other programs: --reserve");
    }
    print_row(report, 2, "weights", layout->weights, parameters_text(report));
    print_row(report, 2, "running statistics", layout->state, "");
    print_row(report, 2, "gradients", layout->grads, "f32");
    print_row(report, 2, "optimiser", layout->moments, "m and v of AdamW, f32");
    print_row(report, 2, "averages", layout->ema, "EMA of weights and statistics");
    print_row(report, 2, "inputs", layout->inputs, "pictures, points, scalars");
    print_row(report, 2, "arena", layout->arena_bytes,
              evaluate == NULL || report->segment == SNUG_SEGMENT_evaluate
                  ? ""
                  : arena_printf(report->arena, "evaluation uses %s of it",
                                 format_mib(report->arena, evaluate->arena_bytes)));
    print_row(report, 2, "total", layout->total_bytes, "");
    if (c->target.vram_bytes > 0)
        print_row(report, 2, "left", c->target.budget_bytes - layout->total_bytes, "");
}

/* ---- the peak -------------------------------------------------------------------------------- */

typedef struct Alive {
    int64_t bytes;
    uint32_t buffer;
} Alive;

static int compare_alive(const void *left, const void *right)
{
    const Alive *a = left, *b = right;

    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

/* What is alive at the peak, largest first; of two that share bytes the one that takes over. */
static uint32_t find_alive(const Report *report, const Plan *plan, Alive *alive)
{
    uint32_t count = 0, peak = plan->certificate.peak_step;
    bool *is_taken = arena_array(report->arena, bool, plan->buffers.count);

    for (uint32_t b = 0; b < plan->buffers.count; b++)
        if (plan->buffers.items[b].in_place_of.i != b && plan->buffers.items[b].life.first == peak)
            is_taken[plan->buffers.items[b].in_place_of.i] = true;
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        if (buffer->storage == STORAGE_arena && buffer->life.first <= peak
            && peak < buffer->life.last && !is_taken[b])
            alive[count++] = (Alive){buffer->bytes, b};
    }
    qsort(alive, count, sizeof *alive, compare_alive);
    return count;
}

static void print_peak(const Report *report, const Plan *plan)
{
    const Certificate *certificate = &plan->certificate;
    const Step *step = &plan->steps.items[certificate->peak_step];
    const Kernel *kernel = &report->c->kernels[report->segment]->kernels.items[step->kernel.i];
    Alive *alive = arena_array(report->arena, Alive, plan->buffers.count);
    uint32_t count = find_alive(report, plan, alive);
    int64_t sum = 0;

    fprintf(report->out, "\npeak at step %u of %u: %s  %s\n", certificate->peak_step,
            plan->steps.count, kernel->label, place_of(report, kernel->source));
    fprintf(report->out, "  %-*s %9s %6s  %s\n", NAME_WIDTH, "alive", "MiB", "sum %", "steps");
    for (uint32_t k = 0; k < count && k < ALIVE_SHOWN; k++) {
        const Buffer *buffer = &plan->buffers.items[alive[k].buffer];
        sum += buffer->bytes;
        fprintf(report->out, "  %-*s %9s %6.1f  %u .. %u\n", NAME_WIDTH,
                fit_name(report, buffer->name, NAME_WIDTH),
                format_mib(report->arena, buffer->bytes),
                100.0 * (double)sum / (double)certificate->live_bound, buffer->life.first,
                buffer->life.last - 1);
    }
    if (count > ALIVE_SHOWN)
        fprintf(report->out, "  %-*s %9s %6.1f\n", NAME_WIDTH,
                arena_printf(report->arena, "%u others", count - ALIVE_SHOWN),
                format_mib(report->arena, certificate->live_bound - sum), 100.0);
}

/* ---- bounds, time ---------------------------------------------------------------------------- */

static void print_bounds(const Report *report, const Plan *plan)
{
    const Certificate *certificate = &plan->certificate;
    int64_t gap = plan->arena_bytes - certificate->live_bound;

    fprintf(report->out, "\n%-34s %9s\n", "bounds of the arena", "MiB");
    print_row(report, 2, "most alive at once", certificate->live_bound,
              gap == 0 ? "reached: no packing of this order is smaller"
                       : arena_printf(report->arena, "the arena is %lld bytes (%.3f %%) above it",
                                      (long long)gap,
                                      100.0 * (double)gap / (double)certificate->live_bound));
    print_row(report, 2, "one kernel alone", certificate->feasibility_floor,
              "no order and no recomputation is smaller");
    print_row(report, 2, "everything kept", certificate->keep_all_bytes,
              "without recomputation");
}

static void print_time(const Report *report, const Plan *plan)
{
    const KernelSet *set = report->c->kernels[report->segment];
    double total = 0;
    uint32_t repeats = 0;

    for (uint32_t s = 0; s < plan->steps.count; s++) {
        total += set->kernels.items[plan->steps.items[s].kernel.i].time_us;
        repeats += plan->steps.items[s].is_repeat;
    }
    double again = plan->certificate.recompute_us, once = total - again;
    fprintf(report->out, "\ntime, estimated: %.1f ms a %s of %lld image%s, %u kernels\n",
            total / 1e3,
            report->segment == SNUG_SEGMENT_micro_step ? "micro-step" : "evaluation",
            (long long)report->c->model->batch_size,
            report->c->model->batch_size == 1 ? "" : "s", set->kernels.count);
    if (repeats > 0)
        fprintf(report->out, "  of it %.1f ms (+%.1f %%) for %u kernels computed again\n",
                again / 1e3, once > 0 ? 100.0 * again / once : 0.0, repeats);
}

void report_text(FILE *out, const Compilation *c, bool color)
{
    Report report = {
        .out = out,
        .c = c,
        .arena = arena_create(),
        .color = color,
        .segment = c->plans[SNUG_SEGMENT_micro_step] != NULL ? SNUG_SEGMENT_micro_step
                                                             : SNUG_SEGMENT_evaluate,
    };
    const Plan *plan = c->plans[report.segment];

    print_verdict(&report);
    print_budget(&report);
    print_peak(&report, plan);
    print_bounds(&report, plan);
    print_time(&report, plan);
    arena_destroy(report.arena);
}
