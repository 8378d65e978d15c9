/* y = code, a chunk at a time: residual sums, an HRNet module's fuse row, concat, slices,
 * resampling, and reductions of what is in memory. With CORE defined, first a core that makes each
 * chunk of the result from chunks of its inputs: struct Core, in window.cuh or loss_grad.cuh.
 *
 * A thread keeps its chunk of channels and walks over the pixels of an image, so that what depends
 * on
 * the channel alone is loaded once. Neighbouring threads have neighbouring chunks, then
 * neighbouring
 * pixels: a warp reads and writes one stretch of memory.
 *
 *     grid.x   stretches of pixels, or with reductions tiles of TILE_ROWS x TILE_COLUMNS
 *     grid.y   parts, each in groups of LANES chunks
 *     grid.z   images
 */
#include "prims.cuh"
#if REDUCTIONS > 0
#include "collect.cuh"
#endif

#ifndef CORE
struct Core {
    struct Channels {};
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        return Channels{};
    }
    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        EACH(i) v[i] = 0.0f;
    }
};
#endif

template <class Part>
DEVICE void store_part(const Args &args, int n, int h, int w, int c, const float v[8])
{
#ifdef OUT
    auto *pixel = args.OUT + pixel_at<HEIGHT, WIDTH, OUT_PITCH>(n, h, w) + Part::BEGIN;
    if constexpr (Part::BEGIN % 8 == 0 && Part::END % 8 == 0)
        store_chunk<OUT_PITCH, Part::END - Part::BEGIN>(pixel, c, v);
    else
        store_some<Part::END - Part::BEGIN>(pixel, c, v);
#endif
}

template <class Part>
DEVICE void make_chunk(const Args &args, const Core::Channels &core_k,
                       const typename Part::Channels &k, int n, int h, int w, int c, float v[8],
                       float (*xhat)[8])
{
    uint4 raw[Part::LOADS + 1];
    float core[8];

    Part::load(args, n, h, w, c, raw);
    Core::at(args, core_k, n, h, w, c, core);
    Part::apply(args, k, n, h, w, c, raw, core, v, xhat);
    store_part<Part>(args, n, h, w, c, v);
}

#if REDUCTIONS > 0

/* One part, one tile. */
extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ __align__(16) float scratch[COLLECT_FLOATS(Part0::LANES * Part0::ROWS)];
    int lane = threadIdx.x % Part0::LANES, row = threadIdx.x / Part0::LANES;
    int c = (blockIdx.y * Part0::LANES + lane) * 8;
    bool is_active = row < Part0::ROWS && c < Part0::CHANNELS;
    int tile = blockIdx.x, across = tile % TILES_ACROSS, down = tile / TILES_ACROSS;
    int n = blockIdx.z;
    Collector collector;

    collect_begin(collector);
    if (is_active) {
        Part0::Channels k = Part0::channels(args, c);
        Core::Channels core_k = Core::channels(args, n, c);
        for (int p = row; p < TILE_ROWS * TILE_COLUMNS; p += Part0::ROWS) {
            int h = down * TILE_ROWS + p / TILE_COLUMNS;
            int w = across * TILE_COLUMNS + p % TILE_COLUMNS;
            if (h >= HEIGHT || w >= WIDTH)
                continue;
            float v[8], xhat[REDUCTIONS][8];
            make_chunk<Part0>(args, core_k, k, n, h, w, c, v, xhat);
            collect_add(collector, v, xhat);
        }
    }
    collect_finish<Part0::LANES, Part0::ROWS>(collector, args, scratch, lane, row, is_active,
                                              n * TILES_DOWN * TILES_ACROSS + tile, c);
}

#else

template <class Part>
DEVICE void map_part(const Args &args, int group)
{
    int lane = threadIdx.x % Part::LANES, row = threadIdx.x / Part::LANES;
    int c = (group * Part::LANES + lane) * 8, n = blockIdx.z;
    int first = blockIdx.x * (Part::ROWS * PIXELS_A_THREAD) + row;

    if (row >= Part::ROWS || c >= Part::END - Part::BEGIN)
        return;
    bool is_padding = c >= Part::CHANNELS; /* a whole chunk of it, behind the last part */
    typename Part::Channels k = Part::channels(args, is_padding ? 0 : c);
    Core::Channels core_k = Core::channels(args, n, is_padding ? 0 : c);
    for (int p = 0; p < PIXELS_A_THREAD; p++) {
        int pixel = first + p * Part::ROWS;
        float v[8];
        if (pixel >= HEIGHT * WIDTH)
            return;
        if (!is_padding) {
            make_chunk<Part>(args, core_k, k, n, pixel / WIDTH, pixel % WIDTH, c, v, nullptr);
        } else {
            EACH(i) v[i] = 0.0f;
            store_part<Part>(args, n, pixel / WIDTH, pixel % WIDTH, c, v);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    int group = blockIdx.y;
#define PART(part)                                                                                 \
    if (group < part::GROUPS) {                                                                    \
        map_part<part>(args, group);                                                               \
        return;                                                                                    \
    }                                                                                              \
    group -= part::GROUPS;
    PARTS
#undef PART
}

#endif

#include "end.cuh"
