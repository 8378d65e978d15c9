/* Files, the C compiler, child processes: everything that differs between systems. */
#include "system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "text.h"

#ifdef _WIN32
#include <direct.h>
#include <io.h>
#include <process.h>
#include <windows.h>
#define popen  _popen
#define pclose _pclose
#else
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
#endif

/* ---- the system ------------------------------------------------------------------------------ */

/* The folder of the running executable, with '/' and without a trailing one; "." where unknown. */
static const char *executable_folder(Arena *arena)
{
    char *path = arena_alloc(arena, 4096);

#ifdef _WIN32
    DWORD length = GetModuleFileNameA(NULL, path, 4095);
    for (DWORD k = 0; k < length; k++)
        if (path[k] == '\\')
            path[k] = '/';
#else
    ssize_t length = readlink("/proc/self/exe", path, 4095);
#endif
    if (length <= 0)
        return ".";
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return ".";
    *slash = '\0';
    return path;
}

static bool make_folder(const char *path)
{
#ifdef _WIN32
    return _mkdir(path) == 0 || errno == EEXIST;
#else
    return mkdir(path, 0777) == 0 || errno == EEXIST;
#endif
}

static bool replace_file(const char *from, const char *to)
{
#ifdef _WIN32
    return MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING) != 0;
#else
    return rename(from, to) == 0;
#endif
}

int run_program(const char *const *argv)
{
#ifdef _WIN32
    return (int)_spawnvp(_P_WAIT, argv[0], argv);
#else
    pid_t child;
    int status;

    if (posix_spawnp(&child, argv[0], NULL, NULL, (char *const *)argv, environ) != 0)
        return -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
#endif
}

const char *first_line_of(Arena *arena, const char *command)
{
    char line[256] = "";
    FILE *pipe = popen(command, "r");

    if (pipe == NULL)
        return "";
    if (fgets(line, sizeof line, pipe) == NULL)
        line[0] = '\0';
    pclose(pipe);
    line[strcspn(line, "\r\n")] = '\0';
    return arena_strdup(arena, line);
}

int64_t default_reserve_bytes(void)
{
#ifdef _WIN32
    return (int64_t)1536 << 20; /* the desktop, and head-room before Windows pages */
#else
    return (int64_t)1024 << 20;
#endif
}

int processor_count(void)
{
#ifdef _WIN32
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return (int)info.dwNumberOfProcessors;
#else
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (int)count : 1;
#endif
}

double monotonic_seconds(void)
{
#ifdef _WIN32
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    return (double)ticks.QuadPart / (double)frequency.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
#endif
}

int64_t physical_bytes(void)
{
#ifdef _WIN32
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    return GlobalMemoryStatusEx(&memory) ? (int64_t)memory.ullTotalPhys : 0;
#else
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (int64_t)pages * page : 0;
#endif
}

bool is_terminal(FILE *stream)
{
#ifdef _WIN32
    return _isatty(_fileno(stream)) != 0;
#else
    return isatty(fileno(stream)) != 0;
#endif
}

/* ---- files ----------------------------------------------------------------------------------- */

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool is_newer(const char *path, const char *than)
{
    struct stat mine, other;

    if (stat(path, &mine) != 0 || stat(than, &other) != 0)
        return false;
    return mine.st_mtime >= other.st_mtime;
}

bool make_folders(Arena *arena, const char *folder)
{
    char *path = arena_strdup(arena, folder);

    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (!make_folder(path))
            return false;
        *at = '/';
    }
    return make_folder(path);
}

#ifdef _WIN32

const char *output_path(Arena *arena, const char *path, const char **what)
{
    struct stat info;

    *what = "a folder";
    return stat(path, &info) == 0 && (info.st_mode & S_IFDIR) ? NULL : arena_strdup(arena, path);
}

bool is_same_file(const char *a, const char *b)
{
    char left[_MAX_PATH], right[_MAX_PATH];

    return exists(a) && exists(b) && _fullpath(left, a, sizeof left) != NULL
           && _fullpath(right, b, sizeof right) != NULL && _stricmp(left, right) == 0;
}

void keep_standard_streams(void)
{
} /* the runtime library gives closed ones descriptors that no file gets */

#else

const char *output_path(Arena *arena, const char *path, const char **what)
{
    enum { MOST_LINKS = 40, MOST_BYTES = 4096 };
    struct stat info;

    *what = NULL;
    for (int k = 0; lstat(path, &info) == 0 && !S_ISREG(info.st_mode); k++) {
        char *target = arena_alloc(arena, MOST_BYTES);
        const char *slash = strrchr(path, '/');
        ssize_t length =
            S_ISLNK(info.st_mode) && k < MOST_LINKS ? readlink(path, target, MOST_BYTES - 1) : -1;
        if (length < 0) {
            *what = S_ISDIR(info.st_mode)                            ? "a folder"
                    : S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode) ? "a device"
                    : S_ISFIFO(info.st_mode)                         ? "a pipe"
                    : S_ISLNK(info.st_mode)                          ? "a link to itself"
                                                                     : "no file";
            return NULL;
        }
        target[length] = '\0';
        path = target[0] == '/' || slash == NULL
                   ? target
                   : arena_printf(arena, "%.*s/%s", (int)(slash - path), path, target);
    }
    return path;
}

bool is_same_file(const char *a, const char *b)
{
    struct stat left, right;

    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev
           && left.st_ino == right.st_ino;
}

/* Reading fails where it should be written and the other way round, so that lost output is an
 * error. */
void keep_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

#endif

static bool same_bytes(const char *left, const char *right)
{
    FILE *a = fopen(left, "rb"), *b = fopen(right, "rb");
    bool same = a != NULL && b != NULL;

    while (same) {
        int x = getc(a), y = getc(b);
        same = x == y;
        if (x == EOF || y == EOF)
            break;
    }
    if (a != NULL)
        fclose(a);
    if (b != NULL)
        fclose(b);
    return same;
}

bool write_if_changed(Arena *arena, const char *path, bool (*write)(FILE *file, void *context),
                      void *context)
{
    const char *what, *target = output_path(arena, path, &what);
    if (target == NULL) {
        errno = EEXIST; /* something that is no file */
        return false;
    }
    const char *temporary = arena_printf(arena, "%s.tmp", target);
    FILE *file = fopen(temporary, "wb");
    bool ok;

    if (file == NULL)
        return false;
    ok = write(file, context) && !ferror(file);
    ok = fclose(file) == 0 && ok;
    if (ok && same_bytes(temporary, target))
        return remove(temporary) == 0;
    ok = ok && replace_file(temporary, target);
    if (!ok) {
        int reason = errno;
        remove(temporary);
        errno = reason;
    }
    return ok;
}

/* ---- the C compiler -------------------------------------------------------------------------- */

static bool runtime_in(Arena *arena, Runtime *runtime, const char *library_folder,
                       const char *include_folder, const char **missing)
{
    const char *header = arena_printf(arena, "%s/runtime/program.h", include_folder);

    runtime->include = include_folder;
    runtime->library = arena_printf(arena, "%s/libsnug_runtime.a", library_folder);
    runtime->flags = arena_printf(arena, "%s/snug_runtime.flags", library_folder);
    *missing = !exists(runtime->library) ? runtime->library
               : !exists(runtime->flags) ? runtime->flags
               : !exists(header)         ? header
                                         : NULL;
    return *missing == NULL;
}

bool find_runtime(Arena *arena, Runtime *runtime, const char **missing)
{
    const char *folder = executable_folder(arena);

    return runtime_in(arena, runtime, arena_printf(arena, "%s/../lib/snug", folder),
                      arena_printf(arena, "%s/../include/snug", folder), missing)
           || runtime_in(arena, runtime, folder, arena_printf(arena, "%s/include", folder),
                         missing);
}

typedef ARRAY(const char *) Words;

/* Appends the words of a text file, separated by blanks or ends of line. */
static bool append_words(Arena *arena, Words *words, const char *path)
{
    char *text = arena_alloc(arena, 8192);
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return false;
    text[fread(text, 1, 8191, file)] = '\0';
    fclose(file);
    for (char *word = strtok(text, " \r\n"); word != NULL; word = strtok(NULL, " \r\n"))
        ARRAY_APPEND(arena, words, word);
    return true;
}

bool compile_source(Arena *arena, const char *cc, const Runtime *runtime, const char *source,
                    const char *output)
{
    const char *what, *target = output_path(arena, output, &what);
    if (target == NULL) {
        fprintf(stderr, "snug: cannot write %s: it is %s\n", output, what);
        return false;
    }
    const char *temporary = arena_printf(arena, "%s.tmp", target);
    const char *const head[] = {
        cc, "-std=c11", "-O1", "-I", runtime->include, "-o", temporary, source, runtime->library};
    Words words = {0};
    int status;

    for (size_t k = 0; k < COUNT_OF(head); k++)
        ARRAY_APPEND(arena, &words, head[k]);
    if (!append_words(arena, &words, runtime->flags)) {
        fprintf(stderr, "snug: cannot read %s: %s\n", runtime->flags, strerror(errno));
        return false;
    }
    ARRAY_APPEND(arena, &words, NULL);

    status = run_program(words.items);
    if (status == 0 && replace_file(temporary, target))
        return true;
    if (status == -1)
        fprintf(stderr,
                "snug: cannot start the C compiler \"%s\"\n"
                "      note: install one (Debian: apt-get install gcc) or name it by --cc\n",
                cc);
    else if (status == 0)
        fprintf(stderr, "snug: cannot write %s: %s\n", output, strerror(errno));
    else
        fprintf(stderr,
                "snug: the C compiler \"%s\" ended with status %d\n"
                "      note: its messages stand above; libraries of the runtime: %s\n",
                cc, status, runtime->flags);
    remove(temporary);
    return false;
}
