/* The update: gradient norm, then clip, AdamW, EMA and zeroed gradients in one pass over each
 * stretch of a parameter, in pieces that stay in the first-level cache between the passes.
 *
 * Both kernels read the program's parameters; their one arg is the scalars buffer. Threads share
 * the elements of all parameters laid end to end, so that one large weight is nobody's alone.
 */
#include "host.h"

#include <math.h>
#include <string.h>

enum { PIECE = 1024 };

static int64_t param_elements(const SnugParam *param)
{
    return (int64_t)param->shape.n * param->shape.h * param->shape.w * param->shape.c;
}

static int64_t all_elements(const SnugProgram *program)
{
    int64_t count = 0;
    for (int32_t p = 0; p < program->param_count; p++)
        count += param_elements(&program->params[p]);
    return count;
}

/* The next piece of thread's share [*at, end): false at its end. */
typedef struct Piece {
    const SnugParam *param;
    int64_t first, count; /* elements of the parameter */
} Piece;

static bool next_piece(const SnugProgram *program, int64_t *at, int64_t end, int32_t *param,
                       int64_t *param_begin, Piece *piece)
{
    if (*at >= end)
        return false;
    int64_t elements = param_elements(&program->params[*param]);
    while (*at >= *param_begin + elements) {
        *param_begin += elements;
        ++*param;
        elements = param_elements(&program->params[*param]);
    }
    piece->param = &program->params[*param];
    piece->first = *at - *param_begin;
    piece->count = host_min(host_min(PIECE, end - *at), elements - piece->first);
    *at += piece->count;
    return true;
}

static float *array_of(char *base, int64_t offset, int64_t first)
{
    return (float *)(void *)(base + offset) + first;
}

typedef struct UpdateRun {
    const HostLaunch *launch;
    int32_t threads;
    int64_t elements;
    HostAdamw constants;
    double sums[HOST_MAX_THREADS];
} UpdateRun;

static void sum_share(void *context, int32_t t)
{
    UpdateRun *run = context;
    const HostLanes *lanes = host_lanes();
    int64_t at, end, param_begin = 0;
    int32_t param = 0;
    Piece piece;
    double sum = 0.0;
    host_share(run->elements, t, run->threads, &at, &end);
    while (next_piece(run->launch->program, &at, end, &param, &param_begin, &piece))
        if (piece.param->grad >= 0)
            sum += lanes->sum_of_squares(
                array_of(run->launch->base, piece.param->grad, piece.first), piece.count);
    run->sums[t] = sum;
}

void host_grad_norm_run(const HostLaunch *launch, int32_t threads)
{
    float *scalars = launch->args[0];
    UpdateRun run = {.launch = launch,
                     .threads = threads,
                     .elements = all_elements(launch->program)};
    host_team_run(launch->team, threads, sum_share, &run);
    double total = 0.0;
    for (int32_t t = 0; t < threads; t++)
        total += run.sums[t];
    double norm = sqrt(total) / (double)scalars[SNUG_SCALAR_loss_scale];
    scalars[SNUG_SCALAR_grad_norm] = (float)norm;
    scalars[SNUG_SCALAR_finite] = isfinite((float)norm) ? 1.0f : 0.0f;
}

/* As torch.nn.utils.clip_grad_norm_: no more than clip / (norm + 1e-6), and never above 1. */
static HostAdamw constants(const float *scalars)
{
    float norm = scalars[SNUG_SCALAR_grad_norm], clip = scalars[SNUG_SCALAR_clip];
    float shrink = clip > 0.0f ? clip / (norm + 1e-6f) : 1.0f;
    return (HostAdamw){
        .lr = scalars[SNUG_SCALAR_lr],
        .beta1 = scalars[SNUG_SCALAR_beta1],
        .beta2 = scalars[SNUG_SCALAR_beta2],
        .eps = scalars[SNUG_SCALAR_eps],
        .step = scalars[SNUG_SCALAR_lr] / scalars[SNUG_SCALAR_correction1],
        .inverse_correction2 = 1.0f / scalars[SNUG_SCALAR_correction2],
        .grad_factor = (shrink < 1.0f ? shrink : 1.0f) / scalars[SNUG_SCALAR_loss_scale],
    };
}

static void update_piece(const HostLanes *lanes, const HostAdamw *k, const float *scalars,
                         char *base, const Piece *piece)
{
    const SnugParam *param = piece->param;
    float *weight = array_of(base, param->weight, piece->first);
    if (scalars[SNUG_SCALAR_finite] == 0.0f) {
        if (param->grad >= 0)
            memset(array_of(base, param->grad, piece->first), 0,
                   (size_t)piece->count * sizeof(float));
        return;
    }
    if (param->grad >= 0)
        lanes->adamw(k, weight, array_of(base, param->m, piece->first),
                     array_of(base, param->v, piece->first),
                     array_of(base, param->grad, piece->first),
                     param->decay ? scalars[SNUG_SCALAR_weight_decay] : 0.0f, piece->count);
    if (param->ema >= 0)
        lanes->average(array_of(base, param->ema, piece->first), weight,
                       scalars[SNUG_SCALAR_ema_decay], piece->count);
}

static void update_share(void *context, int32_t t)
{
    UpdateRun *run = context;
    const HostLanes *lanes = host_lanes();
    int64_t at, end, param_begin = 0;
    int32_t param = 0;
    Piece piece;
    host_share(run->elements, t, run->threads, &at, &end);
    while (next_piece(run->launch->program, &at, end, &param, &param_begin, &piece))
        update_piece(lanes, &run->constants, run->launch->args[0], run->launch->base, &piece);
}

void host_adamw_run(const HostLaunch *launch, int32_t threads)
{
    UpdateRun run = {.launch = launch,
                     .threads = threads,
                     .elements = all_elements(launch->program),
                     .constants = constants(launch->args[0])};
    host_team_run(launch->team, threads, update_share, &run);
}
