/* The stand-in cuBLAS: cublasGemmEx on the driver's streams, fp16, bf16 or f32 in, f32 sums.
 *
 * It is in the same library as the stand-in driver, because it queues on its streams. Like the real
 * one it forgets its workspace when the stream is set.
 */
#include <stdlib.h>

#include "driver.h"

typedef enum cublasStatus_t {
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_STATUS_NOT_INITIALIZED = 1,
    CUBLAS_STATUS_ALLOC_FAILED = 3,
    CUBLAS_STATUS_INVALID_VALUE = 7,
    CUBLAS_STATUS_EXECUTION_FAILED = 13,
    CUBLAS_STATUS_NOT_SUPPORTED = 15
} cublasStatus_t;

enum { CUBLAS_COMPUTE_32F = 68 };

typedef struct cublasContext {
    CUstream stream;
    void *workspace;
    size_t workspace_bytes;
    int math, atomics;
} * cublasHandle_t;

/* The symbols that the library exports; no header of ours declares them. */
cublasStatus_t cublasCreate_v2(cublasHandle_t *handle);
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle);
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version);
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, CUstream stream);
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes);
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, int mode);
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, int mode);
const char *cublasGetStatusString(cublasStatus_t status);
const char *cublasGetStatusName(cublasStatus_t status);
cublasStatus_t cublasGemmEx(cublasHandle_t handle, int transposed_a, int transposed_b, int m, int n,
                            int k, const void *alpha, const void *a, int a_type, int lda,
                            const void *b, int b_type, int ldb, const void *beta, void *c,
                            int c_type, int ldc, int compute, int algorithm);

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    CUcontext context;

    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    cuCtxGetCurrent(&context);
    if (!context)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = calloc(1, sizeof **handle);
    return *handle ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_ALLOC_FAILED;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version)
{
    (void)handle;
    *version = 130000;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, CUstream stream)
{
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->stream = stream;
    handle->workspace = NULL;
    handle->workspace_bytes = 0;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes)
{
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (bytes
        && (!softgpu_owns(the_driver.gpu, (uintptr_t)workspace, (int64_t)bytes)
            || (uintptr_t)workspace % 256))
        return CUBLAS_STATUS_INVALID_VALUE;
    handle->workspace = workspace;
    handle->workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, int mode)
{
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->math = mode;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, int mode)
{
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->atomics = mode;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusName(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "unknown";
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    return cublasGetStatusName(status);
}

/* ---- the product ----------------------------------------------------------------------------- */

static bool run_product(Work *work, TouchMap *reads, TouchMap *writes)
{
    return multiply(the_driver.gpu, work->user, reads, writes);
}

static bool is_type(int type)
{
    return type == SOFTGPU_TYPE_f32 || type == SOFTGPU_TYPE_f16 || type == SOFTGPU_TYPE_bf16;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, int transposed_a, int transposed_b, int m, int n,
                            int k, const void *alpha, const void *a, int a_type, int lda,
                            const void *b, int b_type, int ldb, const void *beta, void *c,
                            int c_type, int ldc, int compute, int algorithm)
{
    (void)algorithm;
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (m < 0 || n < 0 || k < 0 || lda < (transposed_a ? k : m) || ldb < (transposed_b ? n : k)
        || ldc < m || !alpha || !beta)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!is_type(a_type) || a_type != b_type || !is_type(c_type) || compute != CUBLAS_COMPUTE_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (driver_enter() != CUDA_SUCCESS)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (stream_of(handle->stream)->capture && handle->workspace_bytes == 0) {
        set_fault(the_driver.gpu, SOFTGPU_LAUNCH_FAILED, SOFTGPU_FAULT_global_race,
                  "cublasGemmEx is captured without a workspace of its own: every launch of every "
                  "graph would use the library's");
        driver_leave(CUDA_SUCCESS);
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    SoftGpuProduct *product = allocate_or_exit(1, sizeof *product);
    *product = (SoftGpuProduct){.a = {(uintptr_t)a, a_type, lda, transposed_a},
                                .b = {(uintptr_t)b, b_type, ldb, transposed_b},
                                .c = {(uintptr_t)c, c_type, ldc, 0},
                                .m = m,
                                .n = n,
                                .k = k,
                                .workspace = (uintptr_t)handle->workspace,
                                .workspace_bytes = (int64_t)handle->workspace_bytes};
    memcpy(&product->alpha, alpha, sizeof product->alpha);
    memcpy(&product->beta, beta, sizeof product->beta);
    Work *work = work_create(NODE_call, "cublasGemmEx");
    work->call = run_product;
    work->user = product;
    CUresult result = queue_work(stream_of(handle->stream), work);
    return driver_leave(result) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS
                                                : CUBLAS_STATUS_EXECUTION_FAILED;
}
