/* Numbers of few bits: rounding is done on doubles, in which every one of them is exact. */
#include "half.h"

#include <math.h>
#include <string.h>

const Format FORMAT_f16 = {10, -14, 15};
const Format FORMAT_bf16 = {7, -126, 127};
const Format FORMAT_tf32 = {10, -126, 127};
const Format FORMAT_f32 = {23, -126, 127};

/* q is a number of units in the last place. */
static double round_units(double q, Rounding mode)
{
    switch (mode) {
    case ROUND_zero: return trunc(q);
    case ROUND_down: return floor(q);
    case ROUND_up: return ceil(q);
    case ROUND_nearest_away: return round(q);
    case ROUND_nearest_even: break;
    }
    return nearbyint(q);
}

double round_to_format(double x, const Format *format, Rounding mode)
{
    int exponent;

    if (x == 0 || isnan(x) || isinf(x))
        return x;
    frexp(x, &exponent); /* |x| in [0.5, 1) * 2^exponent */
    exponent -= 1;
    if (exponent < format->lowest)
        exponent = format->lowest;
    int unit = exponent - format->fraction_bits;
    double rounded = ldexp(round_units(ldexp(x, -unit), mode), unit);
    double largest = ldexp(2 - ldexp(1, -format->fraction_bits), format->highest);
    if (fabs(rounded) <= largest)
        return copysign(rounded, x);
    if (mode == ROUND_zero || (mode == ROUND_down && x > 0) || (mode == ROUND_up && x < 0))
        return copysign(largest, x);
    return copysign(INFINITY, x);
}

/* Round to odd: the sum in double keeps in its last bit that something was lost, so that rounding
 * it once more to a format of fewer bits is as good as rounding once (Boldo and Melquiond, 2008).
 */
double fma_in_format(double a, double b, double c, const Format *format, Rounding mode)
{
    double product = a * b; /* exact: the factors have at most 24 bits */
    double sum = product + c;

    if (isfinite(sum)) {
        double c_part = sum - product;
        double lost = (product - (sum - c_part)) + (c - c_part);
        uint64_t bits;
        memcpy(&bits, &sum, sizeof bits);
        if (lost != 0 && !(bits & 1))
            sum = nextafter(sum, lost > 0 ? INFINITY : -INFINITY);
    }
    return round_to_format(sum, format, mode);
}

float float_from_bf16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float x;

    memcpy(&x, &wide, sizeof x);
    return x;
}

float float_from_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    int fraction = bits & 1023;
    double x;

    if (exponent == 31)
        x = fraction ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        x = ldexp(fraction, -24);
    else
        x = ldexp(1024 + fraction, exponent - 25);
    return (float)(bits >> 15 ? -x : x);
}

uint16_t bf16_from_exact(double x)
{
    float narrow = (float)x;
    uint32_t bits;

    if (isnan(x))
        return 0x7fff;
    memcpy(&bits, &narrow, sizeof bits);
    return (uint16_t)(bits >> 16);
}

uint16_t half_from_exact(double x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent;

    if (isnan(x))
        return 0x7fff;
    if (isinf(x))
        return (uint16_t)(sign | 0x7c00);
    if (x == 0)
        return sign;
    frexp(x, &exponent);
    exponent -= 1;
    if (exponent < -14)
        return (uint16_t)(sign | (uint16_t)ldexp(fabs(x), 24));
    return (uint16_t)(sign | (uint16_t)((exponent + 15) << 10)
                      | ((uint16_t)ldexp(fabs(x), 10 - exponent) & 1023));
}
