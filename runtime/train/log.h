/* What a training tells: a progress line, metrics.csv, log.jsonl, TensorBoard's events. Every
 * number was measured. Both text files are functions of the training alone (no times), so that a
 * resumed run writes the same bytes as one that was never interrupted. */
#ifndef SNUG_LOG_H
#define SNUG_LOG_H

#include <stdint.h>
#include <stdio.h>

#include "metrics.h"
#include "runtime/system/error.h"

typedef struct Progress {
    int32_t epoch, epochs;   /* epoch from 0 */
    int64_t update, updates; /* of the whole training */
    int64_t first_update;    /* that this process began with */
    int64_t epoch_end;       /* update with which the epoch ends */
    double loss;             /* mean of the epoch so far */
    double lr, loss_scale, grad_norm;
    int64_t images;         /* that this process has trained on */
    double started;         /* os_seconds */
    double trained, waited; /* seconds in updates; of these, waiting for data */
    int64_t planned_bytes;
    const char *mm; /* "mm", or "assumed mm" where the size of a validation pixel is */
} Progress;

typedef struct Log {
    FILE *metrics, *updates, *events; /* metrics.csv, log.jsonl, TensorBoard's */
    bool is_terminal;
    double last_shown;
    bool is_line_open; /* on the terminal */
} Log;

/* Opens log.jsonl in folder; metrics.csv and the events in log_folder. A resumed
 * run keeps the rows of the first `epochs` epochs and the lines of the first `updates` updates. */
bool log_open(Log *log, const char *folder, const char *log_folder, int32_t epochs, int64_t updates,
              const char *mm, Error *error);
bool log_close(Log *log, Error *error); /* of zeros too */
/* Brings everything to the disk: done before each checkpoint, so that no line is missing that the
 * checkpoint is beyond of, whatever ends the machine. */
bool log_flush(Log *log, Error *error);

/* One line, redrawn at most ten times a second on a terminal, else printed every ten seconds. */
void log_progress(Log *log, const Progress *progress);
/* Something to say while a line may be open; ends with a newline. */
void log_say(Log *log, const char *fmt, ...) ERROR_PRINTF(2, 3);
/* One line of log.jsonl: an update that has been done. */
void log_update(Log *log, const Progress *progress, bool is_finite);
/* Ends the progress line with a printed one, and adds a row to metrics.csv. summary->count 0: no
 * validation took place. */
void log_epoch(Log *log, const Progress *progress, const ErrorSummary *summary, bool is_best);

/* "13.1 MiB" */
void format_bytes(int64_t bytes, char *text, size_t size);

#endif
