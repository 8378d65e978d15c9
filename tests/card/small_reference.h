/* The kernels without pointwise code, executed as program.h says, in double. Args are read from and
 * written to b->expected. */
#ifndef SNUG_SMALL_REFERENCE_H
#define SNUG_SMALL_REFERENCE_H

#include "tests/unit/host_reference.h"

static inline double vector_at(const Bench *b, int32_t a, int64_t row, int64_t c)
{
    double value = (double)((const float *)b->expected[a])[row * b->args[a].pitch + c];
    return b->takes_sizes ? fabs(value) : value;
}

static inline void set_vector(Bench *b, int32_t a, int64_t row, int64_t c, double value)
{
    ((float *)b->expected[a])[row * b->args[a].pitch + c] = (float)value;
}

/* ---- batch norm's vectors -------------------------------------------------------------------- */

/* Pixels of the picture that partial p is of: counted one by one. */
static inline double counted_pixels(const SnugKernel *kernel, int64_t p)
{
    SnugTile t = kernel->bn.tile;
    SnugShape d = kernel->window.y;
    int64_t down = (d.h + t.rows - 1) / t.rows, across = (d.w + t.columns - 1) / t.columns;
    int64_t tile = p % (down * across);
    double count = 0;

    for (int64_t h = 0; h < t.rows; h++)
        for (int64_t w = 0; w < t.columns; w++)
            count += tile / across * t.rows + h < d.h && tile % across * t.columns + w < d.w;
    return count;
}

static inline void set_stats(Bench *b, int32_t to, int64_t c, double mean, double variance,
                             double gamma, double beta)
{
    double rstd = 1.0 / sqrt(variance + (double)b->kernel.bn.eps);

    set_vector(b, to, 0, c, mean);
    set_vector(b, to, 1, c, rstd);
    set_vector(b, to, 2, c, gamma * rstd);
    set_vector(b, to, 3, c, beta - mean * gamma * rstd);
}

static inline void reference_bn_combine(Bench *b)
{
    double momentum = (double)b->kernel.bn.momentum, total = (double)b->kernel.bn.count;
    int64_t parts = b->args[0].shape.h;
    double *counts = malloc((size_t)parts * sizeof *counts), sum = 0;

    for (int64_t p = 0; p < parts; p++)
        sum += counts[p] = counted_pixels(&b->kernel, p);
    assert_true(sum == total);
    for (int64_t c = 0; c < b->args[0].shape.c; c++) {
        double mean = 0, m2 = 0;
        for (int64_t p = 0; p < parts; p++)
            mean += counts[p] * vector_at(b, 0, 2 * p, c) / total;
        for (int64_t p = 0; p < parts; p++)
            m2 += vector_at(b, 0, 2 * p + 1, c)
                  + counts[p] * pow(vector_at(b, 0, 2 * p, c) - mean, 2);
        set_stats(b, 5, c, mean, m2 / total, vector_at(b, 1, 0, c), vector_at(b, 2, 0, c));
        set_vector(b, 3, 0, c, (1 - momentum) * vector_at(b, 3, 0, c) + momentum * mean);
        set_vector(b, 4, 0, c,
                   (1 - momentum) * vector_at(b, 4, 0, c)
                       + momentum * (total > 1 ? m2 / (total - 1) : m2));
    }
    free(counts);
}

static inline void reference_bn_grad_combine(Bench *b)
{
    double total = (double)b->kernel.bn.count;

    for (int64_t c = 0; c < b->args[0].shape.c; c++) {
        double sum = 0, product = 0, mean = vector_at(b, 1, 0, c), rstd = vector_at(b, 1, 1, c);
        for (int64_t p = 0; p < b->args[0].shape.h; p++) {
            sum += vector_at(b, 0, 2 * p, c);
            product += vector_at(b, 0, 2 * p + 1, c);
        }
        double sign = b->takes_sizes ? 1 : -1;
        double a = vector_at(b, 2, 0, c) * rstd, slope = sign * a * rstd * product / total;
        bool is_frozen = b->kernel.bn.frozen != 0;
        set_vector(b, 5, 0, c, is_frozen ? vector_at(b, 1, 2, c) : a);
        set_vector(b, 5, 1, c, is_frozen ? 0 : slope);
        set_vector(b, 5, 2, c, is_frozen ? 0 : sign * a * sum / total + sign * slope * mean);
        set_vector(b, 3, 0, c, vector_at(b, 3, 0, c) + product);
        set_vector(b, 4, 0, c, vector_at(b, 4, 0, c) + sum);
    }
}

static inline void reference_sum_combine(Bench *b)
{
    for (int64_t c = 0; c < b->args[0].shape.c; c++)
        for (int64_t p = 0; p < b->args[0].shape.h; p++)
            set_vector(b, 1, 0, c, vector_at(b, 1, 0, c) + vector_at(b, 0, p, c));
}

/* ---- losses ---------------------------------------------------------------------------------- */

/* The Gaussian of map (n, k) at pixel (h, w); outside of the map it is 0, as for the dilation. */
static inline double target_at(const Bench *b, int64_t n, int64_t k, int64_t h, int64_t w)
{
    const SnugLoss *loss = &b->kernel.loss;
    SnugShape d = b->args[0].shape;
    int64_t at = 3 * (n * d.c + k);
    const float *point = (const float *)b->expected[1] + at;

    if (point[2] == 0.0f || h < 0 || w < 0 || h >= d.h || w >= d.w)
        return 0;
    double x = (double)w - (double)point[0] / (double)loss->stride;
    double y = (double)h - (double)point[1] / (double)loss->stride;
    return exp(-0.5 * (x * x + y * y) / ((double)loss->sigma * (double)loss->sigma));
}

static inline double wing_at(const SnugLoss *loss, double heat, double target, bool wants_slope)
{
    double size = fabs(heat - target), power = (double)loss->alpha - target;
    double omega = (double)loss->omega, theta = (double)loss->theta, eps = (double)loss->epsilon;
    double edge = pow(theta / eps, power), a = omega * power * edge / ((1 + edge) * theta);

    if (!wants_slope)
        return size < theta ? omega * log(1 + pow(size / eps, power))
                            : a * size - (theta * a - omega * log(1 + edge));
    double inside =
        size > 0 ? omega * power * pow(size / eps, power - 1) / (eps * (1 + pow(size / eps, power)))
                 : 0;
    return (heat < target ? -1 : 1) * (size < theta ? inside : a);
}

/* l, or its slope by heat */
static inline double loss_of(const Bench *b, int64_t n, int64_t k, int64_t h, int64_t w,
                             bool wants_slope)
{
    const SnugLoss *loss = &b->kernel.loss;
    double heat = read_tensor(&b->args[0], b->expected[0], n, h, w, k);
    double target = target_at(b, n, k, h, w), wide = 0;

    if (loss->kind != SNUG_LOSS_adaptive_wing)
        return wants_slope ? 2 * (heat - target) : (heat - target) * (heat - target);
    for (int64_t i = -1; i <= 1; i++)
        for (int64_t j = -1; j <= 1; j++)
            wide = fmax(wide, target_at(b, n, k, h + i, w + j));
    return wing_at(loss, heat, target, wants_slope) * (loss->weighted && wide > 0.2 ? 11 : 1);
}

static inline void reference_map_loss(Bench *b)
{
    SnugShape d = b->args[0].shape;

    for (int64_t n = 0; n < d.n; n++)
        for (int64_t k = 0; k < d.c; k++) {
            double sum = 0;
            for (int64_t h = 0; h < d.h; h++)
                for (int64_t w = 0; w < d.w; w++)
                    sum += loss_of(b, n, k, h, w, false);
            set_vector(b, 2, n, k, sum / ((double)d.h * d.w));
        }
}

static inline void reference_loss_grad(Bench *b)
{
    SnugShape d = b->args[0].shape;
    const SnugArg *out = &b->args[3];

    for (int64_t n = 0; n < d.n; n++)
        for (int64_t h = 0; h < d.h; h++)
            for (int64_t w = 0; w < d.w; w++)
                for (int64_t k = 0; k < d.c; k++)
                    write_element(out, b->expected[3], ((n * d.h + h) * d.w + w) * out->pitch + k,
                                  vector_at(b, 2, n, k) * loss_of(b, n, k, h, w, true)
                                      / ((double)d.h * d.w));
}

static inline void reference_loss_combine(Bench *b)
{
    int64_t images = b->args[0].shape.w, maps = b->args[0].shape.c;
    int64_t top = b->kernel.loss.top < maps ? b->kernel.loss.top : maps;
    const float *points = b->expected[1], *image_weights = b->expected[2];
    float *scalars = b->expected[3];
    bool is_ohkm = b->kernel.loss.kind == SNUG_LOSS_ohkm;
    double total = 0;

    for (int64_t n = 0; n < images; n++)
        for (int64_t k = 0; k < maps; k++) {
            double mine = (double)points[3 * (n * maps + k) + 2], weight = mine / (double)maps;
            int64_t harder = 0;
            for (int64_t i = 0; i < maps; i++) {
                float other = points[3 * (n * maps + i) + 2] * (float)vector_at(b, 0, n, i);
                float own = (float)mine * (float)vector_at(b, 0, n, k);
                harder += other > own || (other == own && i < k);
            }
            if (is_ohkm)
                weight = harder < (top > 1 ? top : 1) ? mine / (double)(top > 1 ? top : 1) : 0;
            set_vector(b, 4, n, k, (double)image_weights[n] * weight);
            total += (double)image_weights[n] / (double)scalars[SNUG_SCALAR_loss_scale] * weight
                     * vector_at(b, 0, n, k);
        }
    scalars[SNUG_SCALAR_loss] = (float)((double)scalars[SNUG_SCALAR_loss] + total);
}

/* ---- decode ---------------------------------------------------------------------------------- */

/* Map (n, k) smoothed in both directions at (h, w): see runtime/host/decode.h. */
static inline double smoothed_at(const Bench *b, int64_t n, int64_t k, int64_t h, int64_t w)
{
    SnugShape d = b->args[0].shape;
    double sigma = (double)b->kernel.loss.sigma, sum = 0, weights = 0;
    int64_t radius = (int64_t)fmin(ceil(3 * sigma), 24);

    for (int64_t j = -radius; j <= radius; j++)
        for (int64_t i = -radius; i <= radius; i++) {
            if (h + j < 0 || h + j >= d.h || w + i < 0 || w + i >= d.w)
                continue;
            double weight = exp(-0.5 * (double)(i * i + j * j) / (sigma * sigma));
            sum += weight * read_tensor(&b->args[0], b->expected[0], n, h + j, w + i, k);
            weights += weight;
        }
    return sum / weights;
}

/* One Newton step on the logarithm of v, and how far rounding of v to fp32 may move it. */
static inline void peak_step(double v[3][3], double *x, double *y, double *unsure)
{
    double l[3][3], least = v[1][1];

    for (int j = 0; j < 3; j++)
        for (int i = 0; i < 3; i++) {
            l[j][i] = log(fmax(v[j][i], 1e-10));
            least = fmin(least, v[j][i]);
        }
    double dx = (l[1][2] - l[1][0]) / 2, dy = (l[2][1] - l[0][1]) / 2;
    double dxx = l[1][2] - 2 * l[1][1] + l[1][0], dyy = l[2][1] - 2 * l[1][1] + l[0][1];
    double dxy = (l[2][2] - l[2][0] - l[0][2] + l[0][0]) / 4, det = dxx * dyy - dxy * dxy;
    double off = 0x1p-19 * (1 + fabs(v[1][1]) / fmax(least, 1e-10)); /* of each logarithm */
    double sizes = fabs(dxx) + fabs(dyy) + fabs(dxy) + fabs(dx) + fabs(dy);
    *unsure = fmin(2, 8 * off * sizes * (1 + sizes / fabs(det)) / fmax(fabs(det), 1e-12));
    if (!(det > 1e-12) || !(dxx < 0))
        return;
    *x += fmax(-1, fmin(1, (dxy * dy - dyy * dx) / det));
    *y += fmax(-1, fmin(1, (dxy * dx - dxx * dy) / det));
}

/* takes_sizes: how unsure the place is in fp32: a pixel that is as high may be taken instead. */
static inline void reference_peak(Bench *b, int64_t n, int64_t k, double *smooth)
{
    SnugShape d = b->args[0].shape;
    double highest = -INFINITY, largest = 0, v[3][3], unsure = 0;
    int64_t best = 0, to = (n * d.c + k) * b->args[1].pitch;

    for (int64_t p = 0; p < (int64_t)d.h * d.w; p++) {
        double heat = read_tensor(&b->args[0], b->expected[0], n, p / d.w, p % d.w, k);
        smooth[p] = smoothed_at(b, n, k, p / d.w, p % d.w);
        highest = fmax(highest, heat);
        largest = fmax(largest, fabs(heat));
        best = smooth[p] > smooth[best] ? p : best;
    }
    double x = (double)(best % d.w), y = (double)(best / d.w);
    if (x > 0 && y > 0 && x < d.w - 1 && y < d.h - 1) {
        for (int64_t j = 0; j < 3; j++)
            for (int64_t i = 0; i < 3; i++)
                v[j][i] = smooth[best + (j - 1) * d.w + i - 1];
        peak_step(v, &x, &y, &unsure);
    }
    for (int64_t p = 0; p < (int64_t)d.h * d.w; p++)
        if (p != best && smooth[p] > smooth[best] - 0x1p-19 * largest)
            unsure = fmax(d.h, d.w);
    double stride = (double)b->kernel.loss.stride;
    write_element(&b->args[1], b->expected[1], to, b->takes_sizes ? unsure * stride : x * stride);
    write_element(&b->args[1], b->expected[1], to + 1,
                  b->takes_sizes ? unsure * stride : y * stride);
    write_element(&b->args[1], b->expected[1], to + 2, b->takes_sizes ? 0 : highest);
}

static inline void reference_decode(Bench *b)
{
    SnugShape d = b->args[0].shape;
    double *smooth = malloc((size_t)d.h * (size_t)d.w * sizeof *smooth);

    for (int64_t n = 0; n < d.n; n++)
        for (int64_t k = 0; k < d.c; k++)
            reference_peak(b, n, k, smooth);
    free(smooth);
}

/* Any kernel but those that go over all parameters. Written args become zeros first. */
static inline void reference_any(Bench *b)
{
    for (int32_t a = 0; a < b->kernel.arg_count; a++)
        if (b->args[a].access == SNUG_WRITE)
            memset(b->expected[a], 0,
                   (size_t)(arg_elements(&b->args[a]) * host_type_bytes(b->args[a].type)));
    switch (b->kernel.kind) {
    case SNUG_KERNEL_bn_combine: reference_bn_combine(b); break;
    case SNUG_KERNEL_bn_frozen:
        for (int64_t c = 0; c < b->args[0].shape.c; c++)
            set_stats(b, 4, c, vector_at(b, 2, 0, c), vector_at(b, 3, 0, c), vector_at(b, 0, 0, c),
                      vector_at(b, 1, 0, c));
        break;
    case SNUG_KERNEL_bn_grad_combine: reference_bn_grad_combine(b); break;
    case SNUG_KERNEL_sum_combine: reference_sum_combine(b); break;
    case SNUG_KERNEL_heatmap_loss: reference_map_loss(b); break;
    case SNUG_KERNEL_heatmap_loss_grad: reference_loss_grad(b); break;
    case SNUG_KERNEL_loss_combine: reference_loss_combine(b); break;
    case SNUG_KERNEL_decode: reference_decode(b); break;
    default: reference_run(b); break;
    }
}

#endif
