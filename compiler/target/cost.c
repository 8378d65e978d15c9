/* The cost model: flops, bytes and a time estimate for each kernel.
 *
 *     time = max(core flops / rate, bytes / bandwidth) + pointwise / rate + launch
 *
 * It orders plans and prices recomputation; it is an estimate and is printed as one.
 */
#include "cost.h"

#include "cards.h"
#include "gemm.h"
#include "workspace.h"

/* ---- figures --------------------------------------------------------------------------------- */

/* The host, a thread: measured with oneDNN 2.6 on two cores of an EPYC (Zen 4) at 2.6 GHz, 3x3
 * convolutions of 32 to 256 channels: 220 to 240 GFLOP/s in f32, 400 to 480 in bf16, together;
 * below 32 channels 0.6 of that. Memory: what one thread of it copies, reads and writes together.
 * The rate of pointwise code is an assumption. */
enum { HOST_FEW_CHANNELS = 32 };
static const double host_f32_gflops = 115.0, host_bf16_gflops = 220.0;
static const double host_few_channels = 0.6;
static const double host_point_gflops = 6.0; /* pointwise instructions, in cache */
static const double host_bandwidth_gbs = 23.0;
static const double host_launch_us = 5.0;

/* ---- work ------------------------------------------------------------------------------------ */

static int64_t elements(SnugShape shape)
{
    return (int64_t)shape.n * shape.h * shape.w * shape.c;
}

static int64_t core_flops(const SnugKernel *kernel)
{
    const SnugWindow *window = &kernel->window;
    int64_t taps = (int64_t)window->kernel * window->kernel;

    switch (kernel->kind) {
    case SNUG_KERNEL_conv:
    case SNUG_KERNEL_conv_dgrad:
    case SNUG_KERNEL_conv_wgrad: return 2 * elements(window->y) * taps * window->x.c;
    case SNUG_KERNEL_max_pool:
    case SNUG_KERNEL_max_pool_grad: return elements(window->y) * taps;
    case SNUG_KERNEL_upsample_grad: return elements(window->y);
    case SNUG_KERNEL_bilinear_grad: return 4 * elements(window->y);
    case SNUG_KERNEL_heatmap_loss:
    case SNUG_KERNEL_heatmap_loss_grad: return 10 * elements(kernel->args[0].shape);
    case SNUG_KERNEL_decode: /* smoothed in both directions, 3 sigma to both sides */
        return (int64_t)(24 * kernel->loss.sigma) * elements(kernel->args[0].shape);
    case SNUG_KERNEL_map:
    case SNUG_KERNEL_bn_combine:
    case SNUG_KERNEL_bn_frozen:
    case SNUG_KERNEL_bn_grad_combine:
    case SNUG_KERNEL_sum_combine:
    case SNUG_KERNEL_loss_combine:
    case SNUG_KERNEL_grad_norm:
    case SNUG_KERNEL_adamw:
    case SNUG_KERNEL_copy_weights:
    case SNUG_KERNEL_copy_ema: return 0; /* no core, or little next to its bytes */
    case SNUG_KERNEL_KIND_COUNT: break;
    }
    BUG("kernel kind %d has no work", (int)kernel->kind);
}

static int64_t code_flops(const SnugPointwise *code, int64_t element_count)
{
    int64_t instructions = 0;

    for (int32_t r = 0; r < code->count; r++) {
        SnugPointFrom from = point_info[code->code[r].op].from;
        instructions += from == SNUG_FROM_registers || from == SNUG_FROM_tensor;
    }
    return instructions * element_count;
}

/* Prologues count once an element, though a tile's halo is computed by its neighbours too. */
static int64_t pointwise_flops(const SnugKernel *kernel)
{
    SnugShape result = result_domain(kernel);
    int64_t flops = 0;

    for (int side = 0; side < 2; side++)
        flops += code_flops(&kernel->in[side], elements(prologue_domain(kernel, side)));
    for (int32_t p = 0; p < kernel->part_count; p++) {
        SnugShape part = result;
        part.c = kernel->parts[p].channel_count;
        flops += code_flops(&kernel->parts[p].out, elements(part));
    }
    return flops + 4 * kernel->reduction_count * elements(result);
}

int64_t kernel_flops(const SnugKernel *kernel)
{
    return core_flops(kernel) + pointwise_flops(kernel);
}

static int64_t arg_bytes(const SnugArg *arg)
{
    Shape shape = {arg->shape.n, arg->shape.h, arg->shape.w, arg->shape.c};
    return tensor_bytes(shape, arg->type, arg->pitch);
}

/* Channels of arg a that the code loads where its domain has `channels`; grows [*begin, *end). */
static void widen_channels(const SnugPointwise *code, int32_t a, int32_t channels, int32_t *begin,
                           int32_t *end)
{
    for (int32_t r = 0; r < code->count; r++) {
        const SnugPoint *point = &code->code[r];
        if (point_info[point->op].from != SNUG_FROM_tensor || point->arg != a)
            continue;
        *begin = point->channel < *begin ? point->channel : *begin;
        *end = point->channel + channels > *end ? point->channel + channels : *end;
    }
}

/* Bytes of a read arg: of a slice, its share. */
static int64_t read_bytes(const SnugKernel *kernel, int32_t a)
{
    const SnugArg *arg = &kernel->args[a];
    int32_t begin = arg->shape.c, end = 0;

    for (int side = 0; side < 2; side++)
        widen_channels(&kernel->in[side], a, prologue_domain(kernel, side).c, &begin, &end);
    for (int32_t p = 0; p < kernel->part_count; p++)
        widen_channels(&kernel->parts[p].out, a, kernel->parts[p].channel_count, &begin, &end);
    return end > begin && end - begin < arg->shape.c
               ? (int64_t)((double)arg_bytes(arg) * (end - begin) / arg->pitch)
               : arg_bytes(arg);
}

/* Partial sums go through memory once each way; the host's workspaces stay in its cache. */
static int64_t partial_bytes(const Target *target, const SnugKernel *kernel)
{
    SnugGemm gemm;

    if (target->device == DEVICE_host)
        return 0;
    if (kernel->is_gemm != 0 && kernel_as_gemm(kernel, &gemm))
        return (int64_t)gemm_work(target->card, &gemm).partial_bytes;
    return 2 * max_i64(kernel_workspace(target, kernel), 0);
}

int64_t kernel_bytes(const Target *target, const SnugKernel *kernel)
{
    int64_t bytes = partial_bytes(target, kernel);

    for (int32_t a = 0; a < kernel->arg_count; a++) {
        switch (kernel->args[a].access) {
        case SNUG_READ: bytes += read_bytes(kernel, a); break;
        case SNUG_WRITE: bytes += arg_bytes(&kernel->args[a]); break;
        case SNUG_ACCUMULATE: bytes += 2 * arg_bytes(&kernel->args[a]); break;
        }
    }
    return bytes;
}

/* ---- time ------------------------------------------------------------------------------------ */

static double host_core_gflops(const Target *target, const SnugKernel *kernel)
{
    bool is_matrix = kernel->kind == SNUG_KERNEL_conv || kernel->kind == SNUG_KERNEL_conv_dgrad
                     || kernel->kind == SNUG_KERNEL_conv_wgrad;
    double rate = target->half == SNUG_BF16 ? host_bf16_gflops : host_f32_gflops;

    if (!is_matrix)
        return host_point_gflops * target->threads;
    if (kernel->window.x.c < HOST_FEW_CHANNELS || kernel->window.y.c < HOST_FEW_CHANNELS)
        rate *= host_few_channels;
    return rate * target->threads;
}

static Roofline library_roofline(const Target *target, const SnugKernel *kernel)
{
    const Card *card = target->card;
    SnugGemm gemm;

    if (!kernel_as_gemm(kernel, &gemm))
        BUG("%s is no plain matrix product", kernel->name);
    GemmWork work = gemm_work(card, &gemm);
    return (Roofline){
        .compute = work.flops / library_figures(card).tflops * 1e-6,
        .memory = (double)kernel_bytes(target, kernel) / card->bandwidth_gbs * 1e-3,
        .launch = work.launches * card->launch_us,
    };
}

Roofline kernel_roofline(const Target *target, const SnugKernel *kernel)
{
    double flops = (double)core_flops(kernel), bytes = (double)kernel_bytes(target, kernel);

    if (kernel->is_gemm != 0)
        return library_roofline(target, kernel);

    if (target->device == DEVICE_host)
        return (Roofline){
            .compute = flops / host_core_gflops(target, kernel) * 1e-3,
            .memory = bytes / host_bandwidth_gbs * 1e-3,
            .pointwise =
                (double)pointwise_flops(kernel) / (host_point_gflops * target->threads) * 1e-3,
            .launch = host_launch_us,
        };
    /* pointwise code hides behind memory on a card */
    return (Roofline){
        .compute = flops / target->card->matrix_tflops * 1e-6,
        .memory = bytes / target->card->bandwidth_gbs * 1e-3,
        .launch = target->card->launch_us,
    };
}

double kernel_time_us(const Target *target, const SnugKernel *kernel)
{
    Roofline us = kernel_roofline(target, kernel);

    return (us.compute > us.memory ? us.compute : us.memory) + us.pointwise + us.launch;
}

const char *kernel_bound(const Target *target, const SnugKernel *kernel)
{
    Roofline us = kernel_roofline(target, kernel);
    double compute = us.compute + us.pointwise;

    if (us.launch > compute && us.launch > us.memory)
        return "launch";
    return compute > us.memory ? "compute" : "memory";
}

/* The norm reads the gradients; AdamW reads and zeroes them, changes weights, m, v and averages in
 * place, and writes the half copies. */
double update_time_us(const Target *target, const Layout *layout)
{
    double bytes = 3.0 * (double)layout->grads + (double)layout->halves
                   + 2.0 * (double)(layout->weights + layout->moments + layout->ema);
    bool is_host = target->device == DEVICE_host;

    if (layout->grads == 0)
        return 0;
    return bytes / (is_host ? host_bandwidth_gbs : target->card->bandwidth_gbs) * 1e-3
           + 2 * (is_host ? host_launch_us : target->card->launch_us);
}
