/* plan.html: the plan as one page that needs nothing else.
 *
 *     report_page.html   with marks:  <!--style-->  <!--data-->  <!--script-->
 *     report_page.css, report_map.js, report_panels.js
 *
 * The build embeds these files (embed.cmake). Here the data is written in between: the numbers of
 * the inspection as arrays, names by their index in `strings`, so that 5,000 tensors stay well
 * below a megabyte. The script words and draws them; it computes sums only.
 */
#include <string.h>

#include "compiler/inspect/command_line.h"
#include "compiler/inspect/inspect.h"
#include "compiler/ir/trial.h"
#include "compiler/target/cost.h"
#include "report_html.h"

extern const char report_page_html[], report_page_css[], report_map_js[], report_panels_js[];

typedef struct Page {
    FILE *out;
    const Compilation *c;
    const Inspection *inspection;
    Arena *arena;
    ARRAY(const char *) strings;
    Map string_of;    /* interned text -> its index (uint32_t *) */
    uint32_t *row_of; /* by buffer: its row */
} Page;

/* ---- strings --------------------------------------------------------------------------------- */

static uint32_t string_index(Page *page, const char *text)
{
    const char *key = intern(page->c->names, text, strlen(text));
    uint32_t *index = map_get(&page->string_of, key);

    if (index == NULL) {
        index = arena_new(page->arena, uint32_t);
        *index = page->strings.count;
        ARRAY_APPEND(page->arena, &page->strings, key);
        map_set(&page->string_of, page->arena, key, index);
    }
    return *index;
}

/* ",file,line"; line 0: nowhere */
static void put_place(Page *page, Span source)
{
    if (source.file == 0)
        fputs(",0,0", page->out);
    else
        fprintf(page->out, ",%u,%u",
                string_index(page, diagnostics_file(page->c->diags, source.file)->path),
                span_line_column(page->c->diags, source).line);
}

static void put_strings(Page *page)
{
    fputs(",\n\"strings\":[", page->out);
    for (uint32_t k = 0; k < page->strings.count; k++) {
        fputs(k == 0 ? "" : ",", page->out);
        print_json_string(page->out, page->strings.items[k]);
    }
    fputs("]", page->out);
}

/* ---- totals ---------------------------------------------------------------------------------- */

static void put_number(Page *page, const char *name, int64_t number)
{
    fprintf(page->out, ",\"%s\":%lld", name, (long long)number);
}

static void put_text(Page *page, const char *name, const char *text)
{
    fprintf(page->out, ",\"%s\":", name);
    print_json_string(page->out, text);
}

/* What the page's commands begin with: it adds the memory, or memory, batch and averages. */
static void put_commands(Page *page)
{
    CompileOptions options = page->c->options;

    options.vram_bytes = 0;
    options.reserve_bytes = -1;
    put_text(page, "planCommand", command_line("plan", &options, page->arena));
    options.batch_size = 0;
    options.no_ema = false;
    put_text(page, "trainCommand", command_line("train", &options, page->arena));
}

static void put_model(Page *page)
{
    const Compilation *c = page->c;
    const Model *model = c->model;
    bool is_host = c->target.device == DEVICE_host;

    fprintf(page->out, "{\"schema\":%d", PLAN_SCHEMA);
    put_text(page, "model", model->name);
    put_text(page, "file", c->options.model_path);
    put_commands(page);
    put_number(page, "parameters", trained_numbers(model));
    put_number(page, "batch", model->batch_size);
    fprintf(page->out, ",\"image\":[%lld,%lld]", (long long)model->image_height,
            (long long)model->image_width);
    put_text(page, "storage", type_name(c->target.half));
    put_text(page, "device", is_host ? "host" : "cuda");
    put_text(page, "card", is_host ? "this host" : c->target.card->name);
    put_number(page, "accumulate", max_i64(model->defaults.accumulate, 1));
    put_text(page, "segment",
             page->inspection->segment == SNUG_SEGMENT_micro_step ? "micro-step" : "evaluation");
}

static void put_memory(Page *page)
{
    const Compilation *c = page->c;
    const Layout *layout = &c->layout;
    const struct {
        const char *name;
        int64_t bytes;
    } parts[] = {
        {"weights", layout->weights},    {"running statistics", layout->state},
        {"gradients", layout->grads},    {"optimiser", layout->moments},
        {"half copies", layout->halves}, {"averages", layout->ema},
        {"staging", layout->inputs},
    };

    if (c->target.vram_bytes > 0) {
        put_number(page, "vram", c->target.vram_bytes);
        put_number(page, "reserve", c->target.reserve_bytes);
        put_number(page, "budget", c->target.budget_bytes);
    }
    fprintf(page->out, ",\"fits\":%s", c->fits ? "true" : "false");
    put_number(page, "total", layout->total_bytes);
    put_number(page, "persistent", layout->persistent_bytes);
    put_number(page, "arena", layout->arena_bytes);
    put_number(page, "segmentArena", page->inspection->plan->arena_bytes);
    if (c->plans[SNUG_SEGMENT_evaluate] != NULL)
        put_number(page, "evaluate", c->plans[SNUG_SEGMENT_evaluate]->arena_bytes);
    fputs(",\"parts\":[", page->out);
    for (size_t k = 0; k < COUNT_OF(parts); k++)
        fprintf(page->out, "%s[\"%s\",%lld]", k == 0 ? "" : ",", parts[k].name,
                (long long)parts[k].bytes);
    fputs("]", page->out);
}

static void put_work(Page *page, const char *name, const Work *work)
{
    fprintf(page->out, ",\"%s\":{\"us\":%.2f,\"flops\":%lld,\"bytes\":%lld}", name, work->time_us,
            (long long)work->flops, (long long)work->bytes);
}

static void put_certificate(Page *page)
{
    const Inspection *inspection = page->inspection;
    const Certificate *certificate = &inspection->plan->certificate;

    put_number(page, "peak", certificate->peak_step);
    put_number(page, "live", certificate->live_bound);
    put_number(page, "floor", certificate->feasibility_floor);
    put_number(page, "keepAll", certificate->keep_all_bytes);
    put_number(page, "backward", inspection->backward_begin);
    fprintf(page->out, ",\"addedUs\":%.2f,\"boundUs\":%.2f,\"updateUs\":%.2f",
            certificate->recompute_us, certificate->recompute_bound_us,
            update_time_us(&page->c->target, &page->c->layout));
    fprintf(page->out, ",\"rebuildUs\":%.2f", certificate->rebuild_us);
    put_work(page, "once", &inspection->once);
    put_work(page, "again", &inspection->again);
    put_number(page, "reads", (int64_t)inspection->reads);
    put_number(page, "writes", (int64_t)inspection->writes);
}

/* ---- steps, buffers -------------------------------------------------------------------------- */

/* [label, code, file, line, is_backward, us, flops, bytes] */
static void put_kernels(Page *page)
{
    const KernelSet *set = page->inspection->set;

    fputs(",\n\"kernels\":[", page->out);
    for (uint32_t k = 0; k < set->kernels.count; k++) {
        const Kernel *kernel = &set->kernels.items[k];
        fprintf(page->out, "%s[%u,%u", k == 0 ? "" : ",", string_index(page, kernel->label),
                string_index(page, kernel->code.name));
        put_place(page, kernel->source);
        fprintf(page->out, ",%d,%.4f,%lld,%lld]", kernel->is_backward, kernel->time_us,
                (long long)kernel->flops, (long long)kernel->bytes);
    }
    fputs("]", page->out);
}

/* The rows that the step reads, or those that it makes; its workspace is neither. */
static void put_operands(Page *page, uint32_t s, bool writes)
{
    const Plan *plan = page->inspection->plan;
    const Step *step = &plan->steps.items[s];
    const SnugKernel *code = &kernel_of(page->inspection, s)->code;
    bool is_first = true;

    fputs(",[", page->out);
    for (int32_t a = 0; a < code->arg_count; a++) {
        uint32_t b = step->buffers[a].i;
        if (b >= plan->buffers.count || plan->buffers.items[b].storage != STORAGE_arena
            || (code->args[a].access == SNUG_WRITE) != writes)
            continue;
        fprintf(page->out, is_first ? "%u" : ",%u", page->row_of[b]);
        is_first = false;
    }
    fputs("]", page->out);
}

/* [kernel, is_repeat, [rows read], [rows made]] */
static void put_steps(Page *page)
{
    const Plan *plan = page->inspection->plan;

    fputs(",\n\"steps\":[", page->out);
    for (uint32_t s = 0; s < plan->steps.count; s++) {
        fprintf(page->out, "%s[%u,%d", s == 0 ? "" : ",", plan->steps.items[s].kernel.i,
                plan->steps.items[s].is_repeat);
        put_operands(page, s, false);
        put_operands(page, s, true);
        fputs("]", page->out);
    }
    fputs("]", page->out);
}

/* [name, class, instance, offset, bytes, first, end, in place of, type, n, h, w, c, padding, file,
 * line]; made by step `first` */
static void put_buffers(Page *page)
{
    const Inspection *inspection = page->inspection;
    const Plan *plan = inspection->plan;

    fputs(",\n\"buffers\":[", page->out);
    for (uint32_t b = 0, row = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        const BufferFacts *facts = &inspection->facts[b];
        const SnugArg *tensor = &facts->tensor;
        if (buffer->storage != STORAGE_arena)
            continue;
        fprintf(page->out, "%s[%u,%d,%u,%lld,%lld,%u,%u,%d", row++ == 0 ? "" : ",",
                string_index(page, buffer->name), (int)facts->class, facts->instance,
                (long long)buffer->offset, (long long)buffer->bytes, buffer->life.first, facts->end,
                buffer->in_place_of.i == b ? -1 : (int)page->row_of[buffer->in_place_of.i]);
        fprintf(page->out, ",%u,%d,%d,%d,%d,%lld",
                string_index(page, tensor->shape.n > 0 ? type_name(tensor->type) : ""),
                tensor->shape.n, tensor->shape.h, tensor->shape.w, tensor->shape.c,
                (long long)facts->padding);
        put_place(page, buffer->source);
        fputs("]", page->out);
    }
    fputs("]", page->out);
}

/* [row, is_possible, from, to, frees the peak, us, kernels, obstacle or -1] */
static void put_drops(Page *page)
{
    const Inspection *inspection = page->inspection;
    const Plan *plan = inspection->plan;
    bool is_first = true;

    fputs(",\n\"drops\":[", page->out);
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        if (plan->buffers.items[b].storage != STORAGE_arena
            || inspection->facts[b].class != CLASS_kept)
            continue;
        Drop drop = price_drop(inspection, b);
        fprintf(page->out, "%s[%u,%d,%u,%u,%d,%.2f,%u,%d]", is_first ? "" : ",", page->row_of[b],
                drop.is_possible, drop.from, drop.to, drop.frees_peak, drop.time_us,
                drop.kernel_count,
                drop.obstacle == NULL ? -1 : (int)(drop.obstacle - inspection->set->kernels.items));
        is_first = false;
    }
    fputs("]", page->out);
}

/* [step, row, dropped at, frees the peak, us, flops, bytes] */
static void put_repeats(Page *page)
{
    const Inspection *inspection = page->inspection;

    fputs(",\n\"repeats\":[", page->out);
    for (uint32_t k = 0; k < inspection->repeat_count; k++) {
        const Repeat *repeat = &inspection->repeats[k];
        fprintf(page->out, "%s[%u,%u,%u,%d,%.2f,%lld,%lld]", k == 0 ? "" : ",", repeat->step,
                page->row_of[repeat->buffer], repeat->dropped_at, repeat->frees_peak,
                repeat->time_us, (long long)repeat->flops, (long long)repeat->bytes);
    }
    fputs("]", page->out);
}

/* ---- other plans ----------------------------------------------------------------------------- */

static void put_trial(Page *page, const Trial *trial)
{
    fprintf(page->out,
            "{\"batch\":%lld,\"budget\":%lld,\"keepAll\":%d,\"noEma\":%d,\"fits\":%d,"
            "\"total\":%lld,\"arena\":%lld,\"us\":%.2f,\"addedUs\":%.2f,"
            "\"updateUs\":%.2f,\"boundUs\":%.2f,\"repeats\":%u",
            (long long)trial->batch_size, (long long)trial->budget_bytes, trial->keep_all,
            trial->no_ema, trial->fits, (long long)trial->total_bytes,
            (long long)trial->arena_bytes, trial->step_us, trial->added_us, trial->update_us,
            trial->bound_us, trial->repeat_count);
    for (uint32_t k = 0; trial->again != NULL && k < trial->repeat_count; k++)
        fprintf(page->out, "%s%u", k == 0 ? ",\"again\":[" : ",",
                string_index(page, trial->again[k]));
    fputs(trial->again != NULL && trial->repeat_count > 0 ? "]" : "", page->out);
    fputs("}", page->out);
}

static void put_trials(Page *page, const char *name, const Trial *trials, uint32_t count)
{
    bool is_first = true;

    fprintf(page->out, ",\n\"%s\":[", name);
    for (uint32_t k = 0; k < count; k++) {
        if (!trials[k].is_planned)
            continue;
        fputs(is_first ? "" : ",\n", page->out);
        put_trial(page, &trials[k]);
        is_first = false;
    }
    fputs("]", page->out);
}

/* ---- the page -------------------------------------------------------------------------------- */

static void put_data(Page *page, const PageExtras *extras)
{
    put_model(page);
    put_memory(page);
    put_certificate(page);
    put_kernels(page);
    put_steps(page);
    put_buffers(page);
    put_drops(page);
    put_repeats(page);
    if (extras != NULL && extras->other_plans != NULL) {
        const OtherPlans *others = extras->other_plans;
        put_trials(page, "curve", others->curve, others->curve_count);
        put_trials(page, "whatIf", others->rows, others->row_count);
    }
    put_strings(page); /* last: the others fill it */
    if (extras != NULL && extras->difference != NULL) {
        fputs(",\n\"difference\":", page->out);
        difference_json(page->out, extras->difference);
    }
    fputs("}", page->out);
}

/* Writes `text` up to the mark; returns what follows it. */
static const char *put_until(FILE *out, const char *text, const char *mark)
{
    const char *at = strstr(text, mark);

    if (at == NULL)
        BUG("report_page.html has no %s", mark);
    fwrite(text, 1, (size_t)(at - text), out);
    return at + strlen(mark);
}

void report_html(FILE *out, const Compilation *c, const PageExtras *extras)
{
    Arena *arena = arena_create();
    Page page = {.out = out,
                 .c = c,
                 .inspection = inspect_plan(c, main_segment(c), arena),
                 .arena = arena};
    const Plan *plan = page.inspection->plan;
    const char *rest = report_page_html;

    page.row_of = arena_array(arena, uint32_t, plan->buffers.count);
    for (uint32_t b = 0, row = 0; b < plan->buffers.count; b++)
        if (plan->buffers.items[b].storage == STORAGE_arena)
            page.row_of[b] = row++;
    rest = put_until(out, rest, "<!--style-->");
    fprintf(out, "<style>\n%s</style>", report_page_css);
    rest = put_until(out, rest, "<!--data-->");
    fputs("<script type=\"application/json\" id=\"data\">\n", out);
    put_data(&page, extras);
    fputs("\n</script>", out);
    rest = put_until(out, rest, "<!--script-->");
    fprintf(out, "<script>\n\"use strict\";\n%s\n%s</script>", report_map_js, report_panels_js);
    fputs(rest, out);
    arena_destroy(arena);
}
