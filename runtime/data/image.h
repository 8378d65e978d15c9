/* Pictures: PNG, JPEG and BMP in (stb_image, with limits), PNG out. They are turned as their Exif
 * says, as OpenCV does: width, height and points are those of the turned picture. */
#ifndef SNUG_IMAGE_H
#define SNUG_IMAGE_H

#include "runtime/system/error.h"
#include <stdint.h>

typedef struct Image {
    uint8_t *pixels; /* {height, width, channels}; image_free */
    int32_t width, height;
    int32_t channels; /* 1 where all pixels are grey, else 3; alpha is dropped, 16 bits become 8 */
    int32_t depth;    /* bits a channel in the file: 8, or 16 */
    int32_t significant; /* bits of them that the file says are in use (sBIT); 0: it says nothing */
    int32_t used_bits;   /* of 16: those of the brightest pixel */
} Image;

enum { IMAGE_MAX_SIDE = 32768, IMAGE_MAX_MEGAPIXELS = 200 };

/* Reads the head only: all but pixels, which stays NULL, and used_bits. */
bool image_read_size(Image *image, const char *path, Error *error);

/* At most 200 megapixels. bits: 2^bits - 1 is white in a file of 16 bits a channel, one scale for
 * all pictures of a data set; 0: 16. Brighter pixels become white; where they are more than a
 * hundredth of a picture it is refused: the scale is not its own. */
bool image_read(Image *image, const char *path, int32_t bits, Error *error);
bool image_decode(Image *image, const uint8_t *bytes, int64_t size, int32_t bits, const char *name,
                  Error *error);
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
