/* Files are whole or not there, guarded memory is guarded, threads and errors do as they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/system/os.h"

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "os_test_XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static bool write_text(FILE *file, void *text)
{
    return fputs(text, file) >= 0;
}

static bool write_half(FILE *file, void *text)
{
    fputs(text, file);
    errno = ENOSPC;
    return false;
}

static void expect_content(const char *path, const char *text)
{
    Error error = {0};
    uint8_t *data;
    int64_t size;
    assert_true(os_read_file(path, 1 << 20, &data, &size, &error));
    assert_int_equal(size, strlen(text));
    assert_string_equal(data, text);
    free(data);
}

static void test_write_is_whole_or_not(void **state)
{
    (void)state;
    char *path = os_join(folder, "file with ünicode");
    Error error = {0};
    assert_true(os_write_atomically(path, write_text, "first", &error));
    expect_content(path, "first");
    assert_true(os_write_atomically(path, write_text, "second", &error));
    expect_content(path, "second");
    assert_false(os_write_atomically(path, write_half, "third", &error));
    assert_int_equal(error.status, ERROR_FILES);
    assert_string_equal(error.why, "no space left on device");
    assert_non_null(strstr(error.what, path));
    expect_content(path, "second");

    char **names;
    int64_t count;
    error = (Error){0};
    assert_true(os_list_folder(folder, &names, &count, &error));
    assert_int_equal(count, 1); /* no file.tmp is left */
    free(names[0]);
    free(names);
    free(path);
}

static void test_write_into_nothing(void **state)
{
    (void)state;
    Error error = {0};
    assert_false(os_write_atomically("os_test_no/such/folder/x", write_text, "x", &error));
    assert_string_equal(error.why, "no such file or directory");
}

static void test_read_limits(void **state)
{
    (void)state;
    char *path = os_join(folder, "large");
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    Error error = {0};
    assert_true(os_write_atomically(path, write_text, text, &error));
    uint8_t *data;
    int64_t size;
    assert_true(os_read_file(path, 100000, &data, &size, &error));
    assert_int_equal(size, 100000);
    assert_int_equal(data[size], 0);
    free(data);
    assert_false(os_read_file(path, 99999, &data, &size, &error));
    assert_non_null(strstr(error.why, "99999"));
    error = (Error){0};
    assert_false(os_read_file(folder, 1000, &data, &size, &error));
    error = (Error){0};
    assert_false(os_read_file("os_test_missing", 1000, &data, &size, &error));
    assert_string_equal(error.what, "cannot open os_test_missing");
    free(path);
    free(text);
}

static void test_empty_file(void **state)
{
    (void)state;
    char *path = os_join(folder, "empty");
    Error error = {0};
    assert_true(os_write_atomically(path, write_text, "", &error));
    expect_content(path, "");
    free(path);
}

static void test_folders(void **state)
{
    (void)state;
    Error error = {0};
    char *deep = os_join(folder, "a/b/c"), *other = os_join(folder, "a//b/d/");
    assert_true(os_make_folders(deep, &error));
    assert_true(os_make_folders(deep, &error));
    assert_true(os_make_folders(other, &error));
    assert_true(os_is_folder(deep) && os_exists(deep));
    char *middle = os_join(folder, "a/b");
    char **names;
    int64_t count;
    assert_true(os_list_folder(middle, &names, &count, &error));
    assert_int_equal(count, 2);
    assert_string_equal(names[0], "c");
    assert_string_equal(names[1], "d");
    for (int64_t i = 0; i < count; i++)
        free(names[i]);
    free(names);

    char *file = os_join(deep, "file"), *below = os_join(file, "below");
    assert_true(os_write_atomically(file, write_text, "", &error));
    assert_false(os_is_folder(file));
    assert_false(os_make_folders(below, &error));
    assert_int_equal(error.status, ERROR_FILES);
    error = (Error){0};
    assert_false(os_list_folder("os_test_missing", &names, &count, &error));
    assert_true(os_remove(file));
    assert_false(os_remove(file));
    free(deep), free(other), free(middle), free(file), free(below);
}

static void test_join(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"a", "b", "a/b"},
                                           {"a/", "b", "a/b"},
                                           {"", "b", "b"},
                                           {"/", "b", "/b"},
                                           {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = os_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        free(path);
    }
}

/* A child process that writes at memory[index] is ended by it; the process itself goes on. */
static bool write_ends_process(volatile char *memory, int64_t index)
{
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the next test */
        signal(SIGBUS, SIG_DFL);
        memory[index] = 1;
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_guards(void **state)
{
    (void)state;
    int64_t page = sysconf(_SC_PAGESIZE), bytes = 3 * page;
    char *memory = os_map_guarded(bytes);
    assert_non_null(memory);
    for (int64_t i = 0; i < bytes; i++)
        assert_int_equal(memory[i], 0);
    assert_false(write_ends_process(memory, 0));
    assert_false(write_ends_process(memory, bytes - 1));
    assert_true(write_ends_process(memory, -1));
    assert_true(write_ends_process(memory, bytes));
    os_unmap_guarded(memory, bytes);
    assert_null(os_map_guarded(0));
    assert_null(os_map_guarded(-5));
    assert_null(os_map_guarded(INT64_MAX));
    assert_null(os_map_guarded(INT64_MAX / 2));
}

static void test_memory_is_counted(void **state)
{
    (void)state;
    int64_t bytes = 64 << 20, before = os_resident_bytes();
    assert_true(before > 0 && before < os_physical_bytes());
    char *memory = os_map_guarded(bytes);
    assert_true(os_resident_bytes() < before + bytes / 2); /* not touched yet */
    memset(memory, 1, (size_t)bytes);
    assert_true(os_resident_bytes() > before + bytes / 2);
    os_unmap_guarded(memory, bytes);
    assert_true(os_peak_resident_bytes() > before + bytes / 2);
}

typedef struct Counter {
    OsMutex *mutex;
    OsCondition *condition;
    int value, turn;
} Counter;

static void count_up(void *context)
{
    Counter *counter = context;
    for (int i = 0; i < 1000; i++) {
        os_mutex_lock(counter->mutex);
        counter->value++;
        os_condition_signal_all(counter->condition);
        os_mutex_unlock(counter->mutex);
    }
}

static void test_threads(void **state)
{
    (void)state;
    Counter counter = {.mutex = os_mutex_create(), .condition = os_condition_create()};
    OsThread *threads[4];
    for (int i = 0; i < 4; i++) {
        threads[i] = os_thread_start(count_up, &counter);
        assert_non_null(threads[i]);
    }
    os_mutex_lock(counter.mutex);
    while (counter.value < 4000)
        os_condition_wait(counter.condition, counter.mutex);
    os_mutex_unlock(counter.mutex);
    for (int i = 0; i < 4; i++)
        os_thread_join(threads[i]);
    assert_int_equal(counter.value, 4000);
    os_condition_destroy(counter.condition);
    os_mutex_destroy(counter.mutex);
    assert_true(os_processor_count() >= 1);
}

static void test_interrupts(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        os_catch_interrupts();
        int before = os_interrupted();
        raise(SIGTERM);
        int terminated = os_interrupted();
        raise(SIGINT);
        int interrupted = os_interrupted();
        if (before != 0 || terminated != 143 || interrupted != 130)
            _exit(1);
        raise(SIGINT); /* the second one ends it */
        _exit(2);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

static void test_first_error_is_kept(void **state)
{
    (void)state;
    Error error = {0};
    assert_false(error_set(&error, ERROR_FILES, "cannot open %s", "a"));
    assert_false(error_why(&error, "number %d", 1));
    assert_false(error_set(&error, ERROR_DEVICE, "cannot train"));
    assert_false(error_why(&error, "number %d", 2));
    assert_false(error_hint(&error, "do this"));
    assert_int_equal(error.status, ERROR_FILES);
    assert_string_equal(error.what, "cannot open a");
    assert_string_equal(error.why, "number 1");
    assert_string_equal(error.hint, "do this");
}

static void test_clock(void **state)
{
    (void)state;
    double first = os_seconds();
    assert_true(os_seconds() >= first);
    assert_true(os_unix_seconds() > 1600000000);
    assert_true(os_terminal_width() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_is_whole_or_not, set_up, tear_down),
        cmocka_unit_test(test_write_into_nothing),
        cmocka_unit_test_setup_teardown(test_read_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders, set_up, tear_down),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_memory_is_counted),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_first_error_is_kept),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
