/* `snug pack`: the packer alone, on a file. */
#ifndef SNUG_PACK_COMMAND_H
#define SNUG_PACK_COMMAND_H

#include <stdio.h>

#include "compiler/floor/arena.h"

typedef struct PackRequest {
    const char *path;
    int64_t capacity;  /* 0: as low as possible */
    double time_limit; /* seconds; 0: the placements are counted, not timed */
    bool json;
} PackRequest;

/* Prints the best packing found. diagnostics where it is higher than the capacity, or where the
 * file is wrong; files where it cannot be read. */
ExitStatus pack_command(const PackRequest *request, Arena *arena, FILE *out);

#endif
