/* A picture, or a folder of them, without truth: what predict sees of the world. */
#include <stdlib.h>
#include <string.h>

#include "data_reader.h"
#include "runtime/system/json.h"
#include "runtime/system/os.h"

static bool add_symbols(Dataset *dataset, const char *json, int32_t point_count, Error *error)
{
    Error reason = {0};
    json_t *list = json_read_text((const uint8_t *)json, (int64_t)strlen(json), "names", &reason);
    bool ok = true;

    for (int32_t k = 0; ok && k < point_count; k++) {
        const char *name = json_string_value(json_array_get(list, (size_t)k));
        char number[16];
        snprintf(number, sizeof number, "P%02d", k);
        ok = dataset_add_symbol(dataset, name != NULL ? name : number, error);
    }
    json_decref(list);
    return ok;
}

static bool add_picture(Dataset *dataset, const char *id, const char *path, Error *error)
{
    Item *item = dataset_add_item(dataset, id, path, error);

    if (item == NULL)
        return false;
    item->mm_per_pixel = 0;
    item->mm_is_known = false;
    return true;
}

/* The name without its folder and its ending. */
static bool add_file(Dataset *dataset, const char *path, Error *error)
{
    const char *name = path + strlen(path);
    while (name > path && name[-1] != '/' && name[-1] != '\\')
        name--;
    char *id = data_copy_text(name, error);
    if (id == NULL)
        return false;
    char *dot = strrchr(id, '.');
    if (dot != NULL && dot > id)
        *dot = '\0';
    bool ok = add_picture(dataset, id, path, error);
    free(id);
    return ok;
}

static bool add_folder(Dataset *dataset, const char *path, bool skip_bad, Error *error)
{
    Request request = {.skip_bad = skip_bad};
    PictureList list = {0};
    bool ok = pictures_list(&list, dataset, &request, path, error);

    for (int64_t k = 0; ok && k < list.count; k++)
        ok = add_picture(dataset, list.files[k].id, list.files[k].path, error);
    pictures_free(&list);
    if (ok && dataset->item_count == 0)
        ok = error_set(error, ERROR_FILES, "%s holds no PNG, JPEG or BMP", path);
    return ok;
}

bool dataset_open_pictures(Dataset *dataset, const char *path, const char *symbols,
                           int32_t point_count, bool skip_bad, Error *error)
{
    *dataset = (Dataset){.root = data_copy_text(path, error), .split = data_copy_text("-", error)};
    bool ok = dataset->root != NULL && dataset->split != NULL;

    if (ok && !os_exists(path))
        ok = error_set(error, ERROR_FILES, "there is no picture or folder %s", path);
    ok = ok && add_symbols(dataset, symbols, point_count, error)
         && (os_is_folder(path) ? add_folder(dataset, path, skip_bad, error)
                                : add_file(dataset, path, error));
    if (!ok)
        dataset_close(dataset);
    return ok;
}
