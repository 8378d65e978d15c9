/* Phantom cephalograms: anatomy.c says what is where, render.c makes a radiograph of it, phantom.c
 * writes data sets. Lengths are mm; the head looks to the right; y grows downwards. */
#ifndef SNUG_PHANTOM_H
#define SNUG_PHANTOM_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/system/random.h"

enum { LANDMARK_COUNT = 29 };

typedef struct Spot {
    float x, y;
} Spot;

/* ---- anatomy.c ------------------------------------------------------------------------------- */

typedef struct Landmark {
    const char *symbol, *title;
    Spot mean; /* of a middle-sized head */
} Landmark;
extern const Landmark landmarks[LANDMARK_COUNT]; /* in the order of Aariz */

/* One patient: where the landmarks are, and what else varies. */
typedef struct Patient {
    Spot points[LANDMARK_COUNT];
    float angle, scale; /* of the head about its middle: radians, 1 = middle-sized */
    Spot shift;
    float bone, soft; /* how much the two absorb, 1 = middling */
    bool has_ruler, has_rods;
    RandomKey key;
} Patient;

Patient draw_patient(RandomKey key);
/* From the head's own coordinates to those of the film. */
Spot place(const Patient *patient, Spot spot);

struct Film;
void draw_head(struct Film *film, const Patient *patient);

/* ---- render.c -------------------------------------------------------------------------------- */

/* Absorption along the ray that meets each pixel, to which every structure adds. */
typedef struct Film {
    int32_t width, height;
    float mm_per_pixel;
    float *bone, *soft; /* {height, width} */
    float *distance;    /* scratch: to the line that is drawn, mm, negative inside */
    const Patient *patient;
} Film;

bool film_create(Film *film, int32_t width, int32_t height, float mm_per_pixel);
void film_free(Film *film);

/* How a filled shape absorbs: `body` everywhere inside, growing from 0 at the edge over `ramp` mm,
 * and a rim of compact bone, `rim` at its middle, `rim_width` mm wide, just inside of the edge. */
typedef struct Substance {
    float body, ramp, rim, rim_width;
} Substance;

/* A smooth curve through spots (Catmull and Rom), in the head's coordinates. */
void film_fill(Film *film, float *layer, const Spot *spots, int count, Substance substance);
void film_stroke(Film *film, float *layer, const Spot *spots, int count, bool is_closed,
                 float width, float amount);
/* A soft round cloud. */
void film_cloud(Film *film, float *layer, Spot middle, float radius_x, float radius_y,
                float amount);

/* How the exposed film looks. */
typedef struct Exposure {
    float contrast, brightness, grain, blur_mm;
    bool has_border; /* the collimator leaves an unexposed edge */
    RandomKey key;
} Exposure;
/* grey {height, width}, white where much is absorbed. */
bool film_develop(const Film *film, const Exposure *exposure, uint8_t *grey);

#endif
