/* The gradient of a convolution by its weights in plain fp32 arithmetic: for full precision. Right,
 * and slow.
 *
 * A block makes 8 x 8 channels of one tap: its threads share the pixels of y, each keeps all 64
 * sums, and these are added over the lanes of a warp by exchange, then over the warps in their
 * order.
 *
 * Expects, besides what prims.cuh says: KERNEL, STRIDE, PAD, X_..., Y_...; GRADIENT, an arg f32
 * {Y_CHANNELS, KERNEL, KERNEL, X_CHANNELS}.
 */
#include "prims.cuh"

enum {
    X_CHUNKS = (X_CHANNELS + 7) / 8,
    PIXELS = Y_IMAGES * Y_HEIGHT * Y_WIDTH,
    WARPS = THREADS / 32
};

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    __shared__ float of_warps[WARPS][64];
    const Args args = ARGS;
    int o = (int)blockIdx.x / X_CHUNKS * 8, i = (int)blockIdx.x % X_CHUNKS * 8;
    int kh = (int)blockIdx.y / KERNEL, kw = (int)blockIdx.y % KERNEL;
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    float sums[8][8];

    EACH(a) EACH(b) sums[a][b] = 0.0f;
#pragma unroll 1
    for (int pixel = (int)threadIdx.x; pixel < PIXELS; pixel += THREADS) {
        int n = pixel / (Y_HEIGHT * Y_WIDTH), y_row = pixel / Y_WIDTH % Y_HEIGHT;
        int y_column = pixel % Y_WIDTH;
        int row = y_row * STRIDE - PAD + kh, column = y_column * STRIDE - PAD + kw;
        float x[8], dy[8];
        if ((unsigned)row >= X_HEIGHT || (unsigned)column >= X_WIDTH)
            continue;
        Prologue0::at(args, n, row, column, i, x);
        Prologue1::at(args, n, y_row, y_column, o, dy);
        EACH(a) EACH(b) sums[a][b] = fmaf(dy[a], x[b], sums[a][b]);
    }
    EACH(a) EACH(b)
    {
#pragma unroll
        for (int mask = 16; mask > 0; mask /= 2)
            sums[a][b] += __shfl_xor_sync(0xffffffffu, sums[a][b], mask);
        if (lane == 0)
            of_warps[warp][8 * a + b] = sums[a][b];
    }
    __syncthreads();
    for (int k = (int)threadIdx.x; k < 64; k += THREADS) {
        int y = o + k / 8, x = i + k % 8;
        float sum = 0.0f;
        for (int from = 0; from < WARPS; from++)
            sum += of_warps[from][k];
        if (y < Y_CHANNELS && x < X_CHANNELS)
            args.GRADIENT[((y * KERNEL + kh) * KERNEL + kw) * X_CHANNELS + x] += sum;
    }
}

#include "end.cuh"
