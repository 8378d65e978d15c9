/* The gradient of y = x * w by w, on tensor cores.
 *
 *     gradient[o][tap][i] += sum over pixels p of dy[p][o] * x[p at tap][i]
 *
 * M = output channels, N = input channels, K = pixels; one GEMM a tap, all from one tile of dy and
 * the halo of x around it:
 *
 *        dy: PIXELS_H x PIXELS_W         x: its halo                   accumulators, in registers
 *        x TILE_M channels               x TILE_N channels
 *      +---------------+               +-------------------+           TAP_ROWS x KERNEL taps of
 *      | k = 16 pixels |               |  +-------------+  |           TILE_M x TILE_N
 *      +---------------+               |  | tap: shift  |  |
 *      |               |               |  +-------------+  |
 *      +---------------+               +-------------------+
 *
 * In memory the channels of a pixel lie together, so k is the row of what both factors are loaded
 * from: ldmatrix.trans turns both. Copies run SLOTS - 1 tiles ahead, one barrier a tile; prologues
 * are applied in place (halo.cuh). Pixels outside the picture are zeros of dy and add nothing.
 *
 * The grid is (tiles of channels x groups of taps) x SPLITS. Each split sums its share of the
 * tiles; with more than one, it writes a partial gradient to the workspace, {SPLITS, weights} f32,
 * and a second entry adds the partials to the gradient in order: no atomics, the same bits each
 * time.
 *
 * Expects, besides what prims.cuh says: KERNEL, STRIDE, PAD, X_..., Y_...; GRADIENT, an arg f32
 * {Y_CHANNELS, KERNEL, KERNEL, X_CHANNELS}; Prologue0 over x, Prologue1 over dy; the tile
 * (compiler/target/tiles.h).
 */
#include "halo.cuh"

typedef Halo<Prologue0, (PIXELS_H - 1) * STRIDE + TAP_ROWS, (PIXELS_W - 1) * STRIDE + KERNEL,
             STRIDE, TILE_N, X_HEIGHT, X_WIDTH, THREADS> X;
typedef Halo<Prologue1, PIXELS_H, PIXELS_W, 1, TILE_M, Y_HEIGHT, Y_WIDTH, THREADS> Dy;

enum {
    WARP_M = TILE_M / WARPS_M,
    WARP_N = TILE_N / WARPS_N,
    M_TILES = WARP_M / 16,
    N_TILES = WARP_N / 8,
    N_PAIRS = (N_TILES + 1) / 2,
    K_TILES = PIXELS_H * PIXELS_W / 16,
    TAPS = TAP_ROWS * KERNEL, /* of a block */

    TILES_M = (Y_CHANNELS + TILE_M - 1) / TILE_M,
    TILES_N = (X_CHANNELS + TILE_N - 1) / TILE_N,
    TILES_DOWN = (Y_HEIGHT + PIXELS_H - 1) / PIXELS_H,
    TILES_ACROSS = (Y_WIDTH + PIXELS_W - 1) / PIXELS_W,
    TILES = Y_IMAGES * TILES_DOWN * TILES_ACROSS,
    WEIGHT_COUNT = Y_CHANNELS * KERNEL * KERNEL * X_CHANNELS,

    AHEAD = SLOTS - 1,
    DY_AT = SLOTS * X::BYTES,
    X_STAGING_AT = DY_AT + SLOTS * Dy::BYTES,
    DY_STAGING_AT = X_STAGING_AT + AHEAD * X::STAGED * X::BYTES,
    SHARED_BYTES = DY_STAGING_AT + AHEAD * Dy::STAGED * Dy::BYTES
};

static_assert(THREADS == 32 * WARPS_M * WARPS_N, "threads are warps of the tile");
static_assert(WARP_M % 16 == 0 && WARP_M * WARPS_M == TILE_M, "whole m-tiles");
static_assert(WARP_N % 8 == 0 && WARP_N * WARPS_N == TILE_N, "whole n-tiles");
static_assert(N_TILES % 2 == 0 || TILE_N == 8, "n-tiles are loaded by two");
static_assert(PIXELS_W == 8 || PIXELS_W % 16 == 0, "k-tiles are two rows, or part of a row");
static_assert(PIXELS_H * PIXELS_W % 16 == 0, "whole k-tiles");
static_assert(KERNEL % TAP_ROWS == 0, "whole groups of taps");
static_assert(AHEAD >= 1, "one slot is filled while another is read");
static_assert(SHARED_BYTES == TILE_SHARED_BYTES, "the compiler planned other bytes");

struct Block {
    int y_channel, x_channel, first_tap_row;
    int first, end; /* tiles of pixels */
};

DEVICE Block find_block(void)
{
    int index = (int)blockIdx.x, split = (int)blockIdx.y;
    Block block;
    block.y_channel = index % TILES_M * TILE_M;
    block.x_channel = index / TILES_M % TILES_N * TILE_N;
    block.first_tap_row = index / TILES_M / TILES_N * TAP_ROWS;
    block.first = (int)((long long)TILES * split / SPLITS);
    block.end = (int)((long long)TILES * (split + 1) / SPLITS);
    return block;
}

/* ---- copies ---------------------------------------------------------------------------------- */

DEVICE Dy::Place dy_place(unsigned shared, const Block &block, int tile)
{
    Dy::Place place;
    place.n = tile / (TILES_DOWN * TILES_ACROSS);
    place.h = tile / TILES_ACROSS % TILES_DOWN * PIXELS_H;
    place.w = tile % TILES_ACROSS * PIXELS_W;
    place.c = block.y_channel;
    place.slot = shared + DY_AT + (unsigned)(tile % SLOTS) * Dy::BYTES;
    place.staging = shared + DY_STAGING_AT + (unsigned)(tile % AHEAD) * Dy::BYTES;
    place.staging_step = AHEAD * Dy::BYTES;
    return place;
}

DEVICE X::Place x_place(unsigned shared, const Block &block, int tile)
{
    X::Place place;
    place.n = tile / (TILES_DOWN * TILES_ACROSS);
    place.h = tile / TILES_ACROSS % TILES_DOWN * PIXELS_H * STRIDE - PAD + block.first_tap_row;
    place.w = tile % TILES_ACROSS * PIXELS_W * STRIDE - PAD;
    place.c = block.x_channel;
    place.slot = shared + (unsigned)(tile % SLOTS) * X::BYTES;
    place.staging = shared + X_STAGING_AT + (unsigned)(tile % AHEAD) * X::BYTES;
    place.staging_step = AHEAD * X::BYTES;
    return place;
}

/* One group a tile, empty behind the last. */
DEVICE void issue_tile(const Args &args, unsigned shared, const Block &block, int tile)
{
    if (tile < block.end) {
        X::issue(args, x_place(shared, block, tile));
        Dy::issue(args, dy_place(shared, block, tile));
    }
    copy_commit();
}

/* ---- multiply -------------------------------------------------------------------------------- */

/* Where a lane's rows of both factors begin: a pixel and a chunk of channels. */
struct LaneRows {
    unsigned dy, x;
};

DEVICE unsigned dy_offset(int pixel)
{
    return (unsigned)(pixel / PIXELS_W * Dy::ROW_PITCH + pixel % PIXELS_W * Dy::PIXEL_PITCH);
}

DEVICE unsigned x_offset(int pixel)
{
    return (unsigned)(pixel / PIXELS_W * STRIDE * X::ROW_PITCH + pixel % PIXELS_W * X::PIXEL_PITCH);
}

DEVICE LaneRows lane_rows(int warp, int lane)
{
    int m = warp / WARPS_N * WARP_M + lane / 8 % 2 * 8;
    int n = warp % WARPS_N * WARP_N + (N_TILES > 1 ? lane / 16 * 8 : 0);
    LaneRows rows;
    rows.dy = dy_offset(lane % 8 + lane / 16 * 8) + (unsigned)m * 2;
    rows.x = x_offset(lane % 16) + (unsigned)n * 2;
    return rows;
}

DEVICE void multiply_tile(float (&sums)[TAPS][M_TILES][N_TILES][4], unsigned x, unsigned dy)
{
#pragma unroll 1
    for (int k = 0; k < K_TILES; k++) {
        unsigned a[M_TILES][4], x_rows = x + x_offset(16 * k);
#pragma unroll
        for (int m = 0; m < M_TILES; m++)
            load_matrices_transposed(a[m], dy + dy_offset(16 * k) + m * 32);
#pragma unroll
        for (int tap = 0; tap < TAPS; tap++) {
            unsigned b[N_PAIRS][4];
#pragma unroll
            for (int n = 0; n < N_PAIRS; n++)
                load_matrices_transposed(b[n], x_rows + tap / KERNEL * X::ROW_PITCH
                                                   + X::column_offset(tap % KERNEL) + n * 32);
#pragma unroll
            for (int m = 0; m < M_TILES; m++)
#pragma unroll
                for (int n = 0; n < N_TILES; n++)
                    multiply_add(sums[tap][m][n], a[m], b[n / 2][n % 2 * 2],
                                 b[n / 2][n % 2 * 2 + 1]);
        }
    }
}

/* ---- results --------------------------------------------------------------------------------- */

DEVICE void put_sum(const Args &args, int y, int tap, int x, float sum)
{
    if (y >= Y_CHANNELS || x >= X_CHANNELS)
        return;
    int at = (y * KERNEL * KERNEL + tap) * X_CHANNELS + x;
#if SPLITS > 1
    ((float *)args.workspace)[(long long)blockIdx.y * WEIGHT_COUNT + at] = sum;
#else
    args.GRADIENT[at] += sum;
#endif
}

DEVICE void put_sums(const Args &args, const Block &block, int warp, int lane,
                     const float (&sums)[TAPS][M_TILES][N_TILES][4])
{
#pragma unroll
    for (int tap = 0; tap < TAPS; tap++)
#pragma unroll
        for (int m = 0; m < M_TILES; m++)
#pragma unroll
            for (int n = 0; n < N_TILES; n++) {
                int y = block.y_channel + warp / WARPS_N * WARP_M + m * 16 + lane / 4;
                int x = block.x_channel + warp % WARPS_N * WARP_N + n * 8 + lane % 4 * 2;
#pragma unroll
                for (int i = 0; i < 4; i++)
                    put_sum(args, y + i / 2 * 8, block.first_tap_row * KERNEL + tap, x + i % 2,
                            sums[tap][m][n][i]);
            }
}

/* ---- the kernels ----------------------------------------------------------------------------- */

extern "C" __global__ void __launch_bounds__(THREADS, 1) ENTRY(PARAMETERS)
{
    extern __shared__ __align__(16) unsigned char memory[];
    const Args args = ARGS;
    const unsigned shared = shared_address(memory);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const Block block = find_block();
    const LaneRows rows = lane_rows(warp, lane);
    float sums[TAPS][M_TILES][N_TILES][4];

#pragma unroll
    for (int i = 0; i < TAPS * M_TILES * N_TILES * 4; i++)
        (&sums[0][0][0][0])[i] = 0.0f;
#pragma unroll 1
    for (int tile = block.first; tile < block.first + AHEAD; tile++)
        issue_tile(args, shared, block, tile);
#pragma unroll 1
    for (int tile = block.first; tile < block.end; tile++) {
        X::Place x = x_place(shared, block, tile);
        Dy::Place dy = dy_place(shared, block, tile);
        copy_wait<AHEAD - 1>();
        X::transform(args, x);
        Dy::transform(args, dy);
        barrier();
        issue_tile(args, shared, block, tile + AHEAD);
        multiply_tile(sums, x.slot + rows.x, dy.slot + rows.dy);
    }
    put_sums(args, block, warp, lane, sums);
}

#if SPLITS > 1
extern "C" __global__ void __launch_bounds__(ADD_THREADS) ENTRY_ADD(PARAMETERS)
{
    const Args args = ARGS;
    const float *partials = (const float *)args.workspace;
    int at = (int)(blockIdx.x * ADD_THREADS + threadIdx.x);
    float sum = 0.0f;

    if (at >= WEIGHT_COUNT)
        return;
#pragma unroll 8
    for (int split = 0; split < SPLITS; split++)
        sum += partials[(long long)split * WEIGHT_COUNT + at];
    args.GRADIENT[at] += sum;
}
#endif

#include "end.cuh"
