/* Any bytes as an annotation, as the table of machines, or as an annotation of ISBI (the first byte
 * says which), in a data set that is right but for them. It opens, with or without warnings, or it
 * is refused with a reason; with skip_bad as without. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/data/data.h"
#include "runtime/system/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define AARIZ  "aariz/train/"
#define SHEETS AARIZ "Annotations/Cephalometric Landmarks/"

static void write_file(const char *folder, const char *name, const void *bytes, size_t length)
{
    char path[512];
    Error error = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    *strrchr(path, '/') = '\0';
    if (!os_make_folders(path, &error))
        abort();
    path[strlen(path)] = '/';
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        abort();
}

static void open_set(const char *folder, const char *name, bool skip_bad)
{
    char root[512];
    Dataset set;
    Error error = {0};
    snprintf(root, sizeof root, "%s/%s", folder, name);
    bool ok = dataset_open(
        &set, root, "train",
        &(DataRequest){.annotation = ANNOTATION_mean, .point_count = 0, .skip_bad = skip_bad},
        &error);
    if (ok != (error.status == 0) || (ok && set.item_count == 0) || (!ok && set.items != NULL))
        abort();
    if (ok)
        dataset_close(&set);
}

/* Two items, a and b; b is right. Made at the first call, removed when the process ends. */
static char folder[64];

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "cannot remove %s\n", folder);
}

static void make_folder(void)
{
    static const char sheet[] =
        "{\"landmarks\": [{\"symbol\": \"S\", \"value\": {\"x\": 1, \"y\": 2}}]}";
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz_XXXXXX" : "fuzz_XXXXXX");
    if (mkdtemp(folder) == NULL || atexit(remove_folder) != 0)
        abort();
    char text[256] = "";
    for (int k = 0; k < 19; k++)
        strcat(text, "1,2\n");
    for (int i = 0; i < 2; i++) {
        char name[256];
        snprintf(name, sizeof name, AARIZ "Cephalograms/%c.png", 'a' + i);
        write_file(folder, name, "", 0);
        snprintf(name, sizeof name, SHEETS "Senior Orthodontists/%c.json", 'a' + i);
        write_file(folder, name, sheet, sizeof sheet - 1);
        snprintf(name, sizeof name, SHEETS "Junior Orthodontists/%c.json", 'a' + i);
        write_file(folder, name, sheet, sizeof sheet - 1);
        snprintf(name, sizeof name, "isbi/RawImage/TrainingData/%c.bmp", 'a' + i);
        write_file(folder, name, "", 0);
        snprintf(name, sizeof name, "isbi/400_senior/%c.txt", 'a' + i);
        write_file(folder, name, text, strlen(text));
        snprintf(name, sizeof name, "isbi/400_junior/%c.txt", 'a' + i);
        write_file(folder, name, text, strlen(text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const names[3] = {SHEETS "Junior Orthodontists/a.json",
                                         "aariz/cephalogram_machine_mappings.csv",
                                         "isbi/400_junior/a.txt"};
    if (length == 0)
        return 0;
    if (folder[0] == '\0')
        make_folder();
    int which = bytes[0] % 3;
    write_file(folder, names[which], bytes + 1, length - 1);
    for (int skip_bad = 0; skip_bad < 2; skip_bad++)
        open_set(folder, which == 2 ? "isbi" : "aariz", skip_bad == 1);
    if (which == 1)
        write_file(folder, names[1], "cephalogram_id,pixel_size\n", 26);
    return 0;
}
