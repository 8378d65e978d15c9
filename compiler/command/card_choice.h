/* Which card a plan is for, where the command line names none. */
#ifndef SNUG_CARD_CHOICE_H
#define SNUG_CARD_CHOICE_H

#include "compiler/ir/compilation.h"

/* Sets card and card_reason: --card, else by --vram, else the card of this machine, else the RTX
 * 3070 Ti. Requires the other options. Texts live in the arena. */
void choose_card(CompileOptions *options, Arena *arena);

#endif
