/* safetensors: u64 length N, a JSON header of N bytes, the tensors' bytes to the end of the file.
 *
 * The reader accepts what the reference reader accepts, less: duplicate names, nesting over 4,
 * numbers that are no plain decimals, names over 4096 bytes, rank over 8, a NUL in a name, more
 * than a million values. It reads with fread, not by a memory map: a file that shrinks under it is
 * an error, not a signal.
 */
#ifndef SNUG_SAFETENSORS_H
#define SNUG_SAFETENSORS_H

#include <stdint.h>
#include <stdio.h>

#include "runtime/system/error.h"

enum { SAFETENSORS_MAX_RANK = 8 };

typedef enum TensorType {
    TENSOR_F4,
    TENSOR_F6_E2M3,
    TENSOR_F6_E3M2, /* these three: fewer than 8 bits an element */
    TENSOR_BOOL,
    TENSOR_U8,
    TENSOR_I8,
    TENSOR_F8_E5M2,
    TENSOR_F8_E4M3,
    TENSOR_F8_E8M0,
    TENSOR_I16,
    TENSOR_U16,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I32,
    TENSOR_U32,
    TENSOR_F32,
    TENSOR_F64,
    TENSOR_I64,
    TENSOR_U64,
    TENSOR_C64,
    TENSOR_TYPE_COUNT
} TensorType;

typedef struct TensorEntry {
    char *name;
    TensorType type;
    int32_t rank;
    int64_t shape[SAFETENSORS_MAX_RANK];
    int64_t begin, end; /* bytes, relative to the data */
} TensorEntry;

typedef struct MetadataEntry {
    char *key, *value;
} MetadataEntry;

typedef struct TensorFile {
    FILE *file;
    char *path;
    int64_t data_offset;
    TensorEntry *entries; /* sorted by begin */
    int32_t entry_count;
    MetadataEntry *metadata;
    int32_t metadata_count;
} TensorFile;

/* Checks all of the header; reads no tensor. The error's why says which check failed. */
bool tensor_file_open(TensorFile *file, const char *path, Error *error);
void tensor_file_close(TensorFile *file);                                      /* of zeros too */
const TensorEntry *tensor_file_find(const TensorFile *file, const char *name); /* NULL: absent */
const char *tensor_file_metadata(const TensorFile *file, const char *key);     /* NULL: absent */
/* All bytes of the tensor into data, entry->end - entry->begin of them. */
bool tensor_file_read(const TensorFile *file, const TensorEntry *entry, void *data, Error *error);

/* What is to be written: `fill` makes the tensor's bytes when its turn comes; false: there is
 * nothing to be written, of which it may have set the error. */
typedef struct TensorSource {
    const char *name;
    TensorType type;
    int32_t rank;
    int64_t shape[SAFETENSORS_MAX_RANK];
    bool (*fill)(const struct TensorSource *source, void *bytes);
    void *context;
    int64_t index; /* for fill */
} TensorSource;

/* Sorts `sources` as the reference writer does (wider types first, then by name) and replaces
 * path atomically, once what was written has been read back and is what was meant. */
bool tensor_file_write(const char *path, TensorSource *sources, int32_t source_count,
                       const MetadataEntry *metadata, int32_t metadata_count, Error *error);

int64_t tensor_bits(TensorType type); /* of an element */
const char *tensor_type_name(TensorType type);
int64_t tensor_elements(int32_t rank, const int64_t *shape); /* of a checked shape */

#endif
