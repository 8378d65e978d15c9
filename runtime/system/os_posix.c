/* The system: files, memory, threads, time, terminal, signals, by POSIX. */
#include "os_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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
    os_interrupted_by = number == SIGINT ? 130 : 143;
}

void os_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    action.sa_flags |= (int)SA_RESETHAND; /* the second one ends the process */
    sigaction(SIGINT, &action, NULL);
}
