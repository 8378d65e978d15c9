/* Instructions of a whole warp: shuffles, votes, matches, reductions, bar.warp.sync. */
#include "exec_ops.h"

/* The member mask is the same in all lanes that are here; 0 after a fault. */
static uint32_t member_mask(Warp *warp, const Op *op, int index)
{
    U32 masks = REG(U32, index);
    uint32_t first = masks[(uint32_t)__builtin_ctz(warp->mask)];

    FOR_LANES(lane, warp->mask)
    if (masks[lane] != first || !(first >> lane & 1)) {
        fault(warp, op, lane, SOFTGPU_FAULT_divergent_warp,
              "the member mask 0x%08x of this lane is not that of the others, or leaves it out",
              masks[lane]);
        return 0;
    }
    return first;
}

bool gather_lanes(Warp *warp, const Op *op, uint32_t wanted)
{
    if ((wanted & warp->born & ~warp->live) != 0)
        return fault(warp, op, ALL_LANES, SOFTGPU_FAULT_divergent_warp,
                     "waits for lanes 0x%08x, which have exited",
                     wanted & warp->born & ~warp->live);
    wanted &= warp->born;
    if ((wanted & ~warp->mask) == 0)
        return true;
    if (op->guard != NO_REGISTER && (wanted & warp->active & ~warp->mask) != 0)
        return fault(warp, op, ALL_LANES, SOFTGPU_FAULT_divergent_warp,
                     "waits for lanes 0x%08x, whose predicate is false",
                     wanted & warp->active & ~warp->mask);
    wait_for_lanes(warp, op, wanted);
    return false;
}

void run_shuffle(Warp *warp, const Op *op)
{
    uint32_t members = member_mask(warp, op, 5);
    U32 a = REG(U32, 2), b = REG(U32, 3), c = REG(U32, 4), d = a;
    uint32_t in_range = 0;

    if (!members || !gather_lanes(warp, op, members))
        return;
    FOR_LANES(lane, warp->mask)
    {
        int32_t me = (int32_t)lane, by = (int32_t)(b[lane] & 31), clamp = (int32_t)(c[lane] & 31);
        int32_t segment = (int32_t)(c[lane] >> 8 & 31);
        int32_t last = (me & segment) | (clamp & ~segment), first = me & segment;
        int32_t from = op->kind == SHUFFLE_up     ? me - by
                       : op->kind == SHUFFLE_down ? me + by
                       : op->kind == SHUFFLE_bfly ? (me ^ by)
                                                  : (first | (by & ~segment));
        bool inside = op->kind == SHUFFLE_up ? from >= last : from <= last;
        if (!inside)
            from = me;
        in_range |= (uint32_t)inside << lane;
        if (!(warp->mask >> from & 1)) {
            fault(warp, op, lane, SOFTGPU_FAULT_divergent_warp,
                  "takes the value of lane %d, which is not there", from);
            return;
        }
        d[lane] = a[from];
    }
    PUT_U32(0, d);
    if (op->flags & OP_SECOND)
        put_predicate(warp, op->r[1], in_range);
}

void run_vote(Warp *warp, const Op *op)
{
    uint32_t members = member_mask(warp, op, 2), votes = PREDICATE(1);

    if (!members || !gather_lanes(warp, op, members))
        return;
    votes = (op->to ? ~votes : votes) & members & warp->mask;
    uint32_t everybody = members & warp->born;
    if (op->kind == VOTE_ballot) {
        PUT_U32(0, lanes_all(votes));
        return;
    }
    bool yes = op->kind == VOTE_all   ? votes == everybody
               : op->kind == VOTE_any ? votes != 0
                                      : votes == everybody || votes == 0;
    put_predicate(warp, op->r[0], yes ? UINT32_MAX : 0);
}

void run_active_mask(Warp *warp, const Op *op)
{
    PUT_U32(0, lanes_all(warp->mask));
}

void run_match(Warp *warp, const Op *op)
{
    uint32_t members = member_mask(warp, op, 3);
    U32 d = lanes_all(0);
    bool all = true;

    if (!members || !gather_lanes(warp, op, members))
        return;
    members &= warp->born;
    FOR_LANES(lane, warp->mask)
    {
        uint64_t mine = register_lane(warp, op->r[2], lane, op->size);
        uint32_t same = 0;
        for (uint32_t other = 0; other < LANES; other++)
            if (members >> other & 1 && register_lane(warp, op->r[2], other, op->size) == mine)
                same |= 1u << other;
        d[lane] = same;
        all = all && same == members;
    }
    if (op->kind) {
        d = lanes_all(all ? members : 0);
        if (op->flags & OP_SECOND)
            put_predicate(warp, op->r[1], all ? UINT32_MAX : 0);
    }
    PUT_U32(0, d);
}

static uint32_t reduce_two(const Op *op, uint32_t x, uint32_t y)
{
    bool is_signed = op->flags & OP_SIGNED;
    bool less = is_signed ? (int32_t)x < (int32_t)y : x < y;

    switch (op->kind) {
    case REDUX_add: return x + y;
    case REDUX_min: return less ? x : y;
    case REDUX_max: return less ? y : x;
    case REDUX_and: return x & y;
    case REDUX_or: return x | y;
    default: return x ^ y;
    }
}

void run_redux(Warp *warp, const Op *op)
{
    uint32_t members = member_mask(warp, op, 2), total = 0;
    U32 a = REG(U32, 1);
    bool first = true;

    if (!members || !gather_lanes(warp, op, members))
        return;
    FOR_LANES(lane, members & warp->born)
    {
        total = first ? a[lane] : reduce_two(op, total, a[lane]);
        first = false;
    }
    PUT_U32(0, lanes_all(total));
}

void run_warp_barrier(Warp *warp, const Op *op)
{
    uint32_t members = member_mask(warp, op, 0);

    if (members && gather_lanes(warp, op, members))
        warp->warp_syncs++;
}

/* elect.sync: the lowest member leads. */
void run_elect(Warp *warp, const Op *op)
{
    uint32_t members = member_mask(warp, op, 2);

    if (!members || !gather_lanes(warp, op, members))
        return;
    uint32_t leader = (uint32_t)__builtin_ctz(members & warp->born);
    if (op->r[0] != NO_REGISTER)
        PUT_U32(0, lanes_all(leader));
    put_predicate(warp, op->r[1], 1u << leader);
}
