#ifndef SNUG_COMPILE_COMMAND_H
#define SNUG_COMPILE_COMMAND_H

#include "compiler/pipeline/pipeline.h"
#include "options.h"

/* `snug compile`. Fills in where the products are. */
ExitStatus command_compile(const Options *options, Arena *arena, Products *products);
/* `snug train`: compiles where needed, then runs. Returns the trainer's exit status. */
int command_train(const Options *options, Arena *arena);

#endif
