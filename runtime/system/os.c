/* The system: what POSIX and Windows do alike. The rest is in os_posix.c and os_windows.c. */
#include "os_system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

volatile sig_atomic_t os_interrupted_by;

static bool is_separator(char c)
{
#ifdef _WIN32
    return c == '/' || c == '\\';
#else
    return c == '/';
#endif
}

/* Grows in steps and does not trust a file size: files that are written to have none. */
bool os_read_file(const char *path, int64_t limit, uint8_t **data, int64_t *size, Error *error)
{
    FILE *file = os_open_regular(path, error);
    if (file == NULL)
        return false;
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

bool os_write_verified(const char *path, bool (*write)(FILE *file, void *context),
                       bool (*verify)(const char *temporary, void *context, Error *error),
                       void *context, Error *error)
{
    char *target = os_output_path(path, error);
    if (target == NULL)
        return false;
    size_t length = strlen(target);
    char *temporary = malloc(length + sizeof ".tmp");
    if (temporary == NULL) {
        free(target);
        return error_set(error, ERROR_MEMORY, "no memory to write %s", path);
    }
    memcpy(temporary, target, length);
    memcpy(temporary + length, ".tmp", sizeof ".tmp");

    errno = 0;
    FILE *file = os_fopen(temporary, "wb");
    bool ok = file != NULL && write(file, context) && os_flush_to_disk(file);
    int number = errno;
    if (file != NULL && fclose(file) != 0 && ok) {
        ok = false;
        number = errno;
    }
    if (ok && verify != NULL)
        ok = verify(temporary, context, error);
    if (ok && !os_rename_over(temporary, target)) {
        ok = false;
        number = errno;
    }
    if (ok) {
        os_flush_folder_of(target);
    } else {
        if (file != NULL)
            os_remove(temporary);
        error_set(error, ERROR_FILES, "cannot write %s", path);
        error_why_errno(error, number);
    }
    free(temporary);
    free(target);
    return ok;
}

bool os_write_atomically(const char *path, bool (*write)(FILE *file, void *context), void *context,
                         Error *error)
{
    return os_write_verified(path, write, NULL, context, error);
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
        if (!os_is_folder(prefix) && !os_make_folder(prefix))
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
    *is_new = os_make_folder(path);
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
    if (!os_each_name(path, take_name, &list)) {
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
    int64_t page = os_page_bytes(), middle = whole_pages(bytes, page);
    return middle == 0 ? NULL : os_map_middle(page, middle);
}

void os_unmap_guarded(void *memory, int64_t bytes)
{
    int64_t page = os_page_bytes();
    if (memory != NULL)
        os_unmap_middle(memory, page, whole_pages(bytes, page));
}

OsThread *os_thread_start(void (*body)(void *), void *argument)
{
    OsThread *thread = malloc(sizeof *thread);
    if (thread == NULL)
        return NULL;
    *thread = (OsThread){.body = body, .argument = argument};
    if (!os_start_thread(thread)) {
        free(thread);
        return NULL;
    }
    return thread;
}

void os_thread_join(OsThread *thread)
{
    if (thread == NULL)
        return;
    os_join_thread(thread);
    free(thread);
}

int64_t os_unix_seconds(void)
{
    return (int64_t)time(NULL);
}

int os_interrupted(void)
{
    return os_interrupted_by;
}
