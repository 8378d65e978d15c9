/* The oracle: executes a graph, as it is, in double precision with plain loops.
 *
 * It shares nothing with the runtime and knows no fusion, no plan and no speed. Tensors are NHWC
 * without padding.
 */
#ifndef SNUG_TESTS_INTERPRETER_H
#define SNUG_TESTS_INTERPRETER_H

#include "compiler/ir/ir.h"

typedef struct Interpreter Interpreter;

/* Both must outlive it. All arrays start as zeros but for scalars[loss_scale], which is 1. */
Interpreter *interpreter_create(const Graph *graph, const Model *model);
void interpreter_destroy(Interpreter *interpreter);

int64_t shape_count(Shape shape); /* elements */

/* Owned by the interpreter; shape_count(shape) numbers. Parameters and inputs are for the caller to
 * fill, gradients to set to zero (a run adds to them). Pictures hold 0 .. 255. A value that is an
 * input is one of these arrays. */
double *interpreter_param(Interpreter *interpreter, ParamId param);
double *interpreter_gradient(Interpreter *interpreter, ParamId param);
double *interpreter_value(Interpreter *interpreter, ValueId value);
double *interpreter_scalars(Interpreter *interpreter); /* SNUG_SCALAR_COUNT */

/* Every op once, in order. Adds to gradients and to scalars[loss], moves running statistics. */
void interpreter_run(Interpreter *interpreter);

/* From now on the result of each op is rounded to fp32: shows what rounding does to a model. */
void interpreter_round(Interpreter *interpreter);

/* After a run: how far the nearest relu, max_pool or ohkm is from where its gradient jumps. */
double interpreter_kink_distance(const Interpreter *interpreter);

#endif
