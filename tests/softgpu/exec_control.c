/* Branches, exit, barriers, and what becomes of lanes that part.
 *
 * A warp is at one pc with its active lanes; lanes that went elsewhere wait in groups. The lowest
 * pc runs first, and groups that reach the same pc become one again: so loops and branches of
 * structured code reconverge without any marks in the text.
 */
#include <time.h>

#include "exec_ops.h"
#include "warp.h"

static void add_group(Warp *warp, uint32_t pc, uint32_t mask, bool waits)
{
    for (int32_t i = 0; i < warp->group_count; i++)
        if (warp->groups[i].pc == pc) {
            warp->groups[i].mask |= mask;
            warp->groups[i].waits = warp->groups[i].waits && waits;
            return;
        }
    warp->groups[warp->group_count++] = (Group){pc, mask, waits};
}

/* No group can go on: each waits for lanes that wait elsewhere. */
static bool report_stuck(Warp *warp)
{
    const Group *group = &warp->groups[0];
    const Op *op = &warp->block->launch->kernel->ops[group->pc];
    uint32_t elsewhere = warp->live & ~group->mask;

    warp->mask = group->mask;
    return fault(warp, op, (uint32_t)__builtin_ctz(group->mask),
                 op->run == run_barrier ? SOFTGPU_FAULT_divergent_barrier
                                        : SOFTGPU_FAULT_divergent_warp,
                 "lanes 0x%08x wait here, lanes 0x%08x wait elsewhere, lanes 0x%08x have exited",
                 group->mask, elsewhere, warp->born & ~warp->live);
}

bool warp_settle(Warp *warp)
{
    if (warp->state != WARP_runs)
        return false;
    if (warp->active)
        add_group(warp, warp->pc, warp->active, warp->waits);
    warp->waits = false;
    warp->active = 0;
    if (warp->group_count == 0) {
        warp->state = WARP_done;
        return false;
    }
    int32_t best = -1;
    for (int32_t i = 0; i < warp->group_count; i++)
        if (!warp->groups[i].waits && (best < 0 || warp->groups[i].pc < warp->groups[best].pc))
            best = i;
    if (best < 0)
        return report_stuck(warp);
    warp->pc = warp->groups[best].pc;
    warp->active = warp->groups[best].mask;
    warp->groups[best] = warp->groups[--warp->group_count];
    /* a group that waits at a lower pc is met by a jump back only, and a jump looks here again */
    warp->wake = UINT32_MAX;
    for (int32_t i = 0; i < warp->group_count; i++)
        if (warp->groups[i].pc < warp->wake && warp->groups[i].pc > warp->pc)
            warp->wake = warp->groups[i].pc;
    return true;
}

void wait_for_lanes(Warp *warp, const Op *op, uint32_t wanted)
{
    (void)wanted;
    warp->pc = (uint32_t)(op - warp->block->launch->kernel->ops);
    warp->waits = true;
    warp->wake = 0;
}

void run_branch(Warp *warp, const Op *op)
{
    uint32_t stay = warp->active & ~warp->mask;
    uint32_t target = (uint32_t)op->imm;

    if (!stay) {
        warp->pc = target;
        if (warp->group_count)
            warp->wake = 0;
        return;
    }
    add_group(warp, target, warp->mask, false);
    warp->active = stay;
    warp->wake = 0;
}

void run_exit(Warp *warp, const Op *op)
{
    (void)op;
    warp->live &= ~warp->mask;
    warp->active &= ~warp->mask;
    warp->wake = 0;
}

void run_trap(Warp *warp, const Op *op)
{
    fault(warp, op, (uint32_t)__builtin_ctz(warp->mask), SOFTGPU_FAULT_trap,
          op->kind ? "a failed assert" : "trap");
}

static uint32_t uniform(Warp *warp, const Op *op, int index)
{
    return REG(U32, index)[(uint32_t)__builtin_ctz(warp->mask)];
}

void run_barrier(Warp *warp, const Op *op)
{
    uint32_t number = uniform(warp, op, 0);
    uint32_t threads = op->r[1] == NO_REGISTER ? 0 : uniform(warp, op, 1);

    if (number >= NAMED_BARRIERS || threads % LANES) {
        fault(warp, op, ALL_LANES, SOFTGPU_FAULT_divergent_barrier,
              "barrier %u for %u threads: there are 16, for multiples of 32 threads", number,
              threads);
        return;
    }
    if (warp->mask != warp->live) {
        if (warp->mask != warp->active)
            fault(warp, op, (uint32_t)__builtin_ctz(warp->active & ~warp->mask),
                  SOFTGPU_FAULT_divergent_barrier,
                  "lanes 0x%08x do not take part: their predicate is false",
                  warp->active & ~warp->mask);
        else
            wait_for_lanes(warp, op, warp->live);
        return;
    }
    if (warp->live != warp->born) {
        fault(warp, op, ALL_LANES, SOFTGPU_FAULT_divergent_barrier,
              "lanes 0x%08x have exited and will never come", warp->born & ~warp->live);
        return;
    }
    warp->barrier = (int32_t)number;
    warp->barrier_warps = threads / LANES;
    warp->barrier_op = op;
    warp->counters.barriers++;
    warp->state = op->kind == BARRIER_arrive ? WARP_arrives : WARP_at_barrier;
    warp->wake = 0;
}

void run_clock(Warp *warp, const Op *op)
{
    uint64_t now = (uint64_t)warp->counters.warp_instructions;

    if (op->width == 8)
        PUT_U64(0, lanes_all64(now));
    else
        PUT_U32(0, lanes_all((uint32_t)now));
}

/* set.REL: the predicate in r[1] becomes all ones or 1.0 in r[0]. */
void run_compare_to_register(Warp *warp, const Op *op)
{
    PUT_U32(0, lanes_spread(PREDICATE(1)) & (uint32_t)op->imm);
}
