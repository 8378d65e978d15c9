/* Compares two checkpoints: the same tensors, the same values, the same state of the training.
 *
 *     compare A B                 bit for bit
 *     compare A B LIMIT PREFIX    tensors whose names start so: norm of the difference at most
 *                                 LIMIT times the norm; 0: bit for bit
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/safetensors.h"

static bool read_tensor(const TensorFile *file, const TensorEntry *entry, uint8_t **data)
{
    Error error = {0};

    *data = malloc((size_t)(entry->end - entry->begin) + 1);
    if (*data != NULL && tensor_file_read(file, entry, *data, &error))
        return true;
    error_print(&error);
    return false;
}

/* Norm of the difference over the norm of the first. */
static double distance(const float *a, const float *b, int64_t count)
{
    double difference = 0, norm = 0;

    for (int64_t k = 0; k < count; k++) {
        difference += pow((double)a[k] - (double)b[k], 2);
        norm += pow((double)a[k], 2);
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* limit <= 0: bit for bit. */
static bool compare_tensor(const TensorFile *a, const TensorFile *b, const TensorEntry *entry,
                           double limit, double *largest)
{
    const TensorEntry *other = tensor_file_find(b, entry->name);
    int64_t bytes = entry->end - entry->begin;
    uint8_t *first = NULL, *second = NULL;
    bool ok = other != NULL && other->type == entry->type && other->end - other->begin == bytes
              && read_tensor(a, entry, &first) && read_tensor(b, other, &second);

    if (ok && limit <= 0) {
        ok = memcmp(first, second, (size_t)bytes) == 0;
    } else if (ok && entry->type == TENSOR_F32) {
        double off = distance((float *)(void *)first, (float *)(void *)second, bytes / 4);
        *largest = fmax(*largest, off);
        ok = off <= limit;
    }
    if (!ok)
        printf("%s differs\n", entry->name);
    free(first);
    free(second);
    return ok;
}

static bool same_text(const TensorFile *a, const TensorFile *b, const char *key)
{
    const char *first = tensor_file_metadata(a, key), *second = tensor_file_metadata(b, key);

    if (first != NULL && second != NULL && strcmp(first, second) == 0)
        return true;
    printf("%s differs:\n  %s\n  %s\n", key, first ? first : "-", second ? second : "-");
    return false;
}

int main(int argc, char **argv)
{
    double limit = argc > 3 ? strtod(argv[3], NULL) : -1, largest = 0;
    const char *prefix = argc > 4 ? argv[4] : "";
    TensorFile a, b;
    Error error = {0};
    int32_t compared = 0;

    if (argc < 3 || !tensor_file_open(&a, argv[1], &error)
        || !tensor_file_open(&b, argv[2], &error)) {
        error_print(&error);
        return 2;
    }
    bool same = a.entry_count == b.entry_count;
    for (int32_t k = 0; k < a.entry_count; k++) {
        if (strncmp(a.entries[k].name, prefix, strlen(prefix)) != 0)
            continue;
        same = compare_tensor(&a, &b, &a.entries[k], limit, &largest) && same;
        compared++;
    }
    if (limit < 0)
        same = same_text(&a, &b, "state") && same_text(&a, &b, "program") && same;
    else
        printf("%d tensors, largest difference %.2g of the norm\n", compared, largest);
    tensor_file_close(&a);
    tensor_file_close(&b);
    return same && compared > 0 ? 0 : 1;
}
