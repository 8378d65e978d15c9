/* How --dump=kernels shows the tiles of a card's matrix products. */
#include "tiles.h"

#include "compiler/ir/ir.h"
#include "gemm.h"

/* Marks what cuBLAS could make. */
static const char *gemm_mark(const SnugKernel *kernel)
{
    SnugGemm gemm;
    return kernel_as_gemm(kernel, &gemm) ? "; a plain GEMM" : "";
}

static const char *conv_text(Arena *arena, const Card *card, const SnugKernel *kernel)
{
    ConvTile tile;

    if (!choose_conv_tile(card, kernel, &tile))
        return "none: plain arithmetic";
    return arena_printf(arena,
                        "%dx%d x %d channels, slices of %d, %dx%d warps; %lld blocks of %dx%d, %s "
                        "shared%s",
                        tile.rows, tile.columns, tile.channels, tile.slice, tile.warps_m,
                        tile.warps_n, (long long)(tile.grid_parts * tile.grid_channels),
                        tile.block.rows, tile.block.columns, format_bytes(arena, tile.shared_bytes),
                        gemm_mark(kernel));
}

static const char *wgrad_text(Arena *arena, const Card *card, const SnugKernel *kernel)
{
    WgradTile tile;

    if (!choose_wgrad_tile(card, kernel, &tile))
        return "none: plain arithmetic";
    return arena_printf(arena,
                        "%d x %d channels, %dx%d pixels, %d of %d rows of taps, %dx%d warps; "
                        "%lld x %d blocks, %s shared%s",
                        tile.y_channels, tile.x_channels, tile.pixels_h, tile.pixels_w,
                        tile.tap_rows, kernel->window.kernel, tile.warps_m, tile.warps_n,
                        (long long)tile.grid_tiles, tile.splits,
                        format_bytes(arena, tile.shared_bytes), gemm_mark(kernel));
}

const char *tile_text(Arena *arena, const Card *card, const SnugKernel *kernel)
{
    if (kernel->kind == SNUG_KERNEL_conv_wgrad)
        return wgrad_text(arena, card, kernel);
    bool is_conv = kernel->kind == SNUG_KERNEL_conv || kernel->kind == SNUG_KERNEL_conv_dgrad;
    return is_conv ? conv_text(arena, card, kernel) : NULL;
}
