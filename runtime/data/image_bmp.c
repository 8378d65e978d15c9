/* Bitmaps: their heads, and the runs of RLE8 and RLE4, which stb_image does not read. */
#include <stdlib.h>
#include <string.h>

#include "image_files.h"

static uint32_t little(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    for (int k = bytes - 1; k >= 0; k--)
        value = value << 8 | at[k];
    return value;
}

bool bmp_read_head(const uint8_t *bytes, int64_t size, int32_t *width, int32_t *height,
                   bool *is_rle)
{
    if (size < 54 || memcmp(bytes, "BM", 2) != 0 || little(bytes + 14, 4) < 40)
        return false;
    int64_t down = (int32_t)little(bytes + 22, 4), compression = little(bytes + 30, 4);
    uint32_t bits = little(bytes + 28, 2), across = little(bytes + 18, 4);
    *is_rle = (compression == 1 && bits == 8) || (compression == 2 && bits == 4);
    down = down < 0 ? -down : down;
    *width = across > INT32_MAX ? INT32_MAX : (int32_t)across;
    *height = down > INT32_MAX ? INT32_MAX : (int32_t)down;
    return *is_rle || compression == 0 || compression == 3;
}

typedef struct Runs {
    const uint8_t *at, *end, *palette;
    int64_t colors;
    int32_t width, height, x, y; /* y from the first row of the file */
    bool is_upwards;
    uint8_t *pixels;
} Runs;

static void put(Runs *runs, uint32_t color)
{
    if (runs->x >= runs->width || runs->y >= runs->height)
        return;
    int32_t row = runs->is_upwards ? runs->height - 1 - runs->y : runs->y;
    uint8_t *pixel = runs->pixels + 3 * ((int64_t)row * runs->width + runs->x++);
    for (int c = 0; c < 3; c++)
        pixel[c] = color < runs->colors ? runs->palette[4 * color + 2 - (uint32_t)c] : 0;
}

/* Pixel k of the bytes at `at`. */
static uint32_t color_of(const uint8_t *at, uint32_t k, bool is_rle4)
{
    return !is_rle4 ? at[k] : k % 2 == 0 ? at[k / 2] >> 4 : at[k / 2] & 15;
}

/* One pair of bytes and what belongs to it. False: the runs end before the picture does. */
static bool read_run(Runs *runs, bool is_rle4, bool *is_end)
{
    if (runs->end - runs->at < 2)
        return false;
    uint32_t count = runs->at[0], value = runs->at[1];
    runs->at += 2;
    if (count > 0) {
        for (uint32_t k = 0; k < count; k++)
            put(runs, !is_rle4 ? value : k % 2 == 0 ? value >> 4 : value & 15);
        return true;
    }
    switch (value) {
    case 0:
        runs->x = 0;
        runs->y++;
        return true;
    case 1: *is_end = true; return true;
    case 2:
        if (runs->end - runs->at < 2)
            return false;
        runs->x = runs->x + runs->at[0] < runs->width ? runs->x + runs->at[0] : runs->width;
        runs->y += runs->at[1];
        runs->at += 2;
        return true;
    default: break;
    }
    int64_t used = is_rle4 ? (value + 1) / 2 : value;
    if (runs->end - runs->at < used)
        return false;
    for (uint32_t k = 0; k < value; k++)
        put(runs, color_of(runs->at, k, is_rle4));
    used += used % 2; /* padded to whole words, but for the last of some writers */
    runs->at += used < runs->end - runs->at ? used : runs->end - runs->at;
    return true;
}

uint8_t *bmp_decode_rle(const uint8_t *bytes, int64_t size, const char **reason)
{
    Runs runs = {.end = bytes + size};
    bool is_rle, is_end = false;
    int64_t head = 14 + (int64_t)little(bytes + 14, 4), data = little(bytes + 10, 4);

    *reason = "its data is broken";
    if (!bmp_read_head(bytes, size, &runs.width, &runs.height, &is_rle) || data < head
        || data > size)
        return NULL;
    runs.at = bytes + data;
    runs.palette = bytes + head;
    runs.colors = (data - head) / 4;
    runs.is_upwards = (int32_t)little(bytes + 22, 4) > 0;
    size_t pixels = (size_t)runs.width * (size_t)runs.height;
    runs.pixels = malloc(3 * pixels);
    *reason = NULL;
    if (runs.pixels == NULL)
        return NULL;
    for (size_t k = 0; k < 3 * pixels; k++)
        runs.pixels[k] = runs.colors > 0 ? runs.palette[2 - k % 3] : 0;
    bool is_rle4 = little(bytes + 30, 4) == 2, ok = true;
    while (ok && !is_end && runs.y < runs.height)
        ok = read_run(&runs, is_rle4, &is_end);
    /* some writers leave out the end mark */
    if (!ok && !(runs.y == runs.height - 1 && runs.x == runs.width)) {
        *reason = "the file is cut off";
        free(runs.pixels);
        return NULL;
    }
    return runs.pixels;
}
