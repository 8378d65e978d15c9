/* A picture, or a folder of them, without truth: what predict sees of the world. */
#include <stdlib.h>
#include <string.h>

#include "data_reader.h"
#include "runtime/system/os.h"

/* P00, P01, ... where nobody names them. */
static bool add_symbols(Dataset *dataset, const Request *request, Error *error)
{
    bool ok = true;

    if (request->symbols != NULL)
        return dataset_take_symbols(dataset, request, error);
    for (int32_t k = 0; ok && k < request->point_count; k++) {
        char number[16];
        snprintf(number, sizeof number, "P%02d", k);
        ok = dataset_add_symbol(dataset, number, error);
    }
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

static bool add_folder(Dataset *dataset, const char *path, const Request *request, Error *error)
{
    PictureList list = {0};
    bool ok = pictures_list(&list, dataset, request, path, error);

    for (int64_t k = 0; ok && k < list.count; k++)
        ok = add_picture(dataset, list.files[k].id, list.files[k].path, error);
    pictures_free(&list);
    if (ok && dataset->item_count == 0)
        ok = error_set(error, ERROR_FILES, "%s holds no PNG, JPEG or BMP", path);
    return ok;
}

bool pictures_read(Dataset *dataset, const char *path, const Request *request, Error *error)
{
    bool is_there = false;
    *dataset = (Dataset){.root = data_copy_text(path, error), .split = data_copy_text("-", error)};
    bool ok = dataset->root != NULL && dataset->split != NULL && os_look(path, &is_there, error);

    if (ok && !is_there)
        ok = error_set(error, ERROR_FILES, "there is no picture or folder %s", path);
    return ok && add_symbols(dataset, request, error)
           && (os_is_folder(path) ? add_folder(dataset, path, request, error)
                                  : add_file(dataset, path, error));
}
