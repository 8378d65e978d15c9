/* What goes over all parameters: gradient norm, AdamW with clipping, averages and half copies in
 * one
 * pass, and half copies alone.
 *
 * A block has CHUNK elements of one tensor at a time; `tensors` says where its arrays lie, in
 * bytes from the
 * start of the one allocation, and is in the order of the parameters. Half copies have rows of
 * COLUMNS
 * elements padded to a multiple of 8.
 *
 *     grid.x   chunks of all tensors, one tensor after the other; of the norm, BLOCKS
 */
#include "prims.cuh"
#include "reduce.cuh"

struct Block {
    const Tensor *tensor;
    long long first; /* element of the tensor */
    int count;
};

/* By bisection: the last tensor that begins at or before the chunk. */
DEVICE Block find_block(int chunk)
{
    int low = 0, high = TENSORS;

    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (tensors[middle].first_chunk <= chunk)
            low = middle;
        else
            high = middle;
    }
    const Tensor *tensor = &tensors[low];
    long long first = (long long)(chunk - tensor->first_chunk) * CHUNK;
    long long rest = tensor->elements - first;
    return Block{tensor, first, rest < CHUNK ? (int)rest : CHUNK};
}

DEVICE float *array_at(const Args &args, long long offset)
{
    return (float *)((char *)args.a0 - SCALARS_OFFSET + offset);
}

/* Elements [i, i + count) of an array, count at most 4, i a multiple of 4; the others are zeros. */
DEVICE float4 load_four(const float *array, int count)
{
    if (count == 4)
        return *(const float4 *)array;
    return float4{array[0], count > 1 ? array[1] : 0.0f, count > 2 ? array[2] : 0.0f, 0.0f};
}

DEVICE void store_four(float *array, int count, float4 value)
{
    if (count == 4) {
        *(float4 *)array = value;
        return;
    }
    array[0] = value.x;
    if (count > 1)
        array[1] = value.y;
    if (count > 2)
        array[2] = value.z;
}

#define EACH_FOUR(block, k, left)                                                                  \
    for (int k = 4 * threadIdx.x, left;                                                            \
         left = block.count - k < 4 ? block.count - k : 4, left > 0; k += 4 * THREADS)

#if IS_GRAD_NORM

/* Sum of squares of the unscaled gradient: of every BLOCKS-th chunk into the workspace, then of
 * those. */
extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ float scratch[THREADS];
    float unscale = 1.0f / args.a0[SCALAR_LOSS_SCALE], sum = 0.0f;

    for (int chunk = blockIdx.x; chunk < CHUNKS; chunk += BLOCKS) {
        Block block = find_block(chunk);
        const float *grad = array_at(args, block.tensor->grad) + block.first;
        EACH_FOUR(block, k, left) {
            float4 g = load_four(grad + k, left);
            g.x *= unscale, g.y *= unscale, g.z *= unscale, g.w *= unscale;
            sum += (g.x * g.x + g.y * g.y) + (g.z * g.z + g.w * g.w);
        }
    }
    sum = join_threads(sum, scratch);
    if (threadIdx.x == 0)
        ((float *)args.workspace)[blockIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY_SUM(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ float scratch[THREADS];
    float sum = 0.0f;

    for (int k = threadIdx.x; k < BLOCKS; k += THREADS)
        sum += ((const float *)args.workspace)[k];
    sum = join_threads(sum, scratch);
    if (threadIdx.x == 0) {
        float norm = sqrtf(sum);
        args.a0[SCALAR_GRAD_NORM] = norm;
        args.a0[SCALAR_FINITE] = norm - norm == 0.0f ? 1.0f : 0.0f;
    }
}

#else

/* Elements [i, i + count) of a tensor into its half copy, and with the last of a row its padding.
 * */
DEVICE void store_halves(const Args &args, const Tensor *tensor, unsigned i, int count,
                         float4 value)
{
    half_t *half = (half_t *)array_at(args, tensor->half);
    unsigned columns = tensor->columns, pitch = (columns + 7) / 8 * 8;
    unsigned row = i / columns, column = i % columns;
    const float four[4] = {value.x, value.y, value.z, value.w};

    if (columns % 4 == 0 && count == 4) {
        *(uint2 *)(half + (long long)row * pitch + column) =
            uint2{pack_pair(value.x, value.y), pack_pair(value.z, value.w)};
        if (columns % 8 != 0 && column + 4 == columns)
            *(uint2 *)(half + (long long)row * pitch + columns) = uint2{0, 0};
        return;
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
        if (k >= count)
            return;
        half[(long long)row * pitch + column] = half_of(four[k]);
        if (++column < columns)
            continue;
        for (; column < pitch; column++)
            half[(long long)row * pitch + column] = 0;
        column = 0;
        row++;
    }
}

#if IS_ADAMW

/* Scalars of the update. Clipping as torch.nn.utils.clip_grad_norm_: no more than
 * clip / (norm + 1e-6), and never above 1. */
struct Step {
    float lr, beta1, beta2, eps, decay, step, inverse_correction2, grad_factor, ema_keep;
    bool is_finite;
};

DEVICE Step load_step(const float *scalars)
{
    float clip = scalars[SCALAR_CLIP], shrink = 1.0f;

    if (clip > 0.0f)
        shrink = fminf(clip / (scalars[SCALAR_GRAD_NORM] + 1e-6f), 1.0f);
    return Step{scalars[SCALAR_LR],
                scalars[SCALAR_BETA1],
                scalars[SCALAR_BETA2],
                scalars[SCALAR_EPS],
                scalars[SCALAR_WEIGHT_DECAY],
                scalars[SCALAR_LR] / scalars[SCALAR_CORRECTION1],
                1.0f / scalars[SCALAR_CORRECTION2],
                shrink / scalars[SCALAR_LOSS_SCALE],
                scalars[SCALAR_EMA_DECAY],
                scalars[SCALAR_FINITE] != 0.0f};
}

/* AdamW (Loshchilov and Hutter, ICLR 2019) as PyTorch does it:
 *   w -= lr decay w;  m, v move;  w -= lr (m / correction1) / (sqrt(v / correction2) + eps) */
DEVICE void move_weight(const Step &step, float keep, float &w, float &m, float &v, float g)
{
    float grad = g * step.grad_factor;

    m = fmaf(m, step.beta1, (1.0f - step.beta1) * grad);
    v = fmaf(v, step.beta2, (1.0f - step.beta2) * grad * grad);
    w = w * keep - step.step * m / (sqrtf(v * step.inverse_correction2) + step.eps);
}

DEVICE float average(const Step &step, float mean, float w)
{
    return fmaf(mean, step.ema_keep, (1.0f - step.ema_keep) * w);
}

/* Of a state tensor (a running statistic) only the average moves: its grad is -1. */
extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    const Step step = load_step(args.a0);
    Block block = find_block(blockIdx.x);
    const Tensor *tensor = block.tensor;
    float keep = tensor->decay ? 1.0f - step.lr * step.decay : 1.0f;

    EACH_FOUR(block, k, left) {
        long long i = block.first + k;
        if (step.is_finite) {
            float4 w = load_four(array_at(args, tensor->weight) + i, left);
            if (tensor->grad >= 0) {
                float4 m = load_four(array_at(args, tensor->m) + i, left);
                float4 v = load_four(array_at(args, tensor->v) + i, left);
                float4 g = load_four(array_at(args, tensor->grad) + i, left);
                move_weight(step, keep, w.x, m.x, v.x, g.x);
                move_weight(step, keep, w.y, m.y, v.y, g.y);
                move_weight(step, keep, w.z, m.z, v.z, g.z);
                move_weight(step, keep, w.w, m.w, v.w, g.w);
                store_four(array_at(args, tensor->weight) + i, left, w);
                store_four(array_at(args, tensor->m) + i, left, m);
                store_four(array_at(args, tensor->v) + i, left, v);
                if (tensor->half >= 0)
                    store_halves(args, tensor, (unsigned)i, left, w);
            }
            if (tensor->ema >= 0) {
                float4 mean = load_four(array_at(args, tensor->ema) + i, left);
                mean.x = average(step, mean.x, w.x);
                mean.y = average(step, mean.y, w.y);
                mean.z = average(step, mean.z, w.z);
                mean.w = average(step, mean.w, w.w);
                store_four(array_at(args, tensor->ema) + i, left, mean);
            }
        }
        if (tensor->grad >= 0)
            store_four(array_at(args, tensor->grad) + i, left, float4{0.0f, 0.0f, 0.0f, 0.0f});
    }
}

#else

/* SOURCE: weight, or ema. All tensors of this kernel have half copies. */
extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    Block block = find_block(blockIdx.x);

    EACH_FOUR(block, k, left) {
        long long i = block.first + k;
        float4 w = load_four(array_at(args, block.tensor->SOURCE) + i, left);
        store_halves(args, block.tensor, (unsigned)i, left, w);
    }
}

#endif
#endif

#include "end.cuh"
