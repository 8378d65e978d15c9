/* Comparisons: setp, set, slct. The relation and the types are columns of the table; what is
 * combined with the result (and, or, xor with a predicate) is in Op.kind. */
#include "exec.h"

#define HANDLER(name) static void name(Warp *warp, const Op *op)

/* setp.REL.TYPE p|q, a, b, {!}c: r[0] = p, r[1] = q or nothing, then a, b, c. */
static void put_comparison(Warp *warp, const Op *op, uint32_t bits)
{
    uint32_t no = ~bits;

    if (op->kind) {
        uint32_t c = PREDICATE(4);
        c = op->to ? ~c : c;
        bits = op->kind == 1 ? bits & c : op->kind == 2 ? bits | c : bits ^ c;
        no = op->kind == 1 ? no & c : op->kind == 2 ? no | c : no ^ c;
    }
    put_predicate(warp, op->r[0], bits);
    if (op->flags & OP_SECOND)
        put_predicate(warp, op->r[1], no);
}

INLINE F32 flushed(const Op *op, F32 v)
{
    U32 bits = (U32)v;

    return op->flags & OP_FLUSH ? (F32)(bits & ((U32)((bits & 0x7f800000u) != 0) | 0x80000000u))
                                : v;
}

#define COMPARE(name, T, mask, a_value, b_value, expression)                                       \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T a = a_value, b = b_value;                                                                \
        put_comparison(warp, op, mask(expression));                                                \
    }

#define INTEGERS(relation, operator)                                                               \
    COMPARE(relation##_u16, U16, lanes_mask_u16, REG(U16, 2), REG(U16, 3), (U16)(a operator b))    \
    COMPARE(relation##_s16, I16, lanes_mask_u16, REG(I16, 2), REG(I16, 3), (U16)(a operator b))    \
    COMPARE(relation##_u32, U32, lanes_mask_u32, REG(U32, 2), REG(U32, 3), (U32)(a operator b))    \
    COMPARE(relation##_s32, I32, lanes_mask_u32, REG(I32, 2), REG(I32, 3), (U32)(a operator b))    \
    COMPARE(relation##_u64, U64, lanes_mask_u64, REG(U64, 2), REG(U64, 3), (U64)(a operator b))    \
    COMPARE(relation##_s64, I64, lanes_mask_u64, REG(I64, 2), REG(I64, 3), (U64)(a operator b))
INTEGERS(eq, ==)
INTEGERS(ne, !=)
INTEGERS(lt, <)
INTEGERS(le, <=)
INTEGERS(gt, >)
INTEGERS(ge, >=)

INLINE F32 widen_half(U16 h)
{
    return lanes_from_half(h);
}

INLINE F32 widen_bf16(U16 h)
{
    return (F32)(__builtin_convertvector(h, U32) << 16);
}

#define FLOATS(relation, ordered)                                                                  \
    COMPARE(relation##_f32, F32, lanes_mask_u32, flushed(op, REG(F32, 2)),                         \
            flushed(op, REG(F32, 3)), (U32)(ordered))                                              \
    COMPARE(relation##_f64, F64, lanes_mask_u64, REG(F64, 2), REG(F64, 3), (U64)(ordered))         \
    COMPARE(relation##_f16, F32, lanes_mask_u32, widen_half(REG(U16, 2)), widen_half(REG(U16, 3)), \
            (U32)(ordered))                                                                        \
    COMPARE(relation##_bf16, F32, lanes_mask_u32, widen_bf16(REG(U16, 2)),                         \
            widen_bf16(REG(U16, 3)), (U32)(ordered))
FLOATS(feq, a == b)
FLOATS(fne, (a < b) | (a > b))
FLOATS(flt, a < b)
FLOATS(fle, a <= b)
FLOATS(fgt, a > b)
FLOATS(fge, a >= b)
FLOATS(fequ, (a == b) | (a != a) | (b != b))
FLOATS(fneu, a != b)
FLOATS(fltu, ~(a >= b))
FLOATS(fleu, ~(a > b))
FLOATS(fgtu, ~(a <= b))
FLOATS(fgeu, ~(a < b))
FLOATS(fnum, (a == a) & (b == b))
FLOATS(fnan, (a != a) | (b != b))

#define ROWS_I(relation)                                                                           \
    {#relation ".u16", relation##_u16, "22", 0}, {#relation ".s16", relation##_s16, "22", 0},      \
        {#relation ".u32", relation##_u32, "44", 0}, {#relation ".s32", relation##_s32, "44", 0},  \
        {#relation ".u64", relation##_u64, "88", 0},                                               \
    {                                                                                              \
#relation ".s64", relation##_s64, "88", 0                                                  \
    }
#define ROWS_F(name, relation)                                                                     \
    {name ".f32", relation##_f32, "44", OP_FLUSH}, {name ".f64", relation##_f64, "88", 0},         \
        {name ".f16", relation##_f16, "22", 0},                                                    \
    {                                                                                              \
        name ".bf16", relation##_bf16, "22", 0                                                     \
    }

/* Named by relation and type; the decoder of setp and set looks here. */
const Instruction instructions_compare[] = {
    ROWS_I(eq),
    ROWS_I(ne),
    ROWS_I(lt),
    ROWS_I(le),
    ROWS_I(gt),
    ROWS_I(ge),
    {"eq.b16", eq_u16, "22", 0},
    {"eq.b32", eq_u32, "44", 0},
    {"eq.b64", eq_u64, "88", 0},
    {"ne.b16", ne_u16, "22", 0},
    {"ne.b32", ne_u32, "44", 0},
    {"ne.b64", ne_u64, "88", 0},
    {"lo.u16", lt_u16, "22", 0},
    {"lo.u32", lt_u32, "44", 0},
    {"lo.u64", lt_u64, "88", 0},
    {"ls.u16", le_u16, "22", 0},
    {"ls.u32", le_u32, "44", 0},
    {"ls.u64", le_u64, "88", 0},
    {"hi.u16", gt_u16, "22", 0},
    {"hi.u32", gt_u32, "44", 0},
    {"hi.u64", gt_u64, "88", 0},
    {"hs.u16", ge_u16, "22", 0},
    {"hs.u32", ge_u32, "44", 0},
    {"hs.u64", ge_u64, "88", 0},
    ROWS_F("eq", feq),
    ROWS_F("ne", fne),
    ROWS_F("lt", flt),
    ROWS_F("le", fle),
    ROWS_F("gt", fgt),
    ROWS_F("ge", fge),
    ROWS_F("equ", fequ),
    ROWS_F("neu", fneu),
    ROWS_F("ltu", fltu),
    ROWS_F("leu", fleu),
    ROWS_F("gtu", fgtu),
    ROWS_F("geu", fgeu),
    ROWS_F("num", fnum),
    ROWS_F("nan", fnan),
    {NULL, NULL, NULL, 0},
};
