/* What a training tells: a progress line, metrics.csv, log.jsonl. Every number was measured. */
#ifndef SNUG_LOG_H
#define SNUG_LOG_H

#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "metrics.h"

typedef struct Progress {
    int32_t epoch, epochs;   /* epoch from 0 */
    int64_t update, updates; /* of the whole training */
    int64_t first_update;    /* that this process began with */
    double loss;             /* mean of the epoch so far */
    double lr, loss_scale, grad_norm;
    int64_t images;          /* seen since `started` */
    double started, waited;  /* os_seconds; seconds waited for data since */
    int64_t planned_bytes;
} Progress;

typedef struct Log {
    FILE *metrics, *events; /* metrics.csv, log.jsonl */
    bool is_terminal, use_color;
    double last_shown;
} Log;

/* Opens both files in folder; metrics.csv in log_dir where that is given. A resumed run keeps the
 * rows of the epochs before `epoch`. */
bool log_open(Log *log, const char *folder, const char *log_dir, int32_t epoch, Error *error);
bool log_close(Log *log, Error *error);

/* One line, redrawn at most ten times a second on a terminal, printed every ten seconds elsewhere. */
void log_progress(Log *log, const Progress *progress, bool is_last);
/* One line of log.jsonl: an update that has been done. */
void log_update(Log *log, const Progress *progress, bool is_finite);
/* Ends the progress line with a printed one, and adds a row to metrics.csv. summary->count 0: no
 * validation took place. */
void log_epoch(Log *log, const Progress *progress, const ErrorSummary *summary, bool is_best);

#endif
