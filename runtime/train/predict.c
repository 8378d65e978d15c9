/* Heat maps of a whole set -> points in original pixels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/system/os.h"

/* Points of image n of the batch, back in the picture's own pixels. */
static void place_points(const float *peaks, const SnugBuffer *buffer, int32_t n,
                         const Sample *sample, Predictions *predictions)
{
    int32_t count = buffer->shape.w;
    Affine back = affine_invert(sample->to_network);
    Prediction *points = &predictions->points[(int64_t)sample->item * count];

    for (int32_t k = 0; k < count; k++) {
        const float *peak = peaks + ((int64_t)n * count + k) * buffer->pitch;
        Point original = affine_apply(back, (Point){peak[0], peak[1], 1});
        points[k] = (Prediction){original.x, original.y, peak[2]};
    }
    predictions->is_done[sample->item] = true;
}

/* peaks: room for the buffer of that name. */
static bool predict_batch(Run *run, const Batch *batch, float *peaks, Predictions *predictions,
                          Error *error)
{
    const SnugProgram *program = run->program;
    const SnugBuffer *image = &program->buffers[program->image_buffer];
    const SnugBuffer *buffer = &program->buffers[program->peaks_buffer];
    int64_t pixels = (int64_t)image->shape.n * image->shape.h * image->shape.w * image->shape.c;

    if (!run->ops->upload(run->device, image->offset, batch->pixels, pixels, error)
        || !run->ops->run(run->device, SNUG_SEGMENT_evaluate, error)
        || !run->ops->download(run->device, buffer->offset, peaks, buffer->bytes, error))
        return false;
    for (int32_t n = 0; n < batch->filled; n++)
        if (batch->samples[n].item >= 0)
            place_points(peaks, buffer, n, &batch->samples[n], predictions);
    return true;
}

bool predict_loader(const Run *run, const Dataset *dataset, bool cache, Loader **loader,
                    Error *error)
{
    const SnugProgram *program = run->program;
    LoaderOptions options = {
        .batch_size = program->batch_size,
        .height = program->image_height,
        .width = program->image_width,
        .workers = (int32_t)OPTION_WHOLE(&run->options, num_workers),
        .batches_ahead = 2,
        .skip_bad = OPTION_IS(&run->options, skip_bad),
        .seed = run->state.seed,
        .cache = cache,
    };
    return loader_create(loader, dataset, &options, error);
}

bool predict_dataset(Run *run, Loader *loader, Predictions *predictions, Error *error)
{
    const SnugProgram *program = run->program;
    float *peaks = NULL;
    const Batch *batch = NULL;
    double waited = 0;
    bool ok = program->peaks_buffer >= 0
              || error_set(error, ERROR_USAGE, "%s has no heat maps to decode", program->model);

    if (ok)
        peaks = malloc((size_t)program->buffers[program->peaks_buffer].bytes);
    ok = ok && (peaks != NULL || error_set(error, ERROR_FILES, "no memory for a batch's peaks"));
    if (ok)
        loader_start(loader, 0, 0);
    while (ok && os_interrupted() == 0 && (ok = loader_next(loader, &batch, &waited, error))
           && batch != NULL) {
        ok = predict_batch(run, batch, peaks, predictions, error);
        for (const char *w; (w = loader_next_warning(loader)) != NULL;)
            fprintf(stderr, "warning: %s\n", w);
    }
    free(peaks);
    return ok;
}
