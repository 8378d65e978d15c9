/* Text: a builder, interned names, and numbers printed the same in every locale. */
#ifndef SNUG_TEXT_H
#define SNUG_TEXT_H

#include <stdarg.h>
#include <stdio.h>

#include "arena.h"

/* Grows in its arena; bytes[0 .. length) are followed by a NUL. Start from {.arena = a}. */
typedef struct Text {
    Arena *arena;
    char *bytes;
    size_t length;
    size_t capacity;
} Text;

void text_append(Text *text, const char *bytes, size_t length);
void text_put(Text *text, const char *string);
void text_printf(Text *text, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Interned strings are equal exactly when their pointers are. */
typedef struct Interner Interner;
Interner *interner_create(Arena *arena);
const char *intern(Interner *interner, const char *bytes, size_t length);

/* Decodes the character at bytes[0 .. length), length > 0. Returns how many bytes it has; a byte
 * that is no UTF-8 is a character of its own, U+FFFD. */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *code_point);

/* "7.42 GiB", "1159.3 MiB", "512 B": for people. The result lives in the arena. */
const char *format_bytes(Arena *arena, int64_t bytes);
const char *format_mib(Arena *arena, int64_t bytes); /* "1159.3": MiB with one decimal, no unit */

/* "text" with what JSON wants escaped; `</` too, so that it may stand in an HTML page. */
void print_json_string(FILE *out, const char *text);

/* "8GiB", "7.5 GB", "512MiB", "123456": false where it is no size or over 2^62. GB is 10^9, G is
 * GiB. */
bool parse_bytes(const char *text, int64_t *bytes);

/* A decimal number, "1e-3" too, with a '.' whatever the locale; false unless all of it is used. */
bool parse_number(const char *text, double *number);

/* The known name nearest to `name` (edit distance at most a third of its length), or NULL. */
const char *nearest_name(const char *name, const char *const *known, size_t count);

#endif
