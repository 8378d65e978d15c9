/* What a file is that is not what was expected: people hand over what they have. */
#ifndef SNUG_FILE_KIND_H
#define SNUG_FILE_KIND_H

#include <stddef.h>
#include <stdint.h>

enum { FILE_KIND_BYTES = 512 };

typedef struct FileKind {
    const char *name; /* "a PyTorch file"; NULL: unknown */
    const char *hint; /* how to get what was expected; NULL: nothing to say */
} FileKind;

/* By its first bytes, FILE_KIND_BYTES of them where it has as many. */
FileKind file_kind(const uint8_t *bytes, size_t count);

#endif
