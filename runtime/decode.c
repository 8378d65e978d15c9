#include "decode.h"

#include <math.h>
#include <stdbool.h>

enum { MAX_RADIUS = 24 };

typedef struct Map {
    const float *heat; /* {height, width, maps} */
    int32_t height, width, maps, map;
} Map;

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

static float value_at(const Map *m, int32_t x, int32_t y)
{
    return m->heat[((int64_t)y * m->width + x) * m->maps + m->map];
}

/* The smoothed map at one pixel: the mean of what lies inside the map. */
static double smoothed_at(const Map *m, const Kernel *kernel, int32_t x, int32_t y)
{
    double sum = 0, total = 0;

    for (int32_t j = -kernel->radius; j <= kernel->radius; j++) {
        if (y + j < 0 || y + j >= m->height)
            continue;
        for (int32_t i = -kernel->radius; i <= kernel->radius; i++) {
            if (x + i < 0 || x + i >= m->width)
                continue;
            double weight = (double)kernel->weights[j + kernel->radius]
                            * (double)kernel->weights[i + kernel->radius];
            sum += weight * (double)value_at(m, x + i, y + j);
            total += weight;
        }
    }
    return sum / total;
}

/* One Newton step of log map at (x, y), at most a pixel in each direction; none at the border. */
static void refine(const Map *m, const Kernel *kernel, int32_t x, int32_t y, Peak *peak)
{
    double v[3][3];

    if (x < 1 || y < 1 || x > m->width - 2 || y > m->height - 2)
        return;
    for (int32_t j = 0; j < 3; j++)
        for (int32_t i = 0; i < 3; i++)
            v[j][i] = log(fmax(smoothed_at(m, kernel, x + i - 1, y + j - 1), 1e-10));
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

static Peak decode_map(const Map *m, const Kernel *kernel)
{
    int32_t best_x = 0, best_y = 0;

    for (int32_t y = 0; y < m->height; y++) {
        for (int32_t x = 0; x < m->width; x++) {
            float value = value_at(m, x, y);
            if (!isfinite(value))
                return (Peak){(float)(m->width - 1) / 2, (float)(m->height - 1) / 2, 0};
            if (value > value_at(m, best_x, best_y)) {
                best_x = x;
                best_y = y;
            }
        }
    }
    Peak peak = {(float)best_x, (float)best_y, value_at(m, best_x, best_y)};
    refine(m, kernel, best_x, best_y, &peak);
    return peak;
}

void decode_heat(const float *heat, int32_t height, int32_t width, int32_t maps, float sigma,
                 Peak *peaks)
{
    Kernel kernel = gaussian_kernel(sigma);

    for (int32_t k = 0; k < maps; k++) {
        Map map = {heat, height, width, maps, k};
        peaks[k] = decode_map(&map, &kernel);
    }
}
