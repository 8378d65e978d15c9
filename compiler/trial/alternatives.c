/* Smaller plans of the same model, made with a plan for a card: a trainer that finds less memory
 * free than it needs offers those that fit there, each with the command that makes it.
 *
 *     the same training      more is computed again; a smaller batch that accumulation makes up for
 *     another training       a smaller image
 *
 * Each is planned twice: with everything kept, to learn what it needs, then within that, rounded up
 * to what its command says. Nothing is offered that was not planned so.
 */
#include <stdlib.h>

#include "compiler/inspect/command_line.h"
#include "compiler/ir/trial.h"
#include "what_if.h"

enum { MIB = 1 << 20, MOST_TRIALS = 16, IMAGE_STEP = 32 };

typedef struct Smaller {
    Compilation *c;
    Trial trials[MOST_TRIALS];
    uint32_t count;
} Smaller;

static int64_t effective_batch(const Model *model)
{
    return model->batch_size * max_i64(model->defaults.accumulate, 1);
}

static void add_trial(Smaller *smaller, Trial trial)
{
    if (smaller->count < MOST_TRIALS)
        smaller->trials[smaller->count++] = trial;
}

/* Half of the batch, a quarter, ... 1; three quarters and half of the image. */
static void list_sizes(Smaller *smaller)
{
    static const int quarters[] = {3, 2};
    const Model *model = smaller->c->model;

    for (int64_t batch = model->batch_size / 2; batch >= 1; batch /= 2)
        add_trial(smaller, (Trial){.batch_size = batch, .keep_all = true});
    for (size_t k = 0; k < COUNT_OF(quarters); k++) {
        int64_t height = model->image_height * quarters[k] / 4 / IMAGE_STEP * IMAGE_STEP;
        int64_t width = model->image_width * quarters[k] / 4 / IMAGE_STEP * IMAGE_STEP;
        if (height > 0 && width > 0)
            add_trial(smaller,
                      (Trial){.image_height = height, .image_width = width, .keep_all = true});
    }
}

/* The same sizes with less memory. */
static void list_budgets(Smaller *smaller)
{
    static const int percents[] = {90, 75, 60};
    const Compilation *c = smaller->c;

    for (size_t k = 0; k < COUNT_OF(percents); k++)
        add_trial(smaller,
                  (Trial){.budget_bytes = align_up(c->layout.persistent_bytes
                                                       + c->layout.arena_bytes / 100 * percents[k],
                                                   MIB)});
}

/* What fits within what it needs is planned again within that. */
static void bound_sizes(Smaller *smaller, const CompileOptions *options)
{
    uint32_t count = 0;

    run_trials(options, smaller->trials, smaller->count);
    for (uint32_t k = 0; k < smaller->count; k++) {
        const Trial *trial = &smaller->trials[k];
        if (trial->is_planned && trial->total_bytes < smaller->c->layout.total_bytes)
            smaller->trials[count++] = (Trial){.batch_size = trial->batch_size,
                                               .image_height = trial->image_height,
                                               .image_width = trial->image_width,
                                               .budget_bytes = align_up(trial->total_bytes, MIB)};
    }
    smaller->count = count;
}

static SnugAlternative alternative_of(const Compilation *c, const CompileOptions *base,
                                      const Trial *trial)
{
    const Model *model = c->model;
    CompileOptions options = trial_options(base, trial);
    int64_t batch = trial->batch_size != 0 ? trial->batch_size : model->batch_size;
    int64_t accumulate = (effective_batch(model) + batch - 1) / batch;
    int64_t height = trial->image_height != 0 ? trial->image_height : model->image_height;
    int64_t width = trial->image_height != 0 ? trial->image_width : model->image_width;

    options.vram_bytes = trial->budget_bytes;
    options.reserve_bytes = 0;
    options.batch_size = batch;
    options.image_height = height;
    options.image_width = width;
    return (SnugAlternative){
        .total_bytes = trial->total_bytes,
        .batch_size = (int32_t)batch,
        .accumulate = (int32_t)accumulate,
        .image_height = (int32_t)height,
        .image_width = (int32_t)width,
        .picture_ms =
            (float)((trial->step_us + trial->update_us / (double)accumulate) / (double)batch / 1e3),
        .added = (float)(trial->added_us / (trial->step_us - trial->added_us)),
        .command = command_line("compile", &options, c->arena),
    };
}

static bool is_smaller_image(const SnugAlternative *alternative, const Model *model)
{
    return alternative->image_height != model->image_height
           || alternative->image_width != model->image_width;
}

/* The same training first, the fastest first; then the largest image. */
static bool comes_before(const SnugAlternative *a, const SnugAlternative *b, const Model *model)
{
    bool is_other = is_smaller_image(a, model);

    if (is_other != is_smaller_image(b, model))
        return !is_other;
    return is_other ? a->image_height > b->image_height : a->picture_ms < b->picture_ms;
}

static bool is_offered(const Compilation *c, const Trial *trial)
{
    return trial->is_planned && trial->fits && trial->total_bytes < c->layout.total_bytes;
}

/* Budgets that are close may be met by one plan; of two plans that need the same, one is enough. */
static bool is_found(const SnugAlternative *found, uint32_t count, const Trial *trial)
{
    for (uint32_t k = 0; k < count; k++)
        if (found[k].total_bytes == trial->total_bytes)
            return true;
    return false;
}

void plan_alternatives(Compilation *c)
{
    Smaller smaller = {.c = c};
    CompileOptions options = c->options;

    if (c->target.device != DEVICE_cuda || c->plans[SNUG_SEGMENT_micro_step] == NULL)
        return;
    options.card = c->target.card->name; /* whatever --vram says: the kernels are the card's */
    list_sizes(&smaller);
    bound_sizes(&smaller, &options);
    if (options.recompute == RECOMPUTE_all)
        list_budgets(&smaller);
    run_trials(&options, smaller.trials, smaller.count);

    SnugAlternative *found = arena_array(c->arena, SnugAlternative, MOST_TRIALS);
    uint32_t count = 0;
    for (uint32_t k = 0; k < smaller.count; k++) {
        if (!is_offered(c, &smaller.trials[k]) || is_found(found, count, &smaller.trials[k]))
            continue;
        SnugAlternative next = alternative_of(c, &options, &smaller.trials[k]);
        uint32_t at = count++;
        for (; at > 0 && comes_before(&next, &found[at - 1], c->model); at--)
            found[at] = found[at - 1];
        found[at] = next;
    }
    c->alternatives = found;
    c->alternative_count = count;
}
