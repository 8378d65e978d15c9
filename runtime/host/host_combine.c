/* Partial sums -> the vectors of batch norms and biases. Tiny kernels, in double, one thread,
 * partials in order.
 *
 * Moments are combined as Chan, Golub and LeVeque do (1979): with the partials' counts equal, the
 * mean is that of the means, and M2 = sum of M2_p + count_p * sum of (mean_p - mean)^2.
 */
#include "host.h"

#include <math.h>

static const float *row_of(const SnugArg *arg, const void *data, int64_t partial, int64_t row)
{
    return (const float *)data + (partial * arg->shape.w + row) * arg->pitch;
}

static float *vector_row(const SnugArg *arg, void *data, int64_t row)
{
    return (float *)data + row * arg->pitch;
}

static void bn_combine(const SnugKernel *kernel, void *const *args)
{
    const SnugArg *partials = &kernel->args[0], *stats = &kernel->args[5];
    const float *gamma = args[1], *beta = args[2];
    float *running_mean = args[3], *running_var = args[4];
    double count = (double)kernel->bn.count, momentum = (double)kernel->bn.momentum;
    double each = count / partials->shape.h;
    for (int32_t c = 0; c < partials->shape.c; c++) {
        double mean = 0.0, m2 = 0.0;
        for (int32_t p = 0; p < partials->shape.h; p++)
            mean += (double)row_of(partials, args[0], p, 0)[c];
        mean /= partials->shape.h;
        for (int32_t p = 0; p < partials->shape.h; p++) {
            double away = (double)row_of(partials, args[0], p, 0)[c] - mean;
            m2 += (double)row_of(partials, args[0], p, 1)[c] + each * away * away;
        }
        double rstd = 1.0 / sqrt(m2 / count + (double)kernel->bn.eps);
        double scale = (double)gamma[c] * rstd;
        vector_row(stats, args[5], 0)[c] = (float)mean;
        vector_row(stats, args[5], 1)[c] = (float)rstd;
        vector_row(stats, args[5], 2)[c] = (float)scale;
        vector_row(stats, args[5], 3)[c] = (float)((double)beta[c] - mean * scale);
        double unbiased = count > 1.0 ? m2 / (count - 1.0) : m2;
        if (isfinite(mean) && isfinite(unbiased)) {
            running_mean[c] = (float)((1.0 - momentum) * (double)running_mean[c] + momentum * mean);
            running_var[c] =
                (float)((1.0 - momentum) * (double)running_var[c] + momentum * unbiased);
        }
    }
}

static void bn_frozen(const SnugKernel *kernel, void *const *args)
{
    const SnugArg *stats = &kernel->args[4];
    const float *gamma = args[0], *beta = args[1], *mean = args[2], *var = args[3];
    for (int32_t c = 0; c < stats->shape.c; c++) {
        double rstd = 1.0 / sqrt((double)var[c] + (double)kernel->bn.eps);
        double scale = (double)gamma[c] * rstd;
        vector_row(stats, args[4], 0)[c] = mean[c];
        vector_row(stats, args[4], 1)[c] = (float)rstd;
        vector_row(stats, args[4], 2)[c] = (float)scale;
        vector_row(stats, args[4], 3)[c] = (float)((double)beta[c] - (double)mean[c] * scale);
    }
}

/* With x^ = (z - mean) rstd and N elements:
 *   dz = gamma rstd (g - sum(g) / N - x^ sum(g x^) / N) = A g + B z + C */
static void bn_grad_combine(const SnugKernel *kernel, void *const *args)
{
    const SnugArg *partials = &kernel->args[0], *stats = &kernel->args[1];
    const SnugArg *out = &kernel->args[5];
    const float *gamma = args[2];
    float *dgamma = args[3], *dbeta = args[4];
    double count = (double)kernel->bn.count;
    for (int32_t c = 0; c < partials->shape.c; c++) {
        double sum = 0.0, product = 0.0;
        for (int32_t p = 0; p < partials->shape.h; p++) {
            sum += (double)row_of(partials, args[0], p, 0)[c];
            product += (double)row_of(partials, args[0], p, 1)[c];
        }
        double mean = (double)row_of(stats, args[1], 0, 0)[c];
        double rstd = (double)row_of(stats, args[1], 0, 1)[c];
        double a = (double)gamma[c] * rstd;
        double b = -a * rstd * product / count;
        double shift = -a * sum / count - b * mean;
        if (kernel->bn.frozen) {
            a = (double)row_of(stats, args[1], 0, 2)[c];
            b = shift = 0.0;
        }
        vector_row(out, args[5], 0)[c] = (float)a;
        vector_row(out, args[5], 1)[c] = (float)b;
        vector_row(out, args[5], 2)[c] = (float)shift;
        dgamma[c] += (float)product;
        dbeta[c] += (float)sum;
    }
}

static void sum_combine(const SnugKernel *kernel, void *const *args)
{
    const SnugArg *partials = &kernel->args[0];
    float *out = args[1];
    for (int32_t c = 0; c < partials->shape.c; c++) {
        double sum = 0.0;
        for (int32_t p = 0; p < partials->shape.h; p++)
            sum += (double)row_of(partials, args[0], p, 0)[c];
        out[c] += (float)sum;
    }
}

void host_combine_run(const SnugKernel *kernel, void *const *args)
{
    switch (kernel->kind) {
    case SNUG_KERNEL_bn_combine: bn_combine(kernel, args); break;
    case SNUG_KERNEL_bn_frozen: bn_frozen(kernel, args); break;
    case SNUG_KERNEL_bn_grad_combine: bn_grad_combine(kernel, args); break;
    case SNUG_KERNEL_sum_combine: sum_combine(kernel, args); break;
    default: break; /* no other kind is valid: host_combine_is_valid */
    }
}

/* A tensor of f32 vectors: {.., rows, channels}. */
static bool rows_are(const SnugArg *arg, int32_t rows, int32_t channels)
{
    return arg->type == SNUG_F32 && arg->shape.w == rows && arg->shape.c == channels
           && arg->pitch >= channels;
}

bool host_combine_is_valid(const SnugKernel *kernel)
{
    static const int32_t expected[SNUG_KERNEL_KIND_COUNT][SNUG_MAX_FIXED_ARGS + 1] = {
#define READ(name, rows) rows,
#define WRITE            READ
#define ADD              READ
#define KERNEL(name, result, in0, in1, with, host, card, args, meaning)                            \
    [SNUG_KERNEL_##name] = {args 0},
#include "runtime/kernels.def"
#undef KERNEL
#undef READ
#undef WRITE
#undef ADD
    };
    const int32_t *rows = expected[kernel->kind];
    int32_t count = 0;
    while (rows[count] > 0)
        count++;
    if (kernel->arg_count != count)
        return false;
    for (int32_t i = 0; i < kernel->arg_count; i++)
        if (!rows_are(&kernel->args[i], rows[i], kernel->args[0].shape.c))
            return false;
    return kernel->kind == SNUG_KERNEL_sum_combine || kernel->kind == SNUG_KERNEL_bn_frozen
           || (kernel->bn.count > 0 && kernel->bn.count % kernel->args[0].shape.h == 0);
}
