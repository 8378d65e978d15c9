/* The stand-in driver: streams and events. */
#include <stdlib.h>

#include "driver.h"

CUresult cuStreamCreate(CUstream *stream, unsigned flags)
{
    ENTER();
    if (flags & ~(unsigned)CU_STREAM_NON_BLOCKING)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    struct CUstream_st *fresh = allocate_or_exit(1, sizeof *fresh);
    fresh->non_blocking = flags & CU_STREAM_NON_BLOCKING;
    fresh->next = the_driver.streams;
    the_driver.streams = fresh;
    *stream = fresh;
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority)
{
    (void)priority;
    return cuStreamCreate(stream, flags);
}

static bool is_stream(CUstream handle)
{
    for (struct CUstream_st *at = the_driver.streams; at; at = at->next)
        if (at == handle)
            return true;
    return stream_of(handle) == &the_driver.legacy;
}

/* Its work still runs: other nodes and the queue know it. */
CUresult cuStreamDestroy_v2(CUstream stream)
{
    ENTER();
    if (!stream || !is_stream(stream))
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    for (struct CUstream_st **at = &the_driver.streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    free(stream->captured.items);
    free(stream);
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuStreamSynchronize(CUstream handle)
{
    ENTER();
    if (!is_stream(handle))
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    struct CUstream_st *stream = stream_of(handle);
    CUresult result = refuse_in_capture(stream);
    if (result == CUDA_SUCCESS && stream == &the_driver.legacy) {
        result = queue_run(NULL);
        queue_retire_all();
    } else if (result == CUDA_SUCCESS && stream->tail) {
        Node *tail = stream->tail;
        result = queue_run(tail);
        queue_retire(tail);
    }
    return driver_leave(result);
}

/* Asking makes progress: else a program that polls would poll for ever. */
CUresult cuStreamQuery(CUstream handle)
{
    ENTER();
    if (!is_stream(handle))
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    struct CUstream_st *stream = stream_of(handle);
    CUresult result = refuse_in_capture(stream);
    if (result == CUDA_SUCCESS && stream->tail) {
        Node *tail = stream->tail;
        result = queue_run(tail);
        queue_retire(tail);
    }
    return driver_leave(result);
}

/* ---- events ---------------------------------------------------------------------------------- */

CUresult cuEventCreate(CUevent *event, unsigned flags)
{
    ENTER();
    struct CUevent_st *fresh = allocate_or_exit(1, sizeof *fresh);
    fresh->no_timing = flags & CU_EVENT_DISABLE_TIMING;
    fresh->next = the_driver.events;
    the_driver.events = fresh;
    *event = fresh;
    return driver_leave(CUDA_SUCCESS);
}

static bool is_event(CUevent event)
{
    for (struct CUevent_st *at = the_driver.events; at; at = at->next)
        if (at == event)
            return true;
    return false;
}

CUresult cuEventDestroy_v2(CUevent event)
{
    ENTER();
    if (!is_event(event))
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    for (struct CUevent_st **at = &the_driver.events; *at; at = &(*at)->next)
        if (*at == event) {
            *at = event->next;
            break;
        }
    node_unpin(event->node);
    free(event->captured.items);
    free(event);
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuEventRecord(CUevent event, CUstream handle)
{
    ENTER();
    if (!is_event(event) || !is_stream(handle))
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    struct CUstream_st *stream = stream_of(handle);
    event->captured.count = 0;
    event->capture = stream->capture;
    if (stream->capture) {
        for (int32_t i = 0; i < stream->captured.count; i++)
            set_add(&event->captured, stream->captured.items[i]);
        return driver_leave(CUDA_SUCCESS);
    }
    CUresult result = queue_work(stream, work_create(NODE_nothing, "cuEventRecord"));
    if (result == CUDA_SUCCESS) {
        node_unpin(event->node);
        event->node = stream->tail;
        node_pin(event->node);
    }
    return driver_leave(result);
}

CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned flags)
{
    ENTER();
    (void)flags;
    if (!is_event(event) || !is_stream(handle))
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    struct CUstream_st *stream = stream_of(handle);
    if (event->capture) {
        if (stream->capture && stream->capture != event->capture)
            return driver_leave(CUDA_ERROR_STREAM_CAPTURE_MERGE);
        if (stream == &the_driver.legacy)
            return driver_leave(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
        if (!stream->capture)
            stream->captured.count = 0;
        stream->capture = event->capture;
        for (int32_t i = 0; i < event->captured.count; i++)
            set_add(&stream->captured, event->captured.items[i]);
        return driver_leave(CUDA_SUCCESS);
    }
    if (stream->capture) {
        stream->capture->invalid = true;
        return driver_leave(CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    }
    if (event->node && !event->node->retired) {
        CUresult result = queue_work(stream, work_create(NODE_nothing, "cuStreamWaitEvent"));
        if (result != CUDA_SUCCESS)
            return driver_leave(result);
        node_follows(stream->tail, event->node);
    }
    return driver_leave(CUDA_SUCCESS);
}

static CUresult wait_for_event(CUevent event)
{
    if (!is_event(event))
        return CUDA_ERROR_INVALID_HANDLE;
    if (event->capture)
        return CUDA_ERROR_CAPTURED_EVENT;
    CUresult result = refuse_in_capture(NULL);
    if (result == CUDA_SUCCESS && event->node && !event->node->retired) {
        result = queue_run(event->node);
        queue_retire(event->node);
    }
    return result;
}

CUresult cuEventSynchronize(CUevent event)
{
    ENTER();
    return driver_leave(wait_for_event(event));
}

CUresult cuEventQuery(CUevent event)
{
    ENTER();
    return driver_leave(wait_for_event(event));
}

/* The host's time between the two: says nothing about a card. */
CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end)
{
    ENTER();
    if (!is_event(start) || !is_event(end) || start->no_timing || end->no_timing || !start->node
        || !end->node)
        return driver_leave(CUDA_ERROR_INVALID_HANDLE);
    if (!start->node->done || !end->node->done)
        return driver_leave(CUDA_ERROR_NOT_READY);
    *milliseconds = (float)(end->node->finished_ms - start->node->finished_ms);
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    return cuEventElapsedTime_v2(milliseconds, start, end);
}
