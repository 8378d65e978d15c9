/* The system: files, memory, threads, time, terminal, signals, by POSIX. */
#include "os_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
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

FILE *os_open_regular(const char *path, Error *error)
{
    struct stat info;
    int number = 0, fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool is_stat = fd >= 0 && fstat(fd, &info) == 0;
    bool is_file = is_stat && S_ISREG(info.st_mode);
    FILE *file = is_file ? fdopen(fd, "rb") : NULL;
    if (file != NULL)
        return file;
    number = errno;
    if (fd >= 0)
        close(fd);
    error_set(error, ERROR_FILES, "cannot open %s", path);
    if (is_stat && S_ISDIR(info.st_mode))
        error_why(error, "it is a folder");
    else if (is_stat && !is_file)
        error_why(error, "it is a pipe or a device, not a file");
    else
        error_why_errno(error, number);
    return NULL;
}

bool os_look(const char *path, bool *is_there, Error *error)
{
    struct stat info;
    *is_there = stat(path, &info) == 0;
    int number = errno;
    if (*is_there || number == ENOENT || number == ENOTDIR)
        return true;
    error_set(error, ERROR_FILES, "cannot look at %s", path);
    return error_why_errno(error, number);
}

bool os_make_folder(const char *path)
{
    return mkdir(path, 0777) == 0;
}

bool os_rename_over(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

bool os_flush_to_disk(FILE *file)
{
    return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

void os_flush_folder_of(const char *path)
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

/* The target of a link, seen from the link's own folder. */
static char *follow_link(const char *path)
{
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target - 1);
    const char *slash = strrchr(path, '/');
    if (length < 0)
        return NULL;
    target[length] = '\0';
    if (target[0] == '/' || slash == NULL)
        return strdup(target);
    char *folder = strndup(path, (size_t)(slash - path) + 1);
    char *joined = folder == NULL ? NULL : os_join(folder, target);
    free(folder);
    return joined;
}

static const char *name_of_kind(mode_t mode)
{
    return S_ISDIR(mode)                    ? "a folder"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
           : S_ISFIFO(mode)                 ? "a pipe"
           : S_ISSOCK(mode)                 ? "a socket"
                                            : "no file";
}

char *os_output_path(const char *path, Error *error)
{
    enum { MOST_LINKS = 40 };
    char *at = strdup(path);
    struct stat info;
    for (int k = 0; at != NULL && lstat(at, &info) == 0 && !S_ISREG(info.st_mode); k++) {
        char *next = S_ISLNK(info.st_mode) && k < MOST_LINKS ? follow_link(at) : NULL;
        if (next == NULL) {
            error_set(error, ERROR_FILES, "cannot write %s", path);
            error_why(error, "%s is %s", at,
                      S_ISLNK(info.st_mode) ? "a link that leads nowhere"
                                            : name_of_kind(info.st_mode));
            free(at);
            return NULL;
        }
        free(at);
        at = next;
    }
    if (at == NULL)
        error_set(error, ERROR_MEMORY, "no memory to write %s", path);
    return at;
}

bool os_same_file(const char *a, const char *b)
{
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev
           && left.st_ino == right.st_ino;
}

char *os_absolute(const char *path)
{
    return realpath(path, NULL);
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

bool os_link_over(const char *path, const char *name)
{
    return (unlink(name) == 0 || errno == ENOENT) && link(path, name) == 0;
}

bool os_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
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

bool os_each_name(const char *path, bool (*take)(void *context, const char *name), void *context)
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

/* The system lets go of a lock when its process ends, whatever ended it: a file without a lock is
 * what a killed process has left. Where the file system has no locks, the name in the file decides.
 */
struct OsLock {
    int fd;
    char *path;
};

typedef struct Holder {
    char host[256];
    long process;
} Holder;

static bool read_holder(int fd, Holder *holder)
{
    char text[320];
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return sscanf(text, "process %ld on %255s", &holder->process, holder->host) == 2;
}

static void write_holder(int fd, const Holder *holder)
{
    char text[320];
    int length = snprintf(text, sizeof text, "process %ld on %s\n", holder->process, holder->host);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
        return; /* the name helps people; the lock is the system's */
}

/* Where nothing else can tell. A process of another host may well be alive. */
static bool is_alive(const Holder *holder, const Holder *own)
{
    return strcmp(holder->host, own->host) != 0
           || (holder->process != own->process
               && (kill((pid_t)holder->process, 0) == 0 || errno == EPERM));
}

static bool refuse_lock(const char *path, const Holder *holder, bool is_known, Error *error)
{
    if (is_known)
        error_set(error, ERROR_FILES, "process %ld on %s is writing there", holder->process,
                  holder->host);
    else
        error_set(error, ERROR_FILES, "another process is writing there");
    error_why(error, "it holds %s", path);
    return error_hint(error, "wait for its end, or stop it: each run has one writer");
}

/* Opens the file and locks it. The one before may have removed it meanwhile: *is_gone. */
static bool try_lock(OsLock *lock, bool *is_gone, Error *error)
{
    Holder own = {.process = (long)getpid()}, holder = {0};
    struct stat mine, theirs;

    if (gethostname(own.host, sizeof own.host - 1) != 0 || own.host[0] == '\0')
        snprintf(own.host, sizeof own.host, "this host");
    lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0) {
        error_set(error, ERROR_FILES, "cannot write %s", lock->path);
        return error_why_errno(error, errno);
    }
    bool has_locks = flock(lock->fd, LOCK_EX | LOCK_NB) == 0;
    bool is_held = !has_locks && errno == EWOULDBLOCK;
    bool is_known = read_holder(lock->fd, &holder);
    if (is_held || (!has_locks && is_known && is_alive(&holder, &own)))
        return refuse_lock(lock->path, &holder, is_known, error);
    *is_gone = fstat(lock->fd, &mine) != 0 || stat(lock->path, &theirs) != 0
               || mine.st_ino != theirs.st_ino || mine.st_dev != theirs.st_dev;
    if (*is_gone)
        return true;
    if (is_known)
        fprintf(stderr, "process %ld on %s has ended without letting go of %s: taken over\n",
                holder.process, holder.host, lock->path);
    write_holder(lock->fd, &own);
    return true;
}

bool os_lock(OsLock **result, const char *path, Error *error)
{
    OsLock *lock = malloc(sizeof *lock);
    *result = NULL;
    if (lock == NULL)
        return error_set(error, ERROR_MEMORY, "no memory to lock %s", path);
    *lock = (OsLock){.fd = -1, .path = strdup(path)};
    bool is_gone = true,
         ok = lock->path != NULL || error_set(error, ERROR_MEMORY, "no memory to lock %s", path);
    while (ok && is_gone) {
        if (lock->fd >= 0)
            close(lock->fd);
        ok = try_lock(lock, &is_gone, error);
    }
    if (ok) {
        *result = lock;
        return true;
    }
    if (lock->fd >= 0)
        close(lock->fd);
    free(lock->path);
    free(lock);
    return false;
}

void os_unlock(OsLock *lock)
{
    if (lock == NULL)
        return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    free(lock);
}

int64_t os_page_bytes(void)
{
    return sysconf(_SC_PAGESIZE);
}

void *os_map_middle(int64_t page, int64_t middle)
{
    uint8_t *base =
        mmap(NULL, (size_t)(middle + 2 * page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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

void os_unmap_middle(void *memory, int64_t page, int64_t middle)
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
    return pages < 0 ? -1 : pages * os_page_bytes();
}

static void *run_thread(void *context)
{
    OsThread *thread = context;
    thread->body(thread->argument);
    return NULL;
}

bool os_start_thread(OsThread *thread)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t handle;
    bool ok = pthread_attr_setstacksize(&attributes, OS_THREAD_STACK) == 0
              && pthread_create(&handle, &attributes, run_thread, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (ok)
        thread->handle = (unsigned long)handle;
    return ok;
}

void os_join_thread(OsThread *thread)
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
    os_interrupted_by = 128 + number;
}

/* As above, but a signal that whoever started us has switched off stays off. */
static void catch_unless_ignored(int number, const struct sigaction *action)
{
    struct sigaction before;
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(number, action, NULL);
}

/* A stream that can be used for nothing: reading fails where it should be written and the other way
 * round, so that lost output is an error. */
void os_keep_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

void os_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
    catch_unless_ignored(SIGHUP, &action);
    action.sa_flags |= (int)SA_RESETHAND; /* the second one ends the process */
    sigaction(SIGINT, &action, NULL);
}
