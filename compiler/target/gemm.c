/* Plain matrix products.
 *
 *     NHWC as rows of pixels        cuBLAS, column by column         m       n        k
 *     y  = x w^T                    y^T  = (w^T)^T x^T               y.c     pixels   x.c
 *     dx = dy w                     dx^T = w^T dy^T                  x.c     pixels   y.c
 *     dw += dy^T x                  dw^T += x^T (dy^T)^T             x.c     y.c      pixels
 *
 * A tensor by rows is its transpose by columns, so nothing is copied; pitches are leading
 * dimensions. Padding channels of a result must be zero: those of dx come out so, because a
 * weight's padding is zero; y must have none.
 */
#include "gemm.h"

#include "compiler/ir/ir.h"

enum {
    LIBRARY_TILE_LONG = 128,
    LIBRARY_TILE_SHORT = 64, /* of the result: an assumption */
    LEAST_K_OF_A_SPLIT = 512 /* an assumption */
};

/* ---- which kernels --------------------------------------------------------------------------- */

/* The arg, if the code does nothing but load its own element of a half tensor; else -1. */
static int32_t plain_load(const SnugKernel *kernel, const SnugPointwise *code)
{
    const SnugPoint *point = code->code;

    if (code->count != 1 || point->op != SNUG_POINT_load || point->factor > 1 || point->channel != 0
        || kernel->args[point->arg].type != SNUG_F16)
        return -1;
    return point->arg;
}

static int64_t pixels(SnugShape shape)
{
    return (int64_t)shape.n * shape.h * shape.w;
}

static bool has_plain_epilogue(const SnugKernel *kernel)
{
    return kernel->reduction_count == 0 && kernel->part_count == 1 && kernel->output_arg >= 0
           && kernel->args[kernel->output_arg].access == SNUG_WRITE
           && kernel->parts[0].out.count == 1 && kernel->parts[0].out.code[0].op == SNUG_POINT_core;
}

/* y or dx from the weights and the other side. */
static bool data_as_gemm(const SnugKernel *kernel, SnugGemm *gemm)
{
    const SnugWindow *window = &kernel->window;
    bool is_gradient = kernel->kind == SNUG_KERNEL_conv_dgrad;
    int32_t source = plain_load(kernel, &kernel->in[0]);

    if (source < 0 || !has_plain_epilogue(kernel)
        || kernel->args[kernel->weight_arg].type != SNUG_F16)
        return false;
    int32_t pitch = kernel->args[kernel->output_arg].pitch;
    int32_t channels = is_gradient ? window->x.c : window->y.c;
    if (pitch != channels && (!is_gradient || kernel->args[kernel->weight_arg].pitch < pitch))
        return false;
    *gemm = (SnugGemm){
        .m = pitch,
        .n = (int32_t)pixels(window->y),
        .k = is_gradient ? window->y.c : window->x.c,
        .a = kernel->weight_arg,
        .b = source,
        .c = kernel->output_arg,
        .transposes_a = !is_gradient,
    };
    return true;
}

static bool weights_as_gemm(const SnugKernel *kernel, SnugGemm *gemm)
{
    const SnugWindow *window = &kernel->window;
    int32_t x = plain_load(kernel, &kernel->in[0]), dy = plain_load(kernel, &kernel->in[1]);

    if (x < 0 || dy < 0 || kernel->args[kernel->output_arg].type != SNUG_F32)
        return false;
    *gemm = (SnugGemm){
        .m = window->x.c,
        .n = window->y.c,
        .k = (int32_t)pixels(window->y),
        .a = x,
        .b = dy,
        .c = kernel->output_arg,
        .transposes_b = 1,
        .beta = 1,
    };
    return true;
}

bool kernel_as_gemm(const SnugKernel *kernel, SnugGemm *gemm)
{
    const SnugWindow *window = &kernel->window;

    if (window->kernel != 1 || window->stride != 1 || window->pad != 0
        || pixels(window->y) > INT32_MAX)
        return false;
    if (kernel->kind == SNUG_KERNEL_conv_wgrad)
        return weights_as_gemm(kernel, gemm);
    bool is_conv = kernel->kind == SNUG_KERNEL_conv || kernel->kind == SNUG_KERNEL_conv_dgrad;
    return is_conv && data_as_gemm(kernel, gemm);
}

/* ---- what cuBLAS makes of it ----------------------------------------------------------------- */

static double whole_tiles(double extent, double tile)
{
    return (double)(int64_t)((extent + tile - 1) / tile) * tile;
}

/* Assumed of the library: tiles of 128 x 64 either way round; where they do not fill the card, k is
 * split, the partials go through memory once each way and a second kernel adds them. */
GemmWork gemm_work(const Card *card, const SnugGemm *gemm)
{
    double lying =
        whole_tiles(gemm->m, LIBRARY_TILE_LONG) * whole_tiles(gemm->n, LIBRARY_TILE_SHORT);
    double upright =
        whole_tiles(gemm->m, LIBRARY_TILE_SHORT) * whole_tiles(gemm->n, LIBRARY_TILE_LONG);
    double area = lying < upright ? lying : upright;
    int64_t tiles = (int64_t)area / (LIBRARY_TILE_LONG * LIBRARY_TILE_SHORT);
    int64_t splits = (card->multiprocessors + tiles - 1) / tiles;

    splits = max_i64(1, min_i64(splits, gemm->k / LEAST_K_OF_A_SPLIT));
    return (GemmWork){
        .flops = 2 * area * gemm->k,
        .partial_bytes = splits > 1 ? 2.0 * 4 * gemm->m * gemm->n * (double)splits : 0,
        .launches = splits > 1 ? 2 : 1,
    };
}

const char *gemm_text(Arena *arena, const SnugKernel *kernel)
{
    SnugGemm gemm;

    if (!kernel_as_gemm(kernel, &gemm))
        BUG("%s is no matrix product", kernel->name);
    return arena_printf(arena, "cuBLAS: %d x %d, k %d%s; %s workspace", gemm.m, gemm.n, gemm.k,
                        gemm.beta != 0 ? ", added to" : "",
                        format_bytes(arena, kernel->workspace_bytes));
}
