/* check-data: what is wrong with a data set, picture by picture, and a sheet of what the network
 * will see. Findings are printed; only a data set that cannot be opened is an error. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "runtime/data/image.h"
#include "runtime/data/outliers.h"
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

/* Decodes every picture: those that cannot be read, and points outside of them. Returns how many
 * findings it has printed. */
static int32_t check_pictures(const Dataset *dataset)
{
    int32_t found = 0;

    for (int32_t i = 0; i < dataset->item_count && os_interrupted() == 0; i++) {
        const Item *item = &dataset->items[i];
        Image image = {0};
        Error error = {0};
        if (!image_read(&image, item->image_path, dataset->bits, &error)) {
            printf("       %s%s%s\n", error.what, error.why[0] ? ": " : "", error.why);
            found++;
            continue;
        }
        for (int32_t k = 0; k < dataset->point_count; k++) {
            const Point *p = &item->points[k];
            if (!(p->weight > 0)
                || (p->x >= -0.5f && p->x <= (float)image.width - 0.5f && p->y >= -0.5f
                    && p->y <= (float)image.height - 0.5f))
                continue;
            printf("       %s: %s at %.1f, %.1f lies outside of the picture of %dx%d\n", item->id,
                   dataset->symbols[k], (double)p->x, (double)p->y, image.width, image.height);
            found++;
        }
        image_free(&image);
    }
    return found;
}

/* Points that are far from where they are in the other pictures. */
static bool check_shapes(const Dataset *const *sets, int32_t count, Error *error)
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
            printf("%-6s %s: %s and %s seem to have changed places\n", set->split, id, symbol,
                   set->symbols[faults[k].other]);
        else
            printf("%-6s %s: %s lies %.0f times as far from its usual place as usual\n", set->split,
                   id, symbol, faults[k].times);
    }
    if (found > MOST)
        printf("and %d more\n", found - MOST);
    return true;
}

/* Opens the splits that there are; without train nothing can be checked. */
static bool open_sets(const Run *run, Dataset sets[3], const Dataset *opened[3], int32_t *count,
                      Error *error)
{
    static const char *const names[] = {"train", "valid", "test"};

    *count = 0;
    for (int k = 0; k < 3; k++) {
        Error reason = {0};
        if (open_split(run, names[k], &sets[k], &reason)) {
            opened[(*count)++] = &sets[k];
            continue;
        }
        if (k == 0) {
            *error = reason;
            return false;
        }
        printf("%-6s %s\n", names[k], reason.what);
    }
    return true;
}

static bool draw_sheet(const Run *run, const Dataset *dataset, Error *error)
{
    const OptionValue *save_dir = &run->options.values[OPTION_save_dir];
    const char *folder = save_dir->is_given ? save_dir->text : ".";
    char *path = os_join(folder, "contact_sheet.png");
    bool ok = path != NULL || error_set(error, ERROR_MEMORY, "no memory for a path");

    for (int32_t i = 0; ok && i < dataset->item_count; i++)
        if (os_same_file(path, dataset->items[i].image_path)) {
            ok = error_set(error, ERROR_USAGE, "the sheet would replace the picture %s", path);
            error_hint(error, "--save_dir names another folder");
        }
    ok = ok && os_make_folders(folder, error) && write_sheet(run, dataset, path, error);
    if (ok)
        printf("%s shows %d augmented pictures\n", path, SHEET_COLUMNS * SHEET_ROWS);
    free(path);
    return ok;
}

bool command_check_data(Run *run, Error *error)
{
    Dataset sets[3] = {0};
    const Dataset *opened[3];
    int32_t count, broken = 0;
    bool ok = open_sets(run, sets, opened, &count, error);

    for (int32_t k = 0; ok && k < count; k++) {
        print_split(opened[k]);
        broken += check_pictures(opened[k]);
    }
    ok = ok && os_interrupted() == 0 && check_shapes(opened, count, error)
         && dataset_report_duplicates(opened, count, error)
         && (broken > 0 || draw_sheet(run, opened[0], error));
    for (int k = 0; k < 3; k++)
        dataset_close(&sets[k]);
    return ok || (error->status == 0 && os_interrupted() != 0);
}
