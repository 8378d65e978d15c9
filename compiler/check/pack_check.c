#include "pack_check.h"

static bool meet(int64_t begin, int64_t end, int64_t other_begin, int64_t other_end)
{
    return begin < other_end && other_begin < end;
}

const char *pack_check(const PackItem *items, uint32_t count, const PackResult *result,
                       Arena *arena)
{
    const int64_t *offsets = result->offsets;
    int64_t height = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (offsets[i] < 0 || offsets[i] % items[i].align != 0)
            return arena_printf(arena, "item %u lies at %lld", i, (long long)offsets[i]);
        height = max_i64(height, offsets[i] + items[i].size);
        for (uint32_t j = 0; j < i; j++)
            if (meet(items[i].first, items[i].last, items[j].first, items[j].last)
                && meet(offsets[i], offsets[i] + items[i].size, offsets[j],
                        offsets[j] + items[j].size))
                return arena_printf(arena, "items %u and %u lie over each other", j, i);
    }
    if (height != result->height || height < result->bound)
        return arena_printf(arena, "the highest top is %lld, not %lld over a bound of %lld",
                            (long long)height, (long long)result->height, (long long)result->bound);
    return NULL;
}
