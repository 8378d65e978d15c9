/* The independent check of a sequence; shares nothing with those who search. */
#ifndef SNUG_CHECK_SEQUENCE_H
#define SNUG_CHECK_SEQUENCE_H

#include "compiler/recompute/tasks.h"

typedef enum SequenceFault {
    SEQUENCE_RIGHT,
    SEQUENCE_NO_TASK, /* `step` names a task that the graph does not have */
    SEQUENCE_REPEAT,  /* `task` runs again at `step` and must not */
    SEQUENCE_READ,    /* `task` reads at `step` what nothing has made */
    SEQUENCE_AFTER,   /* `task` runs at `step` before a task that it must follow */
    SEQUENCE_MISSING  /* `task` never runs */
} SequenceFault;

typedef struct SequenceCheck {
    SequenceFault fault;
    uint32_t step, task;
    int64_t peak;      /* valid where there is no fault */
    double added_cost; /* likewise */
} SequenceCheck;

SequenceCheck check_sequence(const TaskGraph *graph, const Sequence *sequence);

#endif
