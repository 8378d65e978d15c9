/* Reductions over the pixels of a tile, a channel at a time: what a block collects from the values
 * that it makes, as they are rounded for storage, and writes as one partial. In a fixed order: a
 * thread adds up its own pixels, then the threads of a chunk are joined as a binary tree.
 *
 *     thread        0        1       ...   LANES - 1  |  LANES   ...
 *     lane          0        1             LANES - 1  |  0               a chunk of channels
 *     row           0        0             0          |  1               its share of the pixels
 *
 * Expects of the generated text: REDUCTIONS, REDUCTION_PITCH, reduction_kind(r),
 * reduction_out(args, r). All threads of a block call collect_finish.
 */
#ifndef SNUG_COLLECT_CUH
#define SNUG_COLLECT_CUH

#include "prims.cuh"

/* Sums of a thread: of v, or of v - origin with the origin its first value; and of v times x-hat, or
 * of squares of v - origin. */
struct Collector {
    float origin[8], first[REDUCTIONS][8], second[REDUCTIONS][8];
    int count;
};

DEVICE void collect_begin(Collector &t)
{
    t.count = 0;
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++)
        EACH(i) t.first[r][i] = t.second[r][i] = 0.0f;
    EACH(i) t.origin[i] = 0.0f;
}

DEVICE void collect_add(Collector &t, const float v[8], const float xhat[REDUCTIONS][8])
{
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++) {
        if (reduction_kind(r) == REDUCE_moments) {
            EACH(i) {
                t.origin[i] = t.count == 0 ? v[i] : t.origin[i];
                float away = v[i] - t.origin[i];
                t.first[r][i] += away;
                t.second[r][i] = fmaf(away, away, t.second[r][i]);
            }
        } else {
            EACH(i) {
                t.first[r][i] += v[i];
                if (reduction_kind(r) == REDUCE_grad)
                    t.second[r][i] = fmaf(v[i], xhat[r][i], t.second[r][i]);
            }
        }
    }
    t.count++;
}

/* Floats of shared memory that collect_finish needs. */
#define COLLECT_FLOATS(threads) (17 * (threads))

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

/* (count, mean, M2) of two sets of pixels (Chan, Golub, LeVeque 1979). */
DEVICE void join_moments(float mine, float other, float mean[8], float m2[8],
                         const float other_mean[8], const float other_m2[8])
{
    float share = mine + other > 0.0f ? other / (mine + other) : 0.0f;
    EACH(i) {
        float away = other_mean[i] - mean[i];
        mean[i] = fmaf(away, share, mean[i]);
        m2[i] += other_m2[i] + away * away * mine * share;
    }
}

/* Writes partial `part`, channels [c, c + 8) of this thread's lane. scratch: COLLECT_FLOATS(THREADS)
 * floats, 16-byte aligned, that no thread uses any more. is_active: the thread has a lane with
 * channels and row < ROWS; the others only take part in the barriers. */
template <int LANES, int ROWS>
DEVICE void collect_finish(Collector &t, const Args &args, float *scratch, int lane, int row,
                           bool is_active, int part, int c)
{
    float *first = scratch, *second = scratch + 8 * LANES * ROWS;
    float *counts = scratch + 16 * LANES * ROWS;
    int at = 8 * (row * LANES + lane);

#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++) {
        float a[8], b[8], count = (float)t.count;
        EACH(i) a[i] = t.first[r][i], b[i] = t.second[r][i];
        if (reduction_kind(r) == REDUCE_moments) {
            float share = t.count > 0 ? 1.0f / count : 0.0f;
            EACH(i) {
                b[i] -= a[i] * a[i] * share;
                a[i] = fmaf(a[i], share, t.origin[i]);
            }
        }
        for (int rows = ROWS; rows > 1; rows = (rows + 1) / 2) {
            int half = (rows + 1) / 2;
            __syncthreads(); /* the scratch memory is free again */
            if (is_active && row >= half && row < rows) {
                write_eight(first + at, a);
                write_eight(second + at, b);
                counts[row * LANES + lane] = count;
            }
            __syncthreads();
            if (is_active && row + half < rows) {
                float other_a[8], other_b[8];
                float other = counts[(row + half) * LANES + lane];
                read_eight(first + at + 8 * LANES * half, other_a);
                read_eight(second + at + 8 * LANES * half, other_b);
                if (reduction_kind(r) == REDUCE_moments)
                    join_moments(count, other, a, b, other_a, other_b);
                else
                    EACH(i) a[i] += other_a[i], b[i] += other_b[i];
                count += other;
            }
        }
        if (is_active && row == 0) {
            int rows = reduction_kind(r) == REDUCE_sum ? 1 : 2;
            float *out = reduction_out(args, r) + (long long)part * rows * REDUCTION_PITCH + c;
            write_eight(out, a);
            if (rows == 2)
                write_eight(out + REDUCTION_PITCH, b);
        }
    }
}

#endif
