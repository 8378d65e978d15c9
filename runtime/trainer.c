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
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "os.h"
#include "random.h"
#include "run.h"

typedef struct Training {
    Run *run;
    Dataset train, valid;
    bool has_valid;
    Loader *loader;
    Augmentation augmentation;
    Log log;
    Progress progress;
    float *image_weights;  /* {batch_size} */
    int32_t batches;       /* of an epoch */
    int64_t updates_an_epoch, warmup_updates, total_updates;
    int64_t updates_done;  /* by this process */
} Training;

/* ---- weights ---------------------------------------------------------------------------------------- */

/* A key for a parameter by its name: its first values do not depend on its neighbours. */
static RandomKey param_key(uint64_t seed, const char *name)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return random_key(seed, RANDOM_INIT, hash, 0);
}

static void fill_param(const SnugParam *param, uint64_t seed, float *values, int64_t count)
{
    bool is_one = param->kind == SNUG_PARAM_bn_gamma || param->kind == SNUG_PARAM_running_var;
    RandomKey key = param_key(seed, param->name);

    for (int64_t k = 0; k < count; k++)
        values[k] = param->init_scale > 0
                        ? param->init_scale * random_normal(key, (uint64_t)k)
                        : (is_one ? 1.0f : 0.0f);
}

static bool start_weights(Run *run, Error *error)
{
    bool ok = true;

    for (int32_t p = 0; ok && p < run->program->param_count; p++) {
        const SnugParam *param = &run->program->params[p];
        int64_t count = (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
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

/* ---- one update ------------------------------------------------------------------------------------- */

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

/* Images of the batches [first, last) of an epoch. */
static int32_t images_between(const Training *training, int32_t first, int32_t last)
{
    int32_t size = training->run->program->batch_size, all = training->train.item_count;
    int32_t end = last * size < all ? last * size : all;
    return end - first * size;
}

/* Takes what the update has left in the scalars into the state. */
static bool finish_update(Training *training, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    Progress *progress = &training->progress;
    float scalars[SNUG_SCALAR_COUNT];

    if (!run->ops->run(run->device, SNUG_SEGMENT_update, error)
        || !run->ops->download(run->device,
                               run->program->buffers[run->program->scalars_buffer].offset, scalars,
                               sizeof scalars, error))
        return false;
    bool is_finite = scalars[SNUG_SCALAR_finite] != 0;
    progress->loss_scale = state->loss_scale.scale;
    progress->grad_norm = scalars[SNUG_SCALAR_grad_norm];
    state->update++;
    state->applied += is_finite;
    if (is_finite) {
        state->loss_sum += scalars[SNUG_SCALAR_loss];
        state->loss_count++;
    }
    progress->update = state->update;
    progress->loss = scalars[SNUG_SCALAR_loss];
    log_update(&training->log, progress, is_finite);
    if (state->loss_count > 0)
        progress->loss = state->loss_sum / state->loss_count;
    if (loss_scale_update(&state->loss_scale, is_finite))
        return true;
    error_set(error, ERROR_DIVERGED, "the gradient was not finite in %d updates in a row",
              LOSS_SCALE_MAX_BAD_UPDATES);
    return error_hint(error, "start again from the last checkpoint with a smaller --lr");
}

static bool one_update(Training *training, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    int32_t steps = (int32_t)OPTION_WHOLE(&run->options, gradient_accumulation_steps);
    int32_t first = state->batch, last = first + steps;
    double lr = learning_rate(state->update, training->warmup_updates, training->total_updates,
                              OPTION_NUMBER(&run->options, lr), OPTION_NUMBER(&run->options, min_lr));

    if (last > training->batches)
        last = training->batches;
    int32_t images = images_between(training, first, last);
    training->progress.lr = lr;
    if (!upload_scalars(training, lr, error))
        return false;
    for (int32_t b = first; b < last; b++) {
        const Batch *batch;
        if (!loader_next(training->loader, &batch, &training->progress.waited, error))
            return false;
        for (const char *w; (w = loader_next_warning(training->loader)) != NULL;)
            fprintf(stderr, "\nwarning: %s\n", w);
        if (batch == NULL)
            return error_set(error, ERROR_FILES, "the data set ended before its epoch");
        if (!micro_step(training, batch, images, error))
            return false;
    }
    training->progress.images += images;
    if (!finish_update(training, error))
        return false;
    state->batch = last;
    training->updates_done++;
    return true;
}

/* ---- epochs ------------------------------------------------------------------------------------------- */

static bool save(Training *training, const char *file, Error *error)
{
    Run *run = training->run;
    char *path = os_join(run->folder, file), *options = options_json(&run->options);
    bool ok = path != NULL && options != NULL
                  ? checkpoint_save(path, run->ops, run->device, run->program, &run->state, options,
                                    error)
                  : error_set(error, ERROR_FILES, "no memory for a checkpoint");

    free(path);
    free(options);
    return ok;
}

static bool validate(Training *training, ErrorSummary *summary, bool *is_best, Error *error)
{
    Run *run = training->run;
    Predictions predictions = {0};
    bool ok = predictions_create(&predictions, &training->valid, error)
              && predict_dataset(run, &training->valid, &predictions, error);

    if (ok && !summarize(&predictions, (ErrorFilter){.point = -1}, summary))
        ok = error_set(error, ERROR_FILES, "no memory for the metrics");
    *is_best = ok && summary->count > 0
               && (run->state.best_mre < 0 || summary->mean_mm < run->state.best_mre);
    if (ok && OPTION_WHOLE(&run->options, overlays) > 0) {
        char *folder = os_join(run->folder, "overlays");
        ok = folder != NULL
             && draw_overlays(&predictions, (int32_t)OPTION_WHOLE(&run->options, overlays), folder,
                              error);
        free(folder);
    }
    predictions_free(&predictions);
    return ok;
}

/* After the last batch of an epoch: validation, checkpoints, the state of the next epoch. */
static bool finish_epoch(Training *training, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    ErrorSummary summary = {0};
    bool is_best = false;
    int64_t every = OPTION_WHOLE(&run->options, validate_every);
    bool is_last = state->epoch + 1 == training->progress.epochs;

    if (training->has_valid && ((state->epoch + 1) % every == 0 || is_last)
        && !validate(training, &summary, &is_best, error))
        return false;
    log_epoch(&training->log, &training->progress, &summary, is_best);
    state->epoch++;
    state->batch = 0;
    state->loss_sum = 0;
    state->loss_count = 0;
    if (is_best) {
        state->best_mre = summary.mean_mm;
        state->best_epoch = state->epoch;
    }
    return (!is_best || save(training, "best.safetensors", error))
           && save(training, "last.safetensors", error);
}

static bool is_patience_spent(const Training *training)
{
    const TrainState *state = &training->run->state;
    int64_t patience = OPTION_WHOLE(&training->run->options, patience);
    return patience > 0 && state->best_mre >= 0 && state->epoch - state->best_epoch >= patience;
}

/* Runs until the last epoch, an interruption, or --max_updates. */
static bool run_epochs(Training *training, int *status, Error *error)
{
    Run *run = training->run;
    TrainState *state = &run->state;
    int64_t most = OPTION_WHOLE(&run->options, max_updates);
    int64_t save_every = OPTION_WHOLE(&run->options, save_every);

    while (state->epoch < training->progress.epochs && !is_patience_spent(training)) {
        training->progress.epoch = state->epoch;
        loader_start(training->loader, state->epoch, state->batch);
        while (state->batch < training->batches) {
            if (!one_update(training, error))
                return false;
            log_progress(&training->log, &training->progress, false);
            *status = os_interrupted();
            if (*status != 0 || (most > 0 && training->updates_done >= most)) {
                fprintf(stderr, "\n%s after update %lld; --resume %s goes on\n",
                        *status ? "interrupted" : "stopped", (long long)state->update, run->folder);
                return save(training, "last.safetensors", error);
            }
            if (save_every > 0 && state->update % save_every == 0
                && !save(training, "last.safetensors", error))
                return false;
        }
        if (!finish_epoch(training, error))
            return false;
    }
    return true;
}

/* ---- set-up ------------------------------------------------------------------------------------------- */

static void choose_augmentation(Training *training)
{
    const RunOptions *o = &training->run->options;
    float light = (float)OPTION_NUMBER(o, brightness);

    if (!OPTION_IS(o, augment))
        return;
    training->augmentation = (Augmentation){
        .rotation_degrees = (float)OPTION_NUMBER(o, rotation),
        .scale = (float)OPTION_NUMBER(o, scale),
        .shift = (float)OPTION_NUMBER(o, shift),
        .brightness = light,
        .contrast = light,
        .gamma = light,
        .noise = (float)OPTION_NUMBER(o, noise),
        .blur = (float)OPTION_NUMBER(o, blur),
    };
}

static void print_warnings(const Dataset *dataset)
{
    enum { MOST = 10 };

    for (int32_t k = 0; k < dataset->warning_count && k < MOST; k++)
        fprintf(stderr, "warning: %s\n", dataset->warnings[k]);
    if (dataset->warning_count > MOST)
        fprintf(stderr, "warning: and %d more; check-data lists all\n",
                dataset->warning_count - MOST);
}

static bool open_data(Training *training, Error *error)
{
    Run *run = training->run;
    Error no_valid = {0};

    if (!open_split(run, "train", &training->train, error))
        return false;
    print_warnings(&training->train);
    training->has_valid = open_split(run, "valid", &training->valid, &no_valid);
    if (training->has_valid)
        print_warnings(&training->valid);
    else
        fprintf(stderr, "warning: there is no validation: %s\n", no_valid.what);
    if (training->train.item_count == 0)
        return error_set(error, ERROR_FILES, "%s has no training pictures", training->train.root);

    LoaderOptions options = {
        .batch_size = run->program->batch_size,
        .height = run->program->image_height,
        .width = run->program->image_width,
        .workers = (int32_t)OPTION_WHOLE(&run->options, num_workers),
        .batches_ahead = 2,
        .shuffle = true,
        .skip_bad = OPTION_IS(&run->options, skip_bad),
        .augmentation = OPTION_IS(&run->options, augment) ? &training->augmentation : NULL,
        .seed = run->state.seed,
        .cache = OPTION_IS(&run->options, cache),
    };
    return loader_create(&training->loader, &training->train, &options, error);
}

static void plan_updates(Training *training)
{
    const RunOptions *o = &training->run->options;
    int64_t steps = OPTION_WHOLE(o, gradient_accumulation_steps);

    training->batches = loader_batch_count(training->loader);
    training->updates_an_epoch = (training->batches + steps - 1) / steps;
    training->warmup_updates = OPTION_WHOLE(o, warmup_epochs) * training->updates_an_epoch;
    training->total_updates = OPTION_WHOLE(o, epochs) * training->updates_an_epoch;
    training->progress = (Progress){
        .epochs = (int32_t)OPTION_WHOLE(o, epochs),
        .update = training->run->state.update,
        .first_update = training->run->state.update,
        .updates = training->total_updates,
        .planned_bytes = training->run->program->total_bytes,
        .started = os_seconds(),
    };
    if (training->run->state.loss_count > 0)
        training->progress.loss = training->run->state.loss_sum / training->run->state.loss_count;
}

/* New weights, somebody's weights, or a checkpoint; the run's folder with it. */
static bool start_or_resume(Training *training, Error *error)
{
    Run *run = training->run;
    const char *resume = OPTION_TEXT(&run->options, resume), *init = OPTION_TEXT(&run->options, init);

    run->state = (TrainState){
        .loss_scale = loss_scale_start(run->program->defaults.mixed_precision != 0),
        .best_mre = -1,
        .seed = (uint64_t)OPTION_WHOLE(&run->options, seed),
    };
    if (resume[0] == '\0')
        return start_weights(run, error)
               && (init[0] == '\0'
                   || checkpoint_import(init, run->ops, run->device, run->program,
                                        OPTION_IS(&run->options, allow_missing), error))
               && run_folder_create(run, error);

    char *path = run_folder_find(run, resume, "last.safetensors", error);
    bool ok = path != NULL
              && checkpoint_load(path, run->ops, run->device, run->program, &run->state, error);
    if (ok) {
        char *slash = strrchr(path, '/');
        fprintf(stderr, "resuming %s after update %lld\n", path, (long long)run->state.update);
        if (slash != NULL)
            *slash = '\0';
        run->folder = strdup(slash != NULL ? path : ".");
        ok = run->folder != NULL;
    }
    free(path);
    return ok;
}

static bool run_training(Training *training, int *status, Error *error)
{
    Run *run = training->run;

    if (!start_or_resume(training, error))
        return false;
    choose_augmentation(training);
    training->image_weights = malloc((size_t)run->program->batch_size * sizeof(float));
    if (training->image_weights == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a batch's weights");
    if (!open_data(training, error))
        return false;
    plan_updates(training);
    fprintf(stderr, "%s: %d training and %d validation pictures, %lld updates, results in %s\n",
            run->program->model, training->train.item_count, training->valid.item_count,
            (long long)training->total_updates, run->folder);
    return run_folder_write_config(run, &training->train, &training->valid, error)
           && log_open(&training->log, run->folder, OPTION_TEXT(&run->options, log_dir),
                       run->state.epoch, error)
           && run_epochs(training, status, error);
}

bool train(Run *run, int *status, Error *error)
{
    Training training = {.run = run};
    bool ok = run_training(&training, status, error);

    ok = log_close(&training.log, error) && ok;
    if (training.loader != NULL)
        loader_destroy(training.loader);
    dataset_close(&training.train);
    dataset_close(&training.valid);
    free(training.image_weights);
    return ok;
}
