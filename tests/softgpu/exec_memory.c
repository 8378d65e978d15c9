/* ld, st, cvta: every access is checked for bounds and alignment, lane by lane. */
#include "exec_ops.h"
#include "gpu.h"

#include <stdlib.h>

U64 lane_addresses(const Warp *warp, const Op *op, int base)
{
    if (op->kind == 4)
        return __builtin_convertvector(REG(U32, base) + (uint32_t)op->imm, U64);
    return REG(U64, base) + (uint64_t)op->imm;
}

static bool misaligned(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes)
{
    return fault(warp, op, lane, SOFTGPU_FAULT_misaligned,
                 "an access of %u bytes at 0x%llx, which is no multiple of %u", bytes,
                 (unsigned long long)address, bytes);
}

uint8_t *shared_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes)
{
    Block *block = warp->block;

    if (address + bytes > block->shared_bytes || address + bytes < address) {
        fault(warp, op, lane, SOFTGPU_FAULT_out_of_bounds,
              "%u bytes at offset %lld of shared memory; the block has %u bytes", bytes,
              (long long)address, block->shared_bytes);
        return NULL;
    }
    if (address & (bytes - 1)) {
        misaligned(warp, op, lane, address, bytes);
        return NULL;
    }
    return block->shared + address;
}

uint8_t *global_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes,
                        bool writes)
{
    Region *region = &warp->region;

    if (address - region->begin >= region->end - region->begin)
        *region = find_region(warp->block->launch->gpu, address);
    if (address < region->begin || address + bytes > region->end || address + bytes < address) {
        char where[256];
        describe_address(warp->block->launch->gpu, address, where, sizeof where);
        fault(warp, op, lane, SOFTGPU_FAULT_out_of_bounds, "%s %u bytes at 0x%llx, %s",
              writes ? "writes" : "reads", bytes, (unsigned long long)address, where);
        return NULL;
    }
    if (address & (bytes - 1)) {
        misaligned(warp, op, lane, address, bytes);
        return NULL;
    }
    if (writes && region->read_only) {
        fault(warp, op, lane, SOFTGPU_FAULT_read_only,
              "writes %u bytes of constant memory at 0x%llx", bytes, (unsigned long long)address);
        return NULL;
    }
    Block *block = warp->block;
    touch_range(writes ? block->writes : block->reads, address, bytes);
    if (block->own_reads)
        touch_range(writes ? block->own_writes : block->own_reads, address, bytes);
    if (writes)
        warp->counters.global_written_bytes += bytes;
    else
        warp->counters.global_read_bytes += bytes;
    return (uint8_t *)(uintptr_t)address;
}

static uint8_t *local_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address,
                              uint32_t bytes)
{
    uint32_t size = (uint32_t)warp->block->launch->kernel->local_bytes;

    if (address + bytes > size || address + bytes < address) {
        fault(warp, op, lane, SOFTGPU_FAULT_out_of_bounds,
              "%u bytes at offset %lld of local memory; the thread has %u bytes", bytes,
              (long long)address, size);
        return NULL;
    }
    if (address & (bytes - 1)) {
        misaligned(warp, op, lane, address, bytes);
        return NULL;
    }
    return warp->local + (size_t)lane * size + address;
}

/* A generic address says in its high bits which space it is in. */
static Space actual_space(const Op *op, uint64_t *address)
{
    if (op->space != SPACE_generic)
        return (Space)op->space;
    if (*address >= LOCAL_WINDOW) {
        *address -= LOCAL_WINDOW;
        return SPACE_local;
    }
    if (*address >= SHARED_WINDOW) {
        *address -= SHARED_WINDOW;
        return SPACE_shared;
    }
    return SPACE_global;
}

uint8_t *access_pointer(Warp *warp, const Op *op, uint32_t lane, uint64_t address, uint32_t bytes,
                        int access)
{
    Block *block = warp->block;
    uint8_t *at;

    switch (actual_space(op, &address)) {
    case SPACE_shared:
        at = shared_pointer(warp, op, lane, address, bytes);
        if (at && block->races_on && access != ACCESS_atomic
            && !(access == ACCESS_write
                     ? races_write(warp, op, lane, (uint32_t)address, (int32_t)bytes)
                     : races_read(warp, op, lane, (uint32_t)address, (int32_t)bytes)))
            return NULL;
        return at;
    case SPACE_local:
    case SPACE_param: return local_pointer(warp, op, lane, address, bytes);
    case SPACE_global:
    case SPACE_constant:
    case SPACE_generic: break;
    }
    at = global_pointer(warp, op, lane, address, bytes, access != ACCESS_read);
    if (at && access == ACCESS_atomic) {
        touch_range(block->reads, address, bytes);
        warp->counters.global_read_bytes += bytes;
    }
    return at;
}

/* ---- ld -------------------------------------------------------------------------------------- */

INLINE uint64_t read_element(const uint8_t *at, int size, bool is_signed)
{
    uint64_t bits = 0;

    memcpy(&bits, at, (size_t)size);
    if (is_signed)
        bits = (uint64_t)((int64_t)(bits << (64 - 8 * size)) >> (64 - 8 * size));
    return bits;
}

#define READ_LANES(T, size_bytes)                                                                  \
    do {                                                                                           \
        T *d = (T *)(warp->file + op->r[k]);                                                       \
        FOR_LANES(lane, warp->mask)                                                                \
        (*d)[lane] = (__typeof__((*d)[0]))read_element(at[lane] + (size_t)k * (size_bytes),        \
                                                       (int)(size_bytes), false);                  \
    } while (0)

static void read_registers(Warp *warp, const Op *op, const uint8_t *const *at)
{
    bool is_signed = op->flags & OP_SIGNED;

    for (int k = 0; k < op->count; k++) {
        if (op->r[k] == NO_REGISTER)
            continue;
        if (op->size == 4 && op->width == 4) {
            READ_LANES(U32, sizeof(uint32_t));
        } else if (op->size == 2 && op->width == 2) {
            READ_LANES(U16, sizeof(uint16_t));
        } else if (op->size == 8) {
            READ_LANES(U64, sizeof(uint64_t));
        } else {
            U64 d = lanes_all64(0);
            FOR_LANES(lane, warp->mask)
            d[lane] = read_element(at[lane] + k * op->size, op->size, is_signed);
            if (op->width == 2)
                PUT_U16(k, __builtin_convertvector(d, U16));
            else if (op->width == 4)
                PUT_U32(k, __builtin_convertvector(d, U32));
            else
                PUT_U64(k, d);
        }
    }
}

void run_load(Warp *warp, const Op *op)
{
    const uint8_t *at[LANES];
    U64 addresses = lane_addresses(warp, op, op->count);
    uint32_t bytes = (uint32_t)op->size * op->count;

    FOR_LANES(lane, warp->mask)
    {
        at[lane] = access_pointer(warp, op, lane, addresses[lane], bytes, ACCESS_read);
        if (!at[lane])
            return;
    }
    read_registers(warp, op, at);
}

/* The kernel's parameters: the same for all lanes. */
void run_load_param(Warp *warp, const Op *op)
{
    const Launch *launch = warp->block->launch;
    const uint8_t *at[LANES];
    U64 addresses = lane_addresses(warp, op, op->count);
    uint32_t bytes = (uint32_t)op->size * op->count;

    FOR_LANES(lane, warp->mask)
    {
        if (addresses[lane] + bytes > (uint64_t)launch->kernel->param_bytes) {
            fault(warp, op, lane, SOFTGPU_FAULT_out_of_bounds,
                  "%u bytes at offset %llu of the parameters; there are %d bytes", bytes,
                  (unsigned long long)addresses[lane], launch->kernel->param_bytes);
            return;
        }
        at[lane] = launch->params + addresses[lane];
    }
    read_registers(warp, op, at);
}

/* ---- st -------------------------------------------------------------------------------------- */

INLINE void write_element(uint8_t *at, uint64_t bits, int size)
{
    switch (size) {
    case 1: *at = (uint8_t)bits; return;
    case 2: memcpy(at, &bits, 2); return;
    case 4: memcpy(at, &bits, 4); return;
    default: memcpy(at, &bits, 8); return;
    }
}

void run_store(Warp *warp, const Op *op)
{
    U64 addresses = lane_addresses(warp, op, 0);
    uint32_t bytes = (uint32_t)op->size * op->count;

    FOR_LANES(lane, warp->mask)
    {
        uint8_t *at = access_pointer(warp, op, lane, addresses[lane], bytes, ACCESS_write);
        if (!at)
            return;
        for (int k = 0; k < op->count; k++)
            write_element(at + k * op->size, register_lane(warp, op->r[1 + k], lane, op->width),
                          op->size);
    }
}

/* ---- spaces ---------------------------------------------------------------------------------- */

static uint64_t window(int space)
{
    return space == SPACE_shared ? SHARED_WINDOW : space == SPACE_local ? LOCAL_WINDOW : 0;
}

void run_to_generic(Warp *warp, const Op *op)
{
    PUT_U64(0, REG(U64, 1) + window(op->space));
}

void run_from_generic(Warp *warp, const Op *op)
{
    PUT_U64(0, REG(U64, 1) - window(op->space));
}

void run_is_space(Warp *warp, const Op *op)
{
    U64 a = REG(U64, 1);
    uint32_t bits = 0;

    FOR_LANES(lane, warp->mask)
    {
        uint64_t address = a[lane];
        Op generic = {.space = SPACE_generic};
        Space space = actual_space(&generic, &address);
        if (space == SPACE_global && op->space == SPACE_constant)
            bits |= (uint32_t)find_region(warp->block->launch->gpu, address).read_only << lane;
        else
            bits |= (uint32_t)(space == (Space)op->space) << lane;
    }
    put_predicate(warp, op->r[0], bits);
}
