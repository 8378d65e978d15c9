/* check-data: what is wrong with a data set, picture by picture, and a sheet of what the network
 * will see. Findings are printed, as text or as JSON, and make the status 1; only a data set that
 * cannot be opened is an error. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/data/image.h"
#include "runtime/data/outliers.h"
#include "runtime/system/json.h"
#include "runtime/system/os.h"

/* ---- the sheet ------------------------------------------------------------------------------- */

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
    Image sheet = {.width = SHEET_COLUMNS * SHEET_SIDE,
                   .height = SHEET_ROWS * SHEET_SIDE,
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

/* ---- findings -------------------------------------------------------------------------------- */

/* {"splits": [{"split", "pictures", ..., "findings": [text]}], "findings": [text of no split]} */
typedef struct Findings {
    json_t *splits, *list;
    json_t *open; /* the list that findings go to now */
    int32_t count;
    bool is_json, has_memory;
} Findings;

/* The text is printable already. */
static void add_finding(Findings *findings, const char *text)
{
    findings->count++;
    if (!findings->is_json)
        printf("       %s\n", text);
    findings->has_memory =
        json_array_append_new(findings->open, json_string(text)) == 0 && findings->has_memory;
}

static void find(Findings *findings, const char *fmt, ...)
{
    char text[1024], line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    name_write(line, sizeof line, text);
    add_finding(findings, line);
}

static void begin_split(Findings *findings, const Dataset *dataset)
{
    int64_t points = dataset_valid_points(dataset);
    int64_t all = (int64_t)dataset->item_count * dataset->point_count;
    int32_t assumed = dataset_assumed_sizes(dataset);

    findings->open = json_array();
    json_t *split = json_pack("{s:s, s:i, s:I, s:I, s:i, s:i, s:O}", "split", dataset->split,
                              "pictures", dataset->item_count, "points", (json_int_t)all,
                              "valid_points", (json_int_t)points, "mm_assumed_pictures", assumed,
                              "bits", dataset->bits, "findings", findings->open);
    json_decref(findings->open); /* the split keeps it */
    findings->has_memory = findings->has_memory && findings->open != NULL && split != NULL
                           && json_array_append_new(findings->splits, split) == 0;
    if (!findings->has_memory)
        findings->open = findings->list;
    if (!findings->is_json)
        printf("%-6s %4d pictures, %lld of %lld points valid, %d without a pixel size\n",
               dataset->split, dataset->item_count, (long long)points, (long long)all, assumed);
}

/* Decodes every picture: those that cannot be read. Returns how many. */
static int32_t check_pictures(Findings *findings, const Dataset *dataset)
{
    int32_t broken = 0;

    for (int32_t k = 0; k < dataset->warning_count; k++)
        add_finding(findings, dataset->warnings[k]);
    for (int32_t i = 0; i < dataset->item_count && os_interrupted() == 0; i++) {
        Image image = {0};
        Error error = {0};
        if (!image_read(&image, dataset->items[i].image_path, dataset->bits, &error)) {
            char line[sizeof error.what + sizeof error.why + 3];
            snprintf(line, sizeof line, "%s%s%s", error.what, error.why[0] ? ": " : "", error.why);
            add_finding(findings, line);
            broken++;
        }
        image_free(&image);
    }
    if (dataset_valid_points(dataset) == 0)
        find(findings, "the split %s has no valid point", dataset->split);
    return broken;
}

/* Points that are far from where they are in the other pictures. */
static bool check_shapes(Findings *findings, const Dataset *const *sets, int32_t count,
                         Error *error)
{
    enum { MOST = 100 };
    ShapeFault faults[MOST];
    int32_t found = shapes_check(sets, count, faults, MOST);

    if (found < 0)
        return error_set(error, ERROR_MEMORY, "no memory to compare the points");
    for (int32_t k = 0; k < found && k < MOST; k++) {
        const Dataset *set = sets[faults[k].set];
        const char *id = set->items[faults[k].item].id, *symbol = set->symbols[faults[k].point];
        if (faults[k].other >= 0)
            find(findings, "%s/%s: %s and %s seem to have changed places", set->split, id, symbol,
                 set->symbols[faults[k].other]);
        else
            find(findings, "%s/%s: %s lies %.0f times as far from its usual place as usual",
                 set->split, id, symbol, faults[k].times);
    }
    if (found > MOST)
        find(findings, "and %d more points that are out of place", found - MOST);
    return true;
}

static bool tell_duplicate(void *context, const char *line)
{
    find(context, "%s", line);
    return true;
}

/* Opens the splits that there are; without train nothing can be checked. What is wrong with another
 * one is a finding, but that it is not there. */
static bool open_sets(Run *run, Findings *findings, Dataset sets[3], const Dataset *opened[3],
                      int32_t *count, Error *error)
{
    static const char *const names[] = {"train", "valid", "test"};

    *count = 0;
    for (int k = 0; k < 3; k++) {
        Error reason = {0};
        if (k == 0 ? open_train_split(run, &sets[k], &reason)
                   : open_split(run, names[k], &sets[k], &reason)) {
            opened[(*count)++] = &sets[k];
            continue;
        }
        if (k == 0 || reason.status != ERROR_FILES) {
            *error = reason;
            return false;
        }
        if (strncmp(reason.what, "no data set at", 14) == 0) {
            if (!findings->is_json)
                printf("%-6s is not there\n", names[k]);
            continue;
        }
        char line[sizeof reason.what + sizeof reason.why + 32];
        snprintf(line, sizeof line, "%s: %s%s%s", names[k], reason.what, reason.why[0] ? ": " : "",
                 reason.why);
        add_finding(findings, line);
    }
    return true;
}

static bool draw_sheet(const Run *run, bool is_json, const Dataset *dataset, Error *error)
{
    const OptionValue *save_dir = &run->options.values[OPTION_save_dir];
    const char *folder = save_dir->is_given ? save_dir->text : ".";
    char *path = os_join(folder, "contact_sheet.png");
    bool ok = path != NULL || error_set(error, ERROR_MEMORY, "no memory for a path");

    ok = ok && os_make_folders(folder, error) && write_sheet(run, dataset, path, error);
    if (ok && !is_json)
        printf("%s shows %d augmented pictures\n", path, SHEET_COLUMNS * SHEET_ROWS);
    free(path);
    return ok;
}

static bool print_findings(const Findings *findings, Error *error)
{
    if (!findings->is_json) {
        printf("%d findings\n", findings->count);
        return true;
    }
    json_t *object = json_pack("{s:i, s:O, s:O}", "count", findings->count, "splits",
                               findings->splits, "findings", findings->list);
    bool ok = object != NULL && findings->has_memory
              && json_dumpf(object, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF;
    json_decref(object);
    return ok || error_set(error, ERROR_FILES, "cannot write the findings");
}

bool command_check_data(Run *run, int *status, Error *error)
{
    Dataset sets[3] = {0};
    const Dataset *opened[3];
    int32_t count, broken = 0;
    Findings findings = {.splits = json_array(),
                         .list = json_array(),
                         .is_json = OPTION_IS(&run->options, json),
                         .has_memory = true};
    findings.open = findings.list;
    bool ok = (findings.splits != NULL && findings.list != NULL)
              || error_set(error, ERROR_MEMORY, "no memory for what is found");

    ok = ok && open_sets(run, &findings, sets, opened, &count, error);
    for (int32_t k = 0; ok && k < count; k++) {
        begin_split(&findings, opened[k]);
        broken += check_pictures(&findings, opened[k]);
    }
    findings.open = findings.list;
    ok = ok && os_interrupted() == 0 && check_shapes(&findings, opened, count, error)
         && dataset_find_duplicates(opened, count, tell_duplicate, &findings, error)
         && (broken > 0 || opened[0]->item_count == 0
             || draw_sheet(run, findings.is_json, opened[0], error))
         && print_findings(&findings, error);
    if (ok && findings.count > 0)
        *status = 1;
    for (int k = 0; k < 3; k++)
        dataset_close(&sets[k]);
    json_decref(findings.splits);
    json_decref(findings.list);
    return ok || (error->status == 0 && os_interrupted() != 0);
}
