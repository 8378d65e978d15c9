/* Bounds: bytes that no plan can do without. */
#include "recompute.h"

int64_t feasibility_floor(const TaskGraph *graph)
{
    int64_t floor = 0;

    for (uint32_t t = 0; t < graph->task_count; t++) {
        const Task *task = &graph->tasks[t];
        int64_t bytes = task->workspace;
        for (uint32_t r = 0; r < task->read_count; r++)
            bytes += graph->bytes[task->reads[r]];
        for (uint32_t w = 0; w < task->write_count; w++)
            bytes += graph->bytes[task->writes[w]];
        if (task->in_place != 0)
            bytes -= graph->bytes[task->writes[0]];
        floor = max_i64(floor, bytes);
    }
    return floor;
}
