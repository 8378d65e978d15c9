/* Data sets: which layout lies at a folder, and what the layouts share. */
#include "data_reader.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/os.h"

/* ---- building -------------------------------------------------------------------------------- */

char *data_copy_text(const char *text, Error *error)
{
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL)
        error_set(error, ERROR_MEMORY, "no memory to read the data set");
    else
        memcpy(copy, text, bytes);
    return copy;
}

/* Makes room for one more element; arrays double at powers of two, so that the count is enough to
 * know the capacity. */
static bool grow(void **array, int64_t count, size_t element, Error *error)
{
    if (count >= 16 ? (count & (count - 1)) != 0 : count != 0)
        return true;
    size_t capacity = count < 16 ? 16 : 2 * (size_t)count;
    void *grown = realloc(*array, capacity * element);
    if (grown == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to read the data set");
    *array = grown;
    return true;
}

bool dataset_warn(Dataset *dataset, Error *error, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    error_make_printable(line);
    void *warnings = dataset->warnings;
    if (!grow(&warnings, dataset->warning_count, sizeof *dataset->warnings, error))
        return false;
    dataset->warnings = warnings;
    char *copy = data_copy_text(line, error);
    if (copy == NULL)
        return false;
    dataset->warnings[dataset->warning_count++] = copy;
    return true;
}

bool dataset_forgive(Dataset *dataset, const Request *request, Error *error)
{
    if (!request->skip_bad || error->status != ERROR_FILES)
        return false;
    Error forgiven = *error;
    *error = (Error){0};
    return dataset_warn(dataset, error, "%s%s%s: left out", forgiven.what,
                        forgiven.why[0] == '\0' ? "" : ": ", forgiven.why);
}

Item *dataset_add_item(Dataset *dataset, const char *id, const char *image_path, Error *error)
{
    void *items = dataset->items;
    if (!grow(&items, dataset->item_count, sizeof *dataset->items, error))
        return NULL;
    dataset->items = items;
    Item *item = &dataset->items[dataset->item_count];
    *item = (Item){.mm_per_pixel = DATA_ASSUMED_MM};
    dataset->item_count++;
    item->id = data_copy_text(id, error);
    item->image_path = data_copy_text(image_path, error);
    item->device = data_copy_text("", error);
    item->points = calloc((size_t)dataset->point_count, sizeof *item->points);
    if (item->points == NULL)
        error_set(error, ERROR_MEMORY, "no memory to read the data set");
    return error->status == 0 ? item : NULL;
}

bool dataset_add_symbol(Dataset *dataset, const char *symbol, Error *error)
{
    void *symbols = dataset->symbols;
    if (!grow(&symbols, dataset->point_count, sizeof *dataset->symbols, error))
        return false;
    dataset->symbols = symbols;
    char *copy = data_copy_text(symbol, error);
    if (copy == NULL)
        return false;
    dataset->symbols[dataset->point_count++] = copy;
    return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool equal_but_for_case(const char *a, const char *b)
{
    while (*a != '\0' && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

static void free_names(char **names, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

char *data_find(const char *folder, const char *name)
{
    char *path = os_join(folder, name);
    if (path == NULL || os_exists(path))
        return path;
    free(path);
    path = NULL;
    char **names;
    int64_t count;
    Error ignored = {0};
    if (!os_list_folder(folder, &names, &count, &ignored))
        return NULL;
    for (int64_t i = 0; i < count && path == NULL; i++)
        if (equal_but_for_case(names[i], name))
            path = os_join(folder, names[i]);
    free_names(names, count);
    return path;
}

/* Where the extension of a picture begins; NULL: no picture. Names that begin with a dot are what
 * file managers leave behind. */
static const char *picture_extension(const char *name)
{
    static const char *const known[] = {".png", ".bmp", ".jpg", ".jpeg"};
    const char *dot = strrchr(name, '.');
    if (dot == NULL || name[0] == '.')
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (equal_but_for_case(dot, known[i]))
            return dot;
    return NULL;
}

/* By id, then by path, so that of two pictures with one id the same one stays everywhere. */
static int compare_pictures(const void *a, const void *b)
{
    const PictureFile *left = a, *right = b;
    int order = strcmp(left->id, right->id);
    return order != 0 ? order : strcmp(left->path, right->path);
}

static bool add_picture(PictureList *list, const char *folder, const char *name, Error *error)
{
    const char *extension = picture_extension(name);
    if (extension == NULL)
        return true;
    void *files = list->files;
    if (!grow(&files, list->count, sizeof *list->files, error))
        return false;
    list->files = files;
    PictureFile *file = &list->files[list->count];
    *file = (PictureFile){.id = data_copy_text(name, error), .path = os_join(folder, name)};
    list->count++;
    if (file->path == NULL || file->id == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to read the data set");
    file->id[extension - name] = '\0';
    return true;
}

/* Requires: sorted. Keeps the first picture of each id. */
static bool drop_second_pictures(PictureList *list, Dataset *dataset, const Request *request,
                                 Error *error)
{
    int64_t kept = 0;
    bool ok = true;
    for (int64_t i = 0; i < list->count; i++) {
        PictureFile *file = &list->files[i];
        if (kept == 0 || strcmp(list->files[kept - 1].id, file->id) != 0) {
            list->files[kept++] = *file;
            continue;
        }
        if (ok) {
            error_set(error, ERROR_FILES, "%s has the same id as %s", file->path,
                      list->files[kept - 1].path);
            error_hint(error, "keep one of the two pictures");
            ok = dataset_forgive(dataset, request, error);
        }
        free(file->id);
        free(file->path);
    }
    list->count = kept;
    return ok;
}

bool pictures_list(PictureList *list, Dataset *dataset, const Request *request, const char *folder,
                   Error *error)
{
    *list = (PictureList){0};
    char **names;
    int64_t count;
    if (!os_list_folder(folder, &names, &count, error))
        return false;
    bool ok = true;
    for (int64_t i = 0; ok && i < count; i++)
        ok = add_picture(list, folder, names[i], error);
    free_names(names, count);
    if (ok && list->count > 1)
        qsort(list->files, (size_t)list->count, sizeof *list->files, compare_pictures);
    ok = ok && drop_second_pictures(list, dataset, request, error);
    if (!ok)
        pictures_free(list);
    return ok;
}

void pictures_free(PictureList *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        free(list->files[i].id);
        free(list->files[i].path);
    }
    free(list->files);
    *list = (PictureList){0};
}

const PictureFile *pictures_find(const PictureList *list, const char *id)
{
    int64_t low = 0, high = list->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(list->files[middle].id, id);
        if (order == 0)
            return &list->files[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- points ---------------------------------------------------------------------------------- */

static bool is_on_a_picture(const double point[2])
{
    return point[0] >= 0 && point[0] <= 32767 && point[1] >= 0 && point[1] <= 32767;
}

Point annotation_join(Annotation annotation, const double senior[2], const double junior[2])
{
    bool uses_senior = annotation != ANNOTATION_junior;
    bool uses_junior = annotation != ANNOTATION_senior;
    if ((uses_senior && !is_on_a_picture(senior)) || (uses_junior && !is_on_a_picture(junior)))
        return (Point){0};
    double xy[2];
    for (int k = 0; k < 2; k++) {
        double mean = (senior[k] + junior[k]) / 2;
        xy[k] = annotation == ANNOTATION_senior      ? senior[k]
                : annotation == ANNOTATION_junior    ? junior[k]
                : annotation == ANNOTATION_ceil_mean ? ceil(mean)
                                                     : mean;
    }
    return (Point){.x = (float)xy[0], .y = (float)xy[1], .weight = 1};
}

/* ---- opening --------------------------------------------------------------------------------- */

bool dataset_open(Dataset *dataset, const char *root, const char *split, Annotation annotation,
                  int32_t point_count, bool skip_bad, Error *error)
{
    *dataset = (Dataset){0};
    Request request = {annotation, point_count, skip_bad};
    dataset->root = data_copy_text(root, error);
    dataset->split = data_copy_text(split, error);
    bool ok = dataset->root != NULL && dataset->split != NULL;
    if (ok && isbi_is_at(root)) {
        ok = isbi_read(dataset, &request, error);
    } else if (ok && aariz_is_at(root, split)) {
        ok = aariz_read(dataset, &request, error);
    } else if (ok) {
        error_set(error, ERROR_FILES, "no data set at %s", root);
        error_why(error, os_is_folder(root) ? "the folder has no known layout" : "no such folder");
        ok = error_hint(error,
                        "Aariz has %s/%s/Cephalograms and %s/%s/Annotations, "
                        "ISBI 2015 has %s/RawImage",
                        root, split, root, split, root);
    }
    if (ok && dataset->item_count == 0)
        ok =
            error_set(error, ERROR_FILES, "the %s split of %s has no usable pictures", split, root);
    if (!ok)
        dataset_close(dataset);
    return ok;
}

void dataset_close(Dataset *dataset)
{
    for (int32_t i = 0; i < dataset->item_count; i++) {
        Item *item = &dataset->items[i];
        free(item->id);
        free(item->image_path);
        free(item->device);
        free(item->points);
    }
    for (int32_t i = 0; i < dataset->point_count; i++)
        free(dataset->symbols[i]);
    for (int32_t i = 0; i < dataset->warning_count; i++)
        free(dataset->warnings[i]);
    free(dataset->items);
    free(dataset->symbols);
    free(dataset->warnings);
    free(dataset->root);
    free(dataset->split);
    *dataset = (Dataset){0};
}
