/* `snug plan`: the plan for people, 80 columns.
 *
 *     does it fit; where the bytes go; what is alive at the worst moment; what is computed again;
 *     what is proven; how long a step may take; what the next larger batch would need
 */
#include <math.h>
#include <string.h>

#include "compiler/inspect/inspect.h"
#include "compiler/ir/trial.h"
#include "compiler/target/cost.h"
#include "report.h"

enum {
    ALIVE_SHOWN = 12,
    REPEATS_SHOWN = 8,
    NAME_WIDTH = 33, /* of tensors and kernels */
    BAR_WIDTH = 20   /* of the waterfall, characters */
};

typedef struct Report {
    FILE *out;
    const Compilation *c;
    const Inspection *inspection;
    Arena *arena;
    bool color;
} Report;

static const char *paint(const Report *report, const char *code)
{
    return report->color ? code : "";
}

/* A heading, bold on a terminal. */
static void print_heading(const Report *report, const char *heading, const char *rest)
{
    fprintf(report->out, "\n%s%s%s%s\n", paint(report, "\033[1m"), heading,
            paint(report, "\033[0m"), rest);
}

/* A name that fits its column: the end is what tells names apart. */
static const char *fit_name(const Report *report, const char *name, size_t width)
{
    size_t length = strlen(name);

    return length <= width ? name : arena_printf(report->arena, "..%s", name + length - width + 2);
}

static const char *signed_mib(const Report *report, int64_t bytes)
{
    return bytes < 0 ? arena_printf(report->arena, "-%s", format_mib(report->arena, -bytes))
                     : format_mib(report->arena, bytes);
}

static const char *others(const Report *report, uint32_t count)
{
    return arena_printf(report->arena, "%u other%s", count, count == 1 ? "" : "s");
}

static const char *instance_name(const Report *report, uint32_t b)
{
    const Buffer *buffer = &report->inspection->plan->buffers.items[b];
    uint32_t instance = report->inspection->facts[b].instance;

    return instance == 0 ? buffer->name
                         : arena_printf(report->arena, "%s#%u", buffer->name, instance + 1);
}

/* ---- verdict --------------------------------------------------------------------------------- */

static void print_verdict(const Report *report)
{
    const Compilation *c = report->c;
    const Model *model = c->model;
    const char *needs = format_mib(report->arena, c->layout.total_bytes);
    const char *budget = format_mib(report->arena, c->target.budget_bytes);

    fprintf(report->out, "%s  batch %lld, %lld x %lld, %s, %s\n", model->name,
            (long long)model->batch_size, (long long)model->image_height,
            (long long)model->image_width, type_name(c->target.half),
            target_words(c, report->arena));
    if (c->target.vram_bytes == 0)
        fprintf(report->out, "needs %s MiB; --vram SIZE says what there is\n", needs);
    else if (c->fits)
        fprintf(report->out, "%sfits%s: needs %s of %s MiB, %s left\n", paint(report, "\033[1;32m"),
                paint(report, "\033[0m"), needs, budget,
                format_mib(report->arena, c->target.budget_bytes - c->layout.total_bytes));
    else
        fprintf(report->out, "%sdoes not fit%s: needs %s MiB, the budget is %s\n",
                paint(report, "\033[1;31m"), paint(report, "\033[0m"), needs, budget);
    fprintf(report->out, "checked: %u steps, %llu reads each of what was written last\n",
            report->inspection->plan->steps.count, (unsigned long long)report->inspection->reads);
}

/* ---- budget ---------------------------------------------------------------------------------- */

typedef struct Waterfall {
    const Report *report;
    int64_t scale; /* bytes that the whole bar stands for */
    int64_t used;  /* where the next bar begins */
} Waterfall;

static int bar_position(const Waterfall *fall, int64_t bytes)
{
    double at = (double)bytes / (double)fall->scale * BAR_WIDTH;

    return at < 0 ? 0 : at > BAR_WIDTH ? BAR_WIDTH : (int)floor(at + 0.5);
}

static const char *const no_ink = "", *const faint = "\033[2m", *const green = "\033[32m",
                         *const blue = "\033[34m";

/* "  weights            108.8    ##               28.54 M parameters, f32"; ink: of the bar */
static void print_fall(const Waterfall *fall, const char *name, int64_t bytes, int64_t from,
                       int64_t to, const char *ink, const char *remark)
{
    char bar[BAR_WIDTH + 1];
    int begin = bar_position(fall, from), end = bar_position(fall, to);

    memset(bar, ' ', BAR_WIDTH);
    for (int k = begin; k < end; k++)
        bar[k] = '#';
    if (to > from && end == begin && begin < BAR_WIDTH)
        bar[begin] = '.'; /* too small for a '#' of its own */
    bar[BAR_WIDTH] = '\0';
    int length = BAR_WIDTH;
    while (length > 0 && remark[0] == '\0' && bar[length - 1] == ' ')
        bar[--length] = '\0';
    fprintf(fall->report->out, "  %-19s%10s", name, signed_mib(fall->report, bytes));
    if (length > 0)
        fprintf(fall->report->out, "  %s%s%s", paint(fall->report, ink), bar,
                paint(fall->report, *ink ? "\033[0m" : ""));
    fprintf(fall->report->out, remark[0] != '\0' ? "  %s\n" : "%s\n", remark);
}

static void print_part(Waterfall *fall, const char *name, int64_t bytes, const char *ink,
                       const char *remark)
{
    print_fall(fall, name, bytes, fall->used, fall->used + bytes, ink, remark);
    fall->used += bytes;
}

static const char *arena_remark(const Report *report)
{
    const Compilation *c = report->c;
    const Plan *evaluate = c->plans[SNUG_SEGMENT_evaluate];

    if (evaluate == NULL || report->inspection->segment == SNUG_SEGMENT_evaluate)
        return "";
    return arena_printf(report->arena, "evaluation uses %s",
                        format_mib(report->arena, evaluate->arena_bytes));
}

static void print_budget(const Report *report)
{
    const Compilation *c = report->c;
    const Layout *layout = &c->layout;
    const Target *target = &c->target;
    int64_t workspace =
        report->inspection->load[report->inspection->plan->certificate.peak_step][CLASS_workspace];
    Waterfall fall = {.report = report,
                      .scale =
                          max_i64(target->vram_bytes, layout->total_bytes + target->reserve_bytes)};

    print_heading(report, "where the bytes go", "          MiB");
    if (target->vram_bytes > 0) {
        print_fall(&fall, "card", target->vram_bytes, 0, target->vram_bytes, no_ink, "--vram");
        print_part(&fall, "reserve", target->reserve_bytes, faint, "driver, context, display");
    }
    print_part(&fall, "weights", layout->weights, green,
               arena_printf(report->arena, "%.2f M parameters, f32",
                            (double)trained_numbers(c->model) / 1e6));
    print_part(&fall, "running statistics", layout->state, green, "");
    print_part(&fall, "gradients", layout->grads, green, "f32");
    print_part(&fall, "optimiser", layout->moments, green, "m and v of AdamW, f32");
    if (layout->halves > 0)
        print_part(&fall, "half copies", layout->halves, green, "of conv weights, f16");
    print_part(&fall, "averages", layout->ema, green, "EMA of the weights, f32");
    print_part(&fall, "staging", layout->inputs, green, "pictures, points, scalars");
    print_part(&fall, "arena", layout->arena_bytes, blue, arena_remark(report));
    if (workspace > 0)
        print_fall(&fall, "  workspace in it", workspace, 0, 0, no_ink, "at the peak");
    print_fall(&fall, "total", layout->total_bytes, target->reserve_bytes,
               target->reserve_bytes + layout->total_bytes, no_ink, "");
    if (target->vram_bytes > 0)
        print_fall(&fall, "left", target->budget_bytes - layout->total_bytes, fall.used,
                   target->vram_bytes, faint, "");
}

/* ---- the peak -------------------------------------------------------------------------------- */

static void print_alive(const Report *report, uint32_t b, int64_t sum)
{
    const Inspection *inspection = report->inspection;
    const Buffer *buffer = &inspection->plan->buffers.items[b];
    const BufferFacts *facts = &inspection->facts[b];

    fprintf(report->out, "  %-*s %9s %6s %6.1f  %-10s %u-%u\n", NAME_WIDTH,
            fit_name(report, instance_name(report, b), NAME_WIDTH),
            format_mib(report->arena, buffer->bytes), format_mib(report->arena, facts->padding),
            100.0 * (double)sum / (double)inspection->plan->certificate.live_bound,
            class_names[facts->class], buffer->life.first, facts->end - 1);
}

static void print_peak(const Report *report)
{
    const Inspection *inspection = report->inspection;
    const Certificate *certificate = &inspection->plan->certificate;
    const Kernel *kernel = kernel_of(inspection, certificate->peak_step);
    int64_t sum = 0;

    print_heading(report, "the peak",
                  arena_printf(report->arena, ", step %u of %u: %s", certificate->peak_step,
                               inspection->plan->steps.count, kernel->label));
    if (kernel->source.file != 0)
        fprintf(report->out, "  %s\n", source_place(report->c, kernel->source, report->arena));
    fprintf(report->out, "  %-*s %9s %6s %6s  %-10s %s\n", NAME_WIDTH, "alive", "MiB", "padded",
            "sum %", "class", "steps");
    for (uint32_t k = 0; k < inspection->alive_count && k < ALIVE_SHOWN; k++) {
        sum += inspection->plan->buffers.items[inspection->alive[k]].bytes;
        print_alive(report, inspection->alive[k], sum);
    }
    if (inspection->alive_count > ALIVE_SHOWN)
        fprintf(report->out, "  %-*s %9s %6s %6.1f\n", NAME_WIDTH,
                others(report, inspection->alive_count - ALIVE_SHOWN),
                format_mib(report->arena, certificate->live_bound - sum), "", 100.0);
}

/* ---- recomputation --------------------------------------------------------------------------- */

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static void print_repeats(const Report *report)
{
    const Inspection *inspection = report->inspection;
    const Work *once = &inspection->once, *again = &inspection->again;
    double rebuild_us = inspection->plan->certificate.rebuild_us, rest = 0;

    if (inspection->repeat_count == 0) {
        if (rebuild_us > 0)
            print_heading(report, "computed again",
                          arena_printf(report->arena,
                                       ": no kernel; readers rebuild residual sums, +%.1f %% time",
                                       percent(rebuild_us, once->time_us - rebuild_us)));
        return;
    }
    print_heading(
        report, "computed again",
        arena_printf(report->arena, ": %u kernels, +%.1f %% time, +%.1f %% FLOPs, +%.1f %% traffic",
                     inspection->repeat_count, percent(again->time_us, once->time_us - rebuild_us),
                     percent((double)again->flops, (double)once->flops),
                     percent((double)again->bytes, (double)once->bytes)));
    fprintf(report->out, "  %-*s %9s %6s %6s  %s\n", NAME_WIDTH, "kernel", "frees MiB", "ms",
            "step", "free for steps");
    for (uint32_t k = 0; k < inspection->repeat_count; k++) {
        const Repeat *repeat = &inspection->repeats[k];
        if (k >= REPEATS_SHOWN) {
            rest += repeat->time_us;
            continue;
        }
        fprintf(report->out, "  %-*s %9s %6.2f %6u  %u-%u%s\n", NAME_WIDTH,
                fit_name(report, kernel_of(inspection, repeat->step)->label, NAME_WIDTH),
                format_mib(report->arena, inspection->plan->buffers.items[repeat->buffer].bytes),
                repeat->time_us / 1e3, repeat->step, repeat->dropped_at, repeat->step - 1,
                repeat->frees_peak ? ", the peak" : "");
    }
    if (inspection->repeat_count > REPEATS_SHOWN)
        fprintf(report->out, "  %-*s %9s %6.2f\n", NAME_WIDTH,
                others(report, inspection->repeat_count - REPEATS_SHOWN), "", rest / 1e3);
    if (rebuild_us > 0)
        fprintf(report->out, "  %-*s %9s %6.2f\n", NAME_WIDTH, "readers that rebuild sums", "",
                rebuild_us / 1e3);
}

/* ---- bounds, time ---------------------------------------------------------------------------- */

static void print_bound(const Report *report, const char *name, int64_t bytes, const char *remark)
{
    fprintf(report->out, "  %-19s%10s  %s\n", name, format_mib(report->arena, bytes), remark);
}

static void print_bounds(const Report *report)
{
    const Plan *plan = report->inspection->plan;
    const Certificate *certificate = &plan->certificate;
    double once = report->inspection->once.time_us - certificate->rebuild_us;
    int64_t gap = plan->arena_bytes - certificate->live_bound;

    print_heading(report, "bounds of the arena", "         MiB");
    print_bound(report, "most alive at once", certificate->live_bound,
                gap == 0 ? "reached: no packing of this order is smaller"
                         : arena_printf(report->arena, "the arena is %.3f %% above it",
                                        percent((double)gap, (double)certificate->live_bound)));
    print_bound(report, "one kernel alone", certificate->feasibility_floor,
                "no order and no recomputation is smaller");
    print_bound(report, "everything kept", certificate->keep_all_bytes, "without recomputation");
    if (certificate->recompute_us == 0)
        return;
    fprintf(report->out, "  %-19s%10s  ", "added time",
            arena_printf(report->arena, "%.2f %%", percent(certificate->recompute_us, once)));
    if (certificate->recompute_bound_us > 0)
        fprintf(report->out, "no plan of these kernels adds less than %.2f %%\n",
                percent(certificate->recompute_bound_us, once));
    else
        fputs("no bound was proven\n", report->out);
}

static void print_duration(const Report *report, const char *name, double us, const char *remark)
{
    fprintf(report->out, "  %-19s%7.*f ms  %s\n", name, us < 1e4 ? 3 : 1, us / 1e3, remark);
}

static void print_time(const Report *report)
{
    const Compilation *c = report->c;
    const Inspection *inspection = report->inspection;
    int64_t batch = c->model->batch_size, accumulate = max_i64(c->model->defaults.accumulate, 1);
    double step = inspection->once.time_us + inspection->again.time_us;
    double update = update_time_us(&c->target, &c->layout);

    print_heading(
        report, "time",
        arena_printf(report->arena, ", estimated for %s: a roofline, not measured",
                     c->target.device == DEVICE_host ? "this host" : c->target.card->name));
    if (inspection->segment == SNUG_SEGMENT_evaluate) {
        print_duration(report, "evaluation", step,
                       arena_printf(report->arena, "%u kernels", inspection->set->kernels.count));
        return;
    }
    print_duration(report, "micro-step", step,
                   arena_printf(report->arena, "%lld picture%s, %u kernels", (long long)batch,
                                batch == 1 ? "" : "s", inspection->set->kernels.count));
    print_duration(report, "update", update, "norm, AdamW, averages");
    print_duration(report, "a picture", (step + update / (double)accumulate) / (double)batch,
                   arena_printf(report->arena, "an update every %lld x %lld", (long long)accumulate,
                                (long long)batch));
}

/* ---- what if --------------------------------------------------------------------------------- */

/* The same with one picture more. */
static void print_next_batch(const Report *report, const Trial *trial)
{
    const Compilation *c = report->c;

    print_heading(report, "what if", "");
    fprintf(report->out, "  --batch_size %lld needs %s MiB", (long long)trial->batch_size,
            format_mib(report->arena, trial->total_bytes));
    if (c->target.vram_bytes > 0)
        fprintf(report->out, trial->fits ? ": fits, %s left" : ": %s too much",
                format_mib(report->arena, trial->fits
                                              ? c->target.budget_bytes - trial->total_bytes
                                              : trial->total_bytes - c->target.budget_bytes));
    if (trial->fits && trial->added_us > 0)
        fprintf(report->out, ", +%.1f %% time",
                percent(trial->added_us, trial->step_us - trial->added_us));
    if (!trial->fits && trial->is_impossible)
        fputs(", which is proven", report->out);
    fputs("\n  snug fit shows other batches; --gradient_accumulation_steps costs no memory\n",
          report->out);
}

void report_text(FILE *out, const Compilation *c, const Trial *next_batch, bool color)
{
    Arena *arena = arena_create();
    Report report = {.out = out,
                     .c = c,
                     .inspection = inspect_plan(c, main_segment(c), arena),
                     .arena = arena,
                     .color = color};

    print_verdict(&report);
    print_budget(&report);
    print_peak(&report);
    print_repeats(&report);
    print_bounds(&report);
    print_time(&report);
    if (next_batch != NULL && next_batch->is_planned)
        print_next_batch(&report, next_batch);
    arena_destroy(arena);
}
