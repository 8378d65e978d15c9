/* Sets of granules of global memory: which a launch read, which it wrote.
 *
 * Addresses are cut into chunks of so many granules; a chunk that is touched has a bitmap of them.
 * The chunks are found by hashing, the last one without it.
 */
#include "gpu.h"

#include <stdlib.h>

enum { CHUNK_SHIFT = 15, CHUNK_WORDS = 1 << (CHUNK_SHIFT - 6) }; /* granules, words of a chunk */

typedef struct Chunk {
    uint64_t key; /* number of its first granule >> CHUNK_SHIFT */
    uint64_t bits[CHUNK_WORDS];
} Chunk;

struct TouchMap {
    int shift; /* a granule is 1 << shift bytes */
    Chunk **chunks;
    int32_t count, capacity; /* chunks behind count are free to use again */
    int32_t allocated;
    int32_t *table; /* open addressing: index + 1, 0: empty */
    int32_t table_size;
    Chunk *last;
};

TouchMap *touch_create(int shift)
{
    TouchMap *map = allocate_or_exit(1, sizeof *map);

    map->shift = shift;
    return map;
}

void touch_free(TouchMap *map)
{
    if (!map)
        return;
    for (int32_t i = 0; i < map->allocated; i++)
        free(map->chunks[i]);
    free(map->chunks);
    free(map->table);
    free(map);
}

void touch_clear(TouchMap *map)
{
    map->count = 0;
    map->last = NULL;
    if (map->table)
        memset(map->table, 0, (size_t)map->table_size * sizeof *map->table);
}

static int32_t *find_slot(const TouchMap *map, uint64_t key)
{
    uint64_t mask = (uint64_t)map->table_size - 1;
    uint64_t at = key * UINT64_C(0x9e3779b97f4a7c15) >> 32;

    for (;; at++) {
        int32_t *slot = &map->table[at & mask];
        if (*slot == 0 || map->chunks[*slot - 1]->key == key)
            return slot;
    }
}

static void grow_table(TouchMap *map)
{
    free(map->table);
    map->table_size = map->table_size ? 2 * map->table_size : 64;
    map->table = allocate_or_exit(map->table_size, sizeof *map->table);
    for (int32_t i = 0; i < map->count; i++)
        *find_slot(map, map->chunks[i]->key) = i + 1;
}

static Chunk *find_chunk(TouchMap *map, uint64_t key)
{
    if (2 * map->count >= map->table_size)
        grow_table(map);
    int32_t *slot = find_slot(map, key);
    if (*slot == 0) {
        if (map->count == map->allocated) {
            GROW(map->chunks, map->count, map->capacity);
            map->chunks[map->allocated++] = allocate_or_exit(1, sizeof(Chunk));
        }
        Chunk *fresh = map->chunks[map->count++];
        memset(fresh->bits, 0, sizeof fresh->bits);
        fresh->key = key;
        *slot = map->count;
    }
    return map->chunks[*slot - 1];
}

/* Granules [first, last] of one chunk, a word at a time. */
static void set_granules(Chunk *chunk, uint64_t first, uint64_t last)
{
    for (uint64_t word = first >> 6; word <= last >> 6; word++) {
        uint64_t low = word == first >> 6 ? first & 63 : 0;
        uint64_t high = word == last >> 6 ? last & 63 : 63;
        chunk->bits[word & (CHUNK_WORDS - 1)] |= (~UINT64_C(0) >> (63 - high + low)) << low;
    }
}

void touch_range(TouchMap *map, uint64_t address, uint64_t bytes)
{
    uint64_t granule = address >> map->shift, last = (address + bytes - 1) >> map->shift;

    while (bytes && granule <= last) {
        uint64_t key = granule >> CHUNK_SHIFT;
        uint64_t end = ((key + 1) << CHUNK_SHIFT) - 1;
        if (!map->last || map->last->key != key)
            map->last = find_chunk(map, key);
        set_granules(map->last, granule, last < end ? last : end);
        granule = end + 1;
    }
}

void touch_add(TouchMap *to, const TouchMap *from)
{
    for (int32_t i = 0; i < from->count; i++) {
        Chunk *chunk = find_chunk(to, from->chunks[i]->key);
        for (int32_t w = 0; w < CHUNK_WORDS; w++)
            chunk->bits[w] |= from->chunks[i]->bits[w];
    }
}

int64_t touch_bytes(const TouchMap *map)
{
    int64_t granules = 0;

    for (int32_t i = 0; i < map->count; i++)
        for (int32_t w = 0; w < CHUNK_WORDS; w++)
            granules += __builtin_popcountll(map->chunks[i]->bits[w]);
    return granules << map->shift;
}

bool touch_overlap(const TouchMap *a, const TouchMap *b, uint64_t *address)
{
    for (int32_t i = 0; i < a->count && b->table_size; i++) {
        const Chunk *chunk = a->chunks[i];
        int32_t found = *find_slot(b, chunk->key);
        for (int32_t w = 0; found && w < CHUNK_WORDS; w++) {
            uint64_t both = chunk->bits[w] & b->chunks[found - 1]->bits[w];
            if (!both)
                continue;
            uint64_t granule = (uint64_t)w * 64 + (uint64_t)__builtin_ctzll(both);
            *address = ((chunk->key << CHUNK_SHIFT) + granule) << a->shift;
            return true;
        }
    }
    return false;
}
