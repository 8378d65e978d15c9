/* A set of bits a launch says which earlier launches it waits for, directly or through others:
 *
 *     from the latest earlier launch back to the first:
 *         in the set already    nothing to do
 *         conflict              an edge; its set joins ours
 *
 * Looking backwards makes the edges the fewest that there are (transitive reduction).
 */
#include "launch_order.h"

#include <stdlib.h>
#include <string.h>

typedef struct Range {
    int64_t begin, end;
    bool writes;
} Range;

typedef struct Ranges {
    Range *items; /* of launch l: begin[l] .. begin[l + 1] */
    int32_t *begin;
} Ranges;

static bool goes_over_all(const SnugKernel *kernel)
{
    static const SnugWith with[SNUG_KERNEL_KIND_COUNT] = {
#define KERNEL(name, result, in0, in1, with, ...) [SNUG_KERNEL_##name] = SNUG_WITH_##with,
#include "runtime/kernels.def"
#undef KERNEL
    };

    return with[kernel->kind] == SNUG_WITH_params;
}

/* What the launch uses. Kernels that go over all parameters have no args for them: everything that
 * persists. */
static int32_t add_ranges(const SnugProgram *program, const SnugLaunch *launch, Range *ranges)
{
    const SnugKernel *kernel = &program->kernels[launch->kernel];
    int32_t count = kernel->arg_count + (kernel->workspace_bytes > 0), used = 0;

    for (int32_t a = 0; a < count; a++) {
        const SnugBuffer *buffer = &program->buffers[launch->buffers[a]];
        ranges[used++] = (Range){buffer->offset, buffer->offset + buffer->bytes,
                                 a >= kernel->arg_count || kernel->args[a].access != SNUG_READ};
    }
    if (goes_over_all(kernel))
        ranges[used++] = (Range){0, program->persistent_bytes, true};
    return used;
}

static bool find_ranges(Ranges *ranges, const SnugProgram *program, const SnugSegment *segment)
{
    int32_t total = 0;

    for (int32_t l = 0; l < segment->launch_count; l++)
        total += program->kernels[segment->launches[l].kernel].arg_count + 2;
    ranges->items = calloc((size_t)total + 1, sizeof *ranges->items);
    ranges->begin = calloc((size_t)segment->launch_count + 1, sizeof *ranges->begin);
    if (ranges->items == NULL || ranges->begin == NULL)
        return false;
    for (int32_t l = 0; l < segment->launch_count; l++)
        ranges->begin[l + 1] =
            ranges->begin[l]
            + add_ranges(program, &segment->launches[l], ranges->items + ranges->begin[l]);
    return true;
}

static bool conflict(const Ranges *ranges, int32_t a, int32_t b)
{
    for (int32_t i = ranges->begin[a]; i < ranges->begin[a + 1]; i++) {
        const Range *x = &ranges->items[i];
        for (int32_t j = ranges->begin[b]; j < ranges->begin[b + 1]; j++) {
            const Range *y = &ranges->items[j];
            if ((x->writes || y->writes) && x->begin < y->end && y->begin < x->end)
                return true;
        }
    }
    return false;
}

typedef struct Sets {
    uint64_t *words; /* launch_count sets of `width` words */
    size_t width;
} Sets;

static bool push(LaunchOrder *order, int32_t *capacity, int32_t count, int32_t launch)
{
    if (count == *capacity) {
        int32_t larger = 2 * *capacity + 64;
        int32_t *grown = realloc(order->after, (size_t)larger * sizeof *grown);
        if (grown == NULL)
            return false;
        order->after = grown;
        *capacity = larger;
    }
    order->after[count] = launch;
    return true;
}

static bool find_edges(LaunchOrder *order, const Ranges *ranges, Sets *sets, int32_t launches)
{
    int32_t capacity = 0, count = 0;

    for (int32_t l = 0; l < launches; l++) {
        uint64_t *own = sets->words + (size_t)l * sets->width;
        for (int32_t e = l - 1; e >= 0; e--) {
            if ((own[e / 64] >> (e % 64) & 1) != 0 || !conflict(ranges, e, l))
                continue;
            if (!push(order, &capacity, count, e))
                return false;
            count++;
            const uint64_t *theirs = sets->words + (size_t)e * sets->width;
            for (int32_t w = 0; w <= e / 64; w++)
                own[w] |= theirs[w];
            own[e / 64] |= (uint64_t)1 << (e % 64);
        }
        order->begin[l + 1] = count;
    }
    return true;
}

bool launch_order_find(LaunchOrder *order, const SnugProgram *program, SnugSegmentId segment)
{
    const SnugSegment *list = &program->segments[segment];
    size_t launches = (size_t)list->launch_count;
    Ranges ranges = {0};
    Sets sets = {.width = launches / 64 + 1};

    *order = (LaunchOrder){.begin = calloc(launches + 1, sizeof *order->begin)};
    sets.words = calloc(launches * sets.width + 1, sizeof *sets.words);
    bool ok = order->begin != NULL && sets.words != NULL && find_ranges(&ranges, program, list)
              && find_edges(order, &ranges, &sets, list->launch_count);
    free(sets.words);
    free(ranges.items);
    free(ranges.begin);
    if (!ok)
        launch_order_free(order);
    return ok;
}

void launch_order_free(LaunchOrder *order)
{
    free(order->after);
    free(order->begin);
    *order = (LaunchOrder){0};
}
