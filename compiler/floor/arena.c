/* Arenas: a chain of blocks, of which the newest is cut from front to back.
 *
 *     arena -> block (newest) -> block -> block
 *              [header|used....|free  ]
 *
 * Growable arrays live in the blocks too and leave their smaller copies behind, at most as many
 * bytes again. In debug builds each array has an allocation of its own instead, which moves at
 * every append; the old copy is overwritten and freed, so that a stale pointer reads garbage, or
 * stops the program where an address sanitizer watches.
 */
#include "arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_BLOCK_BYTES = 16 << 10,
    LAST_BLOCK_BYTES = 1 << 20, /* blocks double up to this; a larger request gets its own */
    POISON = 0xA5,
    MOVED_ITEMS_MAX = 1024, /* debug builds: above, arrays move at each doubling only (time) */
    FIRST_CAPACITY = 8
};

typedef struct Block Block;
struct Block {
    Block *older;
    size_t bytes; /* behind the header */
    size_t used;
    max_align_t align[]; /* the bytes */
};

/* Debug builds: an array's allocation, in a chain that begins at the arena. */
typedef struct ArrayCopy ArrayCopy;
struct ArrayCopy {
    ArrayCopy **link; /* the pointer that points here */
    ArrayCopy *next;
    size_t bytes;
    max_align_t align[]; /* the items */
};

struct Arena {
    Block *newest;
    ArrayCopy *copies;
};

/* ---- the system's memory --------------------------------------------------------------------- */

/* State of the tests' failure injection; nothing else in the program is global and changes. */
static _Atomic uint64_t allocations;
static _Atomic uint64_t failing_allocation;

void arena_fail_at(uint64_t n)
{
    failing_allocation = n == 0 ? 0 : allocations + n;
}

uint64_t arena_allocation_count(void)
{
    return allocations;
}

NORETURN static void out_of_memory(size_t bytes)
{
    fflush(stdout);
    fprintf(stderr, "snug: out of memory: the system has no %zu bytes more\n", bytes);
    exit(EXIT_STATUS_internal);
}

/* malloc that never returns NULL. */
static void *take(size_t header_bytes, size_t bytes)
{
    void *memory = NULL;

    if (++allocations != failing_allocation && bytes <= PTRDIFF_MAX - header_bytes)
        memory = malloc(header_bytes + bytes);
    if (memory == NULL)
        out_of_memory(bytes);
    return memory;
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static void add_block(Arena *arena, size_t bytes)
{
    size_t wanted = arena->newest == NULL ? FIRST_BLOCK_BYTES : 2 * arena->newest->bytes;

    if (wanted > LAST_BLOCK_BYTES)
        wanted = LAST_BLOCK_BYTES;
    if (wanted < bytes)
        wanted = bytes;
    Block *block = take(sizeof(Block), wanted);
    *block = (Block){.older = arena->newest, .bytes = wanted};
    arena->newest = block;
}

static void free_copies(Arena *arena)
{
    for (ArrayCopy *copy = arena->copies, *next; copy != NULL; copy = next) {
        next = copy->next;
        free(copy);
    }
    arena->copies = NULL;
}

static void free_blocks(Block *block)
{
    while (block != NULL) {
        Block *older = block->older;
        free(block);
        block = older;
    }
}

Arena *arena_create(void)
{
    Arena *arena = take(0, sizeof *arena);

    *arena = (Arena){0};
    return arena;
}

void arena_destroy(Arena *arena)
{
    if (arena == NULL)
        return;
    free_copies(arena);
    free_blocks(arena->newest);
    free(arena);
}

void arena_reset(Arena *arena)
{
    Block *largest = arena->newest;

    free_copies(arena);
    if (largest == NULL)
        return;
    for (Block *block = largest->older; block != NULL; block = block->older)
        if (block->bytes > largest->bytes)
            largest = block;
    for (Block *block = arena->newest, *older; block != NULL; block = older) {
        older = block->older;
        if (block != largest)
            free(block);
    }
#ifndef NDEBUG
    memset(largest->align, POISON, largest->used);
#endif
    largest->older = NULL;
    largest->used = 0;
    arena->newest = largest;
}

void *arena_alloc(Arena *arena, size_t bytes)
{
    const size_t unit = sizeof(max_align_t);

    if (bytes > PTRDIFF_MAX - unit)
        out_of_memory(bytes);
    bytes = (bytes + unit - 1) / unit * unit;
    if (arena->newest == NULL || arena->newest->bytes - arena->newest->used < bytes)
        add_block(arena, bytes);
    char *memory = (char *)arena->newest->align + arena->newest->used;
    arena->newest->used += bytes;
    return memset(memory, 0, bytes);
}

void *arena_alloc_array(Arena *arena, size_t count, size_t item_bytes)
{
    if (item_bytes != 0 && count > PTRDIFF_MAX / item_bytes)
        out_of_memory(SIZE_MAX);
    return arena_alloc(arena, count * item_bytes);
}

char *arena_strdup(Arena *arena, const char *text)
{
    size_t length = strlen(text);

    return memcpy(arena_alloc(arena, length + 1), text, length);
}

char *arena_printf(Arena *arena, const char *fmt, ...)
{
    va_list arguments;

    va_start(arguments, fmt);
    int length = vsnprintf(NULL, 0, fmt, arguments);
    va_end(arguments);
    if (length < 0)
        BUG("printf refuses the format \"%s\"", fmt);
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(arguments, fmt);
    vsnprintf(text, (size_t)length + 1, fmt, arguments);
    va_end(arguments);
    return text;
}

/* ---- growable arrays ------------------------------------------------------------------------- */

#ifdef NDEBUG

static void *move_items(Arena *arena, void *items, uint32_t count, uint32_t capacity,
                        size_t item_bytes)
{
    char *moved = arena_alloc_array(arena, capacity, item_bytes);

    if (count > 0)
        memcpy(moved, items, count * item_bytes);
    return moved;
}

#else

static void *move_items(Arena *arena, void *items, uint32_t count, uint32_t capacity,
                        size_t item_bytes)
{
    if (capacity > PTRDIFF_MAX / item_bytes)
        out_of_memory(SIZE_MAX);
    ArrayCopy *copy = take(sizeof(ArrayCopy), capacity * item_bytes);
    *copy =
        (ArrayCopy){.link = &arena->copies, .next = arena->copies, .bytes = capacity * item_bytes};
    if (copy->next != NULL)
        copy->next->link = &copy->next;
    arena->copies = copy;
    memset(copy->align, 0, copy->bytes);
    if (count > 0)
        memcpy(copy->align, items, count * item_bytes);
    if (items != NULL) {
        ArrayCopy *old = (ArrayCopy *)((char *)items - offsetof(ArrayCopy, align));
        *old->link = old->next;
        if (old->next != NULL)
            old->next->link = old->link;
        memset(old->align, POISON, old->bytes);
        free(old);
    }
    return copy->align;
}

#endif

/* Requires: items and *capacity come from array_grow, or are NULL and 0. */
void *array_grow(Arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t item_bytes)
{
    bool is_full = count == *capacity;
#ifdef NDEBUG
    bool must_move = is_full;
#else
    bool must_move = is_full || count < MOVED_ITEMS_MAX;
#endif

    if (is_full) {
        if (count > UINT32_MAX / 2)
            out_of_memory(SIZE_MAX);
        *capacity = count == 0 ? FIRST_CAPACITY : 2 * count;
    }
    if (must_move)
        items = move_items(arena, items, count, *capacity, item_bytes);
    memset((char *)items + count * item_bytes, 0, item_bytes);
    return items;
}
