/* The forms of `snug plan`: what goes to stdout, what into files. */
#ifndef SNUG_PLAN_FORMS_H
#define SNUG_PLAN_FORMS_H

#include "compiler/ir/compilation.h"

typedef struct PlanForms {
    bool json, csv;           /* to stdout; neither: the text */
    const char *html, *trace; /* files; "-": to stdout, and nothing else; NULL: none */
    const char *compare;      /* a plan.json, or NULL */
    bool color;
} PlanForms;

/* Requires a plan, whether it fits or not. Returns files after a message where a file cannot be
 * read or written. */
ExitStatus print_plan_forms(const Compilation *c, const PlanForms *forms, FILE *out);

#endif
