/* One hash map: interned string -> pointer. Iterated in the order of insertion only, so that no
 * output depends on addresses. */
#ifndef SNUG_MAP_H
#define SNUG_MAP_H

#include "arena.h"

typedef struct MapEntry {
    const char *key; /* interned: compared by pointer */
    void *value;
} MapEntry;

typedef struct Map {
    ARRAY(MapEntry) entries; /* in the order of insertion */
    uint32_t *slots;         /* entry index + 1, 0 = free */
    uint32_t slot_count;     /* a power of two, or 0 */
} Map;

void *map_get(const Map *map, const char *key);                     /* NULL where absent */
void map_set(Map *map, Arena *arena, const char *key, void *value); /* replaces */

#endif
