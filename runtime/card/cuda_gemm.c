/* cuBLAS within the plan: each product has a workspace of its own in the arena, alive for its
 * launch alone, so that products that run at the same time never share one, and the same product
 * gives the same bits every time: workspace and stream are fixed, atomics are off, sums are f32
 * throughout.
 *
 *     capture of the stream  {  cublasGemmEx  }  ->  child graph  ->  a node of the segment's graph
 */
#include "cuda_gemm.h"

static const char *status_name(CublasResult status)
{
    switch (status) {
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3: return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7: return "CUBLAS_STATUS_INVALID_VALUE";
    case 8: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11: return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16: return "CUBLAS_STATUS_LICENSE_ERROR";
    default: return "an unknown status";
    }
}

static bool check(const CudaApi *api, CublasResult status, const char *what, Error *error)
{
    if (status == 0)
        return true;
    error_set(error, status == CUBLAS_ALLOC_FAILED ? ERROR_MEMORY : ERROR_DEVICE, "%s: cuBLAS: %s",
              what, status_name(status));
    return error_hint(error, "it is %s; --gemm own compiles without it", api->cublas_path);
}

CublasHandle cuda_gemm_create(const CudaApi *api, CudaStream stream, Error *error)
{
    const char *what = "cannot start the library of matrix products";
    CublasHandle handle = NULL;

    if (!check(api, api->cublasCreate(&handle), what, error))
        return NULL;
    if (check(api, api->cublasSetStream(handle, stream), what, error)
        && check(api, api->cublasSetMathMode(handle, CUBLAS_NO_REDUCED_PRECISION), what, error)
        && check(api, api->cublasSetAtomicsMode(handle, CUBLAS_NO_ATOMICS), what, error))
        return handle;
    api->cublasDestroy(handle);
    return NULL;
}

static void *pointer(CudaAddress address)
{
    return (void *)(uintptr_t)address;
}

static int data_type(const SnugArg *arg)
{
    return arg->type == SNUG_F16 ? CUBLAS_F16 : CUBLAS_F32;
}

bool cuda_gemm_run(const CudaApi *api, CublasHandle handle, const GemmLaunch *launch, Error *error)
{
    const SnugGemm *gemm = launch->gemm;
    const SnugArg *args = launch->kernel->args;
    const SnugArg *a = &args[gemm->a], *b = &args[gemm->b], *c = &args[gemm->c];
    const CudaAddress *at = launch->addresses;
    const float alpha = 1, beta = (float)gemm->beta;
    CudaAddress workspace = at[launch->kernel->arg_count];
    size_t bytes = (size_t)launch->kernel->workspace_bytes;

    return check(api, api->cublasSetWorkspace(handle, pointer(workspace), bytes), launch->label,
                 error)
           && check(api,
                    api->cublasGemmEx(handle, gemm->transposes_a, gemm->transposes_b, gemm->m,
                                      gemm->n, gemm->k, &alpha, pointer(at[gemm->a]), data_type(a),
                                      a->pitch, pointer(at[gemm->b]), data_type(b), b->pitch, &beta,
                                      pointer(at[gemm->c]), data_type(c), c->pitch,
                                      CUBLAS_COMPUTE_F32, CUBLAS_DEFAULT_ALGORITHM),
                    launch->label, error);
}

static bool check_driver(const CudaApi *api, CudaResult result, const char *what, Error *error)
{
    return result == 0 || cuda_failed(api, result, what, error);
}

bool cuda_gemm_add(const CudaApi *api, CublasHandle handle, CudaStream stream,
                   const GemmLaunch *launch, CudaGraph graph, const CudaGraphNode *after,
                   size_t count, CudaGraphNode *made, Error *error)
{
    CudaGraph child = NULL;

    if (!cuda_gemm_run(api, handle, launch, error)
        || !check_driver(api, api->cuStreamBeginCapture(stream, CUDA_CAPTURE_THREAD_LOCAL),
                         launch->label, error))
        return false;
    bool ok = cuda_gemm_run(api, handle, launch, error);
    CudaResult result = api->cuStreamEndCapture(stream, &child); /* whatever came before */
    ok = ok && check_driver(api, result, launch->label, error)
         && check_driver(api, api->cuGraphAddChildGraphNode(made, graph, after, count, child),
                         launch->label, error);
    if (child != NULL)
        api->cuGraphDestroy(child);
    return ok;
}
