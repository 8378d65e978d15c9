/* cvt: between integers and floats of every width and rounding; mov of packed registers. */
#include "exec.h"
#include "exec_ops.h"

#include <fenv.h>
#include <math.h>

static const Format *format_of(int type)
{
    return type == NUMBER_f16    ? &FORMAT_f16
           : type == NUMBER_bf16 ? &FORMAT_bf16
           : type == NUMBER_tf32 ? &FORMAT_tf32
                                 : &FORMAT_f32;
}

int number_bytes(int type)
{
    static const int bytes[NUMBER_COUNT] = {
        [NUMBER_u8] = 1,   [NUMBER_s8] = 1,  [NUMBER_u16] = 2, [NUMBER_s16] = 2, [NUMBER_u32] = 4,
        [NUMBER_s32] = 4,  [NUMBER_u64] = 8, [NUMBER_s64] = 8, [NUMBER_f16] = 2, [NUMBER_bf16] = 2,
        [NUMBER_tf32] = 4, [NUMBER_f32] = 4, [NUMBER_f64] = 8};

    return bytes[type];
}

bool number_is_float(int type)
{
    return type >= NUMBER_f16;
}

static bool is_signed(int type)
{
    return type == NUMBER_s8 || type == NUMBER_s16 || type == NUMBER_s32 || type == NUMBER_s64;
}

static double float_value(uint64_t bits, int type)
{
    uint32_t narrow = (uint32_t)bits;
    float f;
    double d;

    if (type == NUMBER_f16)
        return (double)float_from_half((uint16_t)bits);
    if (type == NUMBER_bf16)
        return (double)float_from_bf16((uint16_t)bits);
    if (type == NUMBER_f64) {
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    memcpy(&f, &narrow, sizeof f);
    return (double)f;
}

static uint64_t float_bits(double x, int type)
{
    uint64_t bits;

    if (type == NUMBER_f16)
        return half_from_exact(x);
    if (type == NUMBER_bf16)
        return bf16_from_exact(x);
    if (type == NUMBER_f64) {
        memcpy(&bits, &x, sizeof bits);
        return isnan(x) ? UINT64_C(0x7fffffffffffffff) : bits;
    }
    float f = (float)x;
    uint32_t narrow;
    memcpy(&narrow, &f, sizeof narrow);
    return isnan(x) ? 0x7fffffff : narrow;
}

static double round_whole(double x, Rounding mode)
{
    switch (mode) {
    case ROUND_zero: return trunc(x);
    case ROUND_down: return floor(x);
    case ROUND_up: return ceil(x);
    case ROUND_nearest_away: return round(x);
    case ROUND_nearest_even: break;
    }
    return nearbyint(x);
}

/* The integer `bits`, of a source type, clamped to what the type of fewer bits holds. */
static uint64_t clamp_integer(uint64_t bits, bool source_signed, int to)
{
    int width = 8 * number_bytes(to);
    bool negative = source_signed && (int64_t)bits < 0;

    if (is_signed(to)) {
        int64_t most = (int64_t)(UINT64_MAX >> (65 - width)), least = -most - 1;
        if (negative)
            return (int64_t)bits < least ? (uint64_t)least : bits;
        return bits > (uint64_t)most ? (uint64_t)most : bits;
    }
    uint64_t most = UINT64_MAX >> (64 - width);
    return negative ? 0 : bits > most ? most : bits;
}

/* Out of range goes to the nearest integer there is. NaN goes to 0, but from f64 or to 64 bits to
 * the highest bit alone (PTX ISA, cvt). */
static uint64_t integer_from_float(double x, const Op *op)
{
    int width = 8 * number_bytes(op->to);
    double bound = ldexp(1, is_signed(op->to) ? width - 1 : width);

    if (isnan(x))
        return width == 64 || op->from == NUMBER_f64 ? UINT64_C(1) << (width - 1) : 0;
    x = round_whole(x, (Rounding)op->rounding);
    if (is_signed(op->to)) {
        if (x >= bound)
            return UINT64_MAX >> (65 - width);
        return x <= -bound ? ~(UINT64_MAX >> (65 - width)) : (uint64_t)(int64_t)x;
    }
    if (x >= bound)
        return UINT64_MAX >> (64 - width);
    return x <= 0 ? 0 : (uint64_t)x;
}

/* One rounding, from 64 bits too: the host's own conversion in the mode asked for. */
static double float_from_integer(uint64_t bits, const Op *op)
{
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD, FE_TONEAREST};
    bool negative = is_signed(op->from);

    if (op->to != NUMBER_f32 && op->to != NUMBER_f64) {
        uint64_t size = negative && (int64_t)bits < 0 ? 0 - bits : bits;
        /* a double holds 53 bits: what it would lose is kept as one odd bit, so that one rounding
         * follows */
        double wide =
            size >> 53 ? ldexp((double)(size >> 11 | (size & 2047 ? 1 : 0)), 11) : (double)size;
        return round_to_format(size == bits ? wide : -wide, format_of(op->to),
                               (Rounding)op->rounding);
    }
    int before = fegetround();
    fesetround(modes[op->rounding]);
    volatile uint64_t value = bits;
    volatile double wide;
    if (op->to == NUMBER_f32) {
        volatile float narrow = negative ? (float)(int64_t)value : (float)value;
        wide = (double)narrow;
    } else {
        wide = negative ? (double)(int64_t)value : (double)value;
    }
    fesetround(before);
    return wide;
}

static double flush_to_zero(double x, int type, const Op *op)
{
    if (op->flags & OP_FLUSH && type == NUMBER_f32 && fabs(x) < 0x1p-126)
        return copysign(0, x);
    return x;
}

static uint64_t convert_float(uint64_t bits, const Op *op)
{
    double x = flush_to_zero(float_value(bits, op->from), op->from, op);

    if (!number_is_float(op->to))
        return integer_from_float(x, op);
    if (op->kind == CONVERT_to_whole)
        x = round_whole(x, (Rounding)op->rounding);
    else if (op->to != NUMBER_f64)
        x = round_to_format(x, format_of(op->to), (Rounding)op->rounding);
    if (op->flags & OP_RELU)
        x = x > 0 || isnan(x) ? x : 0;
    if (op->flags & OP_SATURATE)
        x = x > 1 ? 1 : x > 0 ? x : 0;
    return float_bits(flush_to_zero(x, op->to, op), op->to);
}

static uint64_t extend(uint64_t bits, int type)
{
    int unused = 64 - 8 * number_bytes(type);

    if (is_signed(type))
        return (uint64_t)((int64_t)(bits << unused) >> unused);
    return bits << unused >> unused;
}

static uint64_t convert(uint64_t bits, const Op *op)
{
    if (number_is_float(op->from))
        return convert_float(bits, op);
    bits = extend(bits, op->from);
    if (number_is_float(op->to)) {
        double x = float_from_integer(bits, op);
        return float_bits(op->flags & OP_SATURATE ? fmin(fmax(x, 0), 1) : x, op->to);
    }
    return op->flags & OP_SATURATE ? clamp_integer(bits, is_signed(op->from), op->to) : bits;
}

uint64_t register_lane(const Warp *warp, int32_t slot, uint32_t lane, int bytes)
{
    const uint8_t *at = warp->file + slot;

    return bytes == 2   ? (*(const U16 *)at)[lane]
           : bytes == 4 ? (*(const U32 *)at)[lane]
                        : (*(const U64 *)at)[lane];
}

/* size: bytes of the source register, width: of the result's. A result wider than its type is sign-
 * or zero-extended. */
void run_convert(Warp *warp, const Op *op)
{
    U64 d = lanes_all64(0);

    FOR_LANES(lane, warp->mask)
    {
        uint64_t bits = convert(register_lane(warp, op->r[1], lane, op->size), op);
        d[lane] = number_is_float(op->to) ? bits : extend(bits, op->to);
    }
    if (op->width == 2)
        PUT_U16(0, __builtin_convertvector(d, U16));
    else if (op->width == 4)
        PUT_U32(0, __builtin_convertvector(d, U32));
    else
        PUT_U64(0, d);
}

/* cvt to f16x2, bf16x2: the first source becomes the high half. */
void run_convert_pair(Warp *warp, const Op *op)
{
    U32 a = REG(U32, 1), b = REG(U32, 2), d = a;

    FOR_LANES(lane, warp->mask)
    d[lane] = (uint32_t)(convert_float(a[lane], op) << 16 | convert_float(b[lane], op));
    PUT_U32(0, d);
}

/* ---- the common ones, faster ----------------------------------------------------------------- */

INLINE U32 canonical(F32 v)
{
    U32 number = (U32)(v == v);

    return ((U32)v & number) | (~number & 0x7fffffffu);
}

void run_f32_from_f16(Warp *warp, const Op *op)
{
    PUT_U32(0, canonical(lanes_from_half(REG(U16, 1))));
}

void run_f16_from_f32(Warp *warp, const Op *op)
{
    U16 h = lanes_to_half(REG(F32, 1));
    U16 nan = (U16)((h & 0x7fff) > 0x7c00);

    PUT_U16(0, (h & ~nan) | (nan & 0x7fff));
}

void run_f16x2_from_f32(Warp *warp, const Op *op)
{
    U16 high = lanes_to_half(REG(F32, 1)), low = lanes_to_half(REG(F32, 2));
    U16 high_nan = (U16)((high & 0x7fff) > 0x7c00), low_nan = (U16)((low & 0x7fff) > 0x7c00);

    high = (high & ~high_nan) | (high_nan & 0x7fff);
    low = (low & ~low_nan) | (low_nan & 0x7fff);
    PUT_U32(0, __builtin_convertvector(low, U32) | __builtin_convertvector(high, U32) << 16);
}

void run_u32_from_u64(Warp *warp, const Op *op)
{
    PUT_U32(0, __builtin_convertvector(REG(U64, 1), U32));
}

void run_u64_from_u32(Warp *warp, const Op *op)
{
    PUT_U64(0, __builtin_convertvector(REG(U32, 1), U64));
}

void run_s64_from_s32(Warp *warp, const Op *op)
{
    PUT_U64(0, __builtin_convertvector(REG(I32, 1), I64));
}

void run_u32_from_u16(Warp *warp, const Op *op)
{
    PUT_U32(0, __builtin_convertvector(REG(U16, 1), U32));
}

void run_u16_from_u32(Warp *warp, const Op *op)
{
    PUT_U16(0, __builtin_convertvector(REG(U32, 1), U16));
}

void run_f32_from_s32(Warp *warp, const Op *op)
{
    PUT_U32(0, __builtin_convertvector(REG(I32, 1), F32));
}

void run_f32_from_u32(Warp *warp, const Op *op)
{
    PUT_U32(0, __builtin_convertvector(REG(U32, 1), F32));
}

/* ---- mov of packed registers ----------------------------------------------------------------- */

/* One wide source to `count` results of `width` bytes, low bits first. */
void run_unpack(Warp *warp, const Op *op)
{
    U64 wide =
        op->size == 4 ? __builtin_convertvector(REG(U32, op->count), U64) : REG(U64, op->count);

    for (int k = 0; k < op->count; k++) {
        U64 part = wide >> (uint64_t)(8 * op->width * k);
        if (op->r[k] == NO_REGISTER)
            continue;
        if (op->width == 2)
            PUT_U16(k, __builtin_convertvector(part, U16));
        else
            PUT_U32(k, __builtin_convertvector(part, U32));
    }
}

void run_pack(Warp *warp, const Op *op)
{
    U64 wide = lanes_all64(0);

    for (int k = 0; k < op->count; k++) {
        U64 part = op->width == 2 ? __builtin_convertvector(REG(U16, 1 + k), U64)
                                  : __builtin_convertvector(REG(U32, 1 + k), U64);
        wide |= part << (uint64_t)(8 * op->width * k);
    }
    if (op->size == 4)
        PUT_U32(0, __builtin_convertvector(wide, U32));
    else
        PUT_U64(0, wide);
}
