/* Partials -> the vectors of batch norms and biases. A block has one chunk of 8 channels; its
 * threads
 * share the partials, each adds up its own in order, then reduce.cuh joins them.
 *
 *     grid.x   chunks
 */
#include "prims.cuh"
#include "reduce.cuh"

#if IS_BN_COMBINE
enum { IS_MOMENTS = 1 };
#else
enum { IS_MOMENTS = 0 };
#endif

#if PARTIAL_ROWS > 0

#if IS_BN_COMBINE

/* Pixels of side `index` of the tiles of length `tile`: the last one is cut off. */
DEVICE int side_count(int index, int tile, int size)
{
    return size - index * tile < tile ? size - index * tile : tile;
}

/* Pixels that partial p is of: see SnugTile. */
DEVICE float partial_count(int p)
{
    int across = p % TILES_ACROSS, down = p / TILES_ACROSS % TILES_DOWN;
    return (float)(side_count(down, TILE_ROWS, HEIGHT) * side_count(across, TILE_COLUMNS, WIDTH));
}

#endif

/* Thread 0 gets the sums over all partials. */
DEVICE Sums combine_partials(const float *partials, int c, float *scratch)
{
    Sums sums;

    sums.count = 0.0f;
    EACH(i) sums.first[i] = sums.second[i] = 0.0f;
    for (int p = threadIdx.x; p < PARTIALS; p += THREADS) {
        const float *from = partials + (long long)p * PARTIAL_ROWS * PARTIAL_PITCH + c;
        Sums one;
        one.count = 0.0f;
        read_eight(from, one.first);
        EACH(i) one.second[i] = 0.0f;
        if constexpr (PARTIAL_ROWS == 2)
            read_eight(from + PARTIAL_PITCH, one.second);
#if IS_BN_COMBINE
        one.count = partial_count(p);
#endif
        join_sums<IS_MOMENTS>(sums, one);
    }
    join_rows<1, THREADS, IS_MOMENTS>(sums, scratch, 0, threadIdx.x, true);
    return sums;
}

#endif

#if IS_BN_COMBINE || IS_BN_FROZEN

/* mean, rstd, scale, shift -> rows of stats; padding becomes zeros. */
DEVICE void write_stats(float *stats, int c, const float mean[8], const float variance[8],
                        const float gamma[8], const float beta[8])
{
    float rows[4][8];

    EACH(i) {
        float x = variance[i] + EPS, guess = rsqrtf(x);
        float rstd = guess * (1.5f - 0.5f * x * guess * guess); /* one step of Newton's */
        float scale = gamma[i] * rstd;
        rows[0][i] = mean[i];
        rows[1][i] = rstd;
        rows[2][i] = scale;
        rows[3][i] = beta[i] - mean[i] * scale;
    }
#pragma unroll
    for (int row = 0; row < 4; row++) {
        cut_channels<CHANNELS>(c, rows[row]);
        write_eight(stats + row * RESULT_PITCH + c, rows[row]);
    }
}

#endif

#if IS_BN_COMBINE

DEVICE bool is_finite(float x)
{
    return x - x == 0.0f;
}

/* partials, gamma, beta, running mean and variance -> stats */
DEVICE void combine(const Args &args, int c, const Sums &sums)
{
    float gamma[8], beta[8], variance[8];

    load_chunk<CHANNELS, 0, CHANNELS>(args.a1, c, gamma);
    load_chunk<CHANNELS, 0, CHANNELS>(args.a2, c, beta);
    EACH(i) variance[i] = sums.second[i] * (1.0f / COUNT);
    write_stats(args.a5, c, sums.first, variance, gamma, beta);
    EACH(i) {
        float mean = sums.first[i], unbiased = COUNT > 1 ? sums.second[i] * (1.0f / (COUNT - 1))
                                                         : sums.second[i];
        if (c + i < CHANNELS && is_finite(mean) && is_finite(unbiased)) {
            args.a3[c + i] = (1.0f - MOMENTUM) * args.a3[c + i] + MOMENTUM * mean;
            args.a4[c + i] = (1.0f - MOMENTUM) * args.a4[c + i] + MOMENTUM * unbiased;
        }
    }
}

#elif IS_BN_FROZEN

/* gamma, beta, running mean and variance -> stats */
DEVICE void combine(const Args &args, int c)
{
    float gamma[8], beta[8], mean[8], variance[8];

    load_chunk<CHANNELS, 0, CHANNELS>(args.a0, c, gamma);
    load_chunk<CHANNELS, 0, CHANNELS>(args.a1, c, beta);
    load_chunk<CHANNELS, 0, CHANNELS>(args.a2, c, mean);
    load_chunk<CHANNELS, 0, CHANNELS>(args.a3, c, variance);
    write_stats(args.a4, c, mean, variance, gamma, beta);
}

#elif IS_BN_GRAD_COMBINE

/* partials (sum g, sum g x^), stats, gamma, dgamma +=, dbeta += -> A, B, C. With N = COUNT
 * elements:
 *   dz = gamma rstd (g - sum(g) / N - x^ sum(g x^) / N) = A g + B z + C */
DEVICE void combine(const Args &args, int c, const Sums &sums)
{
    float mean[8], rstd[8], scale[8], gamma[8], rows[3][8];

    load_chunk<STATS_PITCH, 0, CHANNELS>(args.a1, c, mean);
    load_chunk<STATS_PITCH, 0, CHANNELS>(args.a1 + STATS_PITCH, c, rstd);
    load_chunk<STATS_PITCH, 0, CHANNELS>(args.a1 + 2 * STATS_PITCH, c, scale);
    load_chunk<CHANNELS, 0, CHANNELS>(args.a2, c, gamma);
    EACH(i) {
        float a = gamma[i] * rstd[i];
        float b = -a * rstd[i] * sums.second[i] * (1.0f / COUNT);
        rows[0][i] = FROZEN ? scale[i] : a;
        rows[1][i] = FROZEN ? 0.0f : b;
        rows[2][i] = FROZEN ? 0.0f : -a * sums.first[i] * (1.0f / COUNT) - b * mean[i];
        if (c + i < CHANNELS) {
            args.a3[c + i] += sums.second[i];
            args.a4[c + i] += sums.first[i];
        }
    }
#pragma unroll
    for (int row = 0; row < 3; row++) {
        cut_channels<CHANNELS>(c, rows[row]);
        write_eight(args.a5 + row * RESULT_PITCH + c, rows[row]);
    }
}

#else

/* partials (sum), db += */
DEVICE void combine(const Args &args, int c, const Sums &sums)
{
    EACH(i) if (c + i < CHANNELS) args.a1[c + i] += sums.first[i];
}

#endif

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    int c = blockIdx.x * 8;
#if PARTIAL_ROWS > 0
    __shared__ __align__(16) float scratch[JOIN_FLOATS(THREADS)];
    Sums sums = combine_partials(args.a0, c, scratch);
    if (threadIdx.x == 0)
        combine(args, c, sums);
#else
    if (threadIdx.x == 0)
        combine(args, c);
#endif
}

#include "end.cuh"
