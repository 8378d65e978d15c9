/* The graph: building, shapes, gradients, simplification; what other rooms call. */
#ifndef SNUG_GRAPH_H
#define SNUG_GRAPH_H

#include "compiler/ir/compilation.h"

/* ---- graph.c: building and rewriting graphs -------------------------------------------------- */
Graph *graph_create(Arena *arena, Interner *names);
/* An op with its outputs (unknown shape), named `name` (made unique: "x", "x_2", "x_3"). Outputs
 * are in the arena, but for those of input and param, the gradients of parameters and the loss;
 * whose (param, input) is for the caller to set. The returned op handle is valid until the end;
 * pointers into graph->ops are not. */
OpId graph_append(Graph *graph, OpKind kind, const ValueId *inputs, uint32_t input_count,
                  const char *name, Span source);
ValueId graph_output(const Graph *graph, OpId op, uint32_t k);
Graph *graph_clone(const Graph *graph, Arena *arena); /* same handles */
void graph_replace_uses(Graph *graph, ValueId old_value, ValueId new_value);
void graph_rename(Graph *graph, ValueId value, const char *name); /* made unique */
/* Drops every op whose entry in keep_op is false; no kept op may read what a dropped one makes.
 * Returns the new handle of each old value (0: dropped), in `arena`. */
const ValueId *graph_compact(Graph *graph, const bool *keep_op, Arena *arena);
/* Whether the op does more than make its outputs: adds to gradients or the loss, or moves running
 * statistics. Such an op stays although nobody reads it, and runs once. */
bool op_has_effect(const Op *op);

/* ---- shapes.c -------------------------------------------------------------------------------- */
/* Shape and type of every value of a graph. infer_op is used by elaborate as it goes (x.channels
 * needs shapes), infer_shapes checks the whole graph again. Sources (input, param) have theirs from
 * their maker; infer_op checks their limits. Returns false after a diagnostic; with an unknown
 * input it stays silent, returns true, and the outputs stay unknown. */
bool infer_op(Graph *graph, OpId op, Diagnostics *diags, bool mixed);
bool infer_shapes(Compilation *c);

/* ---- autodiff.c, gradients.c ----------------------------------------------------------------- */
/* Appends the backward pass to model->train; makes model->evaluate; drops what nobody uses. */
bool differentiate(Compilation *c);

/* ---- simplify.c ------------------------------------------------------------------------------ */
bool simplify(Compilation *c); /* dead code, common subexpressions */

/* ---- verify.c: invariants after each stage, BUG where one is broken -------------------------- */
void verify_graph(const Graph *graph, const Model *model, const char *stage);

/* ---- print.c: what --dump=STAGE prints; stable text, no addresses ---------------------------- */
/* diags: for the source lines; NULL: without them. */
void print_graph(FILE *out, const Graph *graph, const Model *model, const Diagnostics *diags);

#endif
