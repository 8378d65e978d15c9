/* What the reports say of a plan: computed once, here, so that no two forms of it can differ.
 * Shared by inspect.c, why_alive.c, compare.c and report_*.c.
 */
#ifndef SNUG_INSPECT_H
#define SNUG_INSPECT_H

#include "compiler/ir/compilation.h"

enum { PLAN_SCHEMA = 1 }; /* of plan.json and of the data in plan.html */

typedef enum BufferClass {
    CLASS_kept,       /* made going forward, read going backward */
    CLASS_transient,  /* made and dropped on the way */
    CLASS_recomputed, /* made by a step that runs its kernel again */
    CLASS_workspace,
    CLASS_COUNT
} BufferClass;
extern const char *const class_names[CLASS_COUNT];

/* What is known of a buffer in the arena; zeros for others. */
typedef struct BufferFacts {
    BufferClass class;
    uint32_t instance; /* of its value, from 0 */
    uint32_t end;      /* one past the last step in which the bytes are its own: less than
                              life.last where another takes them over in place */
    uint32_t taken_by; /* the buffer that does, or NO_BUFFER */
    uint32_t maker;    /* step */
    uint32_t *readers; /* steps, in order, each once */
    uint32_t reader_count;
    SnugArg tensor;  /* type, shape, pitch; no shape for a workspace */
    int64_t padding; /* bytes that hold no number of the tensor: pitch, alignment */
} BufferFacts;

/* A step that runs its kernel again. */
typedef struct Repeat {
    uint32_t step;
    uint32_t buffer;     /* what it makes */
    uint32_t dropped_at; /* the bytes were free from this step until `step` */
    bool frees_peak;     /* the peak step lies in between */
    double time_us;
    int64_t flops, bytes;
} Repeat;

typedef struct Work {
    double time_us;
    int64_t flops, bytes;
} Work;

typedef struct Inspection {
    const Compilation *c;
    SnugSegmentId segment;
    const Plan *plan;
    const KernelSet *set;
    Arena *arena;
    BufferFacts *facts;           /* by buffer */
    uint32_t *first_buffer;       /* by value: its first buffer, NO_BUFFER: none */
    uint32_t *next_buffer;        /* by buffer: the value's next one */
    uint32_t *made_by;            /* by value: its kernel; the kernel count: none */
    int64_t (*load)[CLASS_COUNT]; /* by step: bytes alive, of each class */
    uint32_t backward_begin;      /* first step that goes backward; the step count: none */
    uint32_t *alive, alive_count; /* at the peak, largest first */
    Repeat *repeats;              /* dearest first */
    uint32_t repeat_count;
    Work once, again;       /* of the first runs, of the repeats */
    uint64_t reads, writes; /* of args in the arena and outside, all steps */
} Inspection;

/* Requires a plan of the segment. Lives in the arena. */
const Inspection *inspect_plan(const Compilation *c, SnugSegmentId segment, Arena *arena);
/* The micro-step, or of a model without a loss the evaluation. */
SnugSegmentId main_segment(const Compilation *c);
const Kernel *kernel_of(const Inspection *inspection, uint32_t step);
int64_t load_at(const Inspection *inspection, uint32_t step); /* bytes alive, of all classes */
/* "models/hrnet.snug:34", "" for what stands nowhere. */
const char *source_place(const Compilation *c, Span source, Arena *arena);
/* What the plan is for, and why: "RTX 3070 Ti (the default: no card here)", "host, 2 threads". */
const char *target_words(const Compilation *c, Arena *arena);
int64_t trained_numbers(const Model *model);

/* ---- why_alive.c ----------------------------------------------------------------------------- */

/* What dropping a kept tensor after its last use going forward and computing it again before its
 * first use going backward would change, all else in the plan left as it is. */
typedef struct Drop {
    bool is_possible;
    const Kernel *obstacle; /* not possible: the kernel that may run once only */
    uint32_t from, to;      /* steps in which the bytes would be free, half-open */
    bool frees_peak;
    double time_us;                  /* of the kernels that would run again */
    uint32_t *kernels, kernel_count; /* each after those whose results it reads */
} Drop;

/* Requires: class kept. Lives in the inspection's arena. */
Drop price_drop(const Inspection *inspection, uint32_t buffer);

#endif
