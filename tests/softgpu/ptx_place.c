/* Places registers: those that do not live at the same time share a slot of the register file.
 *
 * NVRTC's text gives almost every result a register of its own, thousands a kernel; a warp's file
 * would not stay in the cache. A register lives from its first write to its last read, and through
 * every block at whose borders it is live. A lane follows one path through the text whatever the
 * other lanes do, so this holds a lane at a time and divergence does not matter.
 */
#include <stdlib.h>
#include <string.h>

#include "ptx.h"

enum { NEVER = -1 };

typedef struct Flow {   /* a basic block */
    int32_t begin, end; /* ops */
    int32_t next[2];    /* blocks, NEVER: none */
    uint64_t *live_in, *live_out, *uses, *writes;
} Flow;

typedef struct Placer {
    SoftGpuKernel *kernel;
    Flow *flows;
    int32_t flow_count;
    int32_t *flow_of; /* op -> block, of ops that begin one */
    int32_t words;    /* of a bit set */
    uint64_t *sets;
    int32_t *first, *last; /* a register's life: ops, first NEVER: none */
} Placer;

static bool test_bit(const uint64_t *set, int32_t i)
{
    return set[i >> 6] >> (i & 63) & 1;
}

static void set_bit(uint64_t *set, int32_t i)
{
    set[i >> 6] |= UINT64_C(1) << (i & 63);
}

/* Whether r[i] of the op is written, and whether it is read. Bar.red has its result in the middle.
 */
static bool is_result(const Op *op, int i)
{
    return i < op->result_count || (op->second_result && i == 2);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void find_flows(Placer *placer)
{
    const SoftGpuKernel *kernel = placer->kernel;
    bool *starts = allocate_or_exit(kernel->op_count + 1, sizeof *starts);

    starts[0] = true;
    for (int32_t i = 0; i < kernel->op_count; i++)
        if (kernel->ops[i].is_branch || kernel->ops[i].ends) {
            starts[i + 1] = true;
            if (kernel->ops[i].is_branch)
                starts[kernel->ops[i].imm] = true;
        }
    placer->flow_of = allocate_or_exit(kernel->op_count + 1, sizeof *placer->flow_of);
    placer->flows = allocate_or_exit(kernel->op_count + 1, sizeof *placer->flows);
    for (int32_t i = 0; i < kernel->op_count; i++) {
        if (starts[i])
            placer->flows[placer->flow_count++].begin = i;
        placer->flow_of[i] = placer->flow_count - 1;
        placer->flows[placer->flow_count - 1].end = i + 1;
    }
    for (int32_t f = 0; f < placer->flow_count; f++) {
        Flow *flow = &placer->flows[f];
        const Op *last = &kernel->ops[flow->end - 1];
        flow->next[0] = last->ends || flow->end == kernel->op_count ? NEVER : f + 1;
        flow->next[1] =
            last->is_branch && last->imm < kernel->op_count ? placer->flow_of[last->imm] : NEVER;
    }
    free(starts);
}

/* ---- liveness -------------------------------------------------------------------------------- */

static void note_use(Flow *flow, int32_t number)
{
    if (number >= 0 && !test_bit(flow->writes, number))
        set_bit(flow->uses, number);
}

static void collect_uses(Placer *placer, Flow *flow)
{
    for (int32_t i = flow->begin; i < flow->end; i++) {
        const Op *op = &placer->kernel->ops[i];
        note_use(flow, op->guard);
        for (int k = 0; k < op->register_count; k++)
            if (!is_result(op, k))
                note_use(flow, op->r[k]);
        for (int k = 0; k < op->register_count; k++) {
            if (!is_result(op, k) || op->r[k] < 0)
                continue;
            if (op->guard != NO_REGISTER)
                note_use(flow, op->r[k]); /* the old value stays in lanes that are left out */
            else
                set_bit(flow->writes, op->r[k]);
        }
    }
}

static bool flow_back(Placer *placer, Flow *flow)
{
    bool changed = false;

    for (int k = 0; k < 2; k++)
        for (int32_t w = 0; flow->next[k] != NEVER && w < placer->words; w++)
            flow->live_out[w] |= placer->flows[flow->next[k]].live_in[w];
    for (int32_t w = 0; w < placer->words; w++) {
        uint64_t in = flow->uses[w] | (flow->live_out[w] & ~flow->writes[w]);
        changed = changed || in != flow->live_in[w];
        flow->live_in[w] = in;
    }
    return changed;
}

static void find_liveness(Placer *placer)
{
    placer->words = (placer->kernel->register_count + 63) / 64;
    placer->sets =
        allocate_or_exit((int64_t)4 * placer->words * placer->flow_count, sizeof *placer->sets);
    for (int32_t f = 0; f < placer->flow_count; f++) {
        uint64_t *at = placer->sets + (int64_t)4 * placer->words * f;
        Flow *flow = &placer->flows[f];
        flow->live_in = at;
        flow->live_out = at + placer->words;
        flow->uses = at + 2 * placer->words;
        flow->writes = at + 3 * placer->words;
        collect_uses(placer, flow);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int32_t f = placer->flow_count - 1; f >= 0; f--)
            changed = flow_back(placer, &placer->flows[f]) || changed;
    }
}

/* ---- lives as intervals of ops --------------------------------------------------------------- */

static void stretch(Placer *placer, int32_t number, int32_t op)
{
    if (number < 0)
        return;
    if (placer->first[number] == NEVER || op < placer->first[number])
        placer->first[number] = op;
    if (op > placer->last[number])
        placer->last[number] = op;
}

static void find_lives(Placer *placer)
{
    const SoftGpuKernel *kernel = placer->kernel;

    placer->first = allocate_or_exit(kernel->register_count, sizeof *placer->first);
    placer->last = allocate_or_exit(kernel->register_count, sizeof *placer->last);
    for (int32_t i = 0; i < kernel->register_count; i++)
        placer->first[i] = placer->last[i] = NEVER;
    for (int32_t f = 0; f < placer->flow_count; f++) {
        const Flow *flow = &placer->flows[f];
        for (int32_t i = flow->begin; i < flow->end; i++) {
            stretch(placer, kernel->ops[i].guard, i);
            for (int k = 0; k < kernel->ops[i].register_count; k++)
                stretch(placer, kernel->ops[i].r[k], i);
        }
        for (int32_t r = 0; r < kernel->register_count; r++) {
            if (test_bit(flow->live_in, r))
                stretch(placer, r, flow->begin);
            if (test_bit(flow->live_out, r))
                stretch(placer, r, flow->end);
        }
    }
}

/* ---- slots ----------------------------------------------------------------------------------- */

typedef struct FreeList {
    int32_t *slots;
    int32_t count, capacity;
} FreeList;

enum { CLASSES = 3, PREDICATE_BYTES = 64 };

static int class_of(const Register *reg)
{
    return reg->bytes == 8 ? 2 : reg->bytes == 4 ? 1 : 0; /* 16 bits and predicates: 64 bytes */
}

static int32_t take_slot(SoftGpuKernel *kernel, FreeList *list, int which)
{
    if (list->count)
        return list->slots[--list->count];
    int32_t slot = (int32_t)kernel->file_bytes;
    kernel->file_bytes += (int64_t)PREDICATE_BYTES << which;
    return slot;
}

/* Constants and special registers have slots of their own: they are filled once. */
static void place_fixed(Placer *placer)
{
    SoftGpuKernel *kernel = placer->kernel;

    kernel->fixed = allocate_or_exit(kernel->register_count, sizeof *kernel->fixed);
    for (int32_t i = 0; i < kernel->register_count; i++) {
        Register *reg = &kernel->registers[i];
        if (reg->role == REGISTER_virtual || placer->first[i] == NEVER)
            continue;
        reg->slot = (int32_t)kernel->file_bytes;
        kernel->file_bytes += (int64_t)PREDICATE_BYTES << class_of(reg);
        kernel->fixed[kernel->fixed_count++] = i;
    }
}

typedef struct Life {
    int32_t number, at; /* op of the birth or the death */
} Life;

static int by_op(const void *a, const void *b)
{
    const Life *x = a, *y = b;

    return x->at != y->at ? (x->at < y->at ? -1 : 1)
                          : (x->number > y->number) - (x->number < y->number);
}

static void place_virtual(Placer *placer)
{
    SoftGpuKernel *kernel = placer->kernel;
    Life *births = allocate_or_exit(kernel->register_count, sizeof *births);
    Life *deaths = allocate_or_exit(kernel->register_count, sizeof *deaths);
    FreeList lists[CLASSES] = {{0}};
    int32_t count = 0, dead = 0;

    for (int32_t i = 0; i < kernel->register_count; i++)
        if (kernel->registers[i].role == REGISTER_virtual && placer->first[i] != NEVER) {
            births[count] = (Life){i, placer->first[i]};
            deaths[count++] = (Life){i, placer->last[i]};
        }
    qsort(births, (size_t)count, sizeof *births, by_op);
    qsort(deaths, (size_t)count, sizeof *deaths, by_op);
    for (int32_t i = 0; i < count; i++) {
        /* a result may take the slot of a source that dies here: it is read before */
        while (dead < count && deaths[dead].at <= births[i].at
               && kernel->registers[deaths[dead].number].slot >= 0) {
            Register *reg = &kernel->registers[deaths[dead++].number];
            FreeList *list = &lists[class_of(reg)];
            GROW(list->slots, list->count, list->capacity);
            list->slots[list->count++] = reg->slot;
        }
        Register *reg = &kernel->registers[births[i].number];
        reg->slot = take_slot(kernel, &lists[class_of(reg)], class_of(reg));
    }
    for (int k = 0; k < CLASSES; k++)
        free(lists[k].slots);
    free(births);
    free(deaths);
}

bool place_registers(SoftGpuKernel *kernel)
{
    Placer placer = {.kernel = kernel};

    find_flows(&placer);
    find_liveness(&placer);
    find_lives(&placer);
    place_fixed(&placer);
    place_virtual(&placer);
    for (int32_t i = 0; i < kernel->op_count; i++) {
        Op *op = &kernel->ops[i];
        if (op->guard != NO_REGISTER)
            op->guard = kernel->registers[op->guard].slot;
        for (int k = 0; k < op->register_count; k++)
            if (op->r[k] != NO_REGISTER)
                op->r[k] = kernel->registers[op->r[k]].slot;
    }
    free(placer.flows);
    free(placer.flow_of);
    free(placer.sets);
    free(placer.first);
    free(placer.last);
    return true;
}
