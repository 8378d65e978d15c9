/* Pictures: stb_image behind limits, stb_image_write, and drawing.
 *
 * stb_image is lenient: of a JPEG or BMP that is cut off it makes up the rest in grey or black. A
 * radiograph with half a face would train the network wrongly, so such files are refused here.
 */
#include "image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image_stb.h" /* before stb_image.h: it says which parts */
#include <stb_image.h>

#include "runtime/system/os.h"

_Static_assert(STBI_MAX_DIMENSIONS == IMAGE_MAX_SIDE, "one limit");

enum { MAX_FILE_BYTES = 1 << 30 };

/* ---- reading --------------------------------------------------------------------------------- */

static uint32_t little_endian(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The data of a scan ends in marker FF D9. Within the scan FF is followed by 0 or a restart, so the
 * first scan is looked for and then the marker. Each block of 8 x 8 pixels takes at least one bit:
 * a small file that claims to be large is not decoded to the end. */
static bool jpeg_is_complete(const uint8_t *bytes, int64_t size, int32_t width, int32_t height)
{
    if ((int64_t)width * height / (64 * 8) > size)
        return false;
    int64_t at = 2;
    while (at + 4 <= size && bytes[at] == 0xFF && bytes[at + 1] != 0xDA) {
        if (bytes[at + 1] == 0xFF)
            at++; /* fill bytes before a marker */
        else
            at += 2 + (bytes[at + 2] << 8 | bytes[at + 3]);
    }
    for (; at + 1 < size; at++)
        if (bytes[at] == 0xFF && bytes[at + 1] == 0xD9)
            return true;
    return false;
}

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Chunks of length, name, data, checksum follow the signature; each lies within the file, up to the
 * one named IEND. stb_image asks for memory by the length that a chunk claims. */
static bool png_is_complete(const uint8_t *bytes, int64_t size)
{
    for (int64_t at = 8; at + 12 <= size;) {
        bool is_last = memcmp(bytes + at + 4, "IEND", 4) == 0;
        at += 12 + (int64_t)big_endian(bytes + at);
        if (is_last)
            return at <= size;
    }
    return false;
}

/* The rows of an uncompressed bitmap, each padded to 4 bytes, lie within the file. */
static bool bmp_is_complete(const uint8_t *bytes, int64_t size, int32_t width, int32_t height)
{
    if (size < 30)
        return false;
    int64_t bits = little_endian(bytes + 14) == 12 ? bytes[24] : bytes[28];
    int64_t row = (bits * width + 31) / 32 * 4;
    return (int64_t)little_endian(bytes + 10) + row * height <= size;
}

static bool refuse(const char *name, const char *why, Error *error)
{
    error_set(error, ERROR_FILES, "cannot read the picture %s", name);
    return error_why(error, "%s", why);
}

/* Width, height and channels, from the head of the file alone. */
static bool read_head(Image *image, const uint8_t *bytes, int64_t size, const char *name,
                      Error *error)
{
    *image = (Image){0};
    if (size == 0)
        return refuse(name, "the file is empty", error);
    if (size > MAX_FILE_BYTES)
        return refuse(name, "the file is larger than 1 GiB", error);
    int width, height, channels;
    if (!stbi_info_from_memory(bytes, (int)size, &width, &height, &channels))
        return refuse(name, "not a PNG, JPEG or BMP file, or its head is broken", error);
    if (width < 1 || height < 1)
        return refuse(name, "it has no pixels", error);
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE
        || (int64_t)width * height > IMAGE_MAX_MEGAPIXELS * 1000000LL) {
        error_set(error, ERROR_FILES, "cannot read the picture %s", name);
        return error_why(error, "%d x %d pixels; at most %d a side and %d million in all", width,
                         height, IMAGE_MAX_SIDE, IMAGE_MAX_MEGAPIXELS);
    }
    *image = (Image){.width = width, .height = height, .channels = channels < 3 ? 1 : 3};
    return true;
}

/* 16 bits a channel, in place to 8. Radiographs often use the lower 10, 12 or 14 bits only: the
 * scale is that of the bits in use. */
static void reduce_to_8_bits(uint16_t *wide, uint8_t *narrow, int64_t count)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = wide[i] > largest ? wide[i] : largest;
    int bits = 16;
    while (bits > 10 && largest < 1u << (bits - 2))
        bits -= 2;
    uint32_t top = (1u << bits) - 1;
    for (int64_t i = 0; i < count; i++)
        narrow[i] = (uint8_t)((wide[i] * 255u + top / 2) / top);
}

/* Three equal channels, as palettes of grey give them, become one. */
static void join_equal_channels(Image *image)
{
    int64_t count = (int64_t)image->width * image->height;
    uint8_t *p = image->pixels;
    for (int64_t i = 0; i < count; i++)
        if (p[3 * i] != p[3 * i + 1] || p[3 * i] != p[3 * i + 2])
            return;
    for (int64_t i = 0; i < count; i++)
        p[i] = p[3 * i];
    image->channels = 1;
    uint8_t *smaller = realloc(p, (size_t)count);
    if (smaller != NULL)
        image->pixels = smaller;
}

bool image_decode(Image *image, const uint8_t *bytes, int64_t size, const char *name, Error *error)
{
    if (!read_head(image, bytes, size, name, error))
        return false;
    int32_t w = image->width, h = image->height;
    bool is_complete = bytes[0] == 0xFF  ? jpeg_is_complete(bytes, size, w, h)
                       : bytes[0] == 'B' ? bmp_is_complete(bytes, size, w, h)
                                         : png_is_complete(bytes, size);
    if (!is_complete)
        return refuse(name, "the file is cut off", error);

    int width, height, channels;
    stb_forget_failure();
    if (stbi_is_16_bit_from_memory(bytes, (int)size)) {
        uint16_t *wide =
            stbi_load_16_from_memory(bytes, (int)size, &width, &height, &channels, image->channels);
        image->pixels = (uint8_t *)wide;
        if (wide != NULL)
            reduce_to_8_bits(wide, image->pixels, (int64_t)width * height * image->channels);
    } else {
        image->pixels =
            stbi_load_from_memory(bytes, (int)size, &width, &height, &channels, image->channels);
    }
    if (image->pixels == NULL) {
        const char *reason = stbi_failure_reason();
        bool is_silent = reason == NULL || reason[0] == '\0';
        return refuse(name, is_silent ? "its data is broken" : reason, error);
    }
    image->width = width;
    image->height = height;
    if (image->channels == 3)
        join_equal_channels(image);
    return true;
}

bool image_read(Image *image, const char *path, Error *error)
{
    *image = (Image){0};
    uint8_t *bytes;
    int64_t size;
    if (!os_read_file(path, MAX_FILE_BYTES, &bytes, &size, error))
        return false;
    bool ok = image_decode(image, bytes, size, path, error);
    free(bytes);
    return ok;
}

/* The first bytes say it, unless a JPEG begins with much else. */
bool image_read_size(Image *image, const char *path, Error *error)
{
    enum { HEAD_BYTES = 64 << 10 };
    FILE *file = os_fopen(path, "rb");
    uint8_t *bytes = malloc(HEAD_BYTES);
    size_t got = file == NULL || bytes == NULL ? 0 : fread(bytes, 1, HEAD_BYTES, file);
    if (file != NULL)
        fclose(file);
    Error ignored = {0};
    bool found = got > 0 && read_head(image, bytes, (int64_t)got, path, &ignored);
    free(bytes);
    if (found)
        return true;

    *image = (Image){0};
    int64_t size;
    if (!os_read_file(path, MAX_FILE_BYTES, &bytes, &size, error))
        return false;
    bool ok = read_head(image, bytes, size, path, error);
    free(bytes);
    return ok;
}

bool image_make_rgb(Image *image, Error *error)
{
    if (image->channels == 3)
        return true;
    int64_t count = (int64_t)image->width * image->height;
    uint8_t *pixels = malloc((size_t)count * 3);
    if (pixels == NULL)
        return error_set(error, ERROR_MEMORY, "no memory for a picture of %d x %d pixels",
                         image->width, image->height);
    for (int64_t i = 0; i < 3 * count; i++)
        pixels[i] = image->pixels[i / 3];
    free(image->pixels);
    image->pixels = pixels;
    image->channels = 3;
    return true;
}

void image_free(Image *image)
{
    free(image->pixels);
    *image = (Image){0};
}

/* ---- writing --------------------------------------------------------------------------------- */

bool image_encode_png(const Image *image, uint8_t **bytes, int64_t *size, Error *error)
{
    /* stb_image_write counts bytes in int and needs about as many again. */
    int64_t row = (int64_t)image->width * image->channels;
    int length = 0;
    *bytes = NULL;
    if (row * image->height < 1 << 29)
        *bytes = stbi_write_png_to_mem(image->pixels, (int)row, image->width, image->height,
                                       image->channels, &length);
    if (*bytes == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to write a PNG of %d x %d pixels",
                         image->width, image->height);
    *size = length;
    return true;
}

typedef struct Bytes {
    const uint8_t *data;
    int64_t size;
} Bytes;

static bool write_bytes(FILE *file, void *context)
{
    const Bytes *bytes = context;
    return fwrite(bytes->data, 1, (size_t)bytes->size, file) == (size_t)bytes->size;
}

bool image_write_png(const Image *image, const char *path, Error *error)
{
    uint8_t *data;
    int64_t size = 0;
    if (!image_encode_png(image, &data, &size, error))
        return false;
    bool ok = os_write_atomically(path, write_bytes, &(Bytes){data, size}, error);
    free(data);
    return ok;
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* Lays colour over pixel (x, y): coverage 0 leaves it, 1 replaces it. */
static void blend(Image *image, int32_t x, int32_t y, float coverage, uint32_t color)
{
    uint8_t *pixel = image->pixels + 3 * ((int64_t)y * image->width + x);
    for (int c = 0; c < 3; c++) {
        float over = (float)(color >> (16 - 8 * c) & 0xFF);
        pixel[c] = (uint8_t)((float)pixel[c] + coverage * (over - (float)pixel[c]) + 0.5f);
    }
}

static int32_t clamp_to(float value, int32_t last)
{
    return !(value > 0) ? 0 : value > (float)last ? last : (int32_t)value;
}

/* All pixels at most `radius` from the segment; half a pixel of soft edge. A point is a disc. */
static void draw_capsule(Image *image, float x0, float y0, float x1, float y1, float radius,
                         uint32_t color)
{
    float reach = radius + 1, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    if (!isfinite(length2) || !(radius > 0))
        return;
    if (fmaxf(x0, x1) + reach < 0 || fmaxf(y0, y1) + reach < 0
        || fminf(x0, x1) - reach > (float)image->width
        || fminf(y0, y1) - reach > (float)image->height)
        return;
    int32_t left = clamp_to(fminf(x0, x1) - reach, image->width - 1);
    int32_t right = clamp_to(fmaxf(x0, x1) + reach, image->width - 1);
    int32_t top = clamp_to(fminf(y0, y1) - reach, image->height - 1);
    int32_t bottom = clamp_to(fmaxf(y0, y1) + reach, image->height - 1);
    for (int32_t y = top; y <= bottom; y++) {
        for (int32_t x = left; x <= right; x++) {
            float px = (float)x - x0, py = (float)y - y0;
            float t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            float distance = hypotf(px - t * dx, py - t * dy);
            float coverage = radius + 0.5f - distance;
            if (coverage > 0)
                blend(image, x, y, coverage > 1 ? 1 : coverage, color);
        }
    }
}

void image_draw_disc(Image *image, float x, float y, float radius, uint32_t color)
{
    draw_capsule(image, x, y, x, y, radius, color);
}

void image_draw_line(Image *image, float x0, float y0, float x1, float y1, float width,
                     uint32_t color)
{
    draw_capsule(image, x0, y0, x1, y1, width / 2, color);
}

/* stb_easy_font gives each character as rectangles on a grid of dots, four corners each. */
int32_t image_draw_text(Image *image, int32_t x, int32_t y, int32_t scale, uint32_t color,
                        const char *text)
{
    enum { LONGEST = 128, CORNERS_PER_CHARACTER = 4 * 18 };
    typedef struct Corner {
        float x, y, z;
        unsigned char color[4];
    } Corner;
    char line[LONGEST + 1];
    size_t length = strlen(text);
    length = length > LONGEST ? LONGEST : length;
    for (size_t i = 0; i < length; i++)
        line[i] = text[i];
    line[length] = '\0';
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';

    Corner corners[LONGEST * CORNERS_PER_CHARACTER];
    int count = stb_text_rectangles(line, corners, (int)sizeof corners);
    for (int i = 0; i < count; i++) {
        const Corner *corner = &corners[4 * i]; /* clockwise from the top left */
        int32_t left = x + scale * (int32_t)corner[0].x, top = y + scale * (int32_t)corner[0].y;
        int32_t right = x + scale * (int32_t)corner[2].x;
        int32_t bottom = y + scale * (int32_t)corner[2].y;
        for (int32_t v = top < 0 ? 0 : top; v < bottom && v < image->height; v++)
            for (int32_t u = left < 0 ? 0 : left; u < right && u < image->width; u++)
                blend(image, u, v, 1, color);
    }
    return scale * stb_text_width(line);
}
