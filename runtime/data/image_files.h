/* What the files of pictures say that stb_image does not ask; for image*.c only. */
#ifndef SNUG_IMAGE_FILES_H
#define SNUG_IMAGE_FILES_H

#include "image.h"

typedef enum JpegFault {
    JPEG_is_whole,
    JPEG_is_cut,
    JPEG_is_broken,
    JPEG_has_too_many_scans
} JpegFault;

/* Reads the codes of every scan without making pixels of them. A decoder makes up what is missing
 * of a scan in grey, whatever marker stands behind it. What stb_image refuses itself is whole.
 * JPEG_is_cut also where there is no memory: *has_memory is false then. */
JpegFault jpeg_check(const uint8_t *bytes, int64_t size, bool *has_memory);

/* 1 .. 8, as TIFF has it; 1 where nothing says otherwise. */
int jpeg_orientation(const uint8_t *bytes, int64_t size);
/* Of a TIFF header with its first directory: what Exif is made of. */
int tiff_orientation(const uint8_t *bytes, int64_t size);
/* In place; 5 .. 8 exchange width and height. False without memory. */
bool image_orient(Image *image, int orientation);

/* Width and height of a bitmap, height positive; is_rle: RLE8 or RLE4. False: stb_image will say.
 */
bool bmp_read_head(const uint8_t *bytes, int64_t size, int32_t *width, int32_t *height,
                   bool *is_rle);
/* {height, width, 3}; what the runs pass over has colour 0 of the palette, as with OpenCV. NULL: a
 * reason, or none where there is no memory. */
uint8_t *bmp_decode_rle(const uint8_t *bytes, int64_t size, const char **reason);

#endif
