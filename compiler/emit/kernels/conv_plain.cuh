/* Convolution, its data gradient and the transposed convolution in plain fp32 arithmetic: for full
 * precision, and for strides that conv.cuh has no tile for. Right, and slow: each chunk of 8
 * channels of a pixel gathers all it reads for itself. map.cuh runs it.
 *
 * Expects, besides what map.cuh does: IS_GRADIENT; KERNEL, STRIDE, PAD, X_..., Y_...; WEIGHTS, an
 * arg {Y_CHANNELS, KERNEL, KERNEL, WEIGHT_PITCH}, half or float.
 */
#define CORE
#include "prims.cuh"

#if IS_GRADIENT
enum { SOURCE_H = Y_HEIGHT, SOURCE_W = Y_WIDTH, SOURCE_CHANNELS = Y_CHANNELS };
#else
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

struct Core {
    struct Channels {};
    DEVICE Channels channels(const Args &args, int n, int c)
    {
        return Channels{};
    }

    DEVICE void at(const Args &args, const Channels &k, int n, int h, int w, int c, float v[8])
    {
        EACH(i) v[i] = 0.0f;
#pragma unroll 1
        for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
            int kh = tap / KERNEL, kw = tap % KERNEL;
            int row = source_of(h, kh, SOURCE_H), column = source_of(w, kw, SOURCE_W);
            if (row < 0 || column < 0)
                continue;
#pragma unroll 1
            for (int s = 0; s < SOURCE_CHANNELS; s += 8) {
                float from[8];
                Prologue0::at(args, n, row, column, s, from);
                EACH(j) EACH(i)
                    v[i] = fmaf(from[j], weight_at(args, c + i, s + j, kh, kw), v[i]);
            }
        }
    }
};

#include "map.cuh"
