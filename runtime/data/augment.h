/* From a picture file to the network's pixels, in two halves: what the loader may keep, and what is
 * drawn anew in each epoch. */
#ifndef SNUG_AUGMENT_H
#define SNUG_AUGMENT_H

#include "data.h"
#include "image.h"

/* A picture brought near the network's size: blocks of factor x factor pixels averaged, factor the
 * largest number that leaves it at least as fine as the network's grid. */
typedef struct Fitted {
    Image picture; /* fitted_free */
    int32_t factor;
    int32_t original_width, original_height;
} Fitted;

bool fitted_read(Fitted *fitted, const Dataset *dataset, int32_t item, int32_t height,
                 int32_t width, Error *error);
bool fitted_make(Fitted *fitted, const Image *original, int32_t height, int32_t width,
                 Error *error);
void fitted_free(Fitted *fitted);

/* The second half of sample_load. */
bool sample_make(const Dataset *dataset, int32_t item, const Fitted *fitted,
                 const Augmentation *augmentation, uint64_t seed, int32_t epoch, int32_t height,
                 int32_t width, Sample *sample, Error *error);

#endif
