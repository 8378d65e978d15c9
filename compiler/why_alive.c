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
#include "inspect.h"

typedef struct Pricer {
    const Inspection *inspection;
    uint32_t at;          /* the step before which the chain runs */
    bool *is_counted;     /* by kernel */
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
    pricer->drop->kernel_count++;
    for (int32_t a = 0; a < kernel->code.arg_count; a++) {
        const Value *input = &set->graph->values.items[kernel->args[a].i];
        if (kernel->code.args[a].access == SNUG_READ && repeat_needs(&kernel->code, a)
            && input->storage == STORAGE_arena && !is_at_hand(pricer, kernel->args[a].i)
            && !price_chain(pricer, kernel->args[a].i))
            return false;
    }
    return true;
}

Drop price_drop(const Inspection *inspection, uint32_t b)
{
    const BufferFacts *facts = &inspection->facts[b];
    uint32_t peak = inspection->plan->certificate.peak_step;
    Arena *scratch = arena_create();
    Drop drop = {.from = facts->maker + 1};

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
    arena_destroy(scratch);
    return drop;
}

/* ---- in words -------------------------------------------------------------------------------- */

static const char *milliseconds(Arena *arena, double us)
{
    return us < 1000 ? arena_printf(arena, "%.0f us", us) : arena_printf(arena, "%.1f ms", us / 1e3);
}

static const char *explain_kept(const Inspection *inspection, uint32_t b, Arena *arena)
{
    const Buffer *buffer = &inspection->plan->buffers.items[b];
    Drop drop = price_drop(inspection, b);
    const char *reader = kernel_of(inspection, drop.to)->label;

    if (!drop.is_possible)
        return arena_printf(arena, "kept: %s needs it, and %s runs once only", reader,
                            drop.obstacle != NULL ? drop.obstacle->label : buffer->name);
    return arena_printf(arena,
                        "kept for %s: dropping it would free %s MiB for %u steps%s and cost %s "
                        "(%u kernel%s again)",
                        reader, format_mib(arena, buffer->bytes),
                        drop.to > drop.from ? drop.to - drop.from : 0,
                        drop.frees_peak ? ", the peak among them," : ", not at the peak,",
                        milliseconds(arena, drop.time_us), drop.kernel_count,
                        drop.kernel_count == 1 ? "" : "s");
}

static const char *explain_recomputed(const Inspection *inspection, uint32_t b, Arena *arena)
{
    const Buffer *buffer = &inspection->plan->buffers.items[b];
    const BufferFacts *facts = &inspection->facts[b];
    const char *reader =
        facts->reader_count > 0 ? kernel_of(inspection, facts->readers[0])->label : "nobody";

    for (uint32_t k = 0; k < inspection->repeat_count; k++) {
        const Repeat *repeat = &inspection->repeats[k];
        if (repeat->buffer == b)
            return arena_printf(arena,
                                "computed again for %s: that costs %s and keeps %s MiB free for %u "
                                "steps%s",
                                reader, milliseconds(arena, repeat->time_us),
                                format_mib(arena, buffer->bytes),
                                repeat->step - repeat->dropped_at,
                                repeat->frees_peak ? ", the peak among them" : "");
    }
    BUG("no repeat makes %s", buffer->name);
}

static const char *explain_transient(const Inspection *inspection, uint32_t b, Arena *arena)
{
    const BufferFacts *facts = &inspection->facts[b];
    uint32_t next = inspection->next_buffer[b];

    if (next != NO_BUFFER)
        return arena_printf(arena, "dropped after %s, computed again at step %u",
                            facts->reader_count > 0
                                ? kernel_of(inspection, facts->readers[facts->reader_count - 1])->label
                                : "it was made",
                            inspection->facts[next].maker);
    if (facts->reader_count == 0)
        return "a result of the segment";
    return arena_printf(arena, "lives from its maker to its last reader, %s",
                        kernel_of(inspection, facts->readers[facts->reader_count - 1])->label);
}

const char *explain_buffer(const Inspection *inspection, uint32_t b, Arena *arena)
{
    switch (inspection->facts[b].class) {
    case CLASS_kept:       return explain_kept(inspection, b, arena);
    case CLASS_recomputed: return explain_recomputed(inspection, b, arena);
    case CLASS_workspace:  return "scratch of one kernel, for one step";
    default:               return explain_transient(inspection, b, arena);
    }
}
