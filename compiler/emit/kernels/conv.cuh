/* Convolution, its data gradient and the transposed convolution: an implicit GEMM on tensor cores.
 *
 *     result[position][n] += source[position + tap][k] * weight[n][tap][k]
 *
 * M = positions, N = channels of the result, K = taps x channels of the source. A block makes a
 * rectangle of one image, tile by tile, for TILE_N channels:
 *
 *      one tile, one slice of SLICE channels               shared memory
 *      +---------------------------------+                 halo ring    HALO_SLOTS x a slice's halo
 *      | halo                            |                 staging      what else a prologue reads
 *      |   +-------------------------+   |  every tap      weight ring  WEIGHT_SLOTS x (a row of
 *      |   | TILE_H x TILE_W         |   |  reads it at                 taps x SLICE x TILE_N)
 *      |   | positions               |   |  another shift
 *      |   +-------------------------+   |
 *      +---------------------------------+
 *
 * A step is one row of taps of one slice of one tile. Steps run on over slices and tiles without a
 * break, so that copies for the next tile are under way during the last taps of this one:
 *
 *     wait         until this thread's copies for the step have landed
 *     transform    at a slice's first step: the prologue, in place (halo.cuh)
 *     barrier      everyone's copies are visible, and everyone has left the step before
 *     issue        copies for WEIGHT_SLOTS - 1 steps and HALO_SLOTS - 1 slices ahead, into the
 *                  slots that were just left
 *     multiply     16 k at a time: two chunks of 8 channels, each of one tap
 *
 * Where all weights fit (WEIGHT_SLOTS = steps of a tile) they are copied once for all tiles, and
 * only a slice's first step waits.
 *
 * Phases. The gradient of a conv of stride s writes s x s interleaved grids: with h = s u + phase,
 * tap k reaches the phase (k - pad) mod s only, from row u + ceil((pad - k) / s) of dy. A block
 * makes all phases of its positions from one halo; each tap adds to the accumulators of its phase,
 * so no zero is ever multiplied. Forward, and with stride 1, there is one phase.
 *
 * After the last step of a tile a lane holds 2 channels of 4 n-tiles at a pixel; a 4 x 4 transpose
 * among the 4 lanes of a quad makes that 8 channels of one: a chunk, the unit of epilogue, store
 * and statistics (statistics.cuh).
 *
 * Implicit GEMM: Chetlur et al., "cuDNN: Efficient Primitives for Deep Learning", 2014. The
 * pipeline is the multistage one that the documentation of NVIDIA's CUTLASS describes.
 * Normalisation split between the kernels around it: Jung et al., "Restructuring Batch
 * Normalization to Accelerate CNN Training", MLSys 2019.
 *
 * Expects, besides what prims.cuh says: IS_GRADIENT; KERNEL, STRIDE, PAD, X_..., Y_...; WEIGHTS, an
 * arg {Y_CHANNELS, KERNEL, KERNEL, WEIGHT_PITCH}; the tile (compiler/target/tiles.h).
 */
#include "halo.cuh"
#include "statistics.cuh"

/* ---- geometry -------------------------------------------------------------------------------- */

#if IS_GRADIENT
enum { RESULT_H = X_HEIGHT, RESULT_W = X_WIDTH, SOURCE_H = Y_HEIGHT, SOURCE_W = Y_WIDTH };
enum { RESULT_CHANNELS = X_CHANNELS, SOURCE_CHANNELS = Y_CHANNELS };
enum { PHASES = STRIDE, SOURCE_STRIDE = 1 };
#else
enum { RESULT_H = Y_HEIGHT, RESULT_W = Y_WIDTH, SOURCE_H = X_HEIGHT, SOURCE_W = X_WIDTH };
enum { RESULT_CHANNELS = Y_CHANNELS, SOURCE_CHANNELS = X_CHANNELS };
enum { PHASES = 1, SOURCE_STRIDE = STRIDE };
#endif

constexpr __device__ int divide_up(int a, int b)
{
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/* Along one axis: the phase that tap k reaches, and how far its source lies from a position's, in
 * pixels from the halo's edge. */
constexpr __device__ int tap_phase(int k)
{
    return IS_GRADIENT ? k - PAD + STRIDE * divide_up(PAD - k, STRIDE) : 0;
}

enum { FIRST_SHIFT = IS_GRADIENT ? divide_up(PAD - KERNEL + 1, STRIDE) : -PAD };

constexpr __device__ int tap_shift(int k)
{
    return IS_GRADIENT ? divide_up(PAD - k, STRIDE) - FIRST_SHIFT : k;
}

constexpr __device__ int halo_extent(int positions)
{
    return (positions - 1) * SOURCE_STRIDE + tap_shift(IS_GRADIENT ? 0 : KERNEL - 1) + 1;
}

typedef Halo<Prologue0, halo_extent(TILE_H), halo_extent(TILE_W), SOURCE_STRIDE, SLICE, SOURCE_H,
             SOURCE_W, THREADS> Source;

enum {
    WARP_POSITIONS = TILE_H * TILE_W / WARPS_M,
    POSITION_TILES = WARP_POSITIONS / 16,
    M_TILES = POSITION_TILES * PHASES * PHASES, /* of a warp, phase by phase */
    WARP_N = TILE_N / WARPS_N,
    N_TILES = WARP_N / 8,
    GROUPS = WARP_N / 32, /* of 4 n-tiles: a lane gets one chunk of each */

    SLICE_CHUNKS = SLICE / 8,
    SLICES = (SOURCE_CHANNELS + SLICE - 1) / SLICE,
    STEPS = SLICES * KERNEL, /* of a tile */
    STEP_CHUNKS = KERNEL * SLICE_CHUNKS,
    K_TILES = (STEP_CHUNKS + 1) / 2, /* of a step, 16 k each */

    /* weights of a step: forward a row is an n with all k, gradient a k with all n */
    WEIGHT_ROWS = IS_GRADIENT ? 16 * K_TILES : TILE_N,
    WEIGHT_ROW_PITCH = odd_pitch(2 * (IS_GRADIENT ? TILE_N : 16 * K_TILES)),
    WEIGHT_BYTES = WEIGHT_ROWS * WEIGHT_ROW_PITCH,
    WEIGHT_CHUNKS = TILE_N * STEP_CHUNKS,

    IS_RESIDENT = WEIGHT_SLOTS == STEPS,
    HALO_AHEAD = HALO_SLOTS - 1,
    WEIGHTS_AHEAD = IS_RESIDENT ? STEPS : WEIGHT_SLOTS - 1,
    /* groups of copies that may be under way when a step begins. There is one group a step, or,
     * where only halos are copied, one a slice */
    PENDING = IS_RESIDENT ? HALO_AHEAD - 1 : WEIGHTS_AHEAD - 1,

    STAGING_AT = HALO_SLOTS * Source::BYTES,
    WEIGHTS_AT = STAGING_AT + HALO_AHEAD * Source::STAGED * Source::BYTES,
    PIPELINE_BYTES = WEIGHTS_AT + WEIGHT_SLOTS * WEIGHT_BYTES,
    TOTAL_BYTES = 12, /* mean, M2, count of a channel and warp */
    STATISTICS_BYTES = MAX_REDUCTIONS * WARPS_M * TILE_N * TOTAL_BYTES,
    SHARED_BYTES = PIPELINE_BYTES > STATISTICS_BYTES ? PIPELINE_BYTES : STATISTICS_BYTES,

    ROW_BLOCKS = (RESULT_H + BLOCK_ROWS - 1) / BLOCK_ROWS,
    COLUMN_BLOCKS = (RESULT_W + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS
};

static_assert(THREADS == 32 * WARPS_M * WARPS_N, "threads are warps of the tile");
static_assert(WARP_POSITIONS % 16 == 0, "whole m-tiles");
static_assert(WARP_POSITIONS * WARPS_M == TILE_H * TILE_W, "warps share the positions");
static_assert(16 % TILE_W == 0 || TILE_W % 16 == 0, "an m-tile is rows, or part of a row");
static_assert(TILE_W <= 16 || TILE_W % WARP_POSITIONS == 0 || WARP_POSITIONS % TILE_W == 0,
              "a warp begins at a row, or stays in one");
static_assert(WARP_N % 32 == 0 && WARP_N * WARPS_N == TILE_N, "whole groups");
static_assert(PHASES == 1 || SLICE_CHUNKS % 2 == 0, "16 k are of one phase");
static_assert(HALO_AHEAD >= 1 && WEIGHTS_AHEAD >= 1, "one slot is filled while another is read");
static_assert(IS_RESIDENT || WEIGHTS_AHEAD <= HALO_AHEAD * KERNEL, "a halo lands in time");
static_assert(SHARED_BYTES == TILE_SHARED_BYTES, "the compiler planned other bytes");

/* What a block makes. */
struct Block {
    int image, first_row, end_row, first_column, end_column, channel;
    int first_u, first_v; /* the position where its tiles begin */
    int tiles_across, tiles;
};

DEVICE Block find_block(void)
{
    Block block;
    int part = (int)blockIdx.x;
    block.first_column = part % COLUMN_BLOCKS * BLOCK_COLUMNS;
    block.first_row = part / COLUMN_BLOCKS % ROW_BLOCKS * BLOCK_ROWS;
    block.image = part / COLUMN_BLOCKS / ROW_BLOCKS;
    block.end_row = min(block.first_row + BLOCK_ROWS, (int)RESULT_H);
    block.end_column = min(block.first_column + BLOCK_COLUMNS, (int)RESULT_W);
    block.channel = (int)blockIdx.y * TILE_N;
    block.first_u = block.first_row / PHASES;
    block.first_v = block.first_column / PHASES;
    int rows = (block.end_row - 1) / PHASES - block.first_u + 1;
    int columns = (block.end_column - 1) / PHASES - block.first_v + 1;
    block.tiles_across = (columns + TILE_W - 1) / TILE_W;
    block.tiles = (rows + TILE_H - 1) / TILE_H * block.tiles_across;
    return block;
}

DEVICE int tile_u(const Block &block, int tile)
{
    return block.first_u + tile / block.tiles_across * TILE_H;
}

DEVICE int tile_v(const Block &block, int tile)
{
    return block.first_v + tile % block.tiles_across * TILE_W;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Slice `index`, counted over all tiles of the block. */
DEVICE Source::Place slice_place(unsigned shared, const Block &block, int index)
{
    int tile = index / SLICES;
    Source::Place place;
    place.n = block.image;
    place.h = tile_u(block, tile) * SOURCE_STRIDE + FIRST_SHIFT;
    place.w = tile_v(block, tile) * SOURCE_STRIDE + FIRST_SHIFT;
    place.c = index % SLICES * SLICE;
    place.slot = shared + (unsigned)(index % HALO_SLOTS) * Source::BYTES;
    place.staging = shared + STAGING_AT + (unsigned)(index % HALO_AHEAD) * Source::BYTES;
    place.staging_step = HALO_AHEAD * Source::BYTES;
    return place;
}

DEVICE void issue_halo(const Args &args, unsigned shared, const Block &block, int index)
{
    if (index < block.tiles * SLICES)
        Source::issue(args, slice_place(shared, block, index));
}

DEVICE unsigned weight_slot(unsigned shared, int step)
{
    return shared + WEIGHTS_AT + (unsigned)(step % WEIGHT_SLOTS) * WEIGHT_BYTES;
}

/* The weights of one step, counted over all tiles of the block. */
DEVICE void issue_weights(const Args &args, unsigned shared, const Block &block, int step)
{
    int slice = step % STEPS / KERNEL, kernel_row = step % KERNEL;
    unsigned slot = weight_slot(shared, step);

    if (step >= block.tiles * STEPS)
        return;
#pragma unroll
    for (int i = 0; i < (WEIGHT_CHUNKS + THREADS - 1) / THREADS; i++) {
        int index = (int)threadIdx.x + i * THREADS;
        const int row_chunks = IS_GRADIENT ? TILE_N / 8 : (int)STEP_CHUNKS;
        int row = index / row_chunks, chunk = index % row_chunks;
        unsigned to = slot + (unsigned)(row * WEIGHT_ROW_PITCH + chunk * 16);
        int tap = IS_GRADIENT ? row / SLICE : chunk / SLICE_CHUNKS;
        int y = IS_GRADIENT ? slice * SLICE + row % SLICE : block.channel + row;
        int x = IS_GRADIENT ? block.channel + chunk * 8 : slice * SLICE + chunk % SLICE_CHUNKS * 8;
        if (index >= WEIGHT_CHUNKS)
            continue;
        if (y < Y_CHANNELS && x < WEIGHT_PITCH)
            copy_async(to, args.WEIGHTS
                               + pixel_at<KERNEL, KERNEL, WEIGHT_PITCH>(y, kernel_row, tap) + x);
        else
            store_shared(to, uint4{0, 0, 0, 0});
    }
}

/* An odd number of chunks is completed by one of zero weights, in every slot, once for all. */
DEVICE void clear_last_chunk(unsigned shared)
{
    if constexpr (STEP_CHUNKS % 2 != 0)
        for (int i = (int)threadIdx.x; i < TILE_N * WEIGHT_SLOTS; i += THREADS) {
            int k = i % TILE_N;
            int row = IS_GRADIENT ? 8 * STEP_CHUNKS + k / (TILE_N / 8) : k;
            int chunk = IS_GRADIENT ? k % (TILE_N / 8) : (int)STEP_CHUNKS;
            store_shared(shared + WEIGHTS_AT + (unsigned)(i / TILE_N) * WEIGHT_BYTES
                             + (unsigned)(row * WEIGHT_ROW_PITCH + chunk * 16),
                         uint4{0, 0, 0, 0});
        }
}

/* Everything that must be under way before the first step. */
DEVICE void begin_copies(const Args &args, unsigned shared, const Block &block)
{
    clear_last_chunk(shared);
    issue_halo(args, shared, block, 0);
#pragma unroll 1
    for (int step = 0; step < WEIGHTS_AHEAD; step++) {
        issue_weights(args, shared, block, step);
        if (!IS_RESIDENT && step == 0)
#pragma unroll 1
            for (int slice = 1; slice < HALO_AHEAD; slice++)
                issue_halo(args, shared, block, slice);
        if (!IS_RESIDENT || step == WEIGHTS_AHEAD - 1)
            copy_commit();
    }
#pragma unroll 1
    for (int slice = 1; IS_RESIDENT && slice < HALO_AHEAD; slice++) {
        issue_halo(args, shared, block, slice);
        copy_commit();
    }
}

/* ---- multiply -------------------------------------------------------------------------------- */

/* Where a lane's rows of A and B begin: what no loop changes. */
struct LaneRows {
    unsigned a, b;
    bool is_upper; /* its rows of A are of k 8 .. 15 */
};

DEVICE LaneRows lane_rows(int warp, int lane)
{
    int position = warp / WARPS_N * WARP_POSITIONS + lane % 16;
    int n = warp % WARPS_N * WARP_N + lane / 16 * 8;
    LaneRows rows;
    rows.a = (unsigned)(position / TILE_W * SOURCE_STRIDE * Source::ROW_PITCH
                        + position % TILE_W * Source::PIXEL_PITCH);
    rows.b = IS_GRADIENT
                 ? (unsigned)(lane % 16 * WEIGHT_ROW_PITCH + n * 2)
                 : (unsigned)((n + lane % 8) * WEIGHT_ROW_PITCH + lane / 8 % 2 * 16);
    rows.is_upper = lane >= 16;
    return rows;
}

/* From the warp's first m-tile to its p-th, within a phase. */
constexpr __device__ int position_offset(int p)
{
    return TILE_W <= 16 ? p * (16 / TILE_W) * SOURCE_STRIDE * Source::ROW_PITCH
                        : p * 16 / TILE_W * SOURCE_STRIDE * Source::ROW_PITCH
                              + p * 16 % TILE_W * Source::PIXEL_PITCH;
}

/* From a position to what a step's chunk reads. That of zero weights must read numbers, too. */
constexpr __device__ int chunk_offset(int chunk)
{
    return chunk < STEP_CHUNKS ? Source::column_offset(tap_shift(chunk / SLICE_CHUNKS))
                                     + chunk % SLICE_CHUNKS * 16
                               : chunk_offset(0);
}

DEVICE void multiply_step(float (&sums)[M_TILES][N_TILES][4], unsigned halo, unsigned weights,
                          const LaneRows &rows, int kernel_row)
{
    unsigned a_rows = halo + rows.a + (unsigned)(tap_shift(kernel_row) * Source::ROW_PITCH);
#pragma unroll
    for (int k = 0; k < K_TILES; k++) {
        unsigned b[N_TILES / 2][4];
#pragma unroll
        for (int n = 0; n < N_TILES / 2; n++) {
            if (IS_GRADIENT)
                load_matrices_transposed(b[n],
                                         weights + rows.b + k * 16 * WEIGHT_ROW_PITCH + n * 32);
            else
                load_matrices(b[n], weights + rows.b + n * 16 * WEIGHT_ROW_PITCH + k * 32);
        }
        const int lower = chunk_offset(2 * k), upper = chunk_offset(2 * k + 1);
        const int phase = tap_phase(kernel_row) * PHASES + tap_phase(2 * k / SLICE_CHUNKS);
        unsigned a_chunk = a_rows + (unsigned)(rows.is_upper ? upper : lower);
#pragma unroll
        for (int p = 0; p < POSITION_TILES; p++) {
            unsigned a[4];
            load_matrices(a, a_chunk + position_offset(p));
#pragma unroll
            for (int n = 0; n < N_TILES; n++)
                multiply_add(sums[(PHASES > 1 ? phase * POSITION_TILES : 0) + p][n], a,
                             b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
        }
    }
}

/* ---- results --------------------------------------------------------------------------------- */

/* Lane t of a quad has numbers 2t, 2t + 1 of chunks 0 .. 3 and gets all 8 of chunk t: in two rounds
 * each lane swaps two pairs with a partner.
 *
 *     chunk  0  1  2  3         partner t ^ 1         partner t ^ 2
 *     t = 0  a0 a1 a2 a3        a0 b0 a2 b2           a0 b0 c0 d0
 *     t = 1  b0 b1 b2 b3        a1 b1 a3 b3           a1 b1 c1 d1
 *     t = 2  c0 c1 c2 c3        c0 d0 c2 d2           a2 b2 c2 d2
 *     t = 3  d0 d1 d2 d3        c1 d1 c3 d3           a3 b3 c3 d3        */
DEVICE void transpose_quad(float v[8], int lane)
{
#pragma unroll
    for (int mask = 1; mask <= 2; mask *= 2) {
        bool is_odd = (lane & mask) != 0;
#pragma unroll
        for (int i = 0; i < 8; i++) {
            if ((i / 2 & mask) != 0)
                continue;
            float received = exchange(is_odd ? v[i] : v[i + 2 * mask], mask);
            v[i] = is_odd ? received : v[i];
            v[i + 2 * mask] = is_odd ? v[i + 2 * mask] : received;
        }
    }
}

/* Epilogue, store and statistics of a tile. */
DEVICE void finish_tile(const Args &args, const Block &block, int tile, int warp, int lane,
                        const float (&sums)[M_TILES][N_TILES][4], Totals<GROUPS> &totals)
{
    int first = warp / WARPS_N * WARP_POSITIONS + lane / 4;
    int u = tile_u(block, tile), v = tile_v(block, tile);
#pragma unroll
    for (int group = 0; group < GROUPS; group++) {
        int c = block.channel + warp % WARPS_N * WARP_N + group * 32 + lane % 4 * 8;
        bool has_channels = c < RESULT_CHANNELS;
        ChunkStatistics statistics;
        Epilogue::Channels k;
        begin_statistics(statistics);
        if (has_channels)
            k = Epilogue::channels(args, c);
#pragma unroll
        for (int i = 0; i < 2 * M_TILES; i++) {
            int m = i / 2, phase = m / POSITION_TILES;
            float core[8], value[8], x_hat[REDUCTIONS + 1][8];
            EACH(j) core[j] = sums[m][4 * group + j / 2][i % 2 * 2 + j % 2];
            transpose_quad(core, lane);
            int position = first + m % POSITION_TILES * 16 + i % 2 * 8;
            int h = (u + position / TILE_W) * PHASES + phase / PHASES;
            int w = (v + position % TILE_W) * PHASES + phase % PHASES;
            if (!has_channels || h < block.first_row || h >= block.end_row || w < block.first_column
                || w >= block.end_column)
                continue;
            uint4 raw[Epilogue::LOADS + 1];
            Epilogue::load(args, block.image, h, w, c, raw);
            Epilogue::apply(args, k, block.image, h, w, c, raw, core, value, x_hat);
#ifdef OUT
            store_chunk<OUT_PITCH, RESULT_CHANNELS>(
                args.OUT + pixel_at<RESULT_H, RESULT_W, OUT_PITCH>(block.image, h, w), c, value);
#endif
            add_statistics(statistics, value, x_hat);
        }
        finish_statistics(statistics, totals, group, lane);
    }
}

/* Where the total of channel n of warp row m goes. */
DEVICE unsigned total_at(unsigned shared, int r, int m, int n)
{
    return shared + (unsigned)((r * WARPS_M + m) * TILE_N + n) * TOTAL_BYTES;
}

/* One partial of each reduction: the totals of the warps, merged in order of the warps. */
DEVICE void finish_block(const Args &args, unsigned shared, int warp, int lane,
                         const Totals<GROUPS> &totals)
{
    if (REDUCTIONS == 0)
        return;
    barrier(); /* the last step has been read */
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++)
#pragma unroll
        for (int group = 0; group < GROUPS; group++) {
            int n = warp % WARPS_N * WARP_N + group * 32 + lane % 4 * 8 + lane / 4;
            write_total(total_at(shared, r, warp / WARPS_N, n), totals.of[r][group]);
        }
    barrier();
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++)
        for (int n = (int)threadIdx.x; n < TILE_N; n += THREADS) {
            Total all = {0.0f, 0.0f, 0.0f};
#pragma unroll
            for (int m = 0; m < WARPS_M; m++)
                merge_total(reduction_kind(r), all, read_total(total_at(shared, r, m, n)));
            write_partial<RESULT_CHANNELS>(args, r, (int)blockIdx.x, (int)blockIdx.y * TILE_N + n,
                                           all);
        }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

extern "C" __global__ void __launch_bounds__(THREADS, 1) ENTRY(PARAMETERS)
{
    extern __shared__ __align__(16) unsigned char memory[];
    const Args args = ARGS;
    const unsigned shared = shared_address(memory);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const Block block = find_block();
    const LaneRows rows = lane_rows(warp, lane);
    float sums[M_TILES][N_TILES][4];
    Totals<GROUPS> totals;
    int step = 0; /* over all tiles, as `slice` */

    begin_totals(totals);
    begin_copies(args, shared, block);
#pragma unroll 1
    for (int tile = 0; tile < block.tiles; tile++) {
#pragma unroll
        for (int i = 0; i < M_TILES * N_TILES * 4; i++)
            (&sums[0][0][0])[i] = 0.0f;
#pragma unroll 1
        for (int slice = tile * SLICES; slice < (tile + 1) * SLICES; slice++) {
#pragma unroll (PHASES > 1 ? KERNEL : 1)
            for (int kernel_row = 0; kernel_row < KERNEL; kernel_row++, step++) {
                if (kernel_row == 0 || !IS_RESIDENT) {
                    copy_wait<PENDING>();
                    if (kernel_row == 0)
                        Source::transform(args, slice_place(shared, block, slice));
                    barrier();
                    if (!IS_RESIDENT)
                        issue_weights(args, shared, block, step + WEIGHTS_AHEAD);
                    if (kernel_row == 0)
                        issue_halo(args, shared, block, slice + HALO_AHEAD);
                    copy_commit();
                }
                multiply_step(sums, shared + (unsigned)(slice % HALO_SLOTS) * Source::BYTES,
                              weight_slot(shared, step), rows, kernel_row);
            }
        }
        finish_tile(args, block, tile, warp, lane, sums, totals);
    }
    finish_block(args, shared, warp, lane, totals);
}

#include "end.cuh"
