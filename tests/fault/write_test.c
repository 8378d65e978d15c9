/* Every call that replacing a checkpoint makes of the system fails in turn, once and for good; and
 * the process dies after each of them. What lies on the disk is the old file or the new one, whole.
 *
 * The linker sends fopen, fwrite, fflush, fsync, fclose, rename and open through the functions here
 * (--wrap), which count while they are armed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/files.h"
#include "runtime/train/safetensors.h"

/* ---- calls that fail ------------------------------------------------------------------------- */

typedef enum Fault { FAULT_none, FAULT_once, FAULT_for_good, FAULT_kill } Fault;

static Fault fault;
static int calls, fails_at, failures, fault_number = ENOSPC;

/* Whether this call is to fail. */
static int is_hit(void)
{
    if (fault == FAULT_none)
        return 0;
    calls++;
    if (calls < fails_at || (calls > fails_at && fault == FAULT_once))
        return 0;
    if (fault == FAULT_kill)
        raise(SIGKILL);
    failures++;
    errno = fault_number;
    return 1;
}

FILE *__real_fopen(const char *path, const char *mode);
size_t __real_fwrite(const void *data, size_t size, size_t count, FILE *file);
int __real_fflush(FILE *file);
int __real_fsync(int descriptor);
int __real_fclose(FILE *file);
int __real_rename(const char *from, const char *to);
int __real_open(const char *path, int flags, ...);

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return is_hit() ? NULL : __real_fopen(path, mode);
}

/* A disk that is full takes the first half. */
size_t __wrap_fwrite(const void *data, size_t size, size_t count, FILE *file)
{
    return is_hit() ? __real_fwrite(data, size, count / 2, file)
                    : __real_fwrite(data, size, count, file);
}

int __wrap_fflush(FILE *file)
{
    return is_hit() ? EOF : __real_fflush(file);
}

int __wrap_fsync(int descriptor)
{
    return is_hit() ? -1 : __real_fsync(descriptor);
}

int __wrap_fclose(FILE *file)
{
    int hit = is_hit(), number = errno, result = __real_fclose(file);
    errno = number;
    return hit ? EOF : result;
}

int __wrap_rename(const char *from, const char *to)
{
    return is_hit() ? -1 : __real_rename(from, to);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return is_hit() ? -1 : __real_open(path, flags, mode);
}

/* ---- a checkpoint of one letter -------------------------------------------------------------- */

enum { TENSORS = 5, BYTES = 3000 };

static bool fill(const TensorSource *source, void *bytes)
{
    memset(bytes, (int)source->index, BYTES);
    return true;
}

static bool write_letter(const char *path, char letter, Error *error)
{
    static const char *const names[TENSORS] = {"a", "b", "c", "d", "e"};
    TensorSource sources[TENSORS];

    for (int k = 0; k < TENSORS; k++)
        sources[k] = (TensorSource){.name = names[k],
                                    .type = TENSOR_U8,
                                    .rank = 1,
                                    .shape = {BYTES},
                                    .fill = fill,
                                    .index = letter};
    *error = (Error){0};
    return tensor_file_write(path, sources, TENSORS, NULL, 0, error);
}

/* The letter of which the whole file consists; fails the test where there are two. */
static char read_letter(const char *path)
{
    TensorFile file;
    Error error = {0};
    char bytes[BYTES], letter = 0;

    if (!tensor_file_open(&file, path, &error))
        fail_msg("%s: %s", error.what, error.why);
    assert_int_equal(file.entry_count, TENSORS);
    for (int k = 0; k < TENSORS; k++) {
        assert_true(tensor_file_read(&file, &file.entries[k], bytes, &error));
        letter = k == 0 ? bytes[0] : letter;
        for (int b = 0; b < BYTES; b++)
            assert_int_equal(bytes[b], letter);
    }
    tensor_file_close(&file);
    return letter;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void fail_each_call(Fault kind, int number)
{
    char *folder = make_folder(), path[256];
    int n = 0;

    snprintf(path, sizeof path, "%s/last.safetensors", folder);
    for (bool is_past = false; !is_past; n++) {
        Error error;
        fault = FAULT_none;
        assert_true(write_letter(path, 'A', &error));
        fault = kind;
        fault_number = number;
        calls = failures = 0;
        fails_at = n + 1;
        bool ok = write_letter(path, 'B', &error);
        fault = FAULT_none;
        is_past = failures == 0;
        char letter = read_letter(path);
        assert_int_equal(letter, ok ? 'B' : 'A');
        if (!ok) {
            assert_int_equal(error.status, ERROR_FILES);
            assert_non_null(strstr(error.what, "last.safetensors"));
            assert_string_not_equal(error.why, "");
        }
    }
    assert_true(n > 2 * TENSORS); /* all of the calls were met, fwrites among them */
    print_message("%d calls failed with %s, %s\n", n - 1, strerror(number),
                  kind == FAULT_once ? "once" : "for good");
    remove_folder(folder);
}

static void each_call_fails_once(void **state)
{
    (void)state;
    fail_each_call(FAULT_once, ENOSPC);
    fail_each_call(FAULT_once, EIO);
}

static void each_call_fails_for_good(void **state)
{
    (void)state;
    fail_each_call(FAULT_for_good, ENOSPC);
    fail_each_call(FAULT_for_good, EACCES);
}

/* A child that dies at call n; the parent looks at what it has left, and writes again. */
static void killed_at_each_call(void **state)
{
    char *folder = make_folder(), path[256];
    int n = 0, seen[256] = {0};

    (void)state;
    snprintf(path, sizeof path, "%s/last.safetensors", folder);
    for (bool is_past = false; !is_past; n++) {
        Error error;
        int status;
        assert_true(write_letter(path, 'A', &error));
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            fault = FAULT_kill;
            calls = 0;
            fails_at = n + 1;
            _exit(write_letter(path, 'B', &error) ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        is_past = WIFEXITED(status);
        assert_true(is_past || WTERMSIG(status) == SIGKILL);
        seen[(unsigned char)read_letter(path)]++;
        assert_true(write_letter(path, 'C', &error));
        assert_int_equal(read_letter(path), 'C');
    }
    assert_true(seen['A'] > 0 && seen['B'] > 0);
    print_message("killed at %d calls: %d times the old file, %d times the new one\n", n - 1,
                  seen['A'], seen['B']);
    remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_fails_once),
        cmocka_unit_test(each_call_fails_for_good),
        cmocka_unit_test(killed_at_each_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
