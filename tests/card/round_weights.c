/* Weights, each rounded to the 11 significant bits of half precision: how far a training in f32
 * that starts from them goes from one that starts from the weights themselves says what rounding
 * does to a net, with no card in it.
 *
 *     round_weights WEIGHTS.safetensors OUT.safetensors
 */
#include <math.h>
#include <stdlib.h>

#include "runtime/train/safetensors.h"

static float round_to_half(float value)
{
    int exponent;
    float fraction = frexpf(value, &exponent);

    return ldexpf(rintf(ldexpf(fraction, 11)), exponent - 11);
}

static bool round_tensor(const TensorFile *in, const TensorEntry *entry, FILE *out, Error *error)
{
    int64_t count = (entry->end - entry->begin) / 4;
    float *values = malloc((size_t)count * sizeof *values + 1);
    bool ok = values != NULL && tensor_file_read(in, entry, values, error);

    for (int64_t k = 0; ok && k < count; k++)
        values[k] = round_to_half(values[k]);
    ok = ok && fseek(out, (long)(in->data_offset + entry->begin), SEEK_SET) == 0
         && fwrite(values, sizeof *values, (size_t)count, out) == (size_t)count;
    free(values);
    return ok;
}

static bool copy(const char *from, FILE *out)
{
    FILE *in = fopen(from, "rb");
    char bytes[4096];
    size_t count;

    if (in == NULL)
        return false;
    while ((count = fread(bytes, 1, sizeof bytes, in)) > 0)
        fwrite(bytes, 1, count, out);
    fclose(in);
    return !ferror(out);
}

int main(int argc, char **argv)
{
    TensorFile file = {0};
    Error error = {0};

    if (argc != 3) {
        fprintf(stderr, "usage: round_weights WEIGHTS.safetensors OUT.safetensors\n");
        return 2;
    }
    if (!tensor_file_open(&file, argv[1], &error)) {
        error_print(&error);
        return 1;
    }
    FILE *out = fopen(argv[2], "wb");
    bool ok = out != NULL && copy(argv[1], out);
    for (int32_t k = 0; ok && k < file.entry_count; k++)
        if (file.entries[k].type == TENSOR_F32)
            ok = round_tensor(&file, &file.entries[k], out, &error);
    if (out != NULL && fclose(out) != 0)
        ok = false;
    tensor_file_close(&file);
    if (!ok)
        fprintf(stderr, "%s cannot be written: %s\n", argv[2], error.what);
    return ok ? 0 : 1;
}
