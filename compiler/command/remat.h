/* snug remat: order and recomputation of a public graph under a budget. */
#ifndef SNUG_REMAT_H
#define SNUG_REMAT_H

#include <stdio.h>

#include "compiler/floor/base.h"

typedef struct RematRequest {
    const char *path;
    const char *budget; /* "0.8", "80%" of the given order's peak, or bytes: "8GiB", "41688" */
    double seconds;     /* 0: as counted */
    bool is_json;
} RematRequest;

/* Results on out, messages on stderr. 3 where nothing within the budget was found: the lowest
 * sequence is printed then. */
ExitStatus remat(const RematRequest *request, FILE *out);

#endif
