/* What would fit: said where a plan is larger than the budget.
 *
 * Nothing is guessed: the model is compiled and planned again with a smaller batch, then with a
 * smaller image, and what fits is offered.
 */
#include <stdlib.h>

#include "plan.h"

enum { IMAGE_STEP = 32, LARGEST_SHOWN = 3 };

/* Total bytes of the same model with other sizes, 0: as it was; -1 where the model has them fixed. */
static int64_t plan_other(const Compilation *c, int64_t batch, int64_t height, int64_t width)
{
    CompileOptions options = c->options;
    Override *overrides = arena_array(c->scratch, Override, options.override_count);
    int64_t bytes = -1;

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
        bytes = other->layout.total_bytes;
    }
    compilation_destroy(other);
    return bytes;
}

static bool suggest_batch(Compilation *c)
{
    const Model *model = c->model;

    for (int64_t batch = model->batch_size / 2; batch >= 1; batch /= 2) {
        int64_t bytes = plan_other(c, batch, 0, 0);
        if (bytes < 0 || bytes > c->target.budget_bytes)
            continue;
        int64_t micro_steps =
            (model->batch_size * model->defaults.accumulate + batch - 1) / batch;
        note(c->diags,
             "--batch_size %lld with --gradient_accumulation_steps %lld fits: it needs %s",
             (long long)batch, (long long)micro_steps, format_bytes(c->arena, bytes));
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
        int64_t bytes = plan_other(c, batch, height, width);
        if (bytes < 0 || bytes > c->target.budget_bytes)
            continue;
        note(c->diags, "%s--image_size %lld %lld fits: it needs %s",
             batch == 1 ? "--batch_size 1 " : "", (long long)height, (long long)width,
             format_bytes(c->arena, bytes));
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

void report_misfit(Compilation *c)
{
    const Layout *layout = &c->layout;
    SnugSegmentId larger = SNUG_SEGMENT_evaluate;

    for (int s = 0; s < SNUG_SEGMENT_COUNT; s++)
        if (c->plans[s] != NULL
            && (c->plans[larger] == NULL
                || c->plans[s]->arena_bytes > c->plans[larger]->arena_bytes))
            larger = (SnugSegmentId)s;
    const Plan *plan = c->plans[larger];
    const Step *peak = &plan->steps.items[plan->certificate.peak_step];
    const Kernel *kernel = &c->kernels[larger]->kernels.items[peak->kernel.i];
    error_at(c->diags, ERROR_E190, kernel->source, "the plan needs %s, the budget is %s",
             format_bytes(c->arena, layout->total_bytes),
             format_bytes(c->arena, c->target.budget_bytes));
    note(c->diags, "parameters, optimiser and inputs need %s, the arena %s, most of it at %s",
         format_bytes(c->arena, layout->persistent_bytes),
         format_bytes(c->arena, layout->arena_bytes), kernel->label);
    note_largest(c, plan);
    bool is_batch = suggest_batch(c);
    if (!is_batch && !suggest_image(c))
        note(c->diags, "no smaller batch or image of this model fits; --vram %s would",
             format_bytes(c->arena, layout->total_bytes + c->target.reserve_bytes));
}
