/* Any bytes as a checkpoint: it is opened or refused with a reason; what opens is read whole, is
 * loaded or refused as a training's state, gives options within their limits or none, and imports
 * or does not. Each tensor lies within the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/train/checkpoint.h"
#include "runtime/train/run_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* ---- a device and a program of two parameters ------------------------------------------------ */

struct Device {
    uint8_t bytes[512];
};

static bool upload(Device *device, int64_t offset, const void *data, int64_t bytes, Error *error)
{
    (void)error;
    if (offset < 0 || bytes < 0 || offset + bytes > (int64_t)sizeof device->bytes)
        abort();
    memcpy(device->bytes + offset, data, (size_t)bytes);
    return true;
}

static const DeviceOps ops = {.name = "array", .upload = upload};
static const SnugParam params[] = {
    {.name = "a",
     .kind = SNUG_PARAM_conv_weight,
     .shape = {2, 1, 1, 2},
     .weight = 0,
     .m = 16,
     .v = 32,
     .ema = 48},
    {.name = "b",
     .kind = SNUG_PARAM_bias,
     .shape = {1, 1, 1, 2},
     .weight = 64,
     .m = 72,
     .v = 80,
     .ema = 88},
};
static const SnugProgram program = {.model = "m",
                                    .model_path = "m.snug",
                                    .overrides = "",
                                    .device = "host",
                                    .batch_size = 1,
                                    .image_height = 32,
                                    .image_width = 32,
                                    .params = params,
                                    .param_count = 2};

/* ---- one file -------------------------------------------------------------------------------- */

static char path[64];

static void remove_file(void)
{
    remove(path);
}

static void write_file(const uint8_t *bytes, size_t length)
{
    if (path[0] == '\0') {
        strcpy(path, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz_XXXXXX" : "fuzz_XXXXXX");
        int descriptor = mkstemp(path);
        if (descriptor < 0 || close(descriptor) != 0 || atexit(remove_file) != 0)
            abort();
    }
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        abort();
}

/* Each byte of the data belongs to one tensor. */
static void read_all(const TensorFile *file, size_t length)
{
    int64_t at = 0;
    uint8_t *data = malloc(length + 1);

    for (int32_t k = 0; k < file->entry_count; k++) {
        const TensorEntry *entry = &file->entries[k];
        Error error = {0};
        if (entry->begin != at || entry->end < at || (size_t)entry->end > length
            || tensor_elements(entry->rank, entry->shape) * tensor_bits(entry->type)
                   != 8 * (entry->end - entry->begin)
            || !tensor_file_read(file, entry, data, &error))
            abort();
        at = entry->end;
    }
    if ((size_t)(file->data_offset + at) != length)
        abort();
    free(data);
}

static void keep_options(const char *options)
{
    char *argv[] = {"trainer", "--resume", "x"};
    RunOptions run;
    Error error = {0};

    if (!options_parse(&run, 3, argv, &error))
        abort();
    if (options_keep(&run, options, "x", &error) && options_set_defaults(&run, &program, &error)) {
        char *json = options_json(&run);
        if (json == NULL || OPTION_WHOLE(&run, gradient_accumulation_steps) > 65536)
            abort();
        free(json);
    }
    options_free(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    Device device;
    TensorFile file;
    TrainState state;
    Error error = {0};
    char *options = NULL, *symbols = NULL;

    write_file(bytes, length);
    if (!tensor_file_open(&file, path, &error)) {
        if (error.status != ERROR_FILES || error.why[0] == '\0')
            abort();
        return 0;
    }
    read_all(&file, length);
    tensor_file_close(&file);
    checkpoint_load(path, &ops, &device, &program, &state, &error);
    error = (Error){0};
    import_weights(path, &ops, &device, &program, true, &error);
    error = (Error){0};
    if (checkpoint_read_texts(path, &options, &symbols, &error))
        keep_options(options);
    free(options);
    free(symbols);
    return 0;
}
