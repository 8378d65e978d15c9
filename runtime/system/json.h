/* JSON: jansson with limits and with errors that say file, line and column. */
#ifndef SNUG_JSON_H
#define SNUG_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"

enum { JSON_MAX_DEPTH = 64 };

/* NULL after an error: not a file, more than `limit` bytes, nested deeper than JSON_MAX_DEPTH, not
 * JSON, a member twice. A byte-order mark is skipped; NaN and Infinity, which Python writes, read
 * as null. The caller owns the result: json_decref. `name` stands for the text in messages. */
json_t *json_read_file(const char *path, int64_t limit, Error *error);
json_t *json_read_text(const uint8_t *text, int64_t size, const char *name, Error *error);

/* A name as name_write has it; NULL: no memory. */
json_t *json_name(const char *name);

#endif
