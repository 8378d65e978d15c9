#include "card_choice.h"

#include <string.h>

#include "compiler/target/cards.h"
#include "runtime/machine.h"

static const char default_card[] = "RTX 3070 Ti";

/* The row with the card's name, else of its architecture the one with the nearest memory; NULL: the
 * table has nothing like it. */
static const Card *row_of(const SnugCudaParts *parts, Arena *arena)
{
    const char *arch = arena_printf(arena, "sm_%d", (int)parts->capability);
    const Card *named = find_card(parts->card), *nearest = NULL;
    uint32_t count;
    const Card *table = cards(&count);

    if (named != NULL)
        return named;
    for (uint32_t k = 0; k < count; k++) {
        if (strcmp(table[k].arch, arch) != 0)
            continue;
        int64_t off = table[k].vram_bytes - parts->card_bytes;
        int64_t least = nearest != NULL ? nearest->vram_bytes - parts->card_bytes : INT64_MAX;
        if (nearest == NULL || max_i64(off, -off) < max_i64(least, -least))
            nearest = &table[k];
    }
    return nearest;
}

static const char *reason_of(const SnugCudaParts *parts, const Card *row, Arena *arena)
{
    if (parts->card[0] == '\0')
        return "the default: no card here";
    if (row == NULL)
        return arena_printf(arena, "the default: nothing is known of the %s here", parts->card);
    if (find_card(parts->card) == NULL)
        return arena_printf(arena, "the nearest to the %s here", parts->card);
    return "the card here";
}

void choose_card(CompileOptions *options, Arena *arena)
{
    SnugCudaParts *parts = arena_new(arena, SnugCudaParts);
    const Card *row = NULL;

    if (options->card != NULL || options->vram_bytes > 0) {
        options->card_reason = options->card != NULL ? "--card" : "by --vram";
        return;
    }
    snug_find_cuda(NULL, parts);
    if (parts->card[0] != '\0')
        row = row_of(parts, arena);
    options->is_card_assumed = row == NULL;
    options->card = row != NULL ? row->name : default_card;
    options->card_reason = reason_of(parts, row, arena);
}
