/* The 32 lanes of a warp as vectors of the compiler: a register of 32 bits is 128 bytes.
 *
 * GCC's vector extension does the arithmetic on any machine; what it cannot say (a mask from a
 * comparison, a blend by a mask) has AVX-512 intrinsics here, and plain C for the rest.
 */
#ifndef SNUG_SOFTGPU_LANES_H
#define SNUG_SOFTGPU_LANES_H

#include "half.h"

#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define LANES_AVX512 1
#include <immintrin.h>
#else
#define LANES_AVX512 0
#endif

enum { LANES = 32 };

#define LANES_OF(bytes) __attribute__((vector_size(LANES * (bytes)), may_alias))
typedef uint8_t U8 LANES_OF(1);
typedef int8_t I8 LANES_OF(1);
typedef uint16_t U16 LANES_OF(2);
typedef int16_t I16 LANES_OF(2);
typedef uint32_t U32 LANES_OF(4);
typedef int32_t I32 LANES_OF(4);
typedef float F32 LANES_OF(4);
typedef uint64_t U64 LANES_OF(8);
typedef int64_t I64 LANES_OF(8);
typedef double F64 LANES_OF(8);

#define INLINE static inline __attribute__((always_inline, unused))

/* Lane i of the result is all ones where bit i is set. */
INLINE U32 lanes_spread(uint32_t mask)
{
    U32 bits;

    for (int i = 0; i < LANES; i++)
        bits[i] = 1u << i;
    return (U32)((bits & mask) != 0);
}

INLINE U32 lanes_select_u32(uint32_t mask, U32 yes, U32 no)
{
#if LANES_AVX512
    __m512i y[2], n[2];

    memcpy(y, &yes, sizeof y);
    memcpy(n, &no, sizeof n);
    for (int h = 0; h < 2; h++)
        y[h] = _mm512_mask_blend_epi32((__mmask16)(mask >> 16 * h), n[h], y[h]);
    memcpy(&yes, y, sizeof y);
    return yes;
#else
    U32 m = lanes_spread(mask);

    return (yes & m) | (no & ~m);
#endif
}

INLINE U16 lanes_select_u16(uint32_t mask, U16 yes, U16 no)
{
#if LANES_AVX512
    __m512i y, n;

    memcpy(&y, &yes, sizeof y);
    memcpy(&n, &no, sizeof n);
    y = _mm512_mask_blend_epi16(mask, n, y);
    memcpy(&yes, &y, sizeof y);
    return yes;
#else
    for (int i = 0; i < LANES; i++)
        if (!(mask >> i & 1))
            yes[i] = no[i];
    return yes;
#endif
}

INLINE U64 lanes_select_u64(uint32_t mask, U64 yes, U64 no)
{
#if LANES_AVX512
    __m512i y[4], n[4];

    memcpy(y, &yes, sizeof y);
    memcpy(n, &no, sizeof n);
    for (int h = 0; h < 4; h++)
        y[h] = _mm512_mask_blend_epi64((__mmask8)(mask >> 8 * h), n[h], y[h]);
    memcpy(&yes, y, sizeof y);
    return yes;
#else
    for (int i = 0; i < LANES; i++)
        if (!(mask >> i & 1))
            yes[i] = no[i];
    return yes;
#endif
}

/* Bit i of the result is the sign of lane i: the inverse of lanes_spread. */
INLINE uint32_t lanes_mask_u32(U32 v)
{
#if LANES_AVX512
    __m512i h[2];

    memcpy(h, &v, sizeof h);
    return (uint32_t)_mm512_movepi32_mask(h[0]) | (uint32_t)_mm512_movepi32_mask(h[1]) << 16;
#else
    uint32_t mask = 0;

    for (int i = 0; i < LANES; i++)
        mask |= v[i] >> 31 << i;
    return mask;
#endif
}

INLINE uint32_t lanes_mask_u64(U64 v)
{
    uint32_t mask = 0;
#if LANES_AVX512
    __m512i h[4];

    memcpy(h, &v, sizeof h);
    for (int k = 0; k < 4; k++)
        mask |= (uint32_t)_mm512_movepi64_mask(h[k]) << 8 * k;
#else
    for (int i = 0; i < LANES; i++)
        mask |= (uint32_t)(v[i] >> 63) << i;
#endif
    return mask;
}

INLINE uint32_t lanes_mask_u16(U16 v)
{
#if LANES_AVX512
    __m512i h;

    memcpy(&h, &v, sizeof h);
    return _mm512_movepi16_mask(h);
#else
    uint32_t mask = 0;

    for (int i = 0; i < LANES; i++)
        mask |= (uint32_t)(v[i] >> 15) << i;
    return mask;
#endif
}

INLINE U32 lanes_all(uint32_t value)
{
    return (U32){0} + value;
}

INLINE U64 lanes_all64(uint64_t value)
{
    return (U64){0} + value;
}

/* a * b + c with one rounding. */
INLINE F32 lanes_fma(F32 a, F32 b, F32 c)
{
#if LANES_AVX512
    __m512 x[2], y[2], z[2];

    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    memcpy(z, &c, sizeof z);
    for (int h = 0; h < 2; h++)
        z[h] = _mm512_fmadd_ps(x[h], y[h], z[h]);
    memcpy(&c, z, sizeof z);
    return c;
#else
    for (int i = 0; i < LANES; i++)
        c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#endif
}

/* fp16 to f32 and back (to nearest even); NaN stays NaN. */
INLINE F32 lanes_from_half(U16 h)
{
    F32 d;
#if LANES_AVX512
    __m256i part[2];
    __m512 wide[2];

    memcpy(part, &h, sizeof part);
    wide[0] = _mm512_cvtph_ps(part[0]);
    wide[1] = _mm512_cvtph_ps(part[1]);
    memcpy(&d, wide, sizeof d);
#else
    for (int i = 0; i < LANES; i++)
        d[i] = float_from_half(h[i]);
#endif
    return d;
}

INLINE U16 lanes_to_half(F32 v)
{
    U16 h;
#if LANES_AVX512
    __m512 wide[2];
    __m256i part[2];

    memcpy(wide, &v, sizeof wide);
    part[0] = _mm512_cvtps_ph(wide[0], _MM_FROUND_TO_NEAREST_INT);
    part[1] = _mm512_cvtps_ph(wide[1], _MM_FROUND_TO_NEAREST_INT);
    memcpy(&h, part, sizeof h);
#else
    for (int i = 0; i < LANES; i++)
        h[i] = half_from_double((double)v[i], ROUND_nearest_even);
#endif
    return h;
}

/* Lane 4 g + t of the result is lane 4 g + which: each quad has one number four times. */
INLINE F32 lanes_spread_quad(F32 v, int which)
{
#if LANES_AVX512
    __m512 h[2];
    __m512i index = _mm512_set1_epi32(which);

    memcpy(h, &v, sizeof h);
    h[0] = _mm512_permutevar_ps(h[0], index);
    h[1] = _mm512_permutevar_ps(h[1], index);
    memcpy(&v, h, sizeof v);
    return v;
#else
    F32 d;

    for (int i = 0; i < LANES; i++)
        d[i] = v[i / 4 * 4 + which];
    return d;
#endif
}

/* Lane 4 g + t of the result is lane 8 t + which, whatever g. */
INLINE F32 lanes_gather_quad(F32 v, int which)
{
    F32 d;
#if LANES_AVX512
    __m512 h[2];
    __m512i index = _mm512_add_epi32(_mm512_set4_epi32(24, 16, 8, 0), _mm512_set1_epi32(which));

    memcpy(h, &v, sizeof h);
    h[0] = _mm512_permutex2var_ps(h[0], index, h[1]);
    h[1] = h[0];
    memcpy(&d, h, sizeof d);
#else
    for (int i = 0; i < LANES; i++)
        d[i] = v[i % 4 * 8 + which];
#endif
    return d;
}

#endif
