/* Files that people hand over instead of weights are named as what they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "files.h"
#include "runtime/train/file_kind.h"
#include "runtime/train/safetensors.h"

static const struct {
    const char *bytes;
    size_t count;
    const char *name; /* NULL: unknown */
} cases[] = {
    {"", 0, "empty"},
    {"PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\12\0\0\0w/data.pkl", 40, "a PyTorch file"},
    {"PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0x.npy", 35,
     "an archive of NumPy arrays"},
    {"PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0a.txt", 35, "a zip archive"},
    {"PK\3\4", 4, "a zip archive"},
    {"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 14, "a PyTorch file"},
    {"\x80\x04\x95\x10\0\0\0\0", 8, "a Python pickle"},
    {"\x08\x07\x12\x07pytorch", 11, "an ONNX model"},
    {"\x89HDF\r\n\x1a\n\0\0", 10, "an HDF5 file, as Keras writes"},
    {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16, "a PNG picture"},
    {"\xff\xd8\xff\xe0\0\x10JFIF", 10, "a JPEG picture"},
    {"BM\x36\0\0\0\0\0", 8, "a BMP picture"},
    {"\x93NUMPY\1\0", 8, "a NumPy array"},
    {"\x1f\x8b\x08\0", 4, "compressed by gzip"},
    {"version https://git-lfs.github.com/spec/v1\n", 43, "a pointer of Git LFS, not the file"},
    {"\n<!DOCTYPE html>", 16, "a page of HTML or XML"},
    {"{\"lr\": 1}", 9, "a JSON text"},
    {"epoch,update,loss\n", 18, "a text"},
    {"\x7f"
     "ELF\2\1\1\0",
     8, "a program"},
    {"\x08\1\0\0\0\0\0\0{", 9, NULL},
    {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, NULL},
};

static void kinds(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        FileKind kind = file_kind((const uint8_t *)cases[k].bytes, cases[k].count);
        if ((kind.name == NULL) != (cases[k].name == NULL)
            || (kind.name != NULL && strcmp(kind.name, cases[k].name) != 0))
            fail_msg("case %d is %s, expected %s", (int)k, kind.name ? kind.name : "unknown",
                     cases[k].name ? cases[k].name : "unknown");
    }
}

/* What torch.save has written. */
static void a_file_of_pytorch(void **state)
{
    TensorFile file;
    Error error = {0};

    (void)state;
    assert_false(tensor_file_open(&file, SOURCE_DIR "/tests/cases/pth/w.pth", &error));
    assert_int_equal(error.status, ERROR_FILES);
    assert_string_equal(error.why, "it is a PyTorch file");
    assert_non_null(strstr(error.hint, "safetensors.torch"));
}

/* Every beginning of a file that is known, and of one that is not: nothing is read beyond it. */
static void beginnings(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        for (size_t count = 0; count <= cases[k].count; count++) {
            uint8_t *bytes = malloc(count + (count == 0));
            memcpy(bytes, cases[k].bytes, count);
            (void)file_kind(bytes, count);
            free(bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(a_file_of_pytorch),
        cmocka_unit_test(beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
