#include "metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/json.h"
#include "runtime/system/os.h"
#include "runtime/system/random.h"

enum { BOOTSTRAP_ROUNDS = 1000 };

const double sdr_limits_mm[4] = {2.0, 2.5, 3.0, 4.0};

/* 20 pixels of 0.1 mm are within 2 mm, although 0.1 has no exact float. */
static const double sdr_slack = 1e-6;

bool predictions_create(Predictions *predictions, const Dataset *dataset, Error *error)
{
    size_t items = (size_t)dataset->item_count, points = (size_t)dataset->point_count;

    *predictions = (Predictions){
        .dataset = dataset,
        .points = calloc(items * points + 1, sizeof(Prediction)),
        .is_done = calloc(items + 1, sizeof(bool)),
    };
    if (predictions->points != NULL && predictions->is_done != NULL)
        return true;
    predictions_free(predictions);
    return error_set(error, ERROR_MEMORY, "no memory for the predictions of %d pictures",
                     dataset->item_count);
}

void predictions_free(Predictions *predictions)
{
    free(predictions->points);
    free(predictions->is_done);
    *predictions = (Predictions){0};
}

int32_t predictions_count(const Predictions *predictions)
{
    int32_t count = 0;

    for (int32_t i = 0; i < predictions->dataset->item_count; i++)
        count += predictions->is_done[i];
    return count;
}

double radial_error(const Predictions *predictions, int32_t item, int32_t point)
{
    const Dataset *dataset = predictions->dataset;
    const Point *truth = &dataset->items[item].points[point];
    const Prediction *guess = &predictions->points[(int64_t)item * dataset->point_count + point];

    if (!predictions->is_done[item] || !(truth->weight > 0))
        return -1;
    return hypot((double)guess->x - truth->x, (double)guess->y - truth->y);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/* Mean, standard deviation (n - 1) and median; sorts. */
static void describe(double *values, int64_t count, double *mean, double *sd, double *median)
{
    double sum = 0, squares = 0;

    for (int64_t k = 0; k < count; k++)
        sum += values[k];
    *mean = sum / (double)count;
    for (int64_t k = 0; k < count; k++)
        squares += (values[k] - *mean) * (values[k] - *mean);
    *sd = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
    qsort(values, (size_t)count, sizeof *values, by_value);
    *median = count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

bool summarize(const Predictions *predictions, ErrorFilter filter, ErrorSummary *summary)
{
    const Dataset *dataset = predictions->dataset;
    size_t most = (size_t)dataset->item_count * (size_t)dataset->point_count + 1;
    double *px = malloc(most * sizeof *px), *mm = malloc(most * sizeof *mm);
    bool ok = px != NULL && mm != NULL;
    int64_t count = 0;

    *summary = (ErrorSummary){0};
    for (int32_t i = 0; ok && i < dataset->item_count; i++) {
        if (filter.device != NULL && strcmp(dataset->items[i].device, filter.device) != 0)
            continue;
        for (int32_t p = 0; p < dataset->point_count; p++) {
            double error = radial_error(predictions, i, p);
            if (error < 0 || (filter.point >= 0 && p != filter.point))
                continue;
            px[count] = error;
            mm[count] = error * dataset->items[i].mm_per_pixel;
            for (int k = 0; k < 4; k++)
                summary->sdr[k] += mm[count] <= sdr_limits_mm[k] + sdr_slack;
            count++;
        }
    }
    summary->count = count;
    if (count > 0) {
        for (int k = 0; k < 4; k++)
            summary->sdr[k] /= (double)count;
        describe(px, count, &summary->mean_px, &summary->sd_px, &summary->median_px);
        describe(mm, count, &summary->mean_mm, &summary->sd_mm, &summary->median_mm);
    }
    free(px);
    free(mm);
    return ok;
}

/* Sum of the errors of one picture in mm, and how many there are. */
static double picture_sum(const Predictions *predictions, int32_t item, int64_t *count)
{
    const Dataset *dataset = predictions->dataset;
    double sum = 0;

    for (int32_t p = 0; p < dataset->point_count; p++) {
        double error = radial_error(predictions, item, p);
        if (error < 0)
            continue;
        sum += error * dataset->items[item].mm_per_pixel;
        ++*count;
    }
    return sum;
}

bool summarize_all(const Predictions *predictions, uint64_t seed, ErrorSummary *summary)
{
    int32_t items = predictions->dataset->item_count;
    double *sums = calloc((size_t)items + 1, sizeof *sums);
    int64_t *counts = calloc((size_t)items + 1, sizeof *counts);
    double means[BOOTSTRAP_ROUNDS];
    RandomKey key = random_key(seed, RANDOM_BOOTSTRAP, 0, 0);
    bool ok = sums != NULL && counts != NULL
              && summarize(predictions, (ErrorFilter){.point = -1}, summary);

    for (int32_t i = 0; ok && i < items; i++)
        sums[i] = picture_sum(predictions, i, &counts[i]);
    for (int32_t round = 0; ok && summary->count > 0 && round < BOOTSTRAP_ROUNDS; round++) {
        double sum = 0;
        int64_t count = 0;
        for (int32_t k = 0; k < items; k++) {
            uint64_t draw = (uint64_t)round * (uint64_t)items + (uint64_t)k;
            int32_t i = (int32_t)(random_uniform(key, draw) * (float)items);
            sum += sums[i];
            count += counts[i];
        }
        means[round] = count > 0 ? sum / (double)count : summary->mean_mm;
    }
    if (ok && summary->count > 0) {
        qsort(means, BOOTSTRAP_ROUNDS, sizeof *means, by_value);
        summary->low_mm = means[BOOTSTRAP_ROUNDS * 25 / 1000];
        summary->high_mm = means[BOOTSTRAP_ROUNDS * 975 / 1000 - 1];
    }
    free(sums);
    free(counts);
    return ok;
}

bool is_first_of_device(const Dataset *dataset, int32_t item)
{
    if (dataset->items[item].device[0] == '\0')
        return false;
    for (int32_t k = 0; k < item; k++)
        if (strcmp(dataset->items[k].device, dataset->items[item].device) == 0)
            return false;
    return true;
}

int32_t worst_pictures(const Predictions *predictions, WorstPicture *worst, int32_t most)
{
    const Dataset *dataset = predictions->dataset;
    int32_t count = 0;

    for (int32_t i = 0; i < dataset->item_count; i++) {
        WorstPicture picture = {.item = i};
        int64_t points = 0;
        double sum = picture_sum(predictions, i, &points), largest = -1;
        if (points == 0)
            continue;
        picture.mean_mm = sum / (double)points;
        for (int32_t p = 0; p < dataset->point_count; p++) {
            double error = radial_error(predictions, i, p);
            if (error > largest) {
                largest = error;
                picture.point = p;
            }
        }
        picture.point_mm = largest * (double)dataset->items[i].mm_per_pixel;
        int32_t at = count;
        while (at > 0 && worst[at - 1].mean_mm < picture.mean_mm)
            at--;
        if (at == most)
            continue;
        count += count < most;
        memmove(&worst[at + 1], &worst[at], (size_t)(count - 1 - at) * sizeof *worst);
        worst[at] = picture;
    }
    return count;
}

/* ---- what is told of them -------------------------------------------------------------------- */

/* Behind each figure in mm for which the size of a pixel was assumed. */
static const char *mark(const Dataset *dataset)
{
    return dataset_assumed_sizes(dataset) > 0 ? "*" : "";
}

static void print_row(FILE *out, const char *name, const ErrorSummary *s)
{
    if (s->count == 0)
        return;
    fprintf(out, "%-22.22s %6lld  %7.2f  %6.2f +- %-6.2f %6.2f ", name, (long long)s->count,
            s->mean_px, s->mean_mm, s->sd_mm, s->median_mm);
    for (int k = 0; k < 4; k++)
        fprintf(out, "  %5.1f", 100 * s->sdr[k]);
    fprintf(out, "\n");
}

static void print_worst(FILE *out, const Predictions *predictions)
{
    enum { MOST = 5 };
    const Dataset *dataset = predictions->dataset;
    WorstPicture worst[MOST];
    int32_t count = worst_pictures(predictions, worst, MOST);

    if (count > 0)
        fprintf(out, "worst pictures\n");
    for (int32_t k = 0; k < count; k++) {
        const Item *item = &dataset->items[worst[k].item];
        const char *star = item->mm_is_known ? "" : "*";
        char name[512];
        name_write(name, sizeof name, item->id);
        fprintf(out, "  %-28s mean %6.2f mm%s, most %6.2f mm%s at %s\n", name, worst[k].mean_mm,
                star, worst[k].point_mm, star, dataset->symbols[worst[k].point]);
    }
}

bool print_metrics(FILE *out, const Predictions *predictions, uint64_t seed)
{
    const Dataset *dataset = predictions->dataset;
    ErrorSummary summary;

    if (!summarize_all(predictions, seed, &summary))
        return false;
    bool is_assumed = dataset_assumed_sizes(dataset) > 0;
    fprintf(out, "%-22s %6s  %7s  %16s %6s   %5s  %5s  %5s  %5s\n", "", "points", "MRE px",
            is_assumed ? "MRE mm* +- SD" : "MRE mm +- SD", is_assumed ? "median*" : "median",
            is_assumed ? "2mm*%" : "2mm %", is_assumed ? "2.5mm*" : "2.5mm",
            is_assumed ? "3mm*" : "3mm", is_assumed ? "4mm*" : "4mm");
    print_row(out, "all", &summary);
    if (summary.count > 0)
        fprintf(out, "%-22s %6s  %7s  %.2f .. %.2f mm%s\n", "95 % interval of MRE", "", "",
                summary.low_mm, summary.high_mm, mark(dataset));
    for (int32_t p = 0; p < dataset->point_count; p++) {
        if (!summarize(predictions, (ErrorFilter){.point = p}, &summary))
            return false;
        print_row(out, dataset->symbols[p], &summary);
    }
    for (int32_t i = 0; i < dataset->item_count; i++) {
        if (!is_first_of_device(dataset, i))
            continue;
        ErrorFilter filter = {.point = -1, .device = dataset->items[i].device};
        if (!summarize(predictions, filter, &summary))
            return false;
        char name[128];
        name_write(name, sizeof name, filter.device);
        print_row(out, name, &summary);
    }
    print_worst(out, predictions);
    if (is_assumed)
        fprintf(out, "* 0.1 mm a pixel is assumed for %d of %d pictures\n",
                dataset_assumed_sizes(dataset), dataset->item_count);
    for (int32_t i = 0; i < dataset->item_count; i++)
        if (!predictions->is_done[i]) {
            char name[512];
            name_write(name, sizeof name, dataset->items[i].image_path);
            fprintf(out, "left out: %s\n", name);
        }
    return true;
}

static json_t *summary_json(const ErrorSummary *s)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:[f, f, f, f]}", "points",
                     (json_int_t)s->count, "mre_px", s->mean_px, "sd_px", s->sd_px, "median_px",
                     s->median_px, "mre_mm", s->mean_mm, "sd_mm", s->sd_mm, "median_mm",
                     s->median_mm, "sdr_2_2.5_3_4_mm", s->sdr[0], s->sdr[1], s->sdr[2], s->sdr[3]);
}

static bool write_object(FILE *file, void *object)
{
    return json_dumpf(object, file, JSON_INDENT(1)) == 0 && fputc('\n', file) != EOF;
}

static json_t *left_out_json(const Predictions *predictions)
{
    json_t *list = json_array();

    for (int32_t i = 0; i < predictions->dataset->item_count; i++)
        if (!predictions->is_done[i])
            json_array_append_new(list, json_name(predictions->dataset->items[i].id));
    return list;
}

static json_t *warnings_json(const Dataset *dataset)
{
    json_t *list = json_array();

    for (int32_t k = 0; k < dataset->warning_count; k++)
        json_array_append_new(list, json_string(dataset->warnings[k]));
    return list;
}

/* {"split", "truth", "all", "interval_mm", "landmarks": {symbol: ...}, "devices": {name: ...},
 * "pictures", "mm_assumed_pictures", "left_out", "warning_count", "warnings"} */
static json_t *metrics_json(const Predictions *predictions, uint64_t seed, const char *truth)
{
    const Dataset *dataset = predictions->dataset;
    json_t *landmarks = json_object(), *devices = json_object(), *interval;
    ErrorSummary s = {0}, all = {0};
    bool ok = summarize_all(predictions, seed, &all);

    for (int32_t p = 0; ok && p < dataset->point_count; p++) {
        ok = summarize(predictions, (ErrorFilter){.point = p}, &s);
        if (ok && s.count > 0)
            json_object_set_new(landmarks, dataset->symbols[p], summary_json(&s));
    }
    for (int32_t i = 0; ok && i < dataset->item_count; i++) {
        if (!is_first_of_device(dataset, i))
            continue;
        ErrorFilter filter = {.point = -1, .device = dataset->items[i].device};
        ok = summarize(predictions, filter, &s);
        char *name = ok && s.count > 0 ? name_copy(filter.device) : NULL;
        ok = ok
             && (s.count == 0
                 || (name != NULL && json_object_set_new(devices, name, summary_json(&s)) == 0));
        free(name);
    }
    interval = all.count > 0 ? json_pack("[f, f]", all.low_mm, all.high_mm) : json_null();
    json_t *object = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:i, s:i, s:o, s:i, s:o}", "split", dataset->split, "truth",
        truth, "all", summary_json(&all), "interval_95_mm", interval, "landmarks", landmarks,
        "devices", devices, "pictures", dataset->item_count, "mm_assumed_pictures",
        dataset_assumed_sizes(dataset), "left_out", left_out_json(predictions), "warning_count",
        dataset->warning_count, "warnings", warnings_json(dataset));
    ok = ok && object != NULL;
    if (ok)
        return object;
    json_decref(object);
    return NULL;
}

bool write_metrics_json(const char *path, const Predictions *predictions, uint64_t seed,
                        const char *truth, Error *error)
{
    json_t *object = metrics_json(predictions, seed, truth);
    bool ok = object != NULL ? os_write_atomically(path, write_object, object, error)
                             : error_set(error, ERROR_MEMORY, "no memory for %s", path);
    json_decref(object);
    return ok;
}
