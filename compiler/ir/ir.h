/* All nouns of the compiler, in the order in which a model meets them.
 *
 *     Model      parameters, training settings, and two graphs
 *     Graph      ops and values: what is computed               elaborate, shapes, autodiff
 *     KernelSet  kernels over stored values: by what            fuse
 *     Schedule   steps: in which order, and what again          schedule, recompute
 *     Plan       buffers: at which bytes                        pack, plan
 *
 * A reference is a handle, an index in a struct, so that mixing them does not compile. Handle 0 is
 * nothing: item 0 of values and ops is a dummy.
 */
#ifndef SNUG_IR_H
#define SNUG_IR_H

#include "compiler/floor/arena.h"
#include "compiler/floor/diag.h"
#include "compiler/floor/map.h"
#include "compiler/floor/text.h"
#include "runtime/program.h"

/* clang-format off */
typedef struct ValueId { uint32_t i; } ValueId;
typedef struct OpId { uint32_t i; } OpId;
typedef struct ParamId { uint32_t i; } ParamId;
typedef struct KernelId { uint32_t i; } KernelId; /* from 0 */
typedef struct StepId { uint32_t i; } StepId;     /* from 0, in order */
typedef struct BufferId { uint32_t i; } BufferId; /* from 0 */
/* clang-format on */

/* ---- graph ----------------------------------------------------------------------------------- */

/* Dimensions are 64 bits while they are being checked; a graph that passed infer_shapes has each
 * dimension in [1, 2^31) and bytes below 2^48, so that sums of them cannot overflow. All 0:
 * unknown, after an error; ops that read an unknown shape stay silent and give one. */
typedef struct Shape {
    int64_t n, h, w, c;
} Shape;

typedef enum OpKind {
#define OP(name, inputs, outputs, traits, synopsis) OP_##name,
#include "ops.def"
#undef OP
    OP_COUNT
} OpKind;

typedef enum OpTrait {
    SOURCE = 1 << 0,
    POINTWISE = 1 << 1, /* may be fused before or after a core */
    HEAVY = 1 << 2,     /* a matrix product */
    WINDOW = 1 << 3,    /* a core that is no matrix product */
    REDUCES = 1 << 4,   /* needs all of its first input before its first result */
    RESAMPLE = 1 << 5,  /* pointwise but for where it reads */
    AFFINE = 1 << 6, /* pointwise, and of a mean of elements the same mean of its results: commutes
                           with interpolation. Coefficients may differ by channel, never by place */
    CONCAT = 1 << 7,
    ACCUMULATES = 1 << 8, /* adds to parameter gradients: may run once only */
    TINY = 1 << 9         /* a vector in, a vector out */
} OpTrait;

typedef struct OpInfo {
    const char *name;
    int8_t inputs, outputs; /* inputs -1: any number */
    uint32_t traits;
    const char *synopsis;
} OpInfo;
extern const OpInfo op_info[OP_COUNT];

/* ---- instructions of pointwise code ---------------------------------------------------------- */

/* How tightly a formula binds. */
typedef enum Binding { BINDING_sum, BINDING_product, BINDING_atom } Binding;

/* A row of runtime/points.def, which says what each field means. */
typedef struct PointInfo {
    const char *name;
    SnugPointFrom from;
    int8_t operands;
    bool is_affine;
    Binding binds;
    const char *formula, *cuda;
} PointInfo;
extern const PointInfo point_info[SNUG_POINT_OP_COUNT];

/* How many registers an instruction reads; the first so many of `operands` are they. */
int32_t point_operands(const SnugPoint *point, int16_t operands[3]);
bool point_reads_arg(const SnugPoint *point);

/* ---- kinds of kernels ------------------------------------------------------------------------ */

typedef struct FixedArg {
    SnugAccess access;
    int32_t rows; /* of an f32 vector over the channels; 0: it is something else */
    const char *name;
} FixedArg;

/* A row of runtime/kernels.def, which says what each field means. */
typedef struct KernelInfo {
    const char *name;
    SnugDomain result, in[2];
    SnugWith with;
    FixedArg args[SNUG_MAX_FIXED_ARGS + 1]; /* the first without a name ends them */
} KernelInfo;
extern const KernelInfo kernel_info[SNUG_KERNEL_KIND_COUNT];

/* The domains of a kernel's epilogue and of a prologue; all 0: there is none. */
SnugShape result_domain(const SnugKernel *kernel);
SnugShape prologue_domain(const SnugKernel *kernel, int side);

/* Where a value's bytes are. */
typedef enum Storage {
    STORAGE_arena,  /* made and dropped within a segment */
    STORAGE_param,  /* param: a parameter, or a running statistic */
    STORAGE_grad,   /* param: the gradient of a parameter, fp32, added to */
    STORAGE_half,   /* param: the half-precision copy of a weight, for a card's matrix products */
    STORAGE_input,  /* input: one of the batch's buffers */
    STORAGE_scalars /* the scalars buffer: the loss */
} Storage;

typedef enum InputKind {
    INPUT_picture,
    INPUT_landmarks,
    INPUT_image_weights,
    INPUT_tensor
} InputKind;

typedef struct Value {
    const char *name; /* unique in its graph; its op's path: "stage2.0.branches.1.0.conv1" */
    Shape shape;
    SnugType type;
    Storage storage;
    ParamId param;   /* STORAGE_param, STORAGE_grad */
    InputKind input; /* STORAGE_input */
    OpId maker;
    Span source;
    bool is_output; /* lives to the end of the segment */
} Value;

typedef struct Op {
    OpKind kind;
    ValueId *inputs;
    uint32_t input_count;
    ValueId outputs[3];
    uint32_t output_count;
    const char *name; /* path, as for values */
    Span source;
    bool is_backward; /* made by differentiate */

    /* attributes, by kind */
    int32_t kernel, stride, pad; /* conv, deconv, max_pool and their gradients; a deconv's are those
                                    of the conv whose transpose it is */
    int32_t output_pad;          /* deconv: y.h = (x.h - 1) stride - 2 pad + kernel + output_pad */
    int32_t factor;              /* upsample, bilinear and gradients */
    int64_t channel;             /* slice: first channel */
    Shape like;            /* gradients whose result's shape is not that of an input: conv_dgrad,
                                    upsample_grad, bilinear_grad, slice (c only) */
    float number;          /* scale: factor */
    float mean[3], std[3]; /* normalize */
    SnugBn bn;             /* bn_*: eps, momentum, frozen */
    SnugLoss loss;         /* heatmap_loss, loss_combine, heatmap_loss_grad; decode: sigma,
                                    stride */
} Op;

typedef struct Graph {
    Arena *arena;
    Interner *names;
    ARRAY(Value) values; /* [0] is a dummy */
    ARRAY(Op) ops;       /* [0] is a dummy; in an order in which makers precede users */
    Map taken;           /* every name in use -> how often it was asked for (uint32_t *) */
} Graph;

/* ---- model ----------------------------------------------------------------------------------- */

typedef struct Param {
    const char *name; /* "stage2.0.branches.1.0.conv1.weight" */
    SnugParamKind kind;
    Shape shape;      /* as in SnugParam */
    float init_scale; /* as in SnugParam */
    bool decay;
    Span source;
} Param;

typedef struct Override {
    const char *name; /* interned */
    double value;
    bool used;
} Override;

typedef struct Model {
    const char *name;    /* of the file, without folder and suffix */
    ARRAY(Param) params; /* [0] is a dummy */
    Graph *train;        /* the forward pass; after differentiate the whole micro-step */
    Graph *evaluate;     /* the forward pass with running statistics; made by differentiate */
    ValueId image, points, image_weights, heat, loss; /* in train; heat: what `output` or the loss
                                                         names; 0 where the model has none */
    ValueId evaluate_heat, evaluate_image, evaluate_peaks;
    SnugLoss loss_attributes;
    SnugDefaults defaults;
    int64_t batch_size, image_height, image_width, landmarks;
} Model;

/* ---- kernels --------------------------------------------------------------------------------- */

typedef struct Kernel {
    SnugKernel code;   /* arrays in the arena; workspace_bytes set by the target */
    ValueId *args;     /* code.arg_count of them: the values in each arg's place */
    const char *label; /* path of the op that gave the kernel its core */
    Span source;
    bool is_backward;
    bool may_repeat;      /* false where it accumulates (gradients, running statistics, loss) and
                              where it makes nothing but reductions; see repeat_kernel */
    uint32_t in_place;    /* bit a: the result may take the bytes of read arg a if that dies here */
    int64_t flops, bytes; /* of one launch: bytes moved to and from memory */
    double time_us;       /* estimate for the target; see cost.c */
    const char *bound;    /* what most of it is: "compute", "memory", "launch" */
    const char *tile;     /* how a card's matrix product is cut, in words; NULL: it is none */
} Kernel;

/* The kernels of one segment, in an order in which makers precede users. */
typedef struct KernelSet {
    Graph *graph; /* for values; only those that some kernel stores matter */
    ARRAY(Kernel) kernels;
    uint32_t absorbed; /* ops that became part of another op's kernel */
} KernelSet;

/* ---- schedule and plan ----------------------------------------------------------------------- */

/* One run of a kernel. A kernel that runs again makes new buffers for what is asked of it and never
 * repeats its reductions: args that repeat_kernel leaves out have NO_BUFFER. */
enum { NO_BUFFER = INT32_MAX };
typedef struct Step {
    KernelId kernel;
    bool is_repeat;
    BufferId *buffers; /* one an arg of the kernel; then the workspace, if it has one */
    uint32_t buffer_count;
} Step;

/* Half-open: from the step that writes it first until just after the step that reads it last. */
typedef struct Lifetime {
    uint32_t first, last;
} Lifetime;

/* One instance of a value (a recomputed value has two or more), a workspace, or, with `storage` not
 * the arena's, a persistent tensor seen by the segment. */
typedef struct Buffer {
    ValueId value; /* 0: a workspace */
    const char *name;
    Storage storage;
    int64_t bytes; /* multiple of SNUG_ALIGNMENT */
    Lifetime life; /* arena */
    BufferId
        in_place_of; /* takes over the bytes of this buffer, whose last step is this one's first;
                             itself: nothing is taken over */
    int64_t offset;  /* from the start of the arena; others: of the one allocation */
    Span source;
} Buffer;

/* What the planner proved about a segment. Bytes of the arena only. */
typedef struct Certificate {
    int64_t live_bound; /* most bytes alive at a step of this order: no packing needs less */
    uint32_t peak_step;
    int64_t feasibility_floor; /* most bytes that one kernel alone needs: no order needs less */
    int64_t keep_all_bytes;    /* arena with no recomputation */
    double recompute_us;       /* added by repeated steps and by rebuilding, estimate */
    double rebuild_us;         /* of it: by readers that rebuild residual sums */
    double recompute_bound_us; /* no plan within the budget adds less; 0 where none was proven */
    bool is_impossible;        /* proven: no plan of this segment is within the budget */
} Certificate;

typedef struct Plan {
    ARRAY(Step) steps;
    ARRAY(Buffer) buffers;
    int64_t arena_bytes;
    Certificate certificate;
} Plan;

/* Where the bytes of the one allocation go, persistent part first. */
typedef struct Layout {
    int64_t weights, halves, grads, moments, ema, state, inputs; /* bytes of each class, aligned */
    int64_t persistent_bytes;
    int64_t arena_bytes; /* the larger of the two segments' */
    int64_t total_bytes;
    int64_t *param_weight, *param_grad, *param_m, *param_v, *param_ema,
        *param_half;                               /* offsets by ParamId, -1 */
    int64_t image, points, image_weights, scalars; /* offsets, -1 */
    int64_t staging; /* where the next batch arrives while a card works on this one: as many bytes
                        as from image to the end of image_weights; -1: there is none */
} Layout;

/* ---- target ---------------------------------------------------------------------------------- */

typedef enum DeviceKind { DEVICE_host, DEVICE_cuda } DeviceKind;

/* Who makes plain matrix products on a card (gemm.h). */
typedef enum GemmChoice { GEMM_auto, GEMM_own, GEMM_cublas } GemmChoice;

/* Rates that the cost model needs; cards.def has the cards, cost.c the host. */
typedef struct Card {
    const char *name; /* "RTX 3070 Ti" */
    int64_t vram_bytes;
    double matrix_tflops; /* half in, fp32 accumulate, dense, reachable */
    double bandwidth_gbs; /* reachable */
    double launch_us;
    int32_t multiprocessors;
    const char *arch; /* "sm_86" */
} Card;

typedef struct Target {
    DeviceKind device;
    SnugType half;          /* bf16 on the host, f16 on a card; f32 where the CPU has no bf16 */
    int32_t pitch_multiple; /* channels of a stored half tensor, and of a vector in the arena, are
                               padded to this */
    SnugTile tile;          /* what a block of a card's kernels makes; rows 0 on the host */
    int32_t threads;        /* host */
    const Card *card;
    GemmChoice gemm;
    int64_t vram_bytes; /* 0: no budget was given */
    int64_t reserve_bytes;
    int64_t budget_bytes; /* vram - reserve, or INT64_MAX */
} Target;

/* ---- facts, ir.c ----------------------------------------------------------------------------- */
/* Bytes of a tensor of this shape and type when pixels are `pitch` elements apart. BUG where that
 * is over 2^62. */
int64_t tensor_bytes(Shape shape, SnugType type, int64_t pitch);
int64_t type_bytes(SnugType type);
const char *type_name(SnugType type);

#endif
