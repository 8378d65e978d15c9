/* What the compiler asks of the system: files written whole, the C compiler called, a program run.
 * The only file of the compiler with #ifdef _WIN32 is system.c. */
#ifndef SNUG_SYSTEM_H
#define SNUG_SYSTEM_H

#include <stdio.h>

#include "arena.h"

/* Where the runtime's library, its header and its link flags are. */
typedef struct Runtime {
    const char *include; /* folder that holds runtime/program.h */
    const char *library; /* libsnug_runtime.a */
    const char *flags;   /* text file: what to link behind it */
} Runtime;

/* Beside the executable (a build tree) or in ../lib/snug and ../include/snug (an installation).
 * Returns false where neither is complete; `missing` then names the first file that was not found.
 */
bool find_runtime(Arena *arena, Runtime *runtime, const char **missing);

/* Makes folder and its parents. All three return false with errno. */
bool make_folders(Arena *arena, const char *folder);
/* Where a file of this path is written: what its links lead to, so that they stay. NULL where that
 * is no file, and *what says what it is: "a device". */
const char *output_path(Arena *arena, const char *path, const char **what);
/* Whether both are there and are one file, by whatever names. */
bool is_same_file(const char *a, const char *b);
/* Descriptors 0 to 2 that are closed would be those of the next files that are opened, and messages
 * would go there. They become ones that cannot be used. */
void keep_standard_streams(void);
/* Writes path.tmp by `write`, renames it over path; leaves path alone (and its time) where the
 * bytes are the same already. */
bool write_if_changed(Arena *arena, const char *path, bool (*write)(FILE *file, void *context),
                      void *context);
bool is_newer(const char *path, const char *than); /* path exists and is not older than `than` */

/* Calls the C compiler. Its messages go to stderr; output appears whole or not at all. Returns
 * false after a message. */
bool compile_source(Arena *arena, const char *cc, const Runtime *runtime, const char *source,
                    const char *output);

/* Runs argv[0] with argv (NULL at the end), the terminal handed over; returns its exit status, -1
 * where it cannot be started. */
int run_program(const char *const *argv);

/* The first line that the program prints, "" where it cannot be run. For `snug doctor`. */
const char *first_line_of(Arena *arena, const char *command);

/* ---- what this machine has ------------------------------------------------------------------- */
int processor_count(void);
int64_t physical_bytes(void);        /* 0 where unknown */
int64_t default_reserve_bytes(void); /* of a card's memory, for driver, display, other programs */
bool is_terminal(FILE *stream);
/* Since some moment; nobody sets this clock. */
double monotonic_seconds(void);

#endif
