/* eval, predict, check-data, export: everything that is not training. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "os.h"
#include "run.h"

bool open_split(const Run *run, const char *split, Dataset *dataset, Error *error)
{
    const char *root = OPTION_TEXT(&run->options, dataset_path);

    if (root[0] == '\0') {
        error_set(error, ERROR_USAGE, "--dataset_path is missing");
        return error_hint(error, "--dataset_path FOLDER: a data set laid out as Aariz or ISBI 2015");
    }
    return dataset_open(dataset, root, split, options_annotation(&run->options),
                        run->program->landmarks, OPTION_IS(&run->options, skip_bad), error);
}

static const char *chosen_split(const Run *run, const char *otherwise)
{
    const char *split = OPTION_TEXT(&run->options, split);
    return split[0] ? split : otherwise;
}

static bool load_weights(Run *run, Error *error)
{
    if (!checkpoint_load(run->checkpoint, run->ops, run->device, run->program, &run->state, error))
        return false;
    fprintf(stderr, "%s: update %lld, epoch %d\n", run->checkpoint, (long long)run->state.update,
            run->state.epoch);
    return true;
}

/* Loads the weights and predicts: what eval and predict share. An interruption is no error and
 * leaves nothing to be told: *is_done. */
static bool predict_all(Run *run, const Dataset *dataset, Predictions *predictions, bool *is_done,
                        Error *error)
{
    bool ok = load_weights(run, error) && predictions_create(predictions, dataset, error)
              && predict_dataset(run, dataset, predictions, error);

    *is_done = ok && os_interrupted() == 0;
    return ok;
}

static bool print_table(const Run *run, const Predictions *predictions, Error *error)
{
    printf("%s, split %s, truth: %s\n", run->program->model, predictions->dataset->split,
           OPTION_TEXT(&run->options, annotation_type));
    return print_metrics(stdout, predictions, run->state.seed)
           || error_set(error, ERROR_MEMORY, "no memory for the metrics");
}

bool command_eval(Run *run, Error *error)
{
    const char *output = OPTION_TEXT(&run->options, output);
    Dataset dataset = {0};
    Predictions predictions = {0};
    bool is_done = false;
    bool ok = open_split(run, chosen_split(run, "valid"), &dataset, error)
              && predict_all(run, &dataset, &predictions, &is_done, error);

    if (is_done)
        ok = print_table(run, &predictions, error)
             && (output[0] == '\0'
                 || write_metrics_json(output, &predictions, run->state.seed,
                                       OPTION_TEXT(&run->options, annotation_type), error));
    predictions_free(&predictions);
    dataset_close(&dataset);
    return ok;
}

/* ---- predict --------------------------------------------------------------------------------- */

static bool open_for_predict(const Run *run, Dataset *dataset, Error *error)
{
    const char *images = OPTION_TEXT(&run->options, images);

    if (images[0] != '\0')
        return dataset_open_pictures(dataset, images, run->symbols, run->program->landmarks,
                                     OPTION_IS(&run->options, skip_bad), error);
    return open_split(run, chosen_split(run, "test"), dataset, error);
}

bool command_predict(Run *run, Error *error)
{
    const OptionValue *save_dir = &run->options.values[OPTION_save_dir];
    const char *folder = save_dir->is_given ? save_dir->text : "predictions";
    bool has_truth = OPTION_TEXT(&run->options, images)[0] == '\0', is_done = false;
    Dataset dataset = {0};
    Predictions predictions = {0};
    bool ok = open_for_predict(run, &dataset, error)
              && predict_all(run, &dataset, &predictions, &is_done, error);

    if (is_done)
        ok = results_write(&predictions, folder, error)
             && overlays_write(&predictions, dataset.item_count, 0, folder, error)
             && (!has_truth || print_table(run, &predictions, error));
    if (is_done && ok)
        printf("predictions.csv, predictions.json and %d overlays are in %s\n",
               predictions_count(&predictions), folder);
    predictions_free(&predictions);
    dataset_close(&dataset);
    return ok;
}

/* ---- export ---------------------------------------------------------------------------------- */

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

/* ---- check-data ------------------------------------------------------------------------------ */

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
    Augmentation augmentation = options_augmentation(&run->options);
    Image sheet = {.width = SHEET_COLUMNS * SHEET_SIDE, .height = SHEET_ROWS * SHEET_SIDE,
                   .channels = 3};
    bool ok = true;

    sheet.pixels = calloc((size_t)sheet.width * (size_t)sheet.height, 3);
    if (sheet.pixels == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a contact sheet");
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
