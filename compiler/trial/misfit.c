/* What would fit: said where a plan is larger than the budget.
 *
 * The plan that is refused is the smallest that was found with kernels computed again, and where it
 * is proven that none is small enough, the proof is said. Nothing is guessed: the model is compiled
 * and planned again with what may help, and what fits is offered with its cost, the cheapest first,
 * and with the command to copy:
 *
 *     the same training      another --reserve or --recompute, a longer search, a smaller
 *                            batch that the accumulation of gradients makes up for
 *     another training       no averages, a smaller image
 *     another card           where nothing helps
 */
#include <stdlib.h>

#include "compiler/inspect/command_line.h"
#include "compiler/ir/trial.h"
#include "what_if.h"

enum {
    IMAGE_STEP = 32,
    LARGEST_SHOWN = 3,
    MAX_BATCHES = 12, /* that are tried */
    BATCHES_SHOWN = 3,
    MAX_SUGGESTIONS = 16,
    LONGER_SEARCH = 4 /* times the usual */
};

typedef struct Suggestion {
    Trial trial;
    const char *what; /* in words */
    bool is_other;    /* trains something else */
    int64_t accumulation;
} Suggestion;

typedef struct Advice {
    Compilation *c;
    Suggestion items[MAX_SUGGESTIONS];
    uint32_t count;
} Advice;

/* Plans it, and keeps it where it fits. */
static bool try_suggestion(Advice *advice, Suggestion suggestion)
{
    if (advice->count == MAX_SUGGESTIONS)
        return false;
    run_trials(&advice->c->options, &suggestion.trial, 1);
    if (!suggestion.trial.is_planned || !suggestion.trial.fits)
        return false;
    if (suggestion.accumulation == 0)
        suggestion.accumulation = max_i64(advice->c->model->defaults.accumulate, 1);
    advice->items[advice->count++] = suggestion;
    return true;
}

/* ---- the same training ----------------------------------------------------------------------- */

static void try_other_options(Advice *advice, bool is_impossible)
{
    const Compilation *c = advice->c;
    const CompileOptions *options = &c->options;
    int64_t excess = c->layout.total_bytes - c->target.budget_bytes;
    int64_t freed = c->target.reserve_bytes - HEADLESS_RESERVE;
    uint64_t longer =
        LONGER_SEARCH * (options->planner_effort != 0 ? options->planner_effort : USUAL_EFFORT);

    if (options->recompute != RECOMPUTE_all)
        try_suggestion(advice,
                       (Suggestion){.trial = {.recompute = true}, .what = "kernels run again"});
    else if (!is_impossible && excess < c->target.budget_bytes / 128)
        try_suggestion(advice,
                       (Suggestion){.trial = {.effort = longer},
                                    .what = arena_printf(c->arena, "a search %d times as long",
                                                         LONGER_SEARCH)});
    if (options->reserve_bytes < 0 && c->target.device == DEVICE_cuda && excess <= freed)
        try_suggestion(advice, (Suggestion){.trial = {.headless = true},
                                            .what = "no display on the card, --headless"});
    if (c->layout.ema > 0 && excess <= c->layout.ema)
        try_suggestion(advice, (Suggestion){.trial = {.no_ema = true},
                                            .is_other = true,
                                            .what = "no averages of the weights"});
}

/* Batches below the model's that make its effective batch, and halves of it, the largest first. */
static uint32_t list_batches(const Compilation *c, int64_t *batches)
{
    int64_t batch = c->model->batch_size, half = batch / 2;
    int64_t effective = batch * max_i64(c->model->defaults.accumulate, 1);
    uint32_t count = 0;

    for (int64_t b = batch - 1; b >= 1 && count < MAX_BATCHES; b--) {
        if (effective % b != 0 && b != half)
            continue;
        batches[count++] = b;
        if (b <= half)
            half = b / 2;
    }
    return count;
}

/* Stops at three that fit, or at one in which nothing is computed again: smaller ones cost more. */
static void try_batches(Advice *advice)
{
    const Model *model = advice->c->model;
    int64_t batches[MAX_BATCHES];
    uint32_t count = list_batches(advice->c, batches), found = 0;
    int64_t effective = model->batch_size * max_i64(model->defaults.accumulate, 1);
    bool is_enough = false;

    for (uint32_t k = 0; k < count && !is_enough; k++) {
        int64_t steps = (effective + batches[k] - 1) / batches[k];
        const char *what = arena_printf(
            advice->c->arena, "a smaller batch, to train with --gradient_accumulation_steps %lld",
            (long long)steps);
        if (try_suggestion(advice, (Suggestion){.trial = {.batch_size = batches[k]},
                                                .accumulation = steps,
                                                .what = what}))
            is_enough =
                ++found == BATCHES_SHOWN || advice->items[advice->count - 1].trial.added_us == 0;
    }
}

/* ---- another training ------------------------------------------------------------------------ */

/* The largest that fits, of the model's batch, or of one where no batch of the whole image fits. */
static void try_images(Advice *advice)
{
    static const int eighths[] = {6, 4, 3, 2};
    const Model *model = advice->c->model;
    int64_t batch = advice->count > 0 ? 0 : 1;

    for (size_t k = 0; k < COUNT_OF(eighths); k++) {
        int64_t height = model->image_height * eighths[k] / 8 / IMAGE_STEP * IMAGE_STEP;
        int64_t width = model->image_width * eighths[k] / 8 / IMAGE_STEP * IMAGE_STEP;
        if (height < IMAGE_STEP || width < IMAGE_STEP)
            return;
        if (try_suggestion(advice, (Suggestion){.trial = {.batch_size = batch,
                                                          .image_height = height,
                                                          .image_width = width},
                                                .is_other = true,
                                                .what = "a smaller image"}))
            return;
    }
}

/* ---- in words -------------------------------------------------------------------------------- */

static double picture_us(const Advice *advice, const Suggestion *suggestion)
{
    const Trial *trial = &suggestion->trial;
    int64_t batch = trial->batch_size != 0 ? trial->batch_size : advice->c->model->batch_size;

    return (trial->step_us + trial->update_us / (double)suggestion->accumulation) / (double)batch;
}

/* Cheaper ones first; what trains something else behind the others. */
static bool comes_before(const Advice *advice, const Suggestion *a, const Suggestion *b)
{
    if (a->is_other != b->is_other)
        return b->is_other;
    return !a->is_other && picture_us(advice, a) < picture_us(advice, b);
}

static void sort_advice(Advice *advice)
{
    for (uint32_t k = 1; k < advice->count; k++)
        for (uint32_t j = k;
             j > 0 && comes_before(advice, &advice->items[j], &advice->items[j - 1]); j--) {
            Suggestion moved = advice->items[j];
            advice->items[j] = advice->items[j - 1];
            advice->items[j - 1] = moved;
        }
}

/* "fits: 722.3 MiB, 1.3 ms a picture, +3.2 % computed again", what it is, and the command. */
static void note_suggestion(const Advice *advice, const Suggestion *suggestion)
{
    Compilation *c = advice->c;
    const Trial *trial = &suggestion->trial;
    CompileOptions options = trial_options(&c->options, trial);
    const char *command = c->options.command != NULL ? c->options.command : "plan";
    double ms = picture_us(advice, suggestion) / 1e3;
    const char *again = "";

    if (trial->added_us > 0)
        again = arena_printf(c->arena, ", +%.1f %% computed again",
                             100 * trial->added_us / (trial->step_us - trial->added_us));
    note(c->diags, "fits: %s, %.*f ms a picture%s\n            %s:\n            %s",
         format_bytes(c->arena, trial->total_bytes), ms < 10 ? 3 : 1, ms, again, suggestion->what,
         command_line(command, &options, c->arena));
}

/* Where nothing else helps. The plan that was refused may be found with no more than it needs, or
 * else more memory is tried; everything kept fits at last. */
static void suggest_card(Advice *advice)
{
    static const int percents[] = {100, 105, 120, 150};
    Compilation *c = advice->c;
    int64_t unit = (int64_t)1 << 20;

    for (size_t k = 0; k <= COUNT_OF(percents); k++) {
        int64_t bytes = k < COUNT_OF(percents)
                            ? c->layout.total_bytes / 100 * percents[k] + c->target.reserve_bytes
                            : c->layout.total_bytes + c->target.reserve_bytes;
        CompileOptions options = c->options;
        Trial trial = {0};
        options.card = NULL;
        options.vram_bytes = align_up(bytes, unit);
        options.reserve_bytes = c->target.reserve_bytes;
        run_trials(&options, &trial, 1);
        if (!trial.is_planned || !trial.fits)
            continue;
        note(c->diags, "no smaller batch or image of this model fits; this does:\n            %s",
             command_line(c->options.command != NULL ? c->options.command : "plan", &options,
                          c->arena));
        return;
    }
}

static void give_advice(Compilation *c, bool is_impossible)
{
    Advice advice = {.c = c};

    try_other_options(&advice, is_impossible);
    try_batches(&advice);
    try_images(&advice);
    sort_advice(&advice);
    for (uint32_t k = 0; k < advice.count; k++)
        note_suggestion(&advice, &advice.items[k]);
    if (advice.count == 0)
        suggest_card(&advice);
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
        note(c->diags,
             "this is the least that was found%s; it is proven that no plan needs less "
             "than %s",
             repeats > 0 ? arena_printf(c->arena, ", with %u kernels computed again", repeats) : "",
             format_bytes(c->arena, least));
}

void report_misfit(Compilation *c)
{
    const Layout *layout = &c->layout;
    SnugSegmentId larger = larger_segment(c);
    const Plan *plan = c->plans[larger];
    const Step *peak = &plan->steps.items[plan->certificate.peak_step];
    const Kernel *kernel = &c->kernels[larger]->kernels.items[peak->kernel.i];

    error_at(c->diags, ERROR_E190, kernel->source,
             "the smallest plan found needs %s, the budget is %s",
             format_bytes(c->arena, layout->total_bytes),
             format_bytes(c->arena, c->target.budget_bytes));
    note_proof(c, plan);
    note(c->diags, "parameters, optimiser and inputs need %s, the arena %s, most of it at %s",
         format_bytes(c->arena, layout->persistent_bytes),
         format_bytes(c->arena, layout->arena_bytes), kernel->label);
    note_largest(c, plan);
    give_advice(c, plan->certificate.is_impossible);
}
