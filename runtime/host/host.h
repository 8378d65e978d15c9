/* The host device's parts.
 *
 *     device_host.c   the one allocation, the list of launches
 *     host_kernel.c   a kernel made ready: which of the files below runs it, what it needs
 *     host_point.c    pointwise code on blocks of pixels that stay in the first-level cache
 *     host_strip.c    kernels with an epilogue: strips of rows, dealt to threads
 *     host_conv.c     convolution and its data gradient on the strips
 *     host_wgrad.c    its weight gradient
 *     host_outer.c    sums of outer products in bf16
 *     host_dnnl.c     one convolution of a fixed shape by oneDNN
 *     host_window.c   pooling and resampling gradients, on the strips
 *     host_combine.c  partial sums -> batch norm's vectors
 *     host_loss.c     heat-map losses
 *     host_decode.c   peaks of heat maps
 *     host_update.c   gradient norm, AdamW, EMA
 *     host_lanes.c    vectorised loops
 *     host_team.c     threads
 *
 * A prepared kernel holds everything that does not depend on the launch's addresses. Preparing it
 * computes the workspace as well, so that compiler and device cannot disagree about it. All scratch
 * memory of a launch is its planned workspace:
 *
 *     | shared: packed weights | thread 0: tiles, scratchpad, registers, sums | thread 1: ... |
 */
#ifndef SNUG_HOST_H
#define SNUG_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "host_dnnl.h"
#include "host_lanes.h"
#include "host_outer.h"
#include "host_team.h"
#include "runtime/program.h"

enum { HOST_MAX_THREADS = 256, HOST_MAX_ARGS = 64, HOST_ALIGNMENT = 64 };

/* ---- memory ---------------------------------------------------------------------------------- */

/* Hands out aligned pieces of a stretch of memory, by offset. */
typedef struct HostCarve {
    int64_t used;
} HostCarve;

int64_t host_carve(HostCarve *carve, int64_t bytes);

int64_t host_type_bytes(SnugType type);
static inline int64_t host_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t host_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
/* Offset of pixel (n, h, w) in elements. */
static inline int64_t host_pixel(const SnugArg *arg, int64_t n, int64_t h, int64_t w)
{
    return ((n * arg->shape.h + h) * arg->shape.w + w) * arg->pitch;
}

/* The share of thread t among `threads`: items [*begin, *end) of count, contiguous. */
void host_share(int64_t count, int32_t t, int32_t threads, int64_t *begin, int64_t *end);

/* ---- pointwise code: host_point.c ------------------------------------------------------------ */

typedef struct HostInstruction HostInstruction;

/* The epilogue of most data gradients, which has a loop of its own (lanes->grad_epilogue): args and
 * slots of its operands, -1: absent. */
typedef struct HostGradForm {
    bool matches;
    int32_t add, mask, z;               /* args */
    int32_t scale, shift, offset, rstd; /* slots */
} HostGradForm;

/* Pointwise code compiled for one domain. Registers are blocks of pixels x channels floats; values
 * that depend on the channel alone are computed once a launch (`fixed`). */
typedef struct HostCode {
    const HostLanes *lanes;
    SnugShape domain;
    HostInstruction *fixed, *moving; /* owned */
    int32_t fixed_count, moving_count;
    int32_t slot_count;   /* registers after reuse */
    int32_t block_pixels; /* most pixels of a block */
    int64_t block_floats;
    int32_t result;                    /* slot */
    int32_t with[SNUG_MAX_REDUCTIONS]; /* slots that reductions read */
    HostGradForm grad;
    int32_t copy_arg; /* the code is a plain load of this arg, -1: it is more */
    bool by_rows;     /* a block may not cross rows: something is resampled */
    bool is_core;     /* the code is the core's result alone */
} HostCode;

/* A thread's registers. */
typedef struct HostRegisters {
    float *storage; /* slot_count blocks */
    float **at;     /* where each slot's value is now */
} HostRegisters;

/* Compiles code over a domain. with: source registers that reductions read. */
bool host_code_create(HostCode *code, const SnugPointwise *source, const SnugArg *args,
                      int32_t arg_count, SnugShape domain, const int16_t *with, int32_t with_count);
void host_code_destroy(HostCode *code);
int64_t host_code_bytes(const HostCode *code); /* of a thread's registers */
/* Registers in memory of host_code_bytes; evaluates what is fixed. */
HostRegisters host_code_begin(const HostCode *code, void *memory, void *const *args);
/* Values of `pixels` pixels from (n, h, w) on, at most block_pixels, in the same row if by_rows;
 * core: fp32 results of the kernel at these pixels, dense. The result is {pixels, domain.c} floats,
 * valid until the next call. */
const float *host_code_run(const HostCode *code, HostRegisters *registers, void *const *args,
                           const float *core, int64_t n, int64_t h, int64_t w, int64_t pixels);
/* Runs the code over rows [begin, end) of image n, which may lie outside the picture: zeros then.
 * Writes a dense tile {end - begin, w, c} of type f32 or bf16. */
void host_code_fill(const HostCode *code, HostRegisters *registers, const SnugArg *arguments,
                    void *const *args, int64_t n, int64_t begin, int64_t end, void *tile,
                    SnugType type);

/* Where bilinear resampling up by `factor` reads for position `at` of the large side: between two
 * positions of the small side of `size`, the second with `weight`. */
typedef struct HostTap {
    int64_t first, second;
    float weight;
} HostTap;
HostTap host_bilinear_tap(int64_t at, int32_t factor, int64_t size);

/* ---- kernels --------------------------------------------------------------------------------- */

/* Everything that a launch needs. */
typedef struct HostLaunch {
    const SnugProgram *program; /* NULL in tests of single kernels that do not ask for it */
    char *base;                 /* of the one allocation */
    void **args;                /* one an arg of the kernel */
    char *workspace;
    HostTeam *team; /* of as many threads as the kernel is prepared for, or NULL */
} HostLaunch;

/* Geometry of a kernel that makes its result strip by strip, and where the pieces of a thread's
 * memory lie (offsets; -1: not needed). */
typedef struct HostStrips {
    SnugShape domain;                                           /* of the result */
    int32_t rows;                                               /* of a strip */
    int32_t rows_per_partial;                                   /* 0: no reductions */
    int32_t strips_per_image, strips_per_unit, units_per_image; /* a unit is one thread's work */
    int64_t code_memory[2];                                     /* registers of the prologues */
    int64_t part_memory;                                        /* part_bytes for each part */
    int64_t part_bytes, part_headers;
    int64_t rounded;                   /* a block of values as rounded for storage */
    int64_t sums[SNUG_MAX_REDUCTIONS]; /* 3 blocks each: sum, second sum, origin */
    int64_t x_tile, y_tile;            /* what the core reads */
    int64_t core_tile; /* {rows, w, c} fp32; -1: the core writes its result in place */
    int64_t extra;     /* the core's own */
} HostStrips;

typedef struct HostKernel {
    const SnugKernel *kernel;
    const HostLanes *lanes;
    int32_t threads;
    HostCode in[2];
    HostCode *parts; /* owned, part_count of them */
    HostStrips strips;
    HostConv *conv;          /* owned */
    SnugType compute;        /* of a matrix product's factors */
    int32_t y_rows, pad_top; /* conv_dgrad: rows of a tile of dy, and the padding above it */
    int64_t packed;          /* shared: weights in the library's layout */
    int64_t gradient, gradient_bytes; /* conv_wgrad, a thread: sum over its strips */
    bool is_outer;                    /* conv_wgrad by outer products, not by the library */
    bool by_channels;                 /* threads share the output channels, not the strips */
    HostOuter outer;
    int64_t x_pairs, y_pairs; /* rows of pairs of a strip */
    HostCarve shared;         /* workspace before the threads' parts */
    HostCarve each;           /* a thread's part */
} HostKernel;

/* What one thread has in hand during a launch. */
typedef struct HostThread {
    const HostKernel *k;
    const HostLaunch *launch;
    int32_t index;
    char *memory; /* its part of the workspace */
    HostRegisters in[2];
    HostRegisters *parts;
    bool ok; /* false after the library has failed */
} HostThread;

/* Computes the core of rows [row, row + strips.rows) of image n into `core`, fp32 dense; NULL: into
 * the result itself. Rows at or beyond the picture's end are the core's to fill as it likes. */
typedef void HostCore(HostThread *thread, int64_t n, int64_t row, float *core);

/* Makes ready / runs: a kernel with an epilogue. */
bool host_strips_create(HostKernel *k, bool dry);
void host_strips_destroy(HostKernel *k);
bool host_strips_run(const HostKernel *k, const HostLaunch *launch);

/* Rows of a strip: the count that makes the slowest thread's work shortest, by a model in which a
 * strip costs its rows plus `halo` rows, and more where `row_bytes` for each do not fit the cache.
 * multiple: of rows; partial: rows of a reduction's partial or 0, one divides the other. */
int32_t host_choose_rows(SnugShape domain, int32_t partial, int32_t multiple, double halo,
                         int64_t row_bytes, int32_t threads);

bool host_window_is_valid(const SnugWindow *window);
/* The type of the factors of a kernel's matrix product. */
SnugType host_compute_type(const SnugKernel *kernel);
/* The library's convolution for strips of `rows` rows of the kernel's domain. */
HostConvShape host_conv_shape(const HostKernel *k, HostConvKind kind, int32_t rows);

/* Convolution: host_conv.c. prepare carves tiles and fixes strips.rows. */
bool host_conv_prepare(HostKernel *k, bool dry);
HostCore host_conv_core;
/* Rows [first, first + rows) of image n of what a core reads, in the factors' type: prologue
 * `which` applied into the thread's tile; where it is a plain load of rows inside the picture, the
 * tensor's own rows. */
const void *host_source_rows(HostThread *thread, int32_t which, int64_t tile, int64_t n,
                             int64_t first, int64_t rows);
/* host_wgrad.c */
bool host_wgrad_create(HostKernel *k, bool dry);
bool host_wgrad_run(const HostKernel *k, const HostLaunch *launch);

/* Pooling and resampling gradients: host_window.c. */
bool host_window_prepare(HostKernel *k);
HostCore host_window_core;

/* The small kernels: host_combine.c, host_loss.c, host_decode.c, host_update.c. Workspace -1, not
 * valid: args that do not fit the kind. */
bool host_combine_is_valid(const SnugKernel *kernel);
void host_combine_run(const SnugKernel *kernel, void *const *args);
int64_t host_loss_workspace(const SnugKernel *kernel, int32_t threads);
void host_loss_run(const HostKernel *k, const HostLaunch *launch);
int64_t host_decode_workspace(const SnugKernel *kernel, int32_t threads);
void host_decode_run(const HostKernel *k, const HostLaunch *launch);
void host_grad_norm_run(const HostLaunch *launch, int32_t threads);
void host_adamw_run(const HostLaunch *launch, int32_t threads);

/* ---- any kernel: host_kernel.c --------------------------------------------------------------- */

/* Prepares a kernel; dry: only as far as the workspace's size needs it. NULL where the kernel is
 * none that this device can run. */
HostKernel *host_kernel_create(const SnugKernel *kernel, int32_t threads, bool dry);
void host_kernel_destroy(HostKernel *k);
int64_t host_kernel_workspace(const HostKernel *k);
bool host_kernel_run(const HostKernel *k, const HostLaunch *launch); /* false: the library failed */

#endif
