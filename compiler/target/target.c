/* The target: which device, how it stores half precision, how many bytes there are.
 *
 *     --vram 8GiB       the card's memory
 *     - reserve         left to the driver, the display and other programs
 *     = budget          weights, optimiser, inputs and arena must fit in it
 */
#include "target.h"

#include <string.h>

#include "cards.h"
#include "compiler/floor/system.h"
#include "runtime/machine.h"
#include "tiles.h"

enum { CUDA_PITCH = 8 }; /* channels: 16 bytes of half, one vector load */

/* ---- card and memory ------------------------------------------------------------------------- */

static const Card *choose_row(Compilation *c)
{
    uint32_t count;
    const Card *table = cards(&count);
    const char *names[64];

    if (c->options.card == NULL) {
        for (uint32_t k = 0; k < count; k++)
            if (table[k].vram_bytes >= c->options.vram_bytes)
                return &table[k];
        return &table[count - 1];
    }
    const Card *named = find_card(c->options.card);
    if (named != NULL)
        return named;
    if (count > COUNT_OF(names))
        BUG("%u cards", count);
    for (uint32_t k = 0; k < count; k++)
        names[k] = table[k].name;
    const char *nearest = nearest_name(c->options.card, names, count);
    error_at(c->diags, ERROR_E180, (Span){0}, "there is no card \"%s\" in the table",
             c->options.card);
    if (nearest != NULL)
        note(c->diags, "did you mean \"%s\"?", nearest);
    else
        note(c->diags, "leave --card out: --vram alone chooses a card of that size");
    return NULL;
}

/* vram, reserve and budget. No --vram: the card's size where a card is named, else no budget. */
static bool set_budget(Compilation *c)
{
    Target *target = &c->target;

    target->vram_bytes = c->options.vram_bytes;
    if (target->vram_bytes == 0 && c->options.card != NULL)
        target->vram_bytes = target->card->vram_bytes;
    if (target->vram_bytes == 0) {
        target->budget_bytes = INT64_MAX;
        return true;
    }
    target->reserve_bytes =
        c->options.reserve_bytes >= 0 ? c->options.reserve_bytes : default_reserve_bytes();
    target->budget_bytes = target->vram_bytes - target->reserve_bytes;
    if (target->budget_bytes > 0)
        return true;
    error_at(c->diags, ERROR_E181, (Span){0}, "of %s, %s are reserved: nothing is left",
             format_bytes(c->arena, target->vram_bytes),
             format_bytes(c->arena, target->reserve_bytes));
    note(c->diags, "--reserve sets what the system, the display and the driver keep");
    return false;
}

/* ---- the stage ------------------------------------------------------------------------------- */

/* A model may have inputs that no program reads: tensors, to check a part of a network. */
static bool inputs_are_fed(const Compilation *c)
{
    const Graph *graph = c->model->train;
    uint32_t errors = diagnostics_error_count(c->diags);

    for (uint32_t v = 1; v < graph->values.count; v++) {
        const Value *value = &graph->values.items[v];
        if (value->storage != STORAGE_input || value->input != INPUT_tensor
            || v == c->model->image.i)
            continue;
        error_at(c->diags, ERROR_E183, graph->ops.items[value->maker.i].source,
                 "a program has no bytes for the tensor \"%s\"", value->name);
        note(c->diags, "it reads a picture and its landmarks: image : picture[...]");
    }
    return diagnostics_error_count(c->diags) == errors;
}

/* Ensures: target; every input is the picture, its landmarks or their weights. */
bool choose_target(Compilation *c)
{
    Target *target = &c->target;
    bool mixed = c->model->defaults.mixed_precision != 0 && !c->options.full_precision;

    if (c->options.no_ema)
        c->model->defaults.use_ema = 0;
    target->device = c->options.device;
    target->gemm = c->options.gemm;
    target->card = choose_row(c);
    if (target->card == NULL || !set_budget(c) || !inputs_are_fed(c))
        return false;
    if (target->device == DEVICE_cuda) {
        target->half = mixed ? SNUG_F16 : SNUG_F32;
        target->pitch_multiple = CUDA_PITCH;
        target->tile = (SnugTile){.rows = 8, .columns = 16};
        return true;
    }
    target->half = mixed && snug_host_has_bf16() ? SNUG_BF16 : SNUG_F32;
    target->pitch_multiple = 1;
    target->threads = c->options.threads > 0 ? c->options.threads : processor_count();
    return true;
}
