/* Sums over the threads of a block, 8 channels a thread, in a fixed order: rows of threads are
 * joined
 * as a binary tree.
 *
 *     thread        0        1       ...   LANES - 1  |  LANES   ...
 *     lane          0        1             LANES - 1  |  0               a chunk of channels
 *     row           0        0             0          |  1               its share of the pixels
 */
#ifndef SNUG_REDUCE_CUH
#define SNUG_REDUCE_CUH

#include "prims.cuh"

/* Two sums, or with MOMENTS mean and M2 = sum (v - mean)^2 over `count` values. */
struct Sums {
    float first[8], second[8], count;
};

/* Two sets of values into one (Chan, Golub, LeVeque 1979). */
template <bool MOMENTS>
DEVICE void join_sums(Sums &mine, const Sums &other)
{
    if constexpr (MOMENTS) {
        float both = mine.count + other.count;
        float share = both > 0.0f ? other.count / both : 0.0f;
        EACH(i) {
            float away = other.first[i] - mine.first[i];
            mine.first[i] = fmaf(away, share, mine.first[i]);
            mine.second[i] += other.second[i] + away * away * mine.count * share;
        }
    } else {
        EACH(i) {
            mine.first[i] += other.first[i];
            mine.second[i] += other.second[i];
        }
    }
    mine.count += other.count;
}

DEVICE void read_eight(const float *from, float v[8])
{
    float4 low = ((const float4 *)from)[0], high = ((const float4 *)from)[1];
    v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
    v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
}

DEVICE void write_eight(float *to, const float v[8])
{
    ((float4 *)to)[0] = float4{v[0], v[1], v[2], v[3]};
    ((float4 *)to)[1] = float4{v[4], v[5], v[6], v[7]};
}

/* Floats of shared memory that join_rows needs. */
#define JOIN_FLOATS(threads) (17 * (threads))

/* Row 0 ends with the sums of all ROWS rows. Every thread of the block calls it; is_active: it has
 * a
 * lane and a row below ROWS. scratch: JOIN_FLOATS(LANES * ROWS) floats, 16-byte aligned; whoever
 * used them before may still be at it, and the same afterwards. */
template <int LANES, int ROWS, bool MOMENTS>
DEVICE void join_rows(Sums &sums, float *scratch, int lane, int row, bool is_active)
{
    float *first = scratch, *second = scratch + 8 * LANES * ROWS;
    float *counts = scratch + 16 * LANES * ROWS;
    int at = row * LANES + lane;

    for (int rows = ROWS; rows > 1; rows = (rows + 1) / 2) {
        int half = (rows + 1) / 2;
        __syncthreads();
        if (is_active && row >= half && row < rows) {
            write_eight(first + 8 * at, sums.first);
            write_eight(second + 8 * at, sums.second);
            counts[at] = sums.count;
        }
        __syncthreads();
        if (is_active && row + half < rows) {
            int from = at + half * LANES;
            Sums other;
            read_eight(first + 8 * from, other.first);
            read_eight(second + 8 * from, other.second);
            other.count = counts[from];
            join_sums<MOMENTS>(sums, other);
        }
    }
}

/* One number a thread: thread 0 gets their sum. scratch: THREADS floats. */
DEVICE float join_threads(float value, float *scratch)
{
    for (int threads = THREADS; threads > 1; threads = (threads + 1) / 2) {
        int half = (threads + 1) / 2;
        __syncthreads();
        if (threadIdx.x >= half && threadIdx.x < threads)
            scratch[threadIdx.x] = value;
        __syncthreads();
        if (threadIdx.x + half < threads)
            value += scratch[threadIdx.x + half];
    }
    return value;
}

#endif
