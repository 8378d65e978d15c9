/* predictions.csv and predictions.json: points in pixels of the original picture and in mm. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/system/json.h"
#include "runtime/system/os.h"

/* A field of a CSV row; quoted where RFC 4180 asks for it. */
static void write_field(FILE *file, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

/* One number, or nothing where it is not known. */
static void write_number(FILE *file, bool is_known, double value)
{
    if (is_known)
        fprintf(file, ",%.3f", value);
    else
        fputc(',', file);
}

static void write_point(FILE *file, const Predictions *predictions, int32_t i, int32_t k)
{
    const Dataset *dataset = predictions->dataset;
    const Item *item = &dataset->items[i];
    const Prediction *p = &predictions->points[(int64_t)i * dataset->point_count + k];
    double mm = (double)item->mm_per_pixel, error = radial_error(predictions, i, k);
    bool has_mm = mm > 0, has_truth = error >= 0;

    char *name = name_copy(item->id);
    write_field(file, name != NULL ? name : "?");
    free(name);
    fputc(',', file);
    write_field(file, dataset->symbols[k]);
    write_number(file, true, (double)p->x);
    write_number(file, true, (double)p->y);
    write_number(file, has_mm, (double)p->x * mm);
    write_number(file, has_mm, (double)p->y * mm);
    fprintf(file, ",%.4f", (double)p->confidence);
    write_number(file, has_truth, (double)item->points[k].x);
    write_number(file, has_truth, (double)item->points[k].y);
    write_number(file, has_truth, error);
    write_number(file, has_truth && has_mm, error * mm);
    fprintf(file, ",%s\n", !has_mm ? "" : item->mm_is_known ? "0" : "1");
}

static bool write_csv(FILE *file, void *context)
{
    const Predictions *predictions = context;
    const Dataset *dataset = predictions->dataset;

    fprintf(file,
            "id,symbol,x,y,x_mm,y_mm,confidence,true_x,true_y,error_px,error_mm,mm_assumed\n");
    for (int32_t i = 0; i < dataset->item_count; i++)
        for (int32_t k = 0; predictions->is_done[i] && k < dataset->point_count; k++)
            write_point(file, predictions, i, k);
    return !ferror(file);
}

static json_t *item_json(const Predictions *predictions, int32_t i)
{
    const Dataset *dataset = predictions->dataset;
    const Item *item = &dataset->items[i];
    json_t *points = json_array();
    double mm = (double)item->mm_per_pixel;

    for (int32_t k = 0; k < dataset->point_count; k++) {
        const Prediction *p = &predictions->points[(int64_t)i * dataset->point_count + k];
        json_t *point =
            json_pack("{s:s, s:f, s:f, s:f}", "symbol", dataset->symbols[k], "x", (double)p->x, "y",
                      (double)p->y, "confidence", (double)p->confidence);
        if (mm > 0) {
            json_object_set_new(point, "x_mm", json_real((double)p->x * mm));
            json_object_set_new(point, "y_mm", json_real((double)p->y * mm));
        }
        json_array_append_new(points, point);
    }
    return json_pack("{s:o, s:o, s:b, s:o}", "id", json_name(item->id), "mm_per_pixel",
                     mm > 0 ? json_real(mm) : json_null(), "mm_is_known", item->mm_is_known,
                     "points", points);
}

static bool write_json(FILE *file, void *context)
{
    const Predictions *predictions = context;
    const Dataset *dataset = predictions->dataset;
    json_t *items = json_array(), *warnings = json_array(), *left_out = json_array();
    bool is_whole = items != NULL && warnings != NULL && left_out != NULL;

    for (int32_t k = 0; is_whole && k < dataset->warning_count; k++)
        is_whole = json_array_append_new(warnings, json_string(dataset->warnings[k])) == 0;
    for (int32_t i = 0; is_whole && i < dataset->item_count; i++)
        if (!predictions->is_done[i])
            is_whole = json_array_append_new(left_out, json_name(dataset->items[i].id)) == 0;
    for (int32_t i = 0; i < predictions->dataset->item_count; i++)
        if (is_whole && predictions->is_done[i])
            is_whole = json_array_append_new(items, item_json(predictions, i)) == 0;
    json_t *object = json_pack("{s:i, s:s, s:o, s:o, s:o}", "version", 1, "split", dataset->split,
                               "warnings", warnings, "left_out", left_out, "items", items);
    bool ok = is_whole && object != NULL && json_dumpf(object, file, JSON_INDENT(1)) == 0;
    json_decref(object);
    return ok && fputc('\n', file) != EOF;
}

bool results_write(const Predictions *predictions, const char *folder, Error *error)
{
    static const struct {
        const char *name;
        bool (*write)(FILE *file, void *context);
    } files[] = {{"predictions.csv", write_csv}, {"predictions.json", write_json}};
    bool ok = os_make_folders(folder, error);

    for (size_t k = 0; ok && k < sizeof files / sizeof files[0]; k++) {
        char *path = os_join(folder, files[k].name);
        ok = path != NULL ? os_write_atomically(path, files[k].write, (void *)predictions, error)
                          : error_set(error, ERROR_MEMORY, "no memory for a path");
        free(path);
    }
    return ok;
}
