/* The pictures of this folder as OpenCV reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "runtime/data/image.h"
#include "runtime/system/os.h"
#include <stdlib.h>
#include <string.h>

#define CASES SOURCE_DIR "/tests/cases/"

static Image read_case(const char *name, int32_t bits)
{
    char path[512];
    Error error = {0};
    Image image, size;
    snprintf(path, sizeof path, CASES "%s", name);
    if (!image_read(&image, path, bits, &error) || !image_read_size(&size, path, &error))
        fail_msg("%s: %s", error.what, error.why);
    assert_int_equal(image.width, size.width);
    assert_int_equal(image.height, size.height);
    return image;
}

static int at(const Image *image, int32_t x, int32_t y)
{
    return image->pixels[((int64_t)y * image->width + x) * image->channels];
}

/* The three orientations of one picture of 64 x 48: each pixel of the file is where it belongs. */
static void test_exif(void **state)
{
    (void)state;
    static const char *const formats[] = {"png", "jpg"};
    for (int f = 0; f < 2; f++) {
        Image turned[3];
        static const char digits[] = "368";
        for (int k = 0; k < 3; k++) {
            char name[64];
            snprintf(name, sizeof name, "exif/exif%c.%s", digits[k], formats[f]);
            turned[k] = read_case(name, 0);
        }
        assert_int_equal(turned[0].width, 64);
        assert_int_equal(turned[0].height, 48);
        assert_int_equal(turned[1].width, 48);
        assert_int_equal(turned[1].height, 64);
        assert_int_equal(turned[2].width, 48);
        int spread = 0;
        for (int32_t y = 0; y < 48; y++)
            for (int32_t x = 0; x < 64; x++) {
                int file = at(&turned[0], 63 - x, 47 - y);         /* 180 degrees */
                assert_int_equal(at(&turned[1], 47 - y, x), file); /* 90 clockwise */
                assert_int_equal(at(&turned[2], y, 63 - x), file); /* 90 counter-clockwise */
                spread |= file ^ at(&turned[0], 0, 0);
            }
        assert_int_not_equal(spread, 0);
        for (int k = 0; k < 3; k++)
            image_free(&turned[k]);
    }
    Image jpeg = read_case("exif/exif6.jpg", 0), png = read_case("exif/exif6.png", 0);
    for (int32_t y = 0; y < 64; y++)
        for (int32_t x = 0; x < 48; x++)
            assert_in_range(at(&jpeg, x, y) - at(&png, x, y) + 16, 0, 32);
    image_free(&jpeg);
    image_free(&png);
}

/* Read from the files' own bytes: rows from the top, three bytes or one a pixel. */
static void test_bmp(void **state)
{
    (void)state;
    uint8_t *bytes;
    int64_t size;
    Error error = {0};
    Image image = read_case("bmp/top8.bmp", 0), rle = read_case("bmp/rle8.bmp", 0);
    assert_true(os_read_file(CASES "bmp/top8.bmp", 1 << 20, &bytes, &size, &error));
    for (int32_t y = 0; y < 48; y++)
        for (int32_t x = 0; x < 64; x++) {
            int32_t color = bytes[1078 + y * 64 + x];
            assert_int_equal(at(&image, x, y), bytes[54 + 4 * color]);
            (void)rle;
        }
    free(bytes);
    assert_int_equal(rle.width, 64);
    assert_int_equal(rle.height, 48);
    image_free(&rle);
    image_free(&image);
    image = read_case("bmp/top24.bmp", 0);
    assert_true(os_read_file(CASES "bmp/top24.bmp", 1 << 20, &bytes, &size, &error));
    assert_int_equal(image.channels, 3);
    for (int32_t k = 0; k < 48 * 64 * 3; k++)
        assert_int_equal(image.pixels[k], bytes[54 + k / 3 * 3 + 2 - k % 3]);
    free(bytes);
    image_free(&image);
}

static double mean_of(const char *name, int32_t bits)
{
    Image image = read_case(name, bits);
    double sum = 0;
    for (int64_t k = 0; k < (int64_t)image.width * image.height; k++)
        sum += image.pixels[k];
    sum /= (double)image.width * image.height;
    image_free(&image);
    return sum;
}

static void test_16_bits(void **state)
{
    (void)state;
    assert_in_range((int)mean_of("png16_scale/12bit.png", 12), 126, 129);
    assert_in_range((int)mean_of("png16_scale/12bit_one_pixel_65535.png", 12), 126, 129);
    assert_in_range((int)mean_of("png16_scale/max1023.png", 10), 126, 129);
    assert_in_range((int)mean_of("png16_scale/one_pixel_1024.png", 10), 126, 129);
    Image plain = read_case("png16_scale/12bit.png", 0);
    Image marked = read_case("png16_scale/12bit_one_pixel_65535.png", 0);
    int64_t differ = 0, count = (int64_t)plain.width * plain.height;
    for (int64_t k = 0; k < count; k++)
        differ += plain.pixels[k] != marked.pixels[k];
    assert_int_equal(differ, 1);
    image_free(&plain);
    image_free(&marked);
}

static void test_truncated_jpeg(void **state)
{
    (void)state;
    Image image;
    Error error = {0};
    assert_false(image_read(&image, CASES "truncated_jpeg/cut_eoi.jpg", 0, &error));
    assert_string_equal(error.why, "the file is cut off");
    assert_int_equal(error.status, ERROR_FILES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exif),
        cmocka_unit_test(test_bmp),
        cmocka_unit_test(test_16_bits),
        cmocka_unit_test(test_truncated_jpeg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
