/* The compiler's stages, in order: pipeline.c calls them in a straight column. A stage takes the
 * compilation, adds its result, and returns false after it has reported an error.
 */
#ifndef SNUG_PIPELINE_H
#define SNUG_PIPELINE_H

#include "compiler/ir/compilation.h"

/* The stages in order: names of --dump and --time, of the table in docs/hacking.md and of the
 * folders of tests/golden. run_pipeline calls them in the same order. */
#define SNUG_STAGES(X)                                                                             \
    X(tree) X(graph) X(shapes) X(autodiff) X(simplify) X(target) X(fuse) X(kernels) X(plan) X(check)

extern const char *const stage_names[];
extern const uint32_t stage_count;
/* The number of a stage, from 0; stage_count where there is none of that name. */
uint32_t find_stage(const char *name);
/* Runs the stages up to and including `last`. Returns the exit status, EXIT_STATUS_memory where
 * there is a checked plan that does not fit; diagnostics are in c->diags. */
ExitStatus run_pipeline(Compilation *c, const char *last, FILE *dump_out);

/* Where the products of a model go. */
typedef struct Products {
    const char *folder; /* of emitted text, made where it is missing */
    const char *source; /* folder/NAME.c */
    const char *executable;
    const char *cc; /* the C compiler */
    bool is_kept;   /* an executable that is newer than its source stays */
} Products;

/* The end of the column, of all variants of a model together: emits the program, its kernels and
 * its plans, and links the executable. Requires checked plans that fit. Returns files or device
 * after a message on stderr. */
ExitStatus make_products(Compilation *const *variants, uint32_t count, const Products *products);

#endif
