/* The same model planned with other options: asked and answered by trial/, shown by report/. Every
 * figure comes from the planner. */
#ifndef SNUG_TRIAL_H
#define SNUG_TRIAL_H

#include "compiler/floor/arena.h"

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

/* What a page shows beside the plan. */
typedef struct OtherPlans {
    Trial *curve; /* the same sizes with less and less memory */
    uint32_t curve_count;
    Trial *rows; /* batch sizes, with and without recomputation and averages */
    uint32_t row_count;
} OtherPlans;

#endif
