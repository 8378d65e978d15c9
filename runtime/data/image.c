/* Pictures: stb_image behind limits, stb_image_write, and drawing.
 *
 * stb_image is lenient: of a JPEG or BMP that is cut off it makes up the rest in grey or black. A
 * radiograph with half a face would train the network wrongly, so such files are refused here.
 */
#include "image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image_files.h"
#include "image_stb.h" /* before stb_image.h: it says which parts */
#include <stb_image.h>

#include "runtime/system/os.h"

_Static_assert(STBI_MAX_DIMENSIONS == IMAGE_MAX_SIDE, "one limit");

enum { MAX_FILE_BYTES = 1 << 30 };

/* ---- reading --------------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint32_t little_endian(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool is_png(const uint8_t *bytes, int64_t size)
{
    return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
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

static bool refuse_memory(const Image *image, const char *name, Error *error)
{
    error_set(error, ERROR_MEMORY, "cannot read the picture %s", name);
    return error_why(error, "no memory for %d x %d pixels", image->width, image->height);
}

/* NULL, or why the bytes are not all there. Each block of 8 x 8 pixels of a JPEG takes at least one
 * bit: a small file that claims to be large is not decoded to the end. */
static const char *find_fault(const Image *image, const uint8_t *bytes, int64_t size,
                              bool *has_memory)
{
    static const char *const cut = "the file is cut off";
    int32_t w = image->width, h = image->height;
    *has_memory = true;
    if (is_png(bytes, size))
        return png_is_complete(bytes, size) ? NULL : cut;
    if (bytes[0] == 'B')
        return bmp_is_complete(bytes, size, w, h) ? NULL : cut;
    if ((int64_t)w * h / (64 * 8) > size)
        return cut;
    switch (jpeg_check(bytes, size, has_memory)) {
    case JPEG_is_whole: return NULL;
    case JPEG_is_cut: return cut;
    case JPEG_is_broken: return "its data is broken";
    case JPEG_has_too_many_scans: break;
    }
    return "it has more than 100 scans";
}

/* What the chunks of a PNG say beside width and height. Chunks that `bytes` does not reach say
 * nothing. */
static void read_chunks(const uint8_t *bytes, int64_t size, Image *image, int *orientation)
{
    for (int64_t at = 8; at + 12 <= size;) {
        int64_t length = big_endian(bytes + at);
        const uint8_t *name = bytes + at + 4, *data = bytes + at + 8;
        bool is_here = length <= size - at - 12;
        if (memcmp(name, "IHDR", 4) == 0 && length >= 13 && is_here)
            image->depth = data[8] == 16 ? 16 : 8;
        if (memcmp(name, "sBIT", 4) == 0 && is_here && image->depth == 16)
            for (int64_t k = 0; k < length && k < image->channels; k++)
                if (data[k] > image->significant && data[k] <= 16)
                    image->significant = data[k];
        if (memcmp(name, "eXIf", 4) == 0 && is_here)
            *orientation = tiff_orientation(data, length);
        at += 12 + length;
    }
}

/* Width, height, channels, depth, from the head of the file alone, not yet turned. */
static bool read_head(Image *image, const uint8_t *bytes, int64_t size, const char *name,
                      Error *error)
{
    *image = (Image){0};
    if (size == 0)
        return refuse(name, "the file is empty", error);
    if (size > MAX_FILE_BYTES)
        return refuse(name, "the file is larger than 1 GiB", error);
    int width = 0, height = 0, channels = 3;
    bool is_rle = false, is_known = bmp_read_head(bytes, size, &width, &height, &is_rle);
    stb_begin(SIZE_MAX);
    if (!is_known && !stbi_info_from_memory(bytes, (int)size, &width, &height, &channels))
        return stb_had_no_memory()
                   ? refuse_memory(image, name, error)
                   : refuse(name, "not a PNG, JPEG or BMP file, or its head is broken", error);
    if (width < 1 || height < 1)
        return refuse(name, "it has no pixels", error);
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE
        || (int64_t)width * height > IMAGE_MAX_MEGAPIXELS * 1000000LL) {
        error_set(error, ERROR_FILES, "cannot read the picture %s", name);
        return error_why(error, "%d x %d pixels; at most %d a side and %d million in all", width,
                         height, IMAGE_MAX_SIDE, IMAGE_MAX_MEGAPIXELS);
    }
    *image =
        (Image){.width = width, .height = height, .channels = channels < 3 ? 1 : 3, .depth = 8};
    return true;
}

/* 16 bits a channel, in place to 8; 2^bits - 1 is white. Returns how many are brighter. */
static int64_t reduce_to_8_bits(Image *image, uint16_t *wide, int32_t bits)
{
    uint8_t *narrow = image->pixels;
    int64_t count = (int64_t)image->width * image->height * image->channels, brighter = 0;
    uint32_t top = (1u << bits) - 1, largest = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t value = wide[i];
        largest = value > largest ? value : largest;
        brighter += value > top;
        value = value > top ? top : value;
        narrow[i] = (uint8_t)((value * 255u + top / 2) / top);
    }
    while (largest >> image->used_bits != 0)
        image->used_bits++;
    return brighter;
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

/* stb_image's arrays are at most the pixels with 4 channels, twice, what a PNG unpacks to in
 * steps that double, and the file. A small file that unpacks to much more ends there. */
static size_t largest_array(const Image *image, int64_t size)
{
    return (image->depth == 16 ? 16 : 8) * (size_t)image->width * (size_t)image->height
           + 2 * (size_t)image->height + 2 * (size_t)size + (64 << 10);
}

/* Pixels from a file whose head has been read and that is whole. */
static bool decode(Image *image, const uint8_t *bytes, int64_t size, int32_t bits, const char *name,
                   Error *error)
{
    int32_t width, height;
    int w, h, channels;
    const char *reason = NULL;
    bool is_rle = false;
    stb_begin(largest_array(image, size));
    if (bmp_read_head(bytes, size, &width, &height, &is_rle) && is_rle) {
        image->pixels = bmp_decode_rle(bytes, size, &reason);
        if (image->pixels == NULL)
            return reason != NULL ? refuse(name, reason, error) : refuse_memory(image, name, error);
        return true;
    }
    uint16_t *wide = NULL;
    if (image->depth == 16) {
        wide = stbi_load_16_from_memory(bytes, (int)size, &w, &h, &channels, image->channels);
        image->pixels = (uint8_t *)wide;
    } else {
        image->pixels = stbi_load_from_memory(bytes, (int)size, &w, &h, &channels, image->channels);
    }
    if (image->pixels == NULL) {
        if (stb_had_no_memory())
            return refuse_memory(image, name, error);
        reason = stb_was_over_limit() ? "its data unpacks to more than its pixels"
                                      : stbi_failure_reason();
        bool is_silent = reason == NULL || reason[0] == '\0';
        return refuse(name, is_silent ? "its data is broken" : reason, error);
    }
    image->width = w;
    image->height = h;
    if (wide == NULL)
        return true;
    int64_t brighter = reduce_to_8_bits(image, wide, bits);
    if (100 * brighter <= (int64_t)w * h * image->channels)
        return true;
    image_free(image);
    error_set(error, ERROR_FILES, "the picture %s is not of %d bits", name, bits);
    error_why(error, "%lld of its values are brighter than %d", (long long)brighter,
              (1 << bits) - 1);
    return error_hint(error, "--bits 16 takes 65535 as white, for all pictures");
}

bool image_decode(Image *image, const uint8_t *bytes, int64_t size, int32_t bits, const char *name,
                  Error *error)
{
    int orientation = 1;
    bool has_memory, is_rle = false;
    int32_t width, height;
    if (!read_head(image, bytes, size, name, error))
        return false;
    bool is_a_png = is_png(bytes, size);
    bool is_bmp = bmp_read_head(bytes, size, &width, &height, &is_rle);
    const char *fault = is_bmp && is_rle ? NULL : find_fault(image, bytes, size, &has_memory);
    if (fault != NULL)
        return !has_memory ? refuse_memory(image, name, error) : refuse(name, fault, error);
    if (is_a_png)
        read_chunks(bytes, size, image, &orientation);
    else if (bytes[0] == 0xFF)
        orientation = jpeg_orientation(bytes, size);
    if (!decode(image, bytes, size, bits == 0 ? 16 : bits, name, error))
        return false;
    if (image->channels == 3)
        join_equal_channels(image);
    if (image_orient(image, orientation))
        return true;
    refuse_memory(image, name, error);
    image_free(image);
    return false;
}

bool image_read(Image *image, const char *path, int32_t bits, Error *error)
{
    *image = (Image){0};
    uint8_t *bytes;
    int64_t size;
    if (!os_read_file(path, MAX_FILE_BYTES, &bytes, &size, error))
        return false;
    bool ok = image_decode(image, bytes, size, bits, path, error);
    free(bytes);
    return ok;
}

/* The chunks of a PNG from its file, without the data of those that hold pixels. */
static bool read_chunks_of_file(FILE *file, Image *image, int *orientation)
{
    enum { MOST = 64 << 10 };
    uint8_t *chunk = malloc(8 + MOST + 12);
    bool ok = chunk != NULL;
    long at = 8;
    while (ok && fseek(file, at, SEEK_SET) == 0 && fread(chunk + 8, 1, 8, file) == 8) {
        int64_t length = big_endian(chunk + 8);
        bool is_wanted = memcmp(chunk + 12, "IDAT", 4) != 0 && length <= MOST;
        if (length > MAX_FILE_BYTES)
            break;
        if (is_wanted && fread(chunk + 16, 1, (size_t)length + 4, file) == (size_t)length + 4)
            read_chunks(chunk, length + 20, image, orientation);
        at += 12 + (long)length;
    }
    ok = ok && !ferror(file);
    free(chunk);
    return ok;
}

/* The first bytes say it, unless a JPEG begins with much else. */
bool image_read_size(Image *image, const char *path, Error *error)
{
    enum { HEAD_BYTES = 64 << 10 };
    int orientation = 1;
    *image = (Image){0};
    FILE *file = os_open_regular(path, error);
    if (file == NULL)
        return false;
    uint8_t *bytes = malloc(HEAD_BYTES);
    size_t got = bytes == NULL ? 0 : fread(bytes, 1, HEAD_BYTES, file);
    Error ignored = {0};
    bool found = got > 0 && read_head(image, bytes, (int64_t)got, path, &ignored);
    if (found && is_png(bytes, (int64_t)got))
        found = read_chunks_of_file(file, image, &orientation);
    else if (found && bytes[0] == 0xFF)
        orientation = jpeg_orientation(bytes, (int64_t)got);
    fclose(file);
    free(bytes);
    if (found)
        return image_orient(image, orientation);

    int64_t size;
    if (!os_read_file(path, MAX_FILE_BYTES, &bytes, &size, error))
        return false;
    bool ok = read_head(image, bytes, size, path, error);
    if (ok && bytes[0] == 0xFF)
        orientation = jpeg_orientation(bytes, size);
    free(bytes);
    return ok && image_orient(image, orientation);
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
