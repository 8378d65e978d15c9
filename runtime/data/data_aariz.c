/* Aariz: cephalograms with 29 landmarks by two groups of orthodontists
 * (M. A. Khalid and others, Scientific Data 2025; arXiv 2302.07797).
 *
 *     ROOT/cephalogram_machine_mappings.csv            cephalogram_id, machine, pixel_size, ...
 *     ROOT/SPLIT/Cephalograms/ID.png|bmp|jpg|jpeg
 *     ROOT/SPLIT/Annotations/Cephalometric Landmarks/Senior Orthodontists/ID.json
 *                                                    Junior Orthodontists/ID.json
 *
 * The published archive and the authors' loader differ in the case of folders: both are found.
 * Points are joined by symbol, never by position. The layout serves for other points as well: where
 * no checkpoint names them, their symbols are those of most files, in the order of the fullest one.
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

/* root/a/b/c, each part in any case; parts end with NULL. *path NULL: not there. */
static bool find_below(const char *root, const char *const *parts, char **path, Error *error)
{
    bool ok = true;
    *path = data_copy_text(root, error);
    for (; ok && *path != NULL && *parts != NULL; parts++) {
        char *folder = *path;
        ok = data_find(folder, *parts, path, error);
        free(folder);
    }
    return ok && error->status == 0;
}

bool aariz_is_at(const char *root, const char *split, bool *is_there, Error *error)
{
    char *path;
    bool ok = find_below(root, (const char *const[]){split, "Cephalograms", NULL}, &path, error);
    *is_there = ok && path != NULL;
    free(path);
    return ok;
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

/* ---- symbols --------------------------------------------------------------------------------- */

enum { MOST_NAMES = 1024 };

/* The names that the files have, in order of appearance. */
typedef struct Tally {
    char names[MOST_NAMES][DATA_MAX_SYMBOL + 1];
    int32_t files[MOST_NAMES]; /* that have it */
    int32_t last[MOST_NAMES];  /* the last one of them, from 1 */
    int32_t count, file_count;
    int32_t fullest[DATA_MAX_POINTS], fullest_count; /* what the fullest file has, in its order */
} Tally;

static bool is_aariz_symbol(const char *symbol)
{
    for (int i = 0; i < AARIZ_POINTS; i++)
        if (strcmp(aariz_symbols[i], symbol) == 0)
            return true;
    return false;
}

static int32_t find_name(Tally *tally, const char *symbol)
{
    int32_t k = 0;
    while (k < tally->count && strcmp(tally->names[k], symbol) != 0)
        k++;
    if (k == tally->count && k < MOST_NAMES) {
        snprintf(tally->names[k], sizeof tally->names[k], "%s", symbol);
        tally->count++;
    }
    return k < MOST_NAMES ? k : -1;
}

static void count_reading(Tally *tally, const Reading *reading)
{
    int32_t list[DATA_MAX_POINTS], count = 0;
    tally->file_count++;
    for (size_t i = 0; i < json_array_size(reading->landmarks); i++) {
        const char *symbol = symbol_of(json_array_get(reading->landmarks, i));
        int32_t k = symbol == NULL ? -1 : find_name(tally, symbol);
        if (k < 0 || tally->last[k] == tally->file_count)
            continue;
        tally->last[k] = tally->file_count;
        tally->files[k]++;
        if (count < DATA_MAX_POINTS)
            list[count++] = k;
    }
    if (count > tally->fullest_count) {
        tally->fullest_count = count;
        memcpy(tally->fullest, list, (size_t)count * sizeof *list);
    }
}

static bool is_common(const Tally *tally, int32_t name)
{
    return 2 * tally->files[name] > tally->file_count;
}

/* The 29 of Aariz, where 29 (or any number) are asked for, some are there and no other is common.
 */
static bool is_aariz(const Tally *tally, int32_t point_count)
{
    bool has_one = false;
    if (point_count != AARIZ_POINTS && point_count != 0)
        return false;
    for (int32_t k = 0; k < tally->count; k++) {
        bool is_one = is_aariz_symbol(tally->names[k]);
        if (!is_one && (point_count == 0 || is_common(tally, k)))
            return false;
        has_one = has_one || is_one;
    }
    return has_one;
}

/* Those of the fullest file, then the others; with common_only those of more than half of the
 * files. */
static bool add_names(Dataset *dataset, const Tally *tally, bool common_only, Error *error)
{
    bool ok = true;
    for (int32_t i = 0; ok && i < tally->fullest_count + tally->count; i++) {
        int32_t k = i < tally->fullest_count ? tally->fullest[i] : i - tally->fullest_count;
        if ((common_only && !is_common(tally, k))
            || dataset_find_symbol(dataset, tally->names[k]) >= 0)
            continue;
        if (dataset->point_count == DATA_MAX_POINTS)
            return error_set(error, ERROR_FILES, "%s has more than %d landmarks", dataset->root,
                             DATA_MAX_POINTS);
        ok = dataset_add_symbol(dataset, tally->names[k], error);
    }
    return ok;
}

/* Says which names are not in all files: one of them is why the number is another. */
static bool refuse_number(const Tally *tally, const Dataset *dataset, int32_t expected,
                          Error *error)
{
    char text[200] = "";
    for (int32_t k = 0; k < tally->count; k++)
        if (tally->files[k] < tally->file_count
            && strlen(text) + DATA_MAX_SYMBOL + 32 < sizeof text)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s in %d",
                     text[0] == '\0' ? "" : ", ", tally->names[k], tally->files[k]);
    error_set(error, ERROR_FILES, "the data set has %d landmarks, the network expects %d",
              tally->count, expected);
    if (text[0] != '\0')
        error_why(error, "of the %d files of the split %s there is %s", tally->file_count,
                  dataset->split, text);
    return error_hint(error, "compile the model with -D landmarks=%d", tally->count);
}

static bool choose_symbols(Dataset *dataset, const Tally *tally, const Request *request,
                           Error *error)
{
    bool ok = true;
    if (is_aariz(tally, request->point_count)) {
        for (int i = 0; ok && i < AARIZ_POINTS; i++)
            ok = dataset_add_symbol(dataset, aariz_symbols[i], error);
        return ok;
    }
    if (tally->count == 0)
        return tally->file_count == 0
               || error_set(error, ERROR_FILES,
                            "no file of the split %s of %s has a landmark with "
                            "a symbol",
                            dataset->split, dataset->root);
    int32_t common = 0, expected = request->point_count;
    for (int32_t k = 0; k < tally->count; k++)
        common += is_common(tally, k);
    bool common_only = expected != 0 && tally->count != expected && common == expected;
    if (expected != 0 && tally->count != expected && !common_only)
        return refuse_number(tally, dataset, expected, error);
    return add_names(dataset, tally, common_only, error);
}

/* Names that the network does not know: in a data set that belongs to a checkpoint they are an
 * error, else they are told of. */
static bool check_names(Dataset *dataset, const Request *request, const Reading *reading,
                        const char *path, Error *error)
{
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(reading->landmarks); i++) {
        const char *symbol = symbol_of(json_array_get(reading->landmarks, i));
        if (symbol == NULL) {
            ok = dataset_warn(dataset, error, "%s: landmark %d has no symbol: it does not count",
                              path, (int)i + 1);
        } else if (dataset_find_symbol(dataset, symbol) < 0) {
            ok = request->symbols == NULL
                     ? dataset_warn(dataset, error,
                                    "%s: landmark %s is none of the network's: it does not count",
                                    path, symbol)
                     : error_set(error, ERROR_FILES, "%s: the checkpoint knows no landmark %s",
                                 path, symbol);
        }
    }
    return ok;
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
    for (int r = 0; ok && r < 2; r++)
        ok = readings[r].root == NULL
             || check_names(dataset, request, &readings[r], paths[r], error);
    if (!ok) {
        ok = dataset_forgive(dataset, request, error);
    } else {
        Item *item = dataset_add_item(dataset, picture->id, picture->path, error);
        ok = item != NULL && fill_points(dataset, item, request, readings, paths, error);
    }
    for (int r = 0; r < 2; r++) {
        reading_free(&readings[r]);
        free(paths[r]);
    }
    return ok;
}

/* The names of all files that can be read; the others are told of when they are added. */
static bool take_names(Dataset *dataset, const Folders *folders, const Request *request,
                       const PictureList *pictures, Error *error)
{
    Tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to read the data set");
    for (int64_t i = 0; i < pictures->count; i++) {
        Reading readings[2] = {{0}};
        char *paths[2] = {NULL, NULL};
        Error ignored = {0};
        open_readings(folders, request, pictures->files[i].id, readings, paths, &ignored);
        for (int r = 0; r < 2; r++) {
            if (readings[r].root != NULL)
                count_reading(tally, &readings[r]);
            reading_free(&readings[r]);
            free(paths[r]);
        }
    }
    bool ok = choose_symbols(dataset, tally, request, error);
    free(tally);
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

/* A number with a point or, as some tables have it, with a decimal comma. */
static bool read_size(const char *text, double *mm, bool *has_comma)
{
    char copy[32];
    const char *comma = strchr(text, ',');
    if (comma == NULL || strlen(text) >= sizeof copy)
        return csv_number(text, mm);
    *has_comma = true;
    snprintf(copy, sizeof copy, "%s", text);
    copy[comma - text] = '.';
    return csv_number(copy, mm);
}

/* What a size seems to be in, NULL: mm. No scanner is finer than 0.02 mm, no film half a metre. */
static const char *other_unit(const Item *item, double mm)
{
    double longest = item->width > item->height ? item->width : item->height;
    if (mm < 0.02)
        return "cm";
    return mm > 2 && longest * mm > 500 ? "pixels a mm" : NULL;
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
    bool has_comma = false;
    if (!read_size(text, &mm, &has_comma) || !(mm >= 0.001 && mm <= 10))
        return dataset_warn(dataset, error, "%s:%lld: the pixel size \"%s\" of %s is not in mm",
                            path, (long long)csv->lines[row], text, item->id);
    const char *unit = other_unit(item, mm);
    if (unit != NULL)
        return dataset_warn(dataset, error,
                            "%s:%lld: the pixel size \"%s\" of %s looks like %s, not mm a pixel: "
                            "it is not used",
                            path, (long long)csv->lines[row], text, item->id, unit);
    if (has_comma
        && !dataset_warn(dataset, error, "%s:%lld: the pixel size \"%s\" of %s is read as %g mm",
                         path, (long long)csv->lines[row], text, item->id, mm))
        return false;
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
    char *path;
    if (!data_find(dataset->root, "cephalogram_machine_mappings.csv", &path, error))
        return false;
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
    Folders folders = {0};
    bool ok = find_below(root, (const char *const[]){split, "Cephalograms", NULL},
                         &folders.pictures, error)
              && find_below(root,
                            (const char *const[]){split, "Annotations", landmarks,
                                                  "Senior Orthodontists", NULL},
                            &folders.senior, error)
              && find_below(root,
                            (const char *const[]){split, "Annotations", landmarks,
                                                  "Junior Orthodontists", NULL},
                            &folders.junior, error);
    if (ok && folders.pictures == NULL)
        ok = error_set(error, ERROR_FILES, "%s has no split %s", root, split);
    PictureList pictures = {0};
    ok = ok && pictures_list(&pictures, dataset, request, folders.pictures, error)
         && (request->symbols != NULL || take_names(dataset, &folders, request, &pictures, error));
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
