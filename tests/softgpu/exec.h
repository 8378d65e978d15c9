/* Executing: a warp, its block, the launch, and what the handlers of the instructions use.
 *
 * A handler reads all its sources before it writes a result: their slots may be the same bytes. It
 * writes only the lanes of warp->mask.
 */
#ifndef SNUG_SOFTGPU_EXEC_H
#define SNUG_SOFTGPU_EXEC_H

#include <pthread.h>

#include "lanes.h"
#include "ptx.h"

typedef struct Block Block;
typedef struct Launch Launch;

enum { MAX_WARPS = 32, NAMED_BARRIERS = 16, ALL_LANES = 32 };

typedef struct Group { /* lanes of a warp that are at another instruction */
    uint32_t pc, mask;
    bool waits; /* for the other lanes, at an instruction of the whole warp */
} Group;

typedef struct Copy { /* a cp.async on its way */
    uint64_t from;
    uint32_t to, group; /* group: how many its lane had committed before */
    uint8_t lane, bytes, source_bytes;
    int32_t op;
} Copy;

typedef enum WarpState {
    WARP_runs,
    WARP_at_barrier,
    WARP_arrives, /* at bar.arrive: it goes on, but counts as one that came */
    WARP_done,
    WARP_failed
} WarpState;

typedef struct Region { /* where global memory may be touched */
    uint64_t begin, end;
    bool read_only;
} Region;

struct Warp {
    uint8_t *file;   /* registers */
    uint32_t mask;   /* lanes that the current op is for */
    uint32_t active; /* lanes at pc */
    uint32_t pc;
    uint32_t wake; /* pc from which warp_settle must look: lowest pc of another group; 0: at once */
    uint32_t live; /* lanes that have not exited */
    uint32_t born; /* lanes that are threads of the block */
    Group groups[LANES];
    int32_t group_count;
    WarpState state;
    bool waits;             /* the active lanes wait for other lanes of the warp */
    int32_t barrier;        /* which one it waits at */
    uint32_t barrier_warps; /* of how many warps; 0: all */
    const Op *barrier_op;
    Block *block;
    int32_t index;
    uint8_t *local; /* {LANES, local_bytes} */
    Copy *copies;
    int32_t copy_count, copy_capacity;
    uint32_t committed[LANES];
    uint32_t warp_syncs; /* bar.warp.sync so far */
    Region region;       /* of the last access */
    SoftGpuCounters counters;
};

/* ---- races.c: who touched which byte of shared memory, and when ------------------------------ */

typedef struct Shadow {
    uint32_t writer;  /* time 17, warp syncs 4, warp 5, lane 5; time 0: nobody */
    uint32_t reader;  /* the last one, the same way */
    uint32_t readers; /* warps that read at the reader's time */
} Shadow;

typedef struct Races {
    Shadow *shadow; /* one a granule */
    int32_t capacity, granules, shift;
    uint32_t time;                        /* of the block: barriers completed + 1 */
    uint32_t clock[MAX_WARPS][MAX_WARPS]; /* [w][v]: what v did before this time is ordered before
                                             what w does now */
} Races;

void races_begin(Races *races, int32_t shared_bytes, int32_t shift, int32_t warps);
/* The warps of the mask met at a barrier. */
void races_barrier(Races *races, uint32_t warps);
/* One access of a lane; false after a fault. */
bool races_read(Warp *warp, const Op *op, uint32_t lane, uint32_t at, int32_t bytes);
bool races_write(Warp *warp, const Op *op, uint32_t lane, uint32_t at, int32_t bytes);
/* cp.async: begin marks the bytes as its own, end hands them to the lane. */
bool races_copy_begin(Warp *warp, const Op *op, uint32_t lane, uint32_t at, int32_t bytes);
void races_copy_end(Warp *warp, uint32_t lane, uint32_t at, int32_t bytes);
void races_free(Races *races);

/* ---- block and launch ------------------------------------------------------------------------ */

typedef struct TouchMap TouchMap; /* which granules of global memory a launch touched: touch.c */

struct Block {
    Launch *launch;
    uint8_t *shared;
    uint32_t shared_bytes; /* static + dynamic: the limit */
    uint32_t id[3];
    int64_t index;
    Warp warps[MAX_WARPS];
    int32_t warp_count;
    Races races;
    bool races_on;
    TouchMap *reads, *writes;         /* of this CPU thread */
    TouchMap *own_reads, *own_writes; /* of this block, where blocks are checked; else NULL */
    uint64_t random;
};

struct Launch {
    SoftGpu *gpu;
    const SoftGpuKernel *kernel;
    SoftGpuLaunch shape;
    const uint8_t *params;
    pthread_mutex_t lock;                 /* of the two sets */
    TouchMap *block_reads, *block_writes; /* of the blocks that are done; NULL: are not checked */
};

/* Reports once a launch; the warp fails. ALL_LANES: the whole warp. Always returns false. */
bool fault(Warp *warp, const Op *op, uint32_t lane, SoftGpuFault kind, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The lanes of warp->mask wait here for the other lanes of `wanted` (bits of live lanes). */
void wait_for_lanes(Warp *warp, const Op *op, uint32_t wanted);
/* True where all lanes of `wanted` are here; else they wait, or there was a fault. */
bool gather_lanes(Warp *warp, const Op *op, uint32_t wanted);

/* ---- device memory: device.c ----------------------------------------------------------------- */
/* The allocation that holds the address; begin == end: none. */
Region find_region(const SoftGpu *gpu, uint64_t address);
/* "which is 4 bytes past the end of the allocation of 4096 bytes at 0x..." */
void describe_address(const SoftGpu *gpu, uint64_t address, char *text, size_t size);

/* ---- touch.c --------------------------------------------------------------------------------- */
void touch_range(TouchMap *map, uint64_t address, uint64_t bytes);

/* ---- exec_memory.c --------------------------------------------------------------------------- */
/* Host pointer of an access of `bytes` at a shared-memory offset, checked; NULL after a fault. */
uint8_t *shared_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes);
uint8_t *global_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes,
                        bool writes);
/* The addresses of all lanes: base register plus offset. */
U64 lane_addresses(const Warp *warp, const Op *op, int base);

/* ---- reading and writing registers ----------------------------------------------------------- */
#define REG(type, index) (*(const type *)(warp->file + op->r[index]))
#define PREDICATE(index) (*(const uint32_t *)(warp->file + op->r[index]))

INLINE void put_u16(Warp *warp, int32_t slot, U16 v)
{
    U16 *at = (U16 *)(warp->file + slot);

    *at = warp->mask == UINT32_MAX ? v : lanes_select_u16(warp->mask, v, *at);
}

INLINE void put_u32(Warp *warp, int32_t slot, U32 v)
{
    U32 *at = (U32 *)(warp->file + slot);

    *at = warp->mask == UINT32_MAX ? v : lanes_select_u32(warp->mask, v, *at);
}

INLINE void put_u64(Warp *warp, int32_t slot, U64 v)
{
    U64 *at = (U64 *)(warp->file + slot);

    *at = warp->mask == UINT32_MAX ? v : lanes_select_u64(warp->mask, v, *at);
}

INLINE void put_predicate(Warp *warp, int32_t slot, uint32_t bits)
{
    uint32_t *at = (uint32_t *)(warp->file + slot);

    *at = (bits & warp->mask) | (*at & ~warp->mask);
}

#define PUT_U16(index, value) put_u16(warp, op->r[index], (U16)(value))
#define PUT_U32(index, value) put_u32(warp, op->r[index], (U32)(value))
#define PUT_U64(index, value) put_u64(warp, op->r[index], (U64)(value))

#define FOR_LANES(lane, bits)                                                                      \
    for (uint32_t left_ = (bits), lane = 0;                                                        \
         left_ != 0 && ((lane = (uint32_t)__builtin_ctz(left_)), 1); left_ &= left_ - 1)

#endif
