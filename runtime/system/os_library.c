/* Shared libraries that are opened while the program runs, and the folders around it. */
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#endif

#include "os.h"

#include <stdlib.h>
#include <string.h>

static char *folder_of(char *path)
{
    char *last = NULL;

    for (char *at = path; *at; at++)
        if (*at == '/' || *at == '\\')
            last = at;
    if (last == NULL) {
        free(path);
        return NULL;
    }
    *last = '\0';
    return path;
}

#ifndef _WIN32

/* ---- POSIX ----------------------------------------------------------------------------------- */

#include <dlfcn.h>
#include <unistd.h>

OsLibrary *os_library_open(const char *path)
{
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

void *os_library_symbol(OsLibrary *library, const char *name)
{
    return dlsym(library, name);
}

char *os_executable_folder(void)
{
    enum { MOST = 4096 };
    char *path = malloc(MOST);
    ssize_t length = path != NULL ? readlink("/proc/self/exe", path, MOST - 1) : -1;

    if (length <= 0) {
        free(path);
        return NULL;
    }
    path[length] = '\0';
    return folder_of(path);
}

/* The XDG base directory specification. */
char *os_cache_folder(void)
{
    const char *given = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (given != NULL && given[0] == '/')
        return strdup(given);
    return home != NULL && home[0] == '/' ? os_join(home, ".cache") : NULL;
}

#else

/* ---- Windows --------------------------------------------------------------------------------- */

#include <windows.h>

static wchar_t *wide(const char *text)
{
    int count = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    wchar_t *result = count > 0 ? malloc((size_t)count * sizeof *result) : NULL;

    if (result != NULL)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, result, count);
    return result;
}

static char *narrow(const wchar_t *text)
{
    int count = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *result = count > 0 ? malloc((size_t)count) : NULL;

    if (result != NULL)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, result, count, NULL, NULL);
    return result;
}

/* A full path finds what it needs beside itself; a bare name is looked for in the system's folder,
 * the program's and those that were added, never in the current one. */
OsLibrary *os_library_open(const char *path)
{
    bool has_folder = strpbrk(path, "/\\") != NULL;
    DWORD flags =
        LOAD_LIBRARY_SEARCH_DEFAULT_DIRS | (has_folder ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR : 0);
    wchar_t *name = wide(path);
    HMODULE module = NULL;

    for (wchar_t *at = name; at != NULL && *at; at++)
        if (*at == L'/')
            *at = L'\\';
    if (name != NULL)
        module = LoadLibraryExW(name, NULL, flags);
    free(name);
    return (OsLibrary *)module;
}

void *os_library_symbol(OsLibrary *library, const char *name)
{
    FARPROC function = GetProcAddress((HMODULE)library, name);
    void *symbol;

    memcpy(&symbol, &function, sizeof symbol);
    return symbol;
}

char *os_executable_folder(void)
{
    enum { MOST = 4096 };
    static wchar_t path[MOST];
    DWORD length = GetModuleFileNameW(NULL, path, MOST);
    char *result = length > 0 && length < MOST ? narrow(path) : NULL;

    return result != NULL ? folder_of(result) : NULL;
}

char *os_cache_folder(void)
{
    const wchar_t *local = _wgetenv(L"LOCALAPPDATA");

    return local != NULL && local[0] ? narrow(local) : NULL;
}

#endif
