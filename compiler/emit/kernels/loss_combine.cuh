/* map_loss, points, image weights -> the scalar loss, and d (scaled loss) / d map_loss: see
 * SnugLoss.
 * One block; a thread has every THREADS-th map of all images. */
#include "prims.cuh"
#include "reduce.cuh"

#if TOP > 0

/* Whether the map is among the TOP hardest of its image; equal ones in order. */
DEVICE bool is_hard(const float *map_loss, const float *points, int map)
{
    float mine = points[3 * map + 2] * map_loss[map];
    int harder = 0;

    for (int k = 0; k < MAPS; k++) {
        float other = points[3 * k + 2] * map_loss[k];
        harder += other > mine || (other == mine && k < map);
    }
    return harder < TOP;
}

#endif

extern "C" __global__ void __launch_bounds__(THREADS) ENTRY(PARAMETERS)
{
    const Args args = ARGS;
    __shared__ float scratch[THREADS];
    float total = 0.0f, unscale = 1.0f / args.a3[SCALAR_LOSS_SCALE];

    for (int at = threadIdx.x; at < IMAGES * MAPS; at += THREADS) {
        int n = at / MAPS, map = at % MAPS;
        const float *map_loss = args.a0 + n * LOSS_PITCH;
        const float *points = args.a1 + (long long)n * MAPS * 3;
#if TOP > 0
        float weight = is_hard(map_loss, points, map) ? points[3 * map + 2] * (1.0f / TOP) : 0.0f;
#else
        float weight = points[3 * map + 2] * (1.0f / MAPS);
#endif
        total += args.a2[n] * unscale * weight * map_loss[map];
        args.a4[n * WEIGHT_PITCH + map] = args.a2[n] * weight;
    }
    total = join_threads(total, scratch);
    if (threadIdx.x == 0)
        args.a3[SCALAR_LOSS] += total;
}

#include "end.cuh"
