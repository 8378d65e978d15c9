/* What the two layouts of data sets share while they are read; for data*.c only. */
#ifndef SNUG_DATA_READER_H
#define SNUG_DATA_READER_H

#include "data.h"

enum { DATA_MAX_SYMBOL = 63 };

#define DATA_ASSUMED_MM 0.1f /* per pixel, where nobody says */

typedef DataRequest Request;

/* The layouts. Requires: root is set, all else empty. Items are appended by id. */
bool aariz_read(Dataset *dataset, const Request *request, Error *error);
bool isbi_read(Dataset *dataset, const Request *request, Error *error);
bool aariz_is_at(const char *root, const char *split, bool *is_there, Error *error);
bool isbi_is_at(const char *root, bool *is_there, Error *error);
/* The names of request->symbols, in its order. */
bool dataset_take_symbols(Dataset *dataset, const Request *request, Error *error);
int32_t dataset_find_symbol(const Dataset *dataset, const char *symbol); /* -1: none */

/* Fills in all but bits. */
bool pictures_read(Dataset *dataset, const char *path, const Request *request, Error *error);

/* Adds a line to dataset->warnings. False without memory. */
bool dataset_warn(Dataset *dataset, Error *error, const char *fmt, ...) ERROR_PRINTF(3, 4);
/* With skip_bad the error becomes a warning ("...: left out") and is cleared; true then. */
bool dataset_forgive(Dataset *dataset, const Request *request, Error *error);
/* Appends an item with room for point_count points. Takes ownership of nothing; NULL: no memory. */
Item *dataset_add_item(Dataset *dataset, const char *id, const char *image_path, Error *error);
void item_free(Item *item); /* what it owns */
bool dataset_add_symbol(Dataset *dataset, const char *symbol, Error *error);

/* folder/name as it lies on the disk, whatever the case of its letters: the exact name first. *path
 * NULL: not there; free(). False where nobody can say whether it is there. */
bool data_find(const char *folder, const char *name, char **path, Error *error);

/* A picture's id is its file name without .png, .bmp, .jpg, .jpeg (any case). */
typedef struct PictureFile {
    char *id, *path;
} PictureFile;
typedef struct PictureList {
    PictureFile *files; /* sorted by id; each id once */
    int64_t count;
} PictureList;
/* Two pictures with one id are an error or, with skip_bad, a warning. Other files are passed by. */
bool pictures_list(PictureList *list, Dataset *dataset, const Request *request, const char *folder,
                   Error *error);
void pictures_free(PictureList *list);
const PictureFile *pictures_find(const PictureList *list, const char *id);

/* One point of two readers; NaN or negative: not there. */
Point annotation_join(Annotation annotation, const double senior[2], const double junior[2]);

char *data_copy_text(const char *text, Error *error); /* NULL: no memory */

#endif
