/* Packing problems without slack: a rectangle, bytes over time, cut at random into pieces. */
#ifndef CUT_H
#define CUT_H

#include "compiler/pack/pack.h"

typedef enum CutShape {
    CUT_LARGE,  /* again and again one piece in two, of three pieces the largest */
    CUT_ANY,    /* the same of any piece, so that many become tiny */
    CUT_BRICKS, /* rows, each cut at moments of its own */
    CUT_STACKS, /* spans of time, each cut at offsets of its own */
    CUT_SHAPE_COUNT
} CutShape;

static const char *const cut_shapes[CUT_SHAPE_COUNT] = {"large", "any", "bricks", "stacks"};

/* Fills items[0 .. count) in random order, with sizes that add up to `height` at each moment of
 * [0, life). The same arguments give the same items. count <= life, count <= height. */
void cut_rectangle(PackItem *items, uint32_t count, CutShape shape, int64_t life, int64_t height,
                   uint64_t seed);

#endif
