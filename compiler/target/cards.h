/* The cards that snug knows: rates and sizes from public specifications (cards.def). */
#ifndef SNUG_CARDS_H
#define SNUG_CARDS_H

#include "compiler/ir/ir.h"

/* All cards, in the order of cards.def. */
const Card *cards(uint32_t *count);
/* "rtx3070ti", "NVIDIA GeForce RTX 3070 Ti": as people and the driver write it. NULL: there is
 * none. */
const Card *find_card(const char *name);

/* cuBLAS on a card. */
typedef struct LibraryFigures {
    double tflops;           /* of matrix products, reachable */
    int64_t workspace_bytes; /* what it is given for one product */
} LibraryFigures;
LibraryFigures library_figures(const Card *card);

#endif
