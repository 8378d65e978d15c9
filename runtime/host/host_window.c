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

static bool is_resampling(const SnugWindow *w)
{
    return w->kernel > 0 && w->kernel == w->stride && w->x.n == w->y.n && w->x.c == w->y.c
           && w->x.h * w->kernel == w->y.h && w->x.w * w->kernel == w->y.w;
}

bool host_window_prepare(HostKernel *k)
{
    const SnugKernel *kernel = k->kernel;
    const SnugWindow *w = &kernel->window;
    HostStrips *s = &k->strips;
    bool is_pool = kernel->kind == SNUG_KERNEL_max_pool;
    bool is_pool_grad = kernel->kind == SNUG_KERNEL_max_pool_grad;
    int64_t channels = w->x.c, x_row = w->x.w * channels * 4, y_row = w->y.w * channels * 4;

    if (w->x.c != w->y.c || !(is_pool || is_pool_grad ? host_window_is_valid(w) : is_resampling(w)))
        return false;
    int32_t multiple = is_pool_grad ? w->stride : 1;
    int64_t row_bytes = is_pool ? x_row * w->stride + y_row : x_row + y_row;
    s->rows =
        host_choose_rows(s->domain, s->rows_per_partial, multiple, 0.3, row_bytes, k->threads);
    if (is_pool) {
        s->x_tile = host_carve(&k->each, ((s->rows - 1) * (int64_t)w->stride + w->kernel) * x_row);
        s->extra = host_carve(&k->each, channels * 4);
    } else if (is_pool_grad) {
        HostConvShape shape = host_conv_shape(k, HOST_DGRAD, s->rows);
        k->y_rows = shape.y_rows;
        k->pad_top = shape.pad_top;
        s->x_tile =
            host_carve(&k->each, ((k->y_rows - 1) * (int64_t)w->stride + w->kernel) * x_row);
        s->y_tile = host_carve(&k->each, k->y_rows * y_row);
        s->extra = host_carve(&k->each, 2 * channels * 4);
    } else if (kernel->kind == SNUG_KERNEL_upsample_grad) {
        s->y_tile = host_carve(&k->each, w->kernel * y_row);
    } else {
        s->y_tile = host_carve(&k->each, y_row);
        s->extra = host_carve(&k->each, x_row);
    }
    return true;
}

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

void host_window_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    switch (thread->k->kernel->kind) {
    case SNUG_KERNEL_max_pool: pool_core(thread, n, row, core); break;
    case SNUG_KERNEL_max_pool_grad: pool_grad_core(thread, n, row, core); break;
    case SNUG_KERNEL_upsample_grad: upsample_grad_core(thread, n, row, core); break;
    default: bilinear_grad_core(thread, n, row, core); break;
    }
}
