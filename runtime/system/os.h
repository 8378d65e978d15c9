/* The system: the only file with #ifdef _WIN32. Paths are UTF-8 with '/' or '\'. */
#ifndef SNUG_OS_H
#define SNUG_OS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

/* ---- files ---- */
FILE *os_fopen(const char *path, const char *mode); /* NULL and errno */
/* The whole file; more than `limit` bytes are an error. A 0 that is not counted follows the data.
 * free() it. */
bool os_read_file(const char *path, int64_t limit, uint8_t **data, int64_t *size, Error *error);
/* Writes path.tmp, flushes it to the disk, renames it over path, flushes the folder. The file is
 * either the old one or the new one. `write` is called once. */
bool os_write_atomically(const char *path, bool (*write)(FILE *file, void *context), void *context,
                         Error *error);
bool os_make_folders(const char *path, Error *error); /* like mkdir -p */
/* Makes the last folder of the path. One that exists is no error: *is_new says who made it, so that
 * of two processes only one takes it. */
bool os_make_new_folder(const char *path, bool *is_new, Error *error);
bool os_exists(const char *path);
bool os_is_folder(const char *path);
bool os_remove(const char *path);
int64_t os_modified(
    const char *path); /* when it was written last, to compare; -1: there is no such file */
/* Names in a folder, without . and .., sorted bytewise; free each and the list. */
bool os_list_folder(const char *path, char ***names, int64_t *count, Error *error);
/* "folder/name" into a malloc'ed string. */
char *os_join(const char *folder, const char *name);

/* ---- memory ---- */
/* Zeroed pages with an inaccessible page on either side; NULL where there is no memory. */
void *os_map_guarded(int64_t bytes);
void os_unmap_guarded(void *memory, int64_t bytes);
int64_t os_resident_bytes(void);      /* of this process now; -1 unknown */
int64_t os_peak_resident_bytes(void); /* -1 unknown */
int64_t os_physical_bytes(void);

/* ---- threads ---- */
typedef struct OsThread OsThread;
typedef struct OsMutex OsMutex;
typedef struct OsCondition OsCondition;
OsThread *os_thread_start(void (*body)(void *), void *argument); /* NULL: cannot */
void os_thread_join(OsThread *thread);
OsMutex *os_mutex_create(void);
void os_mutex_destroy(OsMutex *mutex);
void os_mutex_lock(OsMutex *mutex);
void os_mutex_unlock(OsMutex *mutex);
OsCondition *os_condition_create(void);
void os_condition_destroy(OsCondition *condition);
void os_condition_wait(OsCondition *condition, OsMutex *mutex);
void os_condition_signal_all(OsCondition *condition);
int os_processor_count(void);

/* ---- shared libraries, os_library.c ---- */
typedef struct OsLibrary OsLibrary;
/* A path with a folder is opened as it is, a bare name by the loader's own search, which on Windows
 * leaves out the current folder. NULL: there is none that can be loaded. It stays open. */
OsLibrary *os_library_open(const char *path);
/* NULL: the library has no such function. Convert it to its type through memcpy. */
void *os_library_symbol(OsLibrary *library, const char *name);
char *os_executable_folder(void); /* of this process; malloc'ed, NULL: unknown */
/* Where this user's programs keep what they can make again; malloc'ed, NULL: the system names none. */
char *os_cache_folder(void);

/* ---- time, terminal, signals ---- */
double os_seconds(void); /* monotonic */
int64_t os_unix_seconds(void);
bool os_is_terminal(FILE *file);
int os_terminal_width(void); /* 80 where unknown */
/* SIGINT, SIGTERM, console close set a flag instead of ending the process; a second SIGINT
 * ends it. */
void os_catch_interrupts(void);
int os_interrupted(void); /* 0, or 130 / 143 */

#endif
