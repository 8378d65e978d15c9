/* Packing problems as MiniMalloc writes them: tables of buffers, with commas between columns. */
#ifndef SNUG_PACK_FILE_H
#define SNUG_PACK_FILE_H

#include "compiler/pack/pack.h"

enum { PACK_FILE_MAX_ROWS = 1 << 15, PACK_FILE_MAX_BYTES = 1 << 26 };

typedef struct PackFile {
    const char **ids; /* by buffer, in the order of the file; UTF-8 */
    PackItem *items;  /* of 0 bytes too, which `pack` does not take */
    uint32_t count;
} PackFile;

/* The first row names the columns, in any order: id, lower, upper, size; MiniMalloc's other names
 * for them are known too (buffer and buffer_id; begin and start; end, which belongs to the
 * lifetime), and `alignment`. Columns with other names are skipped. A buffer is alive in
 * [lower, upper). Spaces around a cell, empty lines, CRLF and a byte order mark mean nothing.
 * Returns false with a message of two lines: "path:line: error: what", and what to do. */
bool pack_file_parse(PackFile *file, Arena *arena, const char *path, const char *text,
                     size_t length, const char **message);

#endif
