#include "decode.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MAX_RADIUS = 24 };

typedef struct Kernel {
    float weights[2 * MAX_RADIUS + 1]; /* of -radius .. radius */
    int32_t radius;
} Kernel;

static Kernel gaussian_kernel(float sigma)
{
    Kernel kernel = {.radius = (int32_t)ceilf(3.0f * sigma)};

    if (kernel.radius > MAX_RADIUS)
        kernel.radius = MAX_RADIUS;
    for (int32_t k = -kernel.radius; k <= kernel.radius; k++)
        kernel.weights[k + kernel.radius] = expf(-0.5f * (float)(k * k) / (sigma * sigma));
    return kernel;
}

/* 1 / the weights that lie inside of 0 .. length - 1 around `at`: smoothing is the mean of what
 * lies inside the map, so that a peak at the border stays there. */
static float inverse_weight(const Kernel *kernel, int32_t at, int32_t length)
{
    float sum = 0;

    for (int32_t k = -kernel->radius; k <= kernel->radius; k++)
        if (at + k >= 0 && at + k < length)
            sum += kernel->weights[k + kernel->radius];
    return 1.0f / sum;
}

/* Row y of the map smoothed from top to bottom. */
static void smooth_column(const float *map, float *to, int32_t y, int32_t height, int32_t width,
                          const Kernel *kernel)
{
    float scale = inverse_weight(kernel, y, height);

    memset(to, 0, (size_t)width * sizeof *to);
    for (int32_t k = -kernel->radius; k <= kernel->radius; k++) {
        if (y + k < 0 || y + k >= height)
            continue;
        const float *row = map + (int64_t)(y + k) * width;
        float weight = scale * kernel->weights[k + kernel->radius];
        for (int32_t x = 0; x < width; x++)
            to[x] += weight * row[x];
    }
}

/* Row y smoothed from left to right. */
static void smooth_row(const float *row, float *to, int32_t width, const Kernel *kernel)
{
    int32_t radius = kernel->radius;
    float inside = inverse_weight(kernel, radius, 2 * radius + 1);

    memset(to, 0, (size_t)width * sizeof *to);
    for (int32_t k = -radius; k <= radius; k++) {
        float weight = kernel->weights[k + radius];
        for (int32_t x = k < 0 ? -k : 0; x < (k < 0 ? width : width - k); x++)
            to[x] += weight * row[x + k];
    }
    for (int32_t x = 0; x < width; x++)
        to[x] *= x < radius || x + radius >= width ? inverse_weight(kernel, x, width) : inside;
}

/* One Newton step of log map at (x, y), at most a pixel in each direction; none at the border. */
static void refine(const float *map, int32_t height, int32_t width, int32_t x, int32_t y,
                   Peak *peak)
{
    double v[3][3];

    if (x < 1 || y < 1 || x > width - 2 || y > height - 2)
        return;
    for (int32_t j = 0; j < 3; j++)
        for (int32_t i = 0; i < 3; i++)
            v[j][i] = log(fmax((double)map[(y + j - 1) * width + x + i - 1], 1e-10));
    double dx = 0.5 * (v[1][2] - v[1][0]), dy = 0.5 * (v[2][1] - v[0][1]);
    double dxx = v[1][2] - 2 * v[1][1] + v[1][0], dyy = v[2][1] - 2 * v[1][1] + v[0][1];
    double dxy = 0.25 * (v[2][2] - v[2][0] - v[0][2] + v[0][0]);
    double determinant = dxx * dyy - dxy * dxy;
    if (!(determinant > 1e-12) || !(dxx < 0))
        return;
    double step_x = -(dyy * dx - dxy * dy) / determinant;
    double step_y = -(dxx * dy - dxy * dx) / determinant;
    peak->x += (float)fmax(-1, fmin(1, step_x));
    peak->y += (float)fmax(-1, fmin(1, step_y));
}

Peak decode_map(const float *heat, int64_t pitch, int32_t height, int32_t width, float sigma,
                float *scratch)
{
    Kernel kernel = gaussian_kernel(sigma);
    int32_t area = height * width, best = 0;
    float *rows = scratch, *smooth = scratch + area, highest = heat[0];
    bool is_finite = true;

    for (int32_t k = 0; k < area; k++) {
        smooth[k] = heat[k * pitch];
        highest = smooth[k] > highest ? smooth[k] : highest;
        is_finite = is_finite && isfinite(smooth[k]);
    }
    if (!is_finite)
        return (Peak){(float)(width - 1) / 2, (float)(height - 1) / 2, 0};
    for (int32_t y = 0; y < height; y++)
        smooth_row(smooth + y * width, rows + y * width, width, &kernel);
    for (int32_t y = 0; y < height; y++)
        smooth_column(rows, smooth + y * width, y, height, width, &kernel);
    for (int32_t k = 1; k < area; k++)
        if (smooth[k] > smooth[best])
            best = k;
    Peak peak = {(float)(best % width), (float)(best / width), highest};
    refine(smooth, height, width, best % width, best / width, &peak);
    return peak;
}
