/* The golden runner: a test is a model file that says how to run it and what must come out.
 *
 *     # Why this test exists.
 *     #
 *     # run: snug check %s
 *     # status: 1
 *     # expect
 *     #   tests/golden/error/x.snug:12:5: error[E031]: ...
 *     # end
 *
 * `%s` is the file as seen from the repository's root, where the command runs; stdout and stderr
 * come together. Without `status` the command must exit with 0. A file without `# run:` is
 * somebody's import and is passed over.
 *
 *     run SNUG FOLDER...            compares, prints the differences, exits 1 if there are any
 *     run --bless SNUG FOLDER...    writes what came out into the files
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { LINE_MAX_BYTES = 4096 };

typedef struct Bytes {
    char *data;
    size_t length, capacity;
} Bytes;

typedef struct Golden {
    char command[LINE_MAX_BYTES]; /* empty: not a test */
    int status;
    Bytes before, expected, after; /* the file up to `# expect`, the block, from `# end` on */
    bool has_block;
} Golden;

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "run: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static void bytes_add(Bytes *bytes, const char *data, size_t length)
{
    if (bytes->length + length + 1 > bytes->capacity) {
        bytes->capacity = 2 * (bytes->length + length + 1);
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL)
            fail("cannot hold", "the output");
    }
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    bytes->data[bytes->length] = '\0';
}

static const char *bytes_text(const Bytes *bytes)
{
    return bytes->data ? bytes->data : "";
}

static Bytes read_stream(FILE *stream)
{
    Bytes bytes = {0};
    char block[4096];
    size_t got;

    while ((got = fread(block, 1, sizeof block, stream)) > 0)
        bytes_add(&bytes, block, got);
    return bytes;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* The text after `prefix` where the line starts with it, else NULL. */
static const char *after(const char *line, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(line, prefix, length) == 0 ? line + length : NULL;
}

static Golden read_golden(const char *path)
{
    Golden golden = {0};
    enum { BEFORE, BLOCK, AFTER } part = BEFORE;
    char line[LINE_MAX_BYTES];
    const char *rest;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        fail("cannot open", path);
    while (fgets(line, sizeof line, file)) {
        if (part == BEFORE && (rest = after(line, "# run: "))) {
            snprintf(golden.command, sizeof golden.command, "%.*s", (int)strcspn(rest, "\r\n"),
                     rest);
        } else if (part == BEFORE && (rest = after(line, "# status: "))) {
            golden.status = atoi(rest);
        }
        if (part == BLOCK && after(line, "# end"))
            part = AFTER;
        if (part == BLOCK) {
            rest = after(line, "#   ");
            if (rest == NULL)
                rest = after(line, "#");
            if (rest == NULL) {
                fprintf(stderr, "run: %s: the expect block has no `# end`\n", path);
                exit(2);
            }
            bytes_add(&golden.expected, rest, strlen(rest));
            continue;
        }
        bytes_add(part == BEFORE ? &golden.before : &golden.after, line, strlen(line));
        if (part == BEFORE && after(line, "# expect")) {
            part = BLOCK;
            golden.has_block = true;
        }
    }
    fclose(file);
    if (golden.command[0] && (!golden.has_block || part != AFTER)) {
        fprintf(stderr, "run: %s: `# run:` needs `# expect` and `# end` after it\n", path);
        exit(2);
    }
    return golden;
}

static void bless(const char *path, const Golden *golden, const char *actual)
{
    FILE *file = fopen(path, "wb");

    if (file == NULL)
        fail("cannot write", path);
    fputs(bytes_text(&golden->before), file);
    for (const char *line = actual; *line;) {
        size_t length = strcspn(line, "\n");
        fprintf(file, length ? "#   %.*s\n" : "#%.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
    fputs(bytes_text(&golden->after), file);
    if (fclose(file) != 0)
        fail("cannot write", path);
}

static void golden_free(Golden *golden)
{
    free(golden->before.data);
    free(golden->expected.data);
    free(golden->after.data);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Replaces the leading word `snug` by the program's path and each %s by the file's. */
static Bytes expand(const char *command, const char *snug, const char *path)
{
    Bytes line = {0};

    for (const char *at = command; *at;) {
        bool starts_word = at == command || at[-1] == ' ';
        if (starts_word && strncmp(at, "snug ", 5) == 0) {
            bytes_add(&line, snug, strlen(snug));
            at += 4;
        } else if (strncmp(at, "%s", 2) == 0) {
            bytes_add(&line, path, strlen(path));
            at += 2;
        } else {
            bytes_add(&line, at++, 1);
        }
    }
    bytes_add(&line, " 2>&1", 5);
    return line;
}

static void print_difference(const char *expected, const char *actual)
{
    int number = 1;

    while (*expected || *actual) {
        size_t e = strcspn(expected, "\n"), a = strcspn(actual, "\n");
        bool same = e == a && strncmp(expected, actual, e) == 0 && *expected && *actual;
        if (!same && *expected)
            printf("  %3d expected: %.*s\n", number, (int)e, expected);
        if (!same && *actual)
            printf("  %3d actual:   %.*s\n", number, (int)a, actual);
        expected += e + (expected[e] == '\n');
        actual += a + (actual[a] == '\n');
        number++;
    }
}

/* Returns whether the test passed; *is_test tells whether there was one. */
static bool run_golden(const char *path, const char *snug, bool blessing, bool *is_test)
{
    Golden golden = read_golden(path);
    bool passed = true;

    *is_test = golden.command[0] != '\0';
    if (*is_test) {
        Bytes command = expand(golden.command, snug, path);
        FILE *pipe = popen(command.data, "r");
        if (pipe == NULL)
            fail("cannot run", command.data);
        Bytes actual = read_stream(pipe);
        int result = pclose(pipe);
        int status = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
        bool text_agrees = strcmp(bytes_text(&actual), bytes_text(&golden.expected)) == 0;

        passed = text_agrees && status == golden.status;
        if (status != golden.status)
            printf("%s: exit status %d, expected %d\n", path, status, golden.status);
        if (!text_agrees && blessing) {
            bless(path, &golden, bytes_text(&actual));
            printf("%s: blessed\n", path);
        } else if (!text_agrees) {
            printf("%s: differs\n", path);
            print_difference(bytes_text(&golden.expected), bytes_text(&actual));
        }
        free(actual.data);
        free(command.data);
    }
    golden_free(&golden);
    return passed;
}

static int is_model_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".snug") == 0;
}

int main(int argc, char **argv)
{
    int first = 1, tests = 0, failed = 0;
    bool blessing = argc > 1 && strcmp(argv[1], "--bless") == 0;

    first += blessing;
    setenv("CUDA_VISIBLE_DEVICES", "", 1); /* golden files know of no machine's card */
    if (argc < first + 2) {
        fprintf(stderr, "usage: run [--bless] SNUG FOLDER...\n");
        return 2;
    }
    for (int k = first + 1; k < argc; k++) {
        struct dirent **entries = NULL;
        int count = scandir(argv[k], &entries, is_model_file, alphasort);
        if (count < 0)
            fail("cannot list", argv[k]);
        for (int e = 0; e < count; e++) {
            char path[LINE_MAX_BYTES];
            bool is_test;
            snprintf(path, sizeof path, "%s/%s", argv[k], entries[e]->d_name);
            failed += !run_golden(path, argv[first], blessing, &is_test);
            tests += is_test;
            free(entries[e]);
        }
        free(entries);
    }
    printf("%d golden tests, %d failed\n", tests, failed);
    return failed > 0 && !blessing;
}
