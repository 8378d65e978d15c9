/* Reductions over the pixels of a tile, a channel at a time: what a block collects from the values
 * that it makes, as they are rounded for storage, and writes as one partial. In a fixed order: a
 * thread adds up its own pixels, then reduce.cuh joins the threads.
 *
 * Expects of the generated text: REDUCTIONS, REDUCTION_PITCH, reduction_kind(r),
 * reduction_out(args, r). All threads of a block call collect_finish.
 */
#ifndef SNUG_COLLECT_CUH
#define SNUG_COLLECT_CUH

#include "reduce.cuh"

/* Sums of a thread: of v, or of v - origin with the origin its first value; and of v times x-hat,
 * or
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
#define COLLECT_FLOATS(threads) JOIN_FLOATS(threads)

template <int R>
DEVICE Sums collected(const Collector &t)
{
    Sums sums;
    sums.count = (float)t.count;
    EACH(i) sums.first[i] = t.first[R][i], sums.second[i] = t.second[R][i];
    if constexpr (reduction_kind(R) == REDUCE_moments) {
        float share = t.count > 0 ? 1.0f / sums.count : 0.0f;
        EACH(i) {
            sums.second[i] -= sums.first[i] * sums.first[i] * share;
            sums.first[i] = fmaf(sums.first[i], share, t.origin[i]);
        }
    }
    return sums;
}

template <int LANES, int ROWS, int R>
DEVICE void finish_one(const Collector &t, const Args &args, float *scratch, int lane, int row,
                       bool is_active, int part, int c)
{
    Sums sums = collected<R>(t);
    constexpr int rows = reduction_kind(R) == REDUCE_sum ? 1 : 2;
    join_rows<LANES, ROWS, reduction_kind(R) == REDUCE_moments>(sums, scratch, lane, row,
                                                                is_active);
    if (is_active && row == 0) {
        float *out = reduction_out(args, R) + (long long)part * rows * REDUCTION_PITCH + c;
        write_eight(out, sums.first);
        if constexpr (rows == 2)
            write_eight(out + REDUCTION_PITCH, sums.second);
    }
}

/* Writes partial `part`, channels [c, c + 8) of this thread's lane. scratch: COLLECT_FLOATS(LANES *
 * ROWS) floats, 16-byte aligned. is_active: the thread has a lane with channels and a row below
 * ROWS; the others only take part in the barriers. */
template <int LANES, int ROWS>
DEVICE void collect_finish(const Collector &t, const Args &args, float *scratch, int lane, int row,
                           bool is_active, int part, int c)
{
    finish_one<LANES, ROWS, 0>(t, args, scratch, lane, row, is_active, part, c);
#if REDUCTIONS > 1
    finish_one<LANES, ROWS, 1>(t, args, scratch, lane, row, is_active, part, c);
#endif
#if REDUCTIONS > 2
    finish_one<LANES, ROWS, 2>(t, args, scratch, lane, row, is_active, part, c);
#endif
#if REDUCTIONS > 3
    finish_one<LANES, ROWS, 3>(t, args, scratch, lane, row, is_active, part, c);
#endif
}

#endif
