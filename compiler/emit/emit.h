/* The program's tables with what only its printed form needs. Shared by program_tables.c and
 * emit_*.c. */
#ifndef SNUG_EMIT_H
#define SNUG_EMIT_H

#include "compiler/pipeline/pipeline.h"

typedef struct ProgramTables {
    SnugProgram program;
    const Span *buffer_sources; /* by buffer */
    const Span *launch_sources[SNUG_SEGMENT_COUNT];
} ProgramTables;

const ProgramTables *build_tables(Compilation *c);

/* Plans less of the model for a card: c->alternatives. Nothing for the host. Requires a checked
 * plan; takes as long as a few plans. (alternatives.c) */
void plan_alternatives(Compilation *c);

/* What all names of the variant begin with: "", or with several variants "b8_512x512_". */
const char *program_prefix(Arena *arena, const SnugProgram *program, uint32_t variant_count);

/* "conv", as in SNUG_KERNEL_conv. */
const char *kernel_kind_name(SnugKernelKind kind);

/* emit_page.c: folder/NAME_plan.h, which NAME.c includes. Returns false with errno. */
bool emit_pages(Compilation *const *variants, uint32_t count, const char *folder);

/* Equal but for the name, which is for people. */
bool same_kernel(const SnugKernel *a, const SnugKernel *b);

#endif
