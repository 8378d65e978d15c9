/* Tiles of weight gradients: see tiles.h, kernels/wgrad.cuh.
 *
 * A block keeps the sums of all its taps in registers, so its tile of channels is the smaller the
 * more taps it makes. All pixels of the batch are summed: where there are fewer tiles of channels
 * than the card holds blocks, the pixels are split, each split into partials of its own.
 *
 * How pixels are cut is the order in which they are summed. It must not depend on what the
 * prologues load: where memory is short they rebuild sums from several tensors, and a plan must not
 * change the bits of a gradient. So a cut is chosen as for the usual loads, among those that have
 * room for the most; only the number of slots follows what is really loaded.
 */
#include "compiler/ir/ir.h"
#include "tiles.h"

#include <string.h>

enum {
    SHARED_A_BLOCK = 99 * 1024,
    SHARED_OF_HALF = 49 * 1024,
    MAX_SUMS = 144,    /* accumulators of a thread */
    SUMS_OF_HALF = 80, /* two blocks of 128 threads a multiprocessor, or more */
    USUAL_X_LOADS = 1, /* relu(bn(z)), or a stored sum */
    USUAL_Y_LOADS = 2, /* A g + B z + C */
    MOST_X_LOADS = 3,  /* a sum rebuilt from three tensors */
    MIN_TILES_A_SPLIT = 4,
    MAX_PARTIALS_MIB = 32
};

static const struct {
    int32_t y_channels, x_channels, warps_m, warps_n;
} table[] = {
    {64, 64, 2, 4}, {64, 64, 2, 2}, {32, 64, 2, 2},  {64, 32, 2, 2}, {32, 32, 2, 2},
    {48, 48, 3, 3}, {32, 32, 2, 1}, {128, 64, 4, 2}, {64, 8, 4, 1},  {32, 8, 2, 1},
};

static const struct {
    int32_t h, w;
} pixel_table[] = {{4, 16}, {8, 8}, {2, 16}, {4, 8}, {2, 8}};

/* In full precision no tensor is half. */
static bool multiplies_halves(const SnugKernel *kernel)
{
    for (int32_t a = 0; a < kernel->arg_count; a++)
        if (kernel->args[a].type == SNUG_F16)
            return true;
    return false;
}

static int64_t halo_bytes(int64_t rows, int64_t columns, int64_t step, int64_t channels)
{
    int64_t pitch = 2 * channels / 16 % 2 != 0 ? 2 * channels : 2 * channels + 16;
    return rows * divide_up(columns, step) * step * pitch;
}

static int64_t shared_bytes(const SnugWindow *w, const WgradTile *tile, int32_t slots,
                            int32_t x_loads, int32_t y_loads)
{
    int64_t x = halo_bytes((tile->pixels_h - 1) * (int64_t)w->stride + tile->tap_rows,
                           (tile->pixels_w - 1) * (int64_t)w->stride + w->kernel, w->stride,
                           tile->x_channels);
    int64_t y = halo_bytes(tile->pixels_h, tile->pixels_w, 1, tile->y_channels);
    int64_t x_staged = x_loads > 1 ? x_loads - 1 : 0, y_staged = y_loads > 1 ? y_loads - 1 : 0;

    return slots * (x + y) + (slots - 1) * (x_staged * x + y_staged * y);
}

/* Sums of a thread for one tap. */
static int32_t tap_sums(const WgradTile *tile)
{
    return tile->y_channels * tile->x_channels / tile->threads;
}

/* All rows of the kernel, or one. */
static int32_t choose_tap_rows(const SnugWindow *window, const WgradTile *tile)
{
    int32_t all = window->kernel * window->kernel * tap_sums(tile);
    return all <= MAX_SUMS ? window->kernel : 1;
}

static int32_t pixel_tiles(const SnugWindow *window, const WgradTile *tile)
{
    return (int32_t)(window->y.n * divide_up(window->y.h, tile->pixels_h)
                     * divide_up(window->y.w, tile->pixels_w));
}

static int64_t weight_count(const SnugWindow *window)
{
    return (int64_t)window->y.c * window->kernel * window->kernel * window->x.c;
}

/* With the usual loads. */
static int32_t blocks_of_multiprocessor(const SnugWindow *window, const WgradTile *tile)
{
    int32_t sums = tap_sums(tile) * tile->tap_rows * window->kernel;
    bool is_large = shared_bytes(window, tile, 2, USUAL_X_LOADS, USUAL_Y_LOADS) > SHARED_OF_HALF;
    if (is_large || sums > SUMS_OF_HALF)
        return tile->threads > 128 || is_large ? 1 : 2;
    return tile->threads > 128 ? 2 : 3;
}

static void choose_splits(const Card *card, const SnugWindow *window, WgradTile *tile)
{
    int64_t room = (int64_t)card->multiprocessors * blocks_of_multiprocessor(window, tile);
    int64_t most = ((int64_t)MAX_PARTIALS_MIB << 20) / (4 * weight_count(window));
    int64_t splits = divide_up(room, tile->grid_tiles);

    splits = min_i64(splits, pixel_tiles(window, tile) / MIN_TILES_A_SPLIT);
    tile->splits = (int32_t)max_i64(1, min_i64(splits, most));
}

/* As in conv_tiles.c, and the cycles of adding the partials. */
static double total_cycles(const Card *card, const SnugWindow *w, const WgradTile *tile)
{
    double pixels = tile->pixels_h * tile->pixels_w;
    double halo = ((tile->pixels_h - 1.0) * w->stride + tile->tap_rows)
                  * ((tile->pixels_w - 1.0) * w->stride + w->kernel) * tile->x_channels / 8;
    double instructions = halo * (60 + 40 * USUAL_X_LOADS)
                          + pixels * tile->y_channels / 8 * (60 + 40 * USUAL_Y_LOADS);
    double macs = pixels * tile->y_channels * tile->x_channels * tile->tap_rows * w->kernel;
    double exposed = exposed_share(blocks_of_multiprocessor(w, tile) * tile->threads / 32);
    double one = macs / macs_a_cycle(card) + instructions / (4 * 32) * exposed + 60;
    double tiles = (double)divide_up(pixel_tiles(w, tile), tile->splits);
    int64_t blocks = tile->grid_tiles * tile->splits;
    double waves = (double)divide_up(blocks, card->multiprocessors);
    double add =
        tile->splits > 1
            ? (double)weight_count(w) * (tile->splits + 1) / 4 / card->multiprocessors + 1500
            : 0;

    return waves * (tiles * one + 1500) + add;
}

/* Slots as many as there is room for. Returns false where the most loads would have no room. */
static bool choose_pixels(const SnugKernel *kernel, WgradTile *tile, int32_t h, int32_t w)
{
    const SnugWindow *window = &kernel->window;
    int32_t x_loads = staged_loads(kernel, 0), y_loads = staged_loads(kernel, 1);
    int32_t most_x = x_loads > MOST_X_LOADS ? x_loads : MOST_X_LOADS;
    int32_t most_y = y_loads > USUAL_Y_LOADS ? y_loads : USUAL_Y_LOADS;

    tile->pixels_h = h;
    tile->pixels_w = w;
    if (shared_bytes(window, tile, 2, most_x, most_y) > SHARED_A_BLOCK)
        return false;
    tile->slots = shared_bytes(window, tile, 3, x_loads, y_loads) <= SHARED_OF_HALF ? 3 : 2;
    tile->shared_bytes = shared_bytes(window, tile, tile->slots, x_loads, y_loads);
    return true;
}

/* A block of 9 warps has 168 registers a thread: NVRTC's code for sm_86 does with them, that for
 * sm_90 would keep 8 to 16 bytes in memory. */
static bool has_registers(const Card *card, const WgradTile *tile)
{
    return tile->threads <= 256 || strcmp(card->arch, "sm_90") != 0;
}

bool choose_wgrad_tile(const Card *card, const SnugKernel *kernel, WgradTile *tile)
{
    const SnugWindow *window = &kernel->window;
    double best = 0;
    bool found = false;

    if (!multiplies_halves(kernel))
        return false;
    for (size_t k = 0; k < COUNT_OF(table); k++)
        for (size_t p = 0; p < COUNT_OF(pixel_table); p++) {
            WgradTile candidate = {
                .y_channels = table[k].y_channels,
                .x_channels = table[k].x_channels,
                .warps_m = table[k].warps_m,
                .warps_n = table[k].warps_n,
                .threads = 32 * table[k].warps_m * table[k].warps_n,
            };
            candidate.tap_rows = choose_tap_rows(window, &candidate);
            if (tap_sums(&candidate) * candidate.tap_rows * window->kernel > MAX_SUMS
                || !has_registers(card, &candidate)
                || !choose_pixels(kernel, &candidate, pixel_table[p].h, pixel_table[p].w))
                continue;
            candidate.grid_tiles = divide_up(window->y.c, candidate.y_channels)
                                   * divide_up(window->x.c, candidate.x_channels)
                                   * (window->kernel / candidate.tap_rows);
            choose_splits(card, window, &candidate);
            double cycles = total_cycles(card, window, &candidate);
            if (found && cycles >= best)
                continue;
            found = true;
            best = cycles;
            *tile = candidate;
        }
    return found;
}
