/* Small kernels of the host device: batch norm's combines against formulas over whole tensors,
 * losses against loops and finite differences, the update against AdamW written out.
 */
#include "host_reference.h"

#include "runtime/host/decode.h"
#include "runtime/machine.h"

static void run_small(Bench *b, const HostLaunch *given, int32_t threads)
{
    b->kernel.args = b->args;
    b->kernel.output_arg = b->kernel.weight_arg = -1;
    int64_t bytes = snug_host_workspace(&b->kernel, threads);
    assert_true(bytes >= 0);
    HostKernel *k = host_kernel_create(&b->kernel, threads, false);
    assert_non_null(k);
    char *workspace = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64);
    memset(workspace, 0xff, (size_t)bytes);
    HostLaunch launch = given ? *given : (HostLaunch){0};
    launch.args = b->data;
    launch.workspace = workspace;
    assert_true(host_kernel_run(k, &launch));
    host_kernel_destroy(k);
    free(workspace);
}

static float *floats(const Bench *b, int32_t a)
{
    return b->data[a];
}

static void assert_near(double have, double want, double tolerance)
{
    if (!(fabs(have - want) <= tolerance * fmax(1.0, fabs(want))))
        print_error("%.9g, expected %.9g\n", have, want);
    assert_true(fabs(have - want) <= tolerance * fmax(1.0, fabs(want)));
}

/* ---- batch norm ------------------------------------------------------------------------------ */

enum { CHANNELS = 5, PARTIALS = 4, EACH = 30, COUNT = PARTIALS * EACH };

/* COUNT values a channel around a centre. */
static void make_values(Bench *b, double v[CHANNELS][COUNT], float centre)
{
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < COUNT; i++)
            v[c][i] = (double)(centre + bench_uniform(b) * (float)(c + 1));
}

static void test_bn_combine(void **state)
{
    (void)state;
    static double v[CHANNELS][COUNT];
    Bench b = {.random = 4};
    b.kernel.kind = SNUG_KERNEL_bn_combine;
    b.kernel.bn = (SnugBn){.eps = 1e-3f, .momentum = 0.1f, .count = COUNT};
    bench_arg(&b, SNUG_F32, (SnugShape){1, PARTIALS, 2, CHANNELS}, CHANNELS, 0.0f);
    for (int i = 0; i < 4; i++)
        bench_vector(&b, 1, CHANNELS, 1.5f);
    bench_vector(&b, 4, CHANNELS, 0.0f);
    make_values(&b, v, 50.0f);
    for (int p = 0; p < PARTIALS; p++)
        for (int c = 0; c < CHANNELS; c++) {
            double mean = 0, m2 = 0;
            for (int i = 0; i < EACH; i++)
                mean += v[c][p * EACH + i] / EACH;
            for (int i = 0; i < EACH; i++)
                m2 += pow(v[c][p * EACH + i] - mean, 2);
            floats(&b, 0)[(p * 2 + 0) * CHANNELS + c] = (float)mean;
            floats(&b, 0)[(p * 2 + 1) * CHANNELS + c] = (float)m2;
        }
    float old_mean[CHANNELS], old_var[CHANNELS];
    memcpy(old_mean, b.data[3], sizeof old_mean);
    memcpy(old_var, b.data[4], sizeof old_var);
    run_small(&b, NULL, 2);
    for (int c = 0; c < CHANNELS; c++) {
        double mean = 0, m2 = 0;
        for (int i = 0; i < COUNT; i++)
            mean += v[c][i] / COUNT;
        for (int i = 0; i < COUNT; i++)
            m2 += pow(v[c][i] - mean, 2);
        double rstd = 1.0 / sqrt(m2 / COUNT + 1e-3), scale = (double)floats(&b, 1)[c] * rstd;
        assert_near((double)floats(&b, 5)[c], mean, 1e-6);
        assert_near((double)floats(&b, 5)[CHANNELS + c], rstd, 1e-5);
        assert_near((double)floats(&b, 5)[2 * CHANNELS + c], scale, 1e-5);
        assert_near((double)floats(&b, 5)[3 * CHANNELS + c],
                    (double)floats(&b, 2)[c] - mean * scale, 1e-5);
        assert_near((double)floats(&b, 3)[c], 0.9 * (double)old_mean[c] + 0.1 * mean, 1e-6);
        assert_near((double)floats(&b, 4)[c], 0.9 * (double)old_var[c] + 0.1 * m2 / (COUNT - 1),
                    1e-6);
    }
    /* a NaN must not stay in the running statistics */
    memcpy(old_mean, b.data[3], sizeof old_mean);
    floats(&b, 0)[1] = NAN;
    run_small(&b, NULL, 2);
    assert_true(floats(&b, 3)[1] == old_mean[1]);
    assert_true(floats(&b, 3)[0] != old_mean[0]);
    assert_true(isnan(floats(&b, 5)[1]));
    bench_free(&b);
}

static void test_bn_frozen(void **state)
{
    (void)state;
    Bench b = {.random = 8};
    b.kernel.kind = SNUG_KERNEL_bn_frozen;
    b.kernel.bn.eps = 1e-5f;
    for (int i = 0; i < 4; i++)
        bench_vector(&b, 1, 29, 2.0f);
    bench_vector(&b, 4, 29, 0.0f);
    run_small(&b, NULL, 1);
    for (int c = 0; c < 29; c++) {
        double rstd = 1.0 / sqrt((double)floats(&b, 3)[c] + 1e-5);
        double scale = (double)floats(&b, 0)[c] * rstd;
        assert_near((double)floats(&b, 4)[c], (double)floats(&b, 2)[c], 0.0);
        assert_near((double)floats(&b, 4)[29 + c], rstd, 1e-6);
        assert_near((double)floats(&b, 4)[58 + c], scale, 1e-6);
        assert_near((double)floats(&b, 4)[87 + c],
                    (double)floats(&b, 1)[c] - (double)floats(&b, 2)[c] * scale, 1e-6);
    }
    bench_free(&b);
}

/* dz of sum(g bn(z)) by finite differences in double against A g + B z + C. */
static void test_bn_grad_combine(void **state)
{
    (void)state;
    static double z[CHANNELS][COUNT], g[CHANNELS][COUNT];
    for (int frozen = 0; frozen < 2; frozen++) {
        Bench b = {.random = 6};
        b.kernel.kind = SNUG_KERNEL_bn_grad_combine;
        b.kernel.bn = (SnugBn){.eps = 1e-5f, .count = COUNT, .frozen = frozen};
        bench_arg(&b, SNUG_F32, (SnugShape){1, PARTIALS, 2, CHANNELS}, CHANNELS, 0.0f);
        bench_vector(&b, 4, CHANNELS, 0.0f);
        for (int i = 0; i < 3; i++)
            bench_vector(&b, 1, CHANNELS, 1.2f);
        bench_vector(&b, 3, CHANNELS, 0.0f);
        make_values(&b, z, 2.0f);
        make_values(&b, g, 0.1f);
        memset(b.data[0], 0, PARTIALS * 2 * CHANNELS * sizeof(float));
        float dgamma[CHANNELS], dbeta[CHANNELS];
        memcpy(dgamma, b.data[3], sizeof dgamma);
        memcpy(dbeta, b.data[4], sizeof dbeta);
        double mean[CHANNELS] = {0}, var[CHANNELS] = {0};
        for (int c = 0; c < CHANNELS; c++) {
            for (int i = 0; i < COUNT; i++)
                mean[c] += z[c][i] / COUNT;
            for (int i = 0; i < COUNT; i++)
                var[c] += pow(z[c][i] - mean[c], 2) / COUNT;
            double rstd = 1.0 / sqrt(var[c] + 1e-5);
            floats(&b, 1)[c] = (float)mean[c];
            floats(&b, 1)[CHANNELS + c] = (float)rstd;
            floats(&b, 1)[2 * CHANNELS + c] = (float)((double)floats(&b, 2)[c] * rstd);
            for (int i = 0; i < COUNT; i++) {
                float *row = floats(&b, 0) + i / EACH * 2 * CHANNELS + c;
                row[0] += (float)g[c][i];
                row[CHANNELS] += (float)(g[c][i] * (z[c][i] - mean[c]) * rstd);
                dgamma[c] += (float)(g[c][i] * (z[c][i] - mean[c]) * rstd);
                dbeta[c] += (float)g[c][i];
            }
        }
        run_small(&b, NULL, 1);
        for (int c = 0; c < CHANNELS; c++) {
            double gamma = (double)floats(&b, 2)[c], rstd = 1.0 / sqrt(var[c] + 1e-5);
            const float *abc = floats(&b, 5) + c;
            assert_near((double)floats(&b, 3)[c], (double)dgamma[c], 1e-4);
            assert_near((double)floats(&b, 4)[c], (double)dbeta[c], 1e-4);
            for (int i = 0; i < COUNT; i += 17) {
                double slope = 0, step = 1e-4;
                for (int sign = -1; sign <= 1; sign += 2) {
                    double m = mean[c] + sign * step / COUNT, v = 0, loss = 0;
                    for (int j = 0; j < COUNT; j++)
                        v += pow(z[c][j] + (j == i ? sign * step : 0) - m, 2) / COUNT;
                    for (int j = 0; j < COUNT; j++)
                        loss += g[c][j] * gamma * (z[c][j] + (j == i ? sign * step : 0) - m)
                                / sqrt(v + 1e-5);
                    slope += sign * loss / (2 * step);
                }
                if (frozen)
                    slope = g[c][i] * gamma * rstd;
                assert_near((double)abc[0] * g[c][i] + (double)abc[CHANNELS] * z[c][i]
                                + (double)abc[2 * CHANNELS],
                            slope, 1e-4);
            }
        }
        bench_free(&b);
    }
}

static void test_sum_combine(void **state)
{
    (void)state;
    Bench b = {.random = 2};
    b.kernel.kind = SNUG_KERNEL_sum_combine;
    bench_arg(&b, SNUG_F32, (SnugShape){1, 7, 1, 29}, 29, 0.0f);
    bench_vector(&b, 1, 29, 0.0f);
    float want[29];
    memcpy(want, b.data[1], sizeof want);
    for (int p = 0; p < 7; p++)
        for (int c = 0; c < 29; c++)
            want[c] += floats(&b, 0)[p * 29 + c];
    run_small(&b, NULL, 1);
    for (int c = 0; c < 29; c++)
        assert_near((double)floats(&b, 1)[c], (double)want[c], 1e-6);
    bench_free(&b);
}

/* ---- losses ---------------------------------------------------------------------------------- */

enum { N = 2, H = 12, W = 9, K = 29 };

static double target(const SnugLoss *loss, const float *point, int h, int w)
{
    double dx = w - (double)point[0] / (double)loss->stride;
    double dy = h - (double)point[1] / (double)loss->stride;
    return exp(-(dx * dx + dy * dy) / (2.0 * (double)loss->sigma * (double)loss->sigma));
}

static double wing(const SnugLoss *k, double heat, double t, double dilated)
{
    double size = fabs(heat - t), power = (double)k->alpha - t;
    double theta = (double)k->theta, omega = (double)k->omega, epsilon = (double)k->epsilon;
    double weight = k->weighted && dilated > 0.2 ? 11.0 : 1.0;
    if (size < theta)
        return weight * omega * log(1 + pow(size / epsilon, power));
    double a = omega / (1 + pow(theta / epsilon, power)) * power * pow(theta / epsilon, power - 1)
               / epsilon;
    double c = theta * a - omega * log(1 + pow(theta / epsilon, power));
    return weight * (a * size - c);
}

static double map_loss(const SnugLoss *loss, const float *heat, const float *point, int n, int k)
{
    double sum = 0;
    for (int h = 0; h < H; h++)
        for (int w = 0; w < W; w++) {
            double x = (double)heat[((n * H + h) * W + w) * K + k], t = target(loss, point, h, w);
            double dilated = 0;
            for (int i = h - 1; i <= h + 1; i++)
                for (int j = w - 1; j <= w + 1; j++)
                    if (i >= 0 && i < H && j >= 0 && j < W)
                        dilated = fmax(dilated, target(loss, point, i, j));
            if (loss->kind == SNUG_LOSS_adaptive_wing)
                sum += wing(loss, x, t, dilated);
            else
                sum += (x - t) * (x - t);
        }
    return sum / (H * W);
}

static void image_points(Bench *b, int32_t arg, const SnugLoss *loss)
{
    for (int i = 0; i < N * K; i++) {
        float *point = floats(b, arg) + 3 * i;
        point[0] = fabsf(bench_uniform(b)) * W * loss->stride;
        point[1] = fabsf(bench_uniform(b)) * H * loss->stride;
        point[2] = i % 7 == 3 ? 0.0f : 1.0f;
        if (point[2] == 0.0f)
            point[0] = NAN; /* a missing point may be anything */
    }
}

/* Total loss of all images from map losses, as SnugLoss says. */
static double total_loss(const SnugLoss *loss, const float *heat, const float *points,
                         const float *image_weights, double scale)
{
    double total = 0;
    for (int n = 0; n < N; n++) {
        double maps[K], image = 0;
        for (int k = 0; k < K; k++) {
            const float *point = points + (n * K + k) * 3;
            maps[k] = point[2] != 0.0f ? map_loss(loss, heat, point, n, k) : 0.0;
        }
        if (loss->kind == SNUG_LOSS_ohkm) {
            for (int t = 0; t < loss->top; t++) {
                int best = 0;
                for (int k = 1; k < K; k++)
                    best = maps[k] > maps[best] ? k : best;
                image += maps[best] / loss->top;
                maps[best] = -1;
            }
        } else {
            for (int k = 0; k < K; k++)
                image += maps[k] / K;
        }
        total += (double)image_weights[n] / scale * image;
    }
    return total;
}

static void test_losses(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int pitch = K; pitch <= K + 3; pitch += 3) {
            SnugLoss loss = {.sigma = 1.7f,
                             .stride = 4.0f,
                             .omega = 14,
                             .theta = 0.5f,
                             .epsilon = 1,
                             .alpha = 2.1f,
                             .weighted = kind == 3,
                             .top = 8};
            loss.kind = kind == 0   ? SNUG_LOSS_mse
                        : kind == 1 ? SNUG_LOSS_ohkm
                                    : SNUG_LOSS_adaptive_wing;
            Bench b = {.random = (uint32_t)kind + 21};
            SnugShape heat = {N, H, W, K};
            b.kernel.loss = loss;
            b.kernel.kind = SNUG_KERNEL_heatmap_loss;
            bench_arg(&b, SNUG_F32, heat, K, 0.0f);
            bench_arg(&b, SNUG_F32, (SnugShape){1, N, K, 3}, 3, 0.0f);
            bench_arg(&b, SNUG_F32, (SnugShape){1, 1, N, K}, K, 0.0f);
            image_points(&b, 1, &loss);
            run_small(&b, NULL, 2);

            Bench c = {.random = 1}; /* map_loss, points, image weights, scalars -> map weight */
            c.kernel.loss = loss;
            c.kernel.kind = SNUG_KERNEL_loss_combine;
            bench_arg(&c, SNUG_F32, b.args[2].shape, K, 0.0f);
            memcpy(c.data[0], b.data[2], N * K * sizeof(float));
            bench_arg(&c, SNUG_F32, b.args[1].shape, 3, 0.0f);
            memcpy(c.data[1], b.data[1], 3 * N * K * sizeof(float));
            bench_vector(&c, 1, N, 3.0f);
            bench_vector(&c, 1, SNUG_SCALAR_COUNT, 0.0f);
            floats(&c, 3)[SNUG_SCALAR_loss_scale] = 8.0f;
            floats(&c, 3)[SNUG_SCALAR_loss] = 0.25f;
            bench_arg(&c, SNUG_F32, b.args[2].shape, K, 0.0f);
            run_small(&c, NULL, 1);
            double want = total_loss(&loss, floats(&b, 0), floats(&b, 1), floats(&c, 2), 8.0);
            assert_near((double)floats(&c, 3)[SNUG_SCALAR_loss] - 0.25, want, 2e-5);

            Bench d = {.random = 1}; /* heat, points, map weight -> d heat */
            d.kernel.loss = loss;
            d.kernel.kind = SNUG_KERNEL_heatmap_loss_grad;
            bench_arg(&d, SNUG_F32, heat, K, 0.0f);
            memcpy(d.data[0], b.data[0], (size_t)N * H * W * K * sizeof(float));
            bench_arg(&d, SNUG_F32, b.args[1].shape, 3, 0.0f);
            memcpy(d.data[1], b.data[1], 3 * N * K * sizeof(float));
            bench_arg(&d, SNUG_F32, b.args[2].shape, K, 0.0f);
            memcpy(d.data[2], c.data[4], N * K * sizeof(float));
            bench_arg(&d, SNUG_F32, heat, pitch, 0.0f);
            run_small(&d, NULL, 2);
            for (int i = 0; i < N * H * W * K; i += 97) {
                float *x = floats(&b, 0) + i, old = *x;
                double step = 1e-3, slope = 0;
                *x = old + (float)step;
                double up = (double)*x;
                slope += total_loss(&loss, floats(&b, 0), floats(&b, 1), floats(&c, 2), 1.0);
                *x = old - (float)step;
                slope -= total_loss(&loss, floats(&b, 0), floats(&b, 1), floats(&c, 2), 1.0);
                slope /= up - (double)*x;
                *x = old;
                double have = (double)floats(&d, 3)[i / K * pitch + i % K];
                assert_true(fabs(have - slope) < 2e-3 * fmax(fabs(slope), 5e-3));
            }
            for (int i = 0; i < N * H * W; i++)
                for (int k = K; k < pitch; k++)
                    assert_true(floats(&d, 3)[i * pitch + k] == 0.0f);
            bench_free(&b);
            bench_free(&c);
            bench_free(&d);
        }
}

/* ---- update ---------------------------------------------------------------------------------- */

enum { LONG = 3000, SHORT = 37 };

/* One allocation: weight, grad, m, v, ema of two parameters; a running mean and its EMA. */
typedef struct Store {
    float long_[5][LONG], short_[5][SHORT], running[2][SHORT];
} Store;

static int64_t offset_in(const Store *store, const float *array)
{
    return (const char *)array - (const char *)store;
}

static SnugParam param_of(const Store *s, const float *first, int32_t count, int decay)
{
    int64_t stride = count * (int64_t)sizeof(float), at = offset_in(s, first);
    return (SnugParam){.shape = {1, 1, 1, count},
                       .weight = at,
                       .grad = at + stride,
                       .m = at + 2 * stride,
                       .v = at + 3 * stride,
                       .ema = at + 4 * stride,
                       .decay = decay};
}

static void fill_store(Store *s, float gradient)
{
    Bench b = {.random = 9};
    float *all = (float *)s;
    for (size_t i = 0; i < sizeof *s / sizeof(float); i++)
        all[i] = bench_uniform(&b);
    for (int i = 0; i < LONG; i++)
        s->long_[1][i] *= gradient, s->long_[3][i] = fabsf(s->long_[3][i]);
    for (int i = 0; i < SHORT; i++)
        s->short_[1][i] *= gradient, s->short_[3][i] = fabsf(s->short_[3][i]);
}

/* Runs norm and update on s with scalars; both in the program's way. */
static void update(Store *s, float *scalars, int32_t threads)
{
    SnugParam params[3] = {param_of(s, s->long_[0], LONG, 1),
                           param_of(s, s->short_[0], SHORT, 0),
                           {.shape = {1, 1, 1, SHORT},
                            .weight = offset_in(s, s->running[0]),
                            .grad = -1,
                            .m = -1,
                            .v = -1,
                            .ema = offset_in(s, s->running[1])}};
    SnugProgram program = {.params = params, .param_count = 3};
    HostLaunch launch = {.program = &program, .base = (char *)s};
    for (int kind = 0; kind < 2; kind++) {
        Bench b = {.random = 1};
        b.kernel.kind = kind ? SNUG_KERNEL_adamw : SNUG_KERNEL_grad_norm;
        bench_vector(&b, 1, SNUG_SCALAR_COUNT, 0.0f);
        memcpy(b.data[0], scalars, SNUG_SCALAR_COUNT * sizeof(float));
        run_small(&b, &launch, threads);
        memcpy(scalars, b.data[0], SNUG_SCALAR_COUNT * sizeof(float));
        bench_free(&b);
    }
}

static void set_scalars(float *s)
{
    memset(s, 0, SNUG_SCALAR_COUNT * sizeof *s);
    s[SNUG_SCALAR_loss_scale] = 16.0f;
    s[SNUG_SCALAR_lr] = 0.01f;
    s[SNUG_SCALAR_beta1] = 0.9f;
    s[SNUG_SCALAR_beta2] = 0.99f;
    s[SNUG_SCALAR_eps] = 1e-8f;
    s[SNUG_SCALAR_weight_decay] = 0.1f;
    s[SNUG_SCALAR_correction1] = 1.0f - 0.9f * 0.9f * 0.9f;
    s[SNUG_SCALAR_correction2] = 1.0f - 0.99f * 0.99f * 0.99f;
    s[SNUG_SCALAR_clip] = 1.0f;
    s[SNUG_SCALAR_ema_decay] = 0.98f;
}

static void check_param(float (*before)[LONG], const float *after, int count, int stride,
                        const float *scalars, double factor, double decay)
{
    const float *old = &before[0][0];
    double c1 = (double)scalars[SNUG_SCALAR_correction1];
    double c2 = (double)scalars[SNUG_SCALAR_correction2];
    for (int i = 0; i < count; i++) {
        double w = (double)old[i], g = (double)old[stride + i] * factor;
        double m = 0.9 * (double)old[2 * stride + i] + 0.1 * g;
        double v = 0.99 * (double)old[3 * stride + i] + 0.01 * g * g;
        w -= 0.01 * decay * w;
        w -= 0.01 * (m / c1) / (sqrt(v / c2) + 1e-8);
        assert_near((double)after[i], w, 2e-6);
        assert_true(after[stride + i] == 0.0f);
        assert_near((double)after[2 * stride + i], m, 1e-6);
        assert_near((double)after[3 * stride + i], v, 1e-6);
        assert_near((double)after[4 * stride + i], 0.98 * (double)old[4 * stride + i] + 0.02 * w,
                    1e-6);
    }
}

static void test_update(void **state)
{
    (void)state;
    static Store store, before, other;
    for (int large = 0; large < 2; large++) { /* clipped, and not */
        float scalars[SNUG_SCALAR_COUNT];
        fill_store(&store, large ? 50.0f : 0.01f);
        before = other = store;
        set_scalars(scalars);
        double square = 0;
        for (int i = 0; i < LONG; i++)
            square += pow((double)store.long_[1][i], 2);
        for (int i = 0; i < SHORT; i++)
            square += pow((double)store.short_[1][i], 2);
        double norm = sqrt(square) / 16.0, clip = fmin(1.0, 1.0 / (norm + 1e-6));
        assert_int_equal(clip < 1.0, large);
        update(&store, scalars, 2);
        assert_near((double)scalars[SNUG_SCALAR_grad_norm], norm, 1e-6);
        assert_true(scalars[SNUG_SCALAR_finite] == 1.0f);
        check_param(before.long_, store.long_[0], LONG, LONG, scalars, clip / 16.0, 0.1);
        check_param((float(*)[LONG])(void *)before.short_, store.short_[0], SHORT, SHORT, scalars,
                    clip / 16.0, 0.0);
        for (int i = 0; i < SHORT; i++) {
            assert_true(store.running[0][i] == before.running[0][i]);
            assert_near((double)store.running[1][i],
                        0.98 * (double)before.running[1][i] + 0.02 * (double)before.running[0][i],
                        1e-6);
        }
        set_scalars(scalars);
        update(&other, scalars, 2);
        assert_memory_equal(&store, &other, sizeof store); /* twice, the same bits */
    }
}

/* A gradient that is not finite: nothing moves, gradients are zero, finite says so. */
static void test_overflow(void **state)
{
    (void)state;
    static Store store, before;
    const float bad[2] = {INFINITY, NAN};
    for (int k = 0; k < 2; k++) {
        float scalars[SNUG_SCALAR_COUNT];
        fill_store(&store, 1.0f);
        store.short_[1][SHORT - 1] = bad[k];
        before = store;
        set_scalars(scalars);
        update(&store, scalars, 2);
        assert_true(scalars[SNUG_SCALAR_finite] == 0.0f);
        memset(before.long_[1], 0, sizeof before.long_[1]);
        memset(before.short_[1], 0, sizeof before.short_[1]);
        assert_memory_equal(&store, &before, sizeof store);
    }
}

/* Each map as decode_map has it, in input pixels, however many threads; padded heat maps. */
static void test_decode(void **state)
{
    enum { HEIGHT = 12, WIDTH = 20, MAPS = 5, PITCH = 8 };
    float scratch[2 * HEIGHT * WIDTH];
    (void)state;

    for (int32_t threads = 1; threads <= 12; threads += 11) {
        Bench b = {.random = 5};
        b.kernel.kind = SNUG_KERNEL_decode;
        b.kernel.loss = (SnugLoss){.sigma = 1.5f, .stride = 4};
        bench_arg(&b, SNUG_F32, (SnugShape){2, HEIGHT, WIDTH, MAPS}, PITCH, 0.5f);
        bench_arg(&b, SNUG_F32, (SnugShape){1, 2, MAPS, 3}, 3, 0.0f);
        run_small(&b, NULL, threads);
        for (int32_t map = 0; map < 2 * MAPS; map++) {
            const float *heat = floats(&b, 0) + map / MAPS * HEIGHT * WIDTH * PITCH + map % MAPS;
            Peak peak = decode_map(heat, PITCH, HEIGHT, WIDTH, 1.5f, scratch);
            assert_true(floats(&b, 1)[3 * map] == 4 * peak.x);
            assert_true(floats(&b, 1)[3 * map + 1] == 4 * peak.y);
            assert_true(floats(&b, 1)[3 * map + 2] == peak.confidence);
        }
        bench_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bn_combine),      cmocka_unit_test(test_bn_frozen),
        cmocka_unit_test(test_bn_grad_combine), cmocka_unit_test(test_sum_combine),
        cmocka_unit_test(test_losses),          cmocka_unit_test(test_decode),
        cmocka_unit_test(test_update),          cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
