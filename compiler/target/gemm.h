/* Matrix products that a library can make: a 1x1 convolution of stride 1, or one of its gradients,
 * with nothing fused before or behind it.
 */
#ifndef SNUG_GEMM_H
#define SNUG_GEMM_H

#include "compiler/ir/ir.h"

/* How the kernel is one call of cublasGemmEx; false: it is none. Requires kind, window, in[],
 * parts, reductions and args. */
bool kernel_as_gemm(const SnugKernel *kernel, SnugGemm *gemm);

/* What cuBLAS makes of it: multiply-adds, of whole tiles, times 2; bytes of partial sums, both
 * ways; launches. */
typedef struct GemmWork {
    double flops, partial_bytes;
    int32_t launches;
} GemmWork;
GemmWork gemm_work(const Card *card, const SnugGemm *gemm);

/* For --dump=kernels: "cuBLAS: 512 x 16384, k 256, added to; 4.0 MiB workspace". Requires is_gemm.
 */
const char *gemm_text(Arena *arena, const SnugKernel *kernel);

#endif
