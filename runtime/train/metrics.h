/* How far the points are off: radial errors of a data set, and what is told of them.
 *
 * MRE: mean radial error; SDR t: share of the points that are off by at most t mm. Millimetres are
 * pixels of the original picture times the picture's pixel size. Points of weight 0 do not count.
 */
#ifndef SNUG_METRICS_H
#define SNUG_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "runtime/data/data.h"

/* One prediction, in pixels of the original picture. */
typedef struct Prediction {
    float x, y, confidence;
} Prediction;

/* The predictions of a whole set: {item_count, point_count}. */
typedef struct Predictions {
    const Dataset *dataset;
    Prediction *points;
    bool *is_done; /* {item_count}: this item has been predicted */
} Predictions;

typedef struct ErrorSummary {
    int64_t count;
    double mean_px, sd_px, median_px;
    double mean_mm, sd_mm, median_mm;
    double sdr[4];          /* within 2, 2.5, 3, 4 mm; shares, 0 .. 1 */
    double low_mm, high_mm; /* 95 % bootstrap interval of mean_mm over pictures: summarize_all */
} ErrorSummary;

extern const double sdr_limits_mm[4];

bool predictions_create(Predictions *predictions, const Dataset *dataset, Error *error);
void predictions_free(Predictions *predictions);
int32_t predictions_count(const Predictions *predictions); /* of items that are done */

/* Pixels between prediction and truth; negative where the point does not count. */
double radial_error(const Predictions *predictions, int32_t item, int32_t point);

/* Which errors a summary is over: -1 and NULL mean all. */
typedef struct ErrorFilter {
    int32_t point;      /* one landmark, or -1 */
    const char *device; /* one radiograph machine, or NULL */
} ErrorFilter;

/* count 0 where nothing is left. Returns false where there is no memory. */
bool summarize(const Predictions *predictions, ErrorFilter filter, ErrorSummary *summary);
/* All errors, with the interval: 1000 resamples of the pictures, from the seed. */
bool summarize_all(const Predictions *predictions, uint64_t seed, ErrorSummary *summary);

/* Whether no earlier item has the same device, and it has one. */
bool is_first_of_device(const Dataset *dataset, int32_t item);

/* The pictures with the largest mean errors, largest first; at most `most`. Returns how many. */
typedef struct WorstPicture {
    int32_t item;
    int32_t point; /* with the largest error */
    double mean_mm, point_mm;
} WorstPicture;
int32_t worst_pictures(const Predictions *predictions, WorstPicture *worst, int32_t most);

/* The table that eval prints: all, each landmark, each device, the worst pictures. */
bool print_metrics(FILE *out, const Predictions *predictions, uint64_t seed);
/* The same as JSON. truth: which annotation was taken. */
bool write_metrics_json(const char *path, const Predictions *predictions, uint64_t seed,
                        const char *truth, Error *error);

#endif
