/* What would fit: said where a plan is larger than the budget.
 *
 * The plan that is refused is the smallest that was found with kernels computed again, and where it
 * is proven that none is small enough, the proof is said. Nothing is guessed: the model is compiled
 * and planned again with a smaller batch, which the accumulation of gradients makes up for, then
 * with a smaller image, and the first that fits is offered with what it costs.
 */
#include <stdlib.h>

#include "plan.h"

enum { IMAGE_STEP = 32, LARGEST_SHOWN = 3 };

typedef struct Other {
    int64_t bytes;     /* total, -1: the model has these sizes fixed */
    double picture_us; /* estimate: a micro-step's share */
    double added;      /* of it by computing again, share of the rest */
} Other;

static double micro_step_us(const Compilation *c)
{
    SnugSegmentId segment =
        c->plans[SNUG_SEGMENT_micro_step] != NULL ? SNUG_SEGMENT_micro_step : SNUG_SEGMENT_evaluate;
    const Plan *plan = c->plans[segment];
    double us = 0;

    for (uint32_t s = 0; s < plan->steps.count; s++)
        us += c->kernels[segment]->kernels.items[plan->steps.items[s].kernel.i].time_us;
    return us;
}

/* The same model with other sizes, 0: as it was. */
static Other plan_other(const Compilation *c, int64_t batch, int64_t height, int64_t width)
{
    CompileOptions options = c->options;
    Override *overrides = arena_array(c->scratch, Override, options.override_count);
    Other found = {.bytes = -1};

    for (uint32_t k = 0; k < options.override_count; k++)
        overrides[k] = options.overrides[k];
    options.overrides = overrides;
    if (batch != 0)
        options.batch_size = batch;
    if (height != 0) {
        options.image_height = height;
        options.image_width = width;
    }
    options.dump = NULL;
    options.time_stages = false;
    Compilation *other = compilation_create(&options);
    if (run_pipeline(other, "kernels", stdout) == EXIT_STATUS_ok) {
        make_plans(other);
        found.bytes = other->layout.total_bytes;
        double us = micro_step_us(other);
        found.picture_us = us / (double)other->model->batch_size;
        if (other->plans[SNUG_SEGMENT_micro_step] != NULL) {
            double again = other->plans[SNUG_SEGMENT_micro_step]->certificate.recompute_us;
            found.added = again / (us - again);
        }
    }
    compilation_destroy(other);
    return found;
}

/* "1.2 GiB, 40.1 ms a picture, of it 3.1 % for what is computed again" */
static const char *price_of(Compilation *c, const Other *other)
{
    const char *text = arena_printf(c->arena, "it needs %s, %.1f ms a picture",
                                    format_bytes(c->arena, other->bytes), other->picture_us / 1e3);

    return other->added > 0
               ? arena_printf(c->arena, "%s, %.1f %% more for what is computed again", text,
                              100 * other->added)
               : text;
}

static bool suggest_batch(Compilation *c)
{
    const Model *model = c->model;

    for (int64_t batch = model->batch_size / 2; batch >= 1; batch /= 2) {
        Other other = plan_other(c, batch, 0, 0);
        if (other.bytes < 0 || other.bytes > c->target.budget_bytes)
            continue;
        int64_t micro_steps =
            (model->batch_size * model->defaults.accumulate + batch - 1) / batch;
        note(c->diags, "--batch_size %lld with --gradient_accumulation_steps %lld fits: %s",
             (long long)batch, (long long)micro_steps, price_of(c, &other));
        return true;
    }
    return false;
}

static bool suggest_image(Compilation *c)
{
    static const int eighths[] = {6, 4, 3, 2};
    const Model *model = c->model;

    for (size_t k = 0; k < COUNT_OF(eighths); k++) {
        int64_t height = model->image_height * eighths[k] / 8 / IMAGE_STEP * IMAGE_STEP;
        int64_t width = model->image_width * eighths[k] / 8 / IMAGE_STEP * IMAGE_STEP;
        if (height < IMAGE_STEP || width < IMAGE_STEP)
            return false;
        int64_t batch = model->batch_size == 1 ? 0 : 1;
        Other other = plan_other(c, batch, height, width);
        if (other.bytes < 0 || other.bytes > c->target.budget_bytes)
            continue;
        note(c->diags, "%s--image_size %lld %lld fits: %s", batch == 1 ? "--batch_size 1 " : "",
             (long long)height, (long long)width, price_of(c, &other));
        return true;
    }
    return false;
}

/* ---- what is large --------------------------------------------------------------------------- */

typedef struct Large {
    int64_t bytes;
    uint32_t buffer;
} Large;

static int compare_large(const void *left, const void *right)
{
    const Large *a = left, *b = right;

    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return (a->buffer > b->buffer) - (a->buffer < b->buffer);
}

/* "conv1 64.0 MiB, ..." of the largest buffers at the peak. */
static void note_largest(Compilation *c, const Plan *plan)
{
    Large *alive = arena_array(c->scratch, Large, plan->buffers.count);
    Text text = {.arena = c->scratch};
    uint32_t count = 0, peak = plan->certificate.peak_step;

    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        if (buffer->storage == STORAGE_arena && buffer->life.first <= peak
            && peak < buffer->life.last)
            alive[count++] = (Large){buffer->bytes, b};
    }
    qsort(alive, count, sizeof *alive, compare_large);
    for (uint32_t k = 0; k < count && k < LARGEST_SHOWN; k++)
        text_printf(&text, "%s%s %s", k == 0 ? "" : ", ", plan->buffers.items[alive[k].buffer].name,
                    format_bytes(c->scratch, alive[k].bytes));
    if (count > 0)
        note(c->diags, "largest of %u tensors alive at the peak: %s", count, text.bytes);
}

static uint32_t count_repeats(const Plan *plan)
{
    uint32_t repeats = 0;

    for (uint32_t s = 0; s < plan->steps.count; s++)
        repeats += plan->steps.items[s].is_repeat;
    return repeats;
}

static SnugSegmentId larger_segment(const Compilation *c)
{
    SnugSegmentId larger = SNUG_SEGMENT_evaluate;

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->plans[s] != NULL
            && (c->plans[larger] == NULL
                || c->plans[s]->arena_bytes > c->plans[larger]->arena_bytes))
            larger = (SnugSegmentId)s;
    return larger;
}

/* Whether the least is proven to be too much, and if not what is proven. */
static void note_proof(Compilation *c, const Plan *plan)
{
    int64_t least = c->layout.persistent_bytes + plan->certificate.feasibility_floor;
    uint32_t repeats = count_repeats(plan);

    if (plan->certificate.is_impossible && least > c->target.budget_bytes)
        note(c->diags, "proven: no plan needs less than %s, of which one kernel alone has %s",
             format_bytes(c->arena, least),
             format_bytes(c->arena, plan->certificate.feasibility_floor));
    else if (plan->certificate.is_impossible)
        note(c->diags, "proven: no order and no recomputation is within the budget");
    else
        note(c->diags, "the least that was found, with %u kernels computed again; "
                       "no plan needs less than %s", repeats, format_bytes(c->arena, least));
}

void report_misfit(Compilation *c)
{
    const Layout *layout = &c->layout;
    SnugSegmentId larger = larger_segment(c);
    const Plan *plan = c->plans[larger];
    const Step *peak = &plan->steps.items[plan->certificate.peak_step];
    const Kernel *kernel = &c->kernels[larger]->kernels.items[peak->kernel.i];

    error_at(c->diags, ERROR_E190, kernel->source, "the plan needs %s, the budget is %s",
             format_bytes(c->arena, layout->total_bytes),
             format_bytes(c->arena, c->target.budget_bytes));
    note_proof(c, plan);
    note(c->diags, "parameters, optimiser and inputs need %s, the arena %s, most of it at %s",
         format_bytes(c->arena, layout->persistent_bytes),
         format_bytes(c->arena, layout->arena_bytes), kernel->label);
    note_largest(c, plan);
    bool is_batch = suggest_batch(c);
    if (!is_batch && !suggest_image(c))
        note(c->diags, "no smaller batch or image of this model fits; --vram %s would",
             format_bytes(c->arena, layout->total_bytes + c->target.reserve_bytes));
}
