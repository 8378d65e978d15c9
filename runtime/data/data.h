/* Data sets: what they hold, and samples made ready for the network.
 *
 * A data set is a list of items with a path, points in pixels of the original picture, and the size
 * of a pixel. Opening reads the annotations, never the pictures' pixels.
 */
#ifndef SNUG_DATA_H
#define SNUG_DATA_H

#include "runtime/system/error.h"
#include <stdint.h>

enum { DATA_MAX_POINTS = 128 };

typedef struct Point {
    float x, y;   /* pixels of the picture, centre of the first pixel at (0, 0) */
    float weight; /* 1: valid, 0: missing or outside */
} Point;

typedef struct Item {
    char *id; /* "cks2ip8fq29yq0yuf9p8lgzgm" */
    char *image_path;
    char *device; /* of the radiograph, "" where unknown */
    float mm_per_pixel;
    bool mm_is_known;           /* false: 0.1 is assumed */
    int32_t depth, significant; /* as of Image */
    int32_t width, height;      /* 0: the head of the picture cannot be read */
    Point *points;              /* Dataset.point_count of them */
} Item;

typedef struct Dataset {
    char *root;
    char *split; /* "train", "valid", "test" */
    Item *items; /* sorted by id */
    int32_t item_count;
    char **symbols; /* names of the points, in order */
    int32_t point_count;
    int32_t bits; /* 2^bits - 1 is white in pictures of 16 bits: one scale for all; 0: none has */
    char **warnings; /* missing rows, missing points, ...: one line each, file by name */
    int32_t warning_count;
} Dataset;

/* Which annotation is the truth. */
typedef enum Annotation {
    ANNOTATION_mean, /* of senior and junior */
    ANNOTATION_senior,
    ANNOTATION_junior,
    ANNOTATION_ceil_mean /* as the official loader: ceil of the mean */
} Annotation;

typedef struct DataRequest {
    Annotation annotation;
    int32_t point_count; /* what the network expects; another number is an error; 0: any */
    const char *symbols; /* JSON list of its points' names, in order; NULL: the data set decides */
    int32_t bits;        /* of pictures of 16 bits, see Dataset; 0: as the files say */
    bool skip_bad;       /* an item without picture or annotation is a warning, no error */
    bool may_be_empty;   /* where nothing is left, it opens with warnings alone */
} DataRequest;

/* Opens Aariz or ISBI 2015, whichever layout lies at root. Points are joined by name; a name that
 * request->symbols lacks is an error. Points outside of their picture count nowhere. split:
 * "train", "valid", "test"; of ISBI the last two are also called "test1", "test2". */
bool dataset_open(Dataset *dataset, const char *root, const char *split, const DataRequest *request,
                  Error *error);
/* A picture or the pictures of a folder, without truth: all weights 0, mm_per_pixel 0. */
bool dataset_open_pictures(Dataset *dataset, const char *path, const DataRequest *request,
                           Error *error);
void dataset_close(Dataset *dataset);
/* Decodes every picture; drops the items of which it cannot be read, each with a warning. An error
 * where none is left. (readable.c) */
bool dataset_leave_out_unreadable(Dataset *dataset, int32_t workers, Error *error);

int64_t dataset_valid_points(const Dataset *dataset);
int32_t dataset_assumed_sizes(const Dataset *dataset); /* items whose pixel size is assumed */
/* Names of the points as a JSON list, free(); NULL: no memory. */
char *dataset_symbols_json(const Dataset *dataset);
void dataset_print_warnings(const Dataset *dataset); /* to stderr, all of them */

/* Tells `tell` of each group of items whose pictures are equal by pixel, within a split and across
 * splits. Decodes each picture that shares its size with another: seconds to minutes. False where
 * there is no memory or tell says so. */
bool dataset_find_duplicates(const Dataset *const *sets, int32_t set_count,
                             bool (*tell)(void *context, const char *line), void *context,
                             Error *error);

/* The map from original to network pixels: aspect kept, picture centred, rest padded with black,
 * then the augmentation. x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]. */
typedef struct Affine {
    float m[6];
} Affine;
Affine affine_fit(int32_t width, int32_t height, int32_t to_width, int32_t to_height);
Affine affine_compose(Affine second, Affine first);
Affine affine_invert(Affine map); /* of an invertible map */
Point affine_apply(Affine map, Point point);

/* Strengths of the augmentation; all 0: none. */
typedef struct Augmentation {
    float rotation_degrees;            /* +- */
    float scale;                       /* +- fraction */
    float shift, shift_y;              /* +- fraction of the width, of the height */
    float brightness, contrast, gamma; /* +- fraction */
    float noise;                       /* standard deviation as a fraction of white */
    float blur;                        /* largest sigma, pixels */
} Augmentation;

/* One picture ready for the network and what leads back to the original. */
typedef struct Sample {
    uint8_t *pixels; /* {height, width, 3}, the caller's */
    Point *points;   /* {point_count}, network pixels; weight 0 where it falls outside */
    Affine to_network;
    int32_t original_width, original_height;
    int32_t item; /* index in the data set, -1: filler with weight 0 */
} Sample;

/* Decodes, fits, augments (NULL: not) with random numbers of (seed, epoch, item): the same for
 * every order and number of workers. Writes pixels {height, width, 3} and points of the sample. */
bool sample_load(const Dataset *dataset, int32_t item, const Augmentation *augmentation,
                 uint64_t seed, int32_t epoch, int32_t height, int32_t width, Sample *sample,
                 Error *error);

#endif
