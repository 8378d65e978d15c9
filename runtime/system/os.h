/* The system: the only file with #ifdef _WIN32. Paths are UTF-8 with '/' or '\'. */
#ifndef SNUG_OS_H
#define SNUG_OS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

/* ---- files ---- */
FILE *os_fopen(const char *path, const char *mode); /* NULL and errno */
/* To read. What is no file - a folder, a pipe, a device - is refused at once: opening a pipe waits
 * for its writer. NULL after an error. */
FILE *os_open_regular(const char *path, Error *error);
/* Whether there is something of this name. Where the system cannot say, for lack of a permission or
 * a disk that fails, it is an error, never "not there". */
bool os_look(const char *path, bool *is_there, Error *error);
/* The whole file, opened so; more than `limit` bytes are an error. A 0 that is not counted follows
 * the data. free() it. */
bool os_read_file(const char *path, int64_t limit, uint8_t **data, int64_t *size, Error *error);
/* Writes path.tmp, flushes it to the disk, renames it over path, flushes the folder. The file is
 * either the old one or the new one. `write` is called once. A link stays: what it leads to is
 * written. A device, a pipe or a folder is refused. */
bool os_write_atomically(const char *path, bool (*write)(FILE *file, void *context), void *context,
                         Error *error);
/* The same; `verify` looks at the written file before it is renamed, and fills the error where that
 * is not what was meant. */
bool os_write_verified(const char *path, bool (*write)(FILE *file, void *context),
                       bool (*verify)(const char *temporary, void *context, Error *error),
                       void *context, Error *error);
bool os_flush_to_disk(FILE *file); /* false and errno */
/* A rename is on the disk when its folder is. Some file systems cannot flush a folder: no error. */
void os_flush_folder_of(const char *path);
/* Whether both are there and are one file, by whatever names. */
bool os_same_file(const char *a, const char *b);
/* The path from the root, without links; malloc'ed, NULL where it is not there. */
char *os_absolute(const char *path);
bool os_make_folders(const char *path, Error *error); /* like mkdir -p */
/* Makes the last folder of the path. One that exists is no error: *is_new says who made it, so that
 * of two processes only one takes it. */
bool os_make_new_folder(const char *path, bool *is_new, Error *error);
bool os_exists(const char *path);
bool os_is_folder(const char *path);
bool os_is_file(const char *path); /* no folder, device, pipe or socket: reading it ends */
bool os_remove(const char *path);
bool os_rename_over(const char *from, const char *to); /* false and errno */
/* A second name for a file, in the place of what has it; false where the file system has none. */
bool os_link_over(const char *path, const char *name);
int64_t os_modified(
    const char *path); /* when it was written last, to compare; -1: there is no such file */
/* Names in a folder, without . and .., sorted bytewise; free each and the list. */
bool os_list_folder(const char *path, char ***names, int64_t *count, Error *error);
/* "folder/name" into a malloc'ed string. */
char *os_join(const char *folder, const char *name);

/* ---- locks ---- */
typedef struct OsLock OsLock;
/* Takes the file for this process until it ends or lets go, whichever comes first; the file names
 * host and process. Another process that has it is an error that names it. What a killed one has
 * left is taken over. */
bool os_lock(OsLock **lock, const char *path, Error *error);
void os_unlock(OsLock *lock); /* removes the file; of NULL too */

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
/* Where this user's programs keep what they can make again; malloc'ed, NULL: the system names none.
 */
char *os_cache_folder(void);

/* ---- time, terminal, signals ---- */
double os_seconds(void); /* monotonic */
int64_t os_unix_seconds(void);
bool os_is_terminal(FILE *file);
int os_terminal_width(void); /* 80 where unknown */
/* SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, console close set a flag instead of ending the
 * process; a second SIGINT ends it. A SIGHUP that is ignored, as below nohup, stays so. */
void os_catch_interrupts(void);
int os_interrupted(void); /* 0, or 128 + the signal: 130, 143, 129, 141, 153 */
/* Descriptors 0 to 2 that are closed would be those of the next files that are opened, and messages
 * would go there. They become ones that cannot be used. */
void os_keep_standard_streams(void);

#endif
