/* Data sets: which layout lies at a folder, and what the layouts share. */
#include "data_reader.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "runtime/system/json.h"
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

static bool add_warning(Dataset *dataset, const char *line, Error *error)
{
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

bool dataset_warn(Dataset *dataset, Error *error, const char *fmt, ...)
{
    char text[1024], line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    name_write(line, sizeof line, text);
    return add_warning(dataset, line, error);
}

bool dataset_forgive(Dataset *dataset, const Request *request, Error *error)
{
    if (!request->skip_bad || error->status != ERROR_FILES)
        return false;
    Error forgiven = *error;
    *error = (Error){0};
    char line[sizeof forgiven.what + sizeof forgiven.why + 16];
    snprintf(line, sizeof line, "%s%s%s: left out", forgiven.what,
             forgiven.why[0] == '\0' ? "" : ": ", forgiven.why);
    return add_warning(dataset, line, error);
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
    if (error->status != 0)
        return NULL;
    /* one that cannot be read is an error when it is, or is left out then */
    Image head;
    Error ignored = {0};
    if (image_read_size(&head, image_path, &ignored)) {
        item->width = head.width;
        item->height = head.height;
        item->depth = head.depth;
        item->significant = head.significant;
    }
    return item;
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

bool dataset_take_symbols(Dataset *dataset, const Request *request, Error *error)
{
    json_t *list = json_read_text((const uint8_t *)request->symbols,
                                  (int64_t)strlen(request->symbols), "names", error);
    bool ok = list != NULL;
    size_t count = json_array_size(list);
    if (ok
        && (count == 0 || count > DATA_MAX_POINTS
            || (request->point_count != 0 && count != (size_t)request->point_count)))
        ok = error_set(error, ERROR_FILES,
                       "the checkpoint names %d landmarks, the network expects %d", (int)count,
                       request->point_count);
    for (size_t k = 0; ok && k < count; k++) {
        const char *name = json_string_value(json_array_get(list, k));
        ok = name != NULL
                 ? dataset_add_symbol(dataset, name, error)
                 : error_set(error, ERROR_FILES, "a landmark of the checkpoint is no name");
    }
    json_decref(list);
    return ok;
}

int32_t dataset_find_symbol(const Dataset *dataset, const char *symbol)
{
    for (int32_t k = 0; k < dataset->point_count; k++)
        if (strcmp(dataset->symbols[k], symbol) == 0)
            return k;
    return -1;
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

bool data_find(const char *folder, const char *name, char **path, Error *error)
{
    bool is_there = false;
    char **names;
    int64_t count;
    *path = os_join(folder, name);
    if (*path == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a path");
    bool ok = os_look(*path, &is_there, error);
    if (ok && is_there)
        return true;
    free(*path);
    *path = NULL;
    ok = ok && os_look(folder, &is_there, error);
    if (!ok || !is_there || !os_is_folder(folder))
        return ok;
    if (!os_list_folder(folder, &names, &count, error))
        return false;
    for (int64_t i = 0; i < count && *path == NULL && ok; i++)
        if (equal_but_for_case(names[i], name))
            ok = (*path = os_join(folder, names[i])) != NULL
                 || error_set(error, ERROR_MEMORY, "no memory for a path");
    free_names(names, count);
    return ok;
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

/* ---- what is looked at in every item --------------------------------------------------------- */

/* The one rule of which points count: a point outside of its picture counts nowhere. */
static bool drop_points_outside(Dataset *dataset, Item *item, Error *error)
{
    bool ok = true;
    for (int32_t k = 0; ok && k < dataset->point_count; k++) {
        Point *p = &item->points[k];
        if (!(p->weight > 0)
            || (p->x <= (float)item->width - 0.5f && p->y <= (float)item->height - 0.5f))
            continue;
        ok = dataset_warn(dataset, error,
                          "%s: landmark %s at %.1f, %.1f lies outside of the picture of %dx%d: it "
                          "does not count",
                          item->image_path, dataset->symbols[k], (double)p->x, (double)p->y,
                          item->width, item->height);
        *p = (Point){0};
    }
    return ok;
}

/* All of its points lie within 0 .. 1, which are shares of the picture, not pixels. */
static bool looks_normalised(const Dataset *dataset, const Item *item)
{
    int32_t count = 0;
    for (int32_t k = 0; k < dataset->point_count; k++) {
        const Point *p = &item->points[k];
        if (p->weight > 0 && (p->x > 1 || p->y > 1))
            return false;
        count += p->weight > 0;
    }
    return count > 0 && item->width > 8 && item->height > 8;
}

void item_free(Item *item)
{
    free(item->id);
    free(item->image_path);
    free(item->device);
    free(item->points);
}

/* Points outside of their picture, coordinates that are no pixels. */
static bool check_points(Dataset *dataset, const Request *request, Error *error)
{
    int32_t kept = 0;
    bool ok = true;
    for (int32_t i = 0; i < dataset->item_count; i++) {
        Item *item = &dataset->items[i];
        bool is_kept = true;
        if (ok && item->width > 0 && looks_normalised(dataset, item)) {
            error_set(error, ERROR_FILES, "the coordinates of %s look normalised",
                      item->image_path);
            error_why(error, "every point lies within 0 .. 1, the picture has %dx%d pixels",
                      item->width, item->height);
            error_hint(error, "multiply x by the width and y by the height: points are in pixels");
            ok = dataset_forgive(dataset, request, error);
            is_kept = !ok;
        }
        ok = ok && (!is_kept || item->width == 0 || drop_points_outside(dataset, item, error));
        if (is_kept)
            dataset->items[kept++] = *item;
        else
            item_free(item);
    }
    dataset->item_count = kept;
    return ok;
}

/* A landmark that is nowhere cannot be learnt, nor measured. */
static bool warn_of_unseen(Dataset *dataset, Error *error)
{
    bool ok = true;
    for (int32_t k = 0; ok && k < dataset->point_count; k++) {
        bool is_seen = false;
        for (int32_t i = 0; i < dataset->item_count; i++)
            is_seen = is_seen || dataset->items[i].points[k].weight > 0;
        if (!is_seen && dataset->item_count > 0)
            ok = dataset_warn(dataset, error, "%s: no picture of the split %s has landmark %s",
                              dataset->root, dataset->split, dataset->symbols[k]);
    }
    return ok;
}

/* Where nobody says of how many bits pictures of 16 are, a few are looked at: the scale stays what
 * it is, but dark ones are told of. */
static bool warn_of_dark(Dataset *dataset, Error *error)
{
    enum { LOOKED_AT = 8 };
    int32_t deep = 0, seen = 0, used = 0;
    for (int32_t i = 0; i < dataset->item_count; i++)
        deep += dataset->items[i].depth == 16;
    for (int32_t i = 0, n = 0; i < dataset->item_count; i++) {
        Image image;
        Error ignored = {0};
        if (dataset->items[i].depth != 16 || (int64_t)n++ * LOOKED_AT / deep < seen)
            continue;
        if (!image_read(&image, dataset->items[i].image_path, 16, &ignored))
            continue;
        seen++;
        used = image.used_bits > used ? image.used_bits : used;
        image_free(&image);
    }
    if (seen == 0 || used > 14)
        return true;
    return dataset_warn(
        dataset, error,
        "%s: %d pictures have 16 bits, of which the brightest pixel of %d that were "
        "looked at uses %d: they are read as of 16 and come out dark; --bits %d "
        "takes %d as white",
        dataset->root, deep, seen, used, used < 8 ? 8 : used, (1 << (used < 8 ? 8 : used)) - 1);
}

/* One scale for all: what was asked for, else what all files say, else 16. */
static bool choose_bits(Dataset *dataset, const Request *request, Error *error)
{
    const Item *first = NULL;
    for (int32_t i = 0; i < dataset->item_count; i++) {
        const Item *item = &dataset->items[i];
        if (item->depth != 16)
            continue;
        if (first == NULL)
            first = item;
        if (request->bits == 0 && item->significant != first->significant) {
            error_set(error, ERROR_FILES, "%s and %s are of different bits", first->image_path,
                      item->image_path);
            error_why(error, "sBIT says %d and %d; 0: it is not there", first->significant,
                      item->significant);
            return error_hint(error, "--bits N says what is white in all of them: 2^N - 1");
        }
    }
    dataset->bits = request->bits;
    if (request->bits != 0 || first == NULL)
        return true;
    dataset->bits = first->significant != 0 ? first->significant : 16;
    return first->significant != 0 || warn_of_dark(dataset, error);
}

/* ---- what a data set says of itself ---------------------------------------------------------- */

int64_t dataset_valid_points(const Dataset *dataset)
{
    int64_t count = 0;
    for (int32_t i = 0; i < dataset->item_count; i++)
        for (int32_t k = 0; k < dataset->point_count; k++)
            count += dataset->items[i].points[k].weight > 0;
    return count;
}

int32_t dataset_assumed_sizes(const Dataset *dataset)
{
    int32_t count = 0;
    for (int32_t i = 0; i < dataset->item_count; i++)
        count += !dataset->items[i].mm_is_known && dataset->items[i].mm_per_pixel > 0;
    return count;
}

char *dataset_symbols_json(const Dataset *dataset)
{
    json_t *list = json_array();
    bool ok = list != NULL;
    for (int32_t k = 0; ok && k < dataset->point_count; k++)
        ok = json_array_append_new(list, json_string(dataset->symbols[k])) == 0;
    char *text = ok ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

void dataset_print_warnings(const Dataset *dataset)
{
    for (int32_t k = 0; k < dataset->warning_count; k++)
        fprintf(stderr, "warning: %s\n", dataset->warnings[k]);
}

/* ---- opening --------------------------------------------------------------------------------- */

bool dataset_open(Dataset *dataset, const char *root, const char *split, const DataRequest *request,
                  Error *error)
{
    bool is_isbi = false, is_aariz = false;
    *dataset = (Dataset){0};
    dataset->root = data_copy_text(root, error);
    dataset->split = data_copy_text(split, error);
    bool ok = dataset->root != NULL && dataset->split != NULL && isbi_is_at(root, &is_isbi, error)
              && (is_isbi || aariz_is_at(root, split, &is_aariz, error))
              && (request->symbols == NULL || dataset_take_symbols(dataset, request, error));
    if (ok && is_isbi) {
        ok = isbi_read(dataset, request, error);
    } else if (ok && is_aariz) {
        ok = aariz_read(dataset, request, error);
    } else if (ok) {
        error_set(error, ERROR_FILES, "no data set at %s", root);
        error_why(error, os_is_folder(root) ? "the folder has no known layout" : "no such folder");
        ok = error_hint(error,
                        "Aariz has %s/%s/Cephalograms and %s/%s/Annotations, "
                        "ISBI 2015 has %s/RawImage",
                        root, split, root, split, root);
    }
    ok = ok && check_points(dataset, request, error) && warn_of_unseen(dataset, error)
         && choose_bits(dataset, request, error);
    if (ok && dataset->item_count == 0 && !(request->may_be_empty && dataset->warning_count > 0)) {
        error_set(error, ERROR_FILES, "the %s split of %s has no usable pictures", split, root);
        ok = dataset->warning_count == 0 ? false : error_why(error, "%s", dataset->warnings[0]);
    }
    if (!ok)
        dataset_close(dataset);
    return ok;
}

bool dataset_open_pictures(Dataset *dataset, const char *path, const DataRequest *request,
                           Error *error)
{
    bool ok = pictures_read(dataset, path, request, error) && choose_bits(dataset, request, error);
    if (!ok)
        dataset_close(dataset);
    return ok;
}

void dataset_close(Dataset *dataset)
{
    for (int32_t i = 0; i < dataset->item_count; i++)
        item_free(&dataset->items[i]);
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
