/* What the tests of files share: a folder of their own, files of given bytes, and pictures that are
 * written by the test itself so that each byte can be wrong. */
#ifndef SNUG_TEST_FILES_H
#define SNUG_TEST_FILES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/os.h"

typedef struct Buffer {
    uint8_t *bytes;
    size_t size, capacity;
} Buffer;

static inline void put(Buffer *buffer, const void *bytes, size_t size)
{
    if (buffer->size + size > buffer->capacity) {
        buffer->capacity = 2 * (buffer->size + size);
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    }
    if (size > 0)
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
}

static inline void put_number(Buffer *buffer, uint32_t number, int bytes, int big_endian)
{
    for (int i = 0; i < bytes; i++) {
        uint8_t byte = (uint8_t)(number >> 8 * (big_endian ? bytes - 1 - i : i));
        put(buffer, &byte, 1);
    }
}

/* A temporary folder below the working directory; remove_folder deletes it with all in it. */
static inline char *make_folder(void)
{
    char *path = strdup("files_test_XXXXXX");
    return mkdtemp(path);
}

static inline void remove_folder(char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    if (system(command) != 0)
        abort();
    free(path);
}

/* Makes the folders on the way. */
static inline void write_file(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *strrchr(path, '/') = '\0';
    Error error = {0};
    if (!os_make_folders(path, &error))
        abort();
    path[strlen(path)] = '/';
    FILE *file = fopen(path, "wb");
    if (file == NULL || (size > 0 && fwrite(bytes, 1, size, file) != size) || fclose(file) != 0)
        abort();
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
    write_file(folder, name, text, strlen(text));
}

static inline uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

static inline void put_chunk(Buffer *png, const char *name, const Buffer *data)
{
    Buffer chunk = {0};
    put(&chunk, name, 4);
    put(&chunk, data->bytes, data->size);
    put_number(png, (uint32_t)data->size, 4, 1);
    put(png, chunk.bytes, chunk.size);
    put_number(png, crc32_of(chunk.bytes, chunk.size), 4, 1);
    free(chunk.bytes);
}

/* A PNG without compression. type: 0 grey, 2 RGB, 4 grey and alpha, 6 RGB and alpha. rows: the
 * bytes of the picture with no filter bytes; bytes of 16-bit samples are big-endian. */
static inline Buffer make_png(uint32_t width, uint32_t height, int depth, int type,
                              const uint8_t *rows, size_t row_bytes, size_t row_count)
{
    Buffer png = {0}, head = {0}, raw = {0}, data = {0}, nothing = {0};
    put(&png, "\x89PNG\r\n\x1A\n", 8);
    put_number(&head, width, 4, 1);
    put_number(&head, height, 4, 1);
    put(&head, (uint8_t[]){(uint8_t)depth, (uint8_t)type, 0, 0, 0}, 5);
    put_chunk(&png, "IHDR", &head);
    for (size_t y = 0; y < row_count; y++) {
        put(&raw, "", 1);
        put(&raw, rows + y * row_bytes, row_bytes);
    }
    put(&data, "\x78\x01", 2);
    for (size_t at = 0; at < raw.size || at == 0;) {
        size_t length = raw.size - at < 65535 ? raw.size - at : 65535;
        uint8_t is_last = at + length == raw.size;
        put(&data, &is_last, 1);
        put_number(&data, (uint32_t)length, 2, 0);
        put_number(&data, ~(uint32_t)length, 2, 0);
        put(&data, raw.bytes + at, length);
        at += length > 0 ? length : 1;
    }
    uint32_t a = 1, b = 0;
    for (size_t i = 0; i < raw.size; i++) {
        a = (a + raw.bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_number(&data, b << 16 | a, 4, 1);
    put_chunk(&png, "IDAT", &data);
    put_chunk(&png, "IEND", &nothing);
    free(head.bytes);
    free(raw.bytes);
    free(data.bytes);
    return png;
}

/* A bitmap of 24 bits; pixels {height, width, 3} RGB from the top. */
static inline Buffer make_bmp(int32_t width, int32_t height, const uint8_t *pixels)
{
    Buffer bmp = {0};
    uint32_t row = (uint32_t)(3 * width + 3) / 4 * 4;
    put(&bmp, "BM", 2);
    put_number(&bmp, 54 + row * (uint32_t)height, 4, 0);
    put_number(&bmp, 0, 4, 0);
    put_number(&bmp, 54, 4, 0);
    put_number(&bmp, 40, 4, 0);
    put_number(&bmp, (uint32_t)width, 4, 0);
    put_number(&bmp, (uint32_t)height, 4, 0);
    put_number(&bmp, 1, 2, 0);
    put_number(&bmp, 24, 2, 0);
    for (int i = 0; i < 6; i++)
        put_number(&bmp, 0, 4, 0);
    for (int32_t y = height - 1; y >= 0; y--) {
        for (int32_t x = 0; x < width; x++)
            for (int c = 2; c >= 0; c--)
                put(&bmp, &pixels[3 * (y * width + x) + c], 1);
        put(&bmp, "\0\0\0", row - 3 * (uint32_t)width);
    }
    return bmp;
}

#endif
