/* What each system does its own way: shared by os.c, os_posix.c and os_windows.c alone. */
#ifndef SNUG_OS_SYSTEM_H
#define SNUG_OS_SYSTEM_H

#include <signal.h>

#include "os.h"

enum { OS_THREAD_STACK = 4 << 20 };

struct OsThread {
    void (*body)(void *);
    void *argument;
#ifdef _WIN32
    void *handle;
#else
    unsigned long handle;
#endif
};

/* What a signal handler may touch is this flag and nothing else. */
extern volatile sig_atomic_t os_interrupted_by;

/* errno says why one of these failed. */
bool os_make_folder(const char *path);
/* Where a file of this path is written: what its links lead to, which need not be there. NULL with
 * the error's why where that is no file; malloc'ed. */
char *os_output_path(const char *path, Error *error);
/* Calls `take` with each name; stops where it returns false. */
bool os_each_name(const char *path, bool (*take)(void *context, const char *name), void *context);

int64_t os_page_bytes(void);
/* `middle` bytes between two pages that may not be touched; NULL where there is no memory. */
void *os_map_middle(int64_t page, int64_t middle);
void os_unmap_middle(void *memory, int64_t page, int64_t middle);

/* Of a thread with body and argument. It takes no signals: they go to the thread that asks for the
 * flag. */
bool os_start_thread(OsThread *thread);
void os_join_thread(OsThread *thread);

#endif
