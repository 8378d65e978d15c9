/* Runs a compilation in this process on the host device, without writing or compiling C. */
#ifndef SNUG_TESTS_RUNNER_H
#define SNUG_TESTS_RUNNER_H

#include "compiler/ir/compilation.h"
#include "runtime/device.h"

typedef struct Runner {
    Compilation *c;
    const SnugProgram *program;
    Device *device;
} Runner;

/* Target, fusion, plan and program of a simplified compilation, on a device whose arena is poisoned
 * before each segment. The plan is the planner's, checked; or with loose_seed not 0 one that shares
 * no bytes (loose_plan.h). May be called again for the same compilation. Exits where any of it
 * fails. */
Runner runner_create(Compilation *c, uint64_t loose_seed);
/* The program of plans that the compilation has already, on a device as above. */
Runner runner_open(Compilation *c);
void runner_destroy(Runner *runner);

/* count numbers at an offset of the allocation, as fp32. */
void runner_put(Runner *runner, int64_t offset, const double *values, int64_t count);
void runner_get(Runner *runner, int64_t offset, double *values, int64_t count);
/* Numbers of an input: bytes for a picture, else fp32. */
void runner_put_buffer(Runner *runner, int32_t buffer, const double *values);
void runner_get_buffer(Runner *runner, int32_t buffer, double *values);
void runner_run(Runner *runner, SnugSegmentId segment);

#endif
