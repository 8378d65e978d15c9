/* The weight gradient as a sum of outer products, for CPUs with AVX512_BF16. */
#ifndef SNUG_HOST_OUTER_H
#define SNUG_HOST_OUTER_H

#include <stdint.h>

#include "runtime/program.h"

/* Rows of pairs: see host_outer.c. */
typedef struct HostOuter {
    int64_t x_channels, y_channels, kernel, stride, pad, x_width, y_width;
    int64_t pairs;        /* of a row of y */
    int64_t x_row, y_row; /* elements of a row of pairs */
} HostOuter;

HostOuter host_outer(const SnugWindow *window);

/* One row of x {x_width, x_channels}, NULL: a row of zeros -> x_row elements. */
void host_outer_x(const HostOuter *outer, const uint16_t *x, uint16_t *pairs);
/* One row of dy {y_width, y_channels} -> y_row elements. */
void host_outer_y(const HostOuter *outer, const uint16_t *dy, uint16_t *pairs);

/* gradient {out, k, k, in} += sum over `rows` rows of y, for the output channels [begin, end).
 * x: rows of pairs from the first that row 0 of y sees; dy: rows of pairs. */
void host_outer_add(const HostOuter *outer, const uint16_t *x, const uint16_t *dy, int64_t rows,
                    int64_t begin, int64_t end, float *gradient);

#endif
