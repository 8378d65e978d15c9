/* The source of a card's matrix products: geometry and tiles for kernels/conv.cuh and
 * kernels/wgrad.cuh, as tiles.h chooses them, or for the plain kernels where it has no tile.
 */
#include "compiler/ir/ir.h"
#include "compiler/target/tiles.h"
#include "cuda.h"

enum {
    ADD_THREADS = 256,  /* of a block of wgrad.cuh's second entry */
    PLAIN_THREADS = 128 /* of wgrad_plain.cuh */
};

/* ---- what all have --------------------------------------------------------------------------- */

static void define_window(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugWindow *window = &kernel->window;

    cuda_define(source, "KERNEL", window->kernel);
    cuda_define(source, "STRIDE", window->stride);
    cuda_define(source, "PAD", window->pad);
    cuda_define_shape(source, "X_", window->x);
    cuda_define_shape(source, "Y_", window->y);
    if (kernel->kind == SNUG_KERNEL_conv_wgrad) {
        cuda_define_name(source, "GRADIENT",
                         arena_printf(source->arena, "a%d", kernel->output_arg));
        return;
    }
    cuda_define_flag(source, "IS_GRADIENT", kernel->kind == SNUG_KERNEL_conv_dgrad);
    cuda_define_name(source, "WEIGHTS", arena_printf(source->arena, "a%d", kernel->weight_arg));
    cuda_define(source, "WEIGHT_PITCH", kernel->args[kernel->weight_arg].pitch);
}

/* ---- conv, conv_dgrad ------------------------------------------------------------------------ */

static void check_block(const SnugKernel *kernel, SnugTile block)
{
    for (int32_t r = 0; r < kernel->reduction_count; r++) {
        SnugTile tile = kernel->reductions[r].tile;
        if (tile.rows != block.rows || tile.columns != block.columns)
            BUG("%s: statistics of %d x %d pixels, but a block makes %d x %d", kernel->name,
                tile.rows, tile.columns, block.rows, block.columns);
    }
}

static void describe_plain(CudaSource *source)
{
    source->header = "conv_plain.cuh";
    cuda_write_prologues(source);
    cuda_write_walk(source);
}

void cuda_describe_conv(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    ConvTile tile;

    define_window(source);
    if (!choose_conv_tile(source->card, kernel, &tile)) {
        describe_plain(source);
        return;
    }
    check_block(kernel, tile.block);
    source->base = "tensor.cuh";
    cuda_define(source, "TILE_H", tile.rows);
    cuda_define(source, "TILE_W", tile.columns);
    cuda_define(source, "TILE_N", tile.channels);
    cuda_define(source, "SLICE", tile.slice);
    cuda_define(source, "WARPS_M", tile.warps_m);
    cuda_define(source, "WARPS_N", tile.warps_n);
    cuda_define(source, "HALO_SLOTS", tile.halo_slots);
    cuda_define(source, "WEIGHT_SLOTS", tile.weight_slots);
    cuda_define(source, "BLOCK_ROWS", tile.block.rows);
    cuda_define(source, "BLOCK_COLUMNS", tile.block.columns);
    cuda_define(source, "TILE_SHARED_BYTES", tile.shared_bytes);
    cuda_define(source, "MAX_REDUCTIONS", SNUG_MAX_REDUCTIONS);
    source->threads = tile.threads;
    cuda_entry(source, "", tile.grid_parts, tile.grid_channels, 1, tile.shared_bytes);
    cuda_write_prologues(source);
    cuda_write_epilogue(source, "");
}

/* ---- conv_wgrad ------------------------------------------------------------------------------ */

static void describe_plain_wgrad(CudaSource *source)
{
    const SnugWindow *window = &source->kernel->window;

    source->header = "wgrad_plain.cuh";
    source->threads = PLAIN_THREADS;
    cuda_entry(source, "", divide_up(window->y.c, 8) * divide_up(window->x.c, 8),
               (int64_t)window->kernel * window->kernel, 1, 0);
    cuda_write_prologues(source);
}

void cuda_describe_wgrad(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugWindow *window = &kernel->window;
    int64_t weights = (int64_t)window->y.c * window->kernel * window->kernel * window->x.c;
    WgradTile tile;

    define_window(source);
    if (!choose_wgrad_tile(source->card, kernel, &tile)) {
        describe_plain_wgrad(source);
        return;
    }
    source->base = "tensor.cuh";
    cuda_define(source, "PIXELS_H", tile.pixels_h);
    cuda_define(source, "PIXELS_W", tile.pixels_w);
    cuda_define(source, "TILE_M", tile.y_channels);
    cuda_define(source, "TILE_N", tile.x_channels);
    cuda_define(source, "TAP_ROWS", tile.tap_rows);
    cuda_define(source, "WARPS_M", tile.warps_m);
    cuda_define(source, "WARPS_N", tile.warps_n);
    cuda_define(source, "SLOTS", tile.slots);
    cuda_define_flag(source, "SPLITS", tile.splits);
    cuda_define(source, "TILE_SHARED_BYTES", tile.shared_bytes);
    source->threads = tile.threads;
    cuda_entry(source, "", tile.grid_tiles, tile.splits, 1, tile.shared_bytes);
    source->threads = ADD_THREADS;
    cuda_define(source, "ADD_THREADS", ADD_THREADS);
    if (tile.splits > 1)
        cuda_entry(source, "add", divide_up(weights, ADD_THREADS), 1, 1, 0);
    source->threads = tile.threads;
    cuda_write_prologues(source);
}
