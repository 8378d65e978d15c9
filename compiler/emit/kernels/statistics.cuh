/* Per-channel statistics of what a matrix product's epilogue makes, in a fixed order and without
 * atomics.
 *
 * A thread holds a chunk (8 channels) of some pixels of a tile; the 8 lanes of a warp with the same
 * lane % 4 hold the same chunk at other pixels. At the end of a tile they reduce and scatter:
 *
 *     lane / 4           0   1   2   3    4   5   6   7
 *     partner lane ^ 16  [ channels 0-3 ] [ channels 4-7 ]     each lane sends half of what it has
 *     partner lane ^ 8   [ 0, 1 ] [ 2, 3 ] [ 4, 5 ] [ 6, 7 ]   to its partner, merges what it gets
 *     partner lane ^ 4     0   1    2   3    4   5    6   7
 *
 * so that each lane has one channel, number lane / 4, over all pixels of the warp, and merges it
 * into its running total. Moments are mean and M2 = sum (v - mean)^2, by a running update within a
 * thread (Welford 1962) and the pairwise rule between threads (Chan, Golub, LeVeque 1979): E[v^2] -
 * E[v]^2 would cancel. Pixels outside the picture are in no count.
 *
 * collect.cuh does the same for maps, whose threads have no fixed place in a warp.
 */
#ifndef SNUG_STATISTICS_CUH
#define SNUG_STATISTICS_CUH

#include "tensor.cuh"

#if REDUCTIONS == 0
DEVICE constexpr int reduction_kind(int r)
{
    return REDUCE_sum;
}
#endif

/* Of one channel over `count` pixels. moments: a mean, b M2; else sums, b of v x_hat. */
struct Total {
    float a, b, count;
};

/* A lane's, over the tiles of a block: of each group of its warp one channel. */
template <int GROUPS>
struct Totals {
    Total of[REDUCTIONS + 1][GROUPS];
};

template <int GROUPS>
DEVICE void begin_totals(Totals<GROUPS> &totals)
{
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++)
#pragma unroll
        for (int group = 0; group < GROUPS; group++)
            totals.of[r][group] = Total{0.0f, 0.0f, 0.0f};
}

/* The counts of `into` and `other` are left to the caller. */
DEVICE void merge_values(int kind, float &a, float &b, float count, float other_a, float other_b,
                         float other_count)
{
    if (kind == REDUCE_moments) {
        float all = count + other_count;
        float share = all > 0.0f ? __fdividef(other_count, all) : 0.0f;
        float away = other_a - a;
        a = fmaf(away, share, a);
        b += fmaf(away * away, count * share, other_b);
    } else {
        a += other_a;
        b += other_b;
    }
}

DEVICE void merge_total(int kind, Total &into, const Total &other)
{
    merge_values(kind, into.a, into.b, into.count, other.a, other.b, other.count);
    into.count += other.count;
}

/* Of the pixels that this thread has seen. */
struct ChunkStatistics {
    float a[REDUCTIONS + 1][8], b[REDUCTIONS + 1][8], count;
};

DEVICE void begin_statistics(ChunkStatistics &s)
{
    s.count = 0.0f;
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++)
        EACH(i) s.a[r][i] = s.b[r][i] = 0.0f;
}

DEVICE void add_statistics(ChunkStatistics &s, const float v[8], const float (*x_hat)[8])
{
    s.count += 1.0f;
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++) {
        if (reduction_kind(r) == REDUCE_moments) {
            float share = __fdividef(1.0f, s.count);
            EACH(i) {
                float away = v[i] - s.a[r][i];
                s.a[r][i] = fmaf(away, share, s.a[r][i]);
                s.b[r][i] = fmaf(away, v[i] - s.a[r][i], s.b[r][i]);
            }
        } else {
            EACH(i) {
                s.a[r][i] += v[i];
                if (reduction_kind(r) == REDUCE_grad)
                    s.b[r][i] = fmaf(v[i], x_hat[r][i], s.b[r][i]);
            }
        }
    }
}

/* Keeps HALF of 2 HALF channels, the later ones where the lane has the bit. */
template <int HALF>
DEVICE void scatter_half(ChunkStatistics &s, int lane)
{
    const int mask = HALF * 4;
    bool is_upper = (lane & mask) != 0;
    float other_count = exchange(s.count, mask);
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++) {
#pragma unroll
        for (int i = 0; i < HALF; i++) {
            float a = is_upper ? s.a[r][i + HALF] : s.a[r][i];
            float b = is_upper ? s.b[r][i + HALF] : s.b[r][i];
            float other_a = exchange(is_upper ? s.a[r][i] : s.a[r][i + HALF], mask), other_b = 0.0f;
            if (reduction_kind(r) != REDUCE_sum)
                other_b = exchange(is_upper ? s.b[r][i] : s.b[r][i + HALF], mask);
            merge_values(reduction_kind(r), a, b, s.count, other_a, other_b, other_count);
            s.a[r][i] = a;
            s.b[r][i] = b;
        }
    }
    s.count += other_count;
}

template <int GROUPS>
DEVICE void finish_statistics(ChunkStatistics &s, Totals<GROUPS> &totals, int group, int lane)
{
    if (REDUCTIONS == 0)
        return;
    scatter_half<4>(s, lane);
    scatter_half<2>(s, lane);
    scatter_half<1>(s, lane);
#pragma unroll
    for (int r = 0; r < REDUCTIONS; r++)
        merge_total(reduction_kind(r), totals.of[r][group], Total{s.a[r][0], s.b[r][0], s.count});
}

DEVICE void write_total(unsigned to, const Total &total)
{
    store_shared_float(to, total.a);
    store_shared_float(to + 4, total.b);
    store_shared_float(to + 8, total.count);
}

DEVICE Total read_total(unsigned from)
{
    return Total{load_shared_float(from), load_shared_float(from + 4), load_shared_float(from + 8)};
}

/* Channel c of partial `part`; padding is zero. */
template <int CHANNELS>
DEVICE void write_partial(const Args &args, int r, int part, int c, const Total &total)
{
#if REDUCTIONS > 0
    int rows = reduction_kind(r) == REDUCE_sum ? 1 : 2;
    float *to = reduction_out(args, r) + (long long)part * rows * REDUCTION_PITCH + c;
    if (c >= REDUCTION_PITCH)
        return;
    to[0] = c < CHANNELS ? total.a : 0.0f;
    if (rows == 2)
        to[REDUCTION_PITCH] = c < CHANNELS ? total.b : 0.0f;
#endif
}

#endif
