/* Matrix products by cuBLAS, for the cuda device. */
#ifndef SNUG_CUDA_GEMM_H
#define SNUG_CUDA_GEMM_H

#include "cuda_api.h"
#include "runtime/program.h"

/* One launch of a kernel that is a SnugGemm. */
typedef struct GemmLaunch {
    const SnugKernel *kernel;
    const SnugGemm *gemm;
    const CudaAddress *addresses; /* one an arg, then the workspace */
    const char *label;            /* for messages */
} GemmLaunch;

/* The library's handle, for products on this stream alone. Requires cuda_api_open_cublas and a
 * current context. NULL after a failure. */
CublasHandle cuda_gemm_create(const CudaApi *api, CudaStream stream, Error *error);

/* Queues the product on the handle's stream. */
bool cuda_gemm_run(const CudaApi *api, CublasHandle handle, const GemmLaunch *launch, Error *error);

/* The product as one node of the graph, after `count` others. Queues the product once on its own
 * first: the library loads its code then, which a capture may forbid. What the launch writes must
 * not matter yet. */
bool cuda_gemm_add(const CudaApi *api, CublasHandle handle, CudaStream stream,
                   const GemmLaunch *launch, CudaGraph graph, const CudaGraphNode *after,
                   size_t count, CudaGraphNode *made, Error *error);

#endif
