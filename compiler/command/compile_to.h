/* What the commands that compile a model share. */
#ifndef SNUG_COMPILE_TO_H
#define SNUG_COMPILE_TO_H

#include "compiler/ir/compilation.h"
#include "options.h"

/* Whether to color what goes to the stream: --color, else what the environment and the terminal
 * say. */
bool use_color(const Options *options, FILE *stream);
void print_diagnostics(const Options *options, const Compilation *c);
/* Runs the stages up to `last`; where the plan does not fit, what would is among the diagnostics.
 */
ExitStatus compile_to(Compilation *c, const char *last);

#endif
