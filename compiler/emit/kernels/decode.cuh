/* Heat maps -> the peak of each: x, y in the network's input pixels, and how high it is; see
 * runtime/host/decode.h. Three entries, the workspace between them:
 *
 *     ENTRY          rows smoothed            -> {image, pixel, map}
 *     ENTRY_SCAN     and columns; the highest -> {image, slice, map} Best
 *     ENTRY_REFINE   of all slices the highest, one Newton step on the logarithm
 *
 *     lane     a map: a warp reads neighbouring maps of neighbouring pixels
 *     row      a share of the slice's pixels
 *     grid     slices, groups of LANES maps, images
 */
#include "prims.cuh"

#define PIXELS     (HEIGHT * WIDTH)
#define LARGEST    3.402823466e38f
#define ROWS_BYTES (((long long)IMAGES * PIXELS * MAPS * 4 + 255) / 256 * 256)

struct Best {
    float value, highest; /* smoothed, and as it came */
    int pixel, is_finite;
};

/* The mean of what lies inside the map, so that a peak at the border stays there. from: the element
 * of position 0; `at` of `size` positions, `step` elements apart. */
DEVICE float smooth(const float *from, int at, int size, long long step, const float *taps)
{
    float sum = 0.0f, weights = 0.0f;

    _Pragma("unroll 5") /* all taps at once would not fit into the registers of sm_90 */
    for (int k = -RADIUS; k <= RADIUS; k++) {
        if (at + k < 0 || at + k >= size)
            continue;
        sum = fmaf(taps[k + RADIUS], from[(at + k) * step], sum);
        weights += taps[k + RADIUS];
    }
    return sum / weights;
}

/* Every thread of the block calls it. */
DEVICE void make_taps(float *taps)
{
    for (int k = threadIdx.x; k <= 2 * RADIUS; k += THREADS)
        taps[k] = expf((float)((k - RADIUS) * (k - RADIUS)) * (-0.5f / (SIGMA * SIGMA)));
    __syncthreads();
}

DEVICE float *smoothed_rows(void *workspace, int n, int map)
{
    return (float *)workspace + (long long)n * PIXELS * MAPS + map;
}

DEVICE Best *best_of(void *workspace, int n, int slice, int map)
{
    Best *all = (Best *)((char *)workspace + ROWS_BYTES);
    return all + ((long long)n * SLICES + slice) * MAPS + map;
}

DEVICE float smooth_both(void *workspace, int n, int map, int h, int w, const float *taps)
{
    return smooth(smoothed_rows(workspace, n, map) + (long long)w * MAPS, h, HEIGHT,
                  (long long)WIDTH * MAPS, taps);
}

/* Of equal ones the first. */
DEVICE void join_best(Best &mine, const Best &other)
{
    if (other.value > mine.value || (other.value == mine.value && other.pixel < mine.pixel)) {
        mine.value = other.value;
        mine.pixel = other.pixel;
    }
    mine.highest = fmaxf(mine.highest, other.highest);
    mine.is_finite &= other.is_finite;
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ float taps[2 * RADIUS + 1];
    int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    int map = blockIdx.y * LANES + lane, n = blockIdx.z;
    int begin = blockIdx.x * SLICE_PIXELS;
    int end = begin + SLICE_PIXELS < PIXELS ? begin + SLICE_PIXELS : PIXELS;

    make_taps(taps);
    if (row >= ROWS || map >= MAPS)
        return;
    for (int pixel = begin + row; pixel < end; pixel += ROWS) {
        int h = pixel / WIDTH, w = pixel % WIDTH;
        const float *heat = args.a0 + ((long long)n * HEIGHT + h) * WIDTH * HEAT_PITCH + map;
        smoothed_rows(args.workspace, n, map)[(long long)pixel * MAPS] =
            smooth(heat, w, WIDTH, HEAT_PITCH, taps);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY_SCAN(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ float taps[2 * RADIUS + 1];
    __shared__ Best scratch[LANES * ROWS];
    int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    int map = blockIdx.y * LANES + lane, n = blockIdx.z;
    int begin = blockIdx.x * SLICE_PIXELS;
    int end = begin + SLICE_PIXELS < PIXELS ? begin + SLICE_PIXELS : PIXELS;
    bool is_active = row < ROWS && map < MAPS;
    Best best = {-LARGEST, -LARGEST, PIXELS, 1};

    make_taps(taps);
    for (int pixel = begin + row; is_active && pixel < end; pixel += ROWS) {
        float heat = args.a0[((long long)n * PIXELS + pixel) * HEAT_PITCH + map];
        Best here = {smooth_both(args.workspace, n, map, pixel / WIDTH, pixel % WIDTH, taps), heat,
                     pixel, fabsf(heat) <= LARGEST};
        join_best(best, here);
    }
    for (int rows = ROWS; rows > 1; rows = (rows + 1) / 2) {
        int half = (rows + 1) / 2;
        __syncthreads();
        if (is_active && row >= half && row < rows)
            scratch[row * LANES + lane] = best;
        __syncthreads();
        if (is_active && row + half < rows)
            join_best(best, scratch[(row + half) * LANES + lane]);
    }
    if (is_active && row == 0)
        *best_of(args.workspace, n, blockIdx.x, map) = best;
}

/* One Newton step of the logarithm at (h, w), at most a pixel in each direction; none at the
 * border. */
DEVICE void refine(const float v[3][3], float &x, float &y)
{
    float dx = 0.5f * (v[1][2] - v[1][0]), dy = 0.5f * (v[2][1] - v[0][1]);
    float dxx = v[1][2] - 2.0f * v[1][1] + v[1][0], dyy = v[2][1] - 2.0f * v[1][1] + v[0][1];
    float dxy = 0.25f * (v[2][2] - v[2][0] - v[0][2] + v[0][0]);
    float determinant = dxx * dyy - dxy * dxy;

    if (!(determinant > 1e-12f) || !(dxx < 0.0f))
        return;
    x += fmaxf(-1.0f, fminf(1.0f, (dxy * dy - dyy * dx) / determinant));
    y += fmaxf(-1.0f, fminf(1.0f, (dxy * dx - dxx * dy) / determinant));
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY_REFINE(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ float taps[2 * RADIUS + 1];
    int map = blockIdx.y * LANES + threadIdx.x, n = blockIdx.z;
    Best best = {-LARGEST, -LARGEST, PIXELS, 1};

    make_taps(taps);
    if (threadIdx.x >= LANES || map >= MAPS)
        return;
    for (int slice = 0; slice < SLICES; slice++)
        join_best(best, *best_of(args.workspace, n, slice, map));
    int h = best.pixel / WIDTH, w = best.pixel % WIDTH;
    float x = (float)w, y = (float)h;
    if (!best.is_finite) {
        x = 0.5f * (WIDTH - 1);
        y = 0.5f * (HEIGHT - 1);
        best.highest = 0.0f;
    } else if (h > 0 && w > 0 && h < HEIGHT - 1 && w < WIDTH - 1) {
        float v[3][3];
        for (int j = 0; j < 3; j++)
            for (int i = 0; i < 3; i++)
                v[j][i] = logf(fmaxf(
                    smooth_both(args.workspace, n, map, h + j - 1, w + i - 1, taps), 1e-10f));
        refine(v, x, y);
    }
    float *peak = args.a1 + ((long long)n * MAPS + map) * PEAK_PITCH;
    peak[0] = x * LOSS_STRIDE;
    peak[1] = y * LOSS_STRIDE;
    peak[2] = best.highest;
}

#include "end.cuh"
