/* Arithmetic on fp16 and bf16, single and in pairs (x2: low half first).
 *
 * fp16: sums and products of two are computed in f32, which has more than twice the bits, so that
 * the second rounding changes nothing. fma: in double with rounding to odd (half.c).
 */
#include "exec.h"

#include <math.h>

#define HANDLER(name) static void name(Warp *warp, const Op *op)

/* ---- one number a lane ----------------------------------------------------------------------- */

typedef enum HalfOp {
    HALF_add,
    HALF_sub,
    HALF_mul,
    HALF_fma,
    HALF_min,
    HALF_max,
    HALF_neg,
    HALF_abs,
    HALF_ex2,
    HALF_tanh
} HalfOp;

typedef struct Kind { /* how numbers of this format become floats and back */
    const Format *format;
    float (*widen)(uint16_t bits);
    uint16_t (*narrow)(double x);
} Kind;

static const Kind kinds[2] = {{&FORMAT_f16, float_from_half, half_from_exact},
                              {&FORMAT_bf16, float_from_bf16, bf16_from_exact}};

static double pick(double a, double b, bool larger, bool nan_wins)
{
    if (isnan(a) || isnan(b))
        return nan_wins || (isnan(a) && isnan(b)) ? (double)NAN : isnan(a) ? b : a;
    if (a == b)
        return signbit(a) == (larger ? 0 : 1) || signbit(a) == signbit(b) ? a : b;
    return (a < b) != larger ? a : b;
}

static double flush_half(double x, const Kind *kind, const Op *op)
{
    return op->flags & OP_FLUSH && fabs(x) < ldexp(1, kind->format->lowest) ? copysign(0, x) : x;
}

static double compute(HalfOp what, double a, double b, double c, const Kind *kind, const Op *op)
{
    Rounding mode = (Rounding)op->rounding;

    switch (what) {
    case HALF_add: return fma_in_format(a, 1, b, kind->format, mode);
    case HALF_sub: return fma_in_format(b, -1, a, kind->format, mode);
    case HALF_mul: return round_to_format(a * b, kind->format, mode);
    case HALF_fma: return fma_in_format(a, b, c, kind->format, mode);
    case HALF_min: return pick(a, b, false, (op->flags & OP_NAN) != 0);
    case HALF_max: return pick(a, b, true, (op->flags & OP_NAN) != 0);
    case HALF_ex2: return round_to_format(exp2(a), kind->format, mode);
    case HALF_tanh: return round_to_format(tanh(a), kind->format, mode);
    case HALF_neg:
    case HALF_abs: break;
    }
    return a;
}

static uint16_t one_half(HalfOp what, uint16_t x, uint16_t y, uint16_t z, const Kind *kind,
                         const Op *op)
{
    if (what == HALF_neg)
        return x ^ 0x8000;
    if (what == HALF_abs)
        return x & 0x7fff;
    double a = flush_half((double)kind->widen(x), kind, op);
    double b = flush_half((double)kind->widen(y), kind, op);
    double c = flush_half((double)kind->widen(z), kind, op);
    double d = flush_half(compute(what, a, b, c, kind, op), kind, op);
    if (op->flags & OP_RELU)
        d = d > 0 || isnan(d) ? d : 0;
    if (op->flags & OP_SATURATE)
        d = d > 1 ? 1 : d > 0 ? d : 0;
    return kind->narrow(d);
}

#define SINGLE(name, what, which, b_index, c_index)                                                \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        U16 a = REG(U16, 1), b = REG(U16, b_index), c = REG(U16, c_index), d = a;                  \
        FOR_LANES(i, warp->mask)                                                                   \
        d[i] = one_half(what, a[i], b[i], c[i], &kinds[which], op);                                \
        PUT_U16(0, d);                                                                             \
    }
#define PAIR(name, what, which, b_index, c_index)                                                  \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        U32 a = REG(U32, 1), b = REG(U32, b_index), c = REG(U32, c_index), d = a;                  \
        FOR_LANES(i, warp->mask)                                                                   \
        {                                                                                          \
            uint32_t low =                                                                         \
                one_half(what, (uint16_t)a[i], (uint16_t)b[i], (uint16_t)c[i], &kinds[which], op); \
            uint32_t high = one_half(what, (uint16_t)(a[i] >> 16), (uint16_t)(b[i] >> 16),         \
                                     (uint16_t)(c[i] >> 16), &kinds[which], op);                   \
            d[i] = low | high << 16;                                                               \
        }                                                                                          \
        PUT_U32(0, d);                                                                             \
    }
#define BOTH(name, what, b_index, c_index)                                                         \
    SINGLE(name##_f16, what, 0, b_index, c_index)                                                  \
    SINGLE(name##_bf16, what, 1, b_index, c_index)                                                 \
    PAIR(name##_f16x2_slow, what, 0, b_index, c_index)                                             \
    PAIR(name##_bf16x2, what, 1, b_index, c_index)
BOTH(add, HALF_add, 2, 1)
BOTH(sub, HALF_sub, 2, 1)
BOTH(mul, HALF_mul, 2, 1)
BOTH(fma, HALF_fma, 2, 3)
BOTH(min, HALF_min, 2, 1)
BOTH(max, HALF_max, 2, 1)
BOTH(neg, HALF_neg, 1, 1)
BOTH(abs, HALF_abs, 1, 1)
BOTH(ex2, HALF_ex2, 1, 1)
BOTH(tanh, HALF_tanh, 1, 1)

/* ---- pairs of fp16: what kernels do most, faster --------------------------------------------- */

INLINE U16 low_halves(U32 v)
{
    return __builtin_convertvector(v & 0xffff, U16);
}

INLINE U16 high_halves(U32 v)
{
    return __builtin_convertvector(v >> 16, U16);
}

INLINE U32 join(U16 low, U16 high)
{
    return __builtin_convertvector(low, U32) | __builtin_convertvector(high, U32) << 16;
}

/* NaN in canonical form. */
INLINE U16 narrow(F32 v)
{
    U16 h = lanes_to_half(v);
    U16 nan = (U16)((h & 0x7fff) > 0x7c00);

    return (h & ~nan) | (nan & 0x7fff);
}

#define FAST_PAIR(name, expression)                                                                \
    HANDLER(name##_f16x2)                                                                          \
    {                                                                                              \
        if (op->flags & (OP_FLUSH | OP_SATURATE | OP_RELU | OP_ROUND)) {                           \
            name##_f16x2_slow(warp, op);                                                           \
            return;                                                                                \
        }                                                                                          \
        U32 x = REG(U32, 1), y = REG(U32, 2);                                                      \
        F32 a = lanes_from_half(low_halves(x)), b = lanes_from_half(low_halves(y));                \
        U16 low = narrow(expression);                                                              \
        a = lanes_from_half(high_halves(x)), b = lanes_from_half(high_halves(y));                  \
        PUT_U32(0, join(low, narrow(expression)));                                                 \
    }
FAST_PAIR(add, a + b)
FAST_PAIR(sub, a - b)
FAST_PAIR(mul, a *b)

INLINE F32 fma_in_double(F32 a, F32 b, F32 c)
{
    F64 d = __builtin_convertvector(a, F64) * __builtin_convertvector(b, F64);

    /* exact where it matters: the sum has at most 53 bits unless it overflows fp16 or c decides
     * nothing; but f32 in between would round twice, so it is made odd */
    d += __builtin_convertvector(c, F64);
    F32 narrowed = __builtin_convertvector(d, F32);
    F64 back = __builtin_convertvector(narrowed, F64);
    U32 inexact = (U32) __builtin_convertvector((I64)(back != d), I32);
    U32 toward = (U32) __builtin_convertvector((I64)((back > d) == (back > 0)), I32);
    U32 bits = (U32)narrowed;
    U32 finite = (U32)((bits & 0x7f800000u) != 0x7f800000u);
    /* truncate, then set the last bit */
    U32 odd = ((bits + (toward & inexact)) | 1);
    return (F32)((bits & ~(inexact & finite)) | (odd & inexact & finite));
}

HANDLER(fma_f16x2)
{
    if (op->flags & (OP_FLUSH | OP_SATURATE | OP_RELU | OP_ROUND)) {
        fma_f16x2_slow(warp, op);
        return;
    }
    U32 x = REG(U32, 1), y = REG(U32, 2), z = REG(U32, 3);
    U16 low = narrow(fma_in_double(lanes_from_half(low_halves(x)), lanes_from_half(low_halves(y)),
                                   lanes_from_half(low_halves(z))));
    U16 high =
        narrow(fma_in_double(lanes_from_half(high_halves(x)), lanes_from_half(high_halves(y)),
                             lanes_from_half(high_halves(z))));
    PUT_U32(0, join(low, high));
}

/* An order of the bits that is the order of the numbers. */
INLINE I16 ordered(U16 h)
{
    U16 negative = (U16)((I16)h < 0);

    return (I16)(h ^ (negative & 0x7fff));
}

INLINE U16 lesser(U16 a, U16 b, U16 flip)
{
    U16 a_nan = (U16)((a & 0x7fff) > 0x7c00), b_nan = (U16)((b & 0x7fff) > 0x7c00);
    U16 take_a = (U16)(ordered(a ^ flip) < ordered(b ^ flip));
    take_a = (take_a & ~a_nan) | b_nan;
    U16 d = (a & take_a) | (b & ~take_a);
    U16 both = a_nan & b_nan;

    return (d & ~both) | (both & 0x7fff);
}

#define EXTREME(name, flip)                                                                        \
    HANDLER(name##_f16x2)                                                                          \
    {                                                                                              \
        if (op->flags & (OP_FLUSH | OP_NAN)) {                                                     \
            name##_f16x2_slow(warp, op);                                                           \
            return;                                                                                \
        }                                                                                          \
        U32 x = REG(U32, 1), y = REG(U32, 2);                                                      \
        U16 f = (U16){0} + (flip);                                                                 \
        PUT_U32(0, join(lesser(low_halves(x), low_halves(y), f),                                   \
                        lesser(high_halves(x), high_halves(y), f)));                               \
    }
EXTREME(min, 0)
EXTREME(max, 0x8000)

enum {
    SUM = OP_FLUSH | OP_SATURATE,
    FUSED = OP_FLUSH | OP_SATURATE | OP_RELU,
    ORDER = OP_FLUSH | OP_NAN
};

const Instruction instructions_half[] = {
    {"add.f16", add_f16, "2=22", SUM},
    {"sub.f16", sub_f16, "2=22", SUM},
    {"mul.f16", mul_f16, "2=22", SUM},
    {"fma.f16", fma_f16, "2=222", FUSED},
    {"min.f16", min_f16, "2=22", ORDER},
    {"max.f16", max_f16, "2=22", ORDER},
    {"neg.f16", neg_f16, "2=2", OP_FLUSH},
    {"abs.f16", abs_f16, "2=2", OP_FLUSH},
    {"ex2.approx.f16", ex2_f16, "2=2", OP_FLUSH},
    {"tanh.approx.f16", tanh_f16, "2=2", 0},
    {"add.f16x2", add_f16x2, "4=44", SUM},
    {"sub.f16x2", sub_f16x2, "4=44", SUM},
    {"mul.f16x2", mul_f16x2, "4=44", SUM},
    {"fma.f16x2", fma_f16x2, "4=444", FUSED},
    {"min.f16x2", min_f16x2, "4=44", ORDER},
    {"max.f16x2", max_f16x2, "4=44", ORDER},
    {"neg.f16x2", neg_f16x2_slow, "4=4", OP_FLUSH},
    {"abs.f16x2", abs_f16x2_slow, "4=4", OP_FLUSH},
    {"ex2.approx.f16x2", ex2_f16x2_slow, "4=4", OP_FLUSH},
    {"tanh.approx.f16x2", tanh_f16x2_slow, "4=4", 0},
    {"add.bf16", add_bf16, "2=22", 0},
    {"sub.bf16", sub_bf16, "2=22", 0},
    {"mul.bf16", mul_bf16, "2=22", 0},
    {"fma.bf16", fma_bf16, "2=222", OP_RELU},
    {"min.bf16", min_bf16, "2=22", OP_NAN},
    {"max.bf16", max_bf16, "2=22", OP_NAN},
    {"neg.bf16", neg_bf16, "2=2", 0},
    {"abs.bf16", abs_bf16, "2=2", 0},
    {"ex2.approx.bf16", ex2_bf16, "2=2", OP_FLUSH},
    {"tanh.approx.bf16", tanh_bf16, "2=2", 0},
    {"add.bf16x2", add_bf16x2, "4=44", 0},
    {"sub.bf16x2", sub_bf16x2, "4=44", 0},
    {"mul.bf16x2", mul_bf16x2, "4=44", 0},
    {"fma.bf16x2", fma_bf16x2, "4=444", OP_RELU},
    {"min.bf16x2", min_bf16x2, "4=44", OP_NAN},
    {"max.bf16x2", max_bf16x2, "4=44", OP_NAN},
    {"neg.bf16x2", neg_bf16x2, "4=4", 0},
    {"abs.bf16x2", abs_bf16x2, "4=4", 0},
    {"ex2.approx.bf16x2", ex2_bf16x2, "4=4", OP_FLUSH},
    {"tanh.approx.bf16x2", tanh_bf16x2, "4=4", 0},
    {NULL, NULL, NULL, 0},
};
