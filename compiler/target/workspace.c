#include "workspace.h"

#include "cards.h"
#include "runtime/machine.h"
#include "tiles.h"

int64_t heat_slices(const SnugArg *heat)
{
    return divide_up((int64_t)heat->shape.h * heat->shape.w, HEAT_SLICE_PIXELS);
}

/* The partial gradients of its splits. */
static int64_t wgrad_workspace(const Card *card, const SnugKernel *kernel)
{
    const SnugWindow *window = &kernel->window;
    int64_t weights = (int64_t)window->y.c * window->kernel * window->kernel * window->x.c;
    WgradTile tile;

    if (!choose_wgrad_tile(card, kernel, &tile) || tile.splits == 1)
        return 0;
    return align_up(tile.splits * weights * 4, SNUG_ALIGNMENT);
}

/* Smoothed rows, then the best of each slice. */
static int64_t decode_workspace(const SnugArg *heat)
{
    int64_t maps = (int64_t)heat->shape.n * heat->shape.c;

    return align_up(maps * heat->shape.h * heat->shape.w * 4, SNUG_ALIGNMENT)
           + align_up(maps * heat_slices(heat) * 16, SNUG_ALIGNMENT);
}

/* Of a card's kernels, those that put sums of blocks between two of their launches. */
static int64_t card_workspace(const Card *card, const SnugKernel *kernel)
{
    const SnugArg *heat = &kernel->args[0];

    if (kernel->kind == SNUG_KERNEL_conv_wgrad)
        return wgrad_workspace(card, kernel);
    if (kernel->kind == SNUG_KERNEL_heatmap_loss)
        return align_up(heat->shape.n * heat_slices(heat) * heat->shape.c * 4, SNUG_ALIGNMENT);
    if (kernel->kind == SNUG_KERNEL_decode)
        return decode_workspace(heat);
    if (kernel->kind == SNUG_KERNEL_grad_norm)
        return align_up(NORM_BLOCKS * 4, SNUG_ALIGNMENT);
    return 0;
}

int64_t kernel_workspace(const Target *target, const SnugKernel *kernel)
{
    if (target->device == DEVICE_host) {
        int64_t bytes = snug_host_workspace(kernel, target->threads);
        return bytes < 0 ? bytes : align_up(bytes, SNUG_ALIGNMENT);
    }
    int64_t own = card_workspace(target->card, kernel);
    return kernel->is_gemm != 0 ? max_i64(own, library_figures(target->card).workspace_bytes) : own;
}
