/* The program format: what the compiler writes and the runtime executes.
 *
 * A program is a set of constant tables, emitted as C with designated initialisers and linked with
 * the runtime into a trainer. It is the only header that both sides share.
 *
 *     one allocation   | parameters, gradients, optimiser, EMA, state, inputs | arena            |
 *                      0                                              persistent_bytes  total
 *
 *     segment          a list of launches, run in order
 *     launch           one kernel with the buffers that it reads and writes
 *     kernel           what to compute: a core, and pointwise code fused before and after it
 *     buffer           bytes at an offset of the one allocation, planned; several buffers may share
 *                      bytes when they never live at the same time
 *
 * Tensors are NHWC. `pitch` is the distance of two pixels in elements: channels padded as the
 * device wants; the padding channels of a stored tensor are zero.
 */
#ifndef SNUG_PROGRAM_H
#define SNUG_PROGRAM_H

#include <stdint.h>

#define SNUG_PROGRAM_VERSION 6
#define SNUG_ALIGNMENT       256 /* of every buffer, bytes */

/* ---- types and shapes ------------------------------------------------------------------------ */

typedef enum SnugType {
    SNUG_UNKNOWN, /* not yet inferred; never in a program */
    SNUG_F32,
    SNUG_F16,
    SNUG_BF16,
    SNUG_U8 /* pictures: 0 .. 255 */
} SnugType;

typedef struct SnugShape {
    int32_t n, h, w, c;
} SnugShape;

/* ---- pointwise code --------------------------------------------------------------------------
 *
 * A straight line of instructions without branches; instruction i leaves one float in register i:
 * the value at element (n, h, w, c) of the domain of the kernel. a, b, d are registers. What each
 * instruction does: points.def.
 *
 *     relu(bn(z)) as the prologue of a conv      dz = A g + B z + C as the prologue of its gradient
 *     r0 = load arg 0                            r0 = load arg 0      (g)
 *     r1 = channel arg 1 row 2   (scale)         r1 = load arg 2      (z)
 *     r2 = channel arg 1 row 3   (shift)         r2 = channel arg 3 row 0 ...
 *     r3 = fma r0 r1 r2                          r5 = fma r0 r2 ...
 *     r4 = relu r3
 */
typedef enum SnugPointOp {
#define POINT(name, from, operands, affine, binds, formula, cuda, meaning) SNUG_POINT_##name,
#include "points.def"
#undef POINT
    SNUG_POINT_OP_COUNT
} SnugPointOp;

/* Where the value of an instruction is from: as points.def has it. */
typedef enum SnugPointFrom {
    SNUG_FROM_registers,
    SNUG_FROM_core,
    SNUG_FROM_tensor,
    SNUG_FROM_vector,
    SNUG_FROM_constant
} SnugPointFrom;

typedef struct SnugPoint {
    SnugPointOp op;
    int16_t a, b, d;
    int16_t arg;
    int16_t factor;  /* loads: 1, 2, 4, ... */
    int16_t row;     /* channel; round: a SnugType */
    int32_t channel; /* loads, channel: offset into the channels of arg, for slices and concat */
    float constants[4];
} SnugPoint;

/* The value of the last instruction is the result. count 0: this pointwise code is absent. */
typedef struct SnugPointwise {
    const SnugPoint *code;
    int32_t count;
} SnugPointwise;

/* One stretch of the output's channels: c runs from 0 to channel_count in its code. Every kernel
 * with an epilogue has exactly one part over all channels, only `map` may have more (concat). */
typedef struct SnugPart {
    int32_t channel_begin, channel_count;
    SnugPointwise out;
} SnugPart;

/* ---- reductions over (n, h, w), a channel at a time ------------------------------------------
 *
 * Collected by the kernel that makes the value, from the value as rounded for storage. Each of P
 * parts of the picture writes one partial; a small kernel combines them in a fixed order.
 * partials: f32 {1, P, rows, c}. On the host part p covers rows [k * rows_per_partial, ...) of
 * image i, where p = i * parts_an_image + k; on a card a SnugTile.
 */

/* A card's part of a picture: what one block of threads makes. Of tiles of rows x columns
 * pixels, those at the right and at the bottom cut off, part
 *
 *     p = (i * tiles_down + th) * tiles_across + tw
 *
 * covers tile (th, tw) of image i. Rows 0: there are no tiles (on the host). */
typedef struct SnugTile {
    int32_t rows, columns;
} SnugTile;

typedef enum SnugReductionKind {
    SNUG_REDUCE_sum,     /* 1 row: sum of v */
    SNUG_REDUCE_moments, /* 2 rows: mean of v, sum of (v - mean)^2, both over the part */
    SNUG_REDUCE_grad     /* 2 rows: sum of v, sum of v * register `with` (x-hat) */
} SnugReductionKind;

typedef struct SnugReduction {
    SnugReductionKind kind;
    int16_t with;             /* grad: register of parts[0].out that holds x-hat */
    int16_t arg;              /* where the partials go */
    int32_t rows_per_partial; /* host: picture rows that one partial covers; divides the picture's
                                 rows, so that every partial counts the same */
    SnugTile tile;            /* card; this and rows_per_partial are equal for all reductions of a
                                 kernel */
} SnugReduction;

/* ---- kernels --------------------------------------------------------------------------------- */

/* The cores, y = out(core(in[0], ...)), then the small ones with fixed args: kernels.def. */
typedef enum SnugKernelKind {
#define KERNEL(name, ...) SNUG_KERNEL_##name,
#include "kernels.def"
#undef KERNEL
    SNUG_KERNEL_KIND_COUNT
} SnugKernelKind;

/* Which shape of a kernel's window a prologue or an epilogue runs over. */
typedef enum SnugDomain { SNUG_DOMAIN_none, SNUG_DOMAIN_x, SNUG_DOMAIN_y } SnugDomain;

/* What a kernel has besides its window and its args. */
typedef enum SnugWith { SNUG_WITH_none, SNUG_WITH_bn, SNUG_WITH_loss, SNUG_WITH_params } SnugWith;

enum { SNUG_MAX_FIXED_ARGS = 6 };

/* How a kernel uses one of its args. accumulate: reads and adds to what is there. */
typedef enum SnugAccess { SNUG_READ, SNUG_WRITE, SNUG_ACCUMULATE } SnugAccess;

typedef struct SnugArg {
    SnugAccess access;
    SnugType type;
    SnugShape shape;
    int32_t pitch; /* elements between two pixels, >= shape.c */
} SnugArg;

/* Geometry of a window: y.h = (x.h + 2 pad - kernel) / stride + 1. Always in the sense of the
 * forward conv: x is its input, y its output; weights are {y.c, kernel, kernel, x.c}, f32 masters
 * or the device's half copy, whose pitch is padded. A transposed conv is the dgrad of the conv
 * whose y it reads. */
typedef struct SnugWindow {
    int32_t kernel, stride, pad;
    SnugShape x, y;
} SnugWindow;

typedef struct SnugBn {
    float eps;
    float momentum;
    int64_t count; /* elements a channel */
    int32_t frozen;
    SnugTile tile; /* of the partials; the kernel's window.y is the picture they are of */
} SnugBn;

/* Heat-map losses. heat {n, h, w, k}; points {1, n, k, 3} f32: x, y in pixels of the heat map times
 * `stride` (the network's input pixels, centre of the first pixel at 0), and weight. The target of
 * map (n, k) is a Gaussian of peak 1 with `sigma` heat-map pixels around (x / stride, y / stride).
 *
 * map_loss[n][k] = mean over h, w of l(heat, target); then, with w the weight of the point,
 *   loss of image n   mse, adaptive_wing:  sum over k of w * map_loss / k
 *                     ohkm:                mean over the `top` largest w * map_loss
 *   scalar loss      += image_weight[n] / loss_scale * loss of image n
 *   map_weight[n][k]  = d (scaled loss) / d map_loss[n][k]
 * l: mse (heat - t)^2; adaptive wing: Wang et al., ICCV 2019, equation 6, times 1 + 10 [t' > 0.2]
 * where t' is the target dilated by 3x3 (the weighted loss map of the same paper) if `weighted`. */
typedef enum SnugLossKind { SNUG_LOSS_mse, SNUG_LOSS_adaptive_wing, SNUG_LOSS_ohkm } SnugLossKind;

typedef struct SnugLoss {
    SnugLossKind kind;
    float sigma;  /* heat-map pixels */
    float stride; /* input pixels a heat-map pixel */
    float omega, theta, epsilon, alpha;
    int32_t weighted;
    int32_t top;
} SnugLoss;

enum { SNUG_MAX_REDUCTIONS = 4 };

/* A read arg that the epilogue loads at its own element (and no prologue, nor the core) may share
 * the bytes of the output: a kernel reads an element of it before it writes that element. */
typedef struct SnugKernel {
    const char *name;
    SnugKernelKind kind;
    const SnugArg *args;
    int32_t arg_count;
    int32_t output_arg; /* where the main result goes; -1: none */
    int32_t weight_arg; /* conv, conv_dgrad */
    SnugWindow window; /* conv*, max_pool*; upsample_grad, bilinear_grad: x small, y large, kernel =
                            stride = factor; map: y is the domain, all else 0 */
    SnugPointwise in[2]; /* prologues over x, dy or y as the kind says; always present for a core */
    const SnugPart *parts;
    int32_t part_count; /* 0 for the small kernels */
    SnugReduction reductions[SNUG_MAX_REDUCTIONS];
    int32_t reduction_count;
    SnugBn bn;
    SnugLoss loss;
    int32_t is_gemm;         /* a card: the compiler gave it to cuBLAS, as its SnugGemm says */
    int64_t workspace_bytes; /* the launch's last buffer, where not 0 */
} SnugKernel;

/* ---- buffers and launches -------------------------------------------------------------------- */

typedef struct SnugBuffer {
    const char *name;
    int64_t offset, bytes; /* from the start of the one allocation */
    SnugType type;
    SnugShape shape;
    int32_t pitch;
    int32_t line; /* in the model file, 0: none */
} SnugBuffer;

typedef struct SnugLaunch {
    const char *label;
    int32_t kernel;         /* index */
    const int32_t *buffers; /* one an arg, then the workspace if the kernel has one */
    int32_t line;
} SnugLaunch;

typedef enum SnugSegmentId {
    SNUG_SEGMENT_micro_step, /* forward, loss, backward: gradients += */
    SNUG_SEGMENT_update,     /* norm, clip, AdamW, EMA; gradients = 0 */
    SNUG_SEGMENT_evaluate,   /* forward with EMA weights (or plain) and running statistics */
    SNUG_SEGMENT_init,       /* after parameters were set from outside: half copies = weights */
    SNUG_SEGMENT_COUNT
} SnugSegmentId;

typedef struct SnugSegment {
    const SnugLaunch *launches;
    int32_t launch_count;
} SnugSegment;

/* ---- parameters and scalars ------------------------------------------------------------------ */

typedef enum SnugParamKind {
    SNUG_PARAM_conv_weight,   /* {out, k, k, in} here, {out, in, k, k} in files */
    SNUG_PARAM_deconv_weight, /* {in of the deconv, k, k, out of it}; files {in, out, k, k} */
    SNUG_PARAM_bias,
    SNUG_PARAM_bn_gamma,
    SNUG_PARAM_bn_beta,
    SNUG_PARAM_running_mean, /* these two: state, not trained */
    SNUG_PARAM_running_var
} SnugParamKind;

/* Offsets of equal-shaped f32 arrays in the one allocation; -1: there is none. */
typedef struct SnugParam {
    const char *name; /* as in a PyTorch state dict: "stage2.0.branches.1.0.conv1.weight" */
    SnugParamKind kind;
    SnugShape shape; /* vectors {1, 1, 1, c} */
    int64_t weight, grad, m, v, ema;
    int64_t half;     /* f16 copy for a card's matrix products: {n, h, w, c padded to a multiple of
                           8}, padding zero once SNUG_SEGMENT_init has run; -1: there is none */
    float init_scale; /* standard deviation of the normal a weight starts from; 0: zeros (bias,
                         beta, running mean) or ones (gamma, running variance) by kind */
    int32_t decay;    /* weight decay applies */
} SnugParam;

/* The scalars buffer: f32, written by the runtime before a segment or by a kernel. */
typedef enum SnugScalar {
    SNUG_SCALAR_loss_scale,
    SNUG_SCALAR_lr,
    SNUG_SCALAR_beta1,
    SNUG_SCALAR_beta2,
    SNUG_SCALAR_eps,
    SNUG_SCALAR_weight_decay,
    SNUG_SCALAR_correction1, /* 1 - beta1^t */
    SNUG_SCALAR_correction2, /* 1 - beta2^t */
    SNUG_SCALAR_clip,        /* largest norm of the unscaled gradient; 0: none */
    SNUG_SCALAR_ema_decay,   /* of this update */
    SNUG_SCALAR_loss,        /* out: sum over the micro-steps since it was last set to 0 */
    SNUG_SCALAR_grad_norm,   /* out: of the unscaled gradient, before clipping */
    SNUG_SCALAR_finite,      /* out: 1, or 0 where a gradient is Inf or NaN: nothing was updated */
    SNUG_SCALAR_COUNT = 16
} SnugScalar;

/* ---- kernels of a card -----------------------------------------------------------------------
 *
 * The source text of a kernel is a translation unit for NVRTC, with headers by name from the table.
 * Its entries are launched in order. Each is an extern "C" function that takes one device pointer
 * an arg of the kernel, in order, then one to the workspace if the kernel has one.
 */

typedef struct SnugCudaEntry {
    const char *name;
    int32_t grid[3];
    int32_t threads;      /* of a block, in one dimension */
    int32_t shared_bytes; /* dynamic; above 48 KiB the function must be told */
} SnugCudaEntry;

/* A kernel that is nothing but a matrix product, as cublasGemmEx takes it (column-major, so that
 * NHWC tensors are their own transposes):
 *
 *     C (m x n) = op(A) op(B) + beta C     A, B: f16; sums: f32; C: f16 or f32
 *
 * a, b, c are args; leading dimensions are their pitches; the library's workspace is the kernel's.
 * m 0: it is none. The kernel has its own source all the same, for a machine without cuBLAS, and
 * its workspace is large enough for either. */
typedef struct SnugGemm {
    int32_t m, n, k;
    int32_t a, b, c;
    int32_t transposes_a, transposes_b;
    int32_t beta; /* 0 or 1 */
} SnugGemm;

typedef struct SnugCudaKernel {
    const char *source;
    int32_t line; /* of MODEL.cu, where the same text begins; 0: nowhere */
    const SnugCudaEntry *entries;
    int32_t entry_count;
    SnugGemm gemm;
} SnugCudaKernel;

typedef struct SnugCudaHeader {
    const char *name; /* "prims.cuh", as it is included */
    const char *text;
} SnugCudaHeader;

/* ---- the program ----------------------------------------------------------------------------- */

/* What the model file's `train` says; flags of the trainer override it. */
typedef struct SnugDefaults {
    float lr, min_lr, weight_decay, beta1, beta2, eps, clip, ema_decay;
    int32_t accumulate, epochs, warmup_epochs;
    int32_t mixed_precision;
    int32_t use_ema;
} SnugDefaults;

/* A smaller plan of the same model, made with the program's own: what a trainer offers where a card
 * has less memory free than the program needs. */
typedef struct SnugAlternative {
    int64_t total_bytes;
    int32_t batch_size, accumulate; /* the effective batch is at least that of the program */
    int32_t image_height, image_width;
    float picture_ms;    /* estimated, for the card that was planned for */
    float added;         /* of it, what is computed again: 0.05 is 5 % of the rest */
    const char *command; /* that compiles it: "snug compile ..." */
} SnugAlternative;

typedef struct SnugProgram {
    int32_t version;
    const char *model;      /* "hrnet_w32" */
    const char *model_path; /* as given to the compiler */
    const char *model_hash; /* XXH3 of the sources and overrides, 32 hex digits */
    const char *device;     /* "host" or "cuda" */
    const char *overrides;  /* "-D width=48", or "" */
    int32_t host_threads;   /* threads that the plan's workspaces are for */
    int32_t batch_size, image_height, image_width, image_channels;
    int32_t landmarks;
    SnugType storage; /* of activations */

    const char *const *plan_page; /* plan.html in pieces, NULL after the last; NULL: none */
    int64_t total_bytes, persistent_bytes, budget_bytes;
    const SnugBuffer *buffers;
    int32_t buffer_count;
    const SnugKernel *kernels;
    int32_t kernel_count;
    const SnugCudaKernel *cuda_kernels; /* one a kernel; NULL on the host */
    const SnugCudaHeader *cuda_headers;
    int32_t cuda_header_count;
    int32_t requires_cublas; /* without it: 0, its kernels run as our own; 1, an error */
    SnugSegment segments[SNUG_SEGMENT_COUNT];
    const SnugParam *params;
    int32_t param_count;

    int32_t image_buffer;         /* u8 {n, h, w, 3}, -1: none */
    int32_t points_buffer;        /* f32 {1, n, k, 3} */
    int32_t image_weights_buffer; /* f32 {1, 1, 1, n}: loss_scale times the weight of each image */
    int64_t staging_offset; /* of a second place for the batch's three buffers, where the next batch
                               arrives while a card works on this one; -1: there is none */
    int32_t scalars_buffer; /* f32 {1, 1, 1, SNUG_SCALAR_COUNT} */
    int32_t output_buffer;  /* f32 heat maps after `evaluate` */
    int32_t peaks_buffer;   /* f32 {1, n, k, 3}, of the same: what SNUG_KERNEL_decode makes */
    SnugLoss loss;
    SnugDefaults defaults;
    const SnugAlternative *alternatives; /* the cheapest first; none on the host */
    int32_t alternative_count;
} SnugProgram;

/* Written by the compiler into NAME.c; read by the trainer. */
extern const SnugProgram *const snug_programs[];
extern const int32_t snug_program_count;

#endif
