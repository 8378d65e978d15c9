/* A table of what files begin with, and the few formats that take a closer look. */
#include "file_kind.h"

#include <stdbool.h>
#include <string.h>

static const char from_pytorch[] =
    "make one of it: python3 -c \"import torch, safetensors.torch as s; d = torch.load('FILE', "
    "map_location='cpu'); s.save_file(d.get('state_dict', d), 'FILE.safetensors')\"";

static const struct {
    size_t at, length;
    const char *bytes;
    FileKind kind;
} beginnings[] = {
    {0, 12, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8", {"a PyTorch file", from_pytorch}},
    {0, 8, "\x89HDF\r\n\x1a\n", {"an HDF5 file, as Keras writes", NULL}},
    {0, 8, "\x89PNG\r\n\x1a\n", {"a PNG picture", NULL}},
    {0, 3, "\xff\xd8\xff", {"a JPEG picture", NULL}},
    {0, 4, "GIF8", {"a GIF picture", NULL}},
    {0, 4, "II*\0", {"a TIFF picture", NULL}},
    {0, 4, "MM\0*", {"a TIFF picture", NULL}},
    {128, 4, "DICM", {"a DICOM file", NULL}},
    {8, 4, "WEBP", {"a WebP picture", NULL}},
    {0, 5, "%PDF-", {"a PDF document", NULL}},
    {0, 6, "\x93NUMPY", {"a NumPy array", NULL}},
    {4, 4, "TFL3", {"a TensorFlow Lite model", NULL}},
    {0, 4, "GGUF", {"a GGUF model", NULL}},
    {0, 2, "\x1f\x8b", {"compressed by gzip", "unpack it first"}},
    {0, 4, "\x28\xb5\x2f\xfd", {"compressed by zstd", "unpack it first"}},
    {0,
     6,
     "\xfd"
     "7zXZ\0",
     {"compressed by xz", "unpack it first"}},
    {0, 6, "7z\xbc\xaf\x27\x1c", {"a 7z archive", "unpack it first"}},
    {0, 4, "Rar!", {"a RAR archive", "unpack it first"}},
    {257, 5, "ustar", {"a tar archive", "unpack it first"}},
    {0, 23, "version https://git-lfs", {"a pointer of Git LFS, not the file", "git lfs pull"}},
    {0,
     4,
     "\x7f"
     "ELF",
     {"a program", NULL}},
    {0, 2, "MZ", {"a program", NULL}},
    {0, 2, "BM", {"a BMP picture", NULL}},
};

static bool ends_with(const uint8_t *name, size_t length, const char *end)
{
    size_t size = strlen(end);
    return length >= size && memcmp(name + length - size, end, size) == 0;
}

/* By the name of the first file in it: 30 bytes in, its length at 26. */
static FileKind zip_kind(const uint8_t *bytes, size_t count)
{
    size_t length = count >= 30 ? (size_t)bytes[26] | (size_t)bytes[27] << 8 : 0;
    const uint8_t *name = bytes + 30;

    if (length > 0 && length <= count - 30) {
        if (ends_with(name, length, "/data.pkl") || ends_with(name, length, "/.format_version")
            || ends_with(name, length, "/byteorder") || ends_with(name, length, "/.data/version"))
            return (FileKind){"a PyTorch file", from_pytorch};
        if (ends_with(name, length, ".npy"))
            return (FileKind){"an archive of NumPy arrays", NULL};
    }
    return (FileKind){"a zip archive", "unpack it first"};
}

/* Field 1 of ONNX's ModelProto is a small version, and one of its other fields comes next. */
static bool is_onnx(const uint8_t *bytes, size_t count)
{
    return count > 3 && bytes[0] == 0x08 && bytes[1] >= 1 && bytes[1] <= 32
           && memchr("\x12\x1a\x22\x28\x32\x3a\x42", bytes[2], 7) != NULL;
}

static FileKind text_kind(const uint8_t *bytes, size_t count)
{
    size_t at = 0;

    for (size_t k = 0; k < count; k++)
        if (bytes[k] >= 0x7f || (bytes[k] < ' ' && memchr("\t\r\n\f", bytes[k], 4) == NULL))
            return (FileKind){NULL, NULL};
    while (at < count && memchr(" \t\r\n", bytes[at], 4) != NULL)
        at++;
    if (at < count && bytes[at] == '<')
        return (FileKind){"a page of HTML or XML", "did its download ask for something?"};
    if (at < count && (bytes[at] == '{' || bytes[at] == '['))
        return (FileKind){"a JSON text", NULL};
    return (FileKind){"a text", NULL};
}

FileKind file_kind(const uint8_t *bytes, size_t count)
{
    if (count == 0)
        return (FileKind){"empty", NULL};
    if (count >= 4 && memcmp(bytes, "PK\3\4", 4) == 0)
        return zip_kind(bytes, count);
    for (size_t k = 0; k < sizeof beginnings / sizeof beginnings[0]; k++)
        if (beginnings[k].at + beginnings[k].length <= count
            && memcmp(bytes + beginnings[k].at, beginnings[k].bytes, beginnings[k].length) == 0)
            return beginnings[k].kind;
    if (count > 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5)
        return (FileKind){"a Python pickle", from_pytorch};
    if (is_onnx(bytes, count))
        return (FileKind){"an ONNX model", NULL};
    return text_kind(bytes, count);
}
