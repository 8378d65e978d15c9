/* The race detector of shared memory.
 *
 * Time is the number of barriers that the block has completed. Each granule of shared memory knows
 * its last writer and its last readers with the time. What warp v did before clock[w][v] is ordered
 * before what warp w does now: a barrier sets it to the time for the warps that met. Within a warp,
 * lanes are ordered by bar.warp.sync only; that they run in lockstep here is no promise of the
 * card.
 *
 *     write: races with a write or a read of another thread that is not ordered before it
 *     read:  races with a write of another thread that is not ordered before it
 *
 * Of several readers since the last barrier, one is kept with its lane and all with their warps.
 * Atomics are not judged. Accesses are granules: the smallest that the kernel makes.
 */
#include "gpu.h"

#include <stdlib.h>

/* The words of a Shadow. */
enum { LANE_BITS = 5, WARP_BITS = 5, SYNC_BITS = 4, TIME_SHIFT = 14, TIME_LIMIT = (1 << 17) - 2 };
#define SEVERAL (1u << 31) /* in a reader: other lanes of its warp have read too */
/* In place of a reader (whose time would be past the limit): a cp.async owns the granule. */
#define PENDING UINT32_MAX

static uint32_t stamp_of(const Warp *warp, uint32_t lane)
{
    return warp->block->races.time << TIME_SHIFT
           | (warp->warp_syncs & ((1 << SYNC_BITS) - 1)) << (LANE_BITS + WARP_BITS)
           | (uint32_t)warp->index << LANE_BITS | lane;
}

static uint32_t stamp_time(uint32_t stamp)
{
    return (stamp & ~SEVERAL) >> TIME_SHIFT;
}

static uint32_t stamp_warp(uint32_t stamp)
{
    return stamp >> LANE_BITS & 31;
}

/* Whether what the stamp says is ordered before what this lane does now. */
static bool is_ordered(const Warp *warp, uint32_t stamp, uint32_t now)
{
    uint32_t other = stamp_warp(stamp);

    if (stamp == 0 || stamp_time(stamp) < warp->block->races.clock[warp->index][other])
        return true;
    if (other != (uint32_t)warp->index)
        return false;
    bool same_lane = ((stamp ^ now) & (31 | SEVERAL)) == 0;
    bool synced = ((stamp ^ now) >> (LANE_BITS + WARP_BITS) & ((1 << SYNC_BITS) - 1)) != 0;
    return same_lane || synced;
}

void races_begin(Races *races, int32_t shared_bytes, int32_t shift, int32_t warps)
{
    races->shift = shift;
    races->granules = (shared_bytes + (1 << shift) - 1) >> shift;
    if (races->granules > races->capacity) {
        free(races->shadow);
        races->shadow = allocate_or_exit(races->granules, (int64_t)sizeof *races->shadow);
        races->capacity = races->granules;
    }
    if (races->granules)
        memset(races->shadow, 0, (size_t)races->granules * sizeof *races->shadow);
    races->time = 1;
    for (int32_t w = 0; w < warps; w++)
        for (int32_t v = 0; v < warps; v++)
            races->clock[w][v] = 1;
}

void races_free(Races *races)
{
    free(races->shadow);
    *races = (Races){0};
}

void races_barrier(Races *races, uint32_t warps)
{
    uint32_t joined[MAX_WARPS] = {0};

    if (races->time == TIME_LIMIT) { /* forget: a race across this very barrier is missed */
        int32_t count = races->granules;
        memset(races->shadow, 0, (size_t)count * sizeof *races->shadow);
        races->time = 0;
        memset(races->clock, 0, sizeof races->clock);
    }
    races->time++;
    FOR_LANES(w, warps)
    for (int32_t v = 0; v < MAX_WARPS; v++)
        if (races->clock[w][v] > joined[v])
            joined[v] = races->clock[w][v];
    FOR_LANES(w, warps)
    joined[w] = races->time;
    FOR_LANES(w, warps)
    memcpy(races->clock[w], joined, sizeof joined);
}

static bool report(Warp *warp, const Op *op, uint32_t lane, uint32_t at, const char *mine,
                   const char *theirs, uint32_t stamp)
{
    uint32_t thread = stamp_warp(stamp) * LANES + (stamp & 31);
    uint32_t me = (uint32_t)warp->index * LANES + lane;

    if (thread == me) /* of several lanes the last was this one */
        thread ^= 1;
    return fault(
        warp, op, lane, SOFTGPU_FAULT_shared_race,
        "thread %u %s shared memory at offset %u, which thread %u %s with no barrier between", me,
        mine, at, thread, theirs);
}

static bool report_pending(Warp *warp, const Op *op, uint32_t lane, uint32_t at, const char *mine,
                           uint32_t stamp)
{
    uint32_t thread = stamp_warp(stamp) * LANES + (stamp & 31);
    uint32_t me = (uint32_t)warp->index * LANES + lane;

    return fault(
        warp, op, lane, SOFTGPU_FAULT_async_pending,
        "thread %u %s shared memory at offset %u while the cp.async of thread %u to it has "
        "not been waited for",
        me, mine, at, thread);
}

bool races_read(Warp *warp, const Op *op, uint32_t lane, uint32_t at, int32_t bytes)
{
    Races *races = &warp->block->races;
    uint32_t now = stamp_of(warp, lane);
    uint32_t last = (at + (uint32_t)bytes - 1) >> races->shift;

    for (uint32_t i = at >> races->shift; i <= last; i++) {
        Shadow *shadow = &races->shadow[i];
        if (shadow->reader == PENDING)
            return report_pending(warp, op, lane, i << races->shift, "reads", shadow->writer);
        if (shadow->writer != now && !is_ordered(warp, shadow->writer, now))
            return report(warp, op, lane, i << races->shift, "reads", "wrote", shadow->writer);
        if (stamp_time(shadow->reader) != races->time)
            shadow->readers = 0;
        /* the same but for the lane: keep that there are two */
        bool same_moment = ((shadow->reader ^ now) & ~SEVERAL) >> LANE_BITS == 0;
        bool several = same_moment && shadow->reader != now;
        shadow->reader = several ? now | SEVERAL : now;
        shadow->readers |= 1u << warp->index;
    }
    return true;
}

/* A reader of another warp in the same time, or the last reader. */
static bool read_before(const Warp *warp, const Shadow *shadow, uint32_t now, uint32_t *reader)
{
    const Races *races = &warp->block->races;

    *reader = shadow->reader;
    if (shadow->reader == 0)
        return true;
    if (!is_ordered(warp, shadow->reader, now))
        return false;
    FOR_LANES(other, shadow->readers & ~(1u << warp->index))
    if (stamp_time(shadow->reader) >= races->clock[warp->index][other]) {
        *reader = (shadow->reader & ~1023u) | other << LANE_BITS;
        return false;
    }
    return true;
}

static bool check_write(Warp *warp, const Op *op, uint32_t lane, uint32_t granule, uint32_t now)
{
    Races *races = &warp->block->races;
    Shadow *shadow = &races->shadow[granule];
    uint32_t at = granule << races->shift, reader;

    if (shadow->reader == PENDING)
        return report_pending(warp, op, lane, at, "writes", shadow->writer);
    if (shadow->writer != now && !is_ordered(warp, shadow->writer, now))
        return report(warp, op, lane, at, "writes", "wrote", shadow->writer);
    if (!read_before(warp, shadow, now, &reader))
        return report(warp, op, lane, at, "writes", "read", reader);
    shadow->writer = now;
    shadow->reader = 0;
    shadow->readers = 0;
    return true;
}

bool races_write(Warp *warp, const Op *op, uint32_t lane, uint32_t at, int32_t bytes)
{
    Races *races = &warp->block->races;
    uint32_t now = stamp_of(warp, lane);
    uint32_t last = (at + (uint32_t)bytes - 1) >> races->shift;

    for (uint32_t i = at >> races->shift; i <= last; i++)
        if (!check_write(warp, op, lane, i, now))
            return false;
    return true;
}

bool races_copy_begin(Warp *warp, const Op *op, uint32_t lane, uint32_t at, int32_t bytes)
{
    Races *races = &warp->block->races;
    uint32_t last = (at + (uint32_t)bytes - 1) >> races->shift;

    if (!races_write(warp, op, lane, at, bytes))
        return false;
    for (uint32_t i = at >> races->shift; i <= last; i++)
        races->shadow[i].reader = PENDING;
    return true;
}

void races_copy_end(Warp *warp, uint32_t lane, uint32_t at, int32_t bytes)
{
    Races *races = &warp->block->races;
    uint32_t now = stamp_of(warp, lane);
    uint32_t last = (at + (uint32_t)bytes - 1) >> races->shift;

    for (uint32_t i = at >> races->shift; i <= last; i++)
        races->shadow[i] = (Shadow){.writer = now};
}
