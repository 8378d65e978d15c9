#ifndef SNUG_COMMAND_LINE_H
#define SNUG_COMMAND_LINE_H

#include "compiler/ir/compilation.h"

/* The command that gives a compilation these options: "snug plan models/unet.snug --vram 8GiB
 * --batch_size 2". Lives in the arena. */
const char *command_line(const char *command, const CompileOptions *options, Arena *arena);

#endif
