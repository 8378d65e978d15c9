/* The same model planned again with other options: every figure comes from the planner. */
#ifndef SNUG_WHAT_IF_H
#define SNUG_WHAT_IF_H

#include "compiler/pipeline/pipeline.h"

typedef struct Trial {
    /* asked; 0: as the compilation has it */
    int64_t batch_size, image_height, image_width;
    int64_t budget_bytes;
    bool keep_all; /* nothing is computed again, whatever the budget */
    bool no_ema;
    bool headless;   /* a reserve of HEADLESS_RESERVE */
    bool recompute;  /* whatever --recompute says */
    uint64_t effort; /* as CompileOptions.planner_effort */
    Arena *names;    /* NULL, or where `again` is put */

    /* answered; is_planned false: the model has no such size */
    bool is_impossible;    /* proven: no plan is within the budget */
    bool is_planned, fits; /* fits: within the budget of the compilation or of the trial */
    int64_t persistent_bytes, arena_bytes, total_bytes;
    double step_us, added_us,
        update_us;         /* of a micro-step; of it for recomputation; of an update */
    double bound_us;       /* as in Certificate */
    uint32_t repeat_count; /* steps that run a kernel again */
    const char **again;    /* their kernels' labels, in order; NULL without `names` */
} Trial;

/* What the trial compiles; overrides are those of `options` itself. */
CompileOptions trial_options(const CompileOptions *options, const Trial *trial);

/* Plans every trial, several at once where there are processors. The results do not depend on how
 * many. Diagnostics of trials are dropped. */
void run_trials(const CompileOptions *options, Trial *trials, uint32_t count);

/* The answers, of a compilation that has been planned. */
void answer_trial(const Compilation *c, Trial *trial);

/* What a page shows beside the plan. */
typedef struct OtherPlans {
    Trial *curve; /* the same sizes with less and less memory */
    uint32_t curve_count;
    Trial *rows; /* batch sizes, with and without recomputation and averages */
    uint32_t row_count;
} OtherPlans;

/* Plans them all. Requires a plan. Lives in the arena. */
const OtherPlans *plan_others(const Compilation *c, Arena *arena);

/* ---- command_line.c -------------------------------------------------------------------------- */
/* "snug plan models/unet.snug --vram 8GiB --batch_size 2". Lives in the arena. */
const char *command_line(const char *command, const CompileOptions *options, Arena *arena);

/* ---- fit_table.c: `snug fit` ----------------------------------------------------------------- */
typedef struct FitRequest {
    const CompileOptions *options;
    const int64_t *batches, *accumulations; /* what was asked for; counts of 0: chosen here */
    uint32_t batch_count, accumulation_count;
    bool json, color;
} FitRequest;

/* Prints the table. *c: the compilation that read the model, for its diagnostics; the caller
 * destroys it. Exit status: memory where nothing that was asked fits. */
ExitStatus fit_table(const FitRequest *request, FILE *out, Compilation **c);

#endif
