/* A library's matrix product on the device's memory: what cublasGemmEx asks for. */
#include <stdlib.h>

#include "gpu.h"
#include "half.h"

static int element_bytes(int type)
{
    return type == SOFTGPU_TYPE_f32 ? 4 : 2;
}

static float read_number(const SoftGpuMatrix *matrix, int row, int column)
{
    int64_t at = matrix->transposed ? (int64_t)row * matrix->leading + column
                                    : (int64_t)column * matrix->leading + row;
    const uint8_t *from = (const uint8_t *)(uintptr_t)matrix->at + at * element_bytes(matrix->type);
    uint16_t half;
    float x;

    if (matrix->type == SOFTGPU_TYPE_f32) {
        memcpy(&x, from, sizeof x);
        return x;
    }
    memcpy(&half, from, sizeof half);
    return matrix->type == SOFTGPU_TYPE_f16 ? float_from_half(half) : float_from_bf16(half);
}

static void write_number(const SoftGpuMatrix *matrix, int row, int column, float x)
{
    uint8_t *to = (uint8_t *)(uintptr_t)matrix->at
                  + ((int64_t)column * matrix->leading + row) * element_bytes(matrix->type);

    if (matrix->type == SOFTGPU_TYPE_f32) {
        memcpy(to, &x, sizeof x);
        return;
    }
    uint16_t half = matrix->type == SOFTGPU_TYPE_f16
                        ? half_from_double((double)x, ROUND_nearest_even)
                        : bf16_from_double((double)x, ROUND_nearest_even);
    memcpy(to, &half, sizeof half);
}

/* A rows x columns matrix is inside of an allocation, and goes into the set of what is touched. */
static bool touch_matrix(SoftGpu *gpu, const SoftGpuMatrix *matrix, int rows, int columns,
                         TouchMap *set)
{
    int stored_rows = matrix->transposed ? columns : rows;
    int stored_columns = matrix->transposed ? rows : columns;
    int64_t size = element_bytes(matrix->type), bytes = stored_rows * size;

    for (int column = 0; column < stored_columns; column++) {
        uint64_t at = matrix->at + (uint64_t)(column * (int64_t)matrix->leading * size);
        if (!softgpu_owns(gpu, at, bytes)) {
            set_fault(gpu, SOFTGPU_ILLEGAL_ADDRESS, SOFTGPU_FAULT_out_of_bounds,
                      "out of bounds: cublasGemmEx: a matrix is not inside of an allocation");
            return false;
        }
        touch_range(set, at, (uint64_t)bytes);
    }
    return true;
}

/* The library may write all of its workspace. */
static bool touch_workspace(SoftGpu *gpu, const SoftGpuProduct *product, TouchMap *writes)
{
    if (product->workspace_bytes == 0)
        return true;
    if (!softgpu_owns(gpu, product->workspace, product->workspace_bytes)) {
        set_fault(gpu, SOFTGPU_ILLEGAL_ADDRESS, SOFTGPU_FAULT_out_of_bounds,
                  "out of bounds: cublasGemmEx: the workspace is not inside of an allocation");
        return false;
    }
    memset((void *)(uintptr_t)product->workspace, 0xff, (size_t)product->workspace_bytes);
    touch_range(writes, product->workspace, (uint64_t)product->workspace_bytes);
    return true;
}

static void multiply_matrices(const SoftGpuProduct *product)
{
    float *a = allocate_or_exit((int64_t)product->k * product->m, sizeof *a); /* [k][m] */
    float *sums = allocate_or_exit(product->m, sizeof *sums);

    for (int k = 0; k < product->k; k++)
        for (int i = 0; i < product->m; i++)
            a[(int64_t)k * product->m + i] = read_number(&product->a, i, k);
    for (int j = 0; j < product->n; j++) {
        memset(sums, 0, (size_t)product->m * sizeof *sums);
        for (int k = 0; k < product->k; k++) {
            float b = read_number(&product->b, k, j);
            for (int i = 0; i < product->m; i++)
                sums[i] += a[(int64_t)k * product->m + i] * b;
        }
        for (int i = 0; i < product->m; i++) {
            float old = product->beta == 0 ? 0 : product->beta * read_number(&product->c, i, j);
            write_number(&product->c, i, j, product->alpha * sums[i] + old);
        }
    }
    free(a);
    free(sums);
}

bool multiply(SoftGpu *gpu, const SoftGpuProduct *product, TouchMap *reads, TouchMap *writes)
{
    if (!touch_workspace(gpu, product, writes)
        || !touch_matrix(gpu, &product->a, product->m, product->k, reads)
        || !touch_matrix(gpu, &product->b, product->k, product->n, reads)
        || !touch_matrix(gpu, &product->c, product->m, product->n, writes)
        || (product->beta != 0 && !touch_matrix(gpu, &product->c, product->m, product->n, reads)))
        return false;
    multiply_matrices(product);
    return true;
}

SoftGpuStatus softgpu_multiply(SoftGpu *gpu, const SoftGpuProduct *product)
{
    TouchMap *reads = touch_create(TOUCH_LAUNCH), *writes = touch_create(TOUCH_LAUNCH);

    if (gpu->status == SOFTGPU_OK)
        multiply(gpu, product, reads, writes);
    touch_free(reads);
    touch_free(writes);
    return gpu->status;
}
