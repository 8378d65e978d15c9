/* The order of the reader's checks is the reference reader's, so that a file broken in two ways is
 * refused for the same reason. */
#include "safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "file_kind.h"
#include "runtime/system/os.h"

enum {
    HEADER_MAX_BYTES = 100000000,
    NAME_MAX_BYTES = 4096,
    HEADER_MAX_DEPTH = 4,
    HEADER_MAX_VALUES = 1000000 /* what a header makes the reader allocate stays under 256 MiB */
};

static const struct {
    const char *name;
    int64_t bits;
} tensor_types[TENSOR_TYPE_COUNT] = {
    [TENSOR_F4] = {"F4", 4},           [TENSOR_F6_E2M3] = {"F6_E2M3", 6},
    [TENSOR_F6_E3M2] = {"F6_E3M2", 6}, [TENSOR_BOOL] = {"BOOL", 8},
    [TENSOR_U8] = {"U8", 8},           [TENSOR_I8] = {"I8", 8},
    [TENSOR_F8_E5M2] = {"F8_E5M2", 8}, [TENSOR_F8_E4M3] = {"F8_E4M3", 8},
    [TENSOR_F8_E8M0] = {"F8_E8M0", 8}, [TENSOR_I16] = {"I16", 16},
    [TENSOR_U16] = {"U16", 16},        [TENSOR_F16] = {"F16", 16},
    [TENSOR_BF16] = {"BF16", 16},      [TENSOR_I32] = {"I32", 32},
    [TENSOR_U32] = {"U32", 32},        [TENSOR_F32] = {"F32", 32},
    [TENSOR_F64] = {"F64", 64},        [TENSOR_I64] = {"I64", 64},
    [TENSOR_U64] = {"U64", 64},        [TENSOR_C64] = {"C64", 64},
};

int64_t tensor_bits(TensorType type)
{
    return tensor_types[type].bits;
}

const char *tensor_type_name(TensorType type)
{
    return tensor_types[type].name;
}

int64_t tensor_elements(int32_t rank, const int64_t *shape)
{
    int64_t count = 1;

    for (int32_t k = 0; k < rank; k++)
        count *= shape[k];
    return count;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Says what the file is, where that is known. */
static bool refuse_kind(Error *error, const char *path)
{
    uint8_t bytes[FILE_KIND_BYTES];
    FILE *file = os_fopen(path, "rb");
    FileKind kind = {NULL, NULL};

    if (file != NULL) {
        size_t count = fread(bytes, 1, sizeof bytes, file);
        if (!ferror(file))
            kind = file_kind(bytes, count);
        fclose(file);
    }
    if (kind.name == NULL)
        return true;
    error_set(error, ERROR_FILES, "%s is no safetensors file", path);
    error_why(error, "it is %s", kind.name);
    return error_hint(error, "%s",
                      kind.hint != NULL ? kind.hint
                                        : "name a file of weights, or a checkpoint of snug");
}

static bool refuse(Error *error, const char *path, const char *why)
{
    if (!refuse_kind(error, path))
        return false;
    error_set(error, ERROR_FILES, "%s is no safetensors file that can be read", path);
    error_why(error, "%s", why);
    return error_hint(error, "was it cut off while it was copied? use another checkpoint");
}

static int64_t file_size(FILE *file)
{
    if (fseeko(file, 0, SEEK_END) != 0)
        return -1;
    return (int64_t)ftello(file);
}

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool is_utf8(const uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint8_t c = text[i++];
        int more = c < 0x80                ? 0
                   : c >= 0xC2 && c < 0xE0 ? 1
                   : c >= 0xE0 && c < 0xF0 ? 2
                   : c >= 0xF0 && c < 0xF5 ? 3
                                           : -1;
        if (more < 0 || (size_t)more > size - i)
            return false;
        for (int k = 0; k < more; k++)
            if ((text[i + (size_t)k] & 0xC0) != 0x80)
                return false;
        if ((c == 0xE0 && text[i] < 0xA0) || (c == 0xED && text[i] > 0x9F)
            || (c == 0xF0 && text[i] < 0x90) || (c == 0xF4 && text[i] > 0x8F))
            return false;
        i += (size_t)more;
    }
    return true;
}

/* What can be told of the header without parsing it: nesting, count, and that everything outside of
 * strings is an object, a list or a plain decimal. The parser recurses and allocates; this does
 * neither. Returns why the header is refused, or NULL. */
static const char *scan_header(const uint8_t *text, size_t size)
{
    bool in_string = false;
    int depth = 0;
    int64_t values = 1;

    for (size_t i = 0; i < size; i++) {
        uint8_t c = text[i];
        if (in_string) {
            i += c == '\\';
            in_string = c != '"';
            continue;
        }
        if (c == 0 || strchr("{}[]:,\" \t\r\n0123456789", c) == NULL)
            return "the header holds a value that is neither text, list nor plain decimal";
        in_string = c == '"';
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        values += c == ',' || c == ':';
        if (depth > HEADER_MAX_DEPTH)
            return "the header is nested more than 4 deep";
        if (values > HEADER_MAX_VALUES)
            return "the header holds more than 1000000 values";
    }
    return NULL;
}

static bool read_type(const json_t *value, TensorType *type)
{
    const char *name = json_string_value(value);

    for (int k = 0; name != NULL && k < TENSOR_TYPE_COUNT; k++) {
        if (strcmp(tensor_types[k].name, name) == 0) {
            *type = (TensorType)k;
            return true;
        }
    }
    return false;
}

static bool read_whole(const json_t *value, int64_t *number)
{
    *number = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
    return *number >= 0;
}

/* Bytes of the shape. Returns why it has none, or NULL. As in the reference, a dimension of 0 does
 * not excuse an overflow before it. */
static const char *shape_bytes(const TensorEntry *entry, int64_t *bytes)
{
    int64_t bits = tensor_types[entry->type].bits, count = 1;

    for (int32_t k = 0; k < entry->rank; k++) {
        if (entry->shape[k] != 0 && count > INT64_MAX / entry->shape[k])
            return "the bytes of a shape overflow";
        count *= entry->shape[k];
    }
    if (count > INT64_MAX / bits)
        return "the bytes of a shape overflow";
    if (count * bits % 8 != 0)
        return "a tensor does not end with a whole byte";
    *bytes = count * bits / 8;
    return NULL;
}

/* Returns why the tensor's member of the header is refused, or NULL. */
static const char *read_entry(const char *name, const json_t *value, TensorEntry *entry)
{
    const json_t *shape = json_object_get(value, "shape");
    const json_t *offsets = json_object_get(value, "data_offsets");

    if (!json_is_object(value) || json_object_size(value) != 3 || !json_is_array(shape)
        || !json_is_array(offsets) || json_array_size(offsets) != 2
        || !json_is_string(json_object_get(value, "dtype")))
        return "a tensor needs dtype, shape and two data_offsets, and nothing else";
    if (strlen(name) > NAME_MAX_BYTES)
        return "a name has more than 4096 bytes";
    if (json_array_size(shape) > SAFETENSORS_MAX_RANK)
        return "a tensor has more than 8 dimensions";
    if (!read_type(json_object_get(value, "dtype"), &entry->type))
        return "a tensor has an unknown dtype";
    entry->rank = (int32_t)json_array_size(shape);
    for (int32_t k = 0; k < entry->rank; k++)
        if (!read_whole(json_array_get(shape, (size_t)k), &entry->shape[k]))
            return "a dimension is no whole number";
    if (!read_whole(json_array_get(offsets, 0), &entry->begin)
        || !read_whole(json_array_get(offsets, 1), &entry->end))
        return "an offset is no whole number";
    entry->name = strdup(name);
    return entry->name != NULL ? NULL : "out of memory";
}

static const char *read_metadata(TensorFile *file, const json_t *value)
{
    const char *key;
    json_t *text;

    if (!json_is_object(value))
        return "__metadata__ is no object";
    file->metadata = calloc(json_object_size(value) + 1, sizeof *file->metadata);
    if (file->metadata == NULL)
        return "out of memory";
    json_object_foreach((json_t *)value, key, text)
    {
        MetadataEntry *entry = &file->metadata[file->metadata_count];
        if (!json_is_string(text))
            return "__metadata__ holds something that is no string";
        file->metadata_count++;
        entry->key = strdup(key);
        entry->value = strdup(json_string_value(text));
        if (entry->key == NULL || entry->value == NULL)
            return "out of memory";
    }
    return NULL;
}

static int by_begin(const void *left, const void *right)
{
    const TensorEntry *a = left, *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end)
        return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* The data is covered from its start to its end, without a hole and without an overlap. */
static const char *check_entries(TensorFile *file, int64_t data_bytes)
{
    int64_t at = 0, bytes;

    qsort(file->entries, (size_t)file->entry_count, sizeof *file->entries, by_begin);
    for (int32_t k = 0; k < file->entry_count; k++) {
        const TensorEntry *entry = &file->entries[k];
        if (entry->begin > at)
            return k == 0 ? "the first tensor does not begin at 0"
                          : "there is a hole between tensors";
        if (entry->begin < at)
            return "two tensors overlap";
        if (entry->end < entry->begin)
            return "a tensor ends before it begins";
        const char *why = shape_bytes(entry, &bytes);
        if (why != NULL)
            return why;
        if (bytes != entry->end - entry->begin)
            return "a shape and its offsets disagree";
        at = entry->end;
    }
    if (at > data_bytes)
        return "the file ends before its tensors";
    return at == data_bytes ? NULL : "the file goes on after its tensors";
}

static const char *read_header(TensorFile *file, const json_t *header, int64_t data_bytes)
{
    const char *name, *why = NULL;
    json_t *value;

    if (!json_is_object(header))
        return "the header is no object";
    file->entries = calloc(json_object_size(header) + 1, sizeof *file->entries);
    if (file->entries == NULL)
        return "out of memory";
    json_object_foreach((json_t *)header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) {
            why = read_metadata(file, value);
        } else {
            why = read_entry(name, value, &file->entries[file->entry_count]);
            file->entry_count += why == NULL;
        }
        if (why != NULL)
            return why;
    }
    return check_entries(file, data_bytes);
}

/* The header's text, checked in the reference's order. Returns why it is refused, or NULL. */
static const char *parse_header(TensorFile *file, const uint8_t *text, size_t size,
                                int64_t data_bytes)
{
    json_error_t fault;
    const char *why;

    if (!is_utf8(text, size))
        return "the header is not UTF-8";
    if (size == 0 || text[0] != '{')
        return "the header does not start with {";
    if ((why = scan_header(text, size)) != NULL)
        return why;
    json_t *header = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, &fault);
    if (header == NULL)
        return json_error_code(&fault) == json_error_duplicate_key ? "a name occurs twice"
               : json_error_code(&fault) == json_error_null_character
                       || json_error_code(&fault) == json_error_null_byte_in_key
                   ? "a name holds a NUL"
               : json_error_code(&fault) == json_error_numeric_overflow
                   ? "a number is larger than 2^63 - 1"
                   : "the header is not JSON";
    why = read_header(file, header, data_bytes);
    json_decref(header);
    return why;
}

static bool open_header(TensorFile *file, Error *error)
{
    uint8_t length[8];
    uint64_t header_bytes = 0;
    int64_t size = file_size(file->file);

    if (size < 8 || fseeko(file->file, 0, SEEK_SET) != 0 || fread(length, 1, 8, file->file) != 8)
        return refuse(error, file->path, "it has fewer than 8 bytes");
    for (int k = 7; k >= 0; k--)
        header_bytes = header_bytes << 8 | length[k];
    if (header_bytes > HEADER_MAX_BYTES)
        return refuse(error, file->path, "the header is larger than 100000000 bytes");
    if ((int64_t)header_bytes > size - 8)
        return refuse(error, file->path, "the header is longer than the file");

    uint8_t *text = malloc((size_t)header_bytes + 1);
    if (text == NULL)
        return refuse(error, file->path, "out of memory");
    const char *why =
        fread(text, 1, (size_t)header_bytes, file->file) == header_bytes
            ? parse_header(file, text, (size_t)header_bytes, size - 8 - (int64_t)header_bytes)
            : "it cannot be read";
    free(text);
    file->data_offset = 8 + (int64_t)header_bytes;
    return why == NULL || refuse(error, file->path, why);
}

bool tensor_file_open(TensorFile *file, const char *path, Error *error)
{
    *file = (TensorFile){0};
    if (os_exists(path) && !os_is_file(path)) {
        error_set(error, ERROR_FILES, "cannot read %s", path);
        return error_why(error, os_is_folder(path) ? "it is a folder" : "it is no file");
    }
    *file = (TensorFile){.file = os_fopen(path, "rb"), .path = strdup(path)};
    if (file->file == NULL || file->path == NULL) {
        error_set(error, ERROR_FILES, "cannot open %s", path);
        error_why_errno(error, errno);
        tensor_file_close(file);
        return false;
    }
    if (!open_header(file, error)) {
        tensor_file_close(file);
        return false;
    }
    return true;
}

void tensor_file_close(TensorFile *file)
{
    if (file->file != NULL)
        fclose(file->file);
    for (int32_t k = 0; k < file->entry_count; k++)
        free(file->entries[k].name);
    for (int32_t k = 0; k < file->metadata_count; k++) {
        free(file->metadata[k].key);
        free(file->metadata[k].value);
    }
    free(file->entries);
    free(file->metadata);
    free(file->path);
    *file = (TensorFile){0};
}

const TensorEntry *tensor_file_find(const TensorFile *file, const char *name)
{
    for (int32_t k = 0; k < file->entry_count; k++)
        if (strcmp(file->entries[k].name, name) == 0)
            return &file->entries[k];
    return NULL;
}

const char *tensor_file_metadata(const TensorFile *file, const char *key)
{
    for (int32_t k = 0; k < file->metadata_count; k++)
        if (strcmp(file->metadata[k].key, key) == 0)
            return file->metadata[k].value;
    return NULL;
}

bool tensor_file_read(const TensorFile *file, const TensorEntry *entry, void *data, Error *error)
{
    size_t bytes = (size_t)(entry->end - entry->begin);

    errno = 0;
    if (fseeko(file->file, (off_t)(file->data_offset + entry->begin), SEEK_SET) == 0
        && fread(data, 1, bytes, file->file) == bytes)
        return true;
    error_set(error, ERROR_FILES, "cannot read %s from %s", entry->name, file->path);
    return feof(file->file) ? error_why(error, "the file has become shorter")
                            : error_why_errno(error, errno);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int by_width_and_name(const void *left, const void *right)
{
    const TensorSource *a = left, *b = right;
    int64_t x = tensor_types[a->type].bits, y = tensor_types[b->type].bits;

    if (x != y)
        return x > y ? -1 : 1;
    return strcmp(a->name, b->name);
}

typedef struct Writing {
    const char *path, *header;
    size_t header_bytes;
    const TensorSource *sources;
    int32_t source_count;
    const MetadataEntry *metadata;
    int32_t metadata_count;
    uint8_t *bytes; /* room for the largest tensor */
    uint64_t *sums; /* {source_count}: of the bytes as they were made */
} Writing;

static int64_t source_bytes(const TensorSource *source)
{
    return tensor_elements(source->rank, source->shape) * tensor_types[source->type].bits / 8;
}

/* Any byte changes it. */
static uint64_t sum_of(const uint8_t *bytes, int64_t count)
{
    uint64_t sum = (uint64_t)count;

    for (int64_t k = 0; k < count; k += 8) {
        uint64_t word = 0;
        memcpy(&word, bytes + k, (size_t)(count - k < 8 ? count - k : 8));
        sum = (sum ^ word) * 0x9E3779B97F4A7C15u;
        sum ^= sum >> 32;
    }
    return sum;
}

static bool write_file(FILE *file, void *context)
{
    Writing *writing = context;
    uint8_t length[8];

    for (int k = 0; k < 8; k++)
        length[k] = (uint8_t)((uint64_t)writing->header_bytes >> (8 * k));
    if (fwrite(length, 1, 8, file) != 8
        || fwrite(writing->header, 1, writing->header_bytes, file) != writing->header_bytes)
        return false;
    for (int32_t k = 0; k < writing->source_count; k++) {
        const TensorSource *source = &writing->sources[k];
        size_t bytes = (size_t)source_bytes(source);
        if (!source->fill(source, writing->bytes))
            return false;
        writing->sums[k] = sum_of(writing->bytes, (int64_t)bytes);
        if (fwrite(writing->bytes, 1, bytes, file) != bytes)
            return false;
    }
    return true;
}

/* Whether the file has this tensor, as it was made. */
static bool has_source(const TensorFile *file, const Writing *writing, int32_t k, Error *reason)
{
    const TensorSource *source = &writing->sources[k];
    const TensorEntry *entry = strcmp(file->entries[k].name, source->name) == 0
                                   ? &file->entries[k]
                                   : tensor_file_find(file, source->name); /* empty ones */
    bool same = entry != NULL && entry->type == source->type && entry->rank == source->rank;

    for (int32_t d = 0; same && d < source->rank; d++)
        same = entry->shape[d] == source->shape[d];
    same = same && tensor_file_read(file, entry, writing->bytes, reason)
           && sum_of(writing->bytes, source_bytes(source)) == writing->sums[k];
    return same || error_set(reason, ERROR_FILES, "%s is another one", source->name);
}

/* What has been written is what was meant: nothing is replaced by less. */
static bool verify_file(const char *temporary, void *context, Error *error)
{
    const Writing *writing = context;
    TensorFile file = {0};
    Error reason = {0};
    bool ok = tensor_file_open(&file, temporary, &reason);

    ok = ok
         && (file.entry_count == writing->source_count
             || error_set(&reason, ERROR_FILES, "it has %d tensors", file.entry_count));
    for (int32_t k = 0; ok && k < writing->source_count; k++)
        ok = has_source(&file, writing, k, &reason);
    for (int32_t k = 0; ok && k < writing->metadata_count; k++) {
        const char *text = tensor_file_metadata(&file, writing->metadata[k].key);
        ok = (text != NULL && strcmp(text, writing->metadata[k].value) == 0)
             || error_set(&reason, ERROR_FILES, "its %s is another one", writing->metadata[k].key);
    }
    tensor_file_close(&file);
    if (ok)
        return true;
    error_set(error, ERROR_FILES, "cannot write %s", writing->path);
    return error_why(error, "what was written reads otherwise: %s%s%s", reason.what,
                     reason.why[0] ? ": " : "", reason.why);
}

static json_t *header_object(const TensorSource *sources, int32_t source_count,
                             const MetadataEntry *metadata, int32_t metadata_count)
{
    json_t *header = json_object(), *texts = json_object();
    int64_t at = 0;

    for (int32_t k = 0; k < metadata_count; k++)
        json_object_set_new(texts, metadata[k].key, json_string(metadata[k].value));
    if (metadata_count > 0)
        json_object_set(header, "__metadata__", texts);
    json_decref(texts);
    for (int32_t k = 0; k < source_count; k++) {
        const TensorSource *source = &sources[k];
        int64_t bytes = source_bytes(source);
        json_t *shape = json_array();
        for (int32_t d = 0; d < source->rank; d++)
            json_array_append_new(shape, json_integer(source->shape[d]));
        json_object_set_new(header, source->name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype",
                                      tensor_types[source->type].name, "shape", shape,
                                      "data_offsets", (json_int_t)at, (json_int_t)(at + bytes)));
        at += bytes;
    }
    return header;
}

/* Padded with blanks, so that the data begins at a multiple of 8; NULL without memory. */
static char *header_text(const TensorSource *sources, int32_t source_count,
                         const MetadataEntry *metadata, int32_t metadata_count)
{
    json_t *header = header_object(sources, source_count, metadata, metadata_count);
    char *text = header != NULL ? json_dumps(header, JSON_COMPACT) : NULL;
    size_t length = text != NULL ? strlen(text) : 0, padded = (length + 7) / 8 * 8;
    char *bytes = text != NULL ? malloc(padded + 1) : NULL;

    if (bytes != NULL) {
        memcpy(bytes, text, length);
        memset(bytes + length, ' ', padded - length);
        bytes[padded] = '\0';
    }
    json_decref(header);
    free(text);
    return bytes;
}

bool tensor_file_write(const char *path, TensorSource *sources, int32_t source_count,
                       const MetadataEntry *metadata, int32_t metadata_count, Error *error)
{
    int64_t most = 0;
    bool ok = false;

    qsort(sources, (size_t)source_count, sizeof *sources, by_width_and_name);
    for (int32_t k = 0; k < source_count; k++)
        most = source_bytes(&sources[k]) > most ? source_bytes(&sources[k]) : most;
    char *header = header_text(sources, source_count, metadata, metadata_count);
    Writing writing = {.path = path,
                       .header = header,
                       .header_bytes = header != NULL ? strlen(header) : 0,
                       .sources = sources,
                       .source_count = source_count,
                       .metadata = metadata,
                       .metadata_count = metadata_count,
                       .bytes = malloc((size_t)most + 1),
                       .sums = calloc((size_t)source_count + 1, sizeof *writing.sums)};

    if (header == NULL || writing.bytes == NULL || writing.sums == NULL)
        error_set(error, ERROR_MEMORY, "no memory to write %s", path);
    else
        ok = os_write_verified(path, write_file, verify_file, &writing, error);
    free(header);
    free(writing.bytes);
    free(writing.sums);
    return ok;
}
