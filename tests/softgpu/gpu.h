/* The device: its memory, its modules, its fault; what launches share. */
#ifndef SNUG_SOFTGPU_GPU_H
#define SNUG_SOFTGPU_GPU_H

#include <pthread.h>

#include "exec.h"

enum {
    CARD_SHARED_DEFAULT = 48 * 1024, /* of a block, without opting in */
    CARD_SHARED_OPT_IN = 99 * 1024,  /* compute capability 8.6 */
    CARD_THREADS = 1024,
    CARD_SMS = 48
};

typedef struct Allocation {
    uint64_t begin; /* as the program sees it */
    int64_t bytes;
    void *mapping; /* with its guard pages */
    size_t mapped;
    bool read_only; /* constant memory */
    bool is_module; /* a module's variable: not counted as the program's memory */
} Allocation;

struct SoftGpu {
    SoftGpuOptions options;
    SoftGpuStatus status;
    SoftGpuFault fault;
    char report[2048];
    pthread_mutex_t lock;    /* of the fault */
    Allocation *allocations; /* by address */
    int32_t allocation_count, allocation_capacity;
    int64_t used_bytes;
    SoftGpuModule *modules;
    SoftGpuCounters last;
    uint64_t launch_serial;
    struct Worker *workers;   /* launch.c */
    TouchMap *reads, *writes; /* of the last launch: touch.c */
};

enum { ACCESS_read, ACCESS_write, ACCESS_atomic };

/* ---- exec_memory.c ---- */
/* Of any space, checked and told to the race detector; NULL after a fault. */
uint8_t *access_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes,
                        int access);
/* ---- exec_async.c ---- */
bool copy_source(Warp *warp, const Op *op, uint32_t lane, uint64_t from, uint32_t bytes);

/* ---- device.c ---- */
uint64_t device_map(SoftGpu *gpu, int64_t bytes, bool read_only, bool is_module);
void device_unmap(SoftGpu *gpu, uint64_t address);
/* The first fault stays. */
void set_fault(SoftGpu *gpu, SoftGpuStatus status, SoftGpuFault kind, const char *text);

/* ---- product.c ---- */
bool multiply(SoftGpu *gpu, const SoftGpuProduct *product, TouchMap *reads, TouchMap *writes);

/* ---- touch.c: sets of granules of global memory ---- */
enum { TOUCH_LAUNCH = 4, TOUCH_BLOCK = 1 }; /* shifts: granules of 16 and of 2 bytes */
TouchMap *touch_create(int shift);
void touch_free(TouchMap *map);
void touch_clear(TouchMap *map);
void touch_add(TouchMap *to, const TouchMap *from);
int64_t touch_bytes(const TouchMap *map);
/* Whether two sets of the same shift share a granule, and the address of one. */
bool touch_overlap(const TouchMap *a, const TouchMap *b, uint64_t *address);

/* ---- launch.c ---- */
void workers_free(SoftGpu *gpu);

#endif
