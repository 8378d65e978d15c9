/* The kernels that are neither maps nor matrix products: batch norm's vectors, losses, and what
 * goes
 * over all parameters. */
#include "compiler/target/workspace.h"
#include "cuda.h"

#include <math.h>
#include <string.h>

enum {
    UPDATE_CHUNK = 4096 /* elements of a tensor, a block's work */
};

/* ---- batch norm's vectors -------------------------------------------------------------------- */

static void define_bn(CudaSource *source)
{
    const SnugBn *bn = &source->kernel->bn;

    cuda_define_float(source, "EPS", bn->eps);
    cuda_define_float(source, "MOMENTUM", bn->momentum);
    cuda_define(source, "COUNT", bn->count);
    cuda_define(source, "FROZEN", bn->frozen != 0);
}

/* The tiles that moments are of, from which their counts follow. */
static void define_tiles(CudaSource *source)
{
    const SnugShape *picture = &source->kernel->window.y;
    SnugTile tile = source->kernel->bn.tile;

    cuda_define_shape(source, "", *picture);
    cuda_define(source, "TILE_ROWS", tile.rows);
    cuda_define(source, "TILE_COLUMNS", tile.columns);
    cuda_define(source, "TILES_DOWN", divide_up(picture->h, tile.rows));
    cuda_define(source, "TILES_ACROSS", divide_up(picture->w, tile.columns));
}

void cuda_describe_combine(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugArg *first = &kernel->args[0], *last = &kernel->args[kernel->arg_count - 1];
    bool has_partials = kernel->kind != SNUG_KERNEL_bn_frozen;

    switch (kernel->kind) {
    case SNUG_KERNEL_bn_combine:
        cuda_define_flag(source, "IS_BN_COMBINE", 1);
        define_tiles(source);
        break;
    case SNUG_KERNEL_bn_frozen: cuda_define_flag(source, "IS_BN_FROZEN", 1); break;
    case SNUG_KERNEL_bn_grad_combine:
        cuda_define_flag(source, "IS_BN_GRAD_COMBINE", 1);
        cuda_define(source, "STATS_PITCH", kernel->args[1].pitch);
        break;
    case SNUG_KERNEL_sum_combine: break;
    default: BUG("%s combines nothing", kernel->name);
    }
    if (kernel->kind != SNUG_KERNEL_sum_combine)
        define_bn(source);
    cuda_define(source, "CHANNELS", first->shape.c);
    cuda_define_flag(source, "PARTIAL_ROWS", has_partials ? first->shape.w : 0);
    cuda_define(source, "PARTIALS", has_partials ? first->shape.h : 0);
    cuda_define(source, "PARTIAL_PITCH", first->pitch);
    cuda_define(source, "RESULT_PITCH", last->pitch);
    source->threads = !has_partials ? 32 : first->shape.h <= 64 ? 64 : 256;
    cuda_entry(source, "", divide_up(first->shape.c, 8), 1, 1, 0);
}

/* ---- losses ---------------------------------------------------------------------------------- */

static void define_loss(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugLoss *loss = &kernel->loss;
    const SnugArg *heat = &kernel->args[0];

    cuda_define(source, "MAPS", heat->shape.c);
    cuda_define(source, "HEAT_PITCH", heat->pitch);
    cuda_define_float(source, "LOSS_STRIDE", loss->stride);
    cuda_define_float(source, "SIGMA", loss->sigma);
    if (loss->kind != SNUG_LOSS_adaptive_wing)
        return;
    cuda_define_flag(source, "IS_WING", 1);
    cuda_define_float(source, "OMEGA", loss->omega);
    cuda_define_float(source, "THETA", loss->theta);
    cuda_define_float(source, "EPSILON", loss->epsilon);
    cuda_define_float(source, "ALPHA", loss->alpha);
    cuda_define_float(source, "LOG_RATIO", logf(loss->theta / loss->epsilon));
    cuda_define(source, "EXTRA", loss->weighted ? 10 : 0);
}

void cuda_describe_loss(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugArg *heat = &kernel->args[0];
    int64_t lanes = min_i64(heat->shape.c, 64), groups = divide_up(heat->shape.c, lanes);

    cuda_define_shape(source, "", heat->shape);
    define_loss(source);
    cuda_define(source, "LANES", lanes);
    cuda_define(source, "ROWS", source->threads / lanes);
    cuda_define(source, "SLICE_PIXELS", HEAT_SLICE_PIXELS);
    cuda_define(source, "SLICES", heat_slices(heat));
    cuda_define(source, "LOSS_PITCH", kernel->args[2].pitch);
    cuda_entry(source, "", heat_slices(heat), groups, heat->shape.n, 0);
    cuda_entry(source, "sum", 1, groups, heat->shape.n, 0);
}

/* Three sigma; a wider one is cut off there, as on the host. */
enum { MAX_RADIUS = 24, DECODE_LANES = 32 };

void cuda_describe_decode(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugArg *heat = &kernel->args[0];
    int64_t lanes = min_i64(heat->shape.c, DECODE_LANES);
    int64_t groups = divide_up(heat->shape.c, lanes);

    cuda_define_shape(source, "", heat->shape);
    define_loss(source);
    cuda_define(source, "LANES", lanes);
    cuda_define(source, "ROWS", source->threads / lanes);
    cuda_define(source, "SLICE_PIXELS", HEAT_SLICE_PIXELS);
    cuda_define(source, "SLICES", heat_slices(heat));
    cuda_define(source, "PEAK_PITCH", kernel->args[1].pitch);
    cuda_define(source, "RADIUS", min_i64((int64_t)ceilf(3.0f * kernel->loss.sigma), MAX_RADIUS));
    cuda_entry(source, "", heat_slices(heat), groups, heat->shape.n, 0);
    cuda_entry(source, "scan", heat_slices(heat), groups, heat->shape.n, 0);
    cuda_entry(source, "refine", 1, groups, heat->shape.n, 0);
}

/* A map whose core is the loss's slope. */
void cuda_describe_loss_grad(CudaSource *source)
{
    static const SnugPoint core = {.op = SNUG_POINT_core};
    SnugKernel *kernel = arena_new(source->arena, SnugKernel);
    SnugPart *part = arena_new(source->arena, SnugPart);

    *kernel = *source->kernel;
    kernel->kind = SNUG_KERNEL_map;
    *part =
        (SnugPart){.channel_count = kernel->args[0].shape.c, .out = {.code = &core, .count = 1}};
    kernel->parts = part;
    kernel->part_count = 1;
    kernel->window = (SnugWindow){.y = kernel->args[0].shape};
    source->kernel = kernel;
    define_loss(source);
    cuda_define(source, "WEIGHT_PITCH", kernel->args[2].pitch);
    cuda_write_walk(source);
}

void cuda_describe_loss_combine(CudaSource *source)
{
    const SnugKernel *kernel = source->kernel;
    const SnugArg *map_loss = &kernel->args[0];
    int32_t maps = map_loss->shape.c, top = kernel->loss.top < maps ? kernel->loss.top : maps;

    cuda_define(source, "IMAGES", map_loss->shape.w);
    cuda_define(source, "MAPS", maps);
    cuda_define(source, "LOSS_PITCH", map_loss->pitch);
    cuda_define(source, "WEIGHT_PITCH", kernel->args[4].pitch);
    cuda_define_flag(source, "TOP", kernel->loss.kind != SNUG_LOSS_ohkm ? 0 : top > 1 ? top : 1);
    cuda_define(source, "SCALAR_LOSS_SCALE", SNUG_SCALAR_loss_scale);
    cuda_define(source, "SCALAR_LOSS", SNUG_SCALAR_loss);
    cuda_entry(source, "", 1, 1, 1, 0);
}

/* ---- all parameters -------------------------------------------------------------------------- */

static bool takes_part(SnugKernelKind kind, const SnugParam *param)
{
    switch (kind) {
    case SNUG_KERNEL_grad_norm: return param->grad >= 0;
    case SNUG_KERNEL_adamw: return param->grad >= 0 || param->ema >= 0;
    case SNUG_KERNEL_copy_ema: return param->half >= 0 && param->ema >= 0;
    case SNUG_KERNEL_copy_weights: return param->half >= 0;
    default: BUG("kernel kind %d goes over no parameters", (int)kind);
    }
}

/* The members of struct Tensor that the kind's kernel reads, and a tensor's in that order. */
static const char *tensor_members(SnugKernelKind kind)
{
    if (kind == SNUG_KERNEL_grad_norm)
        return "long long grad, elements;\n    int first_chunk;";
    if (kind == SNUG_KERNEL_adamw)
        return "long long weight, grad, m, v, ema, half, elements; /* -1: there is none */\n"
               "    int columns, decay, first_chunk;";
    return "long long weight, ema, half, elements; /* -1: there is none */\n"
           "    int columns, first_chunk;";
}

static const char *tensor_row(const CudaSource *source, const SnugParam *p, int64_t elements,
                              int64_t first_chunk)
{
    SnugKernelKind kind = source->kernel->kind;
    long long weight = p->weight, grad = p->grad, m = p->m, v = p->v, ema = p->ema, half = p->half;
    long long count = elements, first = first_chunk;

    if (kind == SNUG_KERNEL_grad_norm)
        return arena_printf(source->arena, "{%lld, %lld, %lld},", grad, count, first);
    if (kind == SNUG_KERNEL_adamw)
        return arena_printf(source->arena,
                            "{%lld, %lld, %lld, %lld, %lld, %lld, %lld, %d, %d, %lld},", weight,
                            grad, m, v, ema, half, count, p->shape.c, p->decay != 0, first);
    return arena_printf(source->arena, "{%lld, %lld, %lld, %lld, %d, %lld},", weight, ema, half,
                        count, p->shape.c, first);
}

/* Adds the row to the line, or ends the line where it is full. */
static void put_row(Text *text, Text *line, const char *row)
{
    enum { LINE = 98 };

    if (line->length > 0 && line->length + strlen(row) >= LINE) {
        text_printf(text, "   %s\n", line->bytes);
        line->length = 0;
    }
    text_printf(line, " %s", row);
}

/* Returns the number of chunks of all tensors. */
static int64_t write_tensors(CudaSource *source)
{
    const SnugProgram *program = source->program;
    Text line = {.arena = source->arena};
    int64_t chunks = 0;
    int32_t tensors = 0;

    text_printf(&source->text,
                "\n/* In the order of the program's parameters. */\nstruct Tensor {\n    %s\n};\n"
                "static __device__ const Tensor tensors[] = {\n",
                tensor_members(source->kernel->kind));
    for (int32_t p = 0; p < program->param_count; p++) {
        const SnugParam *param = &program->params[p];
        SnugShape shape = param->shape;
        int64_t elements = (int64_t)shape.n * shape.h * shape.w * shape.c;
        if (!takes_part(source->kernel->kind, param))
            continue;
        if (elements > INT32_MAX)
            BUG("%s has %lld elements", param->name, (long long)elements);
        put_row(&source->text, &line, tensor_row(source, param, elements, chunks));
        chunks += divide_up(elements, UPDATE_CHUNK);
        tensors++;
    }
    text_printf(&source->text, "   %s\n};\n", line.bytes);
    cuda_define(source, "TENSORS", tensors);
    return chunks;
}

void cuda_describe_update(CudaSource *source)
{
    static const struct {
        const char *name;
        SnugScalar scalar;
    } scalars[] = {
        {"LOSS_SCALE", SNUG_SCALAR_loss_scale},
        {"LR", SNUG_SCALAR_lr},
        {"BETA1", SNUG_SCALAR_beta1},
        {"BETA2", SNUG_SCALAR_beta2},
        {"EPS", SNUG_SCALAR_eps},
        {"WEIGHT_DECAY", SNUG_SCALAR_weight_decay},
        {"CORRECTION1", SNUG_SCALAR_correction1},
        {"CORRECTION2", SNUG_SCALAR_correction2},
        {"CLIP", SNUG_SCALAR_clip},
        {"EMA_DECAY", SNUG_SCALAR_ema_decay},
        {"GRAD_NORM", SNUG_SCALAR_grad_norm},
        {"FINITE", SNUG_SCALAR_finite},
    };
    const SnugProgram *program = source->program;
    SnugKernelKind kind = source->kernel->kind;

    for (size_t k = 0; k < COUNT_OF(scalars); k++)
        cuda_define(source, arena_printf(source->arena, "SCALAR_%s", scalars[k].name),
                    scalars[k].scalar);
    cuda_define_flag(source, "IS_GRAD_NORM", kind == SNUG_KERNEL_grad_norm);
    cuda_define_flag(source, "IS_ADAMW", kind == SNUG_KERNEL_adamw);
    cuda_define_name(source, "SOURCE", kind == SNUG_KERNEL_copy_ema ? "ema" : "weight");
    cuda_define(source, "SCALARS_OFFSET", program->buffers[program->scalars_buffer].offset);
    cuda_define(source, "CHUNK", UPDATE_CHUNK);
    int64_t chunks = write_tensors(source);
    cuda_define(source, "CHUNKS", chunks);
    if (kind == SNUG_KERNEL_grad_norm) {
        cuda_define(source, "BLOCKS", NORM_BLOCKS);
        cuda_entry(source, "", NORM_BLOCKS, 1, 1, 0);
        cuda_entry(source, "sum", 1, 1, 1, 0);
    } else {
        cuda_entry(source, "", chunks, 1, 1, 0);
    }
}
