/* The cards that snug knows: rates and sizes from public specifications (cards.def). */
#ifndef SNUG_CARDS_H
#define SNUG_CARDS_H

#include "compiler/ir/ir.h"

/* All cards, in the order of cards.def. */
const Card *cards(uint32_t *count);

/* cuBLAS on a card. */
typedef struct LibraryFigures {
    double tflops;           /* of matrix products, reachable */
    int64_t workspace_bytes; /* what it is given for one product */
} LibraryFigures;
LibraryFigures library_figures(const Card *card);

#endif
