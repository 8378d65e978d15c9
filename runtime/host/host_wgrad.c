/* The weight gradient of a convolution.
 *
 * Each thread takes a contiguous share of the strips of y, with the rows of x that they see, and
 * sums the library's gradient of each strip in the library's own layout; the threads' sums are then
 * added to the gradient in order of the threads, each thread doing a part of it. So a result
 * depends on the number of threads, and on nothing else.
 */
#include "host.h"
#include "runtime/machine.h"

#include <stdatomic.h>
#include <string.h>

static bool is_gradient_arg(const SnugKernel *kernel)
{
    int32_t arg = kernel->output_arg;
    if (arg < 0 || arg >= kernel->arg_count)
        return false;
    const SnugArg *out = &kernel->args[arg];
    const SnugWindow *w = &kernel->window;
    return out->type == SNUG_F32 && out->pitch == w->x.c && out->shape.n == w->y.c
           && out->shape.h == w->kernel && out->shape.w == w->kernel && out->shape.c == w->x.c;
}

/* Whether some column of the window lies outside the picture wherever the window is. */
static bool has_column_outside(const SnugWindow *w)
{
    for (int32_t s = 0; s < w->kernel; s++) {
        bool is_seen = false;
        for (int32_t v = 0; v < w->y.w && !is_seen; v++)
            is_seen = v * w->stride + s - w->pad >= 0 && v * w->stride + s - w->pad < w->x.w;
        if (!is_seen)
            return true;
    }
    return false;
}

static bool prepare_outer(HostKernel *k)
{
    const SnugWindow *w = &k->kernel->window;
    HostStrips *s = &k->strips;
    k->outer = host_outer(w);
    int64_t x_row = k->outer.x_row * 2, y_row = k->outer.y_row * 2;
    int64_t weights = (int64_t)w->y.c * w->kernel * w->kernel * w->x.c;
    k->by_channels = weights * 8 > w->x.n * (w->x.h * x_row / 2 + w->y.h * y_row);
    double halo = 0.2 + (w->kernel > w->stride ? 0.1 * (w->kernel - w->stride) : 0.0);
    s->rows = host_choose_rows(w->y, 0, 1, halo, y_row + x_row * w->stride,
                               k->by_channels ? 1 : k->threads);
    s->strips_per_image = (w->y.h + s->rows - 1) / s->rows;
    s->x_tile = host_carve(&k->each, (int64_t)w->x.w * w->x.c * 2);
    s->y_tile = host_carve(&k->each, (int64_t)w->y.w * w->y.c * 2);
    k->x_pairs = host_carve(&k->each, ((s->rows - 1) * (int64_t)w->stride + w->kernel) * x_row);
    k->y_pairs = host_carve(&k->each, s->rows * y_row);
    k->gradient_bytes = weights * (int64_t)sizeof(float);
    if (!k->by_channels)
        k->gradient = host_carve(&k->each, k->gradient_bytes);
    return true;
}

static bool prepare_library(HostKernel *k, bool dry)
{
    const SnugWindow *w = &k->kernel->window;
    HostStrips *s = &k->strips;
    int64_t element = host_type_bytes(k->compute);
    int64_t x_row = (int64_t)w->x.w * w->x.c * element, y_row = (int64_t)w->y.w * w->y.c * element;
    double halo = 0.3 + (w->kernel > w->stride ? 0.15 * (w->kernel - w->stride) : 0.0);
    /* adding up the gradient of a strip costs about as much as so many rows */
    halo += (double)w->kernel * w->kernel * w->x.c * w->y.c / (16.0 * w->y.w * (w->x.c + w->y.c));
    s->rows = host_choose_rows(w->y, 0, 1, halo, y_row + x_row * w->stride, k->threads);
    s->strips_per_image = (w->y.h + s->rows - 1) / s->rows;

    HostConvShape shape = host_conv_shape(k, HOST_WGRAD, s->rows);
    k->conv = host_conv_create(&shape, k->threads, dry);
    if (k->conv == NULL)
        return false;
    s->x_tile = host_carve(&k->each, shape.x_rows * x_row);
    s->y_tile = host_carve(&k->each, s->rows * y_row);
    s->extra = host_carve(&k->each, host_conv_scratch_bytes(k->conv));
    k->gradient_bytes = host_conv_weight_bytes(k->conv);
    k->gradient = host_carve(&k->each, k->gradient_bytes);
    k->packed = host_carve(&k->each, k->gradient_bytes); /* of one strip */
    return true;
}

bool host_wgrad_create(HostKernel *k, bool dry)
{
    const SnugKernel *kernel = k->kernel;
    const SnugWindow *w = &kernel->window;
    HostStrips *s = &k->strips;
    *s = (HostStrips){.domain = w->y, .x_tile = -1, .y_tile = -1};
    if (!host_window_is_valid(w) || !is_gradient_arg(kernel)
        || !host_code_create(&k->in[0], &kernel->in[0], kernel->args, kernel->arg_count, w->x, NULL,
                             0)
        || !host_code_create(&k->in[1], &kernel->in[1], kernel->args, kernel->arg_count, w->y, NULL,
                             0))
        return false;
    k->compute = host_compute_type(kernel);
    for (int32_t i = 0; i < 2; i++)
        s->code_memory[i] = host_carve(&k->each, host_code_bytes(&k->in[i]));
    k->is_outer = k->compute == SNUG_BF16 && snug_host_has_bf16();
    return k->is_outer ? prepare_outer(k) : prepare_library(k, dry);
}

/* Strips [begin, end) onto output channels [first, last) of `gradient`. */
static void outer_share(HostThread *thread, int64_t begin, int64_t end, int64_t first, int64_t last,
                        float *gradient)
{
    const HostKernel *k = thread->k;
    const HostStrips *s = &k->strips;
    const SnugWindow *w = &k->kernel->window;
    uint16_t *x = (uint16_t *)(void *)(thread->memory + k->x_pairs);
    uint16_t *dy = (uint16_t *)(void *)(thread->memory + k->y_pairs);
    for (int64_t strip = begin; strip < end; strip++) {
        int64_t n = strip / s->strips_per_image, row = strip % s->strips_per_image * s->rows;
        int64_t rows = host_min(s->rows, w->y.h - row);
        int64_t x_first = row * w->stride - w->pad, x_rows = (rows - 1) * w->stride + w->kernel;
        for (int64_t i = 0; i < x_rows; i++) {
            bool is_inside = x_first + i >= 0 && x_first + i < w->x.h;
            host_outer_x(&k->outer,
                         is_inside ? host_source_rows(thread, 0, s->x_tile, n, x_first + i, 1)
                                   : NULL,
                         x + i * k->outer.x_row);
        }
        for (int64_t i = 0; i < rows; i++)
            host_outer_y(&k->outer, host_source_rows(thread, 1, s->y_tile, n, row + i, 1),
                         dy + i * k->outer.y_row);
        host_outer_add(&k->outer, x, dy, rows, first, last, gradient);
    }
}

static void run_share(HostThread *thread, int64_t begin, int64_t end)
{
    const HostKernel *k = thread->k;
    const HostStrips *s = &k->strips;
    const SnugWindow *w = &k->kernel->window;
    int64_t x_rows = ((int64_t)s->rows - 1) * w->stride + w->kernel;
    float *sum = (float *)(void *)(thread->memory + k->gradient);
    float *one = (float *)(void *)(thread->memory + k->packed);
    bool is_outside = has_column_outside(w);
    for (int64_t strip = begin; strip < end; strip++) {
        int64_t n = strip / s->strips_per_image, row = strip % s->strips_per_image * s->rows;
        const void *x = host_source_rows(thread, 0, s->x_tile, n, row * w->stride - w->pad, x_rows);
        const void *y = host_source_rows(thread, 1, s->y_tile, n, row, s->rows);
        /* for such a column the library's bf16 gradient multiplies 0 by what its scratch holds */
        if (is_outside)
            memset(thread->memory + s->extra, 0, (size_t)host_conv_scratch_bytes(k->conv));
        thread->ok &= host_conv_run(k->conv, thread->index, x, y, strip == begin ? sum : one,
                                    thread->memory + s->extra);
        if (strip > begin)
            k->lanes->add(sum, sum, one, k->gradient_bytes / (int64_t)sizeof(float));
    }
    if (begin == end)
        memset(sum, 0, (size_t)k->gradient_bytes);
}

typedef struct WgradRun {
    const HostKernel *k;
    const HostLaunch *launch;
    atomic_int failures;
} WgradRun;

static char *memory_of(const WgradRun *run, int32_t t)
{
    return run->launch->workspace + run->k->shared.used + t * run->k->each.used;
}

static void run_strips(void *context, int32_t t)
{
    WgradRun *run = context;
    const HostKernel *k = run->k;
    HostThread thread = {.k = k,
                         .launch = run->launch,
                         .index = t,
                         .ok = true,
                         .memory = memory_of(run, t)};
    for (int32_t i = 0; i < 2; i++)
        thread.in[i] =
            host_code_begin(&k->in[i], thread.memory + k->strips.code_memory[i], run->launch->args);
    int64_t strips = (int64_t)k->strips.domain.n * k->strips.strips_per_image;
    int64_t channels = k->kernel->window.y.c, begin, end;
    host_share(k->by_channels ? channels : strips, t, k->threads, &begin, &end);
    float *sum = (float *)(void *)(thread.memory + k->gradient);
    if (k->by_channels) {
        outer_share(&thread, 0, strips, begin, end, run->launch->args[k->kernel->output_arg]);
    } else if (k->is_outer) {
        memset(sum, 0, (size_t)k->gradient_bytes);
        outer_share(&thread, begin, end, 0, channels, sum);
    } else {
        run_share(&thread, begin, end);
    }
    if (!thread.ok)
        atomic_fetch_add(&run->failures, 1);
}

static void add_up(void *context, int32_t t)
{
    WgradRun *run = context;
    const HostKernel *k = run->k;
    float *gradient = run->launch->args[k->kernel->output_arg];
    int64_t begin, end;
    host_share(k->gradient_bytes / (int64_t)sizeof(float), t, k->threads, &begin, &end);
    for (int32_t from = 0; k->is_outer && from < k->threads; from++)
        k->lanes->add(gradient + begin, gradient + begin,
                      (const float *)(void *)(memory_of(run, from) + k->gradient) + begin,
                      end - begin);
    for (int32_t from = 0; !k->is_outer && from < k->threads; from++)
        if (!host_conv_unpack(k->conv, t, memory_of(run, from) + k->gradient, gradient))
            atomic_fetch_add(&run->failures, 1);
}

bool host_wgrad_run(const HostKernel *k, const HostLaunch *launch)
{
    WgradRun run = {.k = k, .launch = launch};
    atomic_init(&run.failures, 0);
    host_team_run(launch->team, k->threads, run_strips, &run);
    if (!k->by_channels)
        host_team_run(launch->team, k->threads, add_up, &run);
    return atomic_load(&run.failures) == 0;
}
