/* Cores that are no matrix products: pooling, and the gradients of pooling and resampling.
 *
 * All read their prologue's result from an fp32 tile and write the strip's core tile.
 *
 *     max_pool_grad, kernel 3, stride 2: a strip of x and the windows that touch it
 *
 *     x        . . [r . . .] . .        windows that begin above or end below belong to the
 *     windows  |-----| |-----|          neighbouring strips too: each strip finds their maxima
 *                  |-----| |-----|      again, and takes only what falls on its own rows
 */
#include "host.h"

#include <string.h>

static float *tile_at(const HostThread *thread, int64_t offset)
{
    return (float *)(void *)(thread->memory + offset);
}

static void fill(HostThread *thread, int32_t which, int64_t n, int64_t begin, int64_t end,
                 float *tile)
{
    host_code_fill(&thread->k->in[which], &thread->in[which], thread->k->kernel->args,
                   thread->launch->args, n, begin, end, tile, SNUG_F32);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static int64_t row_bytes(SnugShape shape)
{
    return (int64_t)shape.w * shape.c * 4;
}

static void choose_rows(HostKernel *k, int32_t multiple, int64_t bytes)
{
    HostStrips *s = &k->strips;

    s->rows = host_choose_rows(s->domain, s->rows_per_partial, multiple, 0.3, bytes, k->threads);
}

static bool is_pool(const SnugWindow *w)
{
    return w->x.c == w->y.c && host_window_is_valid(w);
}

static bool is_resampling(const SnugWindow *w)
{
    return w->kernel > 0 && w->kernel == w->stride && w->x.n == w->y.n && w->x.c == w->y.c
           && w->x.h * w->kernel == w->y.h && w->x.w * w->kernel == w->y.w;
}

/* x tile: the windows of a strip of y; extra: a number a channel. */
static bool prepare_pool(HostKernel *k)
{
    const SnugWindow *w = &k->kernel->window;
    HostStrips *s = &k->strips;

    if (!is_pool(w))
        return false;
    choose_rows(k, 1, row_bytes(w->x) * w->stride + row_bytes(w->y));
    s->x_tile =
        host_carve(&k->each, ((s->rows - 1) * (int64_t)w->stride + w->kernel) * row_bytes(w->x));
    s->extra = host_carve(&k->each, (int64_t)w->x.c * 4);
    return true;
}

/* y tile: the windows that touch a strip of x; x tile: all that lies in them; extra: two numbers a
 * channel. */
static bool prepare_pool_grad(HostKernel *k)
{
    const SnugWindow *w = &k->kernel->window;
    HostStrips *s = &k->strips;

    if (!is_pool(w))
        return false;
    choose_rows(k, w->stride, row_bytes(w->x) + row_bytes(w->y));
    HostConvShape shape = host_conv_shape(k, HOST_DGRAD, s->rows);
    k->y_rows = shape.y_rows;
    k->pad_top = shape.pad_top;
    s->x_tile =
        host_carve(&k->each, ((k->y_rows - 1) * (int64_t)w->stride + w->kernel) * row_bytes(w->x));
    s->y_tile = host_carve(&k->each, k->y_rows * row_bytes(w->y));
    s->extra = host_carve(&k->each, 2 * (int64_t)w->x.c * 4);
    return true;
}

static bool prepare_upsample_grad(HostKernel *k)
{
    const SnugWindow *w = &k->kernel->window;

    if (!is_resampling(w))
        return false;
    choose_rows(k, 1, row_bytes(w->x) + row_bytes(w->y));
    k->strips.y_tile = host_carve(&k->each, w->kernel * row_bytes(w->y));
    return true;
}

static bool prepare_bilinear_grad(HostKernel *k)
{
    const SnugWindow *w = &k->kernel->window;

    if (!is_resampling(w))
        return false;
    choose_rows(k, 1, row_bytes(w->x) + row_bytes(w->y));
    k->strips.y_tile = host_carve(&k->each, row_bytes(w->y));
    k->strips.extra = host_carve(&k->each, row_bytes(w->x));
    return true;
}

/* ---- cores ----------------------------------------------------------------------------------- */

/* The maximum of window (y, x) over the pixels of the picture; taps: which tap it was. tile begins
 * at picture row tile_row. */
static void find_maximum(const HostThread *thread, const float *tile, int64_t tile_row, int64_t y,
                         int64_t x, float *best, int32_t *taps)
{
    const SnugWindow *w = &thread->k->kernel->window;
    int64_t channels = w->x.c;
    bool is_first = true;
    for (int32_t i = 0; i < w->kernel; i++) {
        int64_t row = y * w->stride - w->pad + i;
        if (row < 0 || row >= w->x.h)
            continue;
        for (int32_t j = 0; j < w->kernel; j++) {
            int64_t column = x * w->stride - w->pad + j;
            if (column < 0 || column >= w->x.w)
                continue;
            const float *from = tile + ((row - tile_row) * w->x.w + column) * channels;
            int32_t tap = i * w->kernel + j;
            if (is_first) {
                memcpy(best, from, (size_t)channels * sizeof *best);
                for (int64_t c = 0; c < channels; c++)
                    taps[c] = tap;
                is_first = false;
            } else {
                thread->k->lanes->max_tap(best, taps, from, tap, channels);
            }
        }
    }
    if (is_first)
        memset(best, 0, (size_t)channels * sizeof *best);
}

static void pool_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostStrips *s = &thread->k->strips;
    const SnugWindow *w = &thread->k->kernel->window;
    float *tile = tile_at(thread, s->x_tile);
    int32_t *taps = (int32_t *)(void *)(thread->memory + s->extra);
    int64_t first = row * w->stride - w->pad;
    fill(thread, 0, n, first, first + ((int64_t)s->rows - 1) * w->stride + w->kernel, tile);
    int64_t end = host_min(row + s->rows, w->y.h);
    for (int64_t y = row; y < end; y++)
        for (int64_t x = 0; x < w->y.w; x++)
            find_maximum(thread, tile, first, y, x, core + ((y - row) * w->y.w + x) * w->y.c, taps);
}

/* Gives dy of window (y, x) to the pixel of its maximum, if that lies in rows [row, end). */
static void give_back(HostThread *thread, const float *dy, const int32_t *taps, int64_t y,
                      int64_t x, int64_t row, int64_t end, float *core)
{
    const SnugWindow *w = &thread->k->kernel->window;
    for (int32_t tap = 0; tap < w->kernel * w->kernel; tap++) {
        int64_t to_row = y * w->stride - w->pad + tap / w->kernel;
        int64_t to_column = x * w->stride - w->pad + tap % w->kernel;
        if (to_row >= row && to_row < end && to_column >= 0 && to_column < w->x.w)
            thread->k->lanes->add_at_tap(core + ((to_row - row) * w->x.w + to_column) * w->x.c, dy,
                                         taps, tap, w->x.c);
    }
}

static void pool_grad_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostKernel *k = thread->k;
    const HostStrips *s = &k->strips;
    const SnugWindow *w = &k->kernel->window;
    float *x_tile = tile_at(thread, s->x_tile), *y_tile = tile_at(thread, s->y_tile);
    float *best = tile_at(thread, s->extra);
    int32_t *taps = (int32_t *)(void *)(best + w->x.c);
    int64_t end = host_min(row + s->rows, w->x.h);
    int64_t first = (row + w->pad - k->pad_top) / w->stride, last = first + k->y_rows;
    int64_t x_first = first * w->stride - w->pad;

    fill(thread, 0, n, first, last, y_tile);
    fill(thread, 1, n, x_first, x_first + (k->y_rows - 1) * (int64_t)w->stride + w->kernel, x_tile);
    memset(core, 0, (size_t)((int64_t)s->rows * w->x.w * w->x.c) * sizeof *core);
    for (int64_t y = host_max(first, 0); y < host_min(last, w->y.h); y++)
        for (int64_t x = 0; x < w->y.w; x++) {
            find_maximum(thread, x_tile, x_first, y, x, best, taps);
            give_back(thread, y_tile + ((y - first) * w->y.w + x) * w->y.c, taps, y, x, row, end,
                      core);
        }
}

static void upsample_grad_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostStrips *s = &thread->k->strips;
    const SnugWindow *w = &thread->k->kernel->window;
    float *tile = tile_at(thread, s->y_tile);
    int64_t end = host_min(row + s->rows, w->x.h), channels = w->x.c;
    for (int64_t y = row; y < end; y++) {
        float *out = core + (y - row) * w->x.w * channels;
        fill(thread, 0, n, y * w->kernel, (y + 1) * w->kernel, tile);
        memset(out, 0, (size_t)(w->x.w * channels) * sizeof *out);
        for (int32_t i = 0; i < w->kernel; i++)
            for (int64_t x = 0; x < w->y.w; x++)
                thread->k->lanes->sum(out + x / w->kernel * channels,
                                      tile + (i * (int64_t)w->y.w + x) * channels, channels);
    }
}

static void bilinear_grad_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostStrips *s = &thread->k->strips;
    const HostLanes *lanes = thread->k->lanes;
    const SnugWindow *w = &thread->k->kernel->window;
    float *tile = tile_at(thread, s->y_tile), *narrow = tile_at(thread, s->extra);
    int64_t end = host_min(row + s->rows, w->x.h), channels = w->x.c, small = w->x.w * channels;
    int64_t first = host_max((row - 1) * w->kernel, 0);
    int64_t last = host_min((end + 1) * w->kernel, w->y.h);

    memset(core, 0, (size_t)((end - row) * small) * sizeof *core);
    for (int64_t y = first; y < last; y++) {
        HostTap down = host_bilinear_tap(y, w->kernel, w->x.h);
        bool hits =
            (down.first >= row && down.first < end) || (down.second >= row && down.second < end);
        if (!hits)
            continue;
        fill(thread, 0, n, y, y + 1, tile);
        memset(narrow, 0, (size_t)small * sizeof *narrow);
        for (int64_t x = 0; x < w->y.w; x++) {
            HostTap across = host_bilinear_tap(x, w->kernel, w->x.w);
            const float *dy = tile + x * channels;
            lanes->add_scaled(narrow + across.first * channels, dy, 1.0f - across.weight, channels);
            lanes->add_scaled(narrow + across.second * channels, dy, across.weight, channels);
        }
        if (down.first >= row && down.first < end)
            lanes->add_scaled(core + (down.first - row) * small, narrow, 1.0f - down.weight, small);
        if (down.second >= row && down.second < end)
            lanes->add_scaled(core + (down.second - row) * small, narrow, down.weight, small);
    }
}

/* ---- by kind --------------------------------------------------------------------------------- */

typedef struct WindowCore {
    bool (*prepare)(HostKernel *k); /* chooses rows, carves tiles; false: it cannot be run */
    void (*run)(HostThread *thread, int64_t n, int64_t row, float *core); /* one strip */
} WindowCore;

static const WindowCore cores[SNUG_KERNEL_KIND_COUNT] = {
    [SNUG_KERNEL_max_pool] = {prepare_pool, pool_core},
    [SNUG_KERNEL_max_pool_grad] = {prepare_pool_grad, pool_grad_core},
    [SNUG_KERNEL_upsample_grad] = {prepare_upsample_grad, upsample_grad_core},
    [SNUG_KERNEL_bilinear_grad] = {prepare_bilinear_grad, bilinear_grad_core},
};

bool host_window_prepare(HostKernel *k)
{
    const WindowCore *core = &cores[k->kernel->kind];

    return core->prepare != NULL && core->prepare(k);
}

void host_window_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    cores[thread->k->kernel->kind].run(thread, n, row, core);
}
