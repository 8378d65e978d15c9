/* cp.async: the copy is made as late as the program allows.
 *
 *     cp.async        the destination becomes NaN, and the lane's: nobody may touch it
 *     commit_group    the lane's copies since the last one are a group
 *     wait_group n    all groups but the last n are copied now, from what the source holds now
 */
#include "exec_ops.h"
#include "gpu.h"

#include <stdlib.h>

void run_copy_async(Warp *warp, const Op *op)
{
    U64 to = op->kind & 1 ? REG(U64, 0) : __builtin_convertvector(REG(U32, 0), U64);
    U64 from = REG(U64, 1) + (uint64_t)op->imm;
    int32_t op_index = (int32_t)(op - warp->block->launch->kernel->ops);

    to += op->imm2;
    FOR_LANES(lane, warp->mask)
    {
        uint32_t source_bytes = op->r[2] == NO_REGISTER ? op->size : REG(U32, 2)[lane];
        if (op->kind & 2) /* the third operand is the predicate "ignore the source" */
            source_bytes = PREDICATE(2) >> lane & 1 ? 0 : op->size;
        uint8_t *at = shared_pointer(warp, op, lane, to[lane], op->size);
        if (!at)
            return;
        if (source_bytes > op->size) {
            fault(warp, op, lane, SOFTGPU_FAULT_launch_limits,
                  "cp.async of %u bytes with a source size of %u", op->size, source_bytes);
            return;
        }
        /* bounds of what is read; the alignment is that of the whole copy */
        if (source_bytes && from[lane] % op->size) {
            fault(warp, op, lane, SOFTGPU_FAULT_misaligned,
                  "cp.async of %u bytes from 0x%llx, which is no multiple of it", op->size,
                  (unsigned long long)from[lane]);
            return;
        }
        if (!copy_source(warp, op, lane, from[lane], source_bytes))
            return;
        if (warp->block->races_on
            && !races_copy_begin(warp, op, lane, (uint32_t)to[lane], op->size))
            return;
        memset(at, 0xff, op->size);
        GROW(warp->copies, warp->copy_count, warp->copy_capacity);
        warp->copies[warp->copy_count++] = (Copy){.from = from[lane],
                                                  .to = (uint32_t)to[lane],
                                                  .group = warp->committed[lane],
                                                  .lane = (uint8_t)lane,
                                                  .bytes = op->size,
                                                  .source_bytes = (uint8_t)source_bytes,
                                                  .op = op_index};
    }
}

bool copy_source(Warp *warp, const Op *op, uint32_t lane, uint64_t from, uint32_t bytes)
{
    Region *region = &warp->region;

    if (bytes == 0)
        return true;
    if (from - region->begin >= region->end - region->begin)
        *region = find_region(warp->block->launch->gpu, from);
    if (from < region->begin || from + bytes > region->end || from + bytes < from) {
        char where[256];
        describe_address(warp->block->launch->gpu, from, where, sizeof where);
        return fault(warp, op, lane, SOFTGPU_FAULT_out_of_bounds, "reads %u bytes at 0x%llx, %s",
                     bytes, (unsigned long long)from, where);
    }
    touch_range(warp->block->reads, from, bytes);
    if (warp->block->own_reads)
        touch_range(warp->block->own_reads, from, bytes);
    warp->counters.global_read_bytes += bytes;
    return true;
}

void run_copy_commit(Warp *warp, const Op *op)
{
    (void)op;
    FOR_LANES(lane, warp->mask)
    warp->committed[lane]++;
}

/* 16 bytes are most copies: a size that the compiler knows is faster. */
static void make_copy(uint8_t *to, const Copy *copy)
{
    const void *from = (const void *)(uintptr_t)copy->from;

    if (copy->source_bytes == 16) {
        memcpy(to, from, 16);
        return;
    }
    if (copy->source_bytes)
        memcpy(to, from, copy->source_bytes);
    memset(to + copy->source_bytes, 0, (size_t)copy->bytes - copy->source_bytes);
}

void run_copy_wait(Warp *warp, const Op *op)
{
    Block *block = warp->block;
    int32_t kept = 0;

    for (int32_t i = 0; i < warp->copy_count; i++) {
        const Copy copy = warp->copies[i];
        bool here = warp->mask >> copy.lane & 1;
        bool due = op->imm < 0 || copy.group + (uint64_t)op->imm < warp->committed[copy.lane];
        if (!here || !due) {
            warp->copies[kept++] = copy;
            continue;
        }
        make_copy(block->shared + copy.to, &copy);
        if (block->races_on)
            races_copy_end(warp, copy.lane, copy.to, copy.bytes);
    }
    warp->copy_count = kept;
}
