/* The loader: worker threads prepare batches ahead, in a fixed order.
 *
 *     order of the epoch:  a permutation of (seed, epoch)        items 7 2 9 4 | 1 0 3 8 | 5 6 - -
 *     batches:             batch_size items each; the last is filled with its pictures at weight 0
 *     workers:             take the next sample that nobody has taken; a ring of batches is handed
 *                          out strictly in order
 */
#ifndef SNUG_LOADER_H
#define SNUG_LOADER_H

#include "data.h"

typedef struct Loader Loader;

typedef struct LoaderOptions {
    int32_t batch_size, height, width;
    int32_t workers;       /* at least 1 */
    int32_t batches_ahead; /* at least 1 */
    bool shuffle;
    bool skip_bad;                    /* an unreadable picture becomes a filler and a warning */
    const Augmentation *augmentation; /* NULL: none */
    uint64_t seed;
    bool cache; /* keep decoded, fitted, not yet augmented pictures in memory, up to a
                               quarter of what the machine has */
} LoaderOptions;

typedef struct Batch {
    uint8_t *pixels; /* {batch_size, height, width, 3} */
    float *points;   /* {batch_size, point_count, 3}: x, y, weight */
    Sample *samples; /* batch_size; pixels and points point into the two above */
    int32_t filled;  /* samples that are no filler; they come first */
} Batch;

bool loader_create(Loader **loader, const Dataset *dataset, const LoaderOptions *options,
                   Error *error);
void loader_destroy(Loader *loader);
/* Starts an epoch at a batch: 0, or where a resumed run goes on. What was in flight is dropped. */
void loader_start(Loader *loader, int32_t epoch, int32_t first_batch);
int32_t loader_batch_count(const Loader *loader); /* of an epoch */
/* The next batch of the epoch, NULL at its end. It stays valid until the next call. Returns false
 * where a picture cannot be read and skip_bad is not set. *waited_seconds grows by the wait. */
bool loader_next(Loader *loader, const Batch **batch, double *waited_seconds, Error *error);
/* What skip_bad has left out in the batches handed out so far, each picture once; NULL: no more. */
const char *loader_next_warning(Loader *loader);

#endif
