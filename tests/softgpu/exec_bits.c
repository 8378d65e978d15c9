/* Bits: logic, shifts, fields, permutations, counts, moves. */
#include "exec.h"

#define HANDLER(name) static void name(Warp *warp, const Op *op)

/* clang-format off */
#define LOGIC(N, U)                                                                                \
    HANDLER(and_##N) { PUT_U##N(0, REG(U, 1) & REG(U, 2)); }                                       \
    HANDLER(or_##N) { PUT_U##N(0, REG(U, 1) | REG(U, 2)); }                                        \
    HANDLER(xor_##N) { PUT_U##N(0, REG(U, 1) ^ REG(U, 2)); }                                       \
    HANDLER(not_##N) { PUT_U##N(0, ~REG(U, 1)); }                                                  \
    HANDLER(cnot_##N) { PUT_U##N(0, (U)(REG(U, 1) == 0) & 1); }                                    \
    HANDLER(mov_##N) { PUT_U##N(0, REG(U, 1)); }                                                   \
    HANDLER(selp_##N)                                                                              \
    {                                                                                              \
        PUT_U##N(0, lanes_select_u##N(PREDICATE(3), REG(U, 1), REG(U, 2)));                        \
    }
LOGIC(16, U16)
LOGIC(32, U32)
LOGIC(64, U64)
/* clang-format on */

HANDLER(and_pred)
{
    put_predicate(warp, op->r[0], PREDICATE(1) & PREDICATE(2));
}
HANDLER(or_pred)
{
    put_predicate(warp, op->r[0], PREDICATE(1) | PREDICATE(2));
}
HANDLER(xor_pred)
{
    put_predicate(warp, op->r[0], PREDICATE(1) ^ PREDICATE(2));
}
HANDLER(not_pred)
{
    put_predicate(warp, op->r[0], ~PREDICATE(1));
}
HANDLER(mov_pred)
{
    put_predicate(warp, op->r[0], PREDICATE(1));
}

/* a OP b lane by lane, b always 32 bits. */
#define SHIFT(name, T, S, N, expression)                                                           \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T va = REG(T, 1), vd = {0};                                                                \
        U32 vb = REG(U32, 2);                                                                      \
        for (int i = 0; i < LANES; i++) {                                                          \
            S a = va[i];                                                                           \
            uint32_t b = vb[i];                                                                    \
            vd[i] = (S)(expression);                                                               \
        }                                                                                          \
        PUT_U##N(0, vd);                                                                           \
    }
SHIFT(shl_16, U16, uint16_t, 16, b > 15 ? 0 : a << b)
SHIFT(shl_32, U32, uint32_t, 32, b > 31 ? 0 : a << (b & 31))
SHIFT(shl_64, U64, uint64_t, 64, b > 63 ? 0 : a << (b & 63))
SHIFT(shr_u16, U16, uint16_t, 16, b > 15 ? 0 : a >> b)
SHIFT(shr_u32, U32, uint32_t, 32, b > 31 ? 0 : a >> (b & 31))
SHIFT(shr_u64, U64, uint64_t, 64, b > 63 ? 0 : a >> (b & 63))
SHIFT(shr_s16, I16, int16_t, 16, a >> (b > 15 ? 15 : b))
SHIFT(shr_s32, I32, int32_t, 32, a >> (b > 31 ? 31 : b))
SHIFT(shr_s64, I64, int64_t, 64, a >> (b > 63 ? 63 : b))

#define FOUR(name, expression)                                                                     \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        U32 va = REG(U32, 1), vb = REG(U32, 2), vc = REG(U32, 3), vd = {0};                        \
        for (int i = 0; i < LANES; i++) {                                                          \
            uint32_t a = va[i], b = vb[i], c = vc[i];                                              \
            vd[i] = (uint32_t)(expression);                                                        \
        }                                                                                          \
        PUT_U32(0, vd);                                                                            \
    }

INLINE uint64_t pair(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}
FOUR(shf_l_wrap, pair(a, b) << (c & 31) >> 32)
FOUR(shf_r_wrap, pair(a, b) >> (c & 31))
FOUR(shf_l_clamp, c >= 32 ? a : pair(a, b) << (c & 31) >> 32)
FOUR(shf_r_clamp, c >= 32 ? b : pair(a, b) >> (c & 31))

/* ---- fields ---------------------------------------------------------------------------------- */

/* Bits [position, position + length) of a; beyond bit 31 or 63 a signed field goes on with the
 * sign. */
INLINE uint64_t extract(uint64_t a, uint32_t position, uint32_t length, uint32_t bits,
                        int is_signed)
{
    uint64_t field = 0;
    position &= 255;
    length &= 255;
    uint32_t last = position + length - 1 > bits - 1 ? bits - 1 : position + length - 1;
    uint64_t sign = is_signed && length > 0 ? a >> last & 1 : 0;

    for (uint32_t i = 0; i < bits; i++) {
        uint64_t bit = i < length && position + i < bits ? a >> (position + i) & 1 : sign;
        field |= bit << i;
    }
    return field;
}

#define EXTRACT(name, T, bits, is_signed)                                                          \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T va = REG(T, 1), vd = {0};                                                                \
        U32 vb = REG(U32, 2), vc = REG(U32, 3);                                                    \
        FOR_LANES(i, warp->mask)                                                                   \
        vd[i] = (__typeof__(vd[0] + 0))extract(va[i], vb[i], vc[i], bits, is_signed);              \
        PUT_U##bits(0, vd);                                                                        \
    }
EXTRACT(bfe_u32, U32, 32, 0)
EXTRACT(bfe_s32, U32, 32, 1)
EXTRACT(bfe_u64, U64, 64, 0)
EXTRACT(bfe_s64, U64, 64, 1)

/* The low bits of a put into b. */
INLINE uint64_t insert(uint64_t a, uint64_t b, uint32_t position, uint32_t length, uint32_t bits)
{
    position &= 255;
    length &= 255;
    for (uint32_t i = 0; i < length && position + i < bits; i++)
        b = (b & ~(UINT64_C(1) << (position + i))) | (a >> i & 1) << (position + i);
    return b;
}

#define INSERT(name, T, bits)                                                                      \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T va = REG(T, 1), vb = REG(T, 2), vd = {0};                                                \
        U32 vc = REG(U32, 3), ve = REG(U32, 4);                                                    \
        FOR_LANES(i, warp->mask)                                                                   \
        vd[i] = (__typeof__(vd[0] + 0))insert(va[i], vb[i], vc[i], ve[i], bits);                   \
        PUT_U##bits(0, vd);                                                                        \
    }
INSERT(bfi_b32, U32, 32)
INSERT(bfi_b64, U64, 64)

/* ---- permutations ---------------------------------------------------------------------------- */

/* The third source is a table of truth: bit (a << 2 | b << 1 | c) of it. */
HANDLER(lop3)
{
    U32 a = REG(U32, 1), b = REG(U32, 2), c = REG(U32, 3), d = lanes_all(0);

    for (int k = 0; k < 8; k++)
        if (op->imm >> k & 1)
            d |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    PUT_U32(0, d);
}

INLINE uint32_t permute_byte(uint64_t bytes, uint32_t selector)
{
    uint32_t byte = (uint32_t)(bytes >> 8 * (selector & 7)) & 255;

    return selector & 8 ? (byte & 128 ? 255 : 0) : byte;
}

INLINE uint32_t permute(uint32_t a, uint32_t b, uint32_t selectors)
{
    uint32_t d = 0;

    for (int k = 0; k < 4; k++)
        d |= permute_byte(pair(a, b), selectors >> 4 * k & 15) << 8 * k;
    return d;
}
FOUR(prmt_b32, permute(a, b, c))

/* The named modes: which byte of the pair a, b each byte takes, by the low bits of c. */
INLINE uint32_t permute_mode(uint32_t a, uint32_t b, uint32_t c, int mode)
{
    static const uint16_t selectors[6][4] = {
        {0x3210, 0x4321, 0x5432, 0x6543}, /* f4e */
        {0x5670, 0x6701, 0x7012, 0x0123}, /* b4e */
        {0x0000, 0x1111, 0x2222, 0x3333}, /* rc8 */
        {0x3210, 0x3211, 0x3222, 0x3333}, /* ecl */
        {0x0000, 0x1110, 0x2210, 0x3210}, /* ecr */
        {0x1010, 0x3232, 0x1010, 0x3232}, /* rc16 */
    };

    return permute(a, b, selectors[mode][c & 3]);
}
FOUR(prmt_mode, permute_mode(a, b, c, op->kind))
HANDLER(prmt_f4e)
{
    Op mode = *op;
    mode.kind = 0;
    prmt_mode(warp, &mode);
}
HANDLER(prmt_b4e)
{
    Op mode = *op;
    mode.kind = 1;
    prmt_mode(warp, &mode);
}
HANDLER(prmt_rc8)
{
    Op mode = *op;
    mode.kind = 2;
    prmt_mode(warp, &mode);
}
HANDLER(prmt_ecl)
{
    Op mode = *op;
    mode.kind = 3;
    prmt_mode(warp, &mode);
}
HANDLER(prmt_ecr)
{
    Op mode = *op;
    mode.kind = 4;
    prmt_mode(warp, &mode);
}
HANDLER(prmt_rc16)
{
    Op mode = *op;
    mode.kind = 5;
    prmt_mode(warp, &mode);
}

/* ---- counts ---------------------------------------------------------------------------------- */

#define COUNT32(name, T, S, expression)                                                            \
    HANDLER(name)                                                                                  \
    {                                                                                              \
        T va = REG(T, 1);                                                                          \
        U32 vd = {0};                                                                              \
        for (int i = 0; i < LANES; i++) {                                                          \
            S a = va[i];                                                                           \
            vd[i] = (uint32_t)(expression);                                                        \
        }                                                                                          \
        PUT_U32(0, vd);                                                                            \
    }

INLINE int leading_zeros(uint64_t a, int bits)
{
    return a == 0 ? bits : __builtin_clzll(a) - (64 - bits);
}
/* Position of the highest bit that differs from the sign; -1: none. */
INLINE int find_bit(uint64_t a, int bits, int is_signed)
{
    if (is_signed && (a >> (bits - 1) & 1))
        a = bits == 32 ? (uint32_t)~a : ~a;
    return bits - 1 - leading_zeros(a, bits);
}
INLINE uint32_t from_top(int position, int bits)
{
    return position < 0 ? UINT32_MAX : (uint32_t)(bits - 1 - position);
}
COUNT32(popc_b32, U32, uint32_t, __builtin_popcount(a))
COUNT32(popc_b64, U64, uint64_t, __builtin_popcountll(a))
COUNT32(clz_b32, U32, uint32_t, leading_zeros(a, 32))
COUNT32(clz_b64, U64, uint64_t, leading_zeros(a, 64))
COUNT32(bfind_u32, U32, uint32_t, find_bit(a, 32, 0))
COUNT32(bfind_s32, U32, uint32_t, find_bit(a, 32, 1))
COUNT32(bfind_u64, U64, uint64_t, find_bit(a, 64, 0))
COUNT32(bfind_s64, U64, uint64_t, find_bit(a, 64, 1))
COUNT32(bfind_shift_u32, U32, uint32_t, from_top(find_bit(a, 32, 0), 32))
COUNT32(bfind_shift_s32, U32, uint32_t, from_top(find_bit(a, 32, 1), 32))
COUNT32(bfind_shift_u64, U64, uint64_t, from_top(find_bit(a, 64, 0), 64))
COUNT32(bfind_shift_s64, U64, uint64_t, from_top(find_bit(a, 64, 1), 64))

INLINE uint64_t reverse_bits(uint64_t a, int bits)
{
    uint64_t d = 0;

    for (int i = 0; i < bits; i++)
        d |= (a >> i & 1) << (bits - 1 - i);
    return d;
}
COUNT32(brev_b32, U32, uint32_t, reverse_bits(a, 32))
HANDLER(brev_b64)
{
    U64 a = REG(U64, 1);

    for (int i = 0; i < LANES; i++)
        a[i] = reverse_bits(a[i], 64);
    PUT_U64(0, a);
}

/* `length` ones from `position`; clamp: what is over 32 counts as 32, wrap: modulo 32. */
INLINE uint32_t bit_mask(uint32_t position, uint32_t length)
{
    if (position > 31 || length == 0)
        return 0;
    return (length > 31 ? UINT32_MAX : (1u << length) - 1) << position;
}
HANDLER(bmsk)
{
    U32 a = REG(U32, 1), b = REG(U32, 2);

    for (int i = 0; i < LANES; i++)
        a[i] = op->kind ? bit_mask(a[i] & 31, b[i] & 31) : bit_mask(a[i], b[i]);
    PUT_U32(0, a);
}
HANDLER(bmsk_wrap)
{
    Op wrap = *op;

    wrap.kind = 1;
    bmsk(warp, &wrap);
}

const Instruction instructions_bits[] = {
    {"and.b16", and_16, "2=22", 0},
    {"and.b32", and_32, "4=44", 0},
    {"and.b64", and_64, "8=88", 0},
    {"or.b16", or_16, "2=22", 0},
    {"or.b32", or_32, "4=44", 0},
    {"or.b64", or_64, "8=88", 0},
    {"xor.b16", xor_16, "2=22", 0},
    {"xor.b32", xor_32, "4=44", 0},
    {"xor.b64", xor_64, "8=88", 0},
    {"not.b16", not_16, "2=2", 0},
    {"not.b32", not_32, "4=4", 0},
    {"not.b64", not_64, "8=8", 0},
    {"cnot.b16", cnot_16, "2=2", 0},
    {"cnot.b32", cnot_32, "4=4", 0},
    {"cnot.b64", cnot_64, "8=8", 0},
    {"and.pred", and_pred, "p=pp", 0},
    {"or.pred", or_pred, "p=pp", 0},
    {"xor.pred", xor_pred, "p=pp", 0},
    {"not.pred", not_pred, "p=p", 0},
    {"mov.pred", mov_pred, "p=p", 0},
    {"mov.b16", mov_16, "2=2", 0},
    {"mov.u16", mov_16, "2=2", 0},
    {"mov.s16", mov_16, "2=2", 0},
    {"mov.f16", mov_16, "2=2", 0},
    {"mov.f16x2", mov_32, "4=4", 0},
    {"mov.bf16", mov_16, "2=2", 0},
    {"mov.bf16x2", mov_32, "4=4", 0},
    {"mov.b32", mov_32, "4=4", 0},
    {"mov.u32", mov_32, "4=4", 0},
    {"mov.s32", mov_32, "4=4", 0},
    {"mov.f32", mov_32, "4=4", 0},
    {"mov.b64", mov_64, "8=8", 0},
    {"mov.u64", mov_64, "8=8", 0},
    {"mov.s64", mov_64, "8=8", 0},
    {"mov.f64", mov_64, "8=8", 0},
    {"selp.b16", selp_16, "2=22p", 0},
    {"selp.u16", selp_16, "2=22p", 0},
    {"selp.s16", selp_16, "2=22p", 0},
    {"selp.f16", selp_16, "2=22p", 0},
    {"selp.b32", selp_32, "4=44p", 0},
    {"selp.u32", selp_32, "4=44p", 0},
    {"selp.s32", selp_32, "4=44p", 0},
    {"selp.f32", selp_32, "4=44p", 0},
    {"selp.b64", selp_64, "8=88p", 0},
    {"selp.u64", selp_64, "8=88p", 0},
    {"selp.s64", selp_64, "8=88p", 0},
    {"selp.f64", selp_64, "8=88p", 0},
    {"shl.b16", shl_16, "2=24", 0},
    {"shl.b32", shl_32, "4=44", 0},
    {"shl.b64", shl_64, "8=84", 0},
    {"shr.b16", shr_u16, "2=24", 0},
    {"shr.b32", shr_u32, "4=44", 0},
    {"shr.b64", shr_u64, "8=84", 0},
    {"shr.u16", shr_u16, "2=24", 0},
    {"shr.u32", shr_u32, "4=44", 0},
    {"shr.u64", shr_u64, "8=84", 0},
    {"shr.s16", shr_s16, "2=24", 0},
    {"shr.s32", shr_s32, "4=44", 0},
    {"shr.s64", shr_s64, "8=84", 0},
    {"shf.l.wrap.b32", shf_l_wrap, "4=444", 0},
    {"shf.r.wrap.b32", shf_r_wrap, "4=444", 0},
    {"shf.l.clamp.b32", shf_l_clamp, "4=444", 0},
    {"shf.r.clamp.b32", shf_r_clamp, "4=444", 0},
    {"bfe.u32", bfe_u32, "4=444", 0},
    {"bfe.s32", bfe_s32, "4=444", 0},
    {"bfe.u64", bfe_u64, "8=844", 0},
    {"bfe.s64", bfe_s64, "8=844", 0},
    {"bfi.b32", bfi_b32, "4=4444", 0},
    {"bfi.b64", bfi_b64, "8=8844", 0},
    {"lop3.b32", lop3, "4=444i", 0},
    {"prmt.b32", prmt_b32, "4=444", 0},
    {"prmt.b32.f4e", prmt_f4e, "4=444", 0},
    {"prmt.b32.b4e", prmt_b4e, "4=444", 0},
    {"prmt.b32.rc8", prmt_rc8, "4=444", 0},
    {"prmt.b32.ecl", prmt_ecl, "4=444", 0},
    {"prmt.b32.ecr", prmt_ecr, "4=444", 0},
    {"prmt.b32.rc16", prmt_rc16, "4=444", 0},
    {"popc.b32", popc_b32, "4=4", 0},
    {"popc.b64", popc_b64, "4=8", 0},
    {"clz.b32", clz_b32, "4=4", 0},
    {"clz.b64", clz_b64, "4=8", 0},
    {"bfind.u32", bfind_u32, "4=4", 0},
    {"bfind.s32", bfind_s32, "4=4", 0},
    {"bfind.u64", bfind_u64, "4=8", 0},
    {"bfind.s64", bfind_s64, "4=8", 0},
    {"bfind.shiftamt.u32", bfind_shift_u32, "4=4", 0},
    {"bfind.shiftamt.s32", bfind_shift_s32, "4=4", 0},
    {"bfind.shiftamt.u64", bfind_shift_u64, "4=8", 0},
    {"bfind.shiftamt.s64", bfind_shift_s64, "4=8", 0},
    {"brev.b32", brev_b32, "4=4", 0},
    {"brev.b64", brev_b64, "8=8", 0},
    {"bmsk.clamp.b32", bmsk, "4=44", 0},
    {"bmsk.wrap.b32", bmsk_wrap, "4=44", 0},
    {NULL, NULL, NULL, 0},
};
