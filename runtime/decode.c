#include "decode.h"

#include <math.h>
#include <stdbool.h>

enum { MAX_RADIUS = 24 };

/* The weights of a Gaussian of this sigma, -radius .. radius, sum 1. Returns the radius. */
static int32_t gaussian_weights(float sigma, float *weights)
{
    int32_t radius = (int32_t)ceilf(3.0f * sigma);
    double sum = 0;

    if (radius > MAX_RADIUS)
        radius = MAX_RADIUS;
    for (int32_t k = -radius; k <= radius; k++)
        sum += weights[k + radius] = expf(-0.5f * (float)(k * k) / (sigma * sigma));
    for (int32_t k = 0; k <= 2 * radius; k++)
        weights[k] = (float)(weights[k] / sum);
    return radius;
}

/* to[y][x] = sum of weights * from along one direction; outside the map there is nothing. */
static void smooth(const float *from, float *to, int32_t height, int32_t width,
                   const float *weights, int32_t radius, int32_t step_x, int32_t step_y)
{
    for (int32_t y = 0; y < height; y++) {
        for (int32_t x = 0; x < width; x++) {
            float sum = 0;
            for (int32_t k = -radius; k <= radius; k++) {
                int32_t sx = x + k * step_x, sy = y + k * step_y;
                if (sx >= 0 && sx < width && sy >= 0 && sy < height)
                    sum += weights[k + radius] * from[sy * width + sx];
            }
            to[y * width + x] = sum;
        }
    }
}

/* One Newton step of log map at (x, y), at most a pixel in each direction. */
static void refine(const float *map, int32_t height, int32_t width, int32_t x, int32_t y, Peak *peak)
{
    double v[3][3];

    if (x < 1 || y < 1 || x > width - 2 || y > height - 2)
        return;
    for (int32_t j = 0; j < 3; j++)
        for (int32_t i = 0; i < 3; i++)
            v[j][i] = log(fmax(map[(y + j - 1) * width + x + i - 1], 1e-10));
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

static Peak decode_map(const float *heat, int32_t height, int32_t width, int32_t maps, int32_t map,
                       float sigma, float *scratch)
{
    float *plain = scratch, *smoothed = scratch + (int64_t)height * width;
    float weights[2 * MAX_RADIUS + 1];
    int32_t radius = gaussian_weights(sigma, weights), best = 0;
    float highest = -INFINITY;
    bool is_finite = true;

    for (int32_t k = 0; k < height * width; k++) {
        plain[k] = heat[(int64_t)k * maps + map];
        highest = plain[k] <= highest ? highest : plain[k];
        is_finite = is_finite && isfinite(plain[k]);
    }
    if (!is_finite)
        return (Peak){(float)(width - 1) / 2, (float)(height - 1) / 2, 0};
    smooth(plain, smoothed, height, width, weights, radius, 1, 0);
    smooth(smoothed, plain, height, width, weights, radius, 0, 1);
    for (int32_t k = 1; k < height * width; k++)
        if (plain[k] > plain[best])
            best = k;
    Peak peak = {(float)(best % width), (float)(best / width), highest};
    refine(plain, height, width, best % width, best / width, &peak);
    return peak;
}

void decode_heat(const float *heat, int32_t height, int32_t width, int32_t maps, float sigma,
                 float *scratch, Peak *peaks)
{
    for (int32_t k = 0; k < maps; k++)
        peaks[k] = decode_map(heat, height, width, maps, k, sigma, scratch);
}
