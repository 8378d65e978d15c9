/* Samples: a picture becomes the network's pixels in one resampling.
 *
 *     original 1968 x 2225  --blocks averaged-->  fitted  --fit, rotate, scale, shift-->  256 x 256
 *     (decoded once)            (may be kept)               one affine map, then noise and blur
 *
 * A radiograph is some times finer than the network's grid: reading single pixels of it would turn
 * its grain into false texture (aliasing). So blocks are averaged to at most twice the grid, and
 * the rest, a factor between 1 and 2, is covered by several bilinear reads a pixel.
 */
#include "augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/random.h"

/* ---- fitting --------------------------------------------------------------------------------- */

/* Averages blocks of factor x factor; those at the right and lower edge may be smaller. */
static void average_blocks(const Image *from, Image *to, int32_t factor, uint32_t *sums)
{
    int32_t c = from->channels;
    for (int32_t y = 0; y < to->height; y++) {
        int32_t top = y * factor;
        int32_t rows = from->height - top < factor ? from->height - top : factor;
        memset(sums, 0, (size_t)to->width * (size_t)c * sizeof *sums);
        for (int32_t v = top; v < top + rows; v++) {
            const uint8_t *in = from->pixels + (int64_t)v * from->width * c;
            for (int32_t x = 0, left = factor, k = 0; x < from->width; x++) {
                for (int32_t i = 0; i < c; i++)
                    sums[k + i] += *in++;
                if (--left == 0) {
                    left = factor;
                    k += c;
                }
            }
        }
        uint8_t *out = to->pixels + (int64_t)y * to->width * c;
        for (int32_t x = 0; x < to->width; x++) {
            int32_t columns = from->width - x * factor;
            uint32_t count = (uint32_t)(rows * (columns < factor ? columns : factor));
            for (int32_t i = 0; i < c; i++)
                out[x * c + i] = (uint8_t)((sums[x * c + i] + count / 2) / count);
        }
    }
}

bool fitted_make(Fitted *fitted, const Image *original, int32_t height, int32_t width, Error *error)
{
    Affine fit = affine_fit(original->width, original->height, width, height);
    int32_t factor = (int32_t)(1 / fit.m[0] + 1e-4f);
    factor = factor < 1 ? 1 : factor;
    Image picture = {.width = (original->width + factor - 1) / factor,
                     .height = (original->height + factor - 1) / factor,
                     .channels = original->channels};
    size_t row = (size_t)picture.width * (size_t)picture.channels;
    picture.pixels = malloc(row * (size_t)picture.height);
    uint32_t *sums = malloc(row * sizeof *sums);
    bool ok = picture.pixels != NULL && sums != NULL;
    if (ok)
        average_blocks(original, &picture, factor, sums);
    free(sums);
    if (!ok) {
        image_free(&picture);
        return error_set(error, ERROR_MEMORY, "no memory for a picture of %d x %d pixels",
                         original->width, original->height);
    }
    *fitted = (Fitted){picture, factor, original->width, original->height};
    return true;
}

bool fitted_read(Fitted *fitted, const Dataset *dataset, int32_t item, int32_t height,
                 int32_t width, Error *error)
{
    *fitted = (Fitted){0};
    Image original;
    if (!image_read(&original, dataset->items[item].image_path, dataset->bits, error))
        return false;
    bool ok = fitted_make(fitted, &original, height, width, error);
    image_free(&original);
    return ok;
}

void fitted_free(Fitted *fitted)
{
    image_free(&fitted->picture);
    *fitted = (Fitted){0};
}

/* ---- what is drawn for one sample ------------------------------------------------------------ */

typedef struct Draw {
    Affine to_network;
    float tone[256]; /* brightness, contrast, gamma: grey in, grey out, both 0 .. 255 */
    float noise;     /* standard deviation, of 255 */
    float blur;      /* sigma, pixels */
    RandomKey key;   /* of the noise */
} Draw;

/* Uniform in -strength .. strength. */
static float spread(RandomKey key, uint64_t counter, float strength)
{
    return strength * (2 * random_uniform(key, counter) - 1);
}

/* Rotation and scale about the centre of the network's picture, then the shift. */
static Affine draw_motion(RandomKey key, const Augmentation *strength, int32_t height,
                          int32_t width)
{
    double angle = spread(key, 0, strength->rotation_degrees) * 3.14159265358979 / 180;
    double scale = 1 + (double)spread(key, 1, strength->scale);
    scale = scale < 0.1 ? 0.1 : scale;
    double cosine = scale * cos(angle), sine = scale * sin(angle);
    double x = (width - 1) / 2.0, y = (height - 1) / 2.0;
    double shift_x = spread(key, 2, strength->shift) * (double)width;
    double shift_y = spread(key, 3, strength->shift_y) * (double)height;
    return (Affine){{(float)cosine, (float)-sine, (float)(x - cosine * x + sine * y + shift_x),
                     (float)sine, (float)cosine, (float)(y - sine * x - cosine * y + shift_y)}};
}

static void draw_tone(RandomKey key, const Augmentation *strength, float tone[256])
{
    float brightness = spread(key, 4, strength->brightness);
    float contrast = 1 + spread(key, 5, strength->contrast);
    float gamma = 1 + spread(key, 6, strength->gamma);
    gamma = gamma < 0.1f ? 0.1f : gamma;
    for (int i = 0; i < 256; i++) {
        float v = powf((float)i / 255, gamma);
        v = (v - 0.5f) * contrast + 0.5f + brightness;
        tone[i] = 255 * (v < 0 ? 0 : v > 1 ? 1 : v);
    }
}

static Draw draw_sample(const Augmentation *strength, uint64_t seed, int32_t epoch, int32_t item,
                        Affine fit, int32_t height, int32_t width)
{
    Draw draw = {.to_network = fit};
    for (int i = 0; i < 256; i++)
        draw.tone[i] = (float)i;
    if (strength == NULL)
        return draw;
    RandomKey key = random_key(seed, RANDOM_AUGMENT, (uint64_t)epoch, (uint64_t)item);
    draw.to_network = affine_compose(draw_motion(key, strength, height, width), fit);
    if (strength->brightness > 0 || strength->contrast > 0 || strength->gamma > 0)
        draw_tone(key, strength, draw.tone);
    draw.noise = 255 * strength->noise * random_uniform(key, 7);
    draw.blur = strength->blur * random_uniform(key, 8);
    draw.key = key;
    return draw;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* Adds to sum the picture at (x, y), bilinear, through the tone. Outside of the picture it is
 * black; within half a pixel of its edge the edge goes on. */
static void add_bilinear(const Image *from, const float tone[256], float x, float y, float *sum)
{
    int32_t w = from->width, h = from->height, c = from->channels;
    if (!(x >= -0.5f && y >= -0.5f && x <= (float)w - 0.5f && y <= (float)h - 0.5f))
        return;
    x = x < 0 ? 0 : x > (float)(w - 1) ? (float)(w - 1) : x;
    y = y < 0 ? 0 : y > (float)(h - 1) ? (float)(h - 1) : y;
    int32_t left = (int32_t)x, top = (int32_t)y;
    float u = x - (float)left, v = y - (float)top;
    int32_t right = left + 1 < w ? c : 0;
    int64_t below = top + 1 < h ? (int64_t)w * c : 0;
    const uint8_t *p = from->pixels + ((int64_t)top * w + left) * c;
    for (int32_t i = 0; i < c; i++, p++) {
        float upper = tone[p[0]] + u * (tone[p[right]] - tone[p[0]]);
        float lower = tone[p[below]] + u * (tone[p[below + right]] - tone[p[below]]);
        sum[i] += upper + v * (lower - upper);
    }
}

/* planes {height, width, channels} of floats 0 .. 255: the fitted picture under the map from it to
 * the network's grid. `reads` x `reads` points a pixel. */
static void warp(const Fitted *fitted, const Draw *draw, int32_t height, int32_t width,
                 float *planes)
{
    const Image *from = &fitted->picture;
    float factor = (float)fitted->factor, centre = (factor - 1) / 2;
    Affine to_original = {{factor, 0, centre, 0, factor, centre}};
    Affine back = affine_invert(affine_compose(draw->to_network, to_original));
    const float *m = back.m;
    float step = sqrtf(fabsf(m[0] * m[4] - m[1] * m[3])); /* fitted pixels a network pixel */
    int reads = (int)ceilf(step - 0.05f);
    reads = reads < 1 ? 1 : reads > 8 ? 8 : reads;
    float share = 1 / (float)(reads * reads);
    int32_t c = from->channels;
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            float sum[3] = {0, 0, 0};
            for (int k = 0; k < reads * reads; k++) {
                float px = (float)x + ((float)(k % reads) + 0.5f) / (float)reads - 0.5f;
                float py = (float)y + ((float)(k / reads) + 0.5f) / (float)reads - 0.5f;
                add_bilinear(from, draw->tone, m[0] * px + m[1] * py + m[2],
                             m[3] * px + m[4] * py + m[5], sum);
            }
            for (int32_t i = 0; i < c; i++)
                *planes++ = share * sum[i];
        }
    }
}

enum { MAX_BLUR_RADIUS = 32 };

/* One row or column of n values `stride` apart, edges repeated. line: n values. */
static void blur_line(float *values, int32_t n, int64_t stride, const float *weights,
                      int32_t radius, float *line)
{
    for (int32_t i = 0; i < n; i++)
        line[i] = values[i * stride];
    for (int32_t i = 0; i < n; i++) {
        float sum = 0;
        for (int32_t k = -radius; k <= radius; k++) {
            int32_t at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
            sum += weights[k < 0 ? -k : k] * line[at];
        }
        values[i * stride] = sum;
    }
}

/* A Gaussian, cut at three sigma, rows then columns. Below a third of a pixel it does nothing. */
static void blur(float *planes, int32_t height, int32_t width, int32_t channels, float sigma,
                 float *line)
{
    int32_t radius = (int32_t)ceilf(3 * sigma);
    if (sigma < 1 / 3.0f)
        return;
    radius = radius > MAX_BLUR_RADIUS ? MAX_BLUR_RADIUS : radius;
    float weights[MAX_BLUR_RADIUS + 1], sum = 0;
    for (int32_t k = 0; k <= radius; k++) {
        weights[k] = expf(-0.5f * (float)(k * k) / (sigma * sigma));
        sum += k == 0 ? weights[k] : 2 * weights[k];
    }
    for (int32_t k = 0; k <= radius; k++)
        weights[k] /= sum;
    int64_t row = (int64_t)width * channels;
    for (int32_t y = 0; y < height; y++)
        for (int32_t i = 0; i < channels; i++)
            blur_line(planes + y * row + i, width, channels, weights, radius, line);
    for (int64_t x = 0; x < row; x++)
        blur_line(planes + x, height, row, weights, radius, line);
}

/* A nearly normal number from 32 bits: four bytes added (mean 510, variance 4 (256^2 - 1) / 12),
 * scaled to mean 0 and standard deviation 1. Box and Muller would cost more than the warp. */
static float nearly_normal(uint32_t bits)
{
    uint32_t sum = (bits & 0xFF) + (bits >> 8 & 0xFF) + (bits >> 16 & 0xFF) + (bits >> 24);
    return ((float)sum - 510) / 147.8f;
}

/* Grain is the same in all channels. Pixel i takes word i % 4 of counter i / 4. */
static void add_noise(float *planes, int64_t count, int32_t channels, RandomKey key, float sigma)
{
    if (!(sigma > 0))
        return;
    uint32_t bits[4] = {0};
    for (int64_t i = 0; i < count; i++) {
        if (i % 4 == 0)
            random_philox(key, (uint32_t[4]){(uint32_t)(i / 4), 0, 0, 1}, bits);
        float grain = sigma * nearly_normal(bits[i % 4]);
        for (int32_t k = 0; k < channels; k++)
            planes[i * channels + k] += grain;
    }
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(value <= 0 ? 0 : value >= 255 ? 255 : value + 0.5f);
}

/* ---- samples --------------------------------------------------------------------------------- */

/* A point outside of the original or of the network's picture counts for nothing. */
static Point place(Point point, const Fitted *fitted, Affine map, int32_t height, int32_t width)
{
    Point placed = affine_apply(map, point);
    bool inside = point.x <= (float)fitted->original_width - 0.5f
                  && point.y <= (float)fitted->original_height - 0.5f && placed.x >= -0.5f
                  && placed.y >= -0.5f && placed.x <= (float)width - 0.5f
                  && placed.y <= (float)height - 0.5f;
    if (!inside || !(point.weight > 0))
        return (Point){0};
    return placed;
}

bool sample_make(const Dataset *dataset, int32_t item, const Fitted *fitted,
                 const Augmentation *augmentation, uint64_t seed, int32_t epoch, int32_t height,
                 int32_t width, Sample *sample, Error *error)
{
    Affine fit = affine_fit(fitted->original_width, fitted->original_height, width, height);
    Draw draw = draw_sample(augmentation, seed, epoch, item, fit, height, width);
    int32_t channels = fitted->picture.channels;
    int64_t count = (int64_t)height * width;
    size_t longest = (size_t)(height > width ? height : width);
    float *planes = malloc(((size_t)(count * channels) + longest) * sizeof *planes);
    if (planes == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a sample of %d x %d pixels", height,
                         width);
    warp(fitted, &draw, height, width, planes);
    blur(planes, height, width, channels, draw.blur, planes + count * channels);
    add_noise(planes, count, channels, draw.key, draw.noise);
    for (int64_t i = 0; i < count; i++)
        for (int32_t k = 0; k < 3; k++)
            sample->pixels[3 * i + k] = to_byte(planes[channels == 3 ? 3 * i + k : i]);
    free(planes);

    for (int32_t k = 0; k < dataset->point_count; k++)
        sample->points[k] =
            place(dataset->items[item].points[k], fitted, draw.to_network, height, width);
    sample->to_network = draw.to_network;
    sample->original_width = fitted->original_width;
    sample->original_height = fitted->original_height;
    sample->item = item;
    return true;
}

bool sample_load(const Dataset *dataset, int32_t item, const Augmentation *augmentation,
                 uint64_t seed, int32_t epoch, int32_t height, int32_t width, Sample *sample,
                 Error *error)
{
    Fitted fitted;
    if (!fitted_read(&fitted, dataset, item, height, width, error))
        return false;
    bool ok = sample_make(dataset, item, &fitted, augmentation, seed, epoch, height, width, sample,
                          error);
    fitted_free(&fitted);
    return ok;
}
