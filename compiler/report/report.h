/* The plan for people and programs, but for the page (report_html.h). */
#ifndef SNUG_REPORT_H
#define SNUG_REPORT_H

#include "compiler/ir/compilation.h"
#include "compiler/ir/trial.h"

/* 80 columns. next_batch: one picture more, planned; NULL or not planned: nothing is said of it. */
void report_text(FILE *out, const Compilation *c, const Trial *next_batch, bool color);
/* is_timed: with the seconds that planning took; else the same input gives the same bytes. */
void report_json(FILE *out, const Compilation *c, bool is_timed);
void report_csv(FILE *out, const Compilation *c);   /* for other packers */
void report_trace(FILE *out, const Compilation *c); /* for Chrome and Perfetto */

#endif
