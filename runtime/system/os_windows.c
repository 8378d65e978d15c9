/* The system: files, memory, threads, time, terminal, signals, by Windows, which keeps paths in
 * UTF-16: every path is UTF-8 on our side and converted at the call. */
#define WIN32_LEAN_AND_MEAN
#define PSAPI_VERSION 2 /* GetProcessMemoryInfo is in kernel32 */
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601
#endif
#include <windows.h>

#include "os_system.h"

#include <direct.h>
#include <errno.h>
#include <io.h>
#include <limits.h>
#include <process.h>
#include <psapi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
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
    case ERROR_PATH_NOT_FOUND: return ENOENT;
    case ERROR_ACCESS_DENIED:
    case ERROR_SHARING_VIOLATION: return EACCES;
    case ERROR_DISK_FULL: return ENOSPC;
    case ERROR_DIRECTORY: return ENOTDIR;
    default: return EIO;
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

FILE *os_open_regular(const char *path, Error *error)
{
    FILE *file = os_fopen(path, "rb"); /* a folder is no file to it */
    int number = errno;
    if (file != NULL && GetFileType((HANDLE)_get_osfhandle(_fileno(file))) == FILE_TYPE_DISK)
        return file;
    error_set(error, ERROR_FILES, "cannot open %s", path);
    if (file == NULL) {
        error_why_errno(error, number);
    } else {
        error_why(error, "it is a pipe or a device, not a file");
        fclose(file);
    }
    return NULL;
}

bool os_make_folder(const char *path)
{
    wchar_t *name = wide(path);
    bool ok = name != NULL && _wmkdir(name) == 0;
    int number = errno;
    free(name);
    errno = number;
    return ok;
}

bool os_rename_over(const char *from, const char *to)
{
    wchar_t *wide_from = wide(from), *wide_to = wide(to);
    bool converted = wide_from != NULL && wide_to != NULL;
    bool ok =
        converted
        && MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
    int number = ok ? 0 : converted ? errno_of_windows() : errno;
    free(wide_from);
    free(wide_to);
    errno = number;
    return ok;
}

bool os_flush_to_disk(FILE *file)
{
    return fflush(file) == 0 && _commit(_fileno(file)) == 0;
}

/* MOVEFILE_WRITE_THROUGH has done it. */
void os_flush_folder_of(const char *path)
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

char *os_output_path(const char *path, Error *error)
{
    char *copy = os_is_folder(path) ? NULL : _strdup(path);
    if (copy != NULL)
        return copy;
    if (!os_is_folder(path)) {
        error_set(error, ERROR_MEMORY, "no memory to write %s", path);
        return NULL;
    }
    error_set(error, ERROR_FILES, "cannot write %s", path);
    error_why(error, "it is a folder");
    return NULL;
}

static bool identify(const char *path, BY_HANDLE_FILE_INFORMATION *info)
{
    wchar_t *name = wide(path);
    HANDLE file = name == NULL
                      ? INVALID_HANDLE_VALUE
                      : CreateFileW(name, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                    NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    free(name);
    bool ok = file != INVALID_HANDLE_VALUE && GetFileInformationByHandle(file, info) != 0;
    if (file != INVALID_HANDLE_VALUE)
        CloseHandle(file);
    return ok;
}

bool os_same_file(const char *a, const char *b)
{
    BY_HANDLE_FILE_INFORMATION left, right;
    return identify(a, &left) && identify(b, &right)
           && left.dwVolumeSerialNumber == right.dwVolumeSerialNumber
           && left.nFileIndexHigh == right.nFileIndexHigh
           && left.nFileIndexLow == right.nFileIndexLow;
}

char *os_absolute(const char *path)
{
    wchar_t *name = wide(path), *full = name == NULL ? NULL : _wfullpath(NULL, name, 0);
    int bytes = full == NULL ? 0 : WideCharToMultiByte(CP_UTF8, 0, full, -1, NULL, 0, NULL, NULL);
    char *result = bytes <= 0 || !os_exists(path) ? NULL : malloc((size_t)bytes);
    if (result != NULL)
        WideCharToMultiByte(CP_UTF8, 0, full, -1, result, bytes, NULL, NULL);
    free(name);
    free(full);
    return result;
}

/* The system lets nobody else write a file that is open so, and removes it when the process ends.
 */
struct OsLock {
    HANDLE file;
};

bool os_lock(OsLock **result, const char *path, Error *error)
{
    OsLock *lock = malloc(sizeof *lock);
    wchar_t *name = wide(path);
    char text[320], host[MAX_COMPUTERNAME_LENGTH + 1] = "this host";
    DWORD size = sizeof host, written = 0;

    *result = NULL;
    if (lock == NULL || name == NULL) {
        free(lock);
        free(name);
        return error_set(error, ERROR_MEMORY, "no memory to lock %s", path);
    }
    lock->file = CreateFileW(name, GENERIC_WRITE | DELETE, FILE_SHARE_READ, NULL, CREATE_ALWAYS,
                             FILE_ATTRIBUTE_NORMAL | FILE_FLAG_DELETE_ON_CLOSE, NULL);
    free(name);
    if (lock->file == INVALID_HANDLE_VALUE) {
        bool is_held = GetLastError() == ERROR_SHARING_VIOLATION;
        int number = errno_of_windows();
        free(lock);
        if (!is_held) {
            error_set(error, ERROR_FILES, "cannot write %s", path);
            return error_why_errno(error, number);
        }
        error_set(error, ERROR_FILES, "another process is writing there");
        error_why(error, "it holds %s", path);
        return error_hint(error, "wait for its end, or stop it: each run has one writer");
    }
    GetComputerNameA(host, &size);
    int length = snprintf(text, sizeof text, "process %lu on %s\n", GetCurrentProcessId(), host);
    WriteFile(lock->file, text, (DWORD)length, &written, NULL);
    *result = lock;
    return true;
}

void os_unlock(OsLock *lock)
{
    if (lock == NULL)
        return;
    CloseHandle(lock->file);
    free(lock);
}

bool os_look(const char *path, bool *is_there, Error *error)
{
    wchar_t *name = wide(path);
    *is_there = name != NULL && GetFileAttributesW(name) != INVALID_FILE_ATTRIBUTES;
    int number = *is_there ? 0 : name != NULL ? errno_of_windows() : errno;
    free(name);
    if (*is_there || number == ENOENT || number == ENOTDIR)
        return true;
    error_set(error, ERROR_FILES, "cannot look at %s", path);
    return error_why_errno(error, number);
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

bool os_link_over(const char *path, const char *name)
{
    wchar_t *wide_path = wide(path), *wide_name = wide(name);
    bool ok = wide_path != NULL && wide_name != NULL;
    if (ok) {
        _wremove(wide_name);
        ok = CreateHardLinkW(wide_name, wide_path, NULL) != 0;
    }
    free(wide_path);
    free(wide_name);
    return ok;
}

bool os_is_file(const char *path)
{
    DWORD attributes;
    return attributes_of(path, &attributes)
           && (attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_DEVICE)) == 0;
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

bool os_each_name(const char *path, bool (*take)(void *context, const char *name), void *context)
{
    char *pattern = os_join(path, "*");
    wchar_t *wide_pattern = pattern == NULL ? NULL : wide(pattern);
    free(pattern);
    WIN32_FIND_DATAW found;
    HANDLE search =
        wide_pattern == NULL ? INVALID_HANDLE_VALUE : FindFirstFileW(wide_pattern, &found);
    free(wide_pattern);
    if (search == INVALID_HANDLE_VALUE) {
        errno = errno_of_windows();
        return false;
    }
    bool ok = true;
    do {
        char name[4 * MAX_PATH];
        if (WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name, (int)sizeof name, NULL, NULL)
            > 0)
            ok = take(context, name);
    } while (ok && FindNextFileW(search, &found));
    FindClose(search);
    return ok;
}

int64_t os_page_bytes(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

void *os_map_middle(int64_t page, int64_t middle)
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

void os_unmap_middle(void *memory, int64_t page, int64_t middle)
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

bool os_start_thread(OsThread *thread)
{
    thread->handle = (void *)_beginthreadex(NULL, OS_THREAD_STACK, run_thread, thread, 0, NULL);
    return thread->handle != NULL;
}

void os_join_thread(OsThread *thread)
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
        bool first = os_interrupted_by == 0;
        os_interrupted_by = 130;
        return first;
    }
    os_interrupted_by = 143;
    Sleep(INFINITE);
    return TRUE;
}

void os_keep_standard_streams(void)
{
} /* the runtime library gives closed ones descriptors that no file gets */

void os_catch_interrupts(void)
{
    SetConsoleCtrlHandler(on_console_event, TRUE);
}
