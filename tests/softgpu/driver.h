/* The stand-in driver: streams, events and graphs on top of softgpu.h, with the driver API's own
 * names.
 *
 * Work is queued and runs when somebody waits for it, one node after the other, in an order drawn
 * from the seed that honours only what the program has ordered: streams, events, graph edges, host
 * waits. Two nodes that nothing orders and that touch the same bytes, one of them writing, are a
 * fault.
 */
#ifndef SNUG_SOFTGPU_DRIVER_H
#define SNUG_SOFTGPU_DRIVER_H

#include "cuda_subset.h"
#include "gpu.h"

typedef enum NodeKind {
    NODE_nothing, /* joins others: an event, the end of a graph */
    NODE_launch,
    NODE_upload, /* from host memory: `host`, or a copy of pageable memory taken when it was queued
                  */
    NODE_download,
    NODE_copy,
    NODE_fill,
    NODE_call /* a library's work: `call` */
} NodeKind;

typedef struct Work Work;

typedef struct Node {
    Work *work;
    struct Node **after;
    int32_t after_count, after_capacity;
    bool done, retired; /* retired: the host has waited for it: everything queued later follows */
    uint64_t seen;      /* mark of a walk */
    int32_t pins;       /* events and graphs that name it: it is not freed before */
    TouchMap *reads, *writes;
    double finished_ms; /* on the host's clock */
} Node;

/* What is to be done; shared by the launches of a graph. */
struct Work {
    int32_t references;
    NodeKind kind;
    SoftGpuKernel *kernel;
    SoftGpuLaunch shape;
    uint8_t *params; /* kernel's parameters, packed as in its parameter space */
    uint64_t to, from;
    void *host; /* upload, download; owned where own_host */
    bool own_host;
    size_t bytes;
    uint32_t value, width; /* fill */
    bool (*call)(Work *work, TouchMap *reads, TouchMap *writes);
    void *user; /* of call: free()d with the work */
    char label[64];
};

typedef struct Template { /* a node of a graph */
    Work *work;
    int32_t *after; /* indices of templates */
    int32_t after_count, after_capacity;
} Template;

struct CUgraph_st {
    Template *templates;
    int32_t count, capacity;
    struct CUgraphNode_st **handles; /* as cuGraphAddKernelNode gives them */
    int32_t handle_count, handle_capacity;
};

struct CUgraphNode_st {
    struct CUgraph_st *graph;
    int32_t index;
};

struct CUgraphExec_st {
    struct CUgraph_st *graph; /* its own copy */
    Node *last;               /* end of its last launch: launches of one exec follow each other */
};

typedef struct Capture {
    struct CUgraph_st *graph;
    struct CUstream_st *origin;
    CUstreamCaptureMode mode;
    bool invalid;
    struct Capture *next;
} Capture;

typedef struct IndexSet {
    int32_t *items;
    int32_t count, capacity;
} IndexSet;

struct CUstream_st {
    Node *tail;
    bool non_blocking;
    Capture *capture;
    IndexSet captured; /* templates that the next one follows */
    struct CUstream_st *next;
};

struct CUevent_st {
    Node *node; /* NULL: never recorded */
    Capture *capture;
    IndexSet captured;
    bool no_timing;
    struct CUevent_st *next;
};

typedef struct Pinned {
    uint8_t *memory;
    size_t bytes;
} Pinned;

typedef struct Driver {
    pthread_mutex_t lock;
    bool initialized;
    int32_t retained; /* of the primary context */
    SoftGpu *gpu;
    struct CUstream_st legacy; /* stream NULL */
    struct CUstream_st *streams;
    struct CUevent_st *events;
    Capture *captures;
    Node **nodes; /* that are not retired, in the order in which they were queued */
    int32_t node_count, node_capacity;
    uint64_t walk, random;
    bool in_order; /* nodes run as they were queued */
    Pinned *pinned;
    int32_t pinned_count, pinned_capacity;
    bool reported;
} Driver;

extern Driver the_driver;

/* Lock, and CUDA_SUCCESS where there is a context; else the error, unlocked. */
CUresult driver_enter(void);
/* Unlocks; a fault of the device takes the place of success. */
CUresult driver_leave(CUresult result);
#define ENTER()                                                                                    \
    do {                                                                                           \
        CUresult entered_ = driver_enter();                                                        \
        if (entered_ != CUDA_SUCCESS)                                                              \
            return entered_;                                                                       \
    } while (0)

/* ---- queue.c ---- */
Work *work_create(NodeKind kind, const char *label);
void work_release(Work *work);
/* Appends to the stream, or to the graph that it captures. Takes the work over. */
CUresult queue_work(struct CUstream_st *stream, Work *work);
Node *queue_node(Work *work);
void node_follows(Node *node, Node *before);
void node_pin(Node *node);
void node_unpin(Node *node);
/* Runs what is ready, in a random order or in that of queueing, until this node is done; NULL:
 * everything. */
CUresult queue_run(Node *until);
/* The host has waited for this node: it and what it follows are ordered before all that comes. */
void queue_retire(Node *node);
void queue_retire_all(void);
/* The stream's dependencies for a new node: its tail, and the legacy stream's rules. */
void follow_stream(Node *node, struct CUstream_st *stream);
struct CUstream_st *stream_of(CUstream handle);

/* ---- driver_graph.c ---- */
/* CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED where a capture forbids calls like this one. */
CUresult refuse_in_capture(struct CUstream_st *stream);
void graph_free(struct CUgraph_st *graph);
int32_t graph_add_work(struct CUgraph_st *graph, Work *work, const int32_t *after, int32_t count);
struct CUgraphNode_st *graph_handle(struct CUgraph_st *graph, int32_t index);
void set_add(IndexSet *set, int32_t item);

/* ---- driver_memory.c ---- */
bool is_pinned(const void *memory, size_t bytes);

#endif
