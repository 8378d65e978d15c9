/* plan.html and what it shows beside the plan itself. */
#ifndef SNUG_REPORT_HTML_H
#define SNUG_REPORT_HTML_H

#include "compiler/inspect/compare.h"
#include "compiler/ir/compilation.h"
#include "compiler/ir/trial.h"

typedef struct PageExtras {
    const OtherPlans *other_plans; /* NULL: no curve and no table of what would fit */
    const Difference *difference;  /* NULL: nothing to compare with */
} PageExtras;

/* extras: NULL where there are none. The same input gives the same bytes. */
void report_html(FILE *out, const Compilation *c, const PageExtras *extras);

#endif
