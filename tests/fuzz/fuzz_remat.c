/* Any bytes as a public graph: they are refused with a line, or they are tasks in an order in which
 * makers precede users.
 *   clang: cmake -DSNUG_FUZZ=ON, then fuzz_remat tests/fuzz/corpus_remat tests/remat */
#include <stdlib.h>

#include "compiler/command/remat_graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Arena *arena = arena_create();
    const char *error = NULL;
    RematGraph read;

    if (parse_remat_graph((const char *)bytes, length, "fuzz", &read, &error, arena)
        != REMAT_READ_ok) {
        if (error == NULL)
            abort();
        arena_destroy(arena);
        return 0;
    }
    for (uint32_t t = 0; t < read.graph.task_count; t++) {
        const Task *task = &read.graph.tasks[t];
        if (read.names[t] == NULL || task->write_count != 1 || read.graph.maker[t + 1] != t)
            abort();
        for (uint32_t r = 0; r < task->read_count; r++)
            if (task->reads[r] == 0 || task->reads[r] > t)
                abort();
    }
    arena_destroy(arena);
    return 0;
}
