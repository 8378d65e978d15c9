/* The loader. One mutex, one condition; everything that two threads see is under it, but for the
 * pixels of a sample, which belong to the worker that has taken it.
 *
 *     ring of batches_ahead + 1 slots; batch b lies in slot b % slots
 *
 *          handed out      being filled           free
 *        [ batch 4     |  batch 5 , batch 6  |             ]
 *          the caller's    next_sample ->
 *
 * Samples are numbered through the epoch. A worker takes the next number if its batch has a slot:
 * batch < handed_out + slots. What a sample holds is a function of its number, the seed and the
 * epoch alone, so neither the number of workers nor their pace shows in a batch.
 */
#include "loader.h"

#include <stdlib.h>
#include <string.h>

#include "augment.h"
#include "runtime/system/os.h"
#include "runtime/system/random.h"

typedef struct Slot {
    Batch batch;
    Error *errors;     /* {batch_size}: why a sample could not be read */
    int32_t remaining; /* samples that are not yet done */
} Slot;

struct Loader {
    const Dataset *dataset;
    LoaderOptions options;
    Augmentation augmentation;
    int32_t batch_count;

    Slot *slots;
    int32_t slot_count;
    int32_t *order; /* {item_count}: the epoch's permutation */

    OsMutex *mutex;
    OsCondition *changed;
    OsThread **workers;
    int32_t worker_count;

    int32_t epoch;
    int32_t released;    /* batches that the caller is done with: slots before it are free */
    int32_t next_batch;  /* to hand out */
    int64_t next_sample; /* to take */
    int32_t in_flight;   /* samples taken and not done */
    bool running, stopping;

    Fitted *cache; /* {item_count}; a worker owns the entry of the item that it has taken */
    int64_t cache_bytes, cache_limit;

    bool *warned; /* {item_count} */
    char **warnings;
    int32_t warning_count, warnings_read;
};

/* ---- workers --------------------------------------------------------------------------------- */

/* Requires: the mutex. Is there a sample to take and a slot for it? */
static bool can_take(const Loader *loader)
{
    int64_t batch = loader->next_sample / loader->options.batch_size;
    return loader->running && batch < loader->batch_count
           && batch < (int64_t)loader->released + loader->slot_count;
}

/* Requires: the mutex. Whether one more picture of this size may be kept; if so, it is counted. */
static bool reserve_cache(Loader *loader, const Fitted *fitted)
{
    const Image *picture = &fitted->picture;
    int64_t bytes = (int64_t)picture->width * picture->height * picture->channels;
    if (loader->cache == NULL || bytes > loader->cache_limit - loader->cache_bytes)
        return false;
    loader->cache_bytes += bytes;
    return true;
}

/* Makes a sample ready. Runs outside of the mutex; an item is in one batch of an epoch only, and an
 * epoch begins when nothing is in flight, so no two workers have the same item. */
static bool prepare(Loader *loader, int32_t item, Sample *sample, Error *error)
{
    const LoaderOptions *options = &loader->options;
    const Dataset *dataset = loader->dataset;
    Fitted fitted = {0};
    bool is_kept = loader->cache != NULL && loader->cache[item].picture.pixels != NULL;
    if (is_kept)
        fitted = loader->cache[item];
    else if (!fitted_read(&fitted, dataset, item, options->height, options->width, error))
        return false;
    bool ok = sample_make(dataset, item, &fitted, options->augmentation, options->seed,
                          loader->epoch, options->height, options->width, sample, error);
    if (is_kept)
        return ok;
    os_mutex_lock(loader->mutex);
    bool keep = reserve_cache(loader, &fitted);
    os_mutex_unlock(loader->mutex);
    if (keep)
        loader->cache[item] = fitted;
    else
        fitted_free(&fitted);
    return ok;
}

/* No points, the identity map; black until repeat_pictures. */
static void make_filler(const Loader *loader, Sample *sample)
{
    size_t pixels = (size_t)loader->options.height * (size_t)loader->options.width * 3;
    memset(sample->pixels, 0, pixels);
    for (int32_t k = 0; k < loader->dataset->point_count; k++)
        sample->points[k] = (Point){0};
    sample->to_network = (Affine){{1, 0, 0, 0, 1, 0}};
    sample->original_width = sample->original_height = 0;
    sample->item = -1;
}

static void work(void *context)
{
    Loader *loader = context;
    int32_t batch_size = loader->options.batch_size;
    os_mutex_lock(loader->mutex);
    while (!loader->stopping) {
        if (!can_take(loader)) {
            os_condition_wait(loader->changed, loader->mutex);
            continue;
        }
        int64_t number = loader->next_sample++;
        loader->in_flight++;
        os_mutex_unlock(loader->mutex);

        Slot *slot = &loader->slots[number / batch_size % loader->slot_count];
        int32_t index = (int32_t)(number % batch_size);
        Sample *sample = &slot->batch.samples[index];
        Error *error = &slot->errors[index];
        *error = (Error){0};
        if (number >= loader->dataset->item_count
            || !prepare(loader, loader->order[number], sample, error))
            make_filler(loader, sample);

        os_mutex_lock(loader->mutex);
        loader->in_flight--;
        slot->remaining--;
        os_condition_signal_all(loader->changed);
    }
    os_mutex_unlock(loader->mutex);
}

/* ---- building -------------------------------------------------------------------------------- */

_Static_assert(sizeof(Point) == 3 * sizeof(float), "Batch.points are the samples' points");

static bool make_slot(Slot *slot, const LoaderOptions *options, int32_t point_count)
{
    size_t count = (size_t)options->batch_size;
    size_t pixels = (size_t)options->height * (size_t)options->width * 3;
    size_t points = (size_t)point_count;
    slot->batch.pixels = malloc(count * pixels);
    slot->batch.points = calloc(count * points, sizeof(Point));
    slot->batch.samples = calloc(count, sizeof(Sample));
    slot->errors = calloc(count, sizeof(Error));
    if (slot->batch.pixels == NULL || slot->batch.points == NULL || slot->batch.samples == NULL
        || slot->errors == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        slot->batch.samples[i].pixels = slot->batch.pixels + i * pixels;
        slot->batch.samples[i].points = (Point *)(void *)slot->batch.points + i * points;
    }
    return true;
}

static bool allocate(Loader *loader)
{
    const LoaderOptions *options = &loader->options;
    size_t items = (size_t)loader->dataset->item_count;
    loader->slots = calloc((size_t)loader->slot_count, sizeof *loader->slots);
    loader->order = calloc(items, sizeof *loader->order);
    loader->warned = calloc(items, sizeof *loader->warned);
    loader->warnings = calloc(items, sizeof *loader->warnings);
    loader->workers = calloc((size_t)options->workers, sizeof(OsThread *));
    loader->mutex = os_mutex_create();
    loader->changed = os_condition_create();
    if (options->cache)
        loader->cache = calloc(items, sizeof *loader->cache);
    bool ok = loader->slots != NULL && loader->order != NULL && loader->warned != NULL
              && loader->warnings != NULL && loader->workers != NULL && loader->mutex != NULL
              && loader->changed != NULL && (!options->cache || loader->cache != NULL);
    for (int32_t i = 0; ok && i < loader->slot_count; i++)
        ok = make_slot(&loader->slots[i], options, loader->dataset->point_count);
    return ok;
}

bool loader_create(Loader **result, const Dataset *dataset, const LoaderOptions *options,
                   Error *error)
{
    *result = NULL;
    Loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for the loader");
    loader->dataset = dataset;
    loader->options = *options;
    if (options->augmentation != NULL) {
        loader->augmentation = *options->augmentation;
        loader->options.augmentation = &loader->augmentation;
    }
    loader->batch_count = (dataset->item_count + options->batch_size - 1) / options->batch_size;
    loader->slot_count = options->batches_ahead + 1;
    loader->cache_limit = os_physical_bytes() / 4;
    if (!allocate(loader)) {
        loader_destroy(loader);
        return error_set(error, ERROR_MEMORY, "no memory for %d batches of %d pictures",
                         options->batches_ahead + 1, options->batch_size);
    }
    for (; loader->worker_count < options->workers; loader->worker_count++) {
        OsThread *worker = os_thread_start(work, loader);
        if (worker == NULL) {
            loader_destroy(loader);
            return error_set(error, ERROR_MEMORY, "cannot start %d loader threads",
                             options->workers);
        }
        loader->workers[loader->worker_count] = worker;
    }
    *result = loader;
    return true;
}

void loader_destroy(Loader *loader)
{
    if (loader == NULL)
        return;
    if (loader->worker_count > 0) {
        os_mutex_lock(loader->mutex);
        loader->stopping = true;
        os_condition_signal_all(loader->changed);
        os_mutex_unlock(loader->mutex);
    }
    for (int32_t i = 0; i < loader->worker_count; i++)
        os_thread_join(loader->workers[i]);
    for (int32_t i = 0; loader->slots != NULL && i < loader->slot_count; i++) {
        free(loader->slots[i].batch.pixels);
        free(loader->slots[i].batch.points);
        free(loader->slots[i].batch.samples);
        free(loader->slots[i].errors);
    }
    for (int32_t i = 0; loader->cache != NULL && i < loader->dataset->item_count; i++)
        fitted_free(&loader->cache[i]);
    for (int32_t i = 0; i < loader->warning_count; i++)
        free(loader->warnings[i]);
    os_condition_destroy(loader->changed);
    os_mutex_destroy(loader->mutex);
    free(loader->slots);
    free(loader->order);
    free(loader->warned);
    free(loader->warnings);
    free(loader->workers);
    free(loader->cache);
    free(loader);
}

/* ---- the caller's side ----------------------------------------------------------------------- */

void loader_start(Loader *loader, int32_t epoch, int32_t first_batch)
{
    os_mutex_lock(loader->mutex);
    loader->running = false;
    while (loader->in_flight > 0)
        os_condition_wait(loader->changed, loader->mutex);

    int32_t count = loader->dataset->item_count;
    if (loader->options.shuffle)
        random_permutation(random_key(loader->options.seed, RANDOM_SHUFFLE, (uint64_t)epoch, 0),
                           loader->order, count);
    else
        for (int32_t i = 0; i < count; i++)
            loader->order[i] = i;
    for (int32_t i = 0; i < loader->slot_count; i++)
        loader->slots[i].remaining = loader->options.batch_size;
    loader->epoch = epoch;
    loader->released = loader->next_batch = first_batch;
    loader->next_sample = (int64_t)first_batch * loader->options.batch_size;
    loader->running = true;
    os_condition_signal_all(loader->changed);
    os_mutex_unlock(loader->mutex);
}

int32_t loader_batch_count(const Loader *loader)
{
    return loader->batch_count;
}

/* Remembers why a picture was left out, once a picture. */
static void remember(Loader *loader, int32_t item, const Error *error)
{
    if (loader->warned[item])
        return;
    size_t bytes = sizeof error->what + sizeof error->why + 16;
    char *line = malloc(bytes);
    if (line == NULL)
        return;
    snprintf(line, bytes, "%s: %s: left out", error->what, error->why);
    loader->warned[item] = true;
    loader->warnings[loader->warning_count++] = line;
}

static void move_sample(const Loader *loader, Sample *to, const Sample *from)
{
    size_t pixels = (size_t)loader->options.height * (size_t)loader->options.width * 3;
    memcpy(to->pixels, from->pixels, pixels);
    memcpy(to->points, from->points, (size_t)loader->dataset->point_count * sizeof *to->points);
    to->to_network = from->to_network;
    to->original_width = from->original_width;
    to->original_height = from->original_height;
    to->item = from->item;
}

/* Fillers show the batch's own pictures again: batch norm takes its statistics over them too, and
 * black ones would make it learn those of pictures that do not occur. */
static void repeat_pictures(const Loader *loader, Batch *batch)
{
    size_t pixels = (size_t)loader->options.height * (size_t)loader->options.width * 3;
    for (int32_t i = batch->filled; batch->filled > 0 && i < loader->options.batch_size; i++)
        memcpy(batch->samples[i].pixels, batch->samples[i % batch->filled].pixels, pixels);
}

/* Brings the samples that are no filler to the front, in order. The first picture that cannot be
 * read is the error, whichever worker met it first. */
static bool finish(Loader *loader, Slot *slot, int32_t first, Error *error)
{
    Batch *batch = &slot->batch;
    batch->filled = 0;
    for (int32_t i = 0; i < loader->options.batch_size; i++) {
        const Error *fault = &slot->errors[i];
        if (fault->status != 0 && (!loader->options.skip_bad || fault->status != ERROR_FILES)) {
            *error = *fault;
            return false;
        }
        if (fault->status != 0)
            remember(loader, loader->order[first + i], fault);
        if (batch->samples[i].item < 0)
            continue;
        if (batch->filled < i) {
            move_sample(loader, &batch->samples[batch->filled], &batch->samples[i]);
            make_filler(loader, &batch->samples[i]);
        }
        batch->filled++;
    }
    repeat_pictures(loader, batch);
    return true;
}

bool loader_next(Loader *loader, const Batch **batch, double *waited_seconds, Error *error)
{
    *batch = NULL;
    double began = os_seconds();
    os_mutex_lock(loader->mutex);
    if (loader->next_batch > loader->released) { /* the caller is done with the one before */
        loader->slots[loader->released % loader->slot_count].remaining = loader->options.batch_size;
        loader->released++;
        os_condition_signal_all(loader->changed);
    }
    if (!loader->running || loader->next_batch >= loader->batch_count) {
        os_mutex_unlock(loader->mutex);
        return true;
    }
    Slot *slot = &loader->slots[loader->next_batch % loader->slot_count];
    while (slot->remaining > 0)
        os_condition_wait(loader->changed, loader->mutex);
    int32_t first = loader->next_batch * loader->options.batch_size;
    loader->next_batch++;
    os_mutex_unlock(loader->mutex);
    *waited_seconds += os_seconds() - began;
    if (!finish(loader, slot, first, error))
        return false;
    *batch = &slot->batch;
    return true;
}

const char *loader_next_warning(Loader *loader)
{
    if (loader->warnings_read == loader->warning_count)
        return NULL;
    return loader->warnings[loader->warnings_read++];
}
