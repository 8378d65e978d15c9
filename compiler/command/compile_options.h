#ifndef SNUG_COMPILE_OPTIONS_H
#define SNUG_COMPILE_OPTIONS_H

#include "compiler/ir/compilation.h"
#include "options.h"

/* What a command line asks of a compilation, sizes excepted; the device is a card where --device
 * does not say host. Returns false after a message. */
bool compile_options(const Options *options, Arena *arena, CompileOptions *out);

#endif
