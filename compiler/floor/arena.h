/* Arenas and growable arrays.
 *
 * One arena lives as long as the compilation, a scratch arena as long as a stage; no stage frees.
 * Memory comes zeroed and never as NULL: where the system has none left, a message is printed and
 * the process exits with 70.
 *
 * Trap: an array that grows moves, and a pointer to an element of it goes stale. No element
 * pointer lives across a call that can append. Debug builds move the array at every append and
 * poison the old copy, so that a breach fails the first time.
 */
#ifndef SNUG_ARENA_H
#define SNUG_ARENA_H

#include "base.h"

typedef struct Arena Arena;

Arena *arena_create(void);
void arena_destroy(Arena *arena); /* NULL is allowed */
void arena_reset(Arena *arena);   /* forgets everything, keeps the largest block */

/* Zeroed bytes, aligned for any type. bytes may be 0. */
void *arena_alloc(Arena *arena, size_t bytes);
char *arena_strdup(Arena *arena, const char *text);
char *arena_printf(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define arena_new(arena, Type)          ((Type *)arena_alloc((arena), sizeof(Type)))
#define arena_array(arena, Type, count) ((Type *)arena_alloc_array((arena), (count), sizeof(Type)))
void *arena_alloc_array(Arena *arena, size_t count, size_t item_bytes);

/* A growable array: declare a member or variable as ARRAY(Type), start from zeros, append by
 * ARRAY_APPEND; items[0 .. count) are valid. */
#define ARRAY(Type)                                                                                \
    struct {                                                                                       \
        Type *items;                                                                               \
        uint32_t count;                                                                            \
        uint32_t capacity;                                                                         \
    }

/* Makes room for one more and evaluates to an lvalue-pointer to the new, zeroed last item. */
#define ARRAY_PUSH(arena, array)                                                                   \
    ((array)->items = array_grow((arena), (array)->items, (array)->count, &(array)->capacity,      \
                                 sizeof *(array)->items),                                          \
     &(array)->items[(array)->count++])
#define ARRAY_APPEND(arena, array, item) (*ARRAY_PUSH((arena), (array)) = (item))

void *array_grow(Arena *arena, void *items, uint32_t count, uint32_t *capacity, size_t item_bytes);

/* Tests only: the n-th request to the system from now on fails (1 = the next), 0 = none. The count
 * is of requests since the start. */
void arena_fail_at(uint64_t n);
uint64_t arena_allocation_count(void);

#endif
