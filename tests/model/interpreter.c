/* The oracle of every numeric test: see interpreter.h. One function an op, each a direct transcript
 * of its definition in ops.def and program.h. */
#include "interpreter.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/ir.h"

struct Interpreter {
    const Graph *graph;
    const Model *model;
    double **values;    /* by ValueId; params, gradients and scalars point into those below */
    double **params;    /* by ParamId */
    double **gradients; /* by ParamId */
    double scalars[SNUG_SCALAR_COUNT];
    double kink_distance;
    bool rounds; /* results to fp32 */
};

/* What the function of an op works on. */
typedef struct Call {
    Interpreter *in;
    const Op *op;
    const double **x; /* its inputs */
    double *y, *y1, *y2;
    Shape xs, ys; /* of the first input and the first output */
} Call;

static Shape shape_of(const Call *call, uint32_t k)
{
    return call->in->graph->values.items[call->op->inputs[k].i].shape;
}

int64_t shape_count(Shape shape)
{
    return shape.n * shape.h * shape.w * shape.c;
}

/* Where pixel (n, h, w) starts. */
static int64_t at(Shape s, int64_t n, int64_t h, int64_t w)
{
    return ((n * s.h + h) * s.w + w) * s.c;
}

static double *new_array(int64_t count)
{
    double *array = calloc((size_t)(count > 0 ? count : 1), sizeof *array);

    if (array == NULL)
        abort();
    return array;
}

static void note_kink(Call *call, double distance)
{
    if (distance < call->in->kink_distance)
        call->in->kink_distance = distance;
}

/* ---- products: x, y in the sense of the forward conv ----------------------------------------- */

/* What one input pixel, one output pixel and the weights w[o * w_stride + i] between them do. */
typedef void Tap(double *x, double *y, double *w, int64_t cx, int64_t cy, int64_t w_stride);

/* Visits every (output pixel, input pixel) that a window connects. w is {cy, k, k, cx}. */
static void for_each_tap(const Op *op, Shape xs, Shape ys, double *x, double *y, double *w,
                         Tap *visit)
{
    int64_t k = op->kernel;

    for (int64_t n = 0; n < ys.n; n++)
        for (int64_t h = 0; h < ys.h; h++)
            for (int64_t v = 0; v < ys.w; v++)
                for (int64_t r = 0; r < k; r++)
                    for (int64_t s = 0; s < k; s++) {
                        int64_t xh = h * op->stride + r - op->pad;
                        int64_t xw = v * op->stride + s - op->pad;
                        if (xh < 0 || xh >= xs.h || xw < 0 || xw >= xs.w)
                            continue;
                        visit(x + at(xs, n, xh, xw), y + at(ys, n, h, v), w + (r * k + s) * xs.c,
                              xs.c, ys.c, k * k * xs.c);
                    }
}

static void tap_forward(double *x, double *y, double *w, int64_t cx, int64_t cy, int64_t w_stride)
{
    for (int64_t o = 0; o < cy; o++) {
        double sum = 0;
        for (int64_t i = 0; i < cx; i++)
            sum += x[i] * w[o * w_stride + i];
        y[o] += sum;
    }
}

static void tap_dgrad(double *x, double *y, double *w, int64_t cx, int64_t cy, int64_t w_stride)
{
    for (int64_t o = 0; o < cy; o++)
        for (int64_t i = 0; i < cx; i++)
            x[i] += y[o] * w[o * w_stride + i];
}

static void tap_wgrad(double *x, double *y, double *w, int64_t cx, int64_t cy, int64_t w_stride)
{
    for (int64_t o = 0; o < cy; o++)
        for (int64_t i = 0; i < cx; i++)
            w[o * w_stride + i] += y[o] * x[i];
}

static void run_conv(Call *call)
{
    for_each_tap(call->op, call->xs, call->ys, (double *)call->x[0], call->y, (double *)call->x[1],
                 tap_forward);
}

static void run_transposed(Call *call) /* deconv, conv_dgrad */
{
    for_each_tap(call->op, call->ys, call->xs, call->y, (double *)call->x[0], (double *)call->x[1],
                 tap_dgrad);
}

static void run_conv_wgrad(Call *call)
{
    for_each_tap(call->op, call->xs, shape_of(call, 1), (double *)call->x[0], (double *)call->x[1],
                 call->y, tap_wgrad);
}

/* ---- per channel ----------------------------------------------------------------------------- */

static void run_normalize(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] =
            (call->x[0][i] / 255 - (double)call->op->mean[i % 3]) / (double)call->op->std[i % 3];
}

static void run_bias(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[0][i] + call->x[1][i % call->ys.c];
}

static void run_channel_sum(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->xs); i++)
        call->y[i % call->xs.c] += call->x[0][i];
}

/* stats: four rows of c numbers */
static void put_stats(double *stats, int64_t c, int64_t channel, double mean, double rstd,
                      double gamma, double beta)
{
    stats[channel] = mean;
    stats[c + channel] = rstd;
    stats[2 * c + channel] = gamma * rstd;
    stats[3 * c + channel] = beta - mean * gamma * rstd;
}

static void run_bn_stats(Call *call)
{
    int64_t c = call->xs.c, count = shape_count(call->xs) / c;
    double momentum = (double)call->op->bn.momentum;
    double *running_mean = (double *)call->x[3], *running_var = (double *)call->x[4];

    for (int64_t k = 0; k < c; k++) {
        double mean = 0, m2 = 0;
        for (int64_t i = 0; i < count; i++)
            mean += call->x[0][i * c + k];
        mean /= (double)count;
        for (int64_t i = 0; i < count; i++)
            m2 += pow(call->x[0][i * c + k] - mean, 2);
        put_stats(call->y, c, k, mean, 1 / sqrt(m2 / (double)count + (double)call->op->bn.eps),
                  call->x[1][k], call->x[2][k]);
        running_mean[k] += momentum * (mean - running_mean[k]);
        running_var[k] += momentum * (m2 / (double)(count - 1) - running_var[k]);
    }
}

static void run_bn_frozen(Call *call)
{
    for (int64_t k = 0; k < call->xs.c; k++)
        put_stats(call->y, call->xs.c, k, call->x[2][k],
                  1 / sqrt(call->x[3][k] + (double)call->op->bn.eps), call->x[0][k], call->x[1][k]);
}

static void run_bn_apply(Call *call)
{
    int64_t c = call->ys.c;

    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[0][i] * call->x[1][2 * c + i % c] + call->x[1][3 * c + i % c];
}

static void run_bn_grad_stats(Call *call)
{
    const double *dy = call->x[0], *x = call->x[1], *stats = call->x[2], *gamma = call->x[3];
    int64_t c = call->xs.c, count = shape_count(call->xs) / c;

    for (int64_t k = 0; k < c; k++) {
        double mean = stats[k], rstd = stats[c + k], sum = 0, sum_xhat = 0;
        for (int64_t i = 0; i < count; i++) {
            sum += dy[i * c + k];
            sum_xhat += dy[i * c + k] * (x[i * c + k] - mean) * rstd;
        }
        double a = gamma[k] * rstd, m = (double)count;
        bool frozen = call->op->bn.frozen != 0;
        call->y[k] = a;
        call->y[c + k] = frozen ? 0 : -a * rstd * sum_xhat / m;
        call->y[2 * c + k] = frozen ? 0 : -a * sum / m + a * rstd * sum_xhat / m * mean;
        call->y1[k] += sum_xhat;
        call->y2[k] += sum;
    }
}

static void run_bn_grad_apply(Call *call)
{
    int64_t c = call->ys.c;
    const double *k = call->x[2];

    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = k[i % c] * call->x[0][i] + k[c + i % c] * call->x[1][i] + k[2 * c + i % c];
}

/* ---- pointwise ------------------------------------------------------------------------------- */

static void run_relu(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++) {
        call->y[i] = call->x[0][i] > 0 ? call->x[0][i] : 0;
        note_kink(call, fabs(call->x[0][i]));
    }
}

static void run_relu_grad(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[1][i] > 0 ? call->x[0][i] : 0;
}

static void run_sigmoid(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = 1 / (1 + exp(-call->x[0][i]));
}

static void run_sigmoid_grad(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[0][i] * call->x[1][i] * (1 - call->x[1][i]);
}

static void run_scale(Call *call)
{
    for (int64_t i = 0; i < shape_count(call->ys); i++)
        call->y[i] = call->x[0][i] * (double)call->op->number;
}

static void run_add(Call *call)
{
    for (uint32_t k = 0; k < call->op->input_count; k++)
        for (int64_t i = 0; i < shape_count(call->ys); i++)
            call->y[i] += call->x[k][i];
}

/* ---- windows --------------------------------------------------------------------------------- */

/* The first maximum of the window of output pixel (h, w), row by row: its place in x. */
static int64_t find_maximum(Call *call, const double *x, Shape xs, int64_t n, int64_t h, int64_t w,
                            int64_t c)
{
    const Op *op = call->op;
    int64_t best = -1;
    double second = -INFINITY;

    for (int64_t r = h * op->stride - op->pad; r < h * op->stride - op->pad + op->kernel; r++)
        for (int64_t s = w * op->stride - op->pad; s < w * op->stride - op->pad + op->kernel; s++) {
            if (r < 0 || r >= xs.h || s < 0 || s >= xs.w)
                continue;
            int64_t i = at(xs, n, r, s) + c;
            if (best < 0 || x[i] > x[best]) {
                second = best < 0 ? second : x[best];
                best = i;
            } else if (x[i] < x[best] && x[i] > second) {
                second = x[i];
            }
        }
    note_kink(call, x[best] - second);
    return best;
}

static void run_max_pool(Call *call)
{
    Shape ys = call->ys;

    for (int64_t n = 0; n < ys.n; n++)
        for (int64_t h = 0; h < ys.h; h++)
            for (int64_t w = 0; w < ys.w; w++)
                for (int64_t c = 0; c < ys.c; c++)
                    call->y[at(ys, n, h, w) + c] =
                        call->x[0][find_maximum(call, call->x[0], call->xs, n, h, w, c)];
}

static void run_max_pool_grad(Call *call)
{
    Shape dys = call->xs;

    for (int64_t n = 0; n < dys.n; n++)
        for (int64_t h = 0; h < dys.h; h++)
            for (int64_t w = 0; w < dys.w; w++)
                for (int64_t c = 0; c < dys.c; c++)
                    call->y[find_maximum(call, call->x[1], call->ys, n, h, w, c)] +=
                        call->x[0][at(dys, n, h, w) + c];
}

typedef struct Neighbours { /* of an output pixel along one side */
    int64_t at[2];
    double weight[2];
} Neighbours;

static Neighbours find_neighbours(const Op *op, int64_t i, int64_t size)
{
    bool is_nearest = op->kind == OP_upsample || op->kind == OP_upsample_grad;

    if (is_nearest)
        return (Neighbours){{i / op->factor, 0}, {1, 0}};
    double place = ((double)i + 0.5) / op->factor - 0.5;
    place = place < 0 ? 0 : place;
    int64_t low = (int64_t)place;
    return (Neighbours){{low, low + 1 < size ? low + 1 : low},
                        {1 - (place - (double)low), place - (double)low}};
}

/* y = R x of the small x and the large y, or with is_adjoint x += R^T y. */
static void resample(const Op *op, Shape xs, Shape ys, double *x, double *y, bool is_adjoint)
{
    for (int64_t n = 0; n < ys.n; n++)
        for (int64_t h = 0; h < ys.h; h++)
            for (int64_t w = 0; w < ys.w; w++) {
                Neighbours row = find_neighbours(op, h, xs.h);
                Neighbours column = find_neighbours(op, w, xs.w);
                for (int corner = 0; corner < 4; corner++) {
                    double weight = row.weight[corner / 2] * column.weight[corner % 2];
                    double *px = x + at(xs, n, row.at[corner / 2], column.at[corner % 2]);
                    double *py = y + at(ys, n, h, w);
                    for (int64_t c = 0; c < xs.c && weight != 0; c++) {
                        if (is_adjoint)
                            px[c] += weight * py[c];
                        else
                            py[c] += weight * px[c];
                    }
                }
            }
}

static void run_resample(Call *call)
{
    resample(call->op, call->xs, call->ys, (double *)call->x[0], call->y, false);
}

static void run_resample_grad(Call *call)
{
    resample(call->op, call->ys, call->xs, call->y, (double *)call->x[0], true);
}

static void run_concat(Call *call)
{
    int64_t pixels = shape_count(call->ys) / call->ys.c, channel = 0;

    for (uint32_t k = 0; k < call->op->input_count; k++) {
        int64_t c = shape_of(call, k).c;
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t i = 0; i < c; i++)
                call->y[p * call->ys.c + channel + i] = call->x[k][p * c + i];
        channel += c;
    }
}

static void run_slice(Call *call)
{
    for (int64_t p = 0; p < shape_count(call->ys) / call->ys.c; p++)
        for (int64_t i = 0; i < call->ys.c; i++)
            call->y[p * call->ys.c + i] = call->x[0][p * call->xs.c + call->op->channel + i];
}

/* ---- losses: SnugLoss ------------------------------------------------------------------------ */

/* The Gaussian of a point at pixel (h, w) of its map. */
static double target(const SnugLoss *loss, const double *point, int64_t h, int64_t w)
{
    double x = (double)w - point[0] / (double)loss->stride;
    double y = (double)h - point[1] / (double)loss->stride;

    return exp(-(x * x + y * y) / (2 * pow((double)loss->sigma, 2)));
}

/* 1, or 11 where the target dilated by 3x3 exceeds 0.2. */
static double map_factor(const SnugLoss *loss, const double *point, Shape s, int64_t h, int64_t w)
{
    if (loss->kind != SNUG_LOSS_adaptive_wing || !loss->weighted)
        return 1;
    for (int64_t r = h - 1; r <= h + 1; r++)
        for (int64_t v = w - 1; v <= w + 1; v++)
            if (r >= 0 && r < s.h && v >= 0 && v < s.w && target(loss, point, r, v) > 0.2)
                return 11;
    return 1;
}

/* l(heat, t) and its derivative by heat. */
static double pixel_loss(const SnugLoss *loss, double heat, double t, double *derivative)
{
    double d = heat - t, sign = d < 0 ? -1 : 1;

    if (loss->kind != SNUG_LOSS_adaptive_wing) {
        *derivative = 2 * d;
        return d * d;
    }
    double omega = (double)loss->omega, theta = (double)loss->theta;
    double epsilon = (double)loss->epsilon, power = (double)loss->alpha - t;
    if (fabs(d) < theta) {
        double ratio = pow(fabs(d) / epsilon, power);
        *derivative = d == 0 ? 0 : sign * omega * power * ratio / fabs(d) / (1 + ratio);
        return omega * log(1 + ratio);
    }
    double limit = pow(theta / epsilon, power);
    double a = omega / (1 + limit) * power * pow(theta / epsilon, power - 1) / epsilon;
    *derivative = sign * a;
    return a * fabs(d) - (theta * a - omega * log(1 + limit));
}

/* Both directions: l[n, k], or dheat given dl[n, k]. */
static void run_heatmap(Call *call, const double *map_weight)
{
    const SnugLoss *loss = &call->op->loss;
    Shape s = call->xs;
    double area = (double)(s.h * s.w), derivative;

    for (int64_t n = 0; n < s.n; n++)
        for (int64_t k = 0; k < s.c; k++) {
            const double *point = call->x[1] + 3 * (n * s.c + k);
            for (int64_t h = 0; h < s.h; h++)
                for (int64_t w = 0; w < s.w; w++) {
                    int64_t i = at(s, n, h, w) + k;
                    double factor = map_factor(loss, point, s, h, w) / area;
                    double l =
                        pixel_loss(loss, call->x[0][i], target(loss, point, h, w), &derivative);
                    if (map_weight == NULL)
                        call->y[n * s.c + k] += factor * l;
                    else
                        call->y[i] = map_weight[n * s.c + k] * factor * derivative;
                }
        }
}

static void run_heatmap_loss(Call *call)
{
    run_heatmap(call, NULL);
}

static void run_heatmap_loss_grad(Call *call)
{
    run_heatmap(call, call->x[2]);
}

/* How many of an image's maps come before map k: those of larger weighted loss, or as large and
 * earlier. */
static int64_t rank_of(const double *map_loss, const double *points, int64_t count, int64_t k)
{
    double own = points[3 * k + 2] * map_loss[k];
    int64_t rank = 0;

    for (int64_t j = 0; j < count; j++) {
        double other = points[3 * j + 2] * map_loss[j];
        rank += other > own || (other == own && j < k);
    }
    return rank;
}

static void run_loss_combine(Call *call)
{
    const SnugLoss *loss = &call->op->loss;
    int64_t images = call->xs.w, count = call->xs.c;
    bool is_ohkm = loss->kind == SNUG_LOSS_ohkm;

    for (int64_t n = 0; n < images; n++) {
        const double *map_loss = call->x[0] + n * count, *points = call->x[1] + 3 * n * count;
        double image_weight = call->x[2][n], least_in = INFINITY, most_out = -INFINITY;
        for (int64_t k = 0; k < count; k++) {
            double weighted = points[3 * k + 2] * map_loss[k];
            bool is_in = !is_ohkm || rank_of(map_loss, points, count, k) < loss->top;
            double share = is_in ? image_weight / (double)(is_ohkm ? loss->top : count) : 0;
            call->y1[n * count + k] = share * points[3 * k + 2];
            call->y[SNUG_SCALAR_loss] +=
                share * weighted / call->in->scalars[SNUG_SCALAR_loss_scale];
            least_in = is_in ? fmin(least_in, weighted) : least_in;
            most_out = is_in ? most_out : fmax(most_out, weighted);
        }
        if (is_ohkm && !(least_in == 0 && most_out == 0)) /* both of weight 0: no matter */
            note_kink(call, least_in - most_out);
    }
}

/* The map smoothed, its highest pixel, one Newton step on the logarithm: runtime/host/decode.h. */
static double smoothed(const Call *call, int64_t n, int64_t k, int64_t h, int64_t w)
{
    double sigma = (double)call->op->loss.sigma, sum = 0, weights = 0;
    int64_t radius = (int64_t)fmin(ceil(3 * sigma), 24);

    for (int64_t j = -radius; j <= radius; j++)
        for (int64_t i = -radius; i <= radius; i++) {
            if (h + j < 0 || h + j >= call->xs.h || w + i < 0 || w + i >= call->xs.w)
                continue;
            double weight = exp(-0.5 * (double)(i * i + j * j) / (sigma * sigma));
            sum += weight * call->x[0][at(call->xs, n, h + j, w + i) + k];
            weights += weight;
        }
    return sum / weights;
}

static void newton_step(const Call *call, int64_t n, int64_t k, int64_t h, int64_t w, double *x,
                        double *y)
{
    double v[3][3];

    if (h < 1 || w < 1 || h > call->xs.h - 2 || w > call->xs.w - 2)
        return;
    for (int64_t j = 0; j < 3; j++)
        for (int64_t i = 0; i < 3; i++)
            v[j][i] = log(fmax(smoothed(call, n, k, h + j - 1, w + i - 1), 1e-10));
    double dx = (v[1][2] - v[1][0]) / 2, dy = (v[2][1] - v[0][1]) / 2;
    double dxx = v[1][2] - 2 * v[1][1] + v[1][0], dyy = v[2][1] - 2 * v[1][1] + v[0][1];
    double dxy = (v[2][2] - v[2][0] - v[0][2] + v[0][0]) / 4, det = dxx * dyy - dxy * dxy;
    if (!(det > 1e-12) || !(dxx < 0))
        return;
    *x += fmax(-1, fmin(1, -(dyy * dx - dxy * dy) / det));
    *y += fmax(-1, fmin(1, -(dxx * dy - dxy * dx) / det));
}

static void run_decode(Call *call)
{
    Shape s = call->xs;

    for (int64_t n = 0; n < s.n; n++)
        for (int64_t k = 0; k < s.c; k++) {
            double best = -INFINITY, highest = -INFINITY, *peak = call->y + 3 * (n * s.c + k);
            int64_t best_h = 0, best_w = 0;
            for (int64_t h = 0; h < s.h; h++)
                for (int64_t w = 0; w < s.w; w++) {
                    double value = smoothed(call, n, k, h, w);
                    highest = fmax(highest, call->x[0][at(s, n, h, w) + k]);
                    if (value <= best)
                        continue;
                    best = value, best_h = h, best_w = w;
                }
            double x = (double)best_w, y = (double)best_h;
            newton_step(call, n, k, best_h, best_w, &x, &y);
            peak[0] = x * (double)call->op->loss.stride;
            peak[1] = y * (double)call->op->loss.stride;
            peak[2] = highest;
        }
}

/* ---- all of them ----------------------------------------------------------------------------- */

typedef void OpFunction(Call *call);
static OpFunction *const functions[OP_COUNT] = {
    [OP_normalize] = run_normalize,
    [OP_conv] = run_conv,
    [OP_deconv] = run_transposed,
    [OP_bias] = run_bias,
    [OP_bn_stats] = run_bn_stats,
    [OP_bn_frozen] = run_bn_frozen,
    [OP_bn_apply] = run_bn_apply,
    [OP_relu] = run_relu,
    [OP_sigmoid] = run_sigmoid,
    [OP_scale] = run_scale,
    [OP_add] = run_add,
    [OP_max_pool] = run_max_pool,
    [OP_upsample] = run_resample,
    [OP_bilinear] = run_resample,
    [OP_concat] = run_concat,
    [OP_heatmap_loss] = run_heatmap_loss,
    [OP_loss_combine] = run_loss_combine,
    [OP_decode] = run_decode,
    [OP_conv_dgrad] = run_transposed,
    [OP_conv_wgrad] = run_conv_wgrad,
    [OP_channel_sum] = run_channel_sum,
    [OP_bn_grad_stats] = run_bn_grad_stats,
    [OP_bn_grad_apply] = run_bn_grad_apply,
    [OP_relu_grad] = run_relu_grad,
    [OP_sigmoid_grad] = run_sigmoid_grad,
    [OP_max_pool_grad] = run_max_pool_grad,
    [OP_upsample_grad] = run_resample_grad,
    [OP_bilinear_grad] = run_resample_grad,
    [OP_slice] = run_slice,
    [OP_heatmap_loss_grad] = run_heatmap_loss_grad,
};

enum { MAX_INPUTS = 256 };

static void run_op(Interpreter *in, const Op *op)
{
    const double *x[MAX_INPUTS];
    const Graph *graph = in->graph;
    double *y[3] = {0};

    if (op->input_count == 0)
        return;
    if (op->input_count > MAX_INPUTS || functions[op->kind] == NULL) {
        fprintf(stderr, "tests/model/interpreter.c cannot run %s\n", op_info[op->kind].name);
        abort();
    }
    for (uint32_t k = 0; k < op->input_count; k++)
        x[k] = in->values[op->inputs[k].i];
    for (uint32_t k = 0; k < op->output_count; k++) {
        const Value *value = &graph->values.items[op->outputs[k].i];
        y[k] = in->values[op->outputs[k].i];
        if (value->storage == STORAGE_arena)
            memset(y[k], 0, (size_t)shape_count(value->shape) * sizeof *y[k]);
    }
    functions[op->kind](&(Call){
        .in = in,
        .op = op,
        .x = x,
        .y = y[0],
        .y1 = y[1],
        .y2 = y[2],
        .xs = graph->values.items[op->inputs[0].i].shape,
        .ys = graph->values.items[op->outputs[0].i].shape,
    });
    for (uint32_t k = 0; in->rounds && k < op->output_count; k++) {
        int64_t count = shape_count(graph->values.items[op->outputs[k].i].shape);
        for (int64_t i = 0; i < count; i++)
            y[k][i] = (double)(float)y[k][i];
    }
}

void interpreter_round(Interpreter *in)
{
    in->rounds = true;
}

void interpreter_run(Interpreter *in)
{
    in->kink_distance = INFINITY;
    for (uint32_t o = 1; o < in->graph->ops.count; o++)
        run_op(in, &in->graph->ops.items[o]);
}

double interpreter_kink_distance(const Interpreter *in)
{
    return in->kink_distance;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static bool is_own(const Value *value)
{
    return value->storage == STORAGE_arena || value->storage == STORAGE_input;
}

Interpreter *interpreter_create(const Graph *graph, const Model *model)
{
    Interpreter *in = calloc(1, sizeof *in);

    if (in == NULL)
        abort();
    in->graph = graph;
    in->model = model;
    in->scalars[SNUG_SCALAR_loss_scale] = 1;
    in->values = calloc(graph->values.count, sizeof *in->values);
    in->params = calloc(model->params.count + 1, sizeof *in->params);
    in->gradients = calloc(model->params.count + 1, sizeof *in->gradients);
    if (in->values == NULL || in->params == NULL || in->gradients == NULL)
        abort();
    for (uint32_t p = 1; p < model->params.count; p++) {
        in->params[p] = new_array(shape_count(model->params.items[p].shape));
        in->gradients[p] = new_array(shape_count(model->params.items[p].shape));
    }
    for (uint32_t v = 1; v < graph->values.count; v++) {
        const Value *value = &graph->values.items[v];
        in->values[v] = value->storage == STORAGE_param     ? in->params[value->param.i]
                        : value->storage == STORAGE_grad    ? in->gradients[value->param.i]
                        : value->storage == STORAGE_scalars ? in->scalars
                                                            : new_array(shape_count(value->shape));
    }
    return in;
}

void interpreter_destroy(Interpreter *in)
{
    if (in == NULL)
        return;
    for (uint32_t v = 1; v < in->graph->values.count; v++)
        if (is_own(&in->graph->values.items[v]))
            free(in->values[v]);
    for (uint32_t p = 1; p < in->model->params.count; p++) {
        free(in->params[p]);
        free(in->gradients[p]);
    }
    free(in->values);
    free(in->params);
    free(in->gradients);
    free(in);
}

double *interpreter_param(Interpreter *in, ParamId param)
{
    return in->params[param.i];
}

double *interpreter_gradient(Interpreter *in, ParamId param)
{
    return in->gradients[param.i];
}

double *interpreter_value(Interpreter *in, ValueId value)
{
    return in->values[value.i];
}

double *interpreter_scalars(Interpreter *in)
{
    return in->scalars;
}
