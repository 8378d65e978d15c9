/* Order and recomputation under a budget of bytes. Shared by recompute*.c, bounds.c and those who
 * plan; see docs/memory-plans.md. */
#ifndef SNUG_RECOMPUTE_H
#define SNUG_RECOMPUTE_H

#include "tasks.h"

/* ---- recompute.c: the driver ----------------------------------------------------------------- */

typedef struct RecomputeProblem {
    const TaskGraph *graph;
    int64_t budget;  /* bytes that the peak of the sequence may reach */
    uint64_t effort; /* proposals of the local search: counted, so that results are the same on any
                      * machine */
    uint64_t seed;
    bool is_order_only; /* no task runs again */
    double seconds;     /* stops there, wherever it is; 0: only by effort */
} RecomputeProblem;

typedef struct RecomputeResult {
    Sequence sequence; /* peak <= budget, or the lowest peak that was found */
    int64_t peak;
    double added_cost;
    double bound_cost;  /* proven: no sequence within the budget adds less */
    bool is_impossible; /* proven: no sequence at all is within the budget */
} RecomputeResult;

/* The sequence with the least added cost that was found. Ensures: the same problem with the same
 * effort gives the same result, unless `seconds` cut it short. */
RecomputeResult recompute_tasks(const RecomputeProblem *problem, Arena *arena, Arena *scratch);

/* How good a sequence is: within the budget before others, then by added cost; outside by peak. */
bool is_better_sequence(int64_t peak, double added_cost, int64_t than_peak, double than_added_cost,
                        int64_t budget);

/* ---- recompute_cut.c: a start from the cut bound --------------------------------------------- */

/* `order` (every task once) with repeats, from the plan of the cut at `task`; `order` itself where
 * that is no better. */
Sequence recompute_by_cut(const TaskGraph *graph, const Sequence *order, uint32_t task,
                          int64_t budget, Arena *arena);

/* ---- recompute_search.c: annealing over sequences -------------------------------------------- */

typedef struct SearchProblem {
    const TaskGraph *graph;
    int64_t budget;
    Sequence start; /* valid; its peak may exceed the budget */
    uint64_t proposals;
    uint64_t seed;
    double hot, cold;  /* temperatures, in mean costs of a task */
    bool may_repeat;   /* else only the order changes; ends as soon as the budget is met */
    bool may_exchange; /* moves that remove one repeat and insert another: slower, and better
                            * where many different choices of what to repeat cost about the same */
    double deadline;   /* by monotonic_seconds(); 0: none */
} SearchProblem;

typedef struct SearchResult {
    Sequence sequence;
    int64_t peak;
    double added_cost;
    uint64_t proposals; /* made */
} SearchResult;

/* The best sequence met, never worse than the start: within the budget before others, then by added
 * cost; outside the budget by peak. */
SearchResult search_sequences(const SearchProblem *problem, Arena *arena);

/* ---- recompute_tighten.c --------------------------------------------------------------------- */

/* The sequence with steps moved so that values live shorter, at no more added cost, its peak still
 * within the budget. What it buys is offsets: values that nothing forces to live side by side no
 * longer do. Requires: a sequence within the budget. `proposals` are counted, so that the result is
 * the same on any machine. */
Sequence tighten_sequence(const TaskGraph *graph, const Sequence *sequence, int64_t budget,
                          uint64_t proposals, Arena *arena);

/* ---- bounds.c -------------------------------------------------------------------------------- */

/* Most bytes that one task alone needs: what it reads and writes, and its workspace. No order of
 * steps needs less. */
int64_t feasibility_floor(const TaskGraph *graph);

typedef struct CostBound {
    double cost;        /* no sequence within the budget adds less */
    bool is_impossible; /* no sequence is within the budget */
    uint32_t task;      /* the task at whose first run the bound was found */
} CostBound;

/* The best over some tasks, chosen by a cheap estimate; at one task. */
CostBound cost_bound(const TaskGraph *graph, int64_t budget);
CostBound cost_bound_at(const TaskGraph *graph, uint32_t task, int64_t budget);

/* By value: made before `task`, and not in memory while it runs in the plan of the cut bound that
 * has at most `budget` bytes then (or as few as there can be). is_forced: by value, never made
 * again; or NULL. */
bool *choose_repeated(const TaskGraph *graph, uint32_t task, int64_t budget, const bool *is_forced,
                      Arena *arena);

typedef struct BoundPoint {
    int64_t budget;
    double bound_cost; /* no sequence within that budget adds less; between two points, no less than
                        * on the line from one to the other is not claimed, only what the next
                        * larger budget says */
} BoundPoint;

typedef struct BoundFrontier {
    BoundPoint *points; /* the largest budget first */
    uint32_t count;
} BoundFrontier;

/* The cut bound for all budgets, by parametric minimum cuts. */
BoundFrontier bound_frontier(const TaskGraph *graph, Arena *arena);

#endif
