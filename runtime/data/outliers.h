/* Points that are not where they are in the other pictures. */
#ifndef SNUG_OUTLIERS_H
#define SNUG_OUTLIERS_H

#include "data.h"

typedef struct ShapeFault {
    int32_t set, item, point;
    int32_t other; /* the point that it seems to have changed places with, -1: none */
    double times;  /* its distance from where it should be over what is usual for this point */
} ShapeFault;

/* Brings every picture's points onto their common mean shape by a similarity (Procrustes) and looks
 * for points that lie more than SHAPE_LIMIT times as far from it as usual. Faults are in the order
 * of sets, items and points; a pair that is swapped is one fault. Returns how many, at most `most`
 * of them in faults; 0 where there are fewer than 8 pictures; -1: no memory. */
enum { SHAPE_LIMIT = 6, SHAPE_LEAST_ITEMS = 8 };
int32_t shapes_check(const Dataset *const *sets, int32_t set_count, ShapeFault *faults,
                     int32_t most);

#endif
