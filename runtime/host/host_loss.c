/* Heat-map losses: the target is drawn from the points as it is needed, never stored.
 *
 * A Gaussian is the product of one along x and one along y. Both are tabulated for each image,
 * {w, k} and {h, k}; the dilation of the target by 3x3 is the product of the dilated tables. Rows
 * are summed in a fixed number of chunks an image, whatever the number of threads.
 *
 *     workspace  | tables of each image | partial sums {n, CHUNKS, k} | a thread's vectors | ... |
 */
#include "host.h"

#include <math.h>
#include <string.h>

enum { CHUNKS = 16, BLOCK_FLOATS = 512, VECTORS = 4 };

typedef struct Geometry {
    const HostLanes *lanes;
    int64_t n, h, w, k, pitch;
    int64_t block_pixels, block_floats; /* of a thread's vectors */
    int64_t table_floats;               /* of one image: gx, tx {w, k}, gy, ty {h, k} */
    int64_t partials, threads;          /* offsets in the workspace */
    int64_t bytes;
} Geometry;

static Geometry geometry(const SnugKernel *kernel, int32_t threads)
{
    const SnugArg *heat = &kernel->args[0];
    Geometry g = {.lanes = host_lanes(),
                  .n = heat->shape.n,
                  .h = heat->shape.h,
                  .w = heat->shape.w,
                  .k = heat->shape.c,
                  .pitch = heat->pitch};
    bool is_dense =
        heat->pitch == heat->shape.c
        && (kernel->kind != SNUG_KERNEL_heatmap_loss_grad || kernel->args[3].pitch == heat->pitch);
    g.block_pixels = is_dense ? host_max(BLOCK_FLOATS / g.k, 1) : 1;
    g.block_floats = (g.block_pixels * g.k + 15) / 16 * 16;
    g.table_floats = 2 * (g.w + g.h) * g.k;
    HostCarve carve = {0};
    host_carve(&carve, g.n * g.table_floats * (int64_t)sizeof(float));
    g.partials = host_carve(&carve, g.n * CHUNKS * g.k * (int64_t)sizeof(double));
    g.threads = carve.used;
    g.bytes = carve.used + threads * VECTORS * g.block_floats * (int64_t)sizeof(float);
    return g;
}

int64_t host_loss_workspace(const SnugKernel *kernel, int32_t threads)
{
    if (kernel->kind == SNUG_KERNEL_loss_combine)
        return kernel->arg_count == 5 && kernel->args[0].shape.c > 0 ? 0 : -1;
    bool is_grad = kernel->kind == SNUG_KERNEL_heatmap_loss_grad;
    if (kernel->arg_count != (is_grad ? 4 : 3))
        return -1;
    const SnugArg *heat = &kernel->args[0], *points = &kernel->args[1];
    if (heat->type != SNUG_F32 || points->type != SNUG_F32 || points->shape.c != 3
        || points->pitch != 3 || points->shape.w != heat->shape.c
        || points->shape.h * points->shape.n != heat->shape.n || kernel->loss.sigma <= 0.0f
        || kernel->loss.stride <= 0.0f)
        return -1;
    return geometry(kernel, threads).bytes;
}

/* One direction of an image's tables: value[i][k] = exp(-(i - centre)^2 / 2 sigma^2), wide[i][k]
 * the largest of i - 1, i, i + 1. A point of weight 0 has no target. */
static void tabulate(const Geometry *g, const SnugLoss *loss, const float *points, int32_t axis,
                     int64_t size, float *value, float *wide)
{
    for (int64_t i = 0; i < size; i++)
        for (int64_t k = 0; k < g->k; k++) {
            const float *point = points + 3 * k;
            float away = ((float)i - point[axis] / loss->stride) / loss->sigma;
            value[i * g->k + k] = point[2] != 0.0f ? expf(-0.5f * away * away) : 0.0f;
        }
    for (int64_t i = 0; i < size; i++)
        for (int64_t k = 0; k < g->k; k++) {
            float before = i > 0 ? value[(i - 1) * g->k + k] : 0.0f;
            float after = i + 1 < size ? value[(i + 1) * g->k + k] : 0.0f;
            wide[i * g->k + k] = fmaxf(value[i * g->k + k], fmaxf(before, after));
        }
}

static void spread(const Geometry *g, float *to, const float *from)
{
    for (int64_t p = 0; p < g->block_pixels; p++)
        memmove(to + p * g->k, from, (size_t)g->k * sizeof *to); /* from may be the first of to */
}

static HostWing wing_of(const SnugLoss *loss)
{
    return (HostWing){
        .omega = loss->omega,
        .theta = loss->theta,
        .epsilon = loss->epsilon,
        .alpha = loss->alpha,
        .extra = loss->weighted ? 10.0f : 0.0f,
        .log_ratio = logf(loss->theta / loss->epsilon),
    };
}

/* Sum over rows [begin, end) of image n -> out[k]. */
static void sum_rows(const Geometry *g, const HostKernel *k, const HostLaunch *launch,
                     float *vectors, int64_t n, int64_t begin, int64_t end, double *out)
{
    const SnugLoss *loss = &k->kernel->loss;
    const float *gx = (const float *)(void *)launch->workspace + n * g->table_floats;
    const float *tx = gx + g->w * g->k, *gy = tx + g->w * g->k, *ty = gy + g->h * g->k;
    float *sum = vectors, *gy_block = sum + g->block_floats, *ty_block = gy_block + g->block_floats;
    const HostWing wing = wing_of(loss);
    memset(sum, 0, (size_t)g->block_floats * sizeof *sum);
    for (int64_t h = begin; h < end; h++) {
        const float *row = (const float *)launch->args[0] + (n * g->h + h) * g->w * g->pitch;
        spread(g, gy_block, gy + h * g->k);
        spread(g, ty_block, ty + h * g->k);
        for (int64_t w = 0; w < g->w; w += g->block_pixels) {
            int64_t floats = host_min(g->block_pixels, g->w - w) * g->k;
            if (loss->kind == SNUG_LOSS_adaptive_wing)
                g->lanes->wing_row(&wing, sum, row + w * g->pitch, gx + w * g->k, gy_block,
                                   tx + w * g->k, ty_block, floats);
            else
                g->lanes->square_row(sum, row + w * g->pitch, gx + w * g->k, gy_block, floats);
        }
    }
    for (int64_t c = 0; c < g->k; c++) {
        out[c] = 0.0;
        for (int64_t p = 0; p < g->block_pixels; p++)
            out[c] += (double)sum[p * g->k + c];
    }
}

static void grad_rows(const Geometry *g, const HostKernel *k, const HostLaunch *launch,
                      float *vectors, int64_t n, int64_t begin, int64_t end)
{
    const SnugLoss *loss = &k->kernel->loss;
    const SnugArg *to = &k->kernel->args[3];
    const float *gx = (const float *)(void *)launch->workspace + n * g->table_floats;
    const float *tx = gx + g->w * g->k, *gy = tx + g->w * g->k, *ty = gy + g->h * g->k;
    float *factor = vectors, *gy_block = factor + g->block_floats;
    float *ty_block = gy_block + g->block_floats, *out = ty_block + g->block_floats;
    const float *weight = (const float *)launch->args[2] + n * k->kernel->args[2].pitch;
    const HostWing wing = wing_of(loss);
    for (int64_t c = 0; c < g->k; c++)
        factor[c] = weight[c] / (float)(g->h * g->w);
    spread(g, factor, factor);
    for (int64_t h = begin; h < end; h++) {
        int64_t first = (n * g->h + h) * g->w;
        spread(g, gy_block, gy + h * g->k);
        spread(g, ty_block, ty + h * g->k);
        for (int64_t w = 0; w < g->w; w += g->block_pixels) {
            int64_t floats = host_min(g->block_pixels, g->w - w) * g->k;
            const float *heat = (const float *)launch->args[0] + (first + w) * g->pitch;
            if (loss->kind == SNUG_LOSS_adaptive_wing)
                g->lanes->wing_grad_row(&wing, out, heat, gx + w * g->k, gy_block, tx + w * g->k,
                                        ty_block, factor, floats);
            else
                g->lanes->square_grad_row(out, heat, gx + w * g->k, gy_block, factor, floats);
            int64_t at = (first + w) * to->pitch;
            int64_t padding = floats == g->k ? to->pitch - g->k : 0;
            if (to->type == SNUG_BF16) {
                uint16_t *half = (uint16_t *)launch->args[3] + at;
                g->lanes->store_bf16(half, out, floats);
                memset(half + floats, 0, (size_t)padding * sizeof *half);
            } else {
                float *full = (float *)launch->args[3] + at;
                memcpy(full, out, (size_t)floats * sizeof *full);
                memset(full + floats, 0, (size_t)padding * sizeof *full);
            }
        }
    }
}

/* Mean over the pictures from the chunks' sums. */
static void write_map_loss(const Geometry *g, const HostKernel *k, const HostLaunch *launch)
{
    const double *partials = (const double *)(void *)(launch->workspace + g->partials);
    for (int64_t n = 0; n < g->n; n++)
        for (int64_t c = 0; c < g->k; c++) {
            double sum = 0.0;
            for (int64_t chunk = 0; chunk < CHUNKS; chunk++)
                sum += partials[(n * CHUNKS + chunk) * g->k + c];
            ((float *)launch->args[2])[n * k->kernel->args[2].pitch + c] =
                (float)(sum / (double)(g->h * g->w));
        }
}

typedef struct MapsRun {
    const HostKernel *k;
    const HostLaunch *launch;
    Geometry g;
} MapsRun;

static void run_chunks(void *context, int32_t t)
{
    const MapsRun *run = context;
    const Geometry *g = &run->g;
    char *workspace = run->launch->workspace;
    float *vectors = (float *)(void *)(workspace + g->threads) + t * VECTORS * g->block_floats;
    int64_t item, end;
    host_share(g->n * CHUNKS, t, run->k->threads, &item, &end);
    for (; item < end; item++) {
        int64_t n = item / CHUNKS, first, last;
        host_share(g->h, (int32_t)(item % CHUNKS), CHUNKS, &first, &last);
        if (run->k->kernel->kind == SNUG_KERNEL_heatmap_loss_grad)
            grad_rows(g, run->k, run->launch, vectors, n, first, last);
        else
            sum_rows(g, run->k, run->launch, vectors, n, first, last,
                     (double *)(void *)(workspace + g->partials) + item * g->k);
    }
}

static void run_maps(const HostKernel *k, const HostLaunch *launch)
{
    MapsRun run = {.k = k, .launch = launch, .g = geometry(k->kernel, k->threads)};
    const Geometry *g = &run.g;
    for (int64_t n = 0; n < g->n; n++) {
        float *gx = (float *)(void *)launch->workspace + n * g->table_floats;
        float *tx = gx + g->w * g->k, *gy = tx + g->w * g->k;
        const float *points = (const float *)launch->args[1] + n * g->k * 3;
        tabulate(g, &k->kernel->loss, points, 0, g->w, gx, tx);
        tabulate(g, &k->kernel->loss, points, 1, g->h, gy, gy + g->h * g->k);
    }
    host_team_run(launch->team, k->threads, run_chunks, &run);
    if (k->kernel->kind == SNUG_KERNEL_heatmap_loss)
        write_map_loss(g, k, launch);
}

/* Whether map k is among the `top` hardest of its image; equal ones in order. */
static bool is_hard(const float *map_loss, const float *points, int64_t maps, int64_t k,
                    int32_t top)
{
    int64_t harder = 0;
    float mine = points[3 * k + 2] * map_loss[k];
    for (int64_t i = 0; i < maps; i++) {
        float other = points[3 * i + 2] * map_loss[i];
        harder += other > mine || (other == mine && i < k);
    }
    return harder < top;
}

/* See SnugLoss: the scalar loss, and the derivative of the scaled one by each map's. */
static void combine(const SnugKernel *kernel, void *const *args)
{
    const SnugArg *loss_arg = &kernel->args[0], *weight_arg = &kernel->args[4];
    const float *image_weights = args[2];
    float *scalars = args[3];
    int64_t maps = loss_arg->shape.c;
    int32_t top = (int32_t)host_max(host_min(kernel->loss.top, maps), 1);
    bool is_ohkm = kernel->loss.kind == SNUG_LOSS_ohkm;
    double total = 0.0;
    for (int64_t n = 0; n < loss_arg->shape.w; n++) {
        const float *map_loss = (const float *)args[0] + n * loss_arg->pitch;
        const float *points = (const float *)args[1] + n * maps * 3;
        float *out = (float *)args[4] + n * weight_arg->pitch;
        double image = 0.0, share = is_ohkm ? 1.0 / top : 1.0 / (double)maps;
        for (int64_t k = 0; k < maps; k++) {
            bool counts = !is_ohkm || is_hard(map_loss, points, maps, k, top);
            double weight = counts ? (double)points[3 * k + 2] * share : 0.0;
            image += weight * (double)map_loss[k];
            out[k] = (float)((double)image_weights[n] * weight);
        }
        total += (double)image_weights[n] / (double)scalars[SNUG_SCALAR_loss_scale] * image;
    }
    scalars[SNUG_SCALAR_loss] += (float)total;
}

void host_loss_run(const HostKernel *k, const HostLaunch *launch)
{
    if (k->kernel->kind == SNUG_KERNEL_loss_combine)
        combine(k->kernel, launch->args);
    else
        run_maps(k, launch);
}
