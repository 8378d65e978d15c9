/* Why is a tensor alive, and what would its bytes cost?
 *
 *     forward   ... F            F: last use going forward      B: first use going backward
 *                    (  free  )
 *     backward                  B ...
 *
 * Dropped after F and computed again just before B, the tensor's bytes are free in between. That
 * needs its maker once more, and of what the maker reads whatever is not alive at B: a chain, each
 * kernel counted once.
 */
#include "compiler/fuse/fuse_repeat.h"
#include "inspect.h"

typedef struct Pricer {
    const Inspection *inspection;
    uint32_t at;      /* the step before which the chain runs */
    bool *is_counted; /* by kernel */
    Drop *drop;
} Pricer;

/* Some instance of the value holds its bytes just before step `at`. */
static bool is_at_hand(const Pricer *pricer, uint32_t value)
{
    const Inspection *inspection = pricer->inspection;

    for (uint32_t b = inspection->first_buffer[value]; b != NO_BUFFER;
         b = inspection->next_buffer[b])
        if (inspection->plan->buffers.items[b].life.first < pricer->at
            && inspection->facts[b].end >= pricer->at)
            return true;
    return false;
}

static bool price_chain(Pricer *pricer, uint32_t value)
{
    const KernelSet *set = pricer->inspection->set;
    uint32_t k = pricer->inspection->made_by[value];

    if (k == set->kernels.count)
        return false;
    const Kernel *kernel = &set->kernels.items[k];
    if (!kernel->may_repeat || kernel->code.output_arg < 0
        || kernel->args[kernel->code.output_arg].i != value) {
        pricer->drop->obstacle = kernel; /* partial sums, statistics */
        return false;
    }
    if (pricer->is_counted[k])
        return true;
    pricer->is_counted[k] = true;
    pricer->drop->time_us += kernel->time_us;
    for (int32_t a = 0; a < kernel->code.arg_count; a++) {
        const Value *input = &set->graph->values.items[kernel->args[a].i];
        if (kernel->code.args[a].access == SNUG_READ && repeat_needs(&kernel->code, a)
            && input->storage == STORAGE_arena && !is_at_hand(pricer, kernel->args[a].i)
            && !price_chain(pricer, kernel->args[a].i))
            return false;
    }
    pricer->drop->kernels[pricer->drop->kernel_count++] = k;
    return true;
}

Drop price_drop(const Inspection *inspection, uint32_t b)
{
    const BufferFacts *facts = &inspection->facts[b];
    uint32_t peak = inspection->plan->certificate.peak_step;
    Arena *scratch = arena_create();
    Drop drop = {.from = facts->maker + 1};
    uint32_t *kernels = arena_array(scratch, uint32_t, inspection->set->kernels.count);

    drop.kernels = kernels;
    for (uint32_t r = 0; r < facts->reader_count; r++) {
        drop.to = facts->readers[r];
        if (kernel_of(inspection, facts->readers[r])->is_backward)
            break;
        drop.from = facts->readers[r] + 1;
    }
    Pricer pricer = {
        .inspection = inspection,
        .at = drop.to,
        .is_counted = arena_array(scratch, bool, inspection->set->kernels.count),
        .drop = &drop,
    };
    drop.is_possible = price_chain(&pricer, inspection->plan->buffers.items[b].value.i);
    drop.frees_peak = drop.from <= peak && peak < drop.to;
    drop.kernels = arena_array(inspection->arena, uint32_t, drop.kernel_count);
    for (uint32_t k = 0; k < drop.kernel_count; k++)
        drop.kernels[k] = kernels[k];
    arena_destroy(scratch);
    return drop;
}
