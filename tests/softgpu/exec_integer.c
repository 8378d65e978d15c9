/* Integer arithmetic of 16, 32 and 64 bits, a warp at a time. */
#include "exec.h"

#define HANDLER(name) static void name(Warp *warp, const Op *op)

/* d = expression over a, b, c; T: type of the lanes; N: 16, 32 or 64. */
#define UNARY(name, T, N, expression)                                                              \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T a = REG(T, 1);                                                                           \
        PUT_U##N(0, expression);                                                                   \
    }
#define BINARY(name, T, N, expression)                                                             \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T a = REG(T, 1), b = REG(T, 2);                                                            \
        PUT_U##N(0, expression);                                                                   \
    }
#define TERNARY(name, T, N, expression)                                                            \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T a = REG(T, 1), b = REG(T, 2), c = REG(T, 3);                                             \
        PUT_U##N(0, expression);                                                                   \
    }
/* The same a lane at a time, where a vector cannot say it: T for lanes, S for one of them. */
#define LANEWISE2(name, T, S, N, expression)                                                       \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T va = REG(T, 1), vb = REG(T, 2), vd = {0};                                                \
        for (int i = 0; i < LANES; i++) {                                                          \
            S a = va[i], b = vb[i];                                                                \
            vd[i] = (S)(expression);                                                               \
        }                                                                                          \
        PUT_U##N(0, vd);                                                                           \
    }
#define LANEWISE3(name, T, S, N, expression)                                                       \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T va = REG(T, 1), vb = REG(T, 2), vc = REG(T, 3), vd = {0};                                \
        for (int i = 0; i < LANES; i++) {                                                          \
            S a = va[i], b = vb[i], c = vc[i];                                                     \
            vd[i] = (S)(expression);                                                               \
        }                                                                                          \
        PUT_U##N(0, vd);                                                                           \
    }

#define PICK(T, condition, yes, no) (((T)(condition) & (yes)) | (~(T)(condition) & (no)))

/* ---- the same for each width ----------------------------------------------------------------- */

#define BASIC(N, U, S)                                                                             \
    BINARY(add_##N, U, N, a + b)                                                                   \
    BINARY(sub_##N, U, N, a - b)                                                                   \
    BINARY(mul_lo_##N, U, N, a *b)                                                                 \
    TERNARY(mad_lo_##N, U, N, a *b + c)                                                            \
    UNARY(neg_##N, U, N, -a)                                                                       \
    UNARY(abs_##N, S, N, PICK(U, a < 0, -(U)a, (U)a))                                              \
    BINARY(min_u##N, U, N, PICK(U, a < b, a, b))                                                   \
    BINARY(max_u##N, U, N, PICK(U, a > b, a, b))                                                   \
    BINARY(min_s##N, S, N, PICK(S, a < b, a, b))                                                   \
    BINARY(max_s##N, S, N, PICK(S, a > b, a, b))

BASIC(16, U16, I16)
BASIC(32, U32, I32)
BASIC(64, U64, I64)

/* Division by zero gives what the hardware's routine gives: all ones; the remainder is a. */
#define DIVIDE_UNSIGNED(N, U, S)                                                                   \
    LANEWISE2(div_u##N, U, S, N, b == 0 ? (S) ~(S)0 : (S)(a / b))                                  \
    LANEWISE2(rem_u##N, U, S, N, b == 0 ? a : (S)(a % b))
#define DIVIDE_SIGNED(N, I, S, U)                                                                  \
    LANEWISE2(div_s##N, I, S, N, b == 0 ? (S)-1 : b == (S)-1 ? (S)(0 - (U)a) : (S)(a / b))         \
    LANEWISE2(rem_s##N, I, S, N, b == 0 ? a : b == (S)-1 ? (S)0 : (S)(a % b))
DIVIDE_UNSIGNED(16, U16, uint16_t)
DIVIDE_UNSIGNED(32, U32, uint32_t)
DIVIDE_UNSIGNED(64, U64, uint64_t)
DIVIDE_SIGNED(16, I16, int16_t, uint16_t)
DIVIDE_SIGNED(32, I32, int32_t, uint32_t)
DIVIDE_SIGNED(64, I64, int64_t, uint64_t)

/* ---- high and wide products ------------------------------------------------------------------ */

/* GCC's __int128 without a warning about ISO C. */
__extension__ typedef __int128 Wide;
__extension__ typedef unsigned __int128 UnsignedWide;

LANEWISE2(mul_hi_u16, U16, uint16_t, 16, (uint32_t)a *b >> 16)
LANEWISE2(mul_hi_s16, I16, int16_t, 16, (int32_t)a *b >> 16)
LANEWISE2(mul_hi_u32, U32, uint32_t, 32, (uint64_t)a *b >> 32)
LANEWISE2(mul_hi_s32, I32, int32_t, 32, (int64_t)a *b >> 32)
LANEWISE2(mul_hi_u64, U64, uint64_t, 64, (UnsignedWide)a *b >> 64)
LANEWISE2(mul_hi_s64, I64, int64_t, 64, (Wide)a *b >> 64)
LANEWISE3(mad_hi_u32, U32, uint32_t, 32, ((uint64_t)a * b >> 32) + c)
LANEWISE3(mad_hi_s32, I32, int32_t, 32, (uint32_t)((int64_t)a *b >> 32) + (uint32_t)c)
LANEWISE3(mad_hi_u64, U64, uint64_t, 64, (uint64_t)((UnsignedWide)a *b >> 64) + c)
LANEWISE3(mad_hi_s64, I64, int64_t, 64, (uint64_t)((Wide)a *b >> 64) + (uint64_t)c)
LANEWISE2(mul24_lo_u32, U32, uint32_t, 32, (a & 0xffffff) * (b & 0xffffff))
LANEWISE2(mul24_lo_s32, I32, int32_t, 32,
          ((int64_t)(int32_t)((uint32_t)a << 8) >> 8) * ((int64_t)(int32_t)((uint32_t)b << 8) >> 8))

#define WIDEN(name, from, to, N, expression)                                                       \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        to a = __builtin_convertvector(REG(from, 1), to);                                          \
        to b = __builtin_convertvector(REG(from, 2), to);                                          \
        PUT_U##N(0, expression);                                                                   \
    }
WIDEN(mul_wide_u16, U16, U32, 32, a *b)
WIDEN(mul_wide_s16, I16, I32, 32, (U32)a *(U32)b)
WIDEN(mul_wide_u32, U32, U64, 64, a *b)
WIDEN(mul_wide_s32, I32, I64, 64, (U64)a *(U64)b)
WIDEN(mad_wide_u16, U16, U32, 32, a *b + REG(U32, 3))
WIDEN(mad_wide_s16, I16, I32, 32, (U32)a *(U32)b + REG(U32, 3))
WIDEN(mad_wide_u32, U32, U64, 64, a *b + REG(U64, 3))
WIDEN(mad_wide_s32, I32, I64, 64, (U64)a *(U64)b + REG(U64, 3))

/* ---- sums of parts --------------------------------------------------------------------------- */

LANEWISE3(sad_u32, U32, uint32_t, 32, c + (a > b ? a - b : b - a))
LANEWISE3(sad_s32, I32, int32_t, 32,
          (uint32_t)c + (a > b ? (uint32_t)a - (uint32_t)b : (uint32_t)b - (uint32_t)a))

INLINE int32_t dot_bytes(uint32_t a, uint32_t b, int signed_a, int signed_b)
{
    int32_t sum = 0;

    for (int k = 0; k < 32; k += 8) {
        uint8_t x = (uint8_t)(a >> k), y = (uint8_t)(b >> k);
        sum += (signed_a ? (int8_t)x : x) * (signed_b ? (int8_t)y : y);
    }
    return sum;
}
LANEWISE3(dp4a_uu, U32, uint32_t, 32, c + (uint32_t)dot_bytes(a, b, 0, 0))
LANEWISE3(dp4a_us, U32, uint32_t, 32, c + (uint32_t)dot_bytes(a, b, 0, 1))
LANEWISE3(dp4a_su, U32, uint32_t, 32, c + (uint32_t)dot_bytes(a, b, 1, 0))
LANEWISE3(dp4a_ss, U32, uint32_t, 32, c + (uint32_t)dot_bytes(a, b, 1, 1))

INLINE int32_t saturate_s32(int64_t x)
{
    return (int32_t)(x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x);
}
LANEWISE2(add_sat_s32, I32, int32_t, 32, saturate_s32((int64_t)a + b))
LANEWISE2(sub_sat_s32, I32, int32_t, 32, saturate_s32((int64_t)a - b))

/* ---- the table ------------------------------------------------------------------------------- */

const Instruction instructions_integer[] = {
    {"add.u16", add_16, "2=22", 0},
    {"add.s16", add_16, "2=22", 0},
    {"add.u32", add_32, "4=44", 0},
    {"add.s32", add_32, "4=44", 0},
    {"add.u64", add_64, "8=88", 0},
    {"add.s64", add_64, "8=88", 0},
    {"add.sat.s32", add_sat_s32, "4=44", 0},
    {"sub.sat.s32", sub_sat_s32, "4=44", 0},
    {"sub.u16", sub_16, "2=22", 0},
    {"sub.s16", sub_16, "2=22", 0},
    {"sub.u32", sub_32, "4=44", 0},
    {"sub.s32", sub_32, "4=44", 0},
    {"sub.u64", sub_64, "8=88", 0},
    {"sub.s64", sub_64, "8=88", 0},
    {"mul.lo.u16", mul_lo_16, "2=22", 0},
    {"mul.lo.s16", mul_lo_16, "2=22", 0},
    {"mul.lo.u32", mul_lo_32, "4=44", 0},
    {"mul.lo.s32", mul_lo_32, "4=44", 0},
    {"mul.lo.u64", mul_lo_64, "8=88", 0},
    {"mul.lo.s64", mul_lo_64, "8=88", 0},
    {"mul.hi.u16", mul_hi_u16, "2=22", 0},
    {"mul.hi.s16", mul_hi_s16, "2=22", 0},
    {"mul.hi.u32", mul_hi_u32, "4=44", 0},
    {"mul.hi.s32", mul_hi_s32, "4=44", 0},
    {"mul.hi.u64", mul_hi_u64, "8=88", 0},
    {"mul.hi.s64", mul_hi_s64, "8=88", 0},
    {"mul.wide.u16", mul_wide_u16, "4=22", 0},
    {"mul.wide.s16", mul_wide_s16, "4=22", 0},
    {"mul.wide.u32", mul_wide_u32, "8=44", 0},
    {"mul.wide.s32", mul_wide_s32, "8=44", 0},
    {"mul24.lo.u32", mul24_lo_u32, "4=44", 0},
    {"mul24.lo.s32", mul24_lo_s32, "4=44", 0},
    {"mad.lo.u16", mad_lo_16, "2=222", 0},
    {"mad.lo.s16", mad_lo_16, "2=222", 0},
    {"mad.lo.u32", mad_lo_32, "4=444", 0},
    {"mad.lo.s32", mad_lo_32, "4=444", 0},
    {"mad.lo.u64", mad_lo_64, "8=888", 0},
    {"mad.lo.s64", mad_lo_64, "8=888", 0},
    {"mad.hi.u32", mad_hi_u32, "4=444", 0},
    {"mad.hi.s32", mad_hi_s32, "4=444", 0},
    {"mad.hi.u64", mad_hi_u64, "8=888", 0},
    {"mad.hi.s64", mad_hi_s64, "8=888", 0},
    {"mad.wide.u16", mad_wide_u16, "4=224", 0},
    {"mad.wide.s16", mad_wide_s16, "4=224", 0},
    {"mad.wide.u32", mad_wide_u32, "8=448", 0},
    {"mad.wide.s32", mad_wide_s32, "8=448", 0},
    {"div.u16", div_u16, "2=22", 0},
    {"div.s16", div_s16, "2=22", 0},
    {"div.u32", div_u32, "4=44", 0},
    {"div.s32", div_s32, "4=44", 0},
    {"div.u64", div_u64, "8=88", 0},
    {"div.s64", div_s64, "8=88", 0},
    {"rem.u16", rem_u16, "2=22", 0},
    {"rem.s16", rem_s16, "2=22", 0},
    {"rem.u32", rem_u32, "4=44", 0},
    {"rem.s32", rem_s32, "4=44", 0},
    {"rem.u64", rem_u64, "8=88", 0},
    {"rem.s64", rem_s64, "8=88", 0},
    {"min.u16", min_u16, "2=22", 0},
    {"min.s16", min_s16, "2=22", 0},
    {"min.u32", min_u32, "4=44", 0},
    {"min.s32", min_s32, "4=44", 0},
    {"min.u64", min_u64, "8=88", 0},
    {"min.s64", min_s64, "8=88", 0},
    {"max.u16", max_u16, "2=22", 0},
    {"max.s16", max_s16, "2=22", 0},
    {"max.u32", max_u32, "4=44", 0},
    {"max.s32", max_s32, "4=44", 0},
    {"max.u64", max_u64, "8=88", 0},
    {"max.s64", max_s64, "8=88", 0},
    {"neg.s16", neg_16, "2=2", 0},
    {"neg.s32", neg_32, "4=4", 0},
    {"neg.s64", neg_64, "8=8", 0},
    {"abs.s16", abs_16, "2=2", 0},
    {"abs.s32", abs_32, "4=4", 0},
    {"abs.s64", abs_64, "8=8", 0},
    {"sad.u32", sad_u32, "4=444", 0},
    {"sad.s32", sad_s32, "4=444", 0},
    {"dp4a.u32.u32", dp4a_uu, "4=444", 0},
    {"dp4a.u32.s32", dp4a_us, "4=444", 0},
    {"dp4a.s32.u32", dp4a_su, "4=444", 0},
    {"dp4a.s32.s32", dp4a_ss, "4=444", 0},
    {NULL, NULL, NULL, 0},
};
