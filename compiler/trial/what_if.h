/* The same model planned again with other options: every figure comes from the planner. */
#ifndef SNUG_WHAT_IF_H
#define SNUG_WHAT_IF_H

#include "compiler/ir/compilation.h"
#include "compiler/ir/trial.h"

/* What the trial compiles; overrides are those of `options` itself. */
CompileOptions trial_options(const CompileOptions *options, const Trial *trial);

/* Plans every trial, several at once where there are processors. The results do not depend on how
 * many. Diagnostics of trials are dropped. */
void run_trials(const CompileOptions *options, Trial *trials, uint32_t count);

/* The answers, of a compilation that has been planned. */
void answer_trial(const Compilation *c, Trial *trial);

/* One more picture than the plan has. Requires a plan; is_planned false: the model fixes its batch.
 */
Trial plan_next_batch(const Compilation *c);

/* Plans them all. Requires a plan. Lives in the arena. */
const OtherPlans *plan_others(const Compilation *c, Arena *arena);

/* ---- misfit.c -------------------------------------------------------------------------------- */
/* Reports that the plan is larger than the budget, and what would fit. Requires plans. */
void report_misfit(Compilation *c);

/* ---- alternatives.c -------------------------------------------------------------------------- */
/* Plans less of the model for a card: c->alternatives. Nothing for the host. Requires a checked
 * plan; takes as long as a few plans. */
void plan_alternatives(Compilation *c);

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
