/* The compiler's stages, in pipeline order: this header is the map.
 *
 * A stage takes the compilation, adds its result, and returns false after it has reported an error.
 * pipeline.c calls them in a straight column.
 */
#ifndef SNUG_PIPELINE_H
#define SNUG_PIPELINE_H

#include "compiler/ir/ir.h"

struct Node;

/* The stages in order: names of --dump and --time, of the table in docs/hacking.md and of the
 * folders of tests/golden. run_pipeline calls them in the same order. */
#define SNUG_STAGES(X)                                                                             \
    X(tree) X(graph) X(shapes) X(autodiff) X(simplify) X(target) X(fuse) X(kernels) X(plan) X(check)

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
    const char *card;                  /* --card, or NULL */
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
    uint32_t rebuilds; /* fuse: backward kernels rebuild residual sums from that many tensors, 0:
                          they load them; chosen by the planner */
    KernelSet *kernels[SNUG_SEGMENT_COUNT]; /* update: NULL, its kernels are fixed */
    Plan *plans[SNUG_SEGMENT_COUNT];        /* micro_step (NULL without a loss) and evaluate */
    Layout layout;
    const SnugAlternative *alternatives; /* smaller plans, for a trainer to offer: alternatives.c */
    uint32_t alternative_count;
    double planner_seconds;
    bool fits;
} Compilation;

/* ---- grammar: parse.y, through parse_model in pipeline.c ------------------------------------- */
bool parse_model(Compilation *c); /* reads the file and what it imports -> tree */

/* ---- elaborate.c: tree -> graph -------------------------------------------------------------- */
/* Evaluates the model file: functions, loops, defaults, -D, --batch_size, --image_size. Ensures a
 * model whose train graph is the forward pass with its loss; shapes of params and inputs known. */
bool elaborate(Compilation *c);

/* ---- shapes.c -------------------------------------------------------------------------------- */
/* Shape and type of every value of a graph. infer_op is used by elaborate as it goes (x.channels
 * needs shapes), infer_shapes checks the whole graph again. Sources (input, param) have theirs from
 * their maker; infer_op checks their limits. Returns false after a diagnostic; with an unknown
 * input it stays silent, returns true, and the outputs stay unknown. */
bool infer_op(Graph *graph, OpId op, Diagnostics *diags, bool mixed);
bool infer_shapes(Compilation *c);

/* ---- autodiff.c, gradients.c ----------------------------------------------------------------- */
/* Appends the backward pass to model->train; makes model->evaluate; drops what nobody uses. */
bool differentiate(Compilation *c);

/* ---- simplify.c ------------------------------------------------------------------------------ */
bool simplify(Compilation *c); /* dead code, common subexpressions */

/* ---- fuse.c: graph -> kernels ---------------------------------------------------------------- */
bool choose_target(Compilation *c);       /* target.c: device, half type, card, budget */
bool fuse(Compilation *c);                /* -> kernels[micro_step], kernels[evaluate] */
KernelSet *fuse_training(Compilation *c); /* the micro-step's alone, as c->rebuilds says */
bool estimate_costs(Compilation *c); /* cost.c: flops, bytes, time_us; target.c: workspace_bytes */

/* ---- fuse_repeat.c: what a repeated step runs ------------------------------------------------ */
/* The kernel without its reductions and what only they read; arg a of the result is arg kept[a] of
 * the kernel. */
SnugKernel repeat_kernel(const SnugKernel *kernel, Arena *arena, const int32_t **kept);
bool repeat_needs(const SnugKernel *kernel, int32_t arg); /* repeat_kernel keeps the arg */
/* How many registers an instruction reads; the first so many of `operands` are they. */
int32_t point_operands(const SnugPoint *point, int16_t operands[3]);

/* ---- plan.c: kernels -> plan ----------------------------------------------------------------- */
bool plan_memory(Compilation *c); /* schedule.c, recompute.c, liveness.c, pack.c -> plans, layout */

/* ---- check_plan.c ---------------------------------------------------------------------------- */
/* Executes every plan symbolically: each byte read must be the byte that its producer wrote last.
 * Shares no code with the planner. BUG where the plan is wrong. */
bool check_plans(Compilation *c);

/* ---- emit_program.c -------------------------------------------------------------------------- */
/* The program in memory; valid while the compilation lives. Requires checked plans. */
const SnugProgram *build_program(Compilation *c);
/* Writes folder/NAME.c and NAME_plan.h, whole or not at all, and leaves it alone where nothing has changed. The
 * variants are of one model with other sizes. Returns false with errno. */
bool emit_program(Compilation *const *variants, uint32_t count, const char *folder);

/* ---- emit_cuda.c ----------------------------------------------------------------------------- */
/* For a card: folder/NAME.cu, NAME_cuda.h, which NAME.c includes, and the headers that kernels
 * include. Requires kernels_are_complete. Returns false with errno. */
bool emit_cuda(Compilation *const *variants, uint32_t count, const char *folder);

/* ---- verify.c: invariants after each stage, BUG where one is broken -------------------------- */
void verify_graph(const Graph *graph, const Model *model, const char *stage);
void verify_kernels(const KernelSet *kernels, const Model *model, const char *stage);

/* ---- print.c: what --dump=STAGE prints; stable text, no addresses ---------------------------- */
/* diags: for the source lines; NULL: without them. */
void print_graph(FILE *out, const Graph *graph, const Model *model, const Diagnostics *diags);
void print_kernels(FILE *out, const KernelSet *kernels, const Model *model);
void print_plan(FILE *out, const Plan *plan, const KernelSet *kernels);

/* ---- graph.c: building and rewriting graphs -------------------------------------------------- */
Graph *graph_create(Arena *arena, Interner *names);
/* An op with its outputs (unknown shape), named `name` (made unique: "x", "x_2", "x_3"). Outputs
 * are in the arena, but for those of input and param, the gradients of parameters and the loss; whose
 * (param, input) is for the caller to set. The returned op handle is valid until the end; pointers
 * into graph->ops are not. */
OpId graph_append(Graph *graph, OpKind kind, const ValueId *inputs, uint32_t input_count,
                  const char *name, Span source);
ValueId graph_output(const Graph *graph, OpId op, uint32_t k);
Graph *graph_clone(const Graph *graph, Arena *arena); /* same handles */
void graph_replace_uses(Graph *graph, ValueId old_value, ValueId new_value);
void graph_rename(Graph *graph, ValueId value, const char *name); /* made unique */
/* Drops every op whose entry in keep_op is false; no kept op may read what a dropped one makes.
 * Returns the new handle of each old value (0: dropped), in `arena`. */
const ValueId *graph_compact(Graph *graph, const bool *keep_op, Arena *arena);
/* Whether the op does more than make its outputs: adds to gradients or the loss, or moves running
 * statistics. Such an op stays although nobody reads it, and runs once. */
bool op_has_effect(const Op *op);
/* Bytes of a tensor of this shape and type when pixels are `pitch` elements apart. BUG where that
 * is over 2^62. */
int64_t tensor_bytes(Shape shape, SnugType type, int64_t pitch);
int64_t type_bytes(SnugType type);
const char *type_name(SnugType type);

/* ---- reports --------------------------------------------------------------------------------- */
void report_text(FILE *out, const Compilation *c, bool color);
/* is_timed: with the seconds that planning took; else the same input gives the same bytes. */
void report_json(FILE *out, const Compilation *c, bool is_timed);
void report_csv(FILE *out, const Compilation *c);   /* for other packers */
void report_trace(FILE *out, const Compilation *c); /* for Chrome and Perfetto */

/* ---- pipeline.c ------------------------------------------------------------------------------ */
Compilation *compilation_create(const CompileOptions *options);
void compilation_destroy(Compilation *c);
extern const char *const stage_names[];
extern const uint32_t stage_count;
/* The number of a stage, from 0; stage_count where there is none of that name. */
uint32_t find_stage(const char *name);
/* Runs the stages up to and including `last`. Returns the exit status; diagnostics are in
 * c->diags. */
ExitStatus run_pipeline(Compilation *c, const char *last, FILE *dump_out);

#endif
