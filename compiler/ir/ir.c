/* Facts about ops, instructions and types. */
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
