/* Heat maps of a whole set -> points in original pixels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "os.h"
#include "run.h"

typedef struct Decoder {
    float *heat, *scratch; /* the batch's maps; two maps */
    Peak *peaks;
    const SnugBuffer *output;
} Decoder;

static bool decoder_create(Decoder *decoder, const SnugProgram *program, Error *error)
{
    const SnugBuffer *output = &program->buffers[program->output_buffer];
    const SnugShape *s = &output->shape;
    size_t area = (size_t)s->h * (size_t)s->w;

    *decoder = (Decoder){
        .heat = malloc((size_t)s->n * area * (size_t)s->c * sizeof(float)),
        .scratch = malloc(2 * area * sizeof(float)),
        .peaks = malloc((size_t)s->c * sizeof(Peak)),
        .output = output,
    };
    return (decoder->heat != NULL && decoder->scratch != NULL && decoder->peaks != NULL)
           || error_set(error, ERROR_FILES, "no memory for the heat maps of a batch");
}

static void decoder_free(Decoder *decoder)
{
    free(decoder->heat);
    free(decoder->scratch);
    free(decoder->peaks);
}

/* Points of image n of the batch, back in the picture's own pixels. */
static void decode_image(const Decoder *decoder, const SnugProgram *program, int32_t n,
                         const Sample *sample, Predictions *predictions)
{
    const SnugShape *s = &decoder->output->shape;
    Affine back = affine_invert(sample->to_network);
    Prediction *points = &predictions->points[(int64_t)sample->item * s->c];

    decode_heat(decoder->heat + (int64_t)n * s->h * s->w * s->c, s->h, s->w, s->c,
                program->loss.sigma, decoder->scratch, decoder->peaks);
    for (int32_t k = 0; k < s->c; k++) {
        const Peak *peak = &decoder->peaks[k];
        Point in_network = {peak->x * program->loss.stride, peak->y * program->loss.stride, 1};
        Point original = affine_apply(back, in_network);
        points[k] = (Prediction){original.x, original.y, peak->confidence};
    }
    predictions->is_done[sample->item] = true;
}

static bool predict_batch(Run *run, const Batch *batch, Decoder *decoder, Predictions *predictions,
                          Error *error)
{
    const SnugProgram *program = run->program;
    const SnugBuffer *image = &program->buffers[program->image_buffer];
    const SnugShape *s = &decoder->output->shape;
    int64_t pixels = (int64_t)image->shape.n * image->shape.h * image->shape.w * image->shape.c;

    if (!run->ops->upload(run->device, image->offset, batch->pixels, pixels, error)
        || !run->ops->run(run->device, SNUG_SEGMENT_evaluate, error)
        || !run->ops->download(run->device, decoder->output->offset, decoder->heat,
                               (int64_t)s->n * s->h * s->w * s->c * 4, error))
        return false;
    for (int32_t n = 0; n < batch->filled; n++)
        if (batch->samples[n].item >= 0)
            decode_image(decoder, program, n, &batch->samples[n], predictions);
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
    Decoder decoder = {0};
    const Batch *batch = NULL;
    double waited = 0;
    bool ok = program->output_buffer >= 0
              || error_set(error, ERROR_USAGE, "%s has no heat maps to decode", program->model);

    ok = ok && decoder_create(&decoder, program, error);
    if (ok)
        loader_start(loader, 0, 0);
    while (ok && os_interrupted() == 0 && (ok = loader_next(loader, &batch, &waited, error))
           && batch != NULL) {
        ok = predict_batch(run, batch, &decoder, predictions, error);
        for (const char *w; (w = loader_next_warning(loader)) != NULL;)
            fprintf(stderr, "warning: %s\n", w);
    }
    decoder_free(&decoder);
    return ok;
}
