/* atom, red: blocks run on several CPU threads, so global memory is changed by the host's own
 * atomics; shared memory belongs to one CPU thread. The race detector leaves atomics out: they are
 * ordered among themselves, and code that mixes them with plain accesses is not judged. */
#include "exec_ops.h"
#include "gpu.h"

#include <math.h>

static uint64_t add_floats(uint64_t old, uint64_t b, int type)
{
    if (type == NUMBER_f64) {
        double x, y;
        memcpy(&x, &old, sizeof x);
        memcpy(&y, &b, sizeof y);
        x += y;
        memcpy(&old, &x, sizeof old);
        return old;
    }
    if (type == NUMBER_f16)
        return half_from_double((double)float_from_half((uint16_t)old)
                                    + (double)float_from_half((uint16_t)b),
                                ROUND_nearest_even);
    if (type == NUMBER_bf16)
        return bf16_from_exact(fma_in_format((double)float_from_bf16((uint16_t)old), 1,
                                             (double)float_from_bf16((uint16_t)b), &FORMAT_bf16,
                                             ROUND_nearest_even));
    float x, y;
    uint32_t narrow_old = (uint32_t)old, narrow_b = (uint32_t)b;
    memcpy(&x, &narrow_old, sizeof x);
    memcpy(&y, &narrow_b, sizeof y);
    x += y;
    memcpy(&narrow_old, &x, sizeof narrow_old);
    return narrow_old;
}

static bool less(uint64_t a, uint64_t b, int type)
{
    if (type == NUMBER_s32)
        return (int32_t)a < (int32_t)b;
    return type == NUMBER_s64 ? (int64_t)a < (int64_t)b : a < b;
}

static uint64_t changed(const Op *op, uint64_t old, uint64_t b, uint64_t c)
{
    switch ((AtomicOp)op->from) {
    case ATOMIC_add:
        if (!number_is_float(op->to))
            return old + b;
        if (op->count == 2)
            return add_floats(old & 0xffff, b & 0xffff, op->to)
                   | add_floats(old >> 16 & 0xffff, b >> 16 & 0xffff, op->to) << 16;
        return add_floats(old, b, op->to);
    case ATOMIC_and: return old & b;
    case ATOMIC_or: return old | b;
    case ATOMIC_xor: return old ^ b;
    case ATOMIC_exch: return b;
    case ATOMIC_cas: return old == b ? c : old;
    case ATOMIC_min: return less(b, old, op->to) ? b : old;
    case ATOMIC_max: return less(old, b, op->to) ? b : old;
    case ATOMIC_inc: return old >= b ? 0 : old + 1;
    case ATOMIC_dec: return old == 0 || old > b ? b : old - 1;
    }
    return old;
}

#define EXCHANGE(T)                                                                                \
    do {                                                                                           \
        T *word = (T *)(void *)at;                                                                 \
        T seen = __atomic_load_n(word, __ATOMIC_SEQ_CST), wanted;                                  \
        do                                                                                         \
            wanted = (T)changed(op, seen, b, c);                                                   \
        while (!__atomic_compare_exchange_n(word, &seen, wanted, false, __ATOMIC_SEQ_CST,          \
                                            __ATOMIC_SEQ_CST));                                    \
        return seen;                                                                               \
    } while (0)

static uint64_t exchange(const Op *op, uint8_t *at, uint64_t b, uint64_t c)
{
    if (op->size == 8)
        EXCHANGE(uint64_t);
    if (op->size == 4)
        EXCHANGE(uint32_t);
    EXCHANGE(uint16_t);
}

void run_atomic(Warp *warp, const Op *op)
{
    U64 addresses = lane_addresses(warp, op, 1), d = lanes_all64(0);

    FOR_LANES(lane, warp->mask)
    {
        uint8_t *at = access_pointer(warp, op, lane, addresses[lane], op->size, ACCESS_atomic);
        if (!at)
            return;
        uint64_t b = register_lane(warp, op->r[2], lane, op->width);
        uint64_t c = op->r[3] == NO_REGISTER ? 0 : register_lane(warp, op->r[3], lane, op->width);
        d[lane] = exchange(op, at, b, c);
    }
    if (op->r[0] == NO_REGISTER)
        return;
    if (op->width == 2)
        PUT_U16(0, __builtin_convertvector(d, U16));
    else if (op->width == 4)
        PUT_U32(0, __builtin_convertvector(d, U32));
    else
        PUT_U64(0, d);
}
