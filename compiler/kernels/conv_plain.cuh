/* Convolution, its data gradient and the transposed convolution in plain fp32 arithmetic: for full
 * precision, and for strides that conv.cuh has no tile for. Right, and slow.
 *
 * A thread makes a chunk of 8 channels of one pixel after the other of a block's rectangle:
 *
 *     lane = thread % LANES     which chunk
 *     row = thread / LANES      its pixels: row, row + ROWS, ...
 *
 * Expects, besides what prims.cuh says: IS_GRADIENT; KERNEL, STRIDE, PAD, X_..., Y_...; WEIGHTS, an
 * arg {Y_CHANNELS, KERNEL, KERNEL, WEIGHT_PITCH}, half or float; BLOCK_ROWS, BLOCK_COLUMNS; LANES
 * and ROWS in Epilogue.
 */
#include "prims.cuh"
#if REDUCTIONS > 0
#include "collect.cuh"
#endif

#if IS_GRADIENT
enum { RESULT_H = X_HEIGHT, RESULT_W = X_WIDTH, RESULT_CHANNELS = X_CHANNELS };
enum { SOURCE_H = Y_HEIGHT, SOURCE_W = Y_WIDTH, SOURCE_CHANNELS = Y_CHANNELS };
#else
enum { RESULT_H = Y_HEIGHT, RESULT_W = Y_WIDTH, RESULT_CHANNELS = Y_CHANNELS };
enum { SOURCE_H = X_HEIGHT, SOURCE_W = X_WIDTH, SOURCE_CHANNELS = X_CHANNELS };
#endif

/* The pixel of the source that tap k of result pixel `at` reads, along one axis; -1: none. */
DEVICE int source_of(int at, int k, int size)
{
    int from = IS_GRADIENT ? at + PAD - k : at * STRIDE - PAD + k;
    if (from < 0 || (IS_GRADIENT && from % STRIDE != 0))
        return -1;
    from = IS_GRADIENT ? from / STRIDE : from;
    return from < size ? from : -1;
}

DEVICE float weight_at(const Args &args, int result, int source, int kh, int kw)
{
    int y = IS_GRADIENT ? source : result, x = IS_GRADIENT ? result : source;
    if (y >= Y_CHANNELS || x >= X_CHANNELS)
        return 0.0f;
    return float_of(args.WEIGHTS[pixel_at<KERNEL, KERNEL, WEIGHT_PITCH>(y, kh, kw) + x]);
}

DEVICE void convolve(const Args &args, int n, int h, int w, int c, float core[8])
{
    EACH(i) core[i] = 0.0f;
#pragma unroll 1
    for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
        int kh = tap / KERNEL, kw = tap % KERNEL;
        int row = source_of(h, kh, SOURCE_H), column = source_of(w, kw, SOURCE_W);
        if (row < 0 || column < 0)
            continue;
#pragma unroll 1
        for (int s = 0; s < SOURCE_CHANNELS; s += 8) {
            float v[8];
            Prologue0::at(args, n, row, column, s, v);
            EACH(k) EACH(i) core[i] = fmaf(v[k], weight_at(args, c + i, s + k, kh, kw), core[i]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    const int down = (RESULT_H + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const int across = (RESULT_W + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    int lane = threadIdx.x % Epilogue::LANES, thread_row = threadIdx.x / Epilogue::LANES;
    int c = (blockIdx.y * Epilogue::LANES + lane) * 8, part = blockIdx.x;
    int n = part / across / down;
    bool is_active = thread_row < Epilogue::ROWS && c < RESULT_CHANNELS;
#if REDUCTIONS > 0
    __shared__ __align__(16) float scratch[COLLECT_FLOATS(THREADS)];
    Collector collector;
    collect_begin(collector);
#endif

    if (is_active) {
        Epilogue::Channels k = Epilogue::channels(args, c);
#pragma unroll 1
        for (int p = thread_row; p < BLOCK_ROWS * BLOCK_COLUMNS; p += Epilogue::ROWS) {
            int h = part / across % down * BLOCK_ROWS + p / BLOCK_COLUMNS;
            int w = part % across * BLOCK_COLUMNS + p % BLOCK_COLUMNS;
            if (h >= RESULT_H || w >= RESULT_W)
                continue;
            uint4 raw[Epilogue::LOADS + 1];
            float core[8], v[8], xhat[REDUCTIONS + 1][8];
            convolve(args, n, h, w, c, core);
            Epilogue::load(args, n, h, w, c, raw);
            Epilogue::apply(args, k, n, h, w, c, raw, core, v, xhat);
#ifdef OUT
            store_chunk<OUT_PITCH, RESULT_CHANNELS>(
                args.OUT + pixel_at<RESULT_H, RESULT_W, OUT_PITCH>(n, h, w), c, v);
#endif
#if REDUCTIONS > 0
            collect_add(collector, v, xhat);
#endif
        }
    }
#if REDUCTIONS > 0
    collect_finish<Epilogue::LANES, Epilogue::ROWS>(collector, args, scratch, lane, thread_row,
                                                    is_active, part, c);
#endif
}
