/* Expressions: pointwise ops of the graph -> straight-line code of a kernel.
 *
 * An expression is walked from the value that is wanted down to what lies in memory. Where it is
 * read travels along: upsampling and slicing make no instruction, they change the loads below them.
 *
 *     slice(upsample(bn(z), 2), 8 ..)     at factor 1, channel 0
 *       upsample(bn(z), 2)                             channel 8
 *         bn(z)                            at factor 2
 *           r0 = load z factor 2 channel 8
 *           r1 = channel stats row 2 channel 8
 *           ...
 *
 * Equal instructions are emitted once.
 */

#include <string.h>

#include "fusion.h"

typedef struct Where {
    int16_t factor;
    bool bilinear;
    int32_t channel;
} Where;

static const Where here = {.factor = 1};

/* ---- args ------------------------------------------------------------------------------------ */

/* Half tensors, and the vectors over channels that batch norms and reductions make. */
static bool is_padded(const Fusion *fusion, const Value *value)
{
    if (value->type == SNUG_F16 || value->type == SNUG_BF16)
        return true;
    if (value->storage != STORAGE_arena)
        return false;
    OpKind maker = op_at(fusion, value->maker)->kind;
    return maker == OP_bn_stats || maker == OP_bn_frozen || maker == OP_bn_grad_stats
           || maker == OP_channel_sum;
}

static int32_t pitch_of(const Fusion *fusion, const Value *value)
{
    return (int32_t)(is_padded(fusion, value)
                         ? align_up(value->shape.c, fusion->target->pitch_multiple)
                         : value->shape.c);
}

int16_t builder_arg(KernelBuilder *builder, ValueId value, SnugAccess access)
{
    Fusion *fusion = builder->fusion;
    const Value *v = value_at(fusion, value);

    if (access == SNUG_READ)
        for (uint32_t a = 0; a < builder->args.count; a++)
            if (builder->values.items[a].i == value.i && builder->args.items[a].access == SNUG_READ)
                return (int16_t)a;
    if (builder->args.count >= INT16_MAX)
        BUG("kernel of %s has too many args", v->name);
    SnugArg arg = {
        .access = access,
        .type = v->type,
        .shape = {(int32_t)v->shape.n, (int32_t)v->shape.h, (int32_t)v->shape.w,
                  (int32_t)v->shape.c},
        .pitch = pitch_of(fusion, v),
    };
    ARRAY_APPEND(fusion->arena, &builder->args, arg);
    ARRAY_APPEND(fusion->arena, &builder->values, value);
    return (int16_t)(builder->args.count - 1);
}

/* ---- instructions ---------------------------------------------------------------------------- */

bool same_point(const SnugPoint *a, const SnugPoint *b)
{
    return a->op == b->op && a->a == b->a && a->b == b->b && a->d == b->d && a->arg == b->arg
           && a->factor == b->factor && a->row == b->row && a->channel == b->channel
           && memcmp(a->constants, b->constants, sizeof a->constants) == 0;
}

static int16_t push_point(KernelBuilder *builder, Code *code, SnugPoint point)
{
    for (uint32_t r = 0; r < code->points.count; r++)
        if (same_point(&code->points.items[r], &point))
            return (int16_t)r;
    if (code->points.count >= INT16_MAX)
        BUG("pointwise code has too many instructions");
    ARRAY_APPEND(builder->fusion->arena, &code->points, point);
    return (int16_t)(code->points.count - 1);
}

static int16_t push_operation(KernelBuilder *builder, Code *code, SnugPointOp op, int16_t a,
                              int16_t b, int16_t d)
{
    return push_point(builder, code, (SnugPoint){.op = op, .a = a, .b = b, .d = d});
}

static int16_t push_constant(KernelBuilder *builder, Code *code, float number)
{
    SnugPoint point = {.op = SNUG_POINT_constant, .constants = {number, number, number, number}};
    return push_point(builder, code, point);
}

/* c counts from 0 at channel `where.channel` of the picture. */
static int16_t push_per_channel(KernelBuilder *builder, Code *code, Where where,
                                const float numbers[3])
{
    SnugPoint point = {.op = SNUG_POINT_constant};

    for (int32_t c = 0; c < 4; c++) {
        int64_t channel = min_i64((int64_t)c + where.channel, 2);
        point.constants[c] = numbers[channel];
    }
    return push_point(builder, code, point);
}

static int16_t push_channel(KernelBuilder *builder, Code *code, Where where, ValueId vector,
                            int16_t row)
{
    SnugPoint point = {.op = SNUG_POINT_channel,
                       .arg = builder_arg(builder, vector, SNUG_READ),
                       .row = row,
                       .channel = where.channel};
    return push_point(builder, code, point);
}

static int16_t push_load(KernelBuilder *builder, Code *code, Where where, ValueId tensor)
{
    SnugPoint point = {.op = where.bilinear ? SNUG_POINT_load_bilinear : SNUG_POINT_load,
                       .arg = builder_arg(builder, tensor, SNUG_READ),
                       .factor = where.factor,
                       .channel = where.channel};
    return push_point(builder, code, point);
}

/* ---- expressions ----------------------------------------------------------------------------- */

static int16_t emit_at(KernelBuilder *builder, Code *code, ValueId value, Where where);

/* y > 0 is decided by what relu reads, too. */
static int16_t emit_mask_of(KernelBuilder *builder, Code *code, ValueId y, Where where)
{
    Fusion *fusion = builder->fusion;
    const Op *maker = maker_of(fusion, y);

    if (fusion->place[y.i] == PLACE_inline && maker->kind == OP_relu)
        y = maker->inputs[0];
    return emit_at(builder, code, y, where);
}

static int16_t emit_normalize(KernelBuilder *builder, Code *code, const Op *op, Where where)
{
    float factor[3], offset[3];

    for (int c = 0; c < 3; c++) {
        factor[c] = (float)(1.0 / (255.0 * (double)op->std[c]));
        offset[c] = (float)(-(double)op->mean[c] / (double)op->std[c]);
    }
    int16_t x = emit_at(builder, code, op->inputs[0], where);
    int16_t a = push_per_channel(builder, code, where, factor);
    int16_t b = push_per_channel(builder, code, where, offset);
    return push_operation(builder, code, SNUG_POINT_fma, x, a, b);
}

/* dx = A dy + (B x + C); with frozen statistics B = C = 0 and x is not read. */
static int16_t emit_bn_grad_apply(KernelBuilder *builder, Code *code, const Op *op, Where where)
{
    ValueId coefficients = op->inputs[2];
    int16_t dy = emit_at(builder, code, op->inputs[0], where);
    int16_t a = push_channel(builder, code, where, coefficients, 0);

    if (is_frozen_grad(builder->fusion, op))
        return push_operation(builder, code, SNUG_POINT_multiply, dy, a, 0);
    int16_t x = emit_at(builder, code, op->inputs[1], where);
    int16_t b = push_channel(builder, code, where, coefficients, 1);
    int16_t c = push_channel(builder, code, where, coefficients, 2);
    int16_t rest = push_operation(builder, code, SNUG_POINT_fma, x, b, c);
    return push_operation(builder, code, SNUG_POINT_fma, dy, a, rest);
}

static int16_t emit_add(KernelBuilder *builder, Code *code, const Op *op, Where where)
{
    int16_t sum = emit_at(builder, code, op->inputs[0], where);

    for (uint32_t k = 1; k < op->input_count; k++) {
        int16_t term = emit_at(builder, code, op->inputs[k], where);
        sum = push_operation(builder, code, SNUG_POINT_add, sum, term, 0);
    }
    return sum;
}

/* Two nested nearest upsamplings are one; all else cannot be nested (needs_store). */
static Where resample(Where where, const Op *op)
{
    if (where.bilinear || (op->kind == OP_bilinear && where.factor != 1)
        || (int64_t)where.factor * op->factor > INT16_MAX)
        BUG("%s: resampling cannot be nested here", op->name);
    where.factor = (int16_t)(where.factor * op->factor);
    where.bilinear = op->kind == OP_bilinear;
    return where;
}

/* The op's own work at an element, its inputs from wherever they are. */
static int16_t emit_op(KernelBuilder *builder, Code *code, const Op *op, Where where)
{
    const ValueId *in = op->inputs;
    int16_t a, b, c;

    switch (op->kind) {
    case OP_normalize: return emit_normalize(builder, code, op, where);
    case OP_bias:
        a = emit_at(builder, code, in[0], where);
        b = push_channel(builder, code, where, in[1], 0);
        return push_operation(builder, code, SNUG_POINT_add, a, b, 0);
    case OP_bn_apply:
        a = emit_at(builder, code, in[0], where);
        b = push_channel(builder, code, where, in[1], 2);
        c = push_channel(builder, code, where, in[1], 3);
        return push_operation(builder, code, SNUG_POINT_fma, a, b, c);
    case OP_relu:
        a = emit_at(builder, code, in[0], where);
        return push_operation(builder, code, SNUG_POINT_relu, a, 0, 0);
    case OP_sigmoid:
        a = emit_at(builder, code, in[0], where);
        return push_operation(builder, code, SNUG_POINT_sigmoid, a, 0, 0);
    case OP_scale:
        a = emit_at(builder, code, in[0], where);
        b = push_constant(builder, code, op->number);
        return push_operation(builder, code, SNUG_POINT_multiply, a, b, 0);
    case OP_add: return emit_add(builder, code, op, where);
    case OP_upsample:
    case OP_bilinear: return emit_at(builder, code, in[0], resample(where, op));
    case OP_slice:
        where.channel += (int32_t)op->channel;
        return emit_at(builder, code, in[0], where);
    case OP_bn_grad_apply: return emit_bn_grad_apply(builder, code, op, where);
    case OP_relu_grad:
        a = emit_at(builder, code, in[0], where);
        b = emit_mask_of(builder, code, in[1], where);
        return push_operation(builder, code, SNUG_POINT_mask, a, b, 0);
    case OP_sigmoid_grad:
        a = emit_at(builder, code, in[0], where);
        b = emit_at(builder, code, in[1], where);
        return push_operation(builder, code, SNUG_POINT_sigmoid_grad, a, b, 0);
    default: BUG("%s: %s is no pointwise op", op->name, op_info[op->kind].name);
    }
}

/* Finds a value that was emitted before; without it a chain of x + x would double at each link. */
static const Memo *find_memo(const Code *code, ValueId value, Where where)
{
    for (uint32_t m = 0; m < code->memos.count; m++) {
        const Memo *memo = &code->memos.items[m];
        if (memo->value.i == value.i && memo->factor == where.factor
            && memo->bilinear == where.bilinear && memo->channel == where.channel)
            return memo;
    }
    return NULL;
}

static bool is_rebuilt_here(const KernelBuilder *builder, ValueId value, Where where)
{
    return builder->is_backward && builder->fusion->is_rebuilt[value.i] && where.factor == 1
           && !where.bilinear;
}

/* What was stored, from what it was computed of; a trip through memory rounds. */
static int16_t emit_rebuilt(KernelBuilder *builder, Code *code, ValueId value, Where where)
{
    SnugType type = value_at(builder->fusion, value)->type;
    int16_t reg = emit_op(builder, code, maker_of(builder->fusion, value), where);

    if (type == SNUG_F32)
        return reg;
    return push_point(builder, code,
                      (SnugPoint){.op = SNUG_POINT_round, .a = reg, .row = (int16_t)type});
}

/* Below a bilinear resampling the op's work follows the loads, where the graph has it before. */
static int16_t emit_inline(KernelBuilder *builder, Code *code, const Op *op, Where where)
{
    int16_t reg = emit_op(builder, code, op, where);
    const PointInfo *info = &point_info[code->points.items[reg].op];

    if (where.bilinear && info->from == SNUG_FROM_registers && !info->is_affine)
        BUG("%s: %s does not commute with interpolation", op->name, info->name);
    return reg;
}

static int16_t emit_at(KernelBuilder *builder, Code *code, ValueId value, Where where)
{
    Fusion *fusion = builder->fusion;
    const Memo *memo = find_memo(code, value, where);
    Place place = fusion->place[value.i];
    int16_t reg;

    if (memo != NULL)
        return memo->reg;
    if (value.i == builder->core.i)
        reg = push_point(builder, code, (SnugPoint){.op = SNUG_POINT_core});
    else if (is_rebuilt_here(builder, value, where))
        reg = emit_rebuilt(builder, code, value, where);
    else if (place == PLACE_inline || place == PLACE_epilogue)
        reg = emit_inline(builder, code, maker_of(fusion, value), where);
    else
        reg = push_load(builder, code, where, value);
    Memo entry = {value, where.factor, where.bilinear, where.channel, reg};
    ARRAY_APPEND(fusion->scratch, &code->memos, entry);
    return reg;
}

int16_t emit_value(KernelBuilder *builder, Code *code, ValueId value)
{
    return emit_at(builder, code, value, here);
}

int16_t emit_xhat(KernelBuilder *builder, Code *code, ValueId z, ValueId stats)
{
    int16_t x = emit_at(builder, code, z, here);
    int16_t mean = push_channel(builder, code, here, stats, 0);
    int16_t rstd = push_channel(builder, code, here, stats, 1);
    int16_t minus = push_constant(builder, code, -1.0F);
    int16_t centred = push_operation(builder, code, SNUG_POINT_fma, mean, minus, x);
    return push_operation(builder, code, SNUG_POINT_multiply, centred, rstd, 0);
}

SnugPointwise finish_code(KernelBuilder *builder, Code *code, int16_t result)
{
    if ((uint32_t)result + 1 != code->points.count) {
        SnugPoint copy = code->points.items[result];
        ARRAY_APPEND(builder->fusion->arena, &code->points, copy);
    }
    return (SnugPointwise){.code = code->points.items, .count = (int32_t)code->points.count};
}

SnugPointwise emit_result(KernelBuilder *builder, Code *code, ValueId value)
{
    int16_t result;

    if (value.i == builder->core.i)
        result = push_point(builder, code, (SnugPoint){.op = SNUG_POINT_core});
    else
        result = emit_op(builder, code, maker_of(builder->fusion, value), here);
    return finish_code(builder, code, result);
}
