/* Which device a trainer runs on, where its executable holds programs for both. */
#ifndef SNUG_DEVICE_CHOICE_H
#define SNUG_DEVICE_CHOICE_H

#include "run_options.h"

/* The device's name, "host" or "cuda": --device where it is given, else the card where the driver
 * finds one that kernels can be compiled for, else the processor. Writes into `why`, for the first
 * line, what it is and why; and that a card is idle where one is. "" there: no program is for the
 * device that was asked for. */
const char *choose_device(const RunOptions *options, const SnugProgram *const *programs,
                          int32_t count, char *why, size_t why_size);

/* Those of the programs that are for the device, in their order; `chosen` has room for `count`. */
int32_t programs_of(const SnugProgram *const *programs, int32_t count, const char *device,
                    const SnugProgram **chosen);

#endif
