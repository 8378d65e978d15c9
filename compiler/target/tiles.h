/* How a card's matrix products are cut: the one place that chooses, by the shape alone, so that
 * fusion (statistics are a partial a block), the plan (workspaces) and the emitted source agree.
 *
 *     kernels/conv.cuh   conv, conv_dgrad: ConvTile
 *     kernels/wgrad.cuh       conv_wgrad: WgradTile
 *
 * Each has a small table of configurations; the choice is the least of an estimate, so that a card
 * at hand could choose by timing among the same rows.
 */
#ifndef SNUG_TILES_H
#define SNUG_TILES_H

#include "compiler/ir/ir.h"

typedef struct ConvTile {
    int32_t rows, columns;    /* positions of a tile: pixels of the result, or, of a strided
                                     data gradient, stride x stride pixels each */
    int32_t channels;         /* of the result, a block */
    int32_t slice;            /* channels of the source that are in shared memory at once */
    int32_t warps_m, warps_n; /* over positions, over channels */
    int32_t halo_slots, weight_slots;
    SnugTile block; /* what a block makes: one or more tiles */
    int32_t threads;
    int64_t shared_bytes;
    int64_t grid_parts, grid_channels;
} ConvTile;

typedef struct WgradTile {
    int32_t pixels_h, pixels_w; /* of y, a tile */
    int32_t y_channels, x_channels;
    int32_t tap_rows;         /* rows of the kernel that a block makes; divides it */
    int32_t warps_m, warps_n; /* over y_channels, over x_channels */
    int32_t slots, splits;
    int32_t threads;
    int64_t shared_bytes;
    int64_t grid_tiles; /* x splits */
} WgradTile;

/* Half tensors that the prologue reads at its own element: they are staged in shared memory. */
int32_t staged_loads(const SnugKernel *kernel, int side);

/* Multiply-adds of one multiprocessor in a cycle, for the estimates. */
double macs_a_cycle(const Card *card);
/* The share of copies and results that does not hide behind the products of other warps. */
double exposed_share(double warps);

/* Requires: kind, window, in[] and args of the kernel. False where no tile of the table can hold it
 * (a data gradient of stride above 3, full precision): it has no tensor-core kernel. */
bool choose_conv_tile(const Card *card, const SnugKernel *kernel, ConvTile *tile);
bool choose_wgrad_tile(const Card *card, const SnugKernel *kernel, WgradTile *tile);

/* For --dump=kernels: "8x16 x 64 channels, slices of 32, 4x1 warps; 512 blocks, 44.9 KiB shared".
 * NULL: the kernel is no matrix product. */
const char *tile_text(Arena *arena, const Card *card, const SnugKernel *kernel);

#endif
