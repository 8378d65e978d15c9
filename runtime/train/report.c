/* report.html: one file with everything in it: curves as inline SVG, the table of the last
 * validation, its worst pictures. Made from metrics.csv and log.jsonl, so that a resumed run
 * reports all of itself.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "run.h"
#include "runtime/system/os.h"

/* ---- numbers from the log -------------------------------------------------------------------- */

typedef struct Series {
    const char *name, *color;
    double *x, *y;
    int32_t count, capacity;
} Series;

static bool series_add(Series *series, double x, double y)
{
    if (!isfinite(x) || !isfinite(y))
        return true;
    if (series->count == series->capacity) {
        int32_t capacity = series->capacity ? 2 * series->capacity : 256;
        double *xs = realloc(series->x, (size_t)capacity * sizeof *xs);
        if (xs != NULL)
            series->x = xs;
        double *ys = realloc(series->y, (size_t)capacity * sizeof *ys);
        if (ys != NULL)
            series->y = ys;
        if (xs == NULL || ys == NULL)
            return false;
        series->capacity = capacity;
    }
    series->x[series->count] = x;
    series->y[series->count++] = y;
    return true;
}

enum {
    SERIES_loss,
    SERIES_lr,
    SERIES_norm,
    SERIES_mre,
    SERIES_median,
    SERIES_sdr2,
    SERIES_sdr4,
    SERIES_COUNT
};

typedef struct Curves {
    Series series[SERIES_COUNT];
} Curves;

static void curves_free(Curves *curves)
{
    for (int k = 0; k < SERIES_COUNT; k++) {
        free(curves->series[k].x);
        free(curves->series[k].y);
    }
}

/* The number behind "name": in the line, NaN where there is none. */
static double member(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    char *end;

    if (at == NULL)
        return NAN;
    at += strlen(name);
    double value = strtod(at, &end);
    return end == at ? NAN : value;
}

static bool read_update(Curves *curves, const char *line)
{
    double update = member(line, "\"update\":");
    return series_add(&curves->series[SERIES_loss], update, member(line, "\"loss\":"))
           && series_add(&curves->series[SERIES_lr], update, member(line, "\"lr\":"))
           && series_add(&curves->series[SERIES_norm], update, member(line, "\"grad_norm\":"));
}

/* epoch,update,loss,lr,loss_scale,valid_points,mre_px,mre_mm,sd_mm,median_mm,sdr_2mm, ... */
static bool read_epoch(Curves *curves, const char *line)
{
    double fields[14];
    int count = 0;

    for (const char *at = line; count < 14; at++) {
        char *end;
        fields[count] = strtod(at, &end);
        if (end == at)
            fields[count] = NAN;
        count++;
        at += strcspn(at, ",");
        if (*at == '\0')
            break;
    }
    if (count < 14)
        return true; /* the header, or an epoch without validation */
    return series_add(&curves->series[SERIES_mre], fields[0], fields[7])
           && series_add(&curves->series[SERIES_median], fields[0], fields[9])
           && series_add(&curves->series[SERIES_sdr2], fields[0], 100 * fields[10])
           && series_add(&curves->series[SERIES_sdr4], fields[0], 100 * fields[13]);
}

static bool read_lines(Curves *curves, const char *folder, const char *name,
                       bool (*read)(Curves *, const char *), Error *error)
{
    uint8_t *data = NULL;
    int64_t size = 0;
    char *path = os_join(folder, name);
    bool ok = path != NULL && os_read_file(path, 1 << 30, &data, &size, error);

    for (char *line = (char *)data; ok && line != NULL && *line != '\0';) {
        char *end = line + strcspn(line, "\n"), *next = end + (*end == '\n');
        *end = '\0';
        ok = read(curves, line) || error_set(error, ERROR_MEMORY, "no memory for report.html");
        line = next;
    }
    free(data);
    free(path);
    return ok;
}

/* ---- curves ---------------------------------------------------------------------------------- */

enum {
    CHART_WIDTH = 460,
    CHART_HEIGHT = 220,
    LEFT = 62,
    RIGHT = 12,
    TOP = 10,
    BOTTOM = 26,
    MOST_POINTS = 400
};

typedef struct Range {
    double low, high;
    bool is_log;
} Range;

static void widen(Range *range, const double *values, int32_t count)
{
    for (int32_t k = 0; k < count; k++) {
        if (range->is_log && values[k] <= 0)
            continue;
        range->low = fmin(range->low, values[k]);
        range->high = fmax(range->high, values[k]);
    }
}

/* Where in 0 .. 1 the value lies. */
static double position(const Range *range, double value)
{
    double low = range->is_log ? log10(range->low) : range->low;
    double high = range->is_log ? log10(range->high) : range->high;
    double at = range->is_log ? log10(fmax(value, range->low)) : value;
    return high > low ? (at - low) / (high - low) : 0.5;
}

static double place_x(const Range *range, double x)
{
    return LEFT + position(range, x) * (CHART_WIDTH - LEFT - RIGHT);
}

static double place_y(const Range *range, double y)
{
    return CHART_HEIGHT - BOTTOM - position(range, y) * (CHART_HEIGHT - TOP - BOTTOM);
}

/* 1, 2 or 5 times a power of ten, so that about four steps fill the range. */
static double tick_step(double span)
{
    double step = pow(10, floor(log10(span / 4)));
    double ratio = span / 4 / step;
    return step * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
}

static void draw_tick_y(FILE *file, const Range *range, double y)
{
    fprintf(file,
            "<path d=\"M%d %.1fH%d\" class=\"grid\"/><text x=\"%d\" y=\"%.1f\" class=\"y\">%g"
            "</text>\n",
            LEFT, place_y(range, y), CHART_WIDTH - RIGHT, LEFT - 5, place_y(range, y) + 4, y);
}

/* Powers of ten; 2 and 5 times them as well where there are at most two. */
static void draw_log_ticks(FILE *file, const Range *y)
{
    static const double steps[] = {1, 2, 5};
    int count = log10(y->high / y->low) < 2 ? 3 : 1;

    for (double power = pow(10, floor(log10(y->low))); power <= y->high; power *= 10)
        for (int k = 0; k < count; k++)
            if (power * steps[k] >= y->low && power * steps[k] <= y->high)
                draw_tick_y(file, y, power * steps[k]);
}

static void draw_axes(FILE *file, const Range *x, const Range *y)
{
    if (y->is_log && y->high > 5 * y->low) {
        draw_log_ticks(file, y);
    } else if (y->high > y->low) {
        double step = tick_step(y->high - y->low);
        for (double k = ceil(y->low / step); k * step <= y->high + step * 1e-6; k++)
            draw_tick_y(file, y, k * step);
    }
    if (x->high > x->low) {
        double step = fmax(1, tick_step(x->high - x->low));
        for (double k = ceil(x->low / step); k * step <= x->high; k++)
            fprintf(file, "<text x=\"%.1f\" y=\"%d\" class=\"x\">%g</text>\n", place_x(x, k * step),
                    CHART_HEIGHT - 8, k * step);
    }
}

/* A line through the means of at most MOST_POINTS stretches of equal length. */
static void draw_series(FILE *file, const Series *series, const Range *x, const Range *y)
{
    int32_t stretch = (series->count + MOST_POINTS - 1) / MOST_POINTS;

    fprintf(file, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" d=\"", series->color);
    for (int32_t k = 0; k < series->count; k += stretch) {
        double sum_x = 0, sum_y = 0;
        int32_t end = k + stretch < series->count ? k + stretch : series->count;
        for (int32_t i = k; i < end; i++) {
            sum_x += series->x[i];
            sum_y += series->y[i];
        }
        fprintf(file, "%c%.1f %.1f", k == 0 ? 'M' : 'L', place_x(x, sum_x / (end - k)),
                place_y(y, sum_y / (end - k)));
    }
    fprintf(file, "\"/>\n");
    if (series->count == 1)
        fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                place_x(x, series->x[0]), place_y(y, series->y[0]), series->color);
}

static void draw_chart(FILE *file, const char *title, const char *unit, const Series *series,
                       int count, bool is_log)
{
    Range x = {INFINITY, -INFINITY, false}, y = {INFINITY, -INFINITY, is_log};

    for (int k = 0; k < count; k++) {
        widen(&x, series[k].x, series[k].count);
        widen(&y, series[k].y, series[k].count);
    }
    if (!(x.low <= x.high) || !(y.low <= y.high))
        return;
    fprintf(file, "<figure><figcaption>%s", title);
    for (int k = 0; count > 1 && k < count; k++)
        fprintf(file, " <span style=\"color:%s\">&#9632; %s</span>", series[k].color,
                series[k].name);
    fprintf(file, " <small>by %s</small></figcaption>\n<svg viewBox=\"0 0 %d %d\">\n", unit,
            CHART_WIDTH, CHART_HEIGHT);
    draw_axes(file, &x, &y);
    for (int k = 0; k < count; k++)
        draw_series(file, &series[k], &x, &y);
    fprintf(file, "</svg></figure>\n");
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void write_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            fprintf(file, "&#%d;", *text);
        else
            fputc(*text, file);
    }
}

static void write_name(FILE *file, const char *name)
{
    char *copy = name_copy(name);
    write_text(file, copy != NULL ? copy : "?");
    free(copy);
}

static void table_row(FILE *file, const char *name, const ErrorSummary *s)
{
    if (s->count == 0)
        return;
    fprintf(file, "<tr><th>");
    write_name(file, name);
    fprintf(file, "</th><td>%lld</td><td>%.2f</td><td>%.2f &plusmn; %.2f</td><td>%.2f</td>",
            (long long)s->count, s->mean_px, s->mean_mm, s->sd_mm, s->median_mm);
    for (int k = 0; k < 4; k++)
        fprintf(file, "<td>%.1f</td>", 100 * s->sdr[k]);
    fprintf(file, "</tr>\n");
}

/* What the data set says of itself, and what was left out. */
static void write_warnings(FILE *file, const Predictions *predictions)
{
    const Dataset *dataset = predictions->dataset;

    fprintf(file, "<p>%d warnings, %d pictures left out.</p>\n<ul>\n", dataset->warning_count,
            dataset->item_count - predictions_count(predictions));
    for (int32_t k = 0; k < dataset->warning_count; k++) {
        fprintf(file, "<li>");
        write_text(file, dataset->warnings[k]);
        fprintf(file, "</li>\n");
    }
    for (int32_t i = 0; i < dataset->item_count; i++)
        if (!predictions->is_done[i]) {
            fprintf(file, "<li>left out: ");
            write_name(file, dataset->items[i].image_path);
            fprintf(file, "</li>\n");
        }
    fprintf(file, "</ul>\n");
}

static bool write_table(FILE *file, const Predictions *predictions)
{
    const Dataset *dataset = predictions->dataset;
    ErrorSummary summary;
    const char *star = dataset_assumed_sizes(dataset) > 0 ? "*" : "";

    fprintf(file,
            "<h2>Last validation, split %s</h2>\n<table><tr><th></th><th>points</th>"
            "<th>MRE px</th><th>MRE mm%s</th><th>median mm%s</th><th>2 mm%s %%</th>"
            "<th>2.5 mm%s %%</th><th>3 mm%s %%</th><th>4 mm%s %%</th></tr>\n",
            dataset->split, star, star, star, star, star, star);
    if (!summarize(predictions, (ErrorFilter){.point = -1}, &summary))
        return false;
    table_row(file, "all", &summary);
    for (int32_t p = 0; p < dataset->point_count; p++) {
        if (!summarize(predictions, (ErrorFilter){.point = p}, &summary))
            return false;
        table_row(file, dataset->symbols[p], &summary);
    }
    for (int32_t i = 0; i < dataset->item_count; i++) {
        if (!is_first_of_device(dataset, i))
            continue;
        ErrorFilter filter = {.point = -1, .device = dataset->items[i].device};
        if (!summarize(predictions, filter, &summary))
            return false;
        table_row(file, filter.device, &summary);
    }
    fprintf(file, "</table>\n");
    if (star[0] != '\0')
        fprintf(file, "<p>* 0.1 mm a pixel is assumed for %d of %d pictures.</p>\n",
                dataset_assumed_sizes(dataset), dataset->item_count);
    write_warnings(file, predictions);
    return true;
}

static void write_base64(FILE *file, const uint8_t *bytes, int64_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (int64_t i = 0; i < size; i += 3) {
        uint32_t b = (uint32_t)bytes[i] << 16;
        b |= i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0;
        b |= i + 2 < size ? bytes[i + 2] : 0;
        fputc(letters[b >> 18], file);
        fputc(letters[b >> 12 & 63], file);
        fputc(i + 1 < size ? letters[b >> 6 & 63] : '=', file);
        fputc(i + 2 < size ? letters[b & 63] : '=', file);
    }
}

static bool write_picture(FILE *file, const Predictions *predictions, int32_t item, double mean_mm,
                          Error *error)
{
    enum { SIDE = 420 };
    Image image = {0};
    uint8_t *png = NULL;
    int64_t size = 0;
    bool ok = overlay_draw(predictions, item, SIDE, &image, error)
              && image_encode_png(&image, &png, &size, error);

    if (ok) {
        fprintf(file, "<figure><img alt=\"\" src=\"data:image/png;base64,");
        write_base64(file, png, size);
        fprintf(file, "\"><figcaption>");
        write_name(file, predictions->dataset->items[item].id);
        fprintf(file, " <small>mean %.2f mm%s</small></figcaption></figure>\n", mean_mm,
                predictions->dataset->items[item].mm_is_known ? "" : " (assumed)");
    }
    free(png);
    image_free(&image);
    return ok;
}

/* The pictures with the largest mean errors. */
static bool write_worst(FILE *file, const Predictions *predictions, Error *error)
{
    enum { MOST = 4 };
    WorstPicture worst[MOST];
    int32_t count = worst_pictures(predictions, worst, MOST);
    bool ok = true;

    if (count > 0)
        fprintf(file, "<h2>Worst pictures</h2><p>Truth green, prediction red.</p>"
                      "<div class=\"row\">\n");
    for (int32_t k = 0; ok && k < count; k++)
        ok = write_picture(file, predictions, worst[k].item, worst[k].mean_mm, error);
    if (count > 0)
        fprintf(file, "</div>\n");
    return ok;
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char page_style[] =
    "body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:64em;padding:0 1em;"
    "overflow-x:auto;"
    "color:#222;background:#fff}h1{font-size:1.4em}h2{font-size:1.15em;margin-top:2em}"
    "figure{margin:0 0 1em}figcaption{font-weight:600}small{color:#666;font-weight:400}"
    ".row{display:flex;flex-wrap:wrap;gap:1em}.row figure{flex:1 1 26em;max-width:30em}"
    "img{max-width:100%}svg{width:100%;background:#fafafa;border:1px solid #ddd}"
    "svg text{font-size:11px;fill:#555}.y{text-anchor:end}.x{text-anchor:middle}"
    ".grid{stroke:#e4e4e4}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:.15em .5em;text-align:right;white-space:nowrap;border-bottom:1px solid #eee}"
    "th:first-child{text-align:left}pre{background:#f6f6f6;padding:.7em;overflow:auto}";

typedef struct Page {
    const Run *run;
    const Predictions *predictions; /* NULL: no validation in this process */
    Curves curves;
    Error *error;
} Page;

static void write_charts(FILE *file, const Series *series)
{
    fprintf(file, "<div class=\"row\">\n");
    draw_chart(file, "training loss", "update", &series[SERIES_loss], 1, true);
    draw_chart(file, "MRE, validation, mm", "epoch", &series[SERIES_mre], 2, false);
    draw_chart(file, "SDR, validation, %", "epoch", &series[SERIES_sdr2], 2, false);
    draw_chart(file, "learning rate", "update", &series[SERIES_lr], 1, false);
    draw_chart(file, "norm of the gradient", "update", &series[SERIES_norm], 1, true);
    fprintf(file, "</div>\n");
}

static bool write_page(FILE *file, void *context)
{
    Page *page = context;
    const Run *run = page->run;
    const SnugProgram *p = run->program;
    const TrainState *state = &run->state;
    char planned[32], *options = options_json(&run->options);

    format_bytes(p->total_bytes, planned, sizeof planned);
    fprintf(file, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>");
    write_name(file, run->folder);
    fprintf(file, "</title><style>%s</style>\n<h1>", page_style);
    write_name(file, run->folder);
    fprintf(file, "</h1>\n<p>%s, %dx%d, batch %d, %s planned; %d epochs and %lld updates done",
            p->model, p->image_height, p->image_width, p->batch_size, planned, state->epoch,
            (long long)state->update);
    if (state->best_mre >= 0)
        fprintf(file, "; best MRE %.3f %s after epoch %d", state->best_mre,
                page->predictions != NULL && dataset_assumed_sizes(page->predictions->dataset) > 0
                    ? "assumed mm"
                    : "mm",
                state->best_epoch);
    fprintf(file, ".</p>\n");
    write_charts(file, page->curves.series);
    bool ok = page->predictions == NULL
              || (write_table(file, page->predictions)
                  && write_worst(file, page->predictions, page->error));
    fprintf(file, "<h2>Options</h2><pre>");
    write_text(file, options != NULL ? options : "");
    fprintf(file, "</pre></html>\n");
    free(options);
    return ok && !ferror(file);
}

bool report_write(const Run *run, const Predictions *predictions, Error *error)
{
    static const char *const names[SERIES_COUNT] = {"loss",   "rate",        "norm",       "mean",
                                                    "median", "within 2 mm", "within 4 mm"};
    static const char *const colors[SERIES_COUNT] = {"#1668b8", "#1668b8", "#1668b8", "#b83a16",
                                                     "#d9a400", "#1668b8", "#2a9d57"};
    Page page = {.run = run, .predictions = predictions, .error = error};
    char *path = os_join(run->folder, "report.html");

    for (int k = 0; k < SERIES_COUNT; k++) {
        page.curves.series[k].name = names[k];
        page.curves.series[k].color = colors[k];
    }
    bool ok = path != NULL && read_lines(&page.curves, run->folder, "log.jsonl", read_update, error)
              && read_lines(&page.curves, run->log_folder, "metrics.csv", read_epoch, error)
              && os_write_atomically(path, write_page, &page, error);
    curves_free(&page.curves);
    free(path);
    return ok;
}
