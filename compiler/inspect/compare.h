/* Two plans side by side: a compilation and a plan.json. */
#ifndef SNUG_COMPARE_H
#define SNUG_COMPARE_H

#include "compiler/ir/compilation.h"
#include "compiler/ir/ir.h"

typedef enum Unit { UNIT_bytes, UNIT_ms, UNIT_count } Unit;

typedef struct TotalChange {
    const char *name;
    Unit unit;
    double there, here;
} TotalChange;

/* A tensor whose place in the two plans differs; bytes alive at each plan's own peak. */
typedef struct TensorChange {
    const char *name;
    const char *what; /* "kept -> recomputed" */
    int64_t there, here;
} TensorChange;

typedef struct Difference {
    const char *with; /* the file */
    ARRAY(TotalChange) totals;
    ARRAY(TensorChange) tensors; /* the largest change first */
} Difference;

/* Reads the plan in `path` and compares. Returns NULL after a message on stderr where it cannot be
 * read or is no plan. Lives in the arena. */
const Difference *compare_plans(const Compilation *c, const char *path, Arena *arena);

void difference_text(FILE *out, const Difference *difference);
void difference_json(FILE *out, const Difference *difference);

#endif
