/* Lives made short: what the offsets need of a sequence that the search leaves.
 *
 *     searched     d_z |---------------------)        a step may run long before its value is read,
 *     tightened                      d_z |---)        as long as the peak and the time allow it
 *
 * The search looks at the peak and at time alone, so that below the peak values live as long as
 * chance will have it, and the offsets of thousands of them no longer fit together although their
 * bytes do. The moves of the search that add neither time nor bytes above the budget are kept where
 *
 *     area         bytes alive, summed over the steps
 *
 * falls or stays. No temperature: going downhill is enough.
 */
#include "recompute_state.h"

static bool is_welcome(Search *search)
{
    return search->added <= search->added_before && search->area <= search->area_before
           && sweep_changes(search, false) <= search->excess;
}

Sequence tighten_sequence(const TaskGraph *graph, const Sequence *sequence, int64_t budget,
                          uint64_t proposals, Arena *arena)
{
    Arena *scratch = arena_create();
    Search *search = search_create(graph, sequence->count, scratch);

    search->random = 88172645463325253u;
    spread_sequence(search, sequence, (int32_t)min_i64(budget / search->unit, 2 * UNITS_MAX));
    for (uint64_t k = 0; k < proposals; k++) {
        bool is_move = propose_move(search, true, true);
        if (is_move)
            settle_taken(search);
        if (is_move && is_welcome(search))
            keep_changes(search);
        else
            undo_move(search);
    }
    Sequence tight = take_sequence(search, arena_array(arena, uint32_t, search->slot_count));
    arena_destroy(scratch);
    return tight;
}
