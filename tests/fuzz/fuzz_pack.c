/* Any bytes as a packing problem: refused with a line, or packed and found right by the checker. */
#include <stdlib.h>
#include <string.h>

#include "compiler/check/pack_check.h"
#include "compiler/command/pack_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Arena *arena = arena_create();
    char *text = arena_alloc(arena, length + 1);
    const char *message = NULL;
    PackFile file;

    memcpy(text, bytes, length);
    if (!pack_file_parse(&file, arena, "fuzz", text, length, &message)) {
        if (message == NULL || strncmp(message, "fuzz:", 5) != 0)
            abort();
    } else {
        PackItem *items = arena_array(arena, PackItem, file.count);
        PackProblem problem = {.items = items, .node_limit = 1000};
        for (uint32_t b = 0; b < file.count; b++)
            if (file.items[b].size > 0)
                items[problem.count++] = file.items[b];
        PackResult result = pack(&problem, arena);
        if (pack_check(items, problem.count, &result, arena) != NULL)
            abort();
    }
    arena_destroy(arena);
    return 0;
}
