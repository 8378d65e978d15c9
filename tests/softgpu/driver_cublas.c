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

enum { CUDA_R_32F = 0, CUDA_R_16F = 2, CUDA_R_16BF = 14, CUBLAS_COMPUTE_32F = 68 };

typedef struct cublasContext {
    CUstream stream;
    void *workspace;
    size_t workspace_bytes;
    int math, atomics;
} *cublasHandle_t;

typedef struct Matrix {
    uint64_t at;
    int type, leading, transposed;
} Matrix;

typedef struct Gemm {
    Matrix a, b, c;
    int m, n, k;
    float alpha, beta;
} Gemm;

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
    if (bytes && (!softgpu_owns(the_driver.gpu, (uintptr_t)workspace, (int64_t)bytes) ||
                  (uintptr_t)workspace % 256))
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

/* ---- the product: column-major, as in BLAS --------------------------------------------------- */

static int element_bytes(int type)
{
    return type == CUDA_R_32F ? 4 : 2;
}

static float read_number(const Matrix *matrix, int row, int column)
{
    int64_t at = matrix->transposed ? (int64_t)row * matrix->leading + column
                                    : (int64_t)column * matrix->leading + row;
    const uint8_t *from = (const uint8_t *)(uintptr_t)matrix->at + at * element_bytes(matrix->type);
    uint16_t half;
    float x;

    if (matrix->type == CUDA_R_32F) {
        memcpy(&x, from, sizeof x);
        return x;
    }
    memcpy(&half, from, sizeof half);
    return matrix->type == CUDA_R_16F ? float_from_half(half) : float_from_bf16(half);
}

static void write_number(const Matrix *matrix, int row, int column, float x)
{
    uint8_t *to = (uint8_t *)(uintptr_t)matrix->at +
                  ((int64_t)column * matrix->leading + row) * element_bytes(matrix->type);

    if (matrix->type == CUDA_R_32F) {
        memcpy(to, &x, sizeof x);
        return;
    }
    uint16_t half = matrix->type == CUDA_R_16F ? half_from_double((double)x, ROUND_nearest_even)
                                               : bf16_from_double((double)x, ROUND_nearest_even);
    memcpy(to, &half, sizeof half);
}

/* A rows x columns matrix is inside of an allocation, and goes into the set of what is touched. */
static bool touch_matrix(const Matrix *matrix, int rows, int columns, TouchMap *set)
{
    int stored_rows = matrix->transposed ? columns : rows;
    int stored_columns = matrix->transposed ? rows : columns;
    int64_t size = element_bytes(matrix->type), bytes = stored_rows * size;

    for (int column = 0; column < stored_columns; column++) {
        uint64_t at = matrix->at + (uint64_t)(column * (int64_t)matrix->leading * size);
        if (!softgpu_owns(the_driver.gpu, at, bytes)) {
            set_fault(the_driver.gpu, SOFTGPU_ILLEGAL_ADDRESS, SOFTGPU_FAULT_out_of_bounds,
                      "out of bounds: cublasGemmEx: a matrix is not inside of an allocation");
            return false;
        }
        touch_range(set, at, (uint64_t)bytes);
    }
    return true;
}

static bool run_gemm(Work *work, TouchMap *reads, TouchMap *writes)
{
    const Gemm *gemm = work->user;

    if (!touch_matrix(&gemm->a, gemm->m, gemm->k, reads) ||
        !touch_matrix(&gemm->b, gemm->k, gemm->n, reads) ||
        !touch_matrix(&gemm->c, gemm->m, gemm->n, writes) ||
        (gemm->beta != 0 && !touch_matrix(&gemm->c, gemm->m, gemm->n, reads)))
        return false;
    float *a = allocate_or_exit((int64_t)gemm->k * gemm->m, sizeof *a); /* [k][m] */
    float *sums = allocate_or_exit(gemm->m, sizeof *sums);
    for (int k = 0; k < gemm->k; k++)
        for (int i = 0; i < gemm->m; i++)
            a[(int64_t)k * gemm->m + i] = read_number(&gemm->a, i, k);
    for (int j = 0; j < gemm->n; j++) {
        memset(sums, 0, (size_t)gemm->m * sizeof *sums);
        for (int k = 0; k < gemm->k; k++) {
            float b = read_number(&gemm->b, k, j);
            for (int i = 0; i < gemm->m; i++)
                sums[i] += a[(int64_t)k * gemm->m + i] * b;
        }
        for (int i = 0; i < gemm->m; i++) {
            float old = gemm->beta == 0 ? 0 : gemm->beta * read_number(&gemm->c, i, j);
            write_number(&gemm->c, i, j, gemm->alpha * sums[i] + old);
        }
    }
    free(a);
    free(sums);
    return true;
}

static bool is_type(int type)
{
    return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, int transposed_a, int transposed_b, int m, int n,
                            int k, const void *alpha, const void *a, int a_type, int lda,
                            const void *b, int b_type, int ldb, const void *beta, void *c,
                            int c_type, int ldc, int compute, int algorithm)
{
    (void)algorithm;
    if (!handle)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (m < 0 || n < 0 || k < 0 || lda < (transposed_a ? k : m) || ldb < (transposed_b ? n : k) ||
        ldc < m || !alpha || !beta)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!is_type(a_type) || a_type != b_type || !is_type(c_type) || compute != CUBLAS_COMPUTE_32F)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (driver_enter() != CUDA_SUCCESS)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    Gemm *gemm = allocate_or_exit(1, sizeof *gemm);
    *gemm = (Gemm){.a = {(uintptr_t)a, a_type, lda, transposed_a},
                   .b = {(uintptr_t)b, b_type, ldb, transposed_b},
                   .c = {(uintptr_t)c, c_type, ldc, 0},
                   .m = m, .n = n, .k = k};
    memcpy(&gemm->alpha, alpha, sizeof gemm->alpha);
    memcpy(&gemm->beta, beta, sizeof gemm->beta);
    Work *work = work_create(NODE_call, "cublasGemmEx");
    work->call = run_gemm;
    work->user = gemm;
    CUresult result = queue_work(stream_of(handle->stream), work);
    return driver_leave(result) == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS
                                                : CUBLAS_STATUS_EXECUTION_FAILED;
}
