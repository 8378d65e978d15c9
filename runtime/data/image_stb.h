/* What image.c uses of stb: the declarations, with the same choices as where they are compiled. */
#ifndef SNUG_IMAGE_STB_H
#define SNUG_IMAGE_STB_H

#include <stdbool.h>
#include <stddef.h>

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 32768
#define STBI_WRITE_NO_STDIO

/* PNG in memory, free(); stb_image_write.h has it in its implementation part only. */
unsigned char *stbi_write_png_to_mem(const unsigned char *pixels, int stride_bytes, int x, int y,
                                     int n, int *out_len);

/* stb_image keeps the last reason for a failure, of this thread; not each failure has one. Forgets
 * it, and from here on no array of it may grow beyond `limit` bytes. */
void stb_begin(size_t limit);
/* Whether since then memory was refused, by the system or by the limit. */
bool stb_had_no_memory(void);
bool stb_was_over_limit(void);

/* stb_easy_font: rectangles of four corners {float x, y, z; unsigned char color[4]}; how many. */
int stb_text_rectangles(char *text, void *corners, int bytes);
int stb_text_width(char *text);

#endif
