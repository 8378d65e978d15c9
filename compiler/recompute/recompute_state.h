/* What the searches work on: steps in slots, events of values, load. Shared by recompute_state.c,
 * _moves.c, _search.c and _tighten.c alone; the picture is in recompute_search.c. */
#ifndef SNUG_RECOMPUTE_STATE_H
#define SNUG_RECOMPUTE_STATE_H

#include "recompute.h"

enum {
    CHUNK = 16,          /* slots whose load is kept behind one offset */
    UNITS_MAX = 1 << 26, /* all values together: a chunk's sum fits in 32 bits */
    CHAIN_DEPTH = 12,    /* of a move that recomputes inputs too */
    JOURNAL_ITEMS = 4096,
    COST_UNITS = 1 << 30 /* the cost of all tasks together */
};

/* An event of a value: slot * 2, + 1 where the step makes it. */
typedef uint32_t Event;

typedef struct Events {
    Event *items;
    uint32_t count, capacity;
} Events;

typedef enum EditKind {
    EDIT_add,    /* a: value, b: event */
    EDIT_remove, /* a: value, b: event */
    EDIT_slot,   /* a: slot, b: task before, w: was it a repeat */
    EDIT_taken   /* a: slot, b: taken before */
} EditKind;

typedef struct Edit {
    EditKind kind;
    uint32_t a, b;
    int32_t w;
} Edit;

typedef struct Search {
    const TaskGraph *graph;
    uint64_t random;
    int64_t unit;                    /* bytes of one unit of load */
    int32_t *units;                  /* by value, rounded up */
    int32_t *workspace;              /* by task */
    int64_t *cost;                   /* by task, COST_UNITS in all */
    uint64_t *in_place;              /* by task: reads of as many bytes as the result */
    uint32_t *before_begin, *before; /* by task: tasks of `after` relations, both ways */
    uint32_t *behind_begin, *behind;
    bool has_in_place;

    uint32_t slot_count;
    uint32_t *task;       /* by slot, or NO_TASK */
    bool *is_repeat;      /* by slot */
    uint32_t *taken;      /* by slot: the value whose bytes the result takes, or 0 */
    uint32_t *first_slot; /* by task */
    uint32_t *repeat_slots, repeat_count, repeat_capacity;
    uint32_t *repeat_index; /* by slot, valid where is_repeat */
    Events *events;         /* by value */

    int32_t *load; /* by slot: units less budget less the chunk's offset */
    int32_t *chunk_offset;
    int32_t *chunk_max;  /* offset included */
    int32_t *chunk_over; /* sum over the budget */
    uint32_t chunk_count;
    int32_t *change;      /* by slot: of the move at hand, to this slot and those behind */
    uint64_t *is_changed; /* a bit a chunk */
    int64_t excess, added;
    int64_t area;                      /* load summed over slots, budget not taken off */
    int64_t added_before, area_before; /* the move at hand */

    Edit *journal;
    uint32_t journal_count;
    uint32_t *touched, touched_count; /* slots whose in-place taking may have changed */
} Search;

static inline uint32_t slot_of(Event event)
{
    return event >> 1;
}

static inline bool is_def(Event event)
{
    return event & 1;
}

/* How many events of the value are before the slot. */
static inline uint32_t events_before(const Events *events, uint32_t slot)
{
    uint32_t count = 0;

    while (count < events->count && slot_of(events->items[count]) < slot)
        count++;
    return count;
}

/* All for one graph; `start_count` steps at least have room. */
Search *search_create(const TaskGraph *graph, uint32_t start_count, Arena *arena);
/* Starts over from the sequence, its steps spread evenly over the slots; budget in units. */
void spread_sequence(Search *search, const Sequence *sequence, int32_t budget);
/* Requires: room for slot_count tasks. */
Sequence take_sequence(const Search *search, uint32_t *tasks);

/* ---- edits: a move begins with begin_move, is some of them, then settle_taken; it is weighed by
 * sweep_changes, `added` and `area`, and ends with keep_changes or undo_move ------------------ */
void begin_move(Search *search);
void place_step(Search *search, uint32_t slot, uint32_t task, bool is_repeat);
void remove_repeat(Search *search, uint32_t slot);
void shift_step(Search *search, uint32_t slot, uint32_t gap);
void settle_taken(Search *search); /* who takes whose bytes, where the move may have changed it */
/* What the move makes of the excess. is_kept: the move is made so. */
int64_t sweep_changes(Search *search, bool is_kept);
void keep_changes(Search *search);
void undo_move(Search *search);

/* ---- recompute_moves.c ----------------------------------------------------------------------- */
/* -ln(u) for a uniform u, without the C library: its last digit differs between machines. */
double random_exponential(Search *search);
/* Begins a move and makes its edits; false: nothing to do, to be undone all the same. */
bool propose_move(Search *search, bool may_repeat, bool may_exchange);

#endif
