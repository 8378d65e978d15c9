#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "runtime/system/os.h"

static const char metrics_header[] =
    "epoch,update,loss,lr,loss_scale,valid_points,mre_px,mre_mm,sd_mm,median_mm,sdr_2mm,sdr_2.5mm,"
    "sdr_3mm,sdr_4mm\n";
/* The same where the size of a pixel is assumed. A file that is there keeps its own. */
static const char assumed_header[] =
    "epoch,update,loss,lr,loss_scale,valid_points,mre_px,mre_assumed_mm,sd_assumed_mm,"
    "median_assumed_mm,sdr_2_assumed_mm,sdr_2.5_assumed_mm,sdr_3_assumed_mm,sdr_4_assumed_mm\n";

static bool is_assumed(const char *mm)
{
    return strcmp(mm, "mm") != 0;
}

/* Each line of log.jsonl starts with this and the update's number. */
static const char update_prefix[] = "{\"update\":";

enum { LOG_MAX_BYTES = 1 << 30 };

/* ---- files ----------------------------------------------------------------------------------- */

typedef struct Kept {
    const char *data;
    size_t length;
} Kept;

static bool write_kept(FILE *file, void *context)
{
    const Kept *kept = context;
    return fwrite(kept->data, 1, kept->length, file) == kept->length;
}

/* The bytes of the header and of the whole lines whose number, behind the prefix, is at most
 * `last`. */
static size_t lines_up_to(const char *text, size_t size, size_t header, size_t prefix, int64_t last)
{
    size_t at = header < size ? header : size;

    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        if (end == NULL || (size_t)(end - text) < at + prefix
            || strtoll(text + at + prefix, NULL, 10) > last)
            break;
        at = (size_t)(end - text) + 1;
    }
    return at;
}

/* Drops the lines that a resumed run will write again, and what a killed one has left half. */
static bool keep_lines(const char *path, const char *header, size_t prefix, int64_t last,
                       Error *error)
{
    static const char *const headers[] = {metrics_header, assumed_header};
    Kept kept = {header, strlen(header)};
    uint8_t *data = NULL;
    int64_t size = 0;
    bool ok = !os_exists(path) || os_read_file(path, LOG_MAX_BYTES, &data, &size, error);

    for (size_t k = 0; ok && data != NULL && kept.length > 0 && k < 2; k++)
        if (strncmp((const char *)data, headers[k], strlen(headers[k])) == 0)
            kept.length = strlen(headers[k]), header = headers[k];
    if (ok && data != NULL && size >= (int64_t)kept.length
        && memcmp(data, header, kept.length) == 0)
        kept = (Kept){(const char *)data,
                      lines_up_to((const char *)data, (size_t)size, kept.length, prefix, last)};
    ok = ok && os_write_atomically(path, write_kept, &kept, error);
    free(data);
    return ok;
}

static FILE *open_for_append(const char *path, Error *error)
{
    FILE *file = os_fopen(path, "ab");

    if (file == NULL) {
        error_set(error, ERROR_FILES, "cannot write %s", path);
        error_why_errno(error, errno);
    }
    return file;
}

bool log_open(Log *log, const char *folder, const char *log_folder, int32_t epochs, int64_t updates,
              const char *mm, Error *error)
{
    char *metrics = os_join(log_folder, "metrics.csv");
    char *lines = os_join(folder, "log.jsonl");
    bool ok = metrics != NULL && lines != NULL;

    *log = (Log){.is_terminal = os_is_terminal(stderr), .last_shown = -1e9};
    if (!ok)
        error_set(error, ERROR_MEMORY, "no memory for a path");
    ok = ok
         && keep_lines(metrics, is_assumed(mm) ? assumed_header : metrics_header, 0, epochs, error)
         && keep_lines(lines, "", sizeof update_prefix - 1, updates, error)
         && (log->metrics = open_for_append(metrics, error)) != NULL
         && (log->updates = open_for_append(lines, error)) != NULL
         && events_open(&log->events, log_folder, updates, error);
    if (ok) { /* new names */
        os_flush_folder_of(metrics);
        os_flush_folder_of(lines);
    }
    free(metrics);
    free(lines);
    return ok;
}

bool log_flush(Log *log, Error *error)
{
    FILE *const files[] = {log->metrics, log->updates, log->events};
    bool ok = true;

    errno = 0;
    for (int k = 0; k < 3; k++)
        ok = files[k] != NULL && os_flush_to_disk(files[k]) && !ferror(files[k]) && ok;
    if (ok)
        return true;
    error_set(error, ERROR_FILES, "cannot write metrics.csv, log.jsonl or the events");
    return error_why_errno(error, errno);
}

bool log_close(Log *log, Error *error)
{
    FILE *const files[] = {log->metrics, log->updates, log->events};
    bool ok = true;

    log_say(log, "%s", "");
    errno = 0;
    for (int k = 0; k < 3; k++)
        if (files[k] != NULL)
            ok = fclose(files[k]) == 0 && ok;
    *log = (Log){0};
    if (ok)
        return true;
    error_set(error, ERROR_FILES, "cannot finish metrics.csv, log.jsonl or the events");
    return error_why_errno(error, errno);
}

/* ---- the line -------------------------------------------------------------------------------- */

void format_bytes(int64_t bytes, char *text, size_t size)
{
    double mib = (double)bytes / (1 << 20);

    if (mib < 1024)
        snprintf(text, size, mib < 100 ? "%.1f MiB" : "%.0f MiB", mib);
    else
        snprintf(text, size, "%.2f GiB", mib / 1024);
}

/* "45s", "3m20s", "2h05m", "1d04h" */
static void format_seconds(double seconds, char *text, size_t size)
{
    long long s = seconds > 0 ? (long long)(seconds + 0.5) : 0;

    if (s < 60)
        snprintf(text, size, "%llds", s);
    else if (s < 3600)
        snprintf(text, size, "%lldm%02llds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, size, "%lldh%02lldm", s / 3600, s % 3600 / 60);
    else
        snprintf(text, size, "%lldd%02lldh", s / 86400, s % 86400 / 3600);
}

/* "ETA 2m10s, run 3h20m (18:42)": of the epoch's updates by the time an update takes, of the run by
 * the time that everything has taken so far, validation included. */
static void format_eta(const Progress *p, char *text, size_t size)
{
    int64_t done = p->update - p->first_update;
    char epoch[32], run[32], clock[16] = "";

    if (done <= 0) {
        snprintf(text, size, "ETA -");
        return;
    }
    double left = (os_seconds() - p->started) / (double)done * (double)(p->updates - p->update);
    time_t end = (time_t)(os_unix_seconds() + (int64_t)left);
    const struct tm *local = localtime(&end);
    if (local != NULL)
        strftime(clock, sizeof clock, " (%H:%M)", local);
    format_seconds(p->trained / (double)done * (double)(p->epoch_end - p->update), epoch,
                   sizeof epoch);
    format_seconds(left, run, sizeof run);
    snprintf(text, size, "ETA %s, run %s%s", epoch, run, clock);
}

/* One part of the line. Where the terminal is narrow, parts with a larger rank are left out. */
typedef struct Segment {
    int rank;
    char text[96];
} Segment;

enum { SEGMENTS = 9, LINE_BYTES = 1024 };

static void make_segments(const Progress *p, Segment segments[SEGMENTS])
{
    static const int ranks[SEGMENTS] = {0, 1, 2, 7, 8, 3, 5, 4, 6};
    char planned[32], in_use[32] = "?", *text[SEGMENTS];
    size_t size = sizeof segments[0].text;
    int64_t resident = os_resident_bytes();

    for (int k = 0; k < SEGMENTS; k++) {
        segments[k].rank = ranks[k];
        text[k] = segments[k].text;
    }
    format_bytes(p->planned_bytes, planned, sizeof planned);
    if (resident >= 0)
        format_bytes(resident, in_use, sizeof in_use);
    snprintf(text[0], size, "epoch %d/%d", p->epoch + 1, p->epochs);
    snprintf(text[1], size, "update %lld/%lld", (long long)p->update, (long long)p->updates);
    snprintf(text[2], size, "loss %.5f", p->loss);
    snprintf(text[3], size, "lr %.2e", p->lr);
    snprintf(text[4], size, "scale %g", p->loss_scale);
    snprintf(text[5], size, "%.2f img/s", p->trained > 0 ? (double)p->images / p->trained : 0.0);
    snprintf(text[6], size, "data %.0f%%", p->trained > 0 ? 100 * p->waited / p->trained : 0.0);
    format_eta(p, text[7], size);
    snprintf(text[8], size, "mem plan %s, in use %s", planned, in_use);
}

/* At most `width` characters. */
static void format_line(const Progress *p, char *line, size_t width)
{
    Segment segments[SEGMENTS];
    bool is_in[SEGMENTS] = {false};
    size_t used = 0;

    make_segments(p, segments);
    for (int rank = 0; rank < SEGMENTS; rank++) {
        for (int k = 0; k < SEGMENTS; k++) {
            size_t length = strlen(segments[k].text) + 2;
            if (segments[k].rank != rank || used + length > width + 2)
                continue;
            is_in[k] = true;
            used += length;
        }
    }
    line[0] = '\0';
    for (int k = 0; k < SEGMENTS; k++) {
        if (!is_in[k])
            continue;
        if (line[0] != '\0')
            strcat(line, "  ");
        strcat(line, segments[k].text);
    }
}

void log_progress(Log *log, const Progress *progress)
{
    double now = os_seconds(), pause = log->is_terminal ? 0.1 : 10.0;
    char line[LINE_BYTES];

    if (now - log->last_shown < pause)
        return;
    log->last_shown = now;
    if (log->is_terminal) {
        int width = os_terminal_width() - 1;
        width = width < LINE_BYTES - 1 ? width : LINE_BYTES - 1;
        format_line(progress, line, (size_t)width);
        fprintf(stderr, "\r%-*s", width, line);
        log->is_line_open = true;
    } else {
        format_line(progress, line, LINE_BYTES - 1);
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
}

void log_say(Log *log, const char *fmt, ...)
{
    va_list arguments;

    if (log->is_line_open)
        fprintf(stderr, "\r%*s\r", os_terminal_width() - 1, "");
    log->is_line_open = false;
    va_start(arguments, fmt);
    vfprintf(stderr, fmt, arguments);
    va_end(arguments);
}

/* ---- rows ------------------------------------------------------------------------------------ */

void log_update(Log *log, const Progress *p, bool is_finite)
{
    const EventScalar scalars[] = {{"train/lr", (float)p->lr},
                                   {"train/loss_scale", (float)p->loss_scale},
                                   {"train/loss", (float)p->loss},
                                   {"train/grad_norm", (float)p->grad_norm}};

    fprintf(log->updates, "%s%lld,\"epoch\":%d,\"lr\":%.9g,\"loss_scale\":%g,", update_prefix,
            (long long)p->update, p->epoch + 1, p->lr, p->loss_scale);
    if (is_finite)
        fprintf(log->updates, "\"loss\":%.9g,\"grad_norm\":%.9g,\"applied\":true}\n", p->loss,
                p->grad_norm);
    else
        fprintf(log->updates, "\"loss\":null,\"grad_norm\":null,\"applied\":false}\n");
    events_write(log->events, (double)os_unix_seconds(), p->update, scalars, is_finite ? 4 : 2);
}

static void write_events(Log *log, const Progress *p, const ErrorSummary *s)
{
    const char *unit = is_assumed(p->mm) ? "_assumed_mm" : "mm"; /* behind the 2 of 2mm */
    const char *mean = is_assumed(p->mm) ? "valid/mre_assumed_mm" : "valid/mre_mm";
    const char *median = is_assumed(p->mm) ? "valid/median_assumed_mm" : "valid/median_mm";
    char sdr[4][64];
    for (int k = 0; k < 4; k++)
        snprintf(sdr[k], sizeof sdr[k], "valid/sdr_%g%s", sdr_limits_mm[k], unit);
    const EventScalar scalars[] = {
        {"epoch/loss", (float)p->loss}, {"valid/mre_px", (float)s->mean_px},
        {mean, (float)s->mean_mm},      {median, (float)s->median_mm},
        {sdr[0], (float)s->sdr[0]},     {sdr[1], (float)s->sdr[1]},
        {sdr[2], (float)s->sdr[2]},     {sdr[3], (float)s->sdr[3]},
    };
    events_write(log->events, (double)os_unix_seconds(), p->update, scalars, s->count > 0 ? 8 : 1);
}

void log_epoch(Log *log, const Progress *p, const ErrorSummary *s, bool is_best)
{
    log_say(log, "epoch %3d  loss %.5f", p->epoch + 1, p->loss);
    if (s->count > 0)
        fprintf(stderr,
                "  valid MRE %7.2f px  %6.2f +- %.2f %s  SDR 2/2.5/3/4 mm %5.1f %5.1f %5.1f %5.1f "
                "%%%s",
                s->mean_px, s->mean_mm, s->sd_mm, p->mm, 100 * s->sdr[0], 100 * s->sdr[1],
                100 * s->sdr[2], 100 * s->sdr[3], is_best ? "  best" : "");
    fprintf(stderr, "\n");
    fprintf(log->metrics, "%d,%lld,%.9g,%.9g,%g", p->epoch + 1, (long long)p->update, p->loss,
            p->lr, p->loss_scale);
    if (s->count > 0)
        fprintf(log->metrics, ",%lld,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n",
                (long long)s->count, s->mean_px, s->mean_mm, s->sd_mm, s->median_mm, s->sdr[0],
                s->sdr[1], s->sdr[2], s->sdr[3]);
    else
        fprintf(log->metrics, ",0,,,,,,,,\n");
    write_events(log, p, s);
}
