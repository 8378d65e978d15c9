/* How fast the host device convolves, with the prologues and epilogues of a training step.
 *
 *     ninja host_conv && tests/bench/host_conv [threads [f32|bf16 [row]]]
 *
 * One row a shape of HRNet W32 and W18 at 1024x1024: milliseconds and GFLOP/s of the forward conv
 * (prologue relu(bn(z)), moments), the data gradient (prologue A g + B z + C, epilogue mask and
 * sums) and the weight gradient (both prologues). Best of several runs, wall time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device.h"
#include "runtime/host/host.h"
#include "runtime/system/os.h"

typedef struct Class {
    int32_t side, in, out, kernel, stride;
} Class;

static const Class classes[] = {
    {1024, 3, 64, 3, 2},  {512, 64, 64, 3, 2},  {256, 64, 64, 1, 1},  {256, 64, 64, 3, 1},
    {256, 64, 256, 1, 1}, {256, 256, 64, 1, 1}, {256, 256, 32, 3, 1}, {256, 32, 32, 3, 1},
    {128, 64, 64, 3, 1},  {64, 128, 128, 3, 1}, {32, 256, 256, 3, 1}, {256, 32, 64, 3, 2},
    {128, 64, 32, 1, 1},  {256, 18, 18, 3, 1},  {128, 36, 36, 3, 1},  {64, 72, 72, 3, 1},
    {32, 144, 144, 3, 1}, {256, 18, 36, 3, 2},  {128, 36, 18, 1, 1},
};

enum { ARGS = 10, CODE = 12 };

typedef struct Bench {
    SnugArg args[ARGS];
    void *data[ARGS];
    SnugPoint code[3][CODE];
    SnugPart part;
    SnugKernel kernel;
} Bench;

static int16_t add_arg(Bench *b, SnugType type, SnugShape shape)
{
    int32_t a = b->kernel.arg_count++;
    b->args[a] = (SnugArg){.type = type, .shape = shape, .pitch = shape.c};
    int64_t bytes = device_arg_bytes(&b->args[a]);
    b->data[a] = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
    for (int64_t i = 0; i < bytes; i++) /* small numbers around 0.01 in either type */
        ((unsigned char *)b->data[a])[i] = (unsigned char)(i % 2 ? 0x3c : 0x20 + i % 31);
    return (int16_t)a;
}

static int16_t vector(Bench *b, int32_t rows, int32_t channels)
{
    return add_arg(b, SNUG_F32, (SnugShape){1, 1, rows, channels});
}

static void emit(SnugPointwise *to, SnugPoint *code, SnugPoint point)
{
    code[to->count++] = point;
    to->code = code;
}

static void normal(Bench *b, int32_t which, SnugType type, SnugShape shape)
{
    SnugPointwise *in = &b->kernel.in[which];
    SnugPoint *code = b->code[which];
    int16_t z = add_arg(b, type, shape), stats = vector(b, 4, shape.c);
    emit(in, code, (SnugPoint){.op = SNUG_POINT_load, .arg = z});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = stats, .row = 2});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = stats, .row = 3});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 1, .d = 2});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_relu, .a = 3});
}

static void gradient(Bench *b, int32_t which, SnugType type, SnugShape shape)
{
    SnugPointwise *in = &b->kernel.in[which];
    SnugPoint *code = b->code[which];
    int16_t g = add_arg(b, type, shape), z = add_arg(b, type, shape), abc = vector(b, 3, shape.c);
    emit(in, code, (SnugPoint){.op = SNUG_POINT_load, .arg = g});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_load, .arg = z});
    for (int16_t row = 0; row < 3; row++)
        emit(in, code, (SnugPoint){.op = SNUG_POINT_channel, .arg = abc, .row = row});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 1, .b = 3, .d = 4});
    emit(in, code, (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 2, .d = 5});
}

static void reduction(Bench *b, SnugReductionKind kind, int16_t with, SnugShape d)
{
    int32_t rows = d.h;
    for (int32_t r = 1; r < d.h; r++)
        if (d.h % r == 0 && d.h / r <= 64 && r * d.w >= 256 && r < rows)
            rows = r;
    SnugReduction *r = &b->kernel.reductions[b->kernel.reduction_count++];
    *r = (SnugReduction){.kind = kind, .with = with, .rows_per_partial = rows};
    r->arg = add_arg(b, SNUG_F32, (SnugShape){1, d.n * (d.h / rows), 2, d.c});
}

static void forward_epilogue(Bench *b, SnugType type, SnugShape y)
{
    b->part.channel_count = y.c;
    b->kernel.part_count = 1;
    emit(&b->part.out, b->code[2], (SnugPoint){.op = SNUG_POINT_core});
    b->kernel.output_arg = add_arg(b, type, y);
    reduction(b, SNUG_REDUCE_moments, 0, y);
}

/* relu_grad of the batch norm below, its x-hat and sums */
static void gradient_epilogue(Bench *b, SnugType type, SnugShape x)
{
    SnugPointwise *out = &b->part.out;
    int16_t z = add_arg(b, type, x), stats = vector(b, 4, x.c);
    b->part.channel_count = x.c;
    b->kernel.part_count = 1;
    emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_load, .arg = z});
    for (int16_t row = 0; row < 4; row++)
        emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_channel, .arg = stats, .row = row});
    emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_add, .a = 0, .b = 1});
    emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_multiply, .a = 5, .b = 2});
    emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_fma, .a = 0, .b = 3, .d = 4});
    emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_core});
    emit(out, b->code[2], (SnugPoint){.op = SNUG_POINT_mask, .a = 8, .b = 7});
    b->kernel.output_arg = add_arg(b, type, x);
    reduction(b, SNUG_REDUCE_grad, 6, x);
}

static double measure(Bench *b, int32_t threads)
{
    b->kernel.args = b->args;
    b->kernel.parts = &b->part;
    HostKernel *k = host_kernel_create(&b->kernel, threads, false);
    if (k == NULL)
        return -1.0;
    int64_t bytes = host_kernel_workspace(k);
    HostLaunch launch = {.args = b->data,
                         .workspace = aligned_alloc(64, (size_t)(bytes + 127) / 64 * 64),
                         .team = host_team_create(threads)};
    double best = 1e9, start = os_seconds();
    for (int run = 0; run < 5 || os_seconds() - start < 0.15; run++) {
        double at = os_seconds();
        if (!host_kernel_run(k, &launch))
            return -1.0;
        double took = os_seconds() - at;
        best = took < best ? took : best;
    }
    host_team_destroy(launch.team);
    free(launch.workspace);
    host_kernel_destroy(k);
    return best;
}

static double measure_kind(const Class *c, SnugKernelKind kind, SnugType type, int32_t threads)
{
    Bench b = {{{0}}};
    int32_t y_side = c->side / c->stride;
    SnugShape x = {1, c->side, c->side, c->in}, y = {1, y_side, y_side, c->out};
    SnugShape w = {c->out, c->kernel, c->kernel, c->in};
    b.kernel.kind = kind;
    b.kernel.weight_arg = -1;
    b.kernel.window = (SnugWindow){c->kernel, c->stride, (c->kernel - 1) / 2, x, y};
    if (kind == SNUG_KERNEL_conv_dgrad)
        gradient(&b, 0, type, y);
    else
        normal(&b, 0, type, x);
    if (kind == SNUG_KERNEL_conv_wgrad) {
        gradient(&b, 1, type, y);
        b.kernel.output_arg = add_arg(&b, SNUG_F32, w);
    } else {
        b.kernel.weight_arg = add_arg(&b, SNUG_F32, w);
        if (kind == SNUG_KERNEL_conv)
            forward_epilogue(&b, type, y);
        else
            gradient_epilogue(&b, type, x);
    }
    double seconds = measure(&b, threads);
    for (int32_t a = 0; a < b.kernel.arg_count; a++)
        free(b.data[a]);
    return seconds;
}

int main(int argc, char **argv)
{
    int32_t threads = argc > 1 ? atoi(argv[1]) : os_processor_count();
    SnugType type = argc > 2 && strcmp(argv[2], "f32") == 0 ? SNUG_F32 : SNUG_BF16;
    printf("%d threads, %s; milliseconds and GFLOP/s\n\n%-26s %14s %14s %14s\n", threads,
           type == SNUG_BF16 ? "bf16" : "f32", "", "forward", "data gradient", "weight gradient");
    size_t first = 0, end = sizeof classes / sizeof classes[0];
    if (argc > 3 && (size_t)atoi(argv[3]) < end) {
        first = (size_t)atoi(argv[3]);
        end = first + 1;
    }
    for (size_t i = first; i < end; i++) {
        const Class *c = &classes[i];
        double flops = 2.0 * c->in * c->out * c->kernel * c->kernel * (c->side / c->stride)
                       * (c->side / c->stride);
        printf("%4d^2 %3d -> %3d %dx%d/%d  ", c->side, c->in, c->out, c->kernel, c->kernel,
               c->stride);
        for (int k = 0; k < 3; k++) {
            static const SnugKernelKind kinds[] = {SNUG_KERNEL_conv, SNUG_KERNEL_conv_dgrad,
                                                   SNUG_KERNEL_conv_wgrad};
            double seconds = measure_kind(c, kinds[k], type, threads);
            printf(" %8.2f %5.0f", seconds * 1e3, flops / seconds * 1e-9);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
