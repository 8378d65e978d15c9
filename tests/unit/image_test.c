/* Pictures: what is read, what is refused and why, what is drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "files.h"
#include "runtime/data/image.h"

/* stb_image_write is part of the runtime; JPEG is written here alone. */
int stbi_write_jpg_to_func(void (*write)(void *context, void *data, int size), void *context, int x,
                           int y, int channels, const void *data, int quality);

static void put_jpeg(void *buffer, void *data, int size)
{
    put(buffer, data, (size_t)size);
}

/* 8 x 8 pixels of C 0, M 1, Y 1, K 0, that is red, as Adobe stores it: inverted. */
static const uint8_t cmyk_jpeg[] = {
    0xff, 0xd8, 0xff, 0xee, 0x00, 0x0e, 0x41, 0x64, 0x6f, 0x62, 0x65, 0x00, 0x64, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x28, 0x1c, 0x1e, 0x23, 0x1e, 0x19, 0x28, 0x23, 0x21,
    0x23, 0x2d, 0x2b, 0x28, 0x30, 0x3c, 0x64, 0x41, 0x3c, 0x37, 0x37, 0x3c, 0x7b, 0x58, 0x5d, 0x49,
    0x64, 0x91, 0x80, 0x99, 0x96, 0x8f, 0x80, 0x8c, 0x8a, 0xa0, 0xb4, 0xe6, 0xc3, 0xa0, 0xaa, 0xda,
    0xad, 0x8a, 0x8c, 0xc8, 0xff, 0xcb, 0xda, 0xee, 0xf5, 0xff, 0xff, 0xff, 0x9b, 0xc1, 0xff, 0xff,
    0xff, 0xfa, 0xff, 0xe6, 0xfd, 0xff, 0xf8, 0xff, 0xc0, 0x00, 0x14, 0x08, 0x00, 0x08, 0x00, 0x08,
    0x04, 0x43, 0x11, 0x00, 0x4d, 0x11, 0x00, 0x59, 0x11, 0x00, 0x4b, 0x11, 0x00, 0xff, 0xc4, 0x00,
    0x14, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x05, 0xff, 0xc4, 0x00, 0x14, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xda, 0x00, 0x0e, 0x04, 0x43, 0x00,
    0x4d, 0x00, 0x59, 0x00, 0x4b, 0x00, 0x00, 0x3f, 0x00, 0x64, 0x28, 0x53, 0x2f, 0xff, 0xd9,
};

static void expect_refused(const Buffer *file, const char *why)
{
    Image image;
    Error error = {0};
    assert_false(image_decode(&image, file->bytes, (int64_t)file->size, 0, "dir/name.png", &error));
    assert_null(image.pixels);
    assert_int_equal(error.status, ERROR_FILES);
    assert_non_null(strstr(error.what, "dir/name.png"));
    if (strstr(error.why, why) == NULL)
        fail_msg("says \"%s\", not \"%s\"", error.why, why);
}

static Image expect_read(const Buffer *file, int32_t width, int32_t height, int32_t channels)
{
    Image image;
    Error error = {0};
    if (!image_decode(&image, file->bytes, (int64_t)file->size, 0, "name", &error))
        fail_msg("%s: %s", error.what, error.why);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_int_equal(image.channels, channels);
    return image;
}

static void test_grey_png(void **state)
{
    (void)state;
    static const uint8_t rows[] = {0, 50, 100, 150, 200, 255};
    Buffer png = make_png(3, 2, 8, 0, rows, 3, 2);
    Image image = expect_read(&png, 3, 2, 1);
    assert_memory_equal(image.pixels, rows, 6);
    image_free(&image);
    free(png.bytes);
}

static void test_alpha_is_dropped(void **state)
{
    (void)state;
    static const uint8_t rgba[] = {10, 20, 30, 0, 40, 50, 60, 255};
    Buffer png = make_png(2, 1, 8, 6, rgba, 8, 1);
    Image image = expect_read(&png, 2, 1, 3);
    assert_memory_equal(image.pixels, ((uint8_t[]){10, 20, 30, 40, 50, 60}), 6);
    image_free(&image);
    free(png.bytes);
    static const uint8_t grey_alpha[] = {10, 0, 40, 255};
    png = make_png(2, 1, 8, 4, grey_alpha, 4, 1);
    image = expect_read(&png, 2, 1, 1);
    assert_memory_equal(image.pixels, ((uint8_t[]){10, 40}), 2);
    image_free(&image);
    free(png.bytes);
}

/* The same six greys as bitmap, as RGB and as grey are one picture. */
static void test_equal_channels_become_grey(void **state)
{
    (void)state;
    uint8_t rgb[18];
    for (int i = 0; i < 18; i++)
        rgb[i] = (uint8_t)(40 * (i / 3));
    Buffer bmp = make_bmp(3, 2, rgb);
    Image image = expect_read(&bmp, 3, 2, 1);
    assert_memory_equal(image.pixels, ((uint8_t[]){0, 40, 80, 120, 160, 200}), 6);
    Error error = {0};
    assert_true(image_make_rgb(&image, &error));
    assert_memory_equal(image.pixels, rgb, 18);
    image_free(&image);
    rgb[17]++;
    Buffer colored = make_bmp(3, 2, rgb);
    image = expect_read(&colored, 3, 2, 3);
    assert_memory_equal(image.pixels, rgb, 18);
    image_free(&image);
    free(bmp.bytes);
    free(colored.bytes);
}

/* 16 bits a channel: what is white is said, never guessed from the pixels of one picture. */
static void test_16_bits(void **state)
{
    (void)state;
    static const struct {
        int32_t bits;
        uint16_t in[3];
        uint8_t out[3];
        int32_t used;
    } cases[] = {
        {0, {0, 32768, 65535}, {0, 128, 255}, 16}, {16, {0, 8192, 16383}, {0, 32, 64}, 14},
        {14, {0, 8192, 16383}, {0, 128, 255}, 14}, {12, {0, 2048, 4095}, {0, 128, 255}, 12},
        {10, {0, 512, 1023}, {0, 128, 255}, 10},   {0, {0, 1, 255}, {0, 0, 1}, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Buffer row = {0};
        for (int k = 0; k < 3; k++)
            put_number(&row, cases[i].in[k], 2, 1);
        Buffer png = make_png(3, 1, 16, 0, row.bytes, 6, 1);
        Image image;
        Error error = {0};
        assert_true(
            image_decode(&image, png.bytes, (int64_t)png.size, cases[i].bits, "name", &error));
        assert_memory_equal(image.pixels, cases[i].out, 3);
        assert_int_equal(image.used_bits, cases[i].used);
        assert_int_equal(image.depth, 16);
        image_free(&image);
        free(row.bytes);
        free(png.bytes);
    }
}

/* One pixel beyond white changes no other; many are another scale. */
static void test_beyond_white(void **state)
{
    (void)state;
    enum { SIDE = 16 };
    for (int many = 0; many < 2; many++) {
        Buffer rows = {0};
        for (int k = 0; k < SIDE * SIDE; k++)
            put_number(&rows, k == 7 || many ? 65535 : 2048, 2, 1);
        Buffer png = make_png(SIDE, SIDE, 16, 0, rows.bytes, 2 * SIDE, SIDE);
        Image image;
        Error error = {0};
        bool ok = image_decode(&image, png.bytes, (int64_t)png.size, 12, "name", &error);
        assert_int_equal(ok, many == 0);
        for (int k = 0; ok && k < SIDE * SIDE; k++)
            assert_int_equal(image.pixels[k], k == 7 ? 255 : 128);
        if (!ok)
            assert_non_null(strstr(error.hint, "--bits 16"));
        image_free(&image);
        free(rows.bytes);
        free(png.bytes);
    }
}

static void test_cmyk_jpeg(void **state)
{
    (void)state;
    Buffer jpeg = {(uint8_t *)cmyk_jpeg, sizeof cmyk_jpeg, 0};
    Image image = expect_read(&jpeg, 8, 8, 3);
    for (int i = 0; i < 64; i++) {
        assert_in_range(image.pixels[3 * i], 235, 255);
        assert_in_range(image.pixels[3 * i + 1], 0, 20);
        assert_in_range(image.pixels[3 * i + 2], 0, 20);
    }
    image_free(&image);
}

/* Every prefix of a good file is refused, whatever the format. */
static void test_cut_off(void **state)
{
    (void)state;
    uint8_t pixels[16 * 16 * 3];
    for (int i = 0; i < (int)sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 7 % 251);
    Buffer jpeg = {0};
    assert_true(stbi_write_jpg_to_func(put_jpeg, &jpeg, 16, 16, 3, pixels, 90));
    Buffer files[] = {make_png(16, 16, 8, 2, pixels, 48, 16), make_bmp(16, 16, pixels), jpeg};
    for (int f = 0; f < 3; f++) {
        Image image = expect_read(&files[f], 16, 16, 3);
        image_free(&image);
        for (size_t size = 0; size < files[f].size; size++) {
            Buffer prefix = {malloc(size + 1), size, 0}; /* so that ASan sees each byte beyond */
            prefix.bytes = realloc(prefix.bytes, size > 0 ? size : 1);
            memcpy(prefix.bytes, files[f].bytes, size);
            expect_refused(&prefix, "");
            free(prefix.bytes);
        }
        free(files[f].bytes);
    }
}

/* Half of a scan is half a picture, whatever stands behind it; and a little less, too. */
static void test_cut_jpeg_with_an_end(void **state)
{
    (void)state;
    enum { SIDE = 96 };
    static uint8_t pixels[SIDE * SIDE * 3];
    for (int i = 0; i < (int)sizeof pixels; i++)
        pixels[i] = (uint8_t)((unsigned)i * (unsigned)i * 7 % 251);
    Buffer jpeg = {0};
    assert_true(stbi_write_jpg_to_func(put_jpeg, &jpeg, SIDE, SIDE, 3, pixels, 90));
    Image image = expect_read(&jpeg, SIDE, SIDE, 3);
    image_free(&image);
    for (size_t size = jpeg.size / 4; size + 4 < jpeg.size; size += 1 + size % 97) {
        Buffer cut = {malloc(size + 2), size + 2, 0};
        memcpy(cut.bytes, jpeg.bytes, size);
        memcpy(cut.bytes + size, "\xFF\xD9", 2);
        expect_refused(&cut, "cut off");
        free(cut.bytes);
    }
    free(jpeg.bytes);
}

/* Adds bits, the first one first: numbers of deflate from their lowest, its codes from their
 * highest. */
static void put_bits(Buffer *data, int *used, uint32_t code, int count)
{
    for (int k = count - 1; k >= 0; k--, *used = (*used + 1) % 8) {
        if (*used == 0)
            put(data, "", 1);
        data->bytes[data->size - 1] |= (uint8_t)((code >> k & 1) << *used);
    }
}

/* 1.6 million repeats of 258 bytes: 2.6 MB that unpack to 400 MB, for 64 pixels. */
static void test_bomb(void **state)
{
    (void)state;
    static const uint8_t row[1];
    Buffer png = make_png(8, 8, 8, 0, row, 1, 1), data = {0};
    int used = 0;
    png.size = 8 + 25; /* signature and IHDR */
    put(&data, "\x78\x01", 2);
    put_bits(&data, &used, 6, 3);    /* the last block, fixed codes */
    put_bits(&data, &used, 0x30, 8); /* a 0 */
    for (int k = 0; k < 1600000; k++)
        put_bits(&data, &used, 0xC5 << 5, 13); /* 258 bytes from one before */
    put_bits(&data, &used, 0, 7);
    put_chunk(&png, "IDAT", &data);
    put_chunk(&png, "IEND", &(Buffer){0});
    expect_refused(&png, "unpacks to more than its pixels");
    free(data.bytes);
    free(png.bytes);
}

static void test_refusals(void **state)
{
    (void)state;
    Buffer empty = {0};
    expect_refused(&empty, "the file is empty");
    Buffer text = {(uint8_t *)"hello, this is no picture", 25, 0};
    expect_refused(&text, "not a PNG, JPEG or BMP");

    static const uint8_t row[4] = {0};
    static const struct {
        uint32_t width, height;
        const char *why;
    } sizes[] = {
        {65535, 65535, ""},
        {32769, 1, ""},
        {1, 40000, ""},
        {32768, 32768, "200 million"},
        {20000, 20000, "20000 x 20000"},
        {0, 5, ""},
        {0x7fffffff, 0x7fffffff, ""},
        {0xffffffff, 1, ""},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        Buffer png = make_png(sizes[i].width, sizes[i].height, 8, 0, row, 4, 1);
        expect_refused(&png, sizes[i].why);
        free(png.bytes);
    }
}

/* Broken compressed data of which stb_image says nothing, after a failure of which it does: the
 * reason is not that of the file before. */
static void test_no_reason(void **state)
{
    (void)state;
    static const uint8_t rows[4];
    Buffer png = make_png(2, 2, 8, 0, rows, 2, 2);
    png.bytes[8 + 25 + 8] = 0; /* of the compressed data the first byte */
    expect_refused(&png, "bad zlib header");
    png.bytes[8 + 25 + 8] = 0x78;
    png.bytes[8 + 25 + 8 + 2] = 7; /* a block of type 3, which there is not */
    expect_refused(&png, "its data is broken");
    free(png.bytes);
}

static void test_files(void **state)
{
    (void)state;
    char *folder = make_folder();
    static const uint8_t rows[] = {1, 2, 3, 4};
    Buffer png = make_png(2, 2, 8, 0, rows, 2, 2);
    write_file(folder, "a.jpg", png.bytes, png.size); /* the bytes say what it is, not the name */
    char *path = os_join(folder, "a.jpg"), *copy = os_join(folder, "copy.png");
    Error error = {0};
    Image image, size;
    assert_true(image_read(&image, path, 0, &error));
    assert_true(image_read_size(&size, path, &error));
    assert_null(size.pixels);
    assert_int_equal(size.width, 2);
    assert_int_equal(size.height, 2);
    assert_true(image_write_png(&image, copy, &error));
    Image again;
    assert_true(image_read(&again, copy, 0, &error));
    assert_int_equal(again.channels, 1);
    assert_memory_equal(again.pixels, rows, 4);
    image_free(&image);
    image_free(&again);

    assert_false(image_read(&image, folder, 0, &error));
    error = (Error){0};
    assert_false(image_read(&image, "files_test_missing.png", 0, &error));
    assert_non_null(strstr(error.what, "files_test_missing.png"));
    error = (Error){0};
    assert_false(image_read_size(&image, "files_test_missing.png", &error));
    free(path), free(copy), free(png.bytes);
    remove_folder(folder);
}

static Image black(int32_t width, int32_t height)
{
    return (Image){.pixels = calloc((size_t)(width * height), 3),
                   .width = width,
                   .height = height,
                   .channels = 3};
}

/* Sums of red: the area that is covered, in pixels. */
static double covered(const Image *image)
{
    double sum = 0;
    for (int64_t i = 0; i < (int64_t)image->width * image->height; i++)
        sum += image->pixels[3 * i] / 255.0;
    return sum;
}

static void test_drawing(void **state)
{
    (void)state;
    Image image = black(64, 48);
    image_draw_disc(&image, 30.3f, 20.7f, 6, 0xFF8000);
    assert_true(covered(&image) > 3.14159 * 36 * 0.97 && covered(&image) < 3.14159 * 36 * 1.03);
    const uint8_t *middle = image.pixels + 3 * (21 * 64 + 30);
    assert_memory_equal(middle, ((uint8_t[]){0xFF, 0x80, 0x00}), 3);
    memset(image.pixels, 0, 64 * 48 * 3);
    image_draw_line(&image, 5, 5, 45, 35, 2, 0xFF0000);
    assert_true(covered(&image) > 98 && covered(&image) < 106); /* 50 x 2, and round ends */
    memset(image.pixels, 0, 64 * 48 * 3);
    int32_t width = image_draw_text(&image, 2, 3, 1, 0xFFFFFF, "Go 12");
    assert_in_range(width, 20, 40);
    assert_true(covered(&image) > 30);
    assert_true(image_draw_text(&image, 2, 3, 2, 0xFFFFFF, "Go 12") == 2 * width);
    image_free(&image);
}

/* Whatever the coordinates, only the picture is written to (ASan looks on). */
static void test_drawing_is_clipped(void **state)
{
    (void)state;
    static const float far[] = {-1e30f, -1e9f, -40, -3, 0, 5, 9, 13, 3e9f, 1e30f, NAN, INFINITY};
    enum { COUNT = sizeof far / sizeof far[0] };
    Image image = black(10, 10);
    for (int i = 0; i < COUNT * COUNT; i++) {
        image_draw_disc(&image, far[i / COUNT], far[i % COUNT], 4, 0xFFFFFF);
        image_draw_line(&image, far[i / COUNT], far[i % COUNT], far[i % COUNT], 5, 3, 0xFFFFFF);
    }
    for (int x = -100; x < 30; x += 7)
        image_draw_text(&image, x, x / 2, 3, 0xFFFFFF,
                        "a long text, \x01\xff"
                        "\xc3\xbc beyond");
    char text[1001];
    memset(text, 'W', 1000);
    text[1000] = '\0';
    assert_true(image_draw_text(&image, 0, 0, 1, 0xFFFFFF, text) > 128);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grey_png),
        cmocka_unit_test(test_alpha_is_dropped),
        cmocka_unit_test(test_equal_channels_become_grey),
        cmocka_unit_test(test_16_bits),
        cmocka_unit_test(test_cmyk_jpeg),
        cmocka_unit_test(test_beyond_white),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_cut_jpeg_with_an_end),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_reason),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_drawing),
        cmocka_unit_test(test_drawing_is_clipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
