/* Pictures: PNG, JPEG and BMP in (stb_image, with limits), PNG out. */
#ifndef SNUG_IMAGE_H
#define SNUG_IMAGE_H

#include "runtime/system/error.h"
#include <stdint.h>

typedef struct Image {
    uint8_t *pixels; /* {height, width, channels}; image_free */
    int32_t width, height;
    int32_t channels; /* 1 where all pixels are grey, else 3; alpha is dropped, 16 bits become 8 */
} Image;

enum { IMAGE_MAX_SIDE = 32768, IMAGE_MAX_MEGAPIXELS = 200 };

/* Reads the head only: width, height; pixels stays NULL. */
bool image_read_size(Image *image, const char *path, Error *error);

bool image_read(Image *image, const char *path, Error *error); /* at most 200 megapixels */
bool image_decode(Image *image, const uint8_t *bytes, int64_t size, const char *name, Error *error);
bool image_write_png(const Image *image, const char *path, Error *error); /* atomically */
/* A PNG in memory; free(). */
bool image_encode_png(const Image *image, uint8_t **bytes, int64_t *size, Error *error);
bool image_make_rgb(Image *image, Error *error); /* 1 channel becomes 3, to draw in colour */
void image_free(Image *image);

/* Drawing, clipped to the picture; 3 channels. Colours 0xRRGGBB. */
void image_draw_disc(Image *image, float x, float y, float radius, uint32_t color);
void image_draw_line(Image *image, float x0, float y0, float x1, float y1, float width,
                     uint32_t color);
/* A small bitmap font, ASCII; `scale` pixels a dot; returns the width. */
int32_t image_draw_text(Image *image, int32_t x, int32_t y, int32_t scale, uint32_t color,
                        const char *text);

#endif
