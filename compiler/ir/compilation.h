/* One compilation: what was asked, and what the stages have made of it so far. Stages add to it in
 * the order of compiler/pipeline/pipeline.h. */
#ifndef SNUG_COMPILATION_H
#define SNUG_COMPILATION_H

#include "ir.h"

struct Node;

/* What a plan may compute again where memory is short. */
typedef enum RecomputeKind {
    RECOMPUTE_all,     /* kernels run again; kernels of the backward pass rebuild residual sums */
    RECOMPUTE_rebuild, /* no kernel runs again */
    RECOMPUTE_none
} RecomputeKind;

/* Proposals of one search for what to compute again: some 0.4 s on two cores. */
enum { USUAL_EFFORT = 600000 };

enum { HEADLESS_RESERVE = 512 << 20 }; /* bytes: --headless */

typedef struct CompileOptions {
    const char *command; /* of snug, for what it offers to copy; NULL: plan */
    const char *model_path;
    Override *overrides; /* -D name=value, in order */
    uint32_t override_count;
    int64_t batch_size, image_height, image_width; /* 0: as the model file says */
    DeviceKind device;
    const char *card;                  /* its name; NULL: by vram_bytes */
    const char *card_reason;           /* why that one, for people; NULL: nothing is said of it */
    bool is_card_assumed;              /* nobody named it, and it is not here */
    int64_t vram_bytes, reserve_bytes; /* 0, -1: not given */
    int32_t threads;                   /* 0: as many as the machine has */
    bool full_precision;               /* --precision full */
    GemmChoice gemm;                   /* --gemm */
    bool no_ema;      /* --no_ema: no averaged weights, whatever the model file says */
    bool no_fusion;   /* --no_fusion: each op is a kernel of its own */
    const char *dump; /* a stage's name, or NULL */
    bool time_stages;
    uint64_t planner_effort; /* of the search for what to compute again, in proposals; 0: usual */
    RecomputeKind recompute;
} CompileOptions;

typedef struct Compilation {
    CompileOptions options;
    Arena *arena;   /* lives as long as the compilation */
    Arena *scratch; /* reset after each stage */
    Interner *names;
    Diagnostics *diags;

    struct Node *tree;
    Model *model;
    Target target;
    KernelSet *kernels[SNUG_SEGMENT_COUNT]; /* update: NULL, its kernels are fixed */
    Plan *plans[SNUG_SEGMENT_COUNT];        /* micro_step (NULL without a loss) and evaluate */
    Layout layout;
    const SnugAlternative *alternatives; /* smaller plans, for a trainer to offer: alternatives.c */
    uint32_t alternative_count;
    double planner_seconds;
    bool fits;
} Compilation;

/* Lives until compilation_destroy, with all that its stages make. The options' texts are the
 * caller's and must live as long. */
Compilation *compilation_create(const CompileOptions *options);
void compilation_destroy(Compilation *c); /* NULL: nothing happens */

#endif
