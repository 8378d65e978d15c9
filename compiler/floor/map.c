/* The hash map: a table of entry numbers, open addressing, doubled at two thirds.
 *
 *     slots    [0] [2] [0] [1] ...        0 = free, else entry number + 1
 *     entries  [key, value] [key, value]  in the order of insertion
 *
 * A slot's place depends on the key's address and differs from run to run; nothing but the entries
 * is ever walked.
 */
#include "map.h"

#include <string.h>

enum { FIRST_SLOT_COUNT = 16 };

/* The slot of `key`: where it is, or the free one where it belongs. Requires: slot_count > 0. */
static uint32_t find_slot(const Map *map, const char *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio */
    uint32_t slot = (uint32_t)(hash >> 32) & (map->slot_count - 1);

    while (map->slots[slot] != 0 && map->entries.items[map->slots[slot] - 1].key != key)
        slot = (slot + 1) & (map->slot_count - 1);
    return slot;
}

static void enlarge(Map *map, Arena *arena)
{
    map->slot_count = map->slot_count == 0 ? FIRST_SLOT_COUNT : 2 * map->slot_count;
    map->slots = arena_array(arena, uint32_t, map->slot_count);
    for (uint32_t e = 0; e < map->entries.count; e++)
        map->slots[find_slot(map, map->entries.items[e].key)] = e + 1;
}

void *map_get(const Map *map, const char *key)
{
    if (map->slot_count == 0)
        return NULL;
    uint32_t entry = map->slots[find_slot(map, key)];
    return entry == 0 ? NULL : map->entries.items[entry - 1].value;
}

void map_set(Map *map, Arena *arena, const char *key, void *value)
{
    if (3 * (map->entries.count + 1) > 2 * map->slot_count)
        enlarge(map, arena);
    uint32_t slot = find_slot(map, key);
    if (map->slots[slot] == 0) {
        ARRAY_APPEND(arena, &map->entries, ((MapEntry){.key = key}));
        map->slots[slot] = map->entries.count;
    }
    map->entries.items[map->slots[slot] - 1].value = value;
}
