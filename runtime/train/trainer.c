/* Training: epochs of updates of micro-steps.
 *
 *     epoch    batches 0 .. B - 1 in the order of (seed, epoch)
 *     update   `accumulate` batches, the last of an epoch what is left; each image weighs
 *              1 / images of the update, so that a short tail counts as much per image
 *     skipped  a gradient that is not finite changes nothing but the loss scale
 *
 * The state between two updates is all there is: a checkpoint taken there and a run that goes on
 * from it make the same weights, bit for bit, as a run that was never interrupted.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "run.h"
#include "runtime/system/json.h"
#include "runtime/system/os.h"
#include "runtime/system/random.h"

/* What is to be drawn: large PNGs take longer than an epoch of a small network, so that they wait
 * until they are a small share of the time. */
typedef struct Drawing {
    Predictions best, last;        /* of the validations; last is empty where it is the best one */
    bool has_overlays, has_report; /* to be drawn */
    double seconds;                /* spent so far */
} Drawing;

typedef struct Training {
    Run *run;
    Dataset train, valid;
    bool has_valid;
    Loader *loader, *valid_loader;
    Augmentation augmentation;
    Log log;
    Progress progress;
    Drawing drawing;
    float *image_weights; /* {batch_size} */
    int32_t batches;      /* of an epoch */
    int64_t steps;        /* batches an update */
    int64_t updates_an_epoch, warmup_updates, total_updates;
    double stretch_began;    /* epochs, where state.stretch is not from the start */
    int64_t stretch_updates; /* of it, up to the end of the training */
    int64_t updates_done;    /* by this process */
    float *statistics;       /* the running ones, before an update of several batches */
    bool is_between_updates; /* what the device holds is what `state` says */
    int64_t saved_update;    /* that last.safetensors holds; -1: there is none of this run */
    int32_t saved_epoch;
    bool has_saved;          /* last.safetensors, in this process */
    bool is_confirmed;       /* an update that began with what last.safetensors holds was sound */
    double sound_norm;       /* of the last gradient, where it was finite */
    bool is_stopped;         /* before its end, and has said so */
    char *options, *symbols; /* for the checkpoints */
    const char *bad_param;   /* the first whose gradient was not finite, where that is asked */
} Training;

/* ---- weights --------------------------------------------------------------------------------- */

/* A key for a parameter by its name: its first values do not depend on its neighbours. */
static RandomKey param_key(uint64_t seed, const char *name)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return random_key(seed, RANDOM_INIT, hash, 0);
}

static int64_t param_count(const SnugParam *param)
{
    return (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
}

static void fill_param(const SnugParam *param, uint64_t seed, float *values, int64_t count)
{
    bool is_one = param->kind == SNUG_PARAM_bn_gamma || param->kind == SNUG_PARAM_running_var;
    RandomKey key = param_key(seed, param->name);

    for (int64_t k = 0; k < count; k++)
        values[k] = param->init_scale > 0 ? param->init_scale * random_normal(key, (uint64_t)k)
                                          : (is_one ? 1.0f : 0.0f);
}

bool start_weights(Run *run, Error *error)
{
    bool ok = true;

    for (int32_t p = 0; ok && p < run->program->param_count; p++) {
        const SnugParam *param = &run->program->params[p];
        int64_t count = param_count(param);
        float *values = malloc((size_t)count * sizeof *values);
        if (values == NULL)
            return error_set(error, ERROR_MEMORY, "no memory to start %s", param->name);
        fill_param(param, run->state.seed, values, count);
        ok = run->ops->upload(run->device, param->weight, values, count * 4, error)
             && (param->ema < 0
                 || run->ops->upload(run->device, param->ema, values, count * 4, error));
        free(values);
    }
    return ok;
}

bool weights_changed(Run *run, Error *error)
{
    return run->program->segments[SNUG_SEGMENT_init].launch_count == 0
           || run->ops->run(run->device, SNUG_SEGMENT_init, error);
}

/* ---- one update ------------------------------------------------------------------------------ */

static bool upload_buffer(Run *run, int32_t buffer, const void *data, int64_t bytes, Error *error)
{
    return run->ops->upload(run->device, run->program->buffers[buffer].offset, data, bytes, error);
}

static bool upload_scalars(Training *training, double lr, Error *error)
{
    const RunOptions *options = &training->run->options;
    const SnugDefaults *defaults = &training->run->program->defaults;
    const TrainState *state = &training->run->state;
    double t = (double)state->applied + 1;
    bool use_ema = OPTION_IS(options, use_ema);
    float scalars[SNUG_SCALAR_COUNT] = {
        [SNUG_SCALAR_loss_scale] = (float)state->loss_scale.scale,
        [SNUG_SCALAR_lr] = (float)lr,
        [SNUG_SCALAR_beta1] = defaults->beta1,
        [SNUG_SCALAR_beta2] = defaults->beta2,
        [SNUG_SCALAR_eps] = defaults->eps,
        [SNUG_SCALAR_weight_decay] = (float)OPTION_NUMBER(options, weight_decay),
        [SNUG_SCALAR_correction1] = (float)(1 - pow(defaults->beta1, t)),
        [SNUG_SCALAR_correction2] = (float)(1 - pow(defaults->beta2, t)),
        [SNUG_SCALAR_clip] = (float)OPTION_NUMBER(options, clip),
        [SNUG_SCALAR_ema_decay] =
            use_ema ? (float)ema_decay_at(state->applied, OPTION_NUMBER(options, ema_decay)) : 0.0f,
    };

    return upload_buffer(training->run, training->run->program->scalars_buffer, scalars,
                         sizeof scalars, error);
}

/* Forward, loss and backward of one batch; `images` are those of the whole update. */
static bool micro_step(Training *training, const Batch *batch, int32_t images, Error *error)
{
    Run *run = training->run;
    const SnugProgram *p = run->program;
    int64_t pixels = (int64_t)p->batch_size * p->image_height * p->image_width * p->image_channels;

    for (int32_t n = 0; n < p->batch_size; n++)
        training->image_weights[n] =
            batch->samples[n].item >= 0 ? (float)(run->state.loss_scale.scale / images) : 0.0f;
    return upload_buffer(run, p->image_buffer, batch->pixels, pixels, error)
           && upload_buffer(run, p->points_buffer, batch->points,
                            (int64_t)p->batch_size * p->landmarks * 3 * 4, error)
           && upload_buffer(run, p->image_weights_buffer, training->image_weights,
                            (int64_t)p->batch_size * 4, error)
           && run->ops->run(run->device, SNUG_SEGMENT_micro_step, error);
}

/* Mean loss of the epoch so far; NaN where no update was finite. */
static double epoch_loss(const TrainState *state)
{
    return state->loss_count > 0 ? state->loss_sum / state->loss_count : NAN;
}

/* Updates that take so many batches of one epoch. */
static int64_t updates_of(const Training *training, int64_t batches)
{
    return (batches + training->steps - 1) / training->steps;
}

/* Updates from one place of the training to another, each an epoch and batches of it. */
static int64_t updates_between(const Training *training, int32_t epoch, int32_t batch,
                               int32_t to_epoch, int32_t to_batch)
{
    if (to_epoch <= epoch)
        return updates_of(training, to_batch - batch);
    return updates_of(training, training->batches - batch)
           + (int64_t)(to_epoch - epoch - 1) * training->updates_an_epoch
           + updates_of(training, to_batch);
}

/* Images of the batches [first, last) of an epoch. */
static int32_t images_between(const Training *training, int32_t first, int32_t last)
{
    int32_t size = training->run->program->batch_size, all = training->train.item_count;
    int32_t end = last * size < all ? last * size : all;
    return end - first * size;
}

/* The first parameter, as the backward pass goes, with a gradient that is not finite. Looks at
 * every gradient: done once, before a training is given up. */
static bool find_bad_param(Training *training, Error *error)
{
    Run *run = training->run;
    bool ok = true;

    training->bad_param = NULL;
    for (int32_t p = run->program->param_count - 1; ok && p >= 0; p--) {
        const SnugParam *param = &run->program->params[p];
        int64_t count = param_count(param);
        if (param->grad < 0)
            continue;
        float *values = malloc((size_t)count * sizeof *values);
        if (values == NULL)
            return error_set(error, ERROR_MEMORY, "no memory to look at %s", param->name);
        ok = run->ops->download(run->device, param->grad, values, count * 4, error);
        for (int64_t k = 0; ok && k < count && training->bad_param == NULL; k++)
            if (!isfinite(values[k]))
                training->bad_param = param->name;
        free(values);
        if (training->bad_param != NULL)
            break;
    }
    return ok;
}

/* Before the first update: a gradient that is 0 in a whole parameter trains nothing there. */
static bool warn_of_idle_params(Training *training, Error *error)
{
    enum { MOST = 5 };
    Run *run = training->run;
    int32_t idle = 0;
    bool ok = true;

    for (int32_t p = 0; ok && p < run->program->param_count; p++) {
        const SnugParam *param = &run->program->params[p];
        int64_t count = param_count(param), k = 0;
        if (param->grad < 0)
            continue;
        float *values = malloc((size_t)count * sizeof *values);
        if (values == NULL)
            return error_set(error, ERROR_MEMORY, "no memory to look at %s", param->name);
        ok = run->ops->download(run->device, param->grad, values, count * 4, error);
        while (ok && k < count && values[k] == 0)
            k++;
        free(values);
        if (!ok || k < count || idle++ >= MOST)
            continue;
        log_say(&training->log,
                "warning: the gradient of %s is 0 in the first update: nothing trains it\n",
                param->name);
    }
    if (idle > MOST)
        log_say(&training->log, "warning: and those of %d more\n", idle - MOST);
    return ok;
}

static bool diverged(const Training *training, Error *error)
{
    error_set(error, ERROR_DIVERGED, "the gradient was not finite in %d updates in a row",
              LOSS_SCALE_MAX_BAD_UPDATES);
    if (training->bad_param != NULL)
        error_why(error, "seen from the loss, %s is the first", training->bad_param);
    return false;
}

/* Squares of larger gradients do not fit AdamW's moments. */
static const double most_norm = 1e15;

/* Takes what the update has left in the scalars into the state. */
static bool finish_update(Training *training, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    Progress *progress = &training->progress;
    float scalars[SNUG_SCALAR_COUNT];

    if (state->update == 0 && !warn_of_idle_params(training, error))
        return false;
    if (state->loss_scale.bad_updates == LOSS_SCALE_MAX_BAD_UPDATES - 1
        && !find_bad_param(training, error))
        return false;
    if (!run->ops->run(run->device, SNUG_SEGMENT_update, error)
        || !run->ops->download(run->device,
                               run->program->buffers[run->program->scalars_buffer].offset, scalars,
                               sizeof scalars, error))
        return false;
    bool is_finite = scalars[SNUG_SCALAR_finite] != 0;
    if (is_finite) {
        training->sound_norm = (double)scalars[SNUG_SCALAR_grad_norm];
        training->is_confirmed = training->is_confirmed || training->sound_norm < most_norm;
    }
    progress->loss_scale = state->loss_scale.scale;
    progress->grad_norm = (double)scalars[SNUG_SCALAR_grad_norm];
    state->update++;
    state->applied += is_finite;
    if (is_finite) {
        state->loss_sum += (double)scalars[SNUG_SCALAR_loss];
        state->loss_count++;
    }
    progress->update = state->update;
    progress->loss = (double)scalars[SNUG_SCALAR_loss];
    log_update(&training->log, progress, is_finite);
    progress->loss = epoch_loss(state);
    return loss_scale_update(&state->loss_scale, is_finite) || diverged(training, error);
}

/* A run whose updates have changed their size goes on from the share of the training that is done,
 * and reaches its end with the last update. */
static double rate_at(const Training *training, int64_t update)
{
    const RunOptions *o = &training->run->options;
    const Stretch *stretch = &training->run->state.stretch;
    double lr = OPTION_NUMBER(o, lr), min_lr = OPTION_NUMBER(o, min_lr);
    double epochs = OPTION_NUMBER(o, epochs), left = epochs - training->stretch_began;

    if (stretch->update == 0)
        return learning_rate(update, training->warmup_updates, training->total_updates, lr, min_lr);
    double part =
        training->stretch_updates > 1 ? left / (double)(training->stretch_updates - 1) : left;
    double at = training->stretch_updates > 1
                    ? training->stretch_began + part * (double)(update - stretch->update)
                    : epochs;
    return learning_rate_at(at, part, OPTION_NUMBER(o, warmup_epochs), epochs, lr, min_lr);
}

static bool next_batch(Training *training, const Batch **batch, Error *error)
{
    if (!loader_next(training->loader, batch, &training->progress.waited, error))
        return false;
    for (const char *w; (w = loader_next_warning(training->loader)) != NULL;)
        log_say(&training->log, "warning: %s\n", w);
    return *batch != NULL || error_set(error, ERROR_FILES, "the data set ended before its epoch");
}

static bool is_statistic(const SnugParam *param)
{
    return param->kind == SNUG_PARAM_running_mean || param->kind == SNUG_PARAM_running_var;
}

static int64_t statistics_count(const SnugProgram *program)
{
    int64_t count = 0;

    for (int32_t p = 0; p < program->param_count; p++)
        count += is_statistic(&program->params[p]) ? param_count(&program->params[p]) : 0;
    return count;
}

/* The running statistics are all that a micro-step changes for good: kept aside, an update that
 * cannot be finished is as if it had not begun. */
static bool move_statistics(Training *training, bool is_back, Error *error)
{
    Run *run = training->run;
    float *at = training->statistics;
    bool ok = true;

    for (int32_t p = 0; ok && p < run->program->param_count; p++) {
        const SnugParam *param = &run->program->params[p];
        int64_t count = param_count(param);
        if (!is_statistic(param))
            continue;
        ok = is_back ? run->ops->upload(run->device, param->weight, at, count * 4, error)
                     : run->ops->download(run->device, param->weight, at, count * 4, error);
        at += count;
    }
    return ok;
}

/* The batches [first, last): gradients of one update. */
static bool micro_steps(Training *training, int32_t first, int32_t last, Error *error)
{
    TrainState *state = &training->run->state;
    int32_t images = images_between(training, first, last);
    int64_t before = state->micro_steps;
    bool has_several = last - first > 1;

    if (has_several && !move_statistics(training, false, error))
        return false;
    for (int32_t b = first; b < last; b++) {
        const Batch *batch;
        bool ok = next_batch(training, &batch, error);
        training->is_between_updates = !ok && training->is_between_updates;
        if (ok && micro_step(training, batch, images, error)) {
            state->micro_steps++;
            continue;
        }
        Error second = {0};
        if (has_several && error->status == ERROR_FILES)
            training->is_between_updates = move_statistics(training, true, &second);
        state->micro_steps = before;
        return false;
    }
    return true;
}

static bool one_update(Training *training, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    int32_t steps = (int32_t)training->steps;
    int32_t first = state->batch;
    int32_t last = training->batches - first > steps ? first + steps : training->batches;
    int32_t images = images_between(training, first, last);
    double began = os_seconds();

    training->progress.lr = rate_at(training, state->update);
    if (!upload_scalars(training, training->progress.lr, error))
        return false;
    if (!micro_steps(training, first, last, error) || !finish_update(training, error))
        return false;
    training->is_between_updates = true;
    state->batch = last;
    training->updates_done++;
    training->progress.images += images;
    training->progress.trained += os_seconds() - began;
    return true;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

/* After an update that was not finite the weights may be lost already, but for where the loss scale
 * alone can have been too large. */
static bool is_good(const TrainState *state)
{
    return state->loss_scale.bad_updates == 0 || state->loss_scale.scale >= 1;
}

static const char last_file[] = "last.safetensors", previous_file[] = "previous.safetensors";

static bool is_last(const char *file)
{
    return strcmp(file, last_file) == 0;
}

/* A state may be finite and lost all the same, which shows in the next update. So the one before is
 * kept, as a second name of its file, where an update from it was sound. */
static void keep_previous(const Training *training, const char *path)
{
    const Run *run = training->run;
    char *previous = os_join(run->folder, previous_file);
    bool is_ours =
        training->has_saved || (run->checkpoint != NULL && os_same_file(path, run->checkpoint));

    if (previous != NULL && training->is_confirmed && is_ours)
        os_link_over(path, previous); /* where there are no links, there is no previous one */
    free(previous);
}

/* What is not good is not saved, and what is not finite is an error: the file stays as it was. */
static bool save_state(Training *training, const char *file, Error *error)
{
    Run *run = training->run;

    if (!is_good(&run->state))
        return true;
    if (training->sound_norm >= most_norm)
        return error_set(error, ERROR_DIVERGED, "the gradient has a norm of %g",
                         training->sound_norm);
    char *path = os_join(run->folder, file);
    bool ok = path != NULL || error_set(error, ERROR_MEMORY, "no memory for a path");
    if (ok && is_last(file))
        keep_previous(training, path);
    ok = ok
         && checkpoint_save(path, run->ops, run->device, run->program, &run->state,
                            training->options, training->symbols, error);
    free(path);
    if (ok && is_last(file)) {
        training->saved_update = run->state.update;
        training->saved_epoch = run->state.epoch;
        training->has_saved = true;
        training->is_confirmed = false;
    }
    return ok;
}

/* The log is on the disk first: a checkpoint is never ahead of it. */
static bool save(Training *training, const char *file, Error *error)
{
    return log_flush(&training->log, error) && save_state(training, file, error);
}

/* For a training that ends: what was trained counts more than the lines about it. */
static bool save_at_end(Training *training, Error *error)
{
    Error lost = {0};

    if (!log_flush(&training->log, &lost))
        log_say(&training->log, "warning: %s%s%s: lines are lost\n", lost.what,
                lost.why[0] ? ": " : "", lost.why);
    return save_state(training, last_file, error);
}

/* The training has diverged: last.safetensors is what it can go on from, and the error says so. A
 * state from which no update was sound gives way to the one before. */
static void go_back_to_good(const Training *training, Error *error)
{
    const Run *run = training->run;
    char *last = os_join(run->folder, last_file), *previous = os_join(run->folder, previous_file);
    const char *good = training->has_saved ? last : run->checkpoint;
    double lr = OPTION_NUMBER(&run->options, lr) / 10;

    if (last != NULL && previous != NULL && !training->is_confirmed) {
        bool has_previous = os_is_file(previous);
        if (training->has_saved)
            good = has_previous && os_rename_over(previous, last) ? last : NULL;
        else if (has_previous)
            good = previous;
    }
    if (good != NULL)
        error_hint(
            error,
            "%s is the last good state: --resume %s --lr %g%s goes on from it with a smaller "
            "rate",
            good, good, lr, OPTION_NUMBER(&run->options, min_lr) > lr ? " --min_lr 0" : "");
    else
        error_hint(error,
                   "no good state was saved before it: start again with a smaller --lr, "
                   "such as %g",
                   lr);
    free(last);
    free(previous);
}

/* An error within an epoch loses nothing that was trained before it. */
static void save_what_is_good(Training *training, const Error *error)
{
    const TrainState *state = &training->run->state;
    Error second = {0};

    if (error->status == ERROR_DIVERGED || !training->is_between_updates || !is_good(state)
        || (state->update == training->saved_update && state->epoch == training->saved_epoch))
        return;
    if (save_at_end(training, &second))
        log_say(&training->log, "saved after update %lld; --resume %s goes on\n",
                (long long)state->update, training->run->folder);
    else
        log_say(&training->log, "and not saved: %s%s%s\n", second.what, second.why[0] ? ": " : "",
                second.why);
}

static void epoch_file(int64_t epoch, char *name, size_t size)
{
    snprintf(name, size, "epoch_%04lld.safetensors", (long long)epoch);
}

/* --keep: the checkpoint of this epoch stays, the one that many epochs ago goes. */
static bool keep_epoch(Training *training, Error *error)
{
    Run *run = training->run;
    int64_t keep = OPTION_WHOLE(&run->options, keep);
    char name[64];

    if (keep == 0)
        return true;
    if (!is_good(&run->state))
        return true;
    epoch_file(run->state.epoch, name, sizeof name);
    if (!save(training, name, error))
        return false;
    epoch_file(run->state.epoch - keep, name, sizeof name);
    char *old = os_join(run->folder, name);
    if (old != NULL && os_exists(old))
        os_remove(old);
    free(old);
    return true;
}

/* Measures the validation split. */
static bool validate(Training *training, Predictions *predictions, ErrorSummary *summary,
                     bool *is_best, Error *error)
{
    Run *run = training->run;

    if (!predictions_create(predictions, &training->valid, error)
        || !predict_dataset(run, training->valid_loader, predictions, error))
        return false;
    if (os_interrupted() != 0)
        return true;
    if (!summarize(predictions, (ErrorFilter){.point = -1}, summary))
        return error_set(error, ERROR_MEMORY, "no memory for the metrics");
    *is_best = summary->count > 0 && isfinite(summary->mean_mm) && is_good(&run->state)
               && (run->state.best_mre < 0 || summary->mean_mm < run->state.best_mre);
    return true;
}

/* Takes over what the validation of an epoch has given, if there was one. */
static void keep_for_drawing(Drawing *drawing, Predictions *predictions, bool is_best)
{
    drawing->has_report = true;
    if (predictions->points == NULL)
        return;
    predictions_free(&drawing->last);
    if (is_best) {
        predictions_free(&drawing->best);
        drawing->has_overlays = true;
    }
    *(is_best ? &drawing->best : &drawing->last) = *predictions;
    *predictions = (Predictions){0};
}

/* overlays/ of the best validation and report.html, of the last one, where they are due. */
static bool draw(Training *training, bool is_end, Error *error)
{
    enum { OVERLAY_SIDE = 1024, SMALL_SHARE = 20 };
    Run *run = training->run;
    Drawing *drawing = &training->drawing;
    int32_t overlays = (int32_t)OPTION_WHOLE(&run->options, overlays);
    double began = os_seconds();
    bool ok = true;

    if (!is_end && drawing->seconds * SMALL_SHARE > training->progress.trained)
        return true;
    if (drawing->has_overlays) {
        char *folder = os_join(run->folder, "overlays");
        ok = folder != NULL ? overlays_write(&drawing->best, overlays, OVERLAY_SIDE, folder, error)
                            : error_set(error, ERROR_MEMORY, "no memory for a path");
        free(folder);
    }
    if (ok && drawing->has_report)
        ok = report_write(run,
                          drawing->last.points != NULL   ? &drawing->last
                          : drawing->best.points != NULL ? &drawing->best
                                                         : NULL,
                          error);
    drawing->has_overlays = drawing->has_report = false;
    drawing->seconds += os_seconds() - began;
    return ok;
}

/* The epoch is over: its row, the state of the next one, checkpoints. */
static bool close_epoch(Training *training, const ErrorSummary *summary, bool is_best, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    Progress *progress = &training->progress;

    progress->update = state->update;
    progress->loss = epoch_loss(state);
    progress->lr = rate_at(training, state->update - 1);
    progress->loss_scale = state->loss_scale.scale;
    log_epoch(&training->log, progress, summary, is_best);
    state->epoch++;
    state->batch = 0;
    state->loss_sum = 0;
    state->loss_count = 0;
    if (is_best) {
        state->best_mre = summary->mean_mm;
        state->best_epoch = state->epoch;
    }
    return (!is_best || save(training, "best.safetensors", error)) && keep_epoch(training, error)
           && save(training, last_file, error);
}

/* After the last batch of an epoch. *is_done: false where an interruption came first. */
static bool finish_epoch(Training *training, bool *is_done, Error *error)
{
    Run *run = training->run;
    ErrorSummary summary = {0};
    Predictions predictions = {0};
    bool is_best = false;
    int64_t every = OPTION_WHOLE(&run->options, validate_every), epoch = run->state.epoch + 1;
    bool is_validated =
        training->has_valid && (epoch % every == 0 || epoch == training->progress.epochs);
    bool ok = !is_validated || validate(training, &predictions, &summary, &is_best, error);

    *is_done = ok && !(is_validated && os_interrupted() != 0);
    if (*is_done) {
        ok = close_epoch(training, &summary, is_best, error);
        keep_for_drawing(&training->drawing, &predictions, is_best);
        ok = ok && draw(training, false, error);
    }
    predictions_free(&predictions);
    return ok;
}

static bool is_patience_spent(const Training *training)
{
    const TrainState *state = &training->run->state;
    int64_t patience = OPTION_WHOLE(&training->run->options, patience);
    return patience > 0 && state->best_mre >= 0 && state->epoch - state->best_epoch >= patience;
}

/* Between two updates, interrupted or at --max_updates: saves; a resumed run goes on from here. */
static bool stop(Training *training, int *status, Error *error)
{
    *status = os_interrupted();
    training->is_stopped = true;
    if (!(*status ? save_at_end(training, error) : save(training, last_file, error))
        || !draw(training, true, error))
        return false;
    log_say(&training->log, "%s after update %lld", *status ? "interrupted" : "stopped",
            (long long)training->run->state.update);
    if (training->saved_update < 0)
        log_say(&training->log, ", which was not finite; nothing was saved\n");
    else if (training->saved_update != training->run->state.update)
        log_say(&training->log, ", which was not finite; --resume %s goes on after update %lld\n",
                training->run->folder, (long long)training->saved_update);
    else
        log_say(&training->log, "; --resume %s goes on\n", training->run->folder);
    return true;
}

static bool should_stop(const Training *training)
{
    int64_t most = OPTION_WHOLE(&training->run->options, max_updates);
    return os_interrupted() != 0 || (most > 0 && training->updates_done >= most);
}

/* The last line: why there is nothing more to do, what came out, where it is. */
static void say_end(Training *training)
{
    const Run *run = training->run;
    const TrainState *state = &run->state;

    if (state->epoch < training->progress.epochs)
        log_say(&training->log, "no better MRE since epoch %d, stopped after epoch %d",
                state->best_epoch, state->epoch);
    else if (training->updates_done == 0)
        log_say(&training->log, "%s has all of its epochs, --epochs adds some", run->folder);
    else
        log_say(&training->log, "done");
    if (state->best_mre >= 0)
        log_say(&training->log, "; best MRE %.2f %s, epoch %d: %s/best.safetensors",
                state->best_mre, training->progress.mm, state->best_epoch, run->folder);
    log_say(&training->log, "\n");
}

/* Runs until the last epoch, an interruption, or --max_updates. */
static bool run_epochs(Training *training, int *status, Error *error)
{
    TrainState *state = &training->run->state;
    int64_t save_every = OPTION_WHOLE(&training->run->options, save_every);

    training->progress.started = os_seconds();
    while (state->epoch < training->progress.epochs && !is_patience_spent(training)) {
        training->progress.epoch = state->epoch;
        training->progress.epoch_end =
            state->update + updates_of(training, training->batches - state->batch);
        loader_start(training->loader, state->epoch, state->batch);
        while (state->batch < training->batches) {
            if (!one_update(training, error))
                return false;
            log_progress(&training->log, &training->progress);
            if (should_stop(training))
                return stop(training, status, error);
            if (save_every > 0 && state->update % save_every == 0
                && !save(training, last_file, error))
                return false;
        }
        bool is_done;
        if (!finish_epoch(training, &is_done, error))
            return false;
        if (!is_done)
            return stop(training, status, error);
    }
    return true;
}

/* ---- set-up ---------------------------------------------------------------------------------- */

/* Behind what is wrong with the valid split: how to train without. */
static bool offer_no_validation(Error *error)
{
    size_t used = strlen(error->hint);

    snprintf(error->hint + used, sizeof error->hint - used,
             "%sthis is the valid split; --no_validation trains without it", used ? "\n  " : "");
    return false;
}

/* Before anything is trained: an epoch has the pictures that can be read, as if there were no
 * others. One that breaks later is an error, and the run goes on without it. */
static bool leave_out_unreadable(const Run *run, Dataset *dataset, Error *error)
{
    return !OPTION_IS(&run->options, skip_bad)
           || dataset_leave_out_unreadable(
               dataset, (int32_t)OPTION_WHOLE(&run->options, num_workers), error);
}

static bool open_data(Training *training, Error *error)
{
    Run *run = training->run;

    if (!open_train_split(run, &training->train, error)
        || !leave_out_unreadable(run, &training->train, error))
        return false;
    dataset_print_warnings(&training->train);
    if (training->train.item_count > 0 && !has_valid_points(&training->train, error))
        return false;
    training->has_valid = OPTION_IS(&run->options, validation);
    if (training->has_valid) {
        if (!open_split(run, "valid", &training->valid, error))
            return offer_no_validation(error);
        if (!leave_out_unreadable(run, &training->valid, error))
            return false;
        dataset_print_warnings(&training->valid);
        if (!has_valid_points(&training->valid, error))
            return offer_no_validation(error);
    }
    if (training->train.item_count == 0)
        return error_set(error, ERROR_FILES, "%s has no training pictures", training->train.root);

    training->augmentation = options_augmentation(&run->options);
    LoaderOptions options = {
        .batch_size = run->program->batch_size,
        .height = run->program->image_height,
        .width = run->program->image_width,
        .workers = (int32_t)OPTION_WHOLE(&run->options, num_workers),
        .batches_ahead = 2,
        .shuffle = true,
        .augmentation = OPTION_IS(&run->options, augment) ? &training->augmentation : NULL,
        .seed = run->state.seed,
        .cache = OPTION_IS(&run->options, cache),
    };
    return loader_create(&training->loader, &training->train, &options, error)
           && (!training->has_valid
               || predict_loader(run, &training->valid, options.cache, &training->valid_loader,
                                 error));
}

/* A data set of another size: the epoch goes on from the share of it that is done. */
static void fit_state_to_items(TrainState *state, int32_t items, int32_t batches)
{
    double share = (double)state->batch * state->batch_size / state->train_items;

    fprintf(stderr,
            "the run stopped within an epoch of %d pictures, now there are %d: it goes on from the "
            "same share of the epoch, of which some pictures may count twice or not at all\n",
            state->train_items, items);
    state->batch = share < 1 ? (int32_t)(share * batches + 0.5) : batches;
}

/* A batch of another size counts other pictures: in the middle of an epoch the two must agree. */
static bool fit_state_to_data(Training *training, Error *error)
{
    TrainState *state = &training->run->state;
    int32_t size = training->run->program->batch_size, items = training->train.item_count;
    int32_t batches = (items + size - 1) / size;
    int64_t seen = (int64_t)state->batch * state->batch_size;

    if (state->batch > 0 && items != state->train_items) {
        fit_state_to_items(state, items, batches);
    } else if (state->batch > 0 && size != state->batch_size) {
        if (seen < items && seen % size != 0) {
            error_set(error, ERROR_USAGE, "the run stopped within an epoch, after %lld pictures",
                      (long long)seen);
            return error_hint(error, "go on with --batch_size %d until the epoch ends",
                              state->batch_size);
        }
        state->batch = seen < items ? (int32_t)(seen / size) : batches;
    }
    state->batch_size = size;
    state->train_items = items;
    return state->batch <= batches
           || error_set(error, ERROR_FILES, "%s is beyond the end of its epoch",
                        training->run->checkpoint);
}

/* Begins a new stretch where the updates that were done are not as many as they would be now. */
static void find_stretch(Training *training)
{
    TrainState *state = &training->run->state;
    Stretch *stretch = &state->stretch;
    int32_t size = state->batch_size, epochs = training->progress.epochs;

    if (stretch->images % size != 0
        || stretch->update
                   + updates_between(training, stretch->epoch, stretch->images / size, state->epoch,
                                     state->batch)
               != state->update) {
        *stretch = (Stretch){state->update, state->epoch, state->batch * size};
        fprintf(stderr, "updates are of another size: the learning rate goes on from epoch %.2f\n",
                state->epoch + (double)state->batch / training->batches);
    }
    int32_t batch = stretch->images / size;
    training->stretch_began = stretch->epoch + (double)batch / training->batches;
    training->stretch_updates = updates_between(training, stretch->epoch, batch, epochs, 0);
}

static void plan_updates(Training *training)
{
    Run *run = training->run;
    const RunOptions *o = &run->options;
    int32_t epochs = (int32_t)OPTION_WHOLE(o, epochs);

    training->steps = OPTION_WHOLE(o, gradient_accumulation_steps);
    training->batches = loader_batch_count(training->loader);
    training->updates_an_epoch = updates_of(training, training->batches);
    training->warmup_updates = OPTION_WHOLE(o, warmup_epochs) * training->updates_an_epoch;
    training->total_updates = OPTION_WHOLE(o, epochs) * training->updates_an_epoch;
    training->progress = (Progress){
        .epochs = epochs,
        .update = run->state.update,
        .first_update = run->state.update,
        .updates = run->state.update
                   + (run->state.epoch < epochs
                          ? updates_between(training, run->state.epoch, run->state.batch, epochs, 0)
                          : 0),
        .loss = epoch_loss(&run->state),
        .planned_bytes = run->program->total_bytes,
        .mm = dataset_assumed_sizes(&training->valid) > 0 ? "assumed mm" : "mm",
    };
    find_stretch(training);
}

/* Sums over pictures are divided among the threads that the program was compiled for. */
static void notice_threads(const Run *run, const CheckpointFacts *facts)
{
    int32_t threads = run->program->host_threads;

    if (facts->threads > 0 && threads > 0 && facts->threads != threads)
        fprintf(stderr,
                "warning: the run was trained by a program for %d threads, this one is for %d: its "
                "weights will differ in their last bits (compile with --threads %d)\n",
                facts->threads, threads, facts->threads);
}

/* The run goes on in the folder of its checkpoint, if nobody else does. */
static bool resume(Run *run, Error *error)
{
    CheckpointFacts facts;

    if (!run_folder_of_checkpoint(run, error) || !run_folder_lock(run, error)
        || !checkpoint_read_facts(run->checkpoint, &facts, error)
        || !checkpoint_load(run->checkpoint, run->ops, run->device, run->program, &run->state,
                            error))
        return false;
    fprintf(stderr, "resuming %s after update %lld\n", run->checkpoint,
            (long long)run->state.update);
    notice_threads(run, &facts);
    return true;
}

/* New weights, somebody's weights, or a checkpoint. */
static bool start_or_resume(Run *run, Error *error)
{
    const char *init = OPTION_TEXT(&run->options, init);

    if (run->checkpoint != NULL)
        return resume(run, error);
    run->state = (TrainState){
        .loss_scale = loss_scale_start(run->program->defaults.mixed_precision != 0),
        .best_mre = -1,
        .batch_size = run->program->batch_size,
        .seed = (uint64_t)OPTION_WHOLE(&run->options, seed),
    };
    return start_weights(run, error)
           && (init[0] == '\0'
               || import_weights(
                   init, run->ops, run->device, run->program,
                   OPTION_IS(&run->options, allow_missing) ? IMPORT_some : IMPORT_backbone, error));
}

static bool prepare(Training *training, Error *error)
{
    Run *run = training->run;

    if (!start_or_resume(run, error) || !weights_changed(run, error) || !open_data(training, error)
        || !fit_state_to_data(training, error))
        return false;
    plan_updates(training);
    training->image_weights = malloc((size_t)run->program->batch_size * sizeof(float));
    training->options = options_json(&run->options);
    training->symbols = dataset_symbols_json(&training->train);
    training->statistics =
        malloc(((size_t)statistics_count(run->program) + 1) * sizeof *training->statistics);
    if (training->image_weights == NULL || training->options == NULL || training->symbols == NULL
        || training->statistics == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to start");
    training->is_between_updates = true;
    training->saved_update = run->checkpoint != NULL ? run->state.update : -1;
    training->saved_epoch = run->state.epoch;
    return (run->folder != NULL || (run_folder_create(run, error) && run_folder_lock(run, error)))
           && run_folder_write_config(run, &training->train, &training->valid, error)
           && run_folder_write_plan(run, error)
           && log_open(&training->log, run->folder, run->log_folder, run->state.epoch,
                       run->state.update, training->progress.mm, error);
}

bool train(Run *run, int *status, Error *error)
{
    Training training = {.run = run};
    bool ok = prepare(&training, error);

    if (ok) {
        char planned[32];
        format_bytes(run->program->total_bytes, planned, sizeof planned);
        fprintf(
            stderr,
            "%s: %d training and %d validation pictures, %d warnings, %lld updates, %s planned, "
            "results in %s\n",
            run->program->model, training.train.item_count, training.valid.item_count,
            training.train.warning_count + training.valid.warning_count,
            (long long)training.progress.updates, planned, run->folder);
        ok = run_epochs(&training, status, error) && draw(&training, true, error);
        if (ok && !training.is_stopped)
            say_end(&training);
        if (!ok && error->status == ERROR_DIVERGED)
            go_back_to_good(&training, error);
        else if (!ok)
            save_what_is_good(&training, error);
    }
    Error at_close = {0}; /* an interruption has said what is lost */
    ok = (log_close(&training.log, *status != 0 ? &at_close : error) || *status != 0) && ok;
    os_unlock(run->lock);
    run->lock = NULL;
    if (training.loader != NULL)
        loader_destroy(training.loader);
    if (training.valid_loader != NULL)
        loader_destroy(training.valid_loader);
    predictions_free(&training.drawing.best);
    predictions_free(&training.drawing.last);
    dataset_close(&training.train);
    dataset_close(&training.valid);
    free(training.image_weights);
    free(training.statistics);
    free(training.options);
    free(training.symbols);
    return ok;
}
