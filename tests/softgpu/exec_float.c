/* Arithmetic on f32 and f64.
 *
 * Every instruction that PTX calls approximate is exact to the last bit or so here: a test that
 * needs the card's own error bound cannot be made with this device.
 */
#include "exec.h"

#include <fenv.h>
#include <math.h>

#define HANDLER(name) static void name(Warp *warp, const Op *op)

/* Denormals to zeros of their sign. */
INLINE F32 flush(F32 v)
{
    U32 bits = (U32)v;
    U32 keep = (U32)((bits & 0x7f800000u) != 0) | 0x80000000u;

    return (F32)(bits & keep);
}

INLINE F32 source_f32(const Op *op, F32 v)
{
    return op->flags & OP_FLUSH ? flush(v) : v;
}

/* Every NaN that comes out is the canonical one; .sat makes it 0. */
INLINE void put_f32(Warp *warp, const Op *op, F32 v)
{
    U32 number = (U32)(v == v);
    U32 bits = ((U32)v & number) | (~number & 0x7fffffffu);

    if (op->flags & OP_FLUSH)
        bits = (U32)flush((F32)bits);
    if (op->flags & OP_SATURATE) {
        F32 x = (F32)(bits & number);
        bits = (U32)x & (U32)(x > 0);
        U32 over = (U32)((F32)bits > 1);
        bits = (bits & ~over) | (over & 0x3f800000u);
    }
    put_u32(warp, op->r[0], bits);
}

INLINE void put_f64(Warp *warp, const Op *op, F64 v)
{
    U64 number = (U64)(v == v);

    put_u64(warp, op->r[0], ((U64)v & number) | (~number & UINT64_C(0x7fffffffffffffff)));
}

static int host_rounding(int mode)
{
    static const int modes[] = {[ROUND_nearest_even] = FE_TONEAREST,
                                [ROUND_zero] = FE_TOWARDZERO,
                                [ROUND_down] = FE_DOWNWARD,
                                [ROUND_up] = FE_UPWARD};

    return modes[mode];
}

#define A32 source_f32(op, REG(F32, 1))
#define B32 source_f32(op, REG(F32, 2))
#define C32 source_f32(op, REG(F32, 3))

#define FLOAT1(name, expression)                                                                   \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        F32 a = A32;                                                                               \
        put_f32(warp, op, expression);                                                             \
    }

/* A lane at a time; with a rounding mode of its own where the instruction has one. The operands are
 * volatile so that nothing is computed before the mode is set. */
#define LANES_F32(name, sources, expression)                                                       \
    __attribute__((noinline)) HANDLER(name)                                                        \
    {                                                                                              \
        F32 va = A32, vb = sources > 1 ? B32 : va, vc = sources > 2 ? C32 : va, vd = va;           \
        int before = fegetround();                                                                 \
        fesetround(host_rounding(op->rounding));                                                   \
        FOR_LANES(i, warp->mask)                                                                   \
        {                                                                                          \
            volatile float a = va[i], b = vb[i], c = vc[i];                                        \
            volatile float d = expression;                                                         \
            (void)b, (void)c;                                                                      \
            vd[i] = d;                                                                             \
        }                                                                                          \
        fesetround(before);                                                                        \
        put_f32(warp, op, vd);                                                                     \
    }
LANES_F32(add_f32_slow, 2, a + b)
LANES_F32(sub_f32_slow, 2, a - b)
LANES_F32(mul_f32_slow, 2, a *b)
LANES_F32(fma_f32_slow, 3, fmaf(a, b, c))

#define ARITHMETIC(name, expression)                                                               \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        if (op->flags & OP_ROUND) {                                                                \
            name##_slow(warp, op);                                                                 \
            return;                                                                                \
        }                                                                                          \
        F32 a = A32, b = B32;                                                                      \
        put_f32(warp, op, expression);                                                             \
    }
ARITHMETIC(add_f32, a + b)
ARITHMETIC(sub_f32, a - b)
ARITHMETIC(mul_f32, a *b)

HANDLER(fma_f32)
{
    if (op->flags & OP_ROUND)
        fma_f32_slow(warp, op);
    else
        put_f32(warp, op, lanes_fma(A32, B32, C32));
}

LANES_F32(div_f32, 2, a / b)
LANES_F32(sqrt_f32, 1, sqrtf(a))
LANES_F32(rcp_f32, 1, 1.0f / a)
LANES_F32(rsqrt_f32, 1, (float)(1.0 / sqrt((double)a)))
LANES_F32(ex2_f32, 1, exp2f(a))
LANES_F32(lg2_f32, 1, log2f(a))
LANES_F32(sin_f32, 1, sinf(a))
LANES_F32(cos_f32, 1, cosf(a))
LANES_F32(tanh_f32, 1, tanhf(a))

FLOAT1(neg_f32, (F32)((U32)a ^ 0x80000000u))
FLOAT1(abs_f32, (F32)((U32)a & 0x7fffffffu))

/* The other operand where one is NaN, NaN where .NaN asks for it; -0 is less than +0. */
INLINE F32 smaller(F32 a, F32 b, uint16_t flags)
{
    U32 take_a = (U32)(a < b) | (U32)(b != b) | ((U32)(a == b) & (U32)((I32)a < 0));
    U32 d = ((U32)a & take_a) | ((U32)b & ~take_a);

    if (flags & OP_NAN)
        d |= (U32)(a != a) | (U32)(b != b);
    return (F32)d;
}

HANDLER(min_f32)
{
    put_f32(warp, op, smaller(A32, B32, op->flags));
}

HANDLER(max_f32)
{
    F32 a = (F32)((U32)A32 ^ 0x80000000u), b = (F32)((U32)B32 ^ 0x80000000u);

    put_f32(warp, op, (F32)((U32)smaller(a, b, op->flags) ^ 0x80000000u));
}

/* The sign of the first, the magnitude of the second. */
HANDLER(copysign_f32)
{
    U32 a = REG(U32, 1), b = REG(U32, 2);

    PUT_U32(0, (a & 0x80000000u) | (b & 0x7fffffffu));
}

/* ---- f64 ------------------------------------------------------------------------------------- */

static double lesser(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) ? b : a;
    return a < b || (a == b && signbit(a)) ? a : b;
}

#define A64 REG(F64, 1)
#define B64 REG(F64, 2)
#define C64 REG(F64, 3)

#define LANES_F64(name, sources, expression)                                                       \
    __attribute__((noinline)) HANDLER(name)                                                        \
    {                                                                                              \
        F64 va = A64, vb = sources > 1 ? B64 : va, vc = sources > 2 ? C64 : va, vd = va;           \
        int before = fegetround();                                                                 \
        fesetround(host_rounding(op->rounding));                                                   \
        FOR_LANES(i, warp->mask)                                                                   \
        {                                                                                          \
            volatile double a = va[i], b = vb[i], c = vc[i];                                       \
            volatile double d = expression;                                                        \
            (void)b, (void)c;                                                                      \
            vd[i] = d;                                                                             \
        }                                                                                          \
        fesetround(before);                                                                        \
        put_f64(warp, op, vd);                                                                     \
    }
LANES_F64(add_f64, 2, a + b)
LANES_F64(sub_f64, 2, a - b)
LANES_F64(mul_f64, 2, a *b)
LANES_F64(fma_f64, 3, fma(a, b, c))
LANES_F64(div_f64, 2, a / b)
LANES_F64(sqrt_f64, 1, sqrt(a))
LANES_F64(rcp_f64, 1, 1.0 / a)
LANES_F64(rsqrt_f64, 1, 1.0 / sqrt(a))
LANES_F64(neg_f64, 1, -a)
LANES_F64(abs_f64, 1, fabs(a))
LANES_F64(min_f64, 2, lesser(a, b))
LANES_F64(max_f64, 2, -lesser(-a, -b))
LANES_F64(copysign_f64, 2, copysign(b, a))

/* ---- testp ----------------------------------------------------------------------------------- */

#define TEST(name, T, M, condition)                                                                \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T v = REG(T, 1);                                                                           \
        uint32_t bits = 0;                                                                         \
        for (int i = 0; i < LANES; i++) {                                                          \
            M a = v[i];                                                                            \
            bits |= (uint32_t)((condition) != 0) << i;                                             \
        }                                                                                          \
        put_predicate(warp, op->r[0], bits);                                                       \
    }
TEST(finite_f32, F32, float, isfinite(a))
TEST(infinite_f32, F32, float, isinf(a))
TEST(number_f32, F32, float, !isnan(a))
TEST(nan_f32, F32, float, isnan(a))
TEST(normal_f32, F32, float, isnormal(a))
TEST(subnormal_f32, F32, float, fpclassify(a) == FP_SUBNORMAL)
TEST(finite_f64, F64, double, isfinite(a))
TEST(infinite_f64, F64, double, isinf(a))
TEST(number_f64, F64, double, !isnan(a))
TEST(nan_f64, F64, double, isnan(a))
TEST(normal_f64, F64, double, isnormal(a))
TEST(subnormal_f64, F64, double, fpclassify(a) == FP_SUBNORMAL)

enum { BASIC = OP_FLUSH | OP_SATURATE | OP_ROUND, ROUNDED = OP_FLUSH | OP_ROUND };

const Instruction instructions_float[] = {
    {"add.f32", add_f32, "4=44", BASIC},
    {"sub.f32", sub_f32, "4=44", BASIC},
    {"mul.f32", mul_f32, "4=44", BASIC},
    {"fma.f32", fma_f32, "4=444", BASIC},
    {"mad.f32", fma_f32, "4=444", BASIC},
    {"div.f32", div_f32, "4=44", ROUNDED},
    {"div.full.f32", div_f32, "4=44", OP_FLUSH},
    {"div.approx.f32", div_f32, "4=44", OP_FLUSH},
    {"sqrt.f32", sqrt_f32, "4=4", ROUNDED},
    {"sqrt.approx.f32", sqrt_f32, "4=4", OP_FLUSH},
    {"rcp.f32", rcp_f32, "4=4", ROUNDED},
    {"rcp.approx.f32", rcp_f32, "4=4", OP_FLUSH},
    {"rsqrt.approx.f32", rsqrt_f32, "4=4", OP_FLUSH},
    {"ex2.approx.f32", ex2_f32, "4=4", OP_FLUSH},
    {"lg2.approx.f32", lg2_f32, "4=4", OP_FLUSH},
    {"sin.approx.f32", sin_f32, "4=4", OP_FLUSH},
    {"cos.approx.f32", cos_f32, "4=4", OP_FLUSH},
    {"tanh.approx.f32", tanh_f32, "4=4", 0},
    {"neg.f32", neg_f32, "4=4", OP_FLUSH},
    {"abs.f32", abs_f32, "4=4", OP_FLUSH},
    {"min.f32", min_f32, "4=44", OP_FLUSH | OP_NAN},
    {"max.f32", max_f32, "4=44", OP_FLUSH | OP_NAN},
    {"copysign.f32", copysign_f32, "4=44", 0},
    {"add.f64", add_f64, "8=88", OP_ROUND},
    {"sub.f64", sub_f64, "8=88", OP_ROUND},
    {"mul.f64", mul_f64, "8=88", OP_ROUND},
    {"fma.f64", fma_f64, "8=888", OP_ROUND},
    {"mad.f64", fma_f64, "8=888", OP_ROUND},
    {"div.f64", div_f64, "8=88", OP_ROUND},
    {"sqrt.f64", sqrt_f64, "8=8", OP_ROUND},
    {"rcp.f64", rcp_f64, "8=8", OP_ROUND},
    {"rcp.approx.f64", rcp_f64, "8=8", OP_FLUSH},
    {"rsqrt.approx.f64", rsqrt_f64, "8=8", OP_FLUSH},
    {"neg.f64", neg_f64, "8=8", 0},
    {"abs.f64", abs_f64, "8=8", 0},
    {"min.f64", min_f64, "8=88", 0},
    {"max.f64", max_f64, "8=88", 0},
    {"copysign.f64", copysign_f64, "8=88", 0},
    {"testp.finite.f32", finite_f32, "p=4", 0},
    {"testp.infinite.f32", infinite_f32, "p=4", 0},
    {"testp.number.f32", number_f32, "p=4", 0},
    {"testp.notanumber.f32", nan_f32, "p=4", 0},
    {"testp.normal.f32", normal_f32, "p=4", 0},
    {"testp.subnormal.f32", subnormal_f32, "p=4", 0},
    {"testp.finite.f64", finite_f64, "p=8", 0},
    {"testp.infinite.f64", infinite_f64, "p=8", 0},
    {"testp.number.f64", number_f64, "p=8", 0},
    {"testp.notanumber.f64", nan_f64, "p=8", 0},
    {"testp.normal.f64", normal_f64, "p=8", 0},
    {"testp.subnormal.f64", subnormal_f64, "p=8", 0},
    {NULL, NULL, NULL, 0},
};
