/* Pointwise code as a formula, for dumps and for comments in what we emit. */
#ifndef SNUG_FORMULA_H
#define SNUG_FORMULA_H

#include "compiler/ir/ir.h"

/* "t1 = (z - ...) ...; mask(core, y); sum and sum * t1 -> partials". What is used twice, or by a
 * reduction, gets a name first. arg_names: one an arg of the kernel. reduces: the code is that of
 * the kernel's results, and its reductions follow. */
const char *formula_text(Arena *arena, const SnugKernel *kernel, const char *const *arg_names,
                         const SnugPointwise *code, bool reduces);
/* A formula of points.def with texts for a, b, d: each $a, $(a) is its text. */
const char *fill_point_text(Arena *arena, const char *template, const char *const texts[3]);

#endif
