/* eval, predict, check-data, export: everything that is not training. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "json.h"
#include "os.h"
#include "run.h"

bool open_split(const Run *run, const char *split, Dataset *dataset, Error *error)
{
    const char *root = OPTION_TEXT(&run->options, dataset_path);

    if (root[0] == '\0') {
        error_set(error, ERROR_USAGE, "--dataset_path is missing");
        return error_hint(error, "--dataset_path FOLDER: a data set in the layout of Aariz or ISBI 2015");
    }
    return dataset_open(dataset, root, split, options_annotation(&run->options),
                        run->program->landmarks, OPTION_IS(&run->options, skip_bad), error);
}

static const char *chosen_split(const Run *run, const char *otherwise)
{
    const char *split = OPTION_TEXT(&run->options, split);
    return split[0] ? split : otherwise;
}

/* Loads --checkpoint (or --resume), the best of the run where a folder is named. */
static bool load_weights(Run *run, Error *error)
{
    const RunOptions *o = &run->options;
    const char *given = OPTION_TEXT(o, checkpoint)[0] ? OPTION_TEXT(o, checkpoint)
                                                      : OPTION_TEXT(o, resume);
    Error no_best = {0};
    char *path = run_folder_find(run, given, "best.safetensors", &no_best);

    if (path == NULL)
        path = run_folder_find(run, given, "last.safetensors", error);
    bool ok = path != NULL
              && checkpoint_load(path, run->ops, run->device, run->program, &run->state, error);
    if (ok)
        fprintf(stderr, "%s: update %lld, epoch %d\n", path, (long long)run->state.update,
                run->state.epoch);
    free(path);
    return ok;
}

/* Opens the split, loads the weights and predicts: what eval and predict share. */
static bool predict_split(Run *run, const char *split, Dataset *dataset, Predictions *predictions,
                          Error *error)
{
    return open_split(run, split, dataset, error) && load_weights(run, error)
           && predictions_create(predictions, dataset, error)
           && predict_dataset(run, dataset, predictions, error);
}

static bool print_table(const Run *run, const Predictions *predictions, Error *error)
{
    printf("%s, split %s, truth: %s\n", run->program->model, predictions->dataset->split,
           OPTION_TEXT(&run->options, annotation_type));
    return print_metrics(stdout, predictions, run->state.seed)
           || error_set(error, ERROR_FILES, "no memory for the metrics");
}

bool command_eval(Run *run, Error *error)
{
    Dataset dataset = {0};
    Predictions predictions = {0};
    bool ok = predict_split(run, chosen_split(run, "valid"), &dataset, &predictions, error)
              && print_table(run, &predictions, error);

    predictions_free(&predictions);
    dataset_close(&dataset);
    return ok;
}

/* ---- predict ------------------------------------------------------------------------------------------ */

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

static bool write_csv(FILE *file, void *context)
{
    const Predictions *predictions = context;
    const Dataset *dataset = predictions->dataset;

    fprintf(file, "id,symbol,x,y,confidence,true_x,true_y,error_px,error_mm\n");
    for (int32_t i = 0; i < dataset->item_count; i++) {
        const Item *item = &dataset->items[i];
        for (int32_t k = 0; predictions->is_done[i] && k < dataset->point_count; k++) {
            const Prediction *p = &predictions->points[(int64_t)i * dataset->point_count + k];
            double error = radial_error(predictions, i, k);
            write_field(file, item->id);
            fputc(',', file);
            write_field(file, dataset->symbols[k]);
            fprintf(file, ",%.3f,%.3f,%.4f,", (double)p->x, (double)p->y, (double)p->confidence);
            if (error >= 0)
                fprintf(file, "%.3f,%.3f,%.3f,%.4f\n", (double)item->points[k].x,
                        (double)item->points[k].y, error, error * (double)item->mm_per_pixel);
            else
                fprintf(file, ",,,\n");
        }
    }
    return !ferror(file);
}

static json_t *item_json(const Predictions *predictions, int32_t i)
{
    const Dataset *dataset = predictions->dataset;
    const Item *item = &dataset->items[i];
    json_t *points = json_array();

    for (int32_t k = 0; k < dataset->point_count; k++) {
        const Prediction *p = &predictions->points[(int64_t)i * dataset->point_count + k];
        json_array_append_new(points, json_pack("{s:s, s:f, s:f, s:f}", "symbol",
                                                dataset->symbols[k], "x", (double)p->x, "y",
                                                (double)p->y, "confidence", (double)p->confidence));
    }
    return json_pack("{s:s, s:f, s:b, s:o}", "id", item->id, "mm_per_pixel",
                     (double)item->mm_per_pixel, "mm_is_known", item->mm_is_known, "points", points);
}

static bool write_json(FILE *file, void *context)
{
    const Predictions *predictions = context;
    json_t *items = json_array();

    for (int32_t i = 0; i < predictions->dataset->item_count; i++)
        if (predictions->is_done[i])
            json_array_append_new(items, item_json(predictions, i));
    json_t *object = json_pack("{s:i, s:s, s:o}", "version", 1, "split",
                               predictions->dataset->split, "items", items);
    bool ok = object != NULL && json_dumpf(object, file, JSON_INDENT(1)) == 0;
    json_decref(object);
    return ok && fputc('\n', file) != EOF;
}

static bool write_results(const Predictions *predictions, const char *folder, Error *error)
{
    static const struct {
        const char *name;
        bool (*write)(FILE *file, void *context);
    } files[] = {{"predictions.csv", write_csv}, {"predictions.json", write_json}};
    bool ok = os_make_folders(folder, error);

    for (size_t k = 0; ok && k < sizeof files / sizeof files[0]; k++) {
        char *path = os_join(folder, files[k].name);
        ok = path != NULL
             && os_write_atomically(path, files[k].write, (void *)predictions, error);
        free(path);
    }
    return ok && draw_overlays(predictions, predictions->dataset->item_count, folder, error);
}

bool command_predict(Run *run, Error *error)
{
    const OptionValue *save_dir = &run->options.values[OPTION_save_dir];
    const char *folder = save_dir->is_given ? save_dir->text : "predictions";
    Dataset dataset = {0};
    Predictions predictions = {0};
    bool ok = predict_split(run, chosen_split(run, "test"), &dataset, &predictions, error)
              && write_results(&predictions, folder, error)
              && print_table(run, &predictions, error);

    if (ok)
        printf("predictions.csv, predictions.json and %d overlays are in %s\n", dataset.item_count,
               folder);
    predictions_free(&predictions);
    dataset_close(&dataset);
    return ok;
}

/* ---- export --------------------------------------------------------------------------------------------- */

bool command_export(Run *run, Error *error)
{
    const char *output = OPTION_TEXT(&run->options, output);

    if (output[0] == '\0') {
        error_set(error, ERROR_USAGE, "--output is missing");
        return error_hint(error, "export --checkpoint runs/NAME --output weights.safetensors");
    }
    return load_weights(run, error)
           && checkpoint_export(output, run->ops, run->device, run->program,
                                OPTION_IS(&run->options, use_ema), error);
}

/* ---- check-data ------------------------------------------------------------------------------------------ */

enum { SHEET_COLUMNS = 4, SHEET_ROWS = 3, SHEET_SIDE = 256 };

/* One augmented sample with its points into a cell of the sheet. */
static bool draw_cell(const Run *run, const Dataset *dataset, const Augmentation *augmentation,
                      int32_t cell, Image *sheet, Error *error)
{
    int32_t height = run->program->image_height, width = run->program->image_width;
    int32_t left = cell % SHEET_COLUMNS * SHEET_SIDE, top = cell / SHEET_COLUMNS * SHEET_SIDE;
    int32_t longest = height > width ? height : width;
    float shrink = (float)SHEET_SIDE / (float)longest;
    Sample sample = {
        .pixels = malloc((size_t)height * (size_t)width * 3),
        .points = malloc((size_t)dataset->point_count * sizeof(Point)),
    };
    bool ok = sample.pixels != NULL && sample.points != NULL
              && sample_load(dataset, cell % dataset->item_count, augmentation,
                             (uint64_t)OPTION_WHOLE(&run->options, seed), cell, height, width,
                             &sample, error);

    for (int32_t y = 0; ok && y < (int32_t)((float)height * shrink); y++)
        for (int32_t x = 0; x < (int32_t)((float)width * shrink); x++)
            memcpy(sheet->pixels + 3 * ((int64_t)(top + y) * sheet->width + left + x),
                   sample.pixels
                       + 3 * ((int64_t)((float)y / shrink) * width + (int64_t)((float)x / shrink)),
                   3);
    for (int32_t k = 0; ok && k < dataset->point_count; k++)
        if (sample.points[k].weight > 0)
            image_draw_disc(sheet, (float)left + sample.points[k].x * shrink,
                            (float)top + sample.points[k].y * shrink, 2.0f, 0x30d050);
    free(sample.pixels);
    free(sample.points);
    return ok;
}

static bool write_sheet(const Run *run, const Dataset *dataset, const char *path, Error *error)
{
    const RunOptions *o = &run->options;
    float light = (float)OPTION_NUMBER(o, brightness);
    Augmentation augmentation = {
        .rotation_degrees = (float)OPTION_NUMBER(o, rotation),
        .scale = (float)OPTION_NUMBER(o, scale),
        .shift = (float)OPTION_NUMBER(o, shift),
        .brightness = light,
        .contrast = light,
        .gamma = light,
        .noise = (float)OPTION_NUMBER(o, noise),
        .blur = (float)OPTION_NUMBER(o, blur),
    };
    Image sheet = {.width = SHEET_COLUMNS * SHEET_SIDE, .height = SHEET_ROWS * SHEET_SIDE,
                   .channels = 3};
    bool ok = true;

    sheet.pixels = calloc((size_t)sheet.width * (size_t)sheet.height, 3);
    if (sheet.pixels == NULL)
        return error_set(error, ERROR_FILES, "no memory for a contact sheet");
    for (int32_t cell = 0; ok && cell < SHEET_COLUMNS * SHEET_ROWS; cell++)
        ok = draw_cell(run, dataset, &augmentation, cell, &sheet, error);
    ok = ok && image_write_png(&sheet, path, error);
    image_free(&sheet);
    return ok;
}

static void print_split(const Dataset *dataset)
{
    int64_t points = 0, unknown_mm = 0;

    for (int32_t i = 0; i < dataset->item_count; i++) {
        unknown_mm += !dataset->items[i].mm_is_known;
        for (int32_t k = 0; k < dataset->point_count; k++)
            points += dataset->items[i].points[k].weight > 0;
    }
    printf("%-6s %4d pictures, %lld of %lld points valid, %lld without a pixel size\n",
           dataset->split, dataset->item_count, (long long)points,
           (long long)dataset->item_count * dataset->point_count, (long long)unknown_mm);
    for (int32_t k = 0; k < dataset->warning_count; k++)
        printf("       %s\n", dataset->warnings[k]);
}

bool command_check_data(Run *run, Error *error)
{
    static const char *const names[] = {"train", "valid", "test"};
    const OptionValue *save_dir = &run->options.values[OPTION_save_dir];
    Dataset sets[3] = {0};
    const Dataset *opened[3];
    int32_t count = 0;
    bool ok = true;

    for (int k = 0; k < 3; k++) {
        Error reason = {0};
        if (open_split(run, names[k], &sets[k], &reason)) {
            print_split(&sets[k]);
            opened[count++] = &sets[k];
        } else {
            printf("%-6s %s\n", names[k], reason.what);
            if (k == 0) {
                *error = reason;
                ok = false;
            }
        }
    }
    ok = ok && dataset_report_duplicates(opened, count, error);
    if (ok && sets[0].item_count > 0) {
        const char *folder = save_dir->is_given ? save_dir->text : ".";
        char *path = os_join(folder, "contact_sheet.png");
        ok = path != NULL && os_make_folders(folder, error)
             && write_sheet(run, &sets[0], path, error);
        if (ok)
            printf("%s shows %d augmented pictures\n", path, SHEET_COLUMNS * SHEET_ROWS);
        free(path);
    }
    for (int k = 0; k < 3; k++)
        dataset_close(&sets[k]);
    return ok;
}
