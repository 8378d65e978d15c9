/* The system: files, memory, threads, time, terminal, signals; POSIX first, Windows second.
 *
 * Windows keeps paths in UTF-16: every path is UTF-8 on our side and converted at the call.
 * What both systems do alike (reading a whole file, joining paths, making folders one by one) is
 * at the end and written once.
 */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define PSAPI_VERSION 2 /* GetProcessMemoryInfo is in kernel32 */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif
#endif

#include "os.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREAD_STACK = 4 << 20 };

struct OsThread {
    void (*body)(void *);
    void *argument;
#ifdef _WIN32
    void *handle;
#else
    unsigned long handle;
#endif
};

/* What a signal handler may touch is a static flag and nothing else. */
static volatile sig_atomic_t interrupted_by;

#ifndef _WIN32

/* ---- POSIX ----------------------------------------------------------------------------------- */

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_t) == sizeof(unsigned long), "OsThread.handle holds a pthread_t");

struct OsMutex {
    pthread_mutex_t mutex;
};

struct OsCondition {
    pthread_cond_t condition;
};

FILE *os_fopen(const char *path, const char *mode)
{
    return fopen(path, mode);
}

static bool make_folder(const char *path)
{
    return mkdir(path, 0777) == 0;
}

static bool rename_over(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

static bool flush_to_disk(FILE *file)
{
    return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

/* A rename is on the disk when its folder is. Some file systems cannot flush a folder: no error. */
static void flush_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    if (folder == NULL)
        return;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

bool os_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool os_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool os_remove(const char *path)
{
    return unlink(path) == 0;
}

int64_t os_modified(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return -1;
    return (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
}

/* Calls `take` with each name; stops where it returns false. errno says why it failed. */
static bool each_name(const char *path, bool (*take)(void *context, const char *name),
                      void *context)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return false;
    bool ok = true;
    errno = 0;
    for (struct dirent *entry; ok && (entry = readdir(folder)) != NULL;)
        ok = take(context, entry->d_name);
    int number = errno;
    closedir(folder);
    errno = number;
    return ok && number == 0;
}

static int64_t page_bytes(void)
{
    return sysconf(_SC_PAGESIZE);
}

static void *map_middle(int64_t page, int64_t middle)
{
    uint8_t *base = mmap(NULL, (size_t)(middle + 2 * page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    if (mprotect(base + page, (size_t)middle, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, (size_t)(middle + 2 * page));
        return NULL;
    }
#ifdef MADV_HUGEPAGE
    (void)madvise(base + page, (size_t)middle, MADV_HUGEPAGE); /* faster, not needed */
#endif
    return base + page;
}

static void unmap_middle(void *memory, int64_t page, int64_t middle)
{
    munmap((uint8_t *)memory - page, (size_t)(middle + 2 * page));
}

/* A line "VmRSS:   1234 kB" of /proc/self/status, in bytes; -1 where there is none. */
static int64_t status_line(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    if (file == NULL)
        return -1;
    char line[256];
    int64_t bytes = -1;
    size_t length = strlen(name);
    while (bytes < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, length) == 0)
            bytes = strtoll(line + length, NULL, 10) * 1024;
    fclose(file);
    return bytes;
}

int64_t os_resident_bytes(void)
{
    return status_line("VmRSS:");
}

int64_t os_peak_resident_bytes(void)
{
    return status_line("VmHWM:");
}

int64_t os_physical_bytes(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES);
    return pages < 0 ? -1 : pages * page_bytes();
}

static void *run_thread(void *context)
{
    OsThread *thread = context;
    thread->body(thread->argument);
    return NULL;
}

/* The new thread takes no signals: they go to the thread that asks for the flag. */
static bool start_thread(OsThread *thread)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t handle;
    bool ok = pthread_attr_setstacksize(&attributes, THREAD_STACK) == 0 &&
              pthread_create(&handle, &attributes, run_thread, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (ok)
        thread->handle = (unsigned long)handle;
    return ok;
}

static void join_thread(OsThread *thread)
{
    pthread_join((pthread_t)thread->handle, NULL);
}

OsMutex *os_mutex_create(void)
{
    OsMutex *mutex = malloc(sizeof *mutex);
    if (mutex != NULL && pthread_mutex_init(&mutex->mutex, NULL) != 0) {
        free(mutex);
        return NULL;
    }
    return mutex;
}

void os_mutex_destroy(OsMutex *mutex)
{
    if (mutex == NULL)
        return;
    pthread_mutex_destroy(&mutex->mutex);
    free(mutex);
}

void os_mutex_lock(OsMutex *mutex)
{
    pthread_mutex_lock(&mutex->mutex);
}

void os_mutex_unlock(OsMutex *mutex)
{
    pthread_mutex_unlock(&mutex->mutex);
}

OsCondition *os_condition_create(void)
{
    OsCondition *condition = malloc(sizeof *condition);
    if (condition != NULL && pthread_cond_init(&condition->condition, NULL) != 0) {
        free(condition);
        return NULL;
    }
    return condition;
}

void os_condition_destroy(OsCondition *condition)
{
    if (condition == NULL)
        return;
    pthread_cond_destroy(&condition->condition);
    free(condition);
}

void os_condition_wait(OsCondition *condition, OsMutex *mutex)
{
    pthread_cond_wait(&condition->condition, &mutex->mutex);
}

void os_condition_signal_all(OsCondition *condition)
{
    pthread_cond_broadcast(&condition->condition);
}

int os_processor_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 || count > INT_MAX ? 1 : (int)count;
}

double os_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

bool os_is_terminal(FILE *file)
{
    return isatty(fileno(file)) == 1;
}

int os_terminal_width(void)
{
    struct winsize size;
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
            return size.ws_col;
    return 80;
}

static void on_signal(int number)
{
    interrupted_by = number == SIGINT ? 130 : 143;
}

void os_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    action.sa_flags |= (int)SA_RESETHAND; /* the second one ends the process */
    sigaction(SIGINT, &action, NULL);
}

#else

/* ---- Windows --------------------------------------------------------------------------------- */

#include <windows.h>

#include <direct.h>
#include <io.h>
#include <process.h>
#include <psapi.h>
#include <sys/stat.h>
#include <wchar.h>

struct OsMutex {
    CRITICAL_SECTION section;
};

struct OsCondition {
    CONDITION_VARIABLE variable;
};

/* UTF-8 to UTF-16; free(). NULL with errno where it is not UTF-8. */
static wchar_t *wide(const char *text)
{
    int length = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *result = length <= 0 ? NULL : malloc((size_t)length * sizeof *result);
    if (result == NULL) {
        errno = length <= 0 ? EILSEQ : ENOMEM;
        return NULL;
    }
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, result, length);
    return result;
}

/* The errno of a failed Windows call that has none. */
static int errno_of_windows(void)
{
    switch (GetLastError()) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION:
        return EACCES;
    case ERROR_DISK_FULL:
        return ENOSPC;
    case ERROR_DIRECTORY:
        return ENOTDIR;
    default:
        return EIO;
    }
}

FILE *os_fopen(const char *path, const char *mode)
{
    wchar_t *wide_path = wide(path), *wide_mode = wide(mode);
    FILE *file = wide_path == NULL || wide_mode == NULL ? NULL : _wfopen(wide_path, wide_mode);
    int number = errno;
    free(wide_path);
    free(wide_mode);
    errno = number;
    return file;
}

static bool make_folder(const char *path)
{
    wchar_t *name = wide(path);
    bool ok = name != NULL && _wmkdir(name) == 0;
    int number = errno;
    free(name);
    errno = number;
    return ok;
}

static bool rename_over(const char *from, const char *to)
{
    wchar_t *wide_from = wide(from), *wide_to = wide(to);
    bool converted = wide_from != NULL && wide_to != NULL;
    bool ok = converted &&
              MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
    int number = ok ? 0 : converted ? errno_of_windows() : errno;
    free(wide_from);
    free(wide_to);
    errno = number;
    return ok;
}

static bool flush_to_disk(FILE *file)
{
    return fflush(file) == 0 && _commit(_fileno(file)) == 0;
}

/* MOVEFILE_WRITE_THROUGH has done it. */
static void flush_folder_of(const char *path)
{
    (void)path;
}

static bool attributes_of(const char *path, DWORD *attributes)
{
    wchar_t *name = wide(path);
    *attributes = name == NULL ? INVALID_FILE_ATTRIBUTES : GetFileAttributesW(name);
    free(name);
    return *attributes != INVALID_FILE_ATTRIBUTES;
}

bool os_exists(const char *path)
{
    DWORD attributes;
    return attributes_of(path, &attributes);
}

bool os_is_folder(const char *path)
{
    DWORD attributes;
    return attributes_of(path, &attributes) && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

int64_t os_modified(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA info;
    wchar_t *name = wide(path);
    bool ok = name != NULL && GetFileAttributesExW(name, GetFileExInfoStandard, &info) != 0;

    free(name);
    if (!ok)
        return -1;
    return (int64_t)info.ftLastWriteTime.dwHighDateTime << 32 | info.ftLastWriteTime.dwLowDateTime;
}

bool os_remove(const char *path)
{
    wchar_t *name = wide(path);
    bool ok = name != NULL && _wremove(name) == 0;
    free(name);
    return ok;
}

/* Calls `take` with each name; stops where it returns false. errno says why it failed. */
static bool each_name(const char *path, bool (*take)(void *context, const char *name),
                      void *context)
{
    char *pattern = os_join(path, "*");
    wchar_t *wide_pattern = pattern == NULL ? NULL : wide(pattern);
    free(pattern);
    WIN32_FIND_DATAW found;
    HANDLE search = wide_pattern == NULL ? INVALID_HANDLE_VALUE
                                         : FindFirstFileW(wide_pattern, &found);
    free(wide_pattern);
    if (search == INVALID_HANDLE_VALUE) {
        errno = errno_of_windows();
        return false;
    }
    bool ok = true;
    do {
        char name[4 * MAX_PATH];
        if (WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name, (int)sizeof name, NULL,
                                NULL) > 0)
            ok = take(context, name);
    } while (ok && FindNextFileW(search, &found));
    FindClose(search);
    return ok;
}

static int64_t page_bytes(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

static void *map_middle(int64_t page, int64_t middle)
{
    uint8_t *base = VirtualAlloc(NULL, (size_t)(middle + 2 * page), MEM_RESERVE, PAGE_NOACCESS);
    if (base == NULL)
        return NULL;
    if (VirtualAlloc(base + page, (size_t)middle, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        VirtualFree(base, 0, MEM_RELEASE);
        return NULL;
    }
    return base + page;
}

static void unmap_middle(void *memory, int64_t page, int64_t middle)
{
    (void)middle;
    VirtualFree((uint8_t *)memory - page, 0, MEM_RELEASE);
}

int64_t os_resident_bytes(void)
{
    PROCESS_MEMORY_COUNTERS counters;
    if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
        return -1;
    return (int64_t)counters.WorkingSetSize;
}

int64_t os_peak_resident_bytes(void)
{
    PROCESS_MEMORY_COUNTERS counters;
    if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof counters))
        return -1;
    return (int64_t)counters.PeakWorkingSetSize;
}

int64_t os_physical_bytes(void)
{
    MEMORYSTATUSEX status = {.dwLength = sizeof status};
    return GlobalMemoryStatusEx(&status) ? (int64_t)status.ullTotalPhys : -1;
}

static unsigned __stdcall run_thread(void *context)
{
    OsThread *thread = context;
    thread->body(thread->argument);
    return 0;
}

static bool start_thread(OsThread *thread)
{
    thread->handle = (void *)_beginthreadex(NULL, THREAD_STACK, run_thread, thread, 0, NULL);
    return thread->handle != NULL;
}

static void join_thread(OsThread *thread)
{
    WaitForSingleObject(thread->handle, INFINITE);
    CloseHandle(thread->handle);
}

OsMutex *os_mutex_create(void)
{
    OsMutex *mutex = malloc(sizeof *mutex);
    if (mutex != NULL)
        InitializeCriticalSection(&mutex->section);
    return mutex;
}

void os_mutex_destroy(OsMutex *mutex)
{
    if (mutex == NULL)
        return;
    DeleteCriticalSection(&mutex->section);
    free(mutex);
}

void os_mutex_lock(OsMutex *mutex)
{
    EnterCriticalSection(&mutex->section);
}

void os_mutex_unlock(OsMutex *mutex)
{
    LeaveCriticalSection(&mutex->section);
}

OsCondition *os_condition_create(void)
{
    OsCondition *condition = malloc(sizeof *condition);
    if (condition != NULL)
        InitializeConditionVariable(&condition->variable);
    return condition;
}

void os_condition_destroy(OsCondition *condition)
{
    free(condition);
}

void os_condition_wait(OsCondition *condition, OsMutex *mutex)
{
    SleepConditionVariableCS(&condition->variable, &mutex->section, INFINITE);
}

void os_condition_signal_all(OsCondition *condition)
{
    WakeAllConditionVariable(&condition->variable);
}

int os_processor_count(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwNumberOfProcessors < 1 ? 1 : (int)info.dwNumberOfProcessors;
}

double os_seconds(void)
{
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    return (double)ticks.QuadPart / (double)frequency.QuadPart;
}

bool os_is_terminal(FILE *file)
{
    return _isatty(_fileno(file)) != 0;
}

int os_terminal_width(void)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    if (!GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info))
        return 80;
    return info.srWindow.Right - info.srWindow.Left + 1;
}

/* Runs in a thread of its own. After closing the console the system ends the process as soon as
 * the handler returns, so it waits for the main thread to finish; the system allows 5 s. */
static BOOL WINAPI on_console_event(DWORD event)
{
    if (event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT) {
        bool first = interrupted_by == 0;
        interrupted_by = 130;
        return first;
    }
    interrupted_by = 143;
    Sleep(INFINITE);
    return TRUE;
}

void os_catch_interrupts(void)
{
    SetConsoleCtrlHandler(on_console_event, TRUE);
}

#endif

/* ---- both ------------------------------------------------------------------------------------ */

static bool is_separator(char c)
{
#ifdef _WIN32
    return c == '/' || c == '\\';
#else
    return c == '/';
#endif
}

/* Grows in steps and does not trust a file size: pipes and files that are written to have none. */
bool os_read_file(const char *path, int64_t limit, uint8_t **data, int64_t *size, Error *error)
{
    FILE *file = os_fopen(path, "rb");
    if (file == NULL) {
        error_set(error, ERROR_FILES, "cannot open %s", path);
        return error_why_errno(error, errno);
    }
    uint8_t *bytes = NULL;
    size_t used = 0, capacity = 0, most = (size_t)limit;
    bool ok = true;
    while (ok && !feof(file) && !ferror(file) && used <= most) {
        if (used + 1 >= capacity) {
            capacity = capacity == 0 ? 64 << 10 : 2 * capacity;
            capacity = capacity > most + 2 ? most + 2 : capacity;
            uint8_t *grown = realloc(bytes, capacity);
            ok = grown != NULL;
            bytes = ok ? grown : bytes;
        }
        if (ok)
            used += fread(bytes + used, 1, capacity - 1 - used, file);
    }
    int number = ferror(file) ? errno : 0;
    fclose(file);
    if (!ok) {
        error_set(error, ERROR_MEMORY, "no memory to read %s", path);
    } else if (number != 0) {
        error_set(error, ERROR_FILES, "cannot read %s", path);
        ok = error_why_errno(error, number);
    } else if (used > most) {
        error_set(error, ERROR_FILES, "cannot read %s", path);
        ok = error_why(error, "it is larger than %lld bytes", (long long)limit);
    }
    if (!ok) {
        free(bytes);
        return false;
    }
    bytes[used] = 0;
    *data = bytes;
    *size = (int64_t)used;
    return true;
}

bool os_write_atomically(const char *path, bool (*write)(FILE *file, void *context), void *context,
                         Error *error)
{
    size_t length = strlen(path);
    char *temporary = malloc(length + sizeof ".tmp");
    if (temporary == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to write %s", path);
    memcpy(temporary, path, length);
    memcpy(temporary + length, ".tmp", sizeof ".tmp");

    errno = 0;
    FILE *file = os_fopen(temporary, "wb");
    bool ok = file != NULL && write(file, context) && flush_to_disk(file);
    int number = errno;
    if (file != NULL && fclose(file) != 0 && ok) {
        ok = false;
        number = errno;
    }
    if (ok && !rename_over(temporary, path)) {
        ok = false;
        number = errno;
    }
    if (ok) {
        flush_folder_of(path);
    } else {
        if (file != NULL)
            os_remove(temporary);
        error_set(error, ERROR_FILES, "cannot write %s", path);
        error_why_errno(error, number);
    }
    free(temporary);
    return ok;
}

/* Makes a/, a/b/, a/b/c/ in turn; one that exists is no error. */
bool os_make_folders(const char *path, Error *error)
{
    size_t length = strlen(path);
    char *prefix = malloc(length + 1);
    if (prefix == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to make the folder %s", path);
    memcpy(prefix, path, length + 1);
    int number = 0;
    for (size_t i = 1; i <= length; i++) {
        if (i < length && !is_separator(path[i]))
            continue;
        prefix[i] = '\0';
        if (!os_is_folder(prefix) && !make_folder(prefix))
            number = errno;
        prefix[i] = path[i];
    }
    free(prefix);
    if (os_is_folder(path))
        return true;
    error_set(error, ERROR_FILES, "cannot make the folder %s", path);
    return error_why_errno(error, number);
}

bool os_make_new_folder(const char *path, bool *is_new, Error *error)
{
    *is_new = make_folder(path);
    if (*is_new || errno == EEXIST)
        return true;
    int number = errno;
    error_set(error, ERROR_FILES, "cannot make the folder %s", path);
    return error_why_errno(error, number);
}

typedef struct NameList {
    char **names;
    int64_t count, capacity;
} NameList;

static bool take_name(void *context, const char *name)
{
    NameList *list = context;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        char **grown = realloc(list->names, (size_t)list->capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        list->names = grown;
    }
    size_t bytes = strlen(name) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL)
        return false;
    memcpy(copy, name, bytes);
    list->names[list->count++] = copy;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool os_list_folder(const char *path, char ***names, int64_t *count, Error *error)
{
    NameList list = {0};
    if (!each_name(path, take_name, &list)) {
        int number = errno;
        for (int64_t i = 0; i < list.count; i++)
            free(list.names[i]);
        free(list.names);
        error_set(error, ERROR_FILES, "cannot list the folder %s", path);
        return error_why_errno(error, number);
    }
    if (list.count > 1)
        qsort(list.names, (size_t)list.count, sizeof *list.names, compare_names);
    *names = list.names;
    *count = list.count;
    return true;
}

char *os_join(const char *folder, const char *name)
{
    size_t first = strlen(folder), second = strlen(name);
    bool needs_slash = first > 0 && !is_separator(folder[first - 1]);
    char *path = malloc(first + needs_slash + second + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, folder, first);
    if (needs_slash)
        path[first] = '/';
    memcpy(path + first + needs_slash, name, second + 1);
    return path;
}

/* The bytes between the guards, whole pages; 0 where that is no size of memory. */
static int64_t whole_pages(int64_t bytes, int64_t page)
{
    if (bytes <= 0 || bytes > INT64_MAX - 3 * page)
        return 0;
    return (bytes + page - 1) / page * page;
}

void *os_map_guarded(int64_t bytes)
{
    int64_t page = page_bytes(), middle = whole_pages(bytes, page);
    return middle == 0 ? NULL : map_middle(page, middle);
}

void os_unmap_guarded(void *memory, int64_t bytes)
{
    int64_t page = page_bytes();
    if (memory != NULL)
        unmap_middle(memory, page, whole_pages(bytes, page));
}

OsThread *os_thread_start(void (*body)(void *), void *argument)
{
    OsThread *thread = malloc(sizeof *thread);
    if (thread == NULL)
        return NULL;
    *thread = (OsThread){.body = body, .argument = argument};
    if (!start_thread(thread)) {
        free(thread);
        return NULL;
    }
    return thread;
}

void os_thread_join(OsThread *thread)
{
    if (thread == NULL)
        return;
    join_thread(thread);
    free(thread);
}

int64_t os_unix_seconds(void)
{
    return (int64_t)time(NULL);
}

int os_interrupted(void)
{
    return interrupted_by;
}
