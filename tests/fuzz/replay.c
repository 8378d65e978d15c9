/* Runs a fuzz target on every file of the folders given: the corpus as a plain test. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "replay: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static bool is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(FILE_MAX_BYTES);
    size_t length;

    if (file == NULL || bytes == NULL)
        fail("cannot read", path);
    length = fread(bytes, 1, FILE_MAX_BYTES, file);
    if (ferror(file))
        fail("cannot read", path);
    fclose(file);
    printf("%s\n", path); /* the last line is the culprit where the target aborts */
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, length);
    free(bytes);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    int files = 0;

    for (int k = 1; k < argc; k++) {
        struct dirent **entries = NULL;
        int count = scandir(argv[k], &entries, is_visible, alphasort);
        if (count < 0)
            fail("cannot list", argv[k]);
        for (int e = 0; e < count; e++) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[k], entries[e]->d_name);
            if (is_file(path)) {
                replay(path);
                files++;
            }
            free(entries[e]);
        }
        free(entries);
    }
    printf("%d files\n", files);
    return files == 0;
}
