/* Heat maps, points -> map_loss[n][k], the mean over a map. Two entries: sums of SLICES slices of
 * each
 * image into the workspace {image, slice, map}, then the sums of those.
 *
 *     lane     a map: a warp reads neighbouring maps of neighbouring pixels
 *     row      a share of the pixels, or of the slices
 *     grid     slices, groups of LANES maps, images
 */
#include "target.cuh"

/* Row 0 gets the sum over the rows, as a binary tree. */
DEVICE float join_maps(float sum, int lane, int row, bool is_active)
{
    __shared__ float scratch[LANES * ROWS];

    for (int rows = ROWS; rows > 1; rows = (rows + 1) / 2) {
        int half = (rows + 1) / 2;
        __syncthreads();
        if (is_active && row >= half && row < rows)
            scratch[row * LANES + lane] = sum;
        __syncthreads();
        if (is_active && row + half < rows)
            sum += scratch[(row + half) * LANES + lane];
    }
    return sum;
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    int map = blockIdx.y * LANES + lane, slice = blockIdx.x, n = blockIdx.z;
    bool is_active = row < ROWS && map < MAPS;
    float sum = 0.0f;

    if (is_active) {
        Point point = load_point(args.a1, n, map);
        const float *heat = args.a0 + (long long)n * HEIGHT * WIDTH * HEAT_PITCH + map;
        int end = (slice + 1) * SLICE_PIXELS < HEIGHT * WIDTH ? (slice + 1) * SLICE_PIXELS
                                                              : HEIGHT * WIDTH;
        for (int pixel = slice * SLICE_PIXELS + row; pixel < end; pixel += ROWS)
            sum += loss_at(point, heat[(long long)pixel * HEAT_PITCH], pixel / WIDTH,
                           pixel % WIDTH);
    }
    sum = join_maps(sum, lane, row, is_active);
    if (is_active && row == 0)
        ((float *)args.workspace)[((long long)n * SLICES + slice) * MAPS + map] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY_SUM(PARAMETERS)
{
    const Args args = ARGS;
    int lane = threadIdx.x % LANES, row = threadIdx.x / LANES;
    int map = blockIdx.y * LANES + lane, n = blockIdx.z;
    bool is_active = row < ROWS && map < MAPS;
    float sum = 0.0f;

    for (int slice = row; is_active && slice < SLICES; slice += ROWS)
        sum += ((const float *)args.workspace)[((long long)n * SLICES + slice) * MAPS + map];
    sum = join_maps(sum, lane, row, is_active);
    if (is_active && row == 0)
        args.a2[n * LOSS_PITCH + map] = sum * (1.0f / (HEIGHT * WIDTH));
}

#include "end.cuh"
