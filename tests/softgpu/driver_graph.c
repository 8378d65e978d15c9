/* The stand-in driver: graphs, built by hand or by capturing streams, and their launches. */
#include <stdlib.h>

#include "driver.h"

void set_add(IndexSet *set, int32_t item)
{
    for (int32_t i = 0; i < set->count; i++)
        if (set->items[i] == item)
            return;
    GROW(set->items, set->count, set->capacity);
    set->items[set->count++] = item;
}

int32_t graph_add_work(struct CUgraph_st *graph, Work *work, const int32_t *after, int32_t count)
{
    GROW(graph->templates, graph->count, graph->capacity);
    Template *fresh = &graph->templates[graph->count];
    *fresh = (Template){.work = work};
    for (int32_t i = 0; i < count; i++) {
        GROW(fresh->after, fresh->after_count, fresh->after_capacity);
        fresh->after[fresh->after_count++] = after[i];
    }
    return graph->count++;
}

struct CUgraphNode_st *graph_handle(struct CUgraph_st *graph, int32_t index)
{
    for (int32_t i = 0; i < graph->handle_count; i++)
        if (graph->handles[i]->index == index)
            return graph->handles[i];
    GROW(graph->handles, graph->handle_count, graph->handle_capacity);
    struct CUgraphNode_st *handle = allocate_or_exit(1, sizeof *handle);
    *handle = (struct CUgraphNode_st){graph, index};
    graph->handles[graph->handle_count++] = handle;
    return handle;
}

void graph_free(struct CUgraph_st *graph)
{
    for (int32_t i = 0; i < graph->count; i++) {
        work_release(graph->templates[i].work);
        free(graph->templates[i].after);
    }
    for (int32_t i = 0; i < graph->handle_count; i++)
        free(graph->handles[i]);
    free(graph->templates);
    free(graph->handles);
    free(graph);
}

/* ---- capture --------------------------------------------------------------------------------- */

/* stream: the one that the call is about, NULL: none in particular, which a capture in the global
 * or thread-local mode forbids too. A forbidden call ends the capture. */
CUresult refuse_in_capture(struct CUstream_st *stream)
{
    CUresult result = CUDA_SUCCESS;

    for (Capture *capture = the_driver.captures; capture; capture = capture->next) {
        bool forbidden =
            stream ? stream->capture == capture
                         || (stream == &the_driver.legacy && !capture->origin->non_blocking)
                   : capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
        if (!forbidden)
            continue;
        capture->invalid = true;
        result = stream == &the_driver.legacy ? CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
                                              : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return result;
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode)
{
    ENTER();
    struct CUstream_st *stream = stream_of(handle);
    if (stream == &the_driver.legacy)
        return driver_leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    if (stream->capture)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    Capture *capture = allocate_or_exit(1, sizeof *capture);
    capture->graph = allocate_or_exit(1, sizeof *capture->graph);
    capture->origin = stream;
    capture->mode = mode;
    capture->next = the_driver.captures;
    the_driver.captures = capture;
    stream->capture = capture;
    stream->captured.count = 0;
    return driver_leave(CUDA_SUCCESS);
}

/* Whether all nodes are before those that the origin stream ends with. */
static bool is_joined(const Capture *capture, const IndexSet *ends)
{
    const struct CUgraph_st *graph = capture->graph;
    bool *reached = allocate_or_exit(graph->count + 1, sizeof *reached);
    bool all = true;

    for (int32_t i = 0; i < ends->count; i++)
        reached[ends->items[i]] = true;
    for (int32_t i = graph->count - 1; i >= 0; i--) { /* a node follows earlier ones only */
        all = all && reached[i];
        for (int32_t k = 0; reached[i] && k < graph->templates[i].after_count; k++)
            reached[graph->templates[i].after[k]] = true;
    }
    free(reached);
    return all;
}

static void end_capture(Capture *capture)
{
    for (struct CUstream_st *stream = the_driver.streams; stream; stream = stream->next)
        if (stream->capture == capture) {
            stream->capture = NULL;
            stream->captured.count = 0;
        }
    for (struct CUevent_st *event = the_driver.events; event; event = event->next)
        if (event->capture == capture) {
            event->capture = NULL;
            event->captured.count = 0;
        }
    for (Capture **at = &the_driver.captures; *at; at = &(*at)->next)
        if (*at == capture) {
            *at = capture->next;
            break;
        }
    free(capture);
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph)
{
    ENTER();
    struct CUstream_st *stream = stream_of(handle);
    Capture *capture = stream->capture;
    *graph = NULL;
    if (!capture)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    if (capture->origin != stream)
        return driver_leave(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    CUresult result = capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
                      : !is_joined(capture, &stream->captured) ? CUDA_ERROR_STREAM_CAPTURE_UNJOINED
                                                               : CUDA_SUCCESS;
    if (result == CUDA_SUCCESS)
        *graph = capture->graph;
    else
        graph_free(capture->graph);
    end_capture(capture);
    return driver_leave(result);
}

CUresult cuStreamIsCapturing(CUstream handle, int *status)
{
    ENTER();
    const Capture *capture = stream_of(handle)->capture;
    *status = !capture ? 0 : capture->invalid ? 2 : 1;
    return driver_leave(CUDA_SUCCESS);
}

/* ---- graphs ---------------------------------------------------------------------------------- */

CUresult cuGraphCreate(CUgraph *graph, unsigned flags)
{
    ENTER();
    if (flags)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    *graph = allocate_or_exit(1, sizeof **graph);
    return driver_leave(CUDA_SUCCESS);
}

/* The child's nodes, of which those without edges follow `after`, and one that follows its ends. */
CUresult cuGraphAddChildGraphNode(CUgraphNode *node, CUgraph graph, const CUgraphNode *after,
                                  size_t after_count, CUgraph child)
{
    ENTER();
    if (!graph || !node || !child || child == graph || after_count > 4096)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    int32_t begin = graph->count, count = child->count;
    int32_t *indices = allocate_or_exit((int64_t)after_count + count, sizeof *indices);
    int32_t *ends = allocate_or_exit((int64_t)after_count + count, sizeof *ends), end_count = 0;
    bool *is_followed = allocate_or_exit(count, sizeof *is_followed);
    for (int32_t i = 0; i < count; i++) {
        const Template *from = &child->templates[i];
        int32_t edges = from->after_count;
        for (int32_t k = 0; k < edges; k++) {
            indices[k] = begin + from->after[k];
            is_followed[from->after[k]] = true;
        }
        for (size_t k = 0; from->after_count == 0 && k < after_count; k++)
            indices[edges++] = after[k]->index;
        from->work->references++;
        graph_add_work(graph, from->work, indices, edges);
    }
    for (int32_t i = 0; i < count; i++)
        if (!is_followed[i])
            ends[end_count++] = begin + i;
    for (size_t k = 0; count == 0 && k < after_count; k++)
        ends[end_count++] = after[k]->index;
    Work *end = work_create(NODE_nothing, "cuGraphAddChildGraphNode");
    *node = graph_handle(graph, graph_add_work(graph, end, ends, end_count));
    free(is_followed);
    free(ends);
    free(indices);
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count)
{
    ENTER();
    for (int32_t i = 0; nodes && i < graph->count && (size_t)i < *count; i++)
        nodes[i] = graph_handle(graph, i);
    *count = (size_t)graph->count;
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags)
{
    ENTER();
    (void)flags;
    if (!graph || !exec)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    struct CUgraphExec_st *fresh = allocate_or_exit(1, sizeof *fresh);
    fresh->graph = allocate_or_exit(1, sizeof *fresh->graph);
    for (int32_t i = 0; i < graph->count; i++) {
        const Template *from = &graph->templates[i];
        from->work->references++;
        graph_add_work(fresh->graph, from->work, from->after, from->after_count);
    }
    *exec = fresh;
    return driver_leave(CUDA_SUCCESS);
}

/* The nodes of one launch: those without edges follow the stream; one at the end follows the rest.
 */
static Node *queue_graph(const struct CUgraphExec_st *exec, struct CUstream_st *stream)
{
    const struct CUgraph_st *graph = exec->graph;
    Node **nodes = allocate_or_exit(graph->count, sizeof *nodes);
    bool *is_followed = allocate_or_exit(graph->count, sizeof *is_followed);

    for (int32_t i = 0; i < graph->count; i++) {
        const Template *from = &graph->templates[i];
        from->work->references++;
        nodes[i] = queue_node(from->work);
        for (int32_t k = 0; k < from->after_count; k++) {
            node_follows(nodes[i], nodes[from->after[k]]);
            is_followed[from->after[k]] = true;
        }
        if (from->after_count == 0) {
            follow_stream(nodes[i], stream);
            node_follows(nodes[i], exec->last);
        }
    }
    Node *end = queue_node(work_create(NODE_nothing, "cuGraphLaunch"));
    for (int32_t i = 0; i < graph->count; i++)
        if (!is_followed[i])
            node_follows(end, nodes[i]);
    if (graph->count == 0)
        follow_stream(end, stream);
    free(nodes);
    free(is_followed);
    return end;
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream handle)
{
    ENTER();
    struct CUstream_st *stream = stream_of(handle);
    if (!exec)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    if (stream->capture) {
        stream->capture->invalid = true;
        return driver_leave(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    }
    Node *end = queue_graph(exec, stream);
    node_unpin(exec->last);
    exec->last = end;
    node_pin(end);
    stream->tail = end;
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuGraphExecDestroy(CUgraphExec exec)
{
    ENTER();
    if (!exec)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    node_unpin(exec->last);
    graph_free(exec->graph);
    free(exec);
    return driver_leave(CUDA_SUCCESS);
}

CUresult cuGraphDestroy(CUgraph graph)
{
    ENTER();
    if (!graph)
        return driver_leave(CUDA_ERROR_INVALID_VALUE);
    graph_free(graph);
    return driver_leave(CUDA_SUCCESS);
}
