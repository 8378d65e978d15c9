/* Numbers of few bits, one at a time: fp16, bf16, tf32, and rounding in every mode. */
#ifndef SNUG_SOFTGPU_HALF_H
#define SNUG_SOFTGPU_HALF_H

#include <stdint.h>

typedef enum Rounding {
    ROUND_nearest_even,
    ROUND_zero,
    ROUND_down,
    ROUND_up,
    ROUND_nearest_away
} Rounding;

/* A binary format: bits of the fraction (without the hidden one), exponents of normal numbers. */
typedef struct Format {
    int fraction_bits, lowest, highest;
} Format;

extern const Format FORMAT_f16, FORMAT_bf16, FORMAT_tf32, FORMAT_f32;

/* x as the nearest number of the format in this mode; denormals are kept, overflow goes to Inf or
 * to the largest number as IEEE 754 says, NaN stays NaN. */
double round_to_format(double x, const Format *format, Rounding mode);
/* a * b + c in this format with one rounding. */
double fma_in_format(double a, double b, double c, const Format *format, Rounding mode);

float float_from_half(uint16_t bits);
float float_from_bf16(uint16_t bits);
/* The number must be one of the format: round_to_format first. NaN gives the canonical 0x7fff. */
uint16_t half_from_exact(double x);
uint16_t bf16_from_exact(double x);

static inline uint16_t half_from_double(double x, Rounding mode)
{
    return half_from_exact(round_to_format(x, &FORMAT_f16, mode));
}

static inline uint16_t bf16_from_double(double x, Rounding mode)
{
    return bf16_from_exact(round_to_format(x, &FORMAT_bf16, mode));
}

#endif
