/* Which pictures can be read: known before a training begins, so that its batches, its order and
 * its updates are those of the data set without the others. */
#include <stdlib.h>

#include "data_reader.h"
#include "image.h"
#include "runtime/system/os.h"

typedef struct Reading {
    const Dataset *dataset;
    Error *errors; /* {item_count} */
    int32_t next;  /* item that nobody has taken */
    OsMutex *mutex;
} Reading;

static void read_pictures(void *context)
{
    Reading *reading = context;

    for (;;) {
        os_mutex_lock(reading->mutex);
        int32_t item = reading->next++;
        os_mutex_unlock(reading->mutex);
        if (item >= reading->dataset->item_count || os_interrupted() != 0)
            return;
        Image image = {0};
        image_read(&image, reading->dataset->items[item].image_path, reading->dataset->bits,
                   &reading->errors[item]);
        image_free(&image);
    }
}

/* With as many threads as can be started, this one among them. */
static void read_all(Reading *reading, int32_t workers)
{
    enum { MOST_THREADS = 64 };
    OsThread *threads[MOST_THREADS] = {NULL};

    for (int32_t k = 0; k + 1 < workers && k < MOST_THREADS; k++)
        threads[k] = os_thread_start(read_pictures, reading);
    read_pictures(reading);
    for (int32_t k = 0; k < MOST_THREADS; k++)
        os_thread_join(threads[k]);
}

/* Keeps the items without an error, in their order. */
static bool drop_items(Dataset *dataset, Error *errors, Error *error)
{
    Request request = {.skip_bad = true};
    int32_t kept = 0;
    bool ok = true;

    for (int32_t i = 0; i < dataset->item_count; i++) {
        if (!ok || errors[i].status == 0) {
            dataset->items[kept++] = dataset->items[i];
            continue;
        }
        ok = dataset_forgive(dataset, &request, &errors[i]);
        if (!ok) {
            *error = errors[i];
            dataset->items[kept++] = dataset->items[i];
        } else {
            item_free(&dataset->items[i]);
        }
    }
    dataset->item_count = kept;
    return ok;
}

bool dataset_leave_out_unreadable(Dataset *dataset, int32_t workers, Error *error)
{
    Reading reading = {
        .dataset = dataset,
        .errors = calloc((size_t)dataset->item_count + 1, sizeof *reading.errors),
        .mutex = os_mutex_create(),
    };
    bool ok = (reading.errors != NULL && reading.mutex != NULL)
              || error_set(error, ERROR_MEMORY, "no memory to read the pictures");

    if (ok)
        read_all(&reading, workers);
    ok = ok && drop_items(dataset, reading.errors, error)
         && (dataset->item_count > 0
             || error_set(error, ERROR_FILES, "no picture of the %s split of %s can be read",
                          dataset->split, dataset->root));
    os_mutex_destroy(reading.mutex);
    free(reading.errors);
    return ok;
}
