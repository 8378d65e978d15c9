/* Aariz: cephalograms with 29 landmarks by two groups of orthodontists
 * (M. A. Khalid and others, Scientific Data 2025; arXiv 2302.07797).
 *
 *     ROOT/cephalogram_machine_mappings.csv            cephalogram_id, machine, pixel_size, ...
 *     ROOT/SPLIT/Cephalograms/ID.png|bmp|jpg|jpeg
 *     ROOT/SPLIT/Annotations/Cephalometric Landmarks/Senior Orthodontists/ID.json
 *                                                    Junior Orthodontists/ID.json
 *
 * The published archive and the authors' loader differ in the case of folders: both are found.
 * Points are joined by symbol, never by position. The layout serves for other points as well: their
 * symbols are then those of the first file, in its order.
 */
#include "data_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/csv.h"
#include "runtime/system/json.h"
#include "runtime/system/os.h"

enum { MAX_JSON_BYTES = 1 << 20, MAX_CSV_BYTES = 16 << 20, AARIZ_POINTS = 29 };

static const char *const aariz_symbols[AARIZ_POINTS] = {
    "A",   "ANS", "B",   "Me",  "N",  "Or", "Pog", "PNS",  "Pn",  "R",
    "S",   "Ar",  "Co",  "Gn",  "Go", "Po", "LPM", "LIT",  "LMT", "UPM",
    "UIA", "UIT", "UMT", "LIA", "Li", "Ls", "N`",  "Pog`", "Sn",
};

/* The folders of one split; NULL where not there. */
typedef struct Folders {
    char *pictures, *senior, *junior;
} Folders;

/* root/a/b/c, each part in any case; parts end with NULL. */
static char *find_below(const char *root, const char *const *parts)
{
    char *path = os_join(root, "");
    for (; path != NULL && *parts != NULL; parts++) {
        char *next = data_find(path, *parts);
        free(path);
        path = next;
    }
    return path;
}

bool aariz_is_at(const char *root, const char *split)
{
    char *path = find_below(root, (const char *const[]){split, "Cephalograms", NULL});
    bool found = path != NULL;
    free(path);
    return found;
}

/* ---- one annotation file --------------------------------------------------------------------- */

/* The points that one reader has set on one picture. */
typedef struct Reading {
    json_t *root;
    const json_t *landmarks; /* an array */
} Reading;

static void reading_free(Reading *reading)
{
    if (reading->root != NULL)
        json_decref(reading->root);
    *reading = (Reading){0};
}

static bool reading_open(Reading *reading, const char *path, Error *error)
{
    *reading = (Reading){.root = json_read_file(path, MAX_JSON_BYTES, error)};
    if (reading->root == NULL)
        return false;
    reading->landmarks = json_object_get(reading->root, "landmarks");
    if (json_is_array(reading->landmarks))
        return true;
    reading_free(reading);
    error_set(error, ERROR_FILES, "%s has no landmarks", path);
    return error_why(error, "expected an object with an array \"landmarks\"");
}

/* NULL: it has none, or one that is no text of a sensible length. */
static const char *symbol_of(const json_t *landmark)
{
    const char *symbol = json_string_value(json_object_get(landmark, "symbol"));
    if (symbol == NULL || symbol[0] == '\0' || strlen(symbol) > DATA_MAX_SYMBOL)
        return NULL;
    return symbol;
}

/* NaN where the member is no number; what Python writes as NaN is null by now. */
static double number_of(const json_t *landmark, const char *member)
{
    const json_t *number = json_object_get(json_object_get(landmark, "value"), member);
    return json_is_number(number) ? json_number_value(number) : (double)NAN;
}

/* The point with this symbol, the first where there are several (*times says how many). */
static void find_point(const Reading *reading, const char *symbol, double xy[2], int *times)
{
    xy[0] = xy[1] = (double)NAN;
    *times = 0;
    for (size_t i = 0; i < json_array_size(reading->landmarks); i++) {
        const json_t *landmark = json_array_get(reading->landmarks, i);
        const char *found = symbol_of(landmark);
        if (found == NULL || strcmp(found, symbol) != 0 || (*times)++ > 0)
            continue;
        xy[0] = number_of(landmark, "x");
        xy[1] = number_of(landmark, "y");
    }
}

/* ---- symbols --------------------------------------------------------------------------------- */

static bool is_aariz_symbol(const char *symbol)
{
    for (int i = 0; i < AARIZ_POINTS; i++)
        if (strcmp(aariz_symbols[i], symbol) == 0)
            return true;
    return false;
}

/* The 29 of Aariz, where 29 (or any number) are asked for and the first file knows no other; else
 * those of the first file. A network that expects another number cannot use the set. */
static bool choose_symbols(Dataset *dataset, const Request *request, const Reading *reading,
                           const char *path, Error *error)
{
    bool is_aariz = request->point_count == AARIZ_POINTS || request->point_count == 0;
    size_t count = json_array_size(reading->landmarks);
    for (size_t i = 0; is_aariz && i < count; i++) {
        const char *symbol = symbol_of(json_array_get(reading->landmarks, i));
        is_aariz = symbol == NULL || is_aariz_symbol(symbol);
    }
    bool ok = true;
    for (int i = 0; ok && is_aariz && i < AARIZ_POINTS; i++)
        ok = dataset_add_symbol(dataset, aariz_symbols[i], error);
    for (size_t i = 0; ok && !is_aariz && i < count; i++) {
        const char *symbol = symbol_of(json_array_get(reading->landmarks, i));
        bool is_new = symbol != NULL;
        for (int32_t k = 0; is_new && k < dataset->point_count; k++)
            is_new = strcmp(dataset->symbols[k], symbol) != 0;
        if (!is_new)
            continue;
        if (dataset->point_count == DATA_MAX_POINTS) {
            error_set(error, ERROR_FILES, "%s has too many landmarks", path);
            return error_why(error, "at most %d", DATA_MAX_POINTS);
        }
        ok = dataset_add_symbol(dataset, symbol, error);
    }
    if (!ok)
        return false;
    if (dataset->point_count == 0)
        return error_set(error, ERROR_FILES, "%s has no landmark with a symbol", path);
    if (request->point_count != 0 && dataset->point_count != request->point_count) {
        error_set(error, ERROR_FILES, "the data set has %d landmarks, the network expects %d",
                  dataset->point_count, request->point_count);
        error_why(error, "as counted in %s", path);
        return error_hint(error, "compile the model with -D landmarks=%d", dataset->point_count);
    }
    return true;
}

/* ---- one item -------------------------------------------------------------------------------- */

/* folder/ID.json, with an error that says which reader's file is not there. */
static char *annotation_path(const char *folder, const char *id, const char *reader, Error *error)
{
    char name[512];
    if (folder == NULL) {
        error_set(error, ERROR_FILES, "no folder with the annotations of the %s orthodontists",
                  reader);
        return NULL;
    }
    if (snprintf(name, sizeof name, "%s.json", id) >= (int)sizeof name) {
        error_set(error, ERROR_FILES, "the name %s is too long", id);
        return NULL;
    }
    char *path = os_join(folder, name);
    if (path == NULL)
        error_set(error, ERROR_MEMORY, "no memory to read the data set");
    return path;
}

/* Reads both readers' files as far as the truth needs them. */
static bool open_readings(const Folders *folders, const Request *request, const char *id,
                          Reading readings[2], char *paths[2], Error *error)
{
    static const char *const names[2] = {"senior", "junior"};
    const char *const parts[2] = {folders->senior, folders->junior};
    for (int r = 0; r < 2; r++) {
        if (request->annotation == (r == 0 ? ANNOTATION_junior : ANNOTATION_senior))
            continue;
        paths[r] = annotation_path(parts[r], id, names[r], error);
        if (paths[r] == NULL || !reading_open(&readings[r], paths[r], error))
            return false;
    }
    return true;
}

/* Says of each point that is not there, or there twice, in which file. */
static bool fill_points(Dataset *dataset, Item *item, const Request *request,
                        const Reading readings[2], char *const paths[2], Error *error)
{
    bool ok = true;
    for (int32_t k = 0; ok && k < dataset->point_count; k++) {
        const char *symbol = dataset->symbols[k];
        double xy[2][2] = {{0}};
        for (int r = 0; ok && r < 2; r++) {
            int times;
            if (readings[r].root == NULL)
                continue;
            find_point(&readings[r], symbol, xy[r], &times);
            if (times == 0)
                ok = dataset_warn(dataset, error, "%s: no landmark %s", paths[r], symbol);
            else if (times > 1)
                ok = dataset_warn(dataset, error,
                                  "%s: landmark %s occurs %d times, the first counts", paths[r],
                                  symbol, times);
            if (ok && times > 0 && !(xy[r][0] >= 0 && xy[r][1] >= 0))
                ok = dataset_warn(dataset, error,
                                  "%s: landmark %s is not valid: no point on a picture", paths[r],
                                  symbol);
        }
        item->points[k] = annotation_join(request->annotation, xy[0], xy[1]);
    }
    return ok;
}

static bool add_item(Dataset *dataset, const Folders *folders, const Request *request,
                     const PictureFile *picture, Error *error)
{
    Reading readings[2] = {{0}};
    char *paths[2] = {NULL, NULL};
    bool ok = open_readings(folders, request, picture->id, readings, paths, error);
    int first = readings[0].root != NULL ? 0 : 1;
    if (!ok) {
        ok = dataset_forgive(dataset, request, error);
    } else {
        if (dataset->point_count == 0)
            ok = choose_symbols(dataset, request, &readings[first], paths[first], error);
        Item *item = ok ? dataset_add_item(dataset, picture->id, picture->path, error) : NULL;
        ok = item != NULL && fill_points(dataset, item, request, readings, paths, error);
    }
    for (int r = 0; r < 2; r++) {
        reading_free(&readings[r]);
        free(paths[r]);
    }
    return ok;
}

/* Annotations of which the picture is not there. */
static bool find_lost_annotations(Dataset *dataset, const Request *request,
                                  const PictureList *pictures, const char *folder, Error *error)
{
    char **names;
    int64_t count;
    if (folder == NULL)
        return true;
    if (!os_list_folder(folder, &names, &count, error))
        return false;
    bool ok = true;
    for (int64_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (ok && names[i][0] != '.' && length > 5 && strcmp(names[i] + length - 5, ".json") == 0) {
            names[i][length - 5] = '\0';
            if (pictures_find(pictures, names[i]) == NULL) {
                error_set(error, ERROR_FILES, "%s/%s.json has no picture", folder, names[i]);
                error_why(error, "expected %s.png, .bmp, .jpg or .jpeg", names[i]);
                ok = dataset_forgive(dataset, request, error);
            }
        }
        free(names[i]);
    }
    free(names);
    return ok;
}

/* ---- sizes of pixels ------------------------------------------------------------------------- */

static int compare_item_ids(const void *id, const void *item)
{
    return strcmp(id, ((const Item *)item)->id);
}

/* Sets device and size of one row's item; rows of other splits have none. */
static bool use_row(Dataset *dataset, const Csv *csv, int64_t row, const int64_t columns[3],
                    const char *path, Error *error)
{
    const char *id = csv_cell(csv, row, columns[0]);
    Item *item =
        bsearch(id, dataset->items, (size_t)dataset->item_count, sizeof *item, compare_item_ids);
    if (item == NULL)
        return true;
    if (item->mm_is_known)
        return dataset_warn(dataset, error, "%s:%lld: a second row for %s, the first counts", path,
                            (long long)csv->lines[row], item->id);
    double mm;
    const char *text = csv_cell(csv, row, columns[1]);
    if (!csv_number(text, &mm) || !(mm >= 0.001 && mm <= 10))
        return dataset_warn(dataset, error, "%s:%lld: the pixel size \"%s\" of %s is not in mm",
                            path, (long long)csv->lines[row], text, item->id);
    char *device = data_copy_text(csv_cell(csv, row, columns[2]), error);
    if (device == NULL)
        return false;
    free(item->device);
    item->device = device;
    item->mm_per_pixel = (float)mm;
    item->mm_is_known = true;
    return true;
}

/* Requires: items sorted by id. */
static bool read_pixel_sizes(Dataset *dataset, Error *error)
{
    char *path = data_find(dataset->root, "cephalogram_machine_mappings.csv");
    if (path == NULL)
        return dataset_warn(
            dataset, error,
            "%s/cephalogram_machine_mappings.csv is not there: 0.1 mm a pixel assumed",
            dataset->root);
    Csv csv;
    bool ok = csv_read_file(&csv, path, MAX_CSV_BYTES, error);
    if (ok) {
        int64_t columns[3] = {csv_find_column(&csv, "cephalogram_id"),
                              csv_find_column(&csv, "pixel_size"),
                              csv_find_column(&csv, "machine")};
        if (columns[0] < 0 || columns[1] < 0) {
            error_set(error, ERROR_FILES, "%s lacks a column", path);
            ok = error_why(error, "expected cephalogram_id and pixel_size in line 1");
        }
        for (int64_t row = 1; ok && row < csv.row_count; row++)
            ok = use_row(dataset, &csv, row, columns, path, error);
        for (int32_t i = 0; ok && i < dataset->item_count; i++)
            if (!dataset->items[i].mm_is_known)
                ok = dataset_warn(dataset, error, "%s: no pixel size for %s: 0.1 mm assumed", path,
                                  dataset->items[i].id);
        csv_free(&csv);
    }
    free(path);
    return ok;
}

bool aariz_read(Dataset *dataset, const Request *request, Error *error)
{
    const char *root = dataset->root, *split = dataset->split;
    const char *const landmarks = "Cephalometric Landmarks";
    Folders folders = {
        .pictures = find_below(root, (const char *const[]){split, "Cephalograms", NULL}),
        .senior = find_below(root, (const char *const[]){split, "Annotations", landmarks,
                                                         "Senior Orthodontists", NULL}),
        .junior = find_below(root, (const char *const[]){split, "Annotations", landmarks,
                                                         "Junior Orthodontists", NULL}),
    };
    bool ok = folders.pictures != NULL
              || error_set(error, ERROR_FILES, "%s has no split %s", root, split);
    PictureList pictures = {0};
    ok = ok && pictures_list(&pictures, dataset, request, folders.pictures, error);
    for (int64_t i = 0; ok && i < pictures.count; i++)
        ok = add_item(dataset, &folders, request, &pictures.files[i], error);
    if (request->annotation != ANNOTATION_junior)
        ok = ok && find_lost_annotations(dataset, request, &pictures, folders.senior, error);
    if (request->annotation != ANNOTATION_senior)
        ok = ok && find_lost_annotations(dataset, request, &pictures, folders.junior, error);
    ok = ok && read_pixel_sizes(dataset, error);
    pictures_free(&pictures);
    free(folders.pictures);
    free(folders.senior);
    free(folders.junior);
    return ok;
}
