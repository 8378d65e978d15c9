/* ISBI 2015: 400 cephalograms with 19 landmarks, 0.1 mm a pixel (C.-W. Wang and others, A benchmark
 * for comparison of dental radiography analysis algorithms, Medical Image Analysis 2016).
 *
 *     ROOT/RawImage/{TrainingData,Test1Data,Test2Data}/NNN.bmp
 *     ROOT/AnnotationsByMD/{400_senior,400_junior}/NNN.txt     or 400_senior, 400_junior at ROOT
 *
 * An annotation has 19 lines "x,y"; classes follow and are not read. Splits: train; test1, also
 * called valid; test2, also called test.
 */
#include "data_reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/csv.h"
#include "runtime/system/os.h"

enum { ISBI_POINTS = 19, MAX_TEXT_BYTES = 64 << 10 };

/* The points in the order of the files, by the symbols that Aariz has for them. */
static const char *const isbi_symbols[ISBI_POINTS] = {
    "S",   "N",   "Or", "Po", "A",  "B",    "Pog", "Me",  "Gn", "Go",
    "LIT", "UIT", "Ls", "Li", "Sn", "Pog`", "PNS", "ANS", "Ar",
};

bool isbi_is_at(const char *root, bool *is_there, Error *error)
{
    char *path;
    bool ok = data_find(root, "RawImage", &path, error);
    *is_there = ok && path != NULL;
    free(path);
    return ok;
}

static const char *folder_of_split(const char *split)
{
    static const char *const known[][2] = {
        {"train", "TrainingData"}, {"test1", "Test1Data"}, {"valid", "Test1Data"},
        {"test2", "Test2Data"},    {"test", "Test2Data"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i][0], split) == 0)
            return known[i][1];
    return NULL;
}

static bool find_reader(const char *root, const char *name, char **path, Error *error)
{
    char *both;
    *path = NULL;
    bool ok = data_find(root, "AnnotationsByMD", &both, error)
              && (both == NULL || data_find(both, name, path, error))
              && (*path != NULL || data_find(root, name, path, error));
    free(both);
    return ok;
}

/* {19} points of one file; a coordinate that is no number is an error. */
static bool read_points(double points[ISBI_POINTS][2], const char *folder, const char *id,
                        Error *error)
{
    char name[64];
    if (snprintf(name, sizeof name, "%s.txt", id) >= (int)sizeof name)
        return error_set(error, ERROR_FILES, "the name %s is too long", id);
    char *path = os_join(folder, name);
    if (path == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to read the data set");
    Csv csv;
    bool ok = csv_read_file(&csv, path, MAX_TEXT_BYTES, error);
    if (ok && csv.row_count < ISBI_POINTS) {
        error_set(error, ERROR_FILES, "%s is not complete", path);
        ok = error_why(error, "%lld lines, expected %d of x,y", (long long)csv.row_count,
                       ISBI_POINTS);
    }
    for (int64_t k = 0; ok && k < ISBI_POINTS; k++) {
        if (csv_number(csv_cell(&csv, k, 0), &points[k][0])
            && csv_number(csv_cell(&csv, k, 1), &points[k][1]))
            continue;
        error_set(error, ERROR_FILES, "%s is not valid", path);
        ok = error_why(error, "line %lld: expected x,y", (long long)csv.lines[k]);
    }
    csv_free(&csv);
    free(path);
    return ok;
}

static bool add_item(Dataset *dataset, const Request *request, const char *const readers[2],
                     const PictureFile *picture, Error *error)
{
    double points[2][ISBI_POINTS][2] = {{{0}}};
    for (int r = 0; r < 2; r++) {
        if (request->annotation == (r == 0 ? ANNOTATION_junior : ANNOTATION_senior))
            continue;
        if (readers[r] == NULL) {
            error_set(error, ERROR_FILES, "%s has no annotations", dataset->root);
            return error_why(error, "expected the folder AnnotationsByMD/%s",
                             r == 0 ? "400_senior" : "400_junior");
        }
        if (!read_points(points[r], readers[r], picture->id, error))
            return dataset_forgive(dataset, request, error);
    }
    Item *item = dataset_add_item(dataset, picture->id, picture->path, error);
    if (item == NULL)
        return false;
    item->mm_is_known = true;
    bool ok = true;
    for (int k = 0; ok && k < ISBI_POINTS; k++) {
        Point *point = &item->points[dataset_find_symbol(dataset, isbi_symbols[k])];
        *point = annotation_join(request->annotation, points[0][k], points[1][k]);
        if (point->weight == 0)
            ok = dataset_warn(dataset, error, "%s: landmark %s is not valid: no point on a picture",
                              picture->path, isbi_symbols[k]);
    }
    return ok;
}

bool isbi_read(Dataset *dataset, const Request *request, Error *error)
{
    const char *folder = folder_of_split(dataset->split);
    if (folder == NULL) {
        error_set(error, ERROR_FILES, "ISBI 2015 has no split %s", dataset->split);
        return error_hint(error, "it has train, test1 (also valid) and test2 (also test)");
    }
    if (request->point_count != 0 && request->point_count != ISBI_POINTS) {
        error_set(error, ERROR_FILES, "the data set has %d landmarks, the network expects %d",
                  ISBI_POINTS, request->point_count);
        return error_hint(error, "compile the model with -D landmarks=%d", ISBI_POINTS);
    }
    bool ok = true;
    for (int k = 0; ok && k < ISBI_POINTS; k++) {
        if (request->symbols == NULL)
            ok = dataset_add_symbol(dataset, isbi_symbols[k], error);
        else if (dataset_find_symbol(dataset, isbi_symbols[k]) < 0)
            ok = error_set(error, ERROR_FILES, "%s: the checkpoint knows no landmark %s",
                           dataset->root, isbi_symbols[k]);
    }
    char *raw = NULL, *pictures_folder = NULL, *readers[2] = {NULL, NULL};
    ok = ok && data_find(dataset->root, "RawImage", &raw, error)
         && (raw == NULL || data_find(raw, folder, &pictures_folder, error))
         && find_reader(dataset->root, "400_senior", &readers[0], error)
         && find_reader(dataset->root, "400_junior", &readers[1], error);
    if (ok && pictures_folder == NULL)
        ok = error_set(error, ERROR_FILES, "%s has no folder RawImage/%s", dataset->root, folder);
    PictureList pictures = {0};
    ok = ok && pictures_list(&pictures, dataset, request, pictures_folder, error);
    for (int64_t i = 0; ok && i < pictures.count; i++)
        ok = add_item(dataset, request, (const char *const[]){readers[0], readers[1]},
                      &pictures.files[i], error);
    pictures_free(&pictures);
    free(raw);
    free(pictures_folder);
    free(readers[0]);
    free(readers[1]);
    return ok;
}
