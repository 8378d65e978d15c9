#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"

static const char metrics_header[] =
    "epoch,update,loss,lr,loss_scale,valid_points,mre_px,mre_mm,sd_mm,median_mm,sdr_2mm,sdr_2.5mm,"
    "sdr_3mm,sdr_4mm\n";

/* ---- files ----------------------------------------------------------------------------------------------- */

typedef struct Kept {
    const uint8_t *data;
    size_t length;
} Kept;

static bool write_kept(FILE *file, void *context)
{
    const Kept *kept = context;
    return fwrite(kept->data, 1, kept->length, file) == kept->length;
}

/* The bytes of a metrics file up to the first row of `epoch` or a later one. */
static size_t rows_before(const char *text, size_t size, int32_t epoch)
{
    size_t at = 0;

    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);
        if (end == NULL)
            break;
        if (at > 0 && strtol(text + at, NULL, 10) > epoch)
            break;
        at = (size_t)(end - text) + 1;
    }
    return at;
}

/* Drops rows that a resumed run will write again. Epochs count from 1 in the file. */
static bool keep_rows(const char *path, int32_t epoch, Error *error)
{
    Kept kept = {(const uint8_t *)metrics_header, sizeof metrics_header - 1};
    uint8_t *data = NULL;
    int64_t size = 0;
    bool ok = !os_exists(path) || os_read_file(path, 1 << 26, &data, &size, error);

    if (ok && data != NULL && size > 0)
        kept = (Kept){data, rows_before((const char *)data, (size_t)size, epoch)};
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

bool log_open(Log *log, const char *folder, const char *log_dir, int32_t epoch, Error *error)
{
    const char *no_color = getenv("NO_COLOR");
    char *metrics = os_join(log_dir[0] ? log_dir : folder, "metrics.csv");
    char *events = os_join(folder, "log.jsonl");
    bool ok = metrics != NULL && events != NULL;

    *log = (Log){.is_terminal = os_is_terminal(stderr)};
    log->use_color = log->is_terminal && (no_color == NULL || no_color[0] == '\0');
    if (!ok)
        error_set(error, ERROR_FILES, "no memory for a path");
    ok = ok && os_make_folders(log_dir[0] ? log_dir : folder, error)
         && keep_rows(metrics, epoch, error)
         && (log->metrics = open_for_append(metrics, error)) != NULL
         && (log->events = open_for_append(events, error)) != NULL;
    free(metrics);
    free(events);
    return ok;
}

bool log_close(Log *log, Error *error)
{
    bool ok = true;

    if (log->metrics != NULL)
        ok = fclose(log->metrics) == 0 && ok;
    if (log->events != NULL)
        ok = fclose(log->events) == 0 && ok;
    *log = (Log){0};
    return ok || error_set(error, ERROR_FILES, "cannot finish metrics.csv or log.jsonl");
}

/* ---- the line -------------------------------------------------------------------------------------------- */

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

static void format_line(const Progress *p, char *line, size_t size)
{
    double elapsed = os_seconds() - p->started;
    int64_t done = p->images, updates = p->update - p->first_update;
    char eta[32] = "-", memory[64] = "";
    int64_t resident = os_resident_bytes();

    if (updates > 0)
        format_seconds(elapsed / (double)updates * (double)(p->updates - p->update), eta,
                       sizeof eta);
    if (resident >= 0)
        snprintf(memory, sizeof memory, "  mem %lld/%lld MiB", (long long)(resident >> 20),
                 (long long)(p->planned_bytes >> 20));
    snprintf(line, size,
             "epoch %d/%d  update %lld/%lld  loss %.5f  lr %.2e  scale %g  %.2f img/s  data %.0f%%  "
             "ETA %s%s",
             p->epoch + 1, p->epochs, (long long)p->update, (long long)p->updates, p->loss, p->lr,
             p->loss_scale, elapsed > 0 ? (double)done / elapsed : 0.0,
             elapsed > 0 ? 100 * p->waited / elapsed : 0.0, eta, memory);
}

void log_progress(Log *log, const Progress *progress, bool is_last)
{
    double now = os_seconds(), pause = log->is_terminal ? 0.1 : 10.0;
    char line[512];

    if (!is_last && now - log->last_shown < pause)
        return;
    log->last_shown = now;
    format_line(progress, line, sizeof line);
    if (log->is_terminal)
        fprintf(stderr, "\r%-*.*s", os_terminal_width() - 1, os_terminal_width() - 1, line);
    else
        fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

void log_update(Log *log, const Progress *p, bool is_finite)
{
    fprintf(log->events,
            "{\"update\":%lld,\"epoch\":%d,\"loss\":%.9g,\"lr\":%.9g,\"loss_scale\":%g,"
            "\"grad_norm\":%.9g,\"applied\":%s}\n",
            (long long)p->update, p->epoch + 1, is_finite ? p->loss : -1.0, p->lr, p->loss_scale,
            is_finite ? p->grad_norm : -1.0, is_finite ? "true" : "false");
}

void log_epoch(Log *log, const Progress *p, const ErrorSummary *s, bool is_best)
{
    if (log->is_terminal)
        fprintf(stderr, "\r%*s\r", os_terminal_width() - 1, "");
    fprintf(stderr, "epoch %3d  loss %.5f", p->epoch + 1, p->loss);
    if (s->count > 0)
        fprintf(stderr, "  valid MRE %7.2f px  %6.2f +- %.2f mm  SDR 2/2.5/3/4 mm %5.1f %5.1f %5.1f %5.1f %%%s",
                s->mean_px, s->mean_mm, s->sd_mm, 100 * s->sdr[0], 100 * s->sdr[1],
                100 * s->sdr[2], 100 * s->sdr[3], is_best ? "  best" : "");
    fprintf(stderr, "\n");
    fprintf(log->metrics, "%d,%lld,%.9g,%.9g,%g", p->epoch + 1, (long long)p->update, p->loss, p->lr,
            p->loss_scale);
    if (s->count > 0)
        fprintf(log->metrics, ",%lld,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n", (long long)s->count,
                s->mean_px, s->mean_mm, s->sd_mm, s->median_mm, s->sdr[0], s->sdr[1], s->sdr[2],
                s->sdr[3]);
    else
        fprintf(log->metrics, ",0,,,,,,,,\n");
    fflush(log->metrics);
    fflush(log->events);
}
