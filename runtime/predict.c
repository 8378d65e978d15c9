/* Heat maps of a whole set -> points in original pixels, and pictures of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "image.h"
#include "os.h"
#include "run.h"

typedef struct Decoder {
    float *heat; /* the batch's maps */
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
        .peaks = malloc((size_t)s->c * sizeof(Peak)),
        .output = output,
    };
    return (decoder->heat != NULL && decoder->peaks != NULL)
           || error_set(error, ERROR_FILES, "no memory for the heat maps of a batch");
}

static void decoder_free(Decoder *decoder)
{
    free(decoder->heat);
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
                program->loss.sigma, decoder->peaks);
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

bool predict_dataset(Run *run, const Dataset *dataset, Predictions *predictions, Error *error)
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
    };
    Loader *loader = NULL;
    Decoder decoder = {0};
    const Batch *batch = NULL;
    double waited = 0;
    bool ok = program->output_buffer >= 0
              || error_set(error, ERROR_USAGE, "%s has no heat maps to decode", program->model);

    ok = ok && decoder_create(&decoder, program, error)
         && loader_create(&loader, dataset, &options, error);
    if (ok)
        loader_start(loader, 0, 0);
    while (ok && (ok = loader_next(loader, &batch, &waited, error)) && batch != NULL)
        ok = predict_batch(run, batch, &decoder, predictions, error);
    if (loader != NULL)
        loader_destroy(loader);
    decoder_free(&decoder);
    return ok;
}

/* ---- overlays ----------------------------------------------------------------------------------------- */

/* Grey becomes three channels, so that marks have colours. */
static bool make_colored(Image *image, Error *error)
{
    int64_t count = (int64_t)image->width * image->height;
    uint8_t *pixels;

    if (image->channels == 3)
        return true;
    pixels = malloc((size_t)count * 3);
    if (pixels == NULL)
        return error_set(error, ERROR_FILES, "no memory for a picture of %dx%d", image->width,
                         image->height);
    for (int64_t k = 0; k < count; k++)
        memset(pixels + 3 * k, image->pixels[k], 3);
    image_free(image);
    image->pixels = pixels;
    image->channels = 3;
    return true;
}

bool draw_overlay(const Predictions *predictions, int32_t item, const char *path, Error *error)
{
    static const uint32_t truth_color = 0x30d050, guess_color = 0xff4040, link_color = 0xffd030;
    const Dataset *dataset = predictions->dataset;
    const Item *entry = &dataset->items[item];
    Image image = {0};
    bool ok = image_read(&image, entry->image_path, error);
    int32_t width = image.width, height = image.height;

    ok = ok && make_colored(&image, error);
    image.width = width;
    image.height = height;
    float radius = (float)(width > height ? width : height) / 260.0f;
    radius = radius < 2 ? 2 : radius;
    for (int32_t k = 0; ok && k < dataset->point_count; k++) {
        const Point *truth = &entry->points[k];
        const Prediction *guess = &predictions->points[(int64_t)item * dataset->point_count + k];
        if (truth->weight > 0) {
            image_draw_line(&image, truth->x, truth->y, guess->x, guess->y, radius / 2, link_color);
            image_draw_disc(&image, truth->x, truth->y, radius, truth_color);
        }
        image_draw_disc(&image, guess->x, guess->y, radius * 0.8f, guess_color);
    }
    ok = ok && image_write_png(&image, path, error);
    image_free(&image);
    return ok;
}

bool draw_overlays(const Predictions *predictions, int32_t count, const char *folder, Error *error)
{
    const Dataset *dataset = predictions->dataset;
    bool ok = os_make_folders(folder, error);

    for (int32_t i = 0; ok && i < dataset->item_count && i < count; i++) {
        char name[512];
        if (!predictions->is_done[i])
            continue;
        snprintf(name, sizeof name, "%s.png", dataset->items[i].id);
        char *path = os_join(folder, name);
        ok = path != NULL && draw_overlay(predictions, i, path, error);
        free(path);
    }
    return ok;
}
