/* Peaks of heat maps: a thread takes one map after the other.
 *
 *     workspace  | thread 0: a map's smoothed rows, the map | thread 1: ... |
 */
#include "decode.h"
#include "host.h"

static int64_t thread_floats(const SnugArg *heat)
{
    return (2 * (int64_t)heat->shape.h * heat->shape.w + 15) / 16 * 16;
}

int64_t host_decode_workspace(const SnugKernel *kernel, int32_t threads)
{
    const SnugArg *heat = &kernel->args[0], *peaks = &kernel->args[1];

    if (kernel->arg_count != 2 || heat->type != SNUG_F32 || peaks->type != SNUG_F32
        || peaks->shape.c != 3 || peaks->shape.w != heat->shape.c
        || (int64_t)peaks->shape.n * peaks->shape.h != heat->shape.n || !(kernel->loss.sigma > 0)
        || (int64_t)heat->shape.h * heat->shape.w > INT32_MAX)
        return -1;
    return threads * thread_floats(heat) * (int64_t)sizeof(float);
}

typedef struct DecodeRun {
    const HostKernel *k;
    const HostLaunch *launch;
} DecodeRun;

static void decode_share(void *context, int32_t t)
{
    const DecodeRun *run = context;
    const SnugKernel *kernel = run->k->kernel;
    const SnugArg *heat = &kernel->args[0];
    float *scratch = (float *)(void *)run->launch->workspace + t * thread_floats(heat);
    int64_t maps = heat->shape.c, item, end;

    host_share(heat->shape.n * maps, t, run->k->threads, &item, &end);
    for (; item < end; item++) {
        const float *map =
            (const float *)run->launch->args[0] + host_pixel(heat, item / maps, 0, 0) + item % maps;
        float *to = (float *)run->launch->args[1] + item * kernel->args[1].pitch;
        Peak peak =
            decode_map(map, heat->pitch, heat->shape.h, heat->shape.w, kernel->loss.sigma, scratch);
        to[0] = peak.x * kernel->loss.stride;
        to[1] = peak.y * kernel->loss.stride;
        to[2] = peak.confidence;
    }
}

void host_decode_run(const HostKernel *k, const HostLaunch *launch)
{
    host_team_run(launch->team, k->threads, decode_share, &(DecodeRun){k, launch});
}
