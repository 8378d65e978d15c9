/* Diagnostics: the user's mistakes, collected and printed with their place.
 *
 *     models/hrnet_w32.snug:31:9: error[E104]: conv reads 64 channels but its weight expects 32
 *        31 |     y = conv(x, weight(64, 3, 32))
 *           |         ^~~~
 *           note: the weight's third number is its input channels: write 64 there
 *
 * A stage reports and goes on; the pipeline stops after a stage that has reported an error.
 * Messages: lower case, no full stop, the thing by name and both numbers.
 */
#ifndef SNUG_DIAG_H
#define SNUG_DIAG_H

#include <stdio.h>

#include "arena.h"

/* A range of bytes in one source file. file 0 is no place at all (the command line, say). */
typedef struct Span {
    uint32_t file;  /* 1 + index of the file among the sources */
    uint32_t begin; /* first byte */
    uint32_t end;   /* one past the last byte */
} Span;

typedef struct SourceFile {
    const char *path; /* as given by the user, or as imported, with '/' */
    const char *text; /* NUL after `length` bytes; a BOM is skipped, CRLF is kept */
    size_t length;
} SourceFile;

/* E001 .. E999; the rows of errors.def: code, one line, explanation for `snug explain`. */
typedef enum ErrorCode {
#define ERROR(code, title, explanation) ERROR_##code,
#include "errors.def"
#undef ERROR
    ERROR_COUNT
} ErrorCode;

typedef struct Diagnostics Diagnostics;

Diagnostics *diagnostics_create(Arena *arena);

/* Takes the file; returns its number for spans. text lives as long as the diagnostics. */
uint32_t diagnostics_add_file(Diagnostics *diags, const char *path, const char *text,
                              size_t length);
const SourceFile *diagnostics_file(const Diagnostics *diags, uint32_t file); /* from 1 */
uint32_t diagnostics_file_count(const Diagnostics *diags);

/* At most 20 errors are kept and printed; the rest are counted. Two errors with the same code and
 * the same first byte are one. */
void error_at(Diagnostics *diags, ErrorCode code, Span span, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void warning_at(Diagnostics *diags, ErrorCode code, Span span, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Both belong to the error or warning reported last. */
void note(Diagnostics *diags, const char *fmt, ...) PRINTF_LIKE(2, 3);
void note_at(Diagnostics *diags, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);

uint32_t diagnostics_error_count(const Diagnostics *diags);

/* Sorts what was reported since there were `first` diagnostics by place (within one file). */
uint32_t diagnostics_kept_count(const Diagnostics *diags);
void diagnostics_sort(Diagnostics *diags, uint32_t first);

/* 1-based line, and column in characters (UTF-8; a tab is one). {0, 0} for no place. */
typedef struct LineColumn {
    uint32_t line;
    uint32_t column;
} LineColumn;
LineColumn span_line_column(const Diagnostics *diags, Span span);

void diagnostics_print(const Diagnostics *diags, FILE *out, bool color);
void diagnostics_print_json(const Diagnostics *diags, FILE *out); /* one array, for editors */

/* `snug explain E012`; false where there is no such code. */
bool explain_error(FILE *out, const char *code);

#endif
