/* The stand-in driver: memory of the device and pinned memory of the host, copies, fills. */
#include <stdlib.h>

#include "driver.h"

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
    ENTER();
    *free_bytes = (size_t)softgpu_free_bytes(the_driver.gpu);
    *total = (size_t)the_driver.gpu->options.memory_bytes;
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
    ENTER();
    CUresult result = refuse_in_capture(NULL);
    if (result == CUDA_SUCCESS && (bytes == 0 || bytes > INT64_MAX))
        result = CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS) {
        *address = softgpu_allocate(the_driver.gpu, (int64_t)bytes);
        result = *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    }
    return driver_leave(result);
}

/* Waits for all work, as the driver does. */
CUresult cuMemFree_v2(CUdeviceptr address)
{
    ENTER();
    CUresult result = refuse_in_capture(NULL);
    if (result == CUDA_SUCCESS && address) {
        result = queue_run(NULL);
        queue_retire_all();
        if (!softgpu_free(the_driver.gpu, address))
            result = CUDA_ERROR_INVALID_VALUE;
    }
    return driver_leave(result);
}

/* ---- pinned memory --------------------------------------------------------------------------- */

bool is_pinned(const void *memory, size_t bytes)
{
    for (int32_t i = 0; i < the_driver.pinned_count; i++) {
        const Pinned *pinned = &the_driver.pinned[i];
        size_t offset = (size_t)((const uint8_t *)memory - pinned->memory);
        if ((const uint8_t *)memory >= pinned->memory && offset + bytes <= pinned->bytes)
            return true;
    }
    return false;
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned flags)
{
    ENTER();
    CUresult result = refuse_in_capture(NULL);
    (void)flags; /* portable, mapped, write-combined: all host memory is here */
    if (result == CUDA_SUCCESS && (bytes == 0 || !memory))
        result = CUDA_ERROR_INVALID_VALUE;
    if (result == CUDA_SUCCESS) {
        uint8_t *fresh = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
        if (fresh) {
            GROW(the_driver.pinned, the_driver.pinned_count, the_driver.pinned_capacity);
            the_driver.pinned[the_driver.pinned_count++] = (Pinned){fresh, bytes};
        }
        *memory = fresh;
        result = fresh ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    }
    return driver_leave(result);
}

CUresult cuMemAllocHost_v2(void **memory, size_t bytes)
{
    return cuMemHostAlloc(memory, bytes, 0);
}

CUresult cuMemFreeHost(void *memory)
{
    ENTER();
    CUresult result = refuse_in_capture(NULL);
    if (result != CUDA_SUCCESS)
        return driver_leave(result);
    result = CUDA_ERROR_INVALID_VALUE;
    for (int32_t i = 0; i < the_driver.pinned_count; i++)
        if (the_driver.pinned[i].memory == memory) {
            queue_run(NULL);
            queue_retire_all();
            free(memory);
            the_driver.pinned[i] = the_driver.pinned[--the_driver.pinned_count];
            result = CUDA_SUCCESS;
            break;
        }
    return driver_leave(result);
}

/* ---- copies ---------------------------------------------------------------------------------- */

static Work *copy_work(NodeKind kind, const char *label, uint64_t to, uint64_t from, void *host,
                       size_t bytes)
{
    Work *work = work_create(kind, label);

    work->to = to;
    work->from = from;
    work->host = host;
    work->bytes = bytes;
    return work;
}

/* Queues, and waits where the call is synchronous. */
static CUresult submit(CUstream handle, Work *work, bool waits)
{
    struct CUstream_st *stream = stream_of(handle);

    if (waits) {
        CUresult refused = refuse_in_capture(stream);
        if (refused != CUDA_SUCCESS) {
            work_release(work);
            return refused;
        }
    }
    CUresult result = queue_work(stream, work);
    if (result != CUDA_SUCCESS || !waits)
        return result;
    Node *node = stream->tail;
    result = queue_run(node);
    queue_retire(node);
    return result;
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
    ENTER();
    Work *work = copy_work(NODE_upload, "cuMemcpyHtoD", to, 0, (void *)(uintptr_t)from, bytes);
    return driver_leave(submit(NULL, work, true));
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
    ENTER();
    return driver_leave(
        submit(NULL, copy_work(NODE_download, "cuMemcpyDtoH", 0, from, to, bytes), true));
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    ENTER();
    return driver_leave(
        submit(NULL, copy_work(NODE_copy, "cuMemcpyDtoD", to, from, NULL, bytes), false));
}

/* From pinned memory the bytes are read when the copy runs: as late as the card may. Pageable
 * memory is staged when the call is made. */
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
    ENTER();
    Work *work = copy_work(NODE_upload, "cuMemcpyHtoDAsync", to, 0, (void *)(uintptr_t)from, bytes);
    if (!is_pinned(from, bytes) && !stream_of(stream)->capture) {
        work->host = allocate_or_exit((int64_t)bytes, 1);
        work->own_host = true;
        memcpy(work->host, from, bytes);
    }
    return driver_leave(submit(stream, work, false));
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    ENTER();
    bool waits = !is_pinned(to, bytes) && !stream_of(stream)->capture;
    Work *work = copy_work(NODE_download, "cuMemcpyDtoHAsync", 0, from, to, bytes);
    return driver_leave(submit(stream, work, waits));
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    ENTER();
    Work *work = copy_work(NODE_copy, "cuMemcpyDtoDAsync", to, from, NULL, bytes);
    return driver_leave(submit(stream, work, false));
}

/* ---- fills ----------------------------------------------------------------------------------- */

static CUresult fill(CUdeviceptr at, uint32_t value, uint32_t width, size_t count, CUstream stream)
{
    ENTER();
    if (at % width)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    Work *work = work_create(NODE_fill, "cuMemset");
    work->to = at;
    work->bytes = count * width;
    work->value = value;
    work->width = width;
    return driver_leave(submit(stream, work, false));
}

CUresult cuMemsetD8_v2(CUdeviceptr at, unsigned char value, size_t count)
{
    return fill(at, value, 1, count, NULL);
}

CUresult cuMemsetD32_v2(CUdeviceptr at, unsigned value, size_t count)
{
    return fill(at, value, 4, count, NULL);
}

CUresult cuMemsetD8Async(CUdeviceptr at, unsigned char value, size_t count, CUstream stream)
{
    return fill(at, value, 1, count, stream);
}

CUresult cuMemsetD16Async(CUdeviceptr at, unsigned short value, size_t count, CUstream stream)
{
    return fill(at, value, 2, count, stream);
}

CUresult cuMemsetD32Async(CUdeviceptr at, unsigned value, size_t count, CUstream stream)
{
    return fill(at, value, 4, count, stream);
}
