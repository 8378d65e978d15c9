/* TensorBoard's records byte for byte, as its own writer makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "files.h"
#include "runtime/train/events.h"

static void crc_of_the_standard(void **state)
{
    (void)state;
    assert_int_equal(events_crc32c((const uint8_t *)"123456789", 9), 0xE3069283u);
    assert_int_equal(events_crc32c(NULL, 0), 0);
}

static void version_record(void **state)
{
    static const uint8_t expected[] = {0x18, 0,    0,    0,    0,    0,    0,    0,    0xa3, 0x7f,
                                       0x4b, 0x22, 0x09, 0,    0,    0,    0,    0,    0,    0xf8,
                                       0x3f, 0x1a, 0x0d, 0x62, 0x72, 0x61, 0x69, 0x6e, 0x2e, 0x45,
                                       0x76, 0x65, 0x6e, 0x74, 0x3a, 0x32, 0x2a, 0x28, 0x64, 0x6c};
    uint8_t record[EVENTS_MAX_BYTES];

    (void)state;
    assert_int_equal(events_version_record(record, 1.5, "brain.Event:2"), sizeof expected);
    assert_memory_equal(record, expected, sizeof expected);
}

static void scalar_record(void **state)
{
    static const uint8_t expected[] = {
        0x1b, 0,    0,    0,    0,    0,    0,    0,    0x1a, 0x0d, 0x9e, 0x13, 0x09, 0,    0,
        0,    0,    0,    0,    0,    0x40, 0x10, 0xac, 0x02, 0x2a, 0x0d, 0x0a, 0x0b, 0x0a, 0x04,
        0x6c, 0x6f, 0x73, 0x73, 0x15, 0,    0,    0,    0x3f, 0xdf, 0xc5, 0x2b, 0x60};
    static const EventScalar loss = {"loss", 0.5f};
    uint8_t record[EVENTS_MAX_BYTES];

    (void)state;
    assert_int_equal(events_scalar_record(record, 2.0, 300, &loss, 1), sizeof expected);
    assert_memory_equal(record, expected, sizeof expected);
}

/* The records of a file: each length and checksum leads to the next, the last one to the end. */
static int count_records(const uint8_t *bytes, int64_t size)
{
    int count = 0;

    for (int64_t at = 0; at < size; count++) {
        uint64_t length = 0;
        assert_true(size - at >= 16);
        for (int k = 7; k >= 0; k--)
            length = length << 8 | bytes[at + k];
        assert_true(length <= (uint64_t)(size - at - 16));
        uint32_t crc = events_crc32c(bytes + at + 12, length);
        uint32_t masked = (crc >> 15 | crc << 17) + 0xa282ead8u, stored = 0;
        for (int k = 3; k >= 0; k--)
            stored = stored << 8 | bytes[at + 12 + (int64_t)length + k];
        assert_int_equal(masked, stored);
        at += 16 + (int64_t)length;
    }
    return count;
}

/* Two runs within one second get two files; the second one, resumed, begins with a restart. */
static void files(void **state)
{
    char *folder = make_folder(), **names;
    FILE *first, *second;
    Error error = {0};
    int64_t count;

    (void)state;
    assert_true(events_open(&first, folder, 0, &error));
    assert_true(events_write(first, 3.0, 1, (EventScalar[]){{"a", 1}, {"b", 2}}, 2));
    assert_true(events_open(&second, folder, 1, &error));
    fclose(first);
    fclose(second);
    assert_true(os_list_folder(folder, &names, &count, &error));
    assert_int_equal(count, 2);
    for (int64_t k = 0; k < count; k++) {
        uint8_t *bytes;
        int64_t size;
        char *path = os_join(folder, names[k]);
        assert_non_null(strstr(path, "tfevents"));
        assert_true(os_read_file(path, 1 << 20, &bytes, &size, &error));
        assert_int_equal(count_records(bytes, size), 2);
        free(bytes);
        free(path);
        free(names[k]);
    }
    free(names);
    remove_folder(folder);
}

static void no_folder(void **state)
{
    FILE *file;
    Error error = {0};

    (void)state;
    assert_false(events_open(&file, "no/such/folder", 0, &error));
    assert_int_equal(error.status, ERROR_FILES);
    assert_null(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_of_the_standard), cmocka_unit_test(version_record),
        cmocka_unit_test(scalar_record),       cmocka_unit_test(files),
        cmocka_unit_test(no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
