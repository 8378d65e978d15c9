/* Errors of the world: a file, a disk, a device. Filled where they happen, returned as false,
 * printed once, at the top. Messages: lower case, no full stop. */
#ifndef SNUG_ERROR_H
#define SNUG_ERROR_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Error {
    int status;      /* exit status: 1, 2, 3, 4, 5, 6, as in docs/trainer.md; 0: none */
    char what[512];  /* names the thing: "cannot open runs/a/last.safetensors" */
    char why[256];   /* "no space left on device" */
    char hint[2048]; /* what to do: several lines, the first without an indent */
} Error;

enum { ERROR_USAGE = 2, ERROR_MEMORY = 3, ERROR_FILES = 4, ERROR_DEVICE = 5, ERROR_DIVERGED = 6 };

#if defined(__GNUC__)
#define ERROR_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define ERROR_PRINTF(fmt, first)
#endif

/* All return false, so that `return error_set(...)` reads as what it does. `why` and `hint` start
 * empty. An error that is already set is kept. */
bool error_set(Error *error, int status, const char *fmt, ...) ERROR_PRINTF(3, 4);
bool error_why(Error *error, const char *fmt, ...) ERROR_PRINTF(2, 3);
bool error_hint(Error *error, const char *fmt, ...) ERROR_PRINTF(2, 3);
/* The one rule for names, which may hold any bytes, in messages and in files: a byte that is a
 * control character or no UTF-8 is written as \xHH, and so is a backslash that would read as the
 * beginning of one. What does not fit into `size` bytes is left out. The functions above do it
 * themselves. */
void name_write(char *to, size_t size, const char *name);
char *name_copy(const char *name); /* so written, malloc'ed; NULL: no memory */
void name_restore(char *text);     /* back to the name's own bytes, in place */
/* The text of errno (or of another errno value), as the why. */
bool error_why_errno(Error *error, int number);
void error_print(const Error *error); /* to stderr */

#endif
