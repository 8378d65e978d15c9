/* Between the loop that runs a warp and the instructions that stop it. */
#ifndef SNUG_SOFTGPU_WARP_H
#define SNUG_SOFTGPU_WARP_H

#include "exec.h"

/* Chooses which lanes go on: false where none can, because the warp is done, waits, or failed. */
bool warp_settle(Warp *warp);
/* Runs the warp for at most so many instructions, or until it waits or ends. */
void warp_run(Warp *warp, int64_t instructions);

#endif
