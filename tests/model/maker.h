/* Builds small models op by op, as elaborate would: for random models (random_graph.h) and for
 * those that a test draws up itself. The same seed gives the same numbers.
 */
#ifndef SNUG_TESTS_MAKER_H
#define SNUG_TESTS_MAKER_H

#include "compiler/ir/compilation.h"

typedef struct Maker {
    Compilation *c;
    Model *model;
    Graph *graph;
    uint64_t seed, draws;
} Maker;

/* An empty model. Freed by random_model_destroy. */
Maker maker_create(const char *name, uint64_t seed, bool mixed);
/* A number in [first, last]. */
int64_t draw(Maker *m, int64_t first, int64_t last);
Shape shape_of(const Maker *m, ValueId x);

/* ---- what an op is to a model ---------------------------------------------------------------- */

typedef enum OpRole {
    ROLE_none,      /* a source, statistics, a loss, or the gradient of a core */
    ROLE_picture,   /* reads the picture: stands first */
    ROLE_product,   /* a core with a weight */
    ROLE_window,    /* a core over windows of one tensor: kernel, stride, pad */
    ROLE_pointwise, /* keeps the shape; all tensors that it reads have it */
    ROLE_resampler, /* puts its tensors at other places or side by side */
    ROLE_gradient   /* pointwise; made by differentiate alone, so that it has no gradient */
} OpRole;

/* Every op is listed: a new one does not compile before it is. */
OpRole op_role(OpKind kind);
/* One of the roles that make_op knows. */
bool is_placeable(OpKind kind);

/* The op behind x, with parameters of its own where it has any; it keeps the channels of x. `other`
 * has the shape of x: what the op reads besides x if it reads several tensors; it may be x. */
ValueId make_op(Maker *m, OpKind kind, ValueId x, ValueId other);

/* ---- op by op -------------------------------------------------------------------------------- */

ValueId make_batch_input(Maker *m, InputKind kind, Shape shape, SnugType type, const char *name);
ValueId make_normalize(Maker *m, ValueId picture);
ValueId make_unary(Maker *m, OpKind kind, ValueId x);
ValueId make_conv(Maker *m, ValueId x, int64_t channels, int32_t kernel, int32_t stride);
ValueId make_deconv(Maker *m, ValueId x, int64_t channels);
ValueId make_bias(Maker *m, ValueId x);
/* Frozen: by running statistics. */
ValueId make_bn(Maker *m, ValueId x, bool is_frozen);
/* Whether the seed makes it frozen; always where there are too few values to be well conditioned.
 */
ValueId make_some_bn(Maker *m, ValueId x);
ValueId make_window(Maker *m, OpKind kind, ValueId x);
ValueId make_resample(Maker *m, OpKind kind, ValueId x, int32_t factor);
ValueId make_add(Maker *m, const ValueId *xs, uint32_t count);
ValueId make_concat(Maker *m, const ValueId *xs, uint32_t count);
/* The points, the image weights and the loss of heat maps. */
void make_loss(Maker *m, ValueId heat, const SnugLoss *loss);

#endif
