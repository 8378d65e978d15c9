/* `snug plan --csv`: the packing problem of the plan's order, in MiniMalloc's format, for other
 * packers: id, lower, upper, size; alive in steps [lower, upper).
 *
 * Buffers that take over each other's bytes are one line, from the first one's start to the last
 * one's end: whoever packs may not part them.
 */
#include "compiler/inspect/inspect.h"
#include "report.h"

void report_csv(FILE *out, const Compilation *c)
{
    Arena *arena = arena_create();
    const Inspection *inspection = inspect_plan(c, main_segment(c), arena);
    const Plan *plan = inspection->plan;

    fputs("id,lower,upper,size\n", out);
    for (uint32_t b = 0; b < plan->buffers.count; b++) {
        const Buffer *buffer = &plan->buffers.items[b];
        uint32_t last = b;
        if (buffer->storage != STORAGE_arena || buffer->in_place_of.i != b)
            continue;
        while (inspection->facts[last].taken_by != NO_BUFFER)
            last = inspection->facts[last].taken_by;
        fprintf(out, "%s", buffer->name);
        if (inspection->facts[b].instance > 0)
            fprintf(out, "#%u", inspection->facts[b].instance + 1);
        fprintf(out, ",%u,%u,%lld\n", buffer->life.first, plan->buffers.items[last].life.last,
                (long long)buffer->bytes);
    }
    arena_destroy(arena);
}
