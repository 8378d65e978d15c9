/* The queue of the stand-in driver: nodes with what they follow, run in a random order. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "driver.h"

Driver the_driver = {.lock = PTHREAD_MUTEX_INITIALIZER};

Work *work_create(NodeKind kind, const char *label)
{
    Work *work = allocate_or_exit(1, sizeof *work);

    work->references = 1;
    work->kind = kind;
    snprintf(work->label, sizeof work->label, "%s", label);
    return work;
}

void work_release(Work *work)
{
    if (--work->references)
        return;
    free(work->params);
    if (work->own_host)
        free(work->host);
    free(work->user);
    free(work);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

void node_follows(Node *node, Node *before)
{
    if (!before || before->retired)
        return;
    GROW(node->after, node->after_count, node->after_capacity);
    node->after[node->after_count++] = before;
}

Node *queue_node(Work *work)
{
    Node *node = allocate_or_exit(1, sizeof *node);

    node->work = work;
    GROW(the_driver.nodes, the_driver.node_count, the_driver.node_capacity);
    the_driver.nodes[the_driver.node_count++] = node;
    return node;
}

struct CUstream_st *stream_of(CUstream handle)
{
    /* NULL, CU_STREAM_LEGACY */
    return handle == NULL || (uintptr_t)handle == 1 ? &the_driver.legacy : handle;
}

void follow_stream(Node *node, struct CUstream_st *stream)
{
    node_follows(node, stream->tail);
    if (stream == &the_driver.legacy) {
        for (struct CUstream_st *other = the_driver.streams; other; other = other->next)
            if (!other->non_blocking)
                node_follows(node, other->tail);
    } else if (!stream->non_blocking) {
        node_follows(node, the_driver.legacy.tail);
    }
}

static bool blocking_capture(void)
{
    for (struct CUstream_st *stream = the_driver.streams; stream; stream = stream->next)
        if (stream->capture && !stream->non_blocking)
            return true;
    return false;
}

CUresult queue_work(struct CUstream_st *stream, Work *work)
{
    if (stream == &the_driver.legacy && blocking_capture()) {
        work_release(work);
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
    if (stream->capture) {
        if (stream->capture->invalid) {
            work_release(work);
            return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        }
        int32_t index = graph_add_work(stream->capture->graph, work, stream->captured.items,
                                       stream->captured.count);
        stream->captured.count = 0;
        set_add(&stream->captured, index);
        return CUDA_SUCCESS;
    }
    Node *node = queue_node(work);
    follow_stream(node, stream);
    stream->tail = node;
    return CUDA_SUCCESS;
}

/* ---- what is ordered ------------------------------------------------------------------------- */

/* Marks everything that the node follows. */
static void mark_before(Node *node, uint64_t walk)
{
    Node **stack = NULL;
    int32_t count = 0, capacity = 0;

    GROW(stack, count, capacity);
    stack[count++] = node;
    while (count) {
        Node *at = stack[--count];
        for (int32_t i = 0; i < at->after_count; i++)
            if (at->after[i]->seen != walk) {
                at->after[i]->seen = walk;
                GROW(stack, count, capacity);
                stack[count++] = at->after[i];
            }
    }
    free(stack);
}

static void free_node(Node *node)
{
    work_release(node->work);
    touch_free(node->reads);
    touch_free(node->writes);
    free(node->after);
    free(node);
}

static void forget(Node **place, uint64_t walk)
{
    if (*place && (*place)->seen == walk)
        *place = NULL;
}

/* Retired nodes go: whoever names them follows nothing instead. */
static void drop_marked(uint64_t walk)
{
    int32_t kept = 0;

    forget(&the_driver.legacy.tail, walk);
    for (struct CUstream_st *stream = the_driver.streams; stream; stream = stream->next)
        forget(&stream->tail, walk);
    for (int32_t i = 0; i < the_driver.node_count; i++) {
        Node *node = the_driver.nodes[i];
        int32_t after = 0;
        for (int32_t k = 0; k < node->after_count; k++)
            if (node->after[k]->seen != walk)
                node->after[after++] = node->after[k];
        node->after_count = after;
    }
    for (int32_t i = 0; i < the_driver.node_count; i++) {
        Node *node = the_driver.nodes[i];
        if (node->seen != walk) {
            the_driver.nodes[kept++] = node;
            continue;
        }
        node->retired = true;
        if (node->pins == 0)
            free_node(node);
    }
    the_driver.node_count = kept;
}

void node_pin(Node *node)
{
    if (node)
        node->pins++;
}

void node_unpin(Node *node)
{
    if (node && --node->pins == 0 && node->retired)
        free_node(node);
}

void queue_retire(Node *node)
{
    if (!node || node->retired)
        return;
    uint64_t walk = ++the_driver.walk;
    node->seen = walk;
    mark_before(node, walk);
    drop_marked(walk);
}

void queue_retire_all(void)
{
    uint64_t walk = ++the_driver.walk;

    for (int32_t i = 0; i < the_driver.node_count; i++)
        the_driver.nodes[i]->seen = walk;
    drop_marked(walk);
}

/* ---- running --------------------------------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static bool check_copy(const Work *work, uint64_t address, const char *what)
{
    char text[512], where[256];

    if (work->bytes == 0 || softgpu_owns(the_driver.gpu, address, (int64_t)work->bytes))
        return true;
    describe_address(the_driver.gpu, address, where, sizeof where);
    snprintf(text, sizeof text, "out of bounds: %s of %zu bytes at 0x%llx, %s", what, work->bytes,
             (unsigned long long)address, where);
    set_fault(the_driver.gpu, SOFTGPU_ILLEGAL_ADDRESS, SOFTGPU_FAULT_out_of_bounds, text);
    return false;
}

static void run_launch(Node *node)
{
    Work *work = node->work;
    void *args[256];

    for (int32_t i = 0; i < work->kernel->param_count && i < 256; i++)
        args[i] = work->params + work->kernel->params[i].offset;
    if (softgpu_launch(the_driver.gpu, work->kernel, &work->shape, args) == SOFTGPU_OK) {
        touch_add(node->reads, the_driver.gpu->reads);
        touch_add(node->writes, the_driver.gpu->writes);
    }
}

static void run_fill(Node *node)
{
    Work *work = node->work;
    uint8_t *at = (uint8_t *)(uintptr_t)work->to;

    if (!check_copy(work, work->to, "memset"))
        return;
    for (size_t i = 0; i < work->bytes; i += work->width)
        memcpy(at + i, &work->value, work->width);
    touch_range(node->writes, work->to, work->bytes);
}

static void run_copy(Node *node)
{
    Work *work = node->work;
    bool reads = work->kind != NODE_upload, writes = work->kind != NODE_download;

    if ((reads && !check_copy(work, work->from, "copy"))
        || (writes && !check_copy(work, work->to, "copy")) || work->bytes == 0)
        return;
    const void *from = reads ? (const void *)(uintptr_t)work->from : work->host;
    memmove(writes ? (void *)(uintptr_t)work->to : work->host, from, work->bytes);
    if (reads)
        touch_range(node->reads, work->from, work->bytes);
    if (writes)
        touch_range(node->writes, work->to, work->bytes);
}

static void run_work(Node *node)
{
    switch (node->work->kind) {
    case NODE_nothing: return;
    case NODE_launch: run_launch(node); return;
    case NODE_upload:
    case NODE_download:
    case NODE_copy: run_copy(node); return;
    case NODE_fill: run_fill(node); return;
    case NODE_call: node->work->call(node->work, node->reads, node->writes); return;
    }
}

static void report_pair(const Node *node, const Node *other, const char *how, uint64_t address)
{
    char text[512], where[256];
    Region region = find_region(the_driver.gpu, address);

    snprintf(where, sizeof where, "byte %llu of the %llu bytes at 0x%llx",
             (unsigned long long)(address - region.begin),
             (unsigned long long)(region.end - region.begin), (unsigned long long)region.begin);
    snprintf(text, sizeof text,
             "race between launches: %s %s what %s %s, about %s; nothing orders the two",
             node->work->label, how[0] == 'r' ? "reads" : "writes", other->work->label,
             how[1] == 'r' ? "reads" : "writes", where);
    set_fault(the_driver.gpu, SOFTGPU_LAUNCH_FAILED, SOFTGPU_FAULT_global_race, text);
}

/* Against every node that is done and that nothing orders with this one; the one queued last is
 * named, which is where an edge is missing when nodes run in the order of queueing. */
static void check_unordered(Node *node)
{
    uint64_t walk = ++the_driver.walk, address;

    if (node->work->kind == NODE_nothing)
        return;
    mark_before(node, walk);
    for (int32_t i = the_driver.node_count - 1; i >= 0; i--) {
        const Node *other = the_driver.nodes[i];
        if (!other->done || other->seen == walk || other == node || !other->reads)
            continue;
        if (touch_overlap(node->writes, other->writes, &address))
            report_pair(node, other, "ww", address);
        else if (touch_overlap(node->reads, other->writes, &address))
            report_pair(node, other, "rw", address);
        else if (touch_overlap(node->writes, other->reads, &address))
            report_pair(node, other, "wr", address);
    }
}

static void run_node(Node *node)
{
    if (node->work->kind != NODE_nothing) {
        node->reads = touch_create(TOUCH_LAUNCH);
        node->writes = touch_create(TOUCH_LAUNCH);
    }
    if (the_driver.gpu->status == SOFTGPU_OK) {
        run_work(node);
        check_unordered(node);
    }
    node->done = true;
    node->finished_ms = now_ms();
}

static bool is_ready(const Node *node)
{
    if (node->done)
        return false;
    for (int32_t i = 0; i < node->after_count; i++)
        if (!node->after[i]->done)
            return false;
    return true;
}

/* One of those that are ready, the first in the order of queueing or any; NULL: none is. */
static Node *choose_ready(void)
{
    Node *chosen = NULL;
    uint64_t ready = 0;

    for (int32_t i = 0; i < the_driver.node_count; i++) {
        if (!is_ready(the_driver.nodes[i]))
            continue;
        if (the_driver.in_order)
            return the_driver.nodes[i];
        the_driver.random = the_driver.random * UINT64_C(6364136223846793005) + 1442695040888963407;
        if ((the_driver.random >> 33) % ++ready == 0)
            chosen = the_driver.nodes[i];
    }
    return chosen;
}

CUresult queue_run(Node *until)
{
    while (!until || !until->done) {
        Node *node = choose_ready();
        if (!node)
            break;
        run_node(node);
    }
    return (CUresult)the_driver.gpu->status;
}
