/* Kernels of a card as source text: shared by emit_cuda.c and the cuda_*.c files.
 *
 *     emit_cuda.c     writes NAME.cu, and the texts into NAME.c
 *     cuda_source.c   the text of one kernel: arguments, geometry, pointwise code, #include
 *     cuda_point.c    pointwise code as device functions
 *     cuda_maps.c     kernels that make a result chunk by chunk: maps, windows
 *     cuda_small.c    batch norm's vectors, losses, the update
 *     cuda_conv.c     matrix products, cut as tiles.h says
 */
#ifndef SNUG_CUDA_H
#define SNUG_CUDA_H

#include "compiler/ir/ir.h"

/* The text of one kernel while it is being written. */
typedef struct CudaSource {
    Arena *arena;
    const SnugProgram *program; /* params and offsets, for the kernels that go over all of them */
    const SnugKernel *kernel;
    int32_t index;                 /* of the kernel in the program, as launches name it */
    const Card *card;              /* grids are chosen for it */
    Text constants, large, macros; /* geometry: "NAME = 1, ...", those beyond int, #defines */
    Text text;                     /* what stands behind it */
    ARRAY(SnugCudaEntry) entries;
    int32_t threads;        /* of a block: THREADS */
    const char *header;     /* the hand-written part */
    const char *base;       /* what it needs outside of the kernel's namespace */
    const char *kind_macro; /* what the text takes back itself, behind it; NULL: nothing */
} CudaSource;

/* ---- cuda_source.c --------------------------------------------------------------------------- */

/* The kernel as a translation unit, and as a part of one with others: see kernels/prims.cuh. No
 * line is longer than 100 columns. source and entries are in the arena. */
void cuda_kernel_source(Arena *arena, const SnugProgram *program, const Card *card, int32_t kernel,
                        SnugCudaKernel *result);

/* A number of the geometry, as a constant of C++; a float is a macro. */
void cuda_define(CudaSource *source, const char *name, int64_t value);
void cuda_define_float(CudaSource *source, const char *name, float value);
/* Macros, which kernels/end.cuh takes back: a number that an #if of the hand-written part asks, and
 * the name of an arg, a member or a function. */
void cuda_define_flag(CudaSource *source, const char *name, int64_t value);
void cuda_define_name(CudaSource *source, const char *macro, const char *name);
/* The shortest decimal that reads back as the same float, as C has it: "0.1f". */
const char *cuda_float(Arena *arena, float number);
/* X_IMAGES, X_HEIGHT, X_WIDTH, X_CHANNELS; with the prefix "" no CHANNELS, which is a member of
 * every
 * code. */
void cuda_define_shape(CudaSource *source, const char *prefix, SnugShape shape);
/* An entry named as the kernel, with a suffix: "" for the first. In the text its name is ENTRY, or
 * ENTRY_suffix in capitals. Threads as source->threads. */
void cuda_entry(CudaSource *source, const char *suffix, int64_t x, int64_t y, int64_t z,
                int64_t shared_bytes);

/* Prologue0 and Prologue1 over the domains of the kernel's kind, as far as it has them. */
void cuda_write_prologues(CudaSource *source);
/* REDUCTIONS and what collect.cuh expects, OUT with OUT_PITCH, and the kernel's one part as
 * Epilogue;
 * members: as of cuda_write_code. */
void cuda_write_epilogue(CudaSource *source, const char *members);
void cuda_write_reductions(CudaSource *source);
void cuda_write_out(CudaSource *source);
/* The shape of the kernel's result. */
SnugShape cuda_result_shape(const SnugKernel *kernel);

/* What stands between the arguments and `#include "header"`: geometry, code, entries. One function
 * a
 * class of kernels; a new class is a row of the table in cuda_source.c. */
typedef void CudaDescribe(CudaSource *source);

/* ---- cuda_point.c ---------------------------------------------------------------------------- */

/* One code as a struct of functions named `name`. domain: what it runs over; rounding: SNUG_F16
 * where the value is rounded for storage, else SNUG_F32. with_reductions: it leaves the x-hats.
 * members: more of the struct, "" for none. */
void cuda_write_code(CudaSource *source, const char *name, const SnugPointwise *code,
                     SnugShape domain, SnugType rounding, bool with_reductions,
                     const char *members);

/* ---- cuda_maps.c ----------------------------------------------------------------------------- */
CudaDescribe cuda_describe_map, cuda_describe_window;
/* What map.cuh expects for the kernel's parts over its result. */
void cuda_write_walk(CudaSource *source);

/* ---- cuda_small.c ---------------------------------------------------------------------------- */
CudaDescribe cuda_describe_combine, cuda_describe_loss, cuda_describe_loss_grad,
    cuda_describe_loss_combine, cuda_describe_decode, cuda_describe_update;

/* ---- cuda_conv.c ----------------------------------------------------------------------------- */
CudaDescribe cuda_describe_conv, cuda_describe_wgrad;

/* ---- the headers, embedded by CMake: kernels/NAME.cuh ---------------------------------------- */
extern const SnugCudaHeader cuda_headers[];
extern const int32_t cuda_header_count;

#endif
