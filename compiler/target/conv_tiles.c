/* Tiles of convolutions and their data gradients: see tiles.h, kernels/conv.cuh.
 *
 * Every row of the table with every slice is priced and the cheapest is taken. The estimate need
 * only order them: padding of the picture, of channels and of slices, halos, and blocks that leave
 * multiprocessors idle are what tells them apart. It is in cycles of a multiprocessor:
 *
 *     blocks of the busiest multiprocessor x (start + tiles x (multiply + what of copies and
 *     results does not overlap + barriers))
 */
#include "compiler/ir/ir.h"
#include "tiles.h"

enum {
    SHARED_A_BLOCK = 99 * 1024, /* sm_86: the most of one block */
    SHARED_OF_HALF = 49 * 1024, /* two blocks a multiprocessor */
    MAX_SUMS = 64,              /* accumulators of a thread, as many as leave room for the rest */
    MAX_SUMS_OF_PHASES = 144    /* of a data gradient of stride 3 */
};

typedef struct ConvShape {
    int32_t kernel, stride;
    bool is_gradient;
    SnugShape source, result;
    int32_t loads; /* staged */
} ConvShape;

/* Positions, channels, warps. */
static const struct {
    int32_t rows, columns, channels, warps_m, warps_n;
} table[] = {
    {8, 16, 64, 4, 1},  {8, 16, 32, 4, 1}, {8, 16, 96, 4, 1}, {8, 16, 128, 4, 2},
    {16, 16, 32, 8, 1}, {8, 8, 64, 2, 2},  {8, 8, 32, 4, 1},  {8, 8, 128, 2, 4},
    {4, 16, 64, 2, 2},  {4, 16, 32, 4, 1}, {4, 8, 64, 2, 2},  {4, 8, 32, 2, 1},
};

/* What the tensor cores of one multiprocessor multiply and add in a cycle at 1.7 GHz. */
double macs_a_cycle(const Card *card)
{
    return card->matrix_tflops * 1e12 / 2 / card->multiprocessors / 1.7e9;
}

double exposed_share(double warps)
{
    return warps >= 8 ? 0.3 : warps >= 6 ? 0.6 : 1.0;
}

static int32_t ceiling(int32_t a, int32_t b)
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

static int64_t odd_pitch(int64_t bytes)
{
    return bytes / 16 % 2 != 0 ? bytes : bytes + 16;
}

int32_t staged_loads(const SnugKernel *kernel, int side)
{
    int32_t count = 0;

    for (int32_t r = 0; r < kernel->in[side].count; r++) {
        const SnugPoint *point = &kernel->in[side].code[r];
        const SnugArg *arg = &kernel->args[point->arg];
        count += point->op == SNUG_POINT_load && point->factor <= 1 && point->channel % 8 == 0
                 && arg->type == SNUG_F16 && arg->pitch % 8 == 0;
    }
    return count;
}

/* ---- geometry, as in conv.cuh ----------------------------------------------------------- */

static int32_t phases(const ConvShape *shape)
{
    return shape->is_gradient ? shape->stride : 1;
}

/* Pixels of the source along one axis that so many positions read. */
static int32_t halo_extent(const ConvShape *shape, int32_t pad, int32_t positions)
{
    if (!shape->is_gradient)
        return (positions - 1) * shape->stride + shape->kernel;
    return positions + ceiling(pad, shape->stride)
           - ceiling(pad - shape->kernel + 1, shape->stride);
}

static int64_t halo_bytes(const ConvShape *shape, int32_t pad, const ConvTile *tile)
{
    int32_t step = shape->is_gradient ? 1 : shape->stride;
    int64_t columns = ceiling(halo_extent(shape, pad, tile->columns), step) * step;

    return halo_extent(shape, pad, tile->rows) * columns * odd_pitch(2 * tile->slice);
}

static int64_t weight_bytes(const ConvShape *shape, const ConvTile *tile)
{
    int64_t step_k = align_up(shape->kernel * tile->slice, 16);

    return shape->is_gradient ? step_k * odd_pitch(2 * tile->channels)
                              : tile->channels * odd_pitch(2 * step_k);
}

static int32_t slices(const ConvShape *shape, int32_t slice)
{
    return ceiling(shape->source.c, slice);
}

/* Statistics need room for as many reductions as a kernel may have, so that a step that runs the
 * kernel again without them is cut alike. */
static int64_t shared_bytes(const ConvShape *shape, int32_t pad, const ConvTile *tile)
{
    int64_t halos = tile->halo_slots
                    + (tile->halo_slots - 1) * (int64_t)(shape->loads > 1 ? shape->loads - 1 : 0);
    int64_t pipeline =
        halos * halo_bytes(shape, pad, tile) + tile->weight_slots * weight_bytes(shape, tile);
    int64_t statistics = (int64_t)SNUG_MAX_REDUCTIONS * tile->warps_m * tile->channels * 12;

    return max_i64(pipeline, statistics);
}

/* ---- parts of the choice --------------------------------------------------------------------- */

/* As many slots as fit twice a multiprocessor; all weights where they do. */
static bool choose_slots(const ConvShape *shape, int32_t pad, ConvTile *tile)
{
    int32_t steps = slices(shape, tile->slice) * shape->kernel;
    int32_t most = shape->kernel == 1 ? 2 : 3;

    tile->halo_slots = 2;
    for (int32_t slots = steps; slots >= 1; slots = slots > most ? most : slots - 1) {
        if (slots == 1 && steps > 1)
            break;
        tile->weight_slots = slots;
        tile->shared_bytes = shared_bytes(shape, pad, tile);
        if (tile->shared_bytes <= SHARED_OF_HALF)
            return true;
    }
    return tile->shared_bytes <= SHARED_A_BLOCK;
}

/* ---- estimate -------------------------------------------------------------------------------- */

static int32_t sums_of_thread(const ConvShape *shape, const ConvTile *tile)
{
    int32_t outputs = tile->rows * tile->columns * phases(shape) * phases(shape) * tile->channels;
    return outputs / tile->threads;
}

/* Warps that a multiprocessor has at once. */
static double resident_warps(const ConvShape *shape, const ConvTile *tile, const Card *card)
{
    int64_t registers = (sums_of_thread(shape, tile) + 100) * (int64_t)tile->threads;
    int64_t blocks = tile->grid_parts * tile->grid_channels;
    int64_t by_shared = (SHARED_A_BLOCK + 1024) / (tile->shared_bytes + 1024);
    int64_t most = min_i64(65536 / registers, by_shared);

    most = min_i64(most, (blocks + card->multiprocessors - 1) / card->multiprocessors);
    return (double)max_i64(most, 1) * tile->threads / 32;
}

/* Instructions of all threads for one tile: copies with their transformation, and results. */
static double tile_instructions(const ConvShape *shape, int32_t pad, const ConvTile *tile)
{
    double chunks = (double)slices(shape, tile->slice) * tile->slice / 8;
    double halo = (double)halo_extent(shape, pad, tile->rows)
                  * halo_extent(shape, pad, tile->columns) * chunks;
    double weights = chunks * shape->kernel * shape->kernel * tile->channels;
    double results =
        (double)tile->rows * tile->columns * phases(shape) * phases(shape) * tile->channels / 8;
    bool is_resident = tile->weight_slots == slices(shape, tile->slice) * shape->kernel;

    return halo * (60 + 40 * shape->loads) + (is_resident ? 0 : weights * 25) + results * 130;
}

static double tile_cycles(const ConvShape *shape, int32_t pad, const ConvTile *tile,
                          const Card *card)
{
    double step_k = (double)align_up(shape->kernel * tile->slice, 16);
    double steps = (double)slices(shape, tile->slice) * shape->kernel;
    double macs = (double)tile->rows * tile->columns * tile->channels * step_k * steps;
    double issue = tile_instructions(shape, pad, tile) / (4 * 32);
    double exposed = exposed_share(resident_warps(shape, tile, card));
    bool is_resident = tile->weight_slots == (int32_t)steps;
    double barriers = (is_resident ? slices(shape, tile->slice) : steps) * 60;

    return macs / macs_a_cycle(card) + exposed * issue + barriers;
}

static double total_cycles(const ConvShape *shape, int32_t pad, const ConvTile *tile,
                           const Card *card)
{
    int64_t blocks = tile->grid_parts * tile->grid_channels;
    int64_t waves = (blocks + card->multiprocessors - 1) / card->multiprocessors;
    int64_t pixels = (int64_t)tile->block.rows * tile->block.columns;
    int64_t tiles = pixels / ((int64_t)tile->rows * tile->columns * phases(shape) * phases(shape));
    const double start = 1500; /* until the first copies have landed */

    return (double)waves * ((double)tiles * tile_cycles(shape, pad, tile, card) + start);
}

/* ---- the choice ------------------------------------------------------------------------------ */

static void set_grid(const ConvShape *shape, ConvTile *tile, int32_t tiles_across)
{
    SnugShape result = shape->result;

    tile->block = (SnugTile){.rows = tile->rows * phases(shape),
                             .columns = tile->columns * phases(shape) * tiles_across};
    tile->grid_parts = (int64_t)result.n * ceiling(result.h, tile->block.rows)
                       * ceiling(result.w, tile->block.columns);
    tile->grid_channels = ceiling(result.c, tile->channels);
}

typedef struct Choice {
    const Card *card;
    ConvShape shape;
    int32_t pad;
    double cycles; /* of the best so far */
    bool found;
} Choice;

/* One row with one slice: by how many tiles a block makes. */
static void try_tile(Choice *choice, ConvTile candidate, ConvTile *best)
{
    const ConvShape *shape = &choice->shape;

    if (!choose_slots(shape, choice->pad, &candidate))
        return;
    for (int32_t across = 1; across <= 4; across *= 2) {
        set_grid(shape, &candidate, across);
        double cycles = total_cycles(shape, choice->pad, &candidate, choice->card);
        if (choice->found && cycles >= choice->cycles)
            continue;
        choice->found = true;
        choice->cycles = cycles;
        *best = candidate;
    }
}

bool choose_conv_tile(const Card *card, const SnugKernel *kernel, ConvTile *tile)
{
    static const int32_t slice_table[] = {32, 64, 48, 24, 16, 8};
    const SnugWindow *window = &kernel->window;
    bool is_gradient = kernel->kind == SNUG_KERNEL_conv_dgrad;
    Choice choice = {
        .card = card,
        .shape = {.kernel = window->kernel,
                  .stride = window->stride,
                  .is_gradient = is_gradient,
                  .source = is_gradient ? window->y : window->x,
                  .result = is_gradient ? window->x : window->y,
                  .loads = staged_loads(kernel, 0)},
        .pad = window->pad,
    };

    if (kernel->args[kernel->weight_arg].type != SNUG_F16)
        return false;
    for (size_t k = 0; k < COUNT_OF(table); k++) {
        ConvTile candidate = {
            .rows = table[k].rows,
            .columns = table[k].columns,
            .channels = table[k].channels,
            .warps_m = table[k].warps_m,
            .warps_n = table[k].warps_n,
            .threads = 32 * table[k].warps_m * table[k].warps_n,
        };
        int32_t most = phases(&choice.shape) > 2 ? MAX_SUMS_OF_PHASES : MAX_SUMS;
        for (size_t s = 0; s < COUNT_OF(slice_table); s++) {
            candidate.slice = slice_table[s];
            bool fits_phases = phases(&choice.shape) == 1 || candidate.slice % 16 == 0;
            if (fits_phases && sums_of_thread(&choice.shape, &candidate) <= most)
                try_tile(&choice, candidate, tile);
        }
    }
    return choice.found;
}
