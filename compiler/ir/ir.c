/* Facts about ops, instructions, kinds of kernels and types. */
#include "ir.h"

const OpInfo op_info[OP_COUNT] = {
#define OP(name, inputs, outputs, traits, synopsis)                                                \
    [OP_##name] = {#name, inputs, outputs, traits, synopsis},
#include "ops.def"
#undef OP
};

const PointInfo point_info[SNUG_POINT_OP_COUNT] = {
#define POINT(name, from, operands, affine, binds, formula, cuda, meaning)                         \
    [SNUG_POINT_##                                                                                 \
        name] = {#name, SNUG_FROM_##from, operands, affine, BINDING_##binds, formula, cuda},
#include "runtime/points.def"
#undef POINT
};

int32_t point_operands(const SnugPoint *point, int16_t operands[3])
{
    operands[0] = point->a;
    operands[1] = point->b;
    operands[2] = point->d;
    return point_info[point->op].operands;
}

bool point_reads_arg(const SnugPoint *point)
{
    SnugPointFrom from = point_info[point->op].from;
    return from == SNUG_FROM_tensor || from == SNUG_FROM_vector;
}

const KernelInfo kernel_info[SNUG_KERNEL_KIND_COUNT] = {
#define READ(name, rows)  {SNUG_READ, rows, #name},
#define WRITE(name, rows) {SNUG_WRITE, rows, #name},
#define ADD(name, rows)   {SNUG_ACCUMULATE, rows, #name},
#define KERNEL(name, result, in0, in1, with, host, card, args, meaning)                            \
    [SNUG_KERNEL_##name] = {#name,                                                                 \
                            SNUG_DOMAIN_##result,                                                  \
                            {SNUG_DOMAIN_##in0, SNUG_DOMAIN_##in1},                                \
                            SNUG_WITH_##with,                                                      \
                            {args{SNUG_READ, 0, NULL}}},
#include "runtime/kernels.def"
#undef KERNEL
#undef READ
#undef WRITE
#undef ADD
};

static SnugShape shape_of_domain(const SnugWindow *window, SnugDomain domain)
{
    switch (domain) {
    case SNUG_DOMAIN_none: break;
    case SNUG_DOMAIN_x: return window->x;
    case SNUG_DOMAIN_y: return window->y;
    }
    return (SnugShape){0};
}

SnugShape result_domain(const SnugKernel *kernel)
{
    return shape_of_domain(&kernel->window, kernel_info[kernel->kind].result);
}

SnugShape prologue_domain(const SnugKernel *kernel, int side)
{
    return shape_of_domain(&kernel->window, kernel_info[kernel->kind].in[side]);
}

int64_t type_bytes(SnugType type)
{
    switch (type) {
    case SNUG_F32: return 4;
    case SNUG_F16:
    case SNUG_BF16: return 2;
    case SNUG_U8: return 1;
    case SNUG_UNKNOWN: break;
    }
    BUG("the bytes of an unknown type are asked for");
}

const char *type_name(SnugType type)
{
    switch (type) {
    case SNUG_F32: return "f32";
    case SNUG_F16: return "f16";
    case SNUG_BF16: return "bf16";
    case SNUG_U8: return "u8";
    case SNUG_UNKNOWN: break;
    }
    return "?";
}

int64_t tensor_bytes(Shape shape, SnugType type, int64_t pitch)
{
    int64_t bytes = type_bytes(type);

    if (pitch < shape.c)
        BUG("pixels of %lld channels cannot be %lld elements apart", (long long)shape.c,
            (long long)pitch);
    if (!checked_mul(bytes, shape.n, &bytes) || !checked_mul(bytes, shape.h, &bytes)
        || !checked_mul(bytes, shape.w, &bytes) || !checked_mul(bytes, pitch, &bytes)
        || bytes > INT64_MAX / 2)
        BUG("a tensor of %lldx%lldx%lldx%lld passed the limits of shapes.c", (long long)shape.n,
            (long long)shape.h, (long long)shape.w, (long long)shape.c);
    return bytes;
}
