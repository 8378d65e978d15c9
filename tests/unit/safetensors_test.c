/* safetensors: each way a file can be wrong is refused for its own reason; what is written is read
 * back to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "runtime/system/random.h"
#include "runtime/train/safetensors.h"

static char *folder;

static int set_up(void **state)
{
    (void)state;
    folder = make_folder();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

/* ---- files that are wrong -------------------------------------------------------------------- */

/* A file: the length (as it is, or `length` where that is given), the header, `data` bytes. */
typedef struct Case {
    const char *header;
    int64_t data;
    const char *why;     /* NULL: the file is good */
    uint64_t length;     /* 0: that of the header */
    size_t header_bytes; /* 0: up to the NUL */
} Case;

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(first, second)                                                                         \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first "},"                          \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

static const char disagree[] = "a shape and its offsets disagree";
static const char overflow[] = "the bytes of a shape overflow";
static const char members[] = "a tensor needs dtype, shape and two data_offsets, and nothing else";
static const char not_plain[] =
    "the header holds a value that is neither text, list nor plain decimal";

static const Case cases[] = {
    /* good ones */
    {"{}", 0, NULL, 0, 0},
    {"{}   ", 0, NULL, 0, 0},
    {"{\"__metadata__\":{}}", 0, NULL, 0, 0},
    {"{\"__metadata__\":{\"a\":\"b\"}}", 0, NULL, 0, 0},
    {ONE("F32", "[2,2]", "[0,16]"), 16, NULL, 0, 0},
    {ONE("F32", "[]", "[0,4]"), 4, NULL, 0, 0},
    {ONE("F32", "[2,0]", "[0,0]"), 0, NULL, 0, 0},
    {ONE("F4", "[2]", "[0,1]"), 1, NULL, 0, 0},
    {ONE("I64", "[1,1,1,1,1,1,1,1]", "[0,8]"), 8, NULL, 0, 0},
    {TWO("[4,8]", "[0,4]"), 8, NULL, 0, 0},
    /* the header's length */
    {"{}", 0, "the header is larger than 100000000 bytes", 100000001, 0},
    {"{}", 0, "the header is larger than 100000000 bytes", UINT64_MAX, 0},
    {"{}", 0, "the header is longer than the file", 3, 0},
    {"{}", 0, "the header is longer than the file", 100000000, 0},
    {"", 0, "the header does not start with {", 0, 0},
    /* its text */
    {"{\"\xff\":0}", 0, "the header is not UTF-8", 0, 0},
    {"{\"\xc0\xaf\":0}", 0, "the header is not UTF-8", 0, 0},
    {"{\"\xed\xa0\x80\":0}", 0, "the header is not UTF-8", 0, 0},
    {"{\"\xf4\x90\x80\x80\":0}", 0, "the header is not UTF-8", 0, 0},
    {"{\"\xe2\x82", 0, "the header is not UTF-8", 0, 0},
    {" {}", 0, "the header does not start with {", 0, 0},
    {"[]", 0, "the header does not start with {", 0, 0},
    {"\xEF\xBB\xBF{}", 0, "the header does not start with {", 0, 0},
    {"{", 0, "the header is not JSON", 0, 0},
    {"{}{}", 0, "the header is not JSON", 0, 0},
    {"{\"a\":}", 0, "the header is not JSON", 0, 0},
    {"{\"a\":007}", 0, "the header is not JSON", 0, 0},
    {"{\"a\":NaN}", 0, not_plain, 0, 0},
    {"{\"a\":null}", 0, not_plain, 0, 0},
    {"{}\0", 0, not_plain, 0, 3},
    {"{\"a\":[[[[]]]]}", 0, "the header is nested more than 4 deep", 0, 0},
    {"{\"a\\u0000b\":{}}", 0, "a name holds a NUL", 0, 0},
    {"{\"__metadata__\":{\"a\":\"\\u0000\"}}", 0, "a name holds a NUL", 0, 0},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "a name occurs twice", 0, 0},
    {TWO("[0,4]", "[4,8],\"shape\":[4]"), 8, "a name occurs twice", 0, 0},
    /* the members */
    {"{\"__metadata__\":[]}", 0, "__metadata__ is no object", 0, 0},
    {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__ holds something that is no string", 0, 0},
    {"{\"a\":1}", 0, members, 0, 0},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}", 1, members, 0, 0},
    {"{\"a\":{\"dtype\":8,\"shape\":[],\"data_offsets\":[0,1]}}", 1, members, 0, 0},
    {ONE("U8", "[],\"more\":[]", "[0,1]"), 1, members, 0, 0},
    {ONE("U8", "[1]", "[0]"), 1, members, 0, 0},
    {ONE("U8", "[1]", "[0,1,1]"), 1, members, 0, 0},
    {ONE("U8", "1", "[0,1]"), 1, members, 0, 0},
    {ONE("u8", "[1]", "[0,1]"), 1, "a tensor has an unknown dtype", 0, 0},
    {ONE("F128", "[1]", "[0,16]"), 16, "a tensor has an unknown dtype", 0, 0},
    {ONE("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "a tensor has more than 8 dimensions", 0, 0},
    {ONE("U8", "[\"1\"]", "[0,1]"), 1, "a dimension is no whole number", 0, 0},
    {ONE("U8", "[1]", "[0,\"1\"]"), 1, "an offset is no whole number", 0, 0},
    {ONE("U8", "[-1]", "[0,1]"), 1, not_plain, 0, 0},
    {ONE("U8", "[1.0]", "[0,1]"), 1, not_plain, 0, 0},
    {ONE("U8", "[1e0]", "[0,1]"), 1, not_plain, 0, 0},
    {ONE("U8", "[9223372036854775808]", "[0,1]"), 1, "a number is larger than 2^63 - 1", 0, 0},
    /* the offsets */
    {ONE("U8", "[2]", "[1,3]"), 3, "the first tensor does not begin at 0", 0, 0},
    {TWO("[0,4]", "[5,9]"), 9, "there is a hole between tensors", 0, 0},
    {TWO("[0,4]", "[2,6]"), 6, "two tensors overlap", 0, 0},
    {TWO("[0,4]", "[0,4]"), 4, "two tensors overlap", 0, 0},
    {TWO("[0,4]", "[4,0]"), 8, "a tensor ends before it begins", 0, 0},
    {ONE("U8", "[2]", "[0,3]"), 3, disagree, 0, 0},
    {ONE("F32", "[2]", "[0,2]"), 2, disagree, 0, 0},
    {ONE("F32", "[2,0]", "[0,4]"), 4, disagree, 0, 0},
    {ONE("F4", "[3]", "[0,2]"), 2, "a tensor does not end with a whole byte", 0, 0},
    {ONE("U8", "[9223372036854775807,2]", "[0,1]"), 1, overflow, 0, 0},
    {ONE("F64", "[4611686018427387904]", "[0,1]"), 1, overflow, 0, 0},
    {ONE("U8", "[4294967296,4294967296,0]", "[0,0]"), 0, overflow, 0, 0},
    {ONE("U8", "[4]", "[0,4]"), 3, "the file ends before its tensors", 0, 0},
    {ONE("U8", "[4]", "[0,4]"), 5, "the file goes on after its tensors", 0, 0},
    {"{}", 1, "the file goes on after its tensors", 0, 0},
};

static void write_case(const char *name, const Case *c)
{
    Buffer file = {0};
    size_t size = c->header_bytes ? c->header_bytes : strlen(c->header);
    uint64_t length = c->length ? c->length : size;

    put_number(&file, (uint32_t)length, 4, 0);
    put_number(&file, (uint32_t)(length >> 32), 4, 0);
    put(&file, c->header, size);
    for (int64_t k = 0; k < c->data; k++)
        put(&file, "x", 1);
    write_file(folder, name, file.bytes, file.size);
    free(file.bytes);
}

/* Opens folder/NAME; "" where that succeeds, else why not. */
static void open_reason(const char *name, char *why, size_t size)
{
    char path[512];
    TensorFile file;
    Error error = {0};

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tensor_file_open(&file, path, &error)) {
        tensor_file_close(&file);
        snprintf(why, size, "%s", "");
    } else {
        assert_int_equal(error.status, ERROR_FILES);
        snprintf(why, size, "%s", error.why);
    }
}

static void each_fault_has_its_reason(void **state)
{
    char why[256];

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        write_case("case", &cases[k]);
        open_reason("case", why, sizeof why);
        if (strcmp(why, cases[k].why ? cases[k].why : "") != 0)
            fail_msg("case %d %s\n gives \"%s\", expected \"%s\"", (int)k, cases[k].header, why,
                     cases[k].why ? cases[k].why : "");
    }
}

static void short_and_missing_files(void **state)
{
    char why[256];

    (void)state;
    for (size_t size = 0; size < 8; size++) {
        write_file(folder, "short", "\2\0\0\0\0\0\0\0", size);
        open_reason("short", why, sizeof why);
        assert_string_equal(why, size == 0 ? "it is empty" : "it has fewer than 8 bytes");
    }
    open_reason("missing", why, sizeof why);
    assert_string_equal(why, "no such file or directory");
}

static void long_names_and_many_values(void **state)
{
    static const char rest[] = "\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}";
    Buffer text = {0};
    char why[256];

    (void)state;
    put(&text, "{\"", 2);
    for (int k = 0; k < 4097; k++)
        put(&text, "n", 1);
    put(&text, rest, strlen(rest));
    write_case("long", &(Case){(char *)text.bytes, 1, NULL, 0, text.size});
    open_reason("long", why, sizeof why);
    assert_string_equal(why, "a name has more than 4096 bytes");

    text.size = 0;
    put(&text, "{\"a\":[0", 7);
    for (int k = 0; k < 1000000; k++)
        put(&text, ",0", 2);
    put(&text, "]}", 2);
    write_case("many", &(Case){(char *)text.bytes, 0, NULL, 0, text.size});
    open_reason("many", why, sizeof why);
    assert_string_equal(why, "the header holds more than 1000000 values");
    free(text.bytes);
}

/* A file cut off anywhere is refused: a checkpoint is the whole of it or nothing. */
static void every_prefix_is_refused(void **state)
{
    static const Case whole = {TWO("[4,8]", "[0,4]"), 8, NULL, 0, 0};
    size_t size = 8 + strlen(whole.header) + 8;
    char path[512], why[256];
    uint8_t bytes[512];

    (void)state;
    write_case("whole", &whole);
    snprintf(path, sizeof path, "%s/whole", folder);
    FILE *file = fopen(path, "rb");
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), size);
    fclose(file);
    for (size_t k = 0; k < size; k++) {
        write_file(folder, "prefix", bytes, k);
        open_reason("prefix", why, sizeof why);
        assert_string_not_equal(why, "");
    }
}

/* ---- round trips ----------------------------------------------------------------------------- */

enum { MOST_TENSORS = 12, ROUNDS = 300 };

static uint8_t content_byte(int64_t tensor, int64_t k)
{
    return (uint8_t)random_bits(random_key(7, RANDOM_INIT, (uint64_t)tensor, 0), (uint64_t)k);
}

static bool fill(const TensorSource *source, void *bytes)
{
    int64_t count = tensor_elements(source->rank, source->shape) * tensor_bits(source->type) / 8;

    for (int64_t k = 0; k < count; k++)
        ((uint8_t *)bytes)[k] = content_byte(source->index, k);
    return true;
}

static int32_t random_sources(RandomKey key, TensorSource *sources, char names[][64])
{
    int32_t count = (int32_t)(random_bits(key, 0) % (MOST_TENSORS + 1));

    for (int32_t k = 0; k < count; k++) {
        uint64_t at = 100 + 20 * (uint64_t)k;
        snprintf(names[k], 64, "%c\xc3\xa9\"\\.%u.%d", 'a' + (int)(random_bits(key, at) % 26),
                 random_bits(key, at + 1), k);
        sources[k] = (TensorSource){
            .name = names[k],
            .fill = fill,
            .index = k,
            .type = (TensorType)(TENSOR_BOOL
                                 + random_bits(key, at + 2) % (TENSOR_TYPE_COUNT - TENSOR_BOOL)),
            .rank = (int32_t)(random_bits(key, at + 3) % 5)};
        for (int32_t d = 0; d < sources[k].rank; d++)
            sources[k].shape[d] = random_bits(key, at + 4 + (uint64_t)d) % 6;
    }
    return count;
}

static void check_round_trip(const char *path, const TensorSource *sources, int32_t count)
{
    TensorFile file;
    Error error = {0};
    uint8_t *data = malloc(1 << 20);

    assert_true(tensor_file_open(&file, path, &error));
    assert_int_equal(file.entry_count, count);
    assert_int_equal(file.data_offset % 8, 0);
    assert_string_equal(tensor_file_metadata(&file, "format"), "pt");
    assert_null(tensor_file_metadata(&file, "absent"));
    for (int32_t k = 0; k < count; k++) {
        const TensorEntry *entry = tensor_file_find(&file, sources[k].name);
        assert_non_null(entry);
        assert_int_equal(entry->type, sources[k].type);
        assert_int_equal(entry->rank, sources[k].rank);
        for (int32_t d = 0; d < entry->rank; d++)
            assert_int_equal(entry->shape[d], sources[k].shape[d]);
        assert_int_equal(entry->begin % (tensor_bits(entry->type) / 8), 0);
        assert_true(tensor_file_read(&file, entry, data, &error));
        for (int64_t b = 0; b < entry->end - entry->begin; b++)
            assert_int_equal(data[b], content_byte(sources[k].index, b));
    }
    free(data);
    tensor_file_close(&file);
}

static void random_files_come_back(void **state)
{
    static const MetadataEntry metadata[] = {{"format", "pt"},
                                             {"note", "\"quoted\" \xe2\x82\xac\n"}};
    TensorSource sources[MOST_TENSORS];
    char names[MOST_TENSORS][64], path[512];

    (void)state;
    snprintf(path, sizeof path, "%s/round", folder);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        Error error = {0};
        int32_t count = random_sources(random_key(1, RANDOM_INIT, round, 1), sources, names);
        assert_true(tensor_file_write(path, sources, count, metadata, 2, &error));
        check_round_trip(path, sources, count);
    }
}

/* The bytes that the reference writer makes of the same two tensors. */
static void known_bytes(void **state)
{
    static const char expected[] =
        "\x98\0\0\0\0\0\0\0"
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
        "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}       ";
    TensorSource sources[] = {
        {.name = "a", .type = TENSOR_U8, .rank = 1, .shape = {2}, .fill = fill, .index = 0},
        {.name = "b", .type = TENSOR_F32, .rank = 0, .fill = fill, .index = 1},
    };
    static const MetadataEntry metadata[] = {{"format", "pt"}};
    char path[512];
    uint8_t bytes[512];
    Error error = {0};

    (void)state;
    snprintf(path, sizeof path, "%s/known", folder);
    assert_true(tensor_file_write(path, sources, 2, metadata, 1, &error));
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    size_t header = 8 + (size_t)bytes[0];
    assert_int_equal(size, header + 6);
    assert_int_equal(bytes[0] % 8, 0);
    assert_memory_equal(bytes + 8, expected + 8, strlen(expected + 8) - 7);
    for (size_t k = strlen(expected + 8) - 7 + 8; k < header; k++)
        assert_int_equal(bytes[k], ' ');
}

/* ---- writing that fails ---------------------------------------------------------------------- */

static bool refuse_to_fill(const TensorSource *source, void *bytes)
{
    (void)source;
    (void)bytes;
    return false;
}

/* Writes behind the back of the writer, as memory or a disk that is broken would: the bytes of the
 * first tensor are on their way to the file when those of the second are made. */
static bool damage_the_file(const TensorSource *source, void *bytes)
{
    FILE *file = fopen(source->context, "r+b");

    memset(bytes, 7, 1 << 16);
    if (file == NULL)
        return false;
    fseek(file, 5000, SEEK_SET);
    fputc(8, file);
    return fclose(file) == 0;
}
/* The old file stays as it was, and no .tmp is left. */
static void failed_write_keeps_the_old_file(void **state)
{
    TensorSource good = {.name = "a", .type = TENSOR_U8, .rank = 1, .shape = {9}, .fill = fill};
    TensorSource bad = {.name = "a",
                        .type = TENSOR_U8,
                        .rank = 1,
                        .shape = {9},
                        .fill = refuse_to_fill};
    static const MetadataEntry metadata[] = {{"format", "pt"}};
    char path[512], temporary[520];
    Error error = {0};

    (void)state;
    snprintf(path, sizeof path, "%s/kept", folder);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    assert_true(tensor_file_write(path, &good, 1, metadata, 1, &error));
    assert_false(tensor_file_write(path, &bad, 1, metadata, 1, &error));
    assert_int_equal(error.status, ERROR_FILES);
    check_round_trip(path, &good, 1);
    assert_false(os_exists(temporary));

    /* what reads back otherwise replaces nothing */
    TensorSource damaged[2];
    for (int k = 0; k < 2; k++)
        damaged[k] = (TensorSource){.name = k == 0 ? "a" : "b",
                                    .type = TENSOR_U8,
                                    .rank = 1,
                                    .shape = {1 << 16},
                                    .fill = damage_the_file,
                                    .context = temporary};
    error = (Error){0};
    assert_false(tensor_file_write(path, damaged, 2, metadata, 1, &error));
    assert_int_equal(error.status, ERROR_FILES);
    assert_non_null(strstr(error.why, "reads otherwise: a"));
    check_round_trip(path, &good, 1);
    assert_false(os_exists(temporary));
}

/* A link stays one, and what it leads to is written; what is no file is refused. */
static void links_and_devices(void **state)
{
    TensorSource good = {.name = "a", .type = TENSOR_U8, .rank = 1, .shape = {9}, .fill = fill};
    static const MetadataEntry metadata[] = {{"format", "pt"}};
    char target[512], first[512], second[512], pipe[512], link[64];
    Error error = {0};

    (void)state;
    snprintf(target, sizeof target, "%s/target", folder);
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", folder);
    snprintf(pipe, sizeof pipe, "%s/pipe", folder);
    assert_int_equal(symlink("target", first), 0);
    assert_int_equal(symlink("first", second), 0);
    for (int k = 0; k < 2; k++) { /* the target is not there, then it is */
        assert_true(tensor_file_write(second, &good, 1, metadata, 1, &error));
        check_round_trip(target, &good, 1);
        assert_int_equal(readlink(first, link, sizeof link), 6);
        assert_int_equal(readlink(second, link, sizeof link), 5);
    }
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const char *const refused[] = {pipe, folder, "/dev/null", "/dev/full"};
    for (int k = 0; k < 4; k++) {
        error = (Error){0};
        assert_false(tensor_file_write(refused[k], &good, 1, metadata, 1, &error));
        assert_int_equal(error.status, ERROR_FILES);
        assert_non_null(strstr(error.why, k == 0 ? "a pipe" : k == 1 ? "a folder" : "a device"));
    }
    unlink(pipe);
    assert_true(os_same_file(second, target) && !os_same_file(second, folder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_reason),
        cmocka_unit_test(short_and_missing_files),
        cmocka_unit_test(long_names_and_many_values),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(random_files_come_back),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(failed_write_keeps_the_old_file),
        cmocka_unit_test(links_and_devices),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
