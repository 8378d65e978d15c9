#ifndef SNUG_TARGET_H
#define SNUG_TARGET_H

#include "compiler/ir/compilation.h"

/* The stage `target`: device, half type, card, budget. Requires a model. Ensures that every input
 * is the picture, its landmarks or their weights. */
bool choose_target(Compilation *c);

#endif
