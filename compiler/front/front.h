/* From text to the forward graph: what other rooms call. */
#ifndef SNUG_FRONT_H
#define SNUG_FRONT_H

#include "compiler/ir/compilation.h"

/* ---- imports.c: text -> tree ----------------------------------------------------------------- */
/* Reads the file and what it imports. A param that an importing file declares again has the newer
 * default. */
bool parse_model(Compilation *c);

/* ---- elaborate.c: tree -> graph -------------------------------------------------------------- */
/* Evaluates the model file: functions, loops, defaults, -D, --batch_size, --image_size. Ensures a
 * model whose train graph is the forward pass with its loss; shapes of params and inputs known. */
bool elaborate(Compilation *c);

#endif
