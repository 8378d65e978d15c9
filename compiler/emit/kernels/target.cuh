/* Heat-map losses at one element; the target is drawn from the points, never stored: see SnugLoss
 * in
 * program.h.
 *
 * Expects MAPS, WIDTH, HEIGHT, LOSS_STRIDE, SIGMA; for the adaptive wing IS_WING, OMEGA, THETA,
 * EPSILON,
 * ALPHA, EXTRA (10 where the loss map is weighted, else 0).
 */
#ifndef SNUG_TARGET_CUH
#define SNUG_TARGET_CUH

#include "prims.cuh"

/* A point in heat-map pixels; weight 0: the map has no target. */
struct Point {
    float x, y, weight;
};

DEVICE Point load_point(const float *points, int n, int map)
{
    const float *at = points + ((long long)n * MAPS + map) * 3;
    return Point{at[0] * (1.0f / LOSS_STRIDE), at[1] * (1.0f / LOSS_STRIDE), at[2]};
}

DEVICE float gaussian(float x, float y)
{
    return expf((x * x + y * y) * (-0.5f / (SIGMA * SIGMA)));
}

DEVICE float draw_target(const Point &point, int h, int w)
{
    return point.weight != 0.0f ? gaussian((float)w - point.x, (float)h - point.y) : 0.0f;
}

#if IS_WING

/* The distance from `centre` of the nearest of at - 1, at, at + 1 that lie in 0 .. size - 1. */
DEVICE float nearest(int at, int size, float centre)
{
    float here = fabsf((float)at - centre);
    float before = at > 0 ? fabsf((float)(at - 1) - centre) : here;
    float after = at + 1 < size ? fabsf((float)(at + 1) - centre) : here;
    return fminf(here, fminf(before, after));
}

/* 1, or 1 + EXTRA where the target dilated by 3 x 3 is above 0.2. */
DEVICE float emphasis(const Point &point, int h, int w)
{
    if constexpr (EXTRA == 0)
        return 1.0f;
    float wide = gaussian(nearest(w, WIDTH, point.x), nearest(h, HEIGHT, point.y));
    return point.weight != 0.0f && wide > 0.2f ? 1.0f + EXTRA : 1.0f;
}

/* Adaptive wing (Wang et al., ICCV 2019, equation 6) of heat - target: its value, or its slope by
 * heat. The line beyond THETA joins with the curve's value and slope there. */
template <bool WANT_SLOPE>
DEVICE float wing(float heat, float target)
{
    float difference = heat - target, size = fabsf(difference), power = ALPHA - target;
    float at_theta = expf(power * LOG_RATIO); /* (THETA / EPSILON)^power */
    float a = OMEGA * power * at_theta / ((1.0f + at_theta) * THETA);
    float u = fmaxf(size * (1.0f / EPSILON), 1e-30f), u_power = expf(power * logf(u));

    if constexpr (WANT_SLOPE) {
        float near = OMEGA * power * u_power / (u * EPSILON * (1.0f + u_power));
        float steep = size < THETA ? near : a;
        return difference < 0.0f ? -steep : steep;
    }
    return size < THETA ? OMEGA * logf(1.0f + u_power)
                        : a * (size - THETA) + OMEGA * logf(1.0f + at_theta);
}

#endif

DEVICE float loss_at(const Point &point, float heat, int h, int w)
{
    float target = draw_target(point, h, w);
#if IS_WING
    return wing<false>(heat, target) * emphasis(point, h, w);
#else
    return (heat - target) * (heat - target);
#endif
}

/* d loss / d heat */
DEVICE float slope_at(const Point &point, float heat, int h, int w)
{
    float target = draw_target(point, h, w);
#if IS_WING
    return wing<true>(heat, target) * emphasis(point, h, w);
#else
    return 2.0f * (heat - target);
#endif
}

#endif
