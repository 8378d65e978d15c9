/* Convolution and its data gradient, a strip of rows at a time.
 *
 * Forward, kernel 3, stride 1, a strip of 4 rows of y:
 *
 *     row of x   r-1  r  r+1 r+2 r+3 r+4     x tile: prologue applied, zeros outside the picture
 *     row of y         r  r+1 r+2 r+3        no padding above or below: the tile has it
 *
 * Data gradient, the same strip of x: the rows of y that see it are those with
 * row + pad - (kernel - 1) <= stride y <= last row + pad; they become a tile with the padding that
 * places the strip's first row rightly under them, the same for every strip because strips begin at
 * multiples of the stride.
 *
 * Weights are packed into the library's layout at each launch, once for all threads.
 */
#include "host.h"

/* Factors of the product are bf16 as soon as a tensor of the kernel is. */
SnugType host_compute_type(const SnugKernel *kernel)
{
    for (int32_t i = 0; i < kernel->arg_count; i++)
        if (kernel->args[i].type == SNUG_BF16)
            return SNUG_BF16;
    return SNUG_F32;
}

static int32_t floor_divide(int32_t a, int32_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Right padding that makes the widths agree; a window that would end before the last columns needs
 * none. */
static int32_t pad_after(int32_t y, int32_t stride, int32_t kernel, int32_t x, int32_t before)
{
    int32_t pad = (y - 1) * stride + kernel - x - before;
    return pad > 0 ? pad : 0;
}

bool host_window_is_valid(const SnugWindow *w)
{
    return w->kernel > 0 && w->stride > 0 && w->pad >= 0 && w->x.n == w->y.n && w->x.h > 0
           && w->x.w > 0 && w->x.c > 0 && w->y.h > 0 && w->y.w > 0 && w->y.c > 0
           && (w->x.h + 2 * w->pad - w->kernel) / w->stride + 1 == w->y.h
           && (w->x.w + 2 * w->pad - w->kernel) / w->stride + 1 == w->y.w;
}

static bool is_weight_arg(const SnugKernel *kernel, int32_t arg)
{
    if (arg < 0 || arg >= kernel->arg_count)
        return false;
    const SnugArg *weight = &kernel->args[arg];
    const SnugWindow *w = &kernel->window;
    return weight->type == SNUG_F32 && weight->pitch == w->x.c && weight->shape.n == w->y.c
           && weight->shape.h == w->kernel && weight->shape.w == w->kernel
           && weight->shape.c == w->x.c;
}

HostConvShape host_conv_shape(const HostKernel *k, HostConvKind kind, int32_t rows)
{
    const SnugWindow *w = &k->kernel->window;
    HostConvShape shape = {
        .kind = kind,
        .type = k->compute,
        .result = SNUG_F32,
        .x_width = w->x.w,
        .x_channels = w->x.c,
        .y_width = w->y.w,
        .y_channels = w->y.c,
        .kernel = w->kernel,
        .stride = w->stride,
        .pad_left = w->pad,
        .pad_right = pad_after(w->y.w, w->stride, w->kernel, w->x.w, w->pad),
    };
    if (kind == HOST_DGRAD) {
        int32_t first = -floor_divide(w->kernel - 1 - w->pad, w->stride);
        int32_t last = floor_divide(rows - 1 + w->pad, w->stride);
        shape.x_rows = rows;
        shape.y_rows = last - first + 1;
        shape.pad_top = w->pad - w->stride * first;
        shape.pad_bottom = pad_after(shape.y_rows, w->stride, w->kernel, rows, shape.pad_top);
    } else {
        shape.x_rows = (rows - 1) * w->stride + w->kernel;
        shape.y_rows = rows;
    }
    return shape;
}

/* Address of row `row` of image n of a dense arg. */
static char *row_of(const HostThread *thread, int32_t arg, int64_t n, int64_t row)
{
    const SnugArg *a = &thread->k->kernel->args[arg];
    return (char *)thread->launch->args[arg] + host_pixel(a, n, row, 0) * host_type_bytes(a->type);
}

const void *host_source_rows(HostThread *thread, int32_t which, int64_t tile, int64_t n,
                             int64_t first, int64_t rows)
{
    const HostKernel *k = thread->k;
    const HostCode *code = &k->in[which];
    if (code->copy_arg >= 0 && k->kernel->args[code->copy_arg].type == k->compute && first >= 0
        && first + rows <= code->domain.h)
        return row_of(thread, code->copy_arg, n, first);
    host_code_fill(code, &thread->in[which], k->kernel->args, thread->launch->args, n, first,
                   first + rows, thread->memory + tile, k->compute);
    return thread->memory + tile;
}

bool host_conv_prepare(HostKernel *k, bool dry)
{
    const SnugKernel *kernel = k->kernel;
    const SnugWindow *w = &kernel->window;
    HostStrips *s = &k->strips;
    bool is_forward = kernel->kind == SNUG_KERNEL_conv;
    SnugShape source = is_forward ? w->x : w->y;
    if (!host_window_is_valid(w) || !is_weight_arg(kernel, kernel->weight_arg))
        return false;
    k->compute = host_compute_type(kernel);

    int64_t element = host_type_bytes(k->compute);
    int64_t result_row = (int64_t)s->domain.w * s->domain.c * (k->parts[0].is_core ? element : 4);
    int64_t source_row = (int64_t)source.w * source.c * element;
    int64_t row_bytes =
        is_forward ? result_row + source_row * w->stride : result_row + source_row / w->stride;
    double halo = 0.1 + (w->kernel > w->stride ? 0.15 * (w->kernel - w->stride) : 0.0);
    s->rows = host_choose_rows(s->domain, s->rows_per_partial, is_forward ? 1 : w->stride, halo,
                               row_bytes, k->threads);

    HostConvShape shape = host_conv_shape(k, is_forward ? HOST_FORWARD : HOST_DGRAD, s->rows);
    const SnugArg *out = &kernel->args[kernel->output_arg];
    if (k->parts[0].is_core && s->domain.h % s->rows == 0 && out->pitch == s->domain.c)
        shape.result = out->type;
    k->y_rows = shape.y_rows;
    k->pad_top = shape.pad_top;
    k->conv = host_conv_create(&shape, k->threads, dry);
    if (k->conv == NULL)
        return false;
    k->packed = host_carve(&k->shared, host_conv_weight_bytes(k->conv));
    int32_t tile_rows = is_forward ? shape.x_rows : shape.y_rows;
    s->x_tile = host_carve(&k->each, tile_rows * source_row);
    s->extra = host_carve(&k->each, host_conv_scratch_bytes(k->conv));
    return true;
}

void host_conv_core(HostThread *thread, int64_t n, int64_t row, float *core)
{
    const HostKernel *k = thread->k;
    const SnugKernel *kernel = k->kernel;
    const SnugWindow *w = &kernel->window;
    bool is_forward = kernel->kind == SNUG_KERNEL_conv;
    void *result = core ? (void *)core : row_of(thread, kernel->output_arg, n, row);
    int64_t first = row * w->stride - w->pad;
    int64_t rows = ((int64_t)k->strips.rows - 1) * w->stride + w->kernel;
    if (!is_forward) {
        first = (row + w->pad - k->pad_top) / w->stride;
        rows = k->y_rows;
    }
    const void *source = host_source_rows(thread, 0, k->strips.x_tile, n, first, rows);
    void *packed = thread->launch->workspace + k->packed;
    void *scratch = thread->memory + k->strips.extra;
    thread->ok &= is_forward
                      ? host_conv_run(k->conv, thread->index, source, result, packed, scratch)
                      : host_conv_run(k->conv, thread->index, result, source, packed, scratch);
}
