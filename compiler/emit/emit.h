/* The program's tables with what only its printed form needs. Shared by program_tables.c and
 * emit_*.c. */
#ifndef SNUG_EMIT_H
#define SNUG_EMIT_H

#include "compiler/ir/compilation.h"

/* Whose a buffer is. Of the arena: from the step of its segment's plan that writes it first until
 * just after the step that reads it last. A persistent one lives always, its life is empty. */
typedef struct BufferLife {
    SnugSegmentId segment;
    Lifetime life;
    int32_t takes_over; /* the buffer whose bytes it gets in its first step, -1: none */
} BufferLife;

typedef struct ProgramTables {
    SnugProgram program;
    const Span *buffer_sources; /* by buffer */
    const BufferLife *buffer_lives;
    const Span *launch_sources[SNUG_SEGMENT_COUNT];
    int32_t first_step[SNUG_SEGMENT_COUNT]; /* the launch that is step 0 of the segment's plan */
} ProgramTables;

const ProgramTables *build_tables(Compilation *c);

/* What tells variant v of a model from its others: "" where there is one, "b8_512x512" where sizes
 * differ, "host" or "cuda" where devices do, or both: "b8_512x512_host". In the variant's arena. */
const char *variant_name(Compilation *const *variants, uint32_t count, uint32_t v);
/* What all names of the variant begin with: its name and '_', or "". */
const char *program_prefix(Compilation *const *variants, uint32_t count, uint32_t v);

/* ---- emit_page.c ----------------------------------------------------------------------------- */
/* folder/NAME_plan.h, which NAME.c includes. Returns false with errno. */
bool emit_pages(Compilation *const *variants, uint32_t count, const char *folder);

/* Equal but for the name, which is for people. */
bool same_kernel(const SnugKernel *a, const SnugKernel *b);

/* ---- emit_program.c -------------------------------------------------------------------------- */
/* The program in memory; valid while the compilation lives. Requires checked plans. */
const SnugProgram *build_program(Compilation *c);
/* Writes folder/NAME.c and NAME_plan.h, whole or not at all, and leaves it alone where nothing has
 * changed. The variants are of one model with other sizes. Returns false with errno. */
bool emit_program(Compilation *const *variants, uint32_t count, const char *folder);

/* ---- emit_cuda.c ----------------------------------------------------------------------------- */
/* For a card: folder/NAME.cu, NAME_cuda.h, which NAME.c includes, and the headers that kernels
 * include. Requires kernels_are_complete. Returns false with errno. */
bool emit_cuda(Compilation *const *variants, uint32_t count, const char *folder);

/* ---- emit_plan.c ----------------------------------------------------------------------------- */
/* folder/plan.json and plan.html. Returns false with errno. */
bool emit_plans(Compilation *const *variants, uint32_t count, const char *folder);

#endif
